//! What the machine remembers, for a backtest that shows it only the rows that could matter: of all
//! other subjects a row that calls for no alert changes nothing.

use super::AlertMachine;
use super::episode::Subject;
use super::seen::Seen;
use crate::measurement::Measurement;
use crate::words::OnNoData;

impl AlertMachine {
    /// Kind and id of every subject with an open alert, pending ones included, or with changes that
    /// still count; once for each rule. Subjects that are only known for missing data are not in it.
    pub(crate) fn remembered(&self) -> impl Iterator<Item = (&str, &str)> {
        self.watches.iter().flat_map(|watch| {
            let open = watch.episodes.keys();
            open.chain(watch.flaps.0.keys()).map(Subject::key)
        })
    }

    /// How many subjects it may remember.
    pub(crate) fn subjects_max(&self) -> usize {
        self.limits.subjects_max
    }

    /// Knows the subject of `row`, as of that row, for the rules about it that tell of missing data.
    pub(crate) fn know(&mut self, row: &Measurement<'_>) {
        for watch in &mut self.watches {
            let rule = &watch.rule;
            let tells = rule.on_no_data() == OnNoData::Alert && rule.layer() == row.layer;
            if tells && rule.matches(row) {
                let before = watch.known.insert(Subject::of(row), Seen::of(row));
                self.limits.subjects += usize::from(before.is_none());
            }
        }
    }

    /// Does not know the subject of `row` any more, whose missing data it then does not tell.
    pub(crate) fn unknow(&mut self, row: &Measurement<'_>) {
        let subject = Subject::of(row);
        for watch in &mut self.watches {
            if watch.rule.layer() == row.layer {
                self.limits.subjects -= usize::from(watch.known.remove(&subject).is_some());
            }
        }
    }
}
