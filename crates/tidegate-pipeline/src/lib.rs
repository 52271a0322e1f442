//! Pipeline folders to a validated pipeline that drives engine, query, risk and alerts.
