//! A synthetic city: venues, feeds, daily profiles and injected scenarios with known truth.
