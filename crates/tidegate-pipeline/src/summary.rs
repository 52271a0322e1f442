//! What a run did with what it was given.

use std::collections::BTreeMap;

/// Counts of a run; every record is in exactly one of counted, late, duplicate, rejected (T4).
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Summary {
    /// The pipeline's name.
    pub pipeline: String,
    /// Messages read.
    pub payloads: u64,
    /// Records found in them.
    pub received: u64,
    /// Records in windows, late ones within the allowed lateness included.
    pub counted: u64,
    /// Of `counted`, those that entered only a revision.
    pub revised: u64,
    /// Records too late for any window.
    pub late: u64,
    /// Records whose id had been seen.
    pub duplicate: u64,
    /// Records that could not be counted.
    pub rejected: u64,
    /// The same by feed.
    pub feeds: BTreeMap<String, FeedSummary>,
    /// Rejected records by the site that they name, where it is unknown or has no place.
    pub unknown_sites: BTreeMap<String, u64>,
    /// Window queries by name.
    pub windows: BTreeMap<String, WindowSummary>,
    /// Rows of each layer, final evaluations.
    pub layers: BTreeMap<String, u64>,
    /// How often each layer could not be evaluated on the data of a window.
    pub layers_failed: BTreeMap<String, u64>,
    /// Corrections of occupancy: clamps at zero, resets, late persons.
    pub occupancy_corrections: u64,
    /// Alert transitions by state.
    pub alerts: BTreeMap<String, u64>,
    /// Values that were not observed because their layer has more subjects than are followed.
    pub series_refused: u64,
}

/// Counts of one feed.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct FeedSummary {
    /// Messages read.
    pub payloads: u64,
    /// Records found in them.
    pub received: u64,
    /// Records in windows.
    pub counted: u64,
    /// Records too late for any window.
    pub late: u64,
    /// Records whose id had been seen.
    pub duplicate: u64,
    /// Records that could not be counted, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Changes of its health by state: `quarantined`, `recovered`.
    pub health: BTreeMap<String, u64>,
    /// Records that are well-formed and have nothing to count, by why: `prediction`, `notice`,
    /// `deleted`, `cancelled`, `empty`. They are not among the received.
    pub passed_over: BTreeMap<String, u64>,
    /// How often a GTFS-Realtime feed named stops, trips and routes that its static feed has
    /// (`stops_known` …), and others (`stops_unknown` …).
    pub references: BTreeMap<String, u64>,
    /// Steps of cumulative counters that are not crowds, by kind.
    pub counter_faults: BTreeMap<String, u64>,
    /// Ids forgotten early because the bound on remembered ids was hit.
    pub dedup_forgotten: u64,
}

/// Counts of one window query.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct WindowSummary {
    /// Windows that closed, empty ones included.
    pub closed: u64,
    /// Rows of their panes.
    pub panes: u64,
    /// Windows that were revised by late records.
    pub revised: u64,
}

/// Unknown sites listed by name at most; further ones are added up under `…`.
pub(crate) const UNKNOWN_SITES_MAX: usize = 1_000;

impl Summary {
    /// Whether every record is accounted for: invariant T4.
    pub fn adds_up(&self) -> bool {
        self.received == self.counted + self.late + self.duplicate + self.rejected
    }

    pub(crate) fn note_unknown_site(&mut self, site: &str) {
        let known = self.unknown_sites.contains_key(site);
        let key = if known || self.unknown_sites.len() < UNKNOWN_SITES_MAX {
            site
        } else {
            "…"
        };
        *self.unknown_sites.entry(key.to_owned()).or_default() += 1;
    }
}
