//! The check of `routes.toml`, part by part.

mod summaries;

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::Span;

use super::{DUTY, Duty, ENTRIES_MAX, Inhibit, Route};
use crate::config::{
    DutyConfig, EscalationConfig, HoursConfig, InhibitConfig, RouteConfig, RoutesConfig,
    SilencesConfig, StormConfig,
};
use crate::hours::Hours;
use crate::matcher::Matchers;
use crate::problem::Problems;
use crate::tree::GridTree;

/// A check that is under way.
pub(super) struct Check<'a> {
    tree: &'a GridTree,
    channels: BTreeSet<&'a str>,
    problems: Problems,
}

impl<'a> Check<'a> {
    pub(super) fn new(tree: &'a GridTree, channels: &[&'a str]) -> Self {
        Self {
            tree,
            channels: channels.iter().copied().collect(),
            problems: Problems::default(),
        }
    }

    pub(super) fn into_problems(self) -> Problems {
        self.problems
    }

    /// The longest silence, and how long an ended one is listed.
    pub(super) fn limits(
        &mut self,
        storm: &StormConfig,
        silences: &SilencesConfig,
    ) -> (Span, Span) {
        let problems = &mut self.problems;
        problems.between("storm.alerts_per_notice", storm.alerts_per_notice, 1_000);
        problems.between("storm.notices_per_minute", storm.notices_per_minute, 10_000);
        (
            problems.interval("silences.max", &silences.max),
            problems.interval("silences.keep", &silences.keep),
        )
    }

    pub(super) fn counts(&mut self, config: &RoutesConfig) {
        for (key, count) in [
            ("duty", config.duties.len()),
            ("route", config.routes.len()),
            ("inhibit", config.inhibits.len()),
            ("summary", config.summaries.len()),
        ] {
            if count > ENTRIES_MAX {
                self.problems
                    .add(key, format!("{count} entries are more than {ENTRIES_MAX}"));
            }
        }
        if self.channels.contains(DUTY) {
            let message = format!("a channel is called {DUTY:?}, which stands for those on duty");
            self.problems.add("channels", message);
        }
    }

    fn hours(&mut self, config: Option<&HoursConfig>, key: &str) -> Option<Hours> {
        Hours::check(config?, key, &mut self.problems)
    }

    fn channels(&mut self, key: &str, names: &[String], word: Option<&str>) -> BTreeSet<String> {
        let key = format!("{key}.channels");
        if names.is_empty() {
            self.problems
                .add(&key, "names no channel: nobody would be told");
        }
        for name in names {
            if !self.channels.contains(name.as_str()) && Some(name.as_str()) != word {
                let known: Vec<&str> = self.channels.iter().copied().collect();
                let known = known.join(", ");
                let message = format!("{name:?} is not a channel: name one of {known}");
                self.problems.add(&key, message);
            }
        }
        self.problems.texts(&key, names)
    }

    pub(super) fn duties(&mut self, configs: &[DutyConfig]) -> Vec<Duty> {
        let mut seen = BTreeMap::new();
        let mut duties = Vec::new();
        for (config, n) in configs.iter().zip(1..) {
            let key = format!("duty[{n}]");
            self.problems.text(&format!("{key}.role"), &config.role);
            match (&config.grid_unit, &config.kind) {
                (Some(unit), None) if !self.tree.contains(unit) => self.problems.add(
                    format!("{key}.grid_unit"),
                    format!("{unit:?} is not a grid unit: name one of the tree"),
                ),
                (None, Some(kind)) => self.problems.text(&format!("{key}.kind"), kind),
                (Some(_), None) => {}
                (Some(_), Some(_)) => {
                    self.problems
                        .add(&key, "has both grid_unit and kind: leave one out");
                }
                (None, None) => self.problems.add(&key, "has neither grid_unit nor kind"),
            }
            let identity = (
                &config.role,
                &config.grid_unit,
                &config.kind,
                identity(config),
            );
            if let Some(first) = seen.insert(identity, n) {
                let message = format!(
                    "is duty[{first}] again, {:?} at the same place and hours: join the two",
                    config.role
                );
                self.problems.add(&key, message);
            }
            duties.push(Duty {
                role: config.role.clone(),
                grid_unit: config.grid_unit.clone(),
                kind: config.kind.clone(),
                hours: self.hours(config.hours.as_ref(), &format!("{key}.hours")),
                channels: self.channels(&key, &config.channels, None),
                to: self.problems.texts(&format!("{key}.to"), &config.to),
            });
        }
        duties
    }

    pub(super) fn routes(&mut self, configs: &[RouteConfig]) -> Vec<Route> {
        let mut seen = BTreeMap::new();
        let mut routes = Vec::new();
        for (config, n) in configs.iter().zip(1..) {
            let key = format!("route[{n}]");
            if let Some(first) = seen.insert(&config.name, n) {
                let message = format!("{:?} is also route[{first}]: rename one", config.name);
                self.problems.add(format!("{key}.name"), message);
            }
            routes.push(self.route(config, &key));
        }
        self.default_route(&routes, configs);
        routes
    }

    fn route(&mut self, config: &RouteConfig, key: &str) -> Route {
        self.problems.name(&format!("{key}.name"), &config.name);
        self.channels(key, &config.channels, Some(DUTY));
        let problems = &mut self.problems;
        problems.texts(&format!("{key}.group_by"), &config.group_by);
        let group_interval =
            problems.interval(&format!("{key}.group_interval"), &config.group_interval);
        let repeat_interval =
            problems.interval(&format!("{key}.repeat_interval"), &config.repeat_interval);
        if Span::ZERO < repeat_interval && repeat_interval < group_interval {
            let message = format!("{repeat_interval} is below group_interval {group_interval}");
            problems.add(format!("{key}.repeat_interval"), message);
        }
        let group_wait = problems.span(&format!("{key}.group_wait"), &config.group_wait);
        if group_wait > Span::hours(24) {
            let message = format!("{group_wait} is more than a day: nobody would be told in time");
            problems.add(format!("{key}.group_wait"), message);
        }
        let matchers = Matchers::check(
            &config.matchers,
            &format!("{key}.match"),
            self.tree,
            problems,
        );
        Route {
            name: config.name.clone(),
            matchers,
            channels: config.channels.clone(),
            goes_on: config.goes_on,
            group_by: config.group_by.clone(),
            group_wait,
            group_interval,
            repeat_interval,
            resolve_immediately: config.resolve_immediately,
            active: self.hours(config.active.as_ref(), &format!("{key}.active")),
        }
    }

    /// The last route takes everything, always, to a channel; and no route before it does.
    fn default_route(&mut self, routes: &[Route], configs: &[RouteConfig]) {
        let Some((last, before)) = routes.split_last() else {
            let message = "is missing: write at least one without `match`, the default route";
            self.problems.add("route", message);
            return;
        };
        let key = format!("route[{}]", routes.len());
        let hours = configs.last().and_then(|config| config.active.as_ref());
        if !last.matchers.is_empty() || hours.is_some() || last.goes_on {
            let message = format!(
                "{:?} is the last and must take every alert: add a default route without \
                 `match`, `active` and `continue`",
                last.name
            );
            self.problems.add(&key, message);
        }
        if last.channels.iter().all(|channel| channel == DUTY) && !last.channels.is_empty() {
            let message = "the default route must name a channel: nobody may be on duty";
            self.problems.add(format!("{key}.channels"), message);
        }
        for (route, n) in before.iter().zip(1..) {
            if route.matchers.is_empty() && !route.goes_on && configs[n - 1].active.is_none() {
                let message = format!(
                    "{:?} takes every alert: no later route is asked",
                    route.name
                );
                self.problems.add(format!("route[{n}]"), message);
            }
        }
    }

    pub(super) fn inhibits(&mut self, configs: &[InhibitConfig]) -> Vec<Inhibit> {
        let mut inhibits = Vec::new();
        for (config, n) in configs.iter().zip(1..) {
            let key = format!("inhibit[{n}]");
            let mut side = |name: &str, config| {
                let key = format!("{key}.{name}");
                let matchers = Matchers::check(config, &key, self.tree, &mut self.problems);
                if matchers.is_empty() {
                    self.problems.add(key, "matches every alert: say which");
                }
                matchers
            };
            let (source, target) = (
                side("source", &config.source),
                side("target", &config.target),
            );
            let key = format!("{key}.equal");
            let names = &config.equal.0;
            let mut equal = Vec::new();
            if names.is_empty() {
                self.problems.add(
                    &key,
                    "names nothing: write \"any\" if nothing must be equal",
                );
            }
            if names.iter().any(|name| name == "any") && names.len() > 1 {
                self.problems
                    .add(&key, "has \"any\" beside others: leave one out");
            }
            for name in names.iter().filter(|name| *name != "any") {
                let (source, target) = name.split_once('=').unwrap_or((name, name));
                self.problems.text(&key, source);
                self.problems.text(&key, target);
                equal.push((source.trim().to_owned(), target.trim().to_owned()));
            }
            inhibits.push(Inhibit {
                source,
                target,
                equal,
            });
        }
        inhibits
    }

    pub(super) fn escalation(&mut self, config: &EscalationConfig) -> [Option<Span>; 4] {
        [
            ("info", &config.info),
            ("watch", &config.watch),
            ("warning", &config.warning),
            ("critical", &config.critical),
        ]
        .map(|(name, after)| {
            let after = after.as_ref()?;
            Some(self.problems.interval(&format!("escalation.{name}"), after))
        })
    }
}

/// What tells the hours of two duties apart, as they are written.
fn identity(config: &DutyConfig) -> Option<(&[String], &str, &str, &str)> {
    let hours = config.hours.as_ref()?;
    Some((&hours.weekdays, &hours.from, &hours.to, &hours.time_zone))
}
