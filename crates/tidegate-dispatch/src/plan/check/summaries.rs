//! The check of `[[summary]]`.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::Span;

use super::Check;
use crate::config::SummaryConfig;
use crate::hours::{DAY, minute, weekdays};
use crate::summary::{SUMMARY_AFTER_MAX, SUMMARY_TIMES_MAX, SummaryKind, SummaryPlan};

/// What may stand in braces in `out`.
const WORDS: [&str; 4] = ["grid_unit", "kind", "date", "time"];

impl Check<'_> {
    pub(in crate::plan) fn summaries(&mut self, configs: &[SummaryConfig]) -> Vec<SummaryPlan> {
        let mut summaries = Vec::new();
        let (mut told, mut written) = (BTreeMap::new(), BTreeMap::new());
        for (config, n) in configs.iter().zip(1..) {
            let key = format!("summary[{n}]");
            let summary = self.summary(config, &key);
            let kind = summary.kind();
            for channel in summary.channels() {
                if let Some(first) = told.insert(summary.series(channel), n) {
                    let message = format!(
                        "is summary[{first}] again, the {} of {:?} on {channel:?}: join the two",
                        kind.as_str(),
                        config.grid_unit
                    );
                    self.problems.add(&key, message);
                }
            }
            if let Some(out) = &config.out {
                self.out(out, kind, &key);
                let of = out.replace("{grid_unit}", &config.grid_unit);
                let of = of.replace("{kind}", kind.as_str());
                if let Some(first) = written.insert(of, n) {
                    let message = format!("{out:?} is also the file of summary[{first}]");
                    self.problems.add(format!("{key}.out"), message);
                }
            }
            summaries.push(summary);
        }
        summaries
    }

    fn summary(&mut self, config: &SummaryConfig, key: &str) -> SummaryPlan {
        if !self.tree.contains(&config.grid_unit) {
            let unit = &config.grid_unit;
            let message = format!("{unit:?} is not a grid unit: name one of the tree");
            self.problems.add(format!("{key}.grid_unit"), message);
        }
        let times = self.times(config, &format!("{key}.at"));
        let weekdays = weekdays(&config.weekdays, key, &mut self.problems);
        let channels = self.channels(key, &config.channels, None);
        let after = self.problems.span(&format!("{key}.after"), &config.after);
        if !(Span::ZERO..=SUMMARY_AFTER_MAX).contains(&after) {
            let message = format!("{after} is not from 0s to {SUMMARY_AFTER_MAX}");
            self.problems.add(format!("{key}.after"), message);
        }
        SummaryPlan::new(
            &config.grid_unit,
            (times, weekdays, after),
            channels,
            config.out.clone(),
        )
    }

    /// Minutes of the local day.
    fn times(&mut self, config: &SummaryConfig, key: &str) -> BTreeSet<u16> {
        let count = config.at.len();
        if !(1..=SUMMARY_TIMES_MAX).contains(&count) {
            let message = format!("{count} times are not from 1 to {SUMMARY_TIMES_MAX}");
            self.problems.add(key, message);
        }
        let mut times = BTreeSet::new();
        for text in self.problems.texts(key, &config.at) {
            // A day's end is the next one's beginning, and belongs to that one's weekday.
            if let Some(minute) = minute(&text).filter(|minute| *minute < DAY) {
                times.insert(minute);
            } else {
                let message = format!("{text:?} is not a time of day such as 08:00");
                self.problems.add(key, message);
            }
        }
        times
    }

    fn out(&mut self, out: &str, kind: SummaryKind, key: &str) {
        let key = format!("{key}.out");
        let after_braces = out.split('{').skip(1);
        let words: Vec<&str> = after_braces
            .map(|rest| rest.split('}').next().unwrap_or_default())
            .collect();
        for word in words.iter().filter(|word| !WORDS.contains(word)) {
            let message = format!("{{{word}}} is none of {{{}}}", WORDS.join("}, {"));
            self.problems.add(&key, message);
        }
        if out
            .rsplit_once('.')
            .is_none_or(|(_, ending)| ending != "html")
        {
            let message = format!("{out:?} must end with .html");
            self.problems.add(&key, message);
        }
        let needed: &[&str] = match kind {
            SummaryKind::Day => &["date"],
            SummaryKind::Shift => &["date", "time"],
        };
        for word in needed.iter().filter(|word| !words.contains(word)) {
            let message = format!("{out:?} lacks {{{word}}}: each would replace the one before");
            self.problems.add(&key, message);
        }
    }
}
