//! A stop of a timetable, as a registry of sites takes it over.

/// A stop of a static GTFS feed or of a `NeTEx` document.
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// Its id, which is the site id of what a feed counts there.
    pub id: String,
    /// Its name; empty where it has none.
    pub name: String,
    /// Degrees north and east (WGS 84), inside the world; `None` where it has none. At 0,0 is what
    /// feeds write that do not know.
    pub place: Option<(f64, f64)>,
}
