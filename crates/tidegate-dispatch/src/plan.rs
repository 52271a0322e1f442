//! A `routes.toml` whose every part was checked, and what it says of an alert.

mod check;
mod lines;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tidegate_alerts::Severity;
use tidegate_alerts::wire::AlertRecord;
use tidegate_model::Span;

use crate::config::{RoutesConfig, StormConfig};
use crate::digest::{digest, hex};
use crate::hours::Hours;
use crate::matcher::{Matchers, field, severity, unit_of};
use crate::problem::Problem;
use crate::summary::SummaryPlan;
use crate::tree::GridTree;

use check::Check;
use lines::{line_at, name_lines};

/// The word in a route's channels that stands for those of whoever is on duty.
pub const DUTY: &str = "duty";

/// The most routes, duties, inhibitions and summaries, each. Beyond it the file is refused.
pub const ENTRIES_MAX: usize = 10_000;

/// Who answers for a place.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct Duty {
    pub(crate) role: String,
    pub(crate) grid_unit: Option<String>,
    kind: Option<String>,
    hours: Option<Hours>,
    pub(crate) channels: BTreeSet<String>,
    pub(crate) to: BTreeSet<String>,
}

impl Duty {
    fn is_on(&self, now: Timestamp) -> bool {
        self.hours.as_ref().is_none_or(|hours| hours.contain(now))
    }
}

/// Where alerts of some sort go.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) matchers: Matchers,
    channels: Vec<String>,
    goes_on: bool,
    pub(crate) group_by: Vec<String>,
    #[serde(serialize_with = "micros")]
    pub(crate) group_wait: Span,
    #[serde(serialize_with = "micros")]
    pub(crate) group_interval: Span,
    #[serde(serialize_with = "micros")]
    pub(crate) repeat_interval: Span,
    pub(crate) resolve_immediately: bool,
    pub(crate) active: Option<Hours>,
}

impl Route {
    /// What the alerts of a group have in common.
    pub(crate) fn group(&self, alert: &AlertRecord) -> BTreeMap<String, String> {
        let value = |name: &String| Some((name.clone(), field(alert, name)?.to_owned()));
        self.group_by.iter().filter_map(value).collect()
    }
}

/// What keeps quiet while something worse stands.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct Inhibit {
    source: Matchers,
    target: Matchers,
    /// Pairs of a field of the source and one of the target.
    equal: Vec<(String, String)>,
}

impl Inhibit {
    /// The values by which targets find this source; `None` for an alert that is none.
    pub(crate) fn source_key(&self, alert: &AlertRecord, chain: &[&str]) -> Option<String> {
        if !self.source.hold(alert, chain) {
            return None;
        }
        key(self.equal.iter().map(|(source, _)| field(alert, source)))
    }

    /// The values by which this target finds its sources; `None` for an alert that is none.
    pub(crate) fn target_key(&self, alert: &AlertRecord, chain: &[&str]) -> Option<String> {
        if !self.target.hold(alert, chain) || self.source.hold(alert, chain) {
            return None;
        }
        key(self.equal.iter().map(|(_, target)| field(alert, target)))
    }
}

fn key<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Option<String> {
    let mut key = String::new();
    for value in values {
        let value = value?;
        key.push_str(&value.len().to_string());
        key.push(':');
        key.push_str(value);
    }
    Some(key)
}

/// A channel that is told of an alert, and the route that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) route: usize,
    pub(crate) channel: String,
}

/// What became of one route when an alert was routed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RouteStep {
    /// The route's name.
    pub route: String,
    /// Whether it takes the alert.
    pub taken: bool,
    /// Why, in a few words.
    pub why: String,
}

/// The way of an alert through the routes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Way {
    pub(crate) steps: Vec<RouteStep>,
    pub(crate) targets: Vec<Target>,
}

/// A checked `routes.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    tree: GridTree,
    duties: Vec<Duty>,
    /// Where in `duties` those of a grid unit are.
    duties_of: BTreeMap<String, Vec<usize>>,
    routes: Vec<Route>,
    inhibits: Vec<Inhibit>,
    escalation: [Option<Span>; 4],
    storm: StormConfig,
    silence_max: Span,
    silence_keep: Span,
    summaries: Vec<SummaryPlan>,
    hash: String,
}

impl Plan {
    /// Checks `routes.toml` against the tree of grid units and the names of the channels.
    ///
    /// # Errors
    /// All problems, in the order of the file.
    ///
    /// ```
    /// use tidegate_dispatch::{GridTree, Plan, RoutesConfig};
    /// let config: RoutesConfig = toml::from_str(r#"
    ///     [[route]]
    ///     name = "default"
    ///     channels = ["hall"]
    ///     group_interval = "0s"
    /// "#).unwrap();
    /// let problems = Plan::try_new(&config, GridTree::default(), &["mail"]).unwrap_err();
    /// assert_eq!(problems.len(), 2);
    /// assert_eq!(
    ///     problems[0].to_string(),
    ///     r#"route[1].channels: "hall" is not a channel: name one of mail"#
    /// );
    /// ```
    pub fn try_new(
        config: &RoutesConfig,
        tree: GridTree,
        channels: &[&str],
    ) -> Result<Self, Vec<Problem>> {
        let mut check = Check::new(&tree, channels);
        check.counts(config);
        let duties = check.duties(&config.duties);
        let routes = check.routes(&config.routes);
        let inhibits = check.inhibits(&config.inhibits);
        let escalation = check.escalation(&config.escalation);
        let (silence_max, silence_keep) = check.limits(&config.storm, &config.silences);
        let summaries = check.summaries(&config.summaries);
        let problems = check.into_problems();
        let mut duties_of: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, duty) in duties.iter().enumerate() {
            if let Some(unit) = &duty.grid_unit {
                duties_of.entry(unit.clone()).or_default().push(at);
            }
        }
        let mut plan = Self {
            tree,
            duties,
            duties_of,
            routes,
            inhibits,
            escalation,
            storm: config.storm.clone(),
            silence_max,
            silence_keep,
            summaries,
            hash: String::new(),
        };
        plan.hash = plan.content_hash();
        problems.ok(plan)
    }

    /// Reads the text of a `routes.toml` and checks it as [`Plan::try_new`] does.
    ///
    /// # Errors
    /// All problems, each with its line; of those that keep the text from being read, the first.
    pub fn from_toml(text: &str, tree: GridTree, channels: &[&str]) -> Result<Self, Vec<Problem>> {
        let config: RoutesConfig = toml::from_str(text).map_err(|error| {
            vec![Problem {
                line: error.span().map(|span| line_at(text, span.start)),
                key: String::new(),
                message: error.message().to_owned(),
            }]
        })?;
        Self::try_new(&config, tree, channels).map_err(|mut problems| {
            name_lines(text, &mut problems);
            problems
        })
    }

    /// Thirty-two hexadecimal digits that change with anything in `routes.toml`, but not with the
    /// way a value is written: `60s` is `1m`.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The tree of grid units.
    pub fn tree(&self) -> &GridTree {
        &self.tree
    }

    fn content_hash(&self) -> String {
        let form = (
            "routes/1",
            &self.duties,
            &self.routes,
            &self.inhibits,
            self.escalation.map(|after| after.map(Span::as_micros)),
            [self.storm.alerts_per_notice, self.storm.notices_per_minute],
            [self.silence_max.as_micros(), self.silence_keep.as_micros()],
        );
        let bytes = |written: postcard::Result<Vec<u8>>| {
            written.expect("lists of texts and numbers can be written")
        };
        let routes = bytes(postcard::to_stdvec(&form));
        if self.summaries.is_empty() {
            return hex(&digest([routes.as_slice()]));
        }
        let summaries = bytes(postcard::to_stdvec(&self.summaries));
        hex(&digest([routes.as_slice(), summaries.as_slice()]))
    }

    /// The roles that are on duty somewhere, sometime.
    pub fn roles(&self) -> BTreeSet<String> {
        self.duties.iter().map(|duty| duty.role.clone()).collect()
    }

    /// The summaries that are told when their time is over.
    pub fn summaries(&self) -> &[SummaryPlan] {
        &self.summaries
    }

    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The route of this name; the default route where it is gone.
    pub(crate) fn route_named(&self, name: &str) -> usize {
        let found = self.routes.iter().position(|route| route.name == name);
        found.unwrap_or(self.routes.len() - 1)
    }

    pub(crate) fn inhibits(&self) -> &[Inhibit] {
        &self.inhibits
    }

    pub(crate) fn storm(&self) -> &StormConfig {
        &self.storm
    }

    pub(crate) fn silence_max(&self) -> Span {
        self.silence_max
    }

    pub(crate) fn silence_keep(&self) -> Span {
        self.silence_keep
    }

    /// How long nobody may acknowledge an alert so bad.
    pub(crate) fn escalates_after(&self, severity: Severity) -> Option<Span> {
        self.escalation[severity as usize]
    }

    /// The grid units that `alert` lies in, from the nearest to the top.
    pub(crate) fn chain(&self, alert: &AlertRecord) -> Vec<&str> {
        unit_of(alert).map_or_else(Vec::new, |unit| self.tree.chain(unit))
    }

    /// Who answers for the grid unit at `now`.
    pub(crate) fn on_duty<'a>(
        &'a self,
        unit: &str,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Duty> {
        let of_unit = self.duties_of.get(unit).into_iter().flatten();
        of_unit
            .map(|at| &self.duties[*at])
            .filter(move |duty| duty.is_on(now))
    }

    /// Who answers for the kind of place of `alert` at `now`.
    fn on_duty_for_kind<'a>(
        &'a self,
        alert: &'a AlertRecord,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Duty> {
        let kind = alert.tags.get("kind").map(String::as_str);
        let of_kind = move |duty: &&Duty| duty.kind.is_some() && duty.kind.as_deref() == kind;
        self.duties
            .iter()
            .filter(of_kind)
            .filter(move |duty| duty.is_on(now))
    }

    /// How far up `chain`, from `from` on, the first unit with somebody on duty is.
    pub(crate) fn next_on_duty(
        &self,
        chain: &[&str],
        from: usize,
        now: Timestamp,
    ) -> Option<usize> {
        (from..chain.len()).find(|at| self.on_duty(chain[*at], now).next().is_some())
    }

    /// Whether anybody answers, now or at another time, for the units of `chain` from `from` on.
    pub(crate) fn has_duty(&self, chain: &[&str], from: usize) -> bool {
        let mut above = chain.iter().skip(from);
        above.any(|unit| self.duties_of.contains_key(*unit))
    }

    /// Everybody who answers for `alert`: in its grid units up to the one at `reached`, at the
    /// least up to the nearest with somebody on duty, and for its kind of place.
    pub(crate) fn answerable<'a>(
        &'a self,
        alert: &'a AlertRecord,
        reached: Option<usize>,
        now: Timestamp,
    ) -> Vec<&'a Duty> {
        let chain = self.chain(alert);
        let nearest = self.next_on_duty(&chain, 0, now);
        let end = nearest.max(reached).map_or(0, |at| at + 1).min(chain.len());
        let of_units = chain[..end].iter().flat_map(|unit| self.on_duty(unit, now));
        of_units.chain(self.on_duty_for_kind(alert, now)).collect()
    }

    /// The way of `alert` through the routes: which take it, and which channels are told.
    pub(crate) fn way(&self, alert: &AlertRecord, now: Timestamp) -> Way {
        let chain = self.chain(alert);
        let mut way = Way::default();
        for (at, route) in self.routes.iter().enumerate() {
            let asleep = || {
                route
                    .active
                    .as_ref()
                    .is_some_and(|hours| !hours.contain(now))
            };
            let unmet = route.matchers.unmet(alert, &chain);
            let why_not = match unmet {
                Some(name) => Some(format!("{name} does not match")),
                None => asleep().then(|| "outside of its hours".to_owned()),
            };
            let taken = why_not.is_none();
            let why = why_not.unwrap_or_else(|| "everything matches".to_owned());
            way.steps.push(RouteStep {
                route: route.name.clone(),
                taken,
                why,
            });
            if !taken {
                continue;
            }
            for channel in self.channels(route, alert, now) {
                if way.targets.iter().all(|target| target.channel != channel) {
                    way.targets.push(Target { route: at, channel });
                }
            }
            if !route.goes_on {
                break;
            }
        }
        way
    }

    /// The channels of `route` for `alert`, with those of who is on duty in place of the word.
    fn channels(&self, route: &Route, alert: &AlertRecord, now: Timestamp) -> Vec<String> {
        let mut channels = Vec::new();
        for channel in &route.channels {
            if channel != DUTY {
                channels.push(channel.clone());
                continue;
            }
            let duties = self.answerable(alert, None, now);
            channels.extend(duties.iter().flat_map(|duty| duty.channels.iter().cloned()));
            if duties.is_empty() {
                channels.extend(self.default_channels());
            }
        }
        channels
    }

    /// The channels that the default route names.
    pub(crate) fn default_channels(&self) -> impl Iterator<Item = String> {
        let default = self.routes.last().into_iter();
        default
            .flat_map(|route| &route.channels)
            .filter(|name| *name != DUTY)
            .cloned()
    }

    /// After how long an alert with this severity's word goes up, if ever.
    pub(crate) fn goes_up_after(&self, alert: &AlertRecord) -> Option<Span> {
        self.escalates_after(severity(&alert.severity))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
pub(crate) fn micros<S: serde::Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(span.as_micros())
}

#[cfg(test)]
mod tests;
