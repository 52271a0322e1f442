//! What became of all that came in.

/// Counts since the state began. Two sums always hold, so that nothing vanishes unseen:
/// - `received` = `accepted` + `shadow` + `repeated` + `outdated` + `unheard` + `refused`;
/// - `deliveries` = `told` + `muted` + `inhibited` + `superseded` + `held_back`, and those that
///   still wait ([`crate::Dispatcher::waiting`]).
///
/// Part of the stored state: the order of fields is a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    /// Records that came in.
    pub received: u64,
    /// Records that changed an alert.
    pub accepted: u64,
    /// Records of shadow rules: never told.
    pub shadow: u64,
    /// Records that had come before.
    pub repeated: u64,
    /// Records older than what is known of the alert.
    pub outdated: u64,
    /// Ends of alerts of which nothing is known.
    pub unheard: u64,
    /// Records of new alerts beyond `ALERTS_MAX`, or without a time: counted in the next digest of
    /// the default route's channels.
    pub refused: u64,
    /// Accepted records, each as often as there are channels that it is for.
    pub deliveries: u64,
    /// Deliveries that are in a notice, a digest too.
    pub told: u64,
    /// Deliveries that a silence muted to their end.
    pub muted: u64,
    /// Deliveries that an inhibition kept quiet to their end.
    pub inhibited: u64,
    /// Deliveries in whose place a newer one came, or that were over before they were told.
    pub superseded: u64,
    /// Deliveries that the storm cap held back and that a digest which was sent only counts. Ends
    /// of alerts that it could not show any more are among them as soon as they come: the next
    /// digest counts them. What is to be shown still waits, and what is muted when the digest is
    /// due goes on waiting.
    pub held_back: u64,
    /// Notices made.
    pub notices: u64,
    /// Notices that told a group again.
    pub repeats: u64,
    /// Notices to the next one up.
    pub escalations: u64,
    /// Notices that sum up.
    pub digests: u64,
}
