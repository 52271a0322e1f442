//! DataFusion session, H3 and risk functions in SQL, incremental aggregates.
