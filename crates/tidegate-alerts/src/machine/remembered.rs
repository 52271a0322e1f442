//! Which subjects the machine remembers anything of: of all others a row that calls for no alert
//! changes nothing.

use super::AlertMachine;
use super::episode::Subject;

impl AlertMachine {
    /// Kind and id of every subject with an open alert, pending ones included, or with changes that
    /// still count; once for each rule. Subjects that are only known for missing data are not in it.
    pub(crate) fn remembered(&self) -> impl Iterator<Item = (&str, &str)> {
        self.watches.iter().flat_map(|watch| {
            let open = watch.episodes.keys();
            open.chain(watch.flaps.0.keys()).map(Subject::key)
        })
    }
}
