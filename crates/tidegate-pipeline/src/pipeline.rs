//! A validated pipeline: everything that a run needs, checked.

mod occupancy;
mod rules;

pub use rules::{RULE_CASES, RULES};
use rules::{check_rules, read_rules};

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use tidegate_alerts::Rule;
use tidegate_engine::{WINDOWED_SCHEMA, WindowSpec};
use tidegate_feeds::{Decoder, FeedConfig, Schedule, ScheduleFiles};
use tidegate_model::{EventTime, FeedId, Payload, Resolution, Span};
use tidegate_query::{
    DISPLAY_ONLY_FUNCTIONS, LayerQuery, Session, SessionLimits, Slot, WindowQuery,
};

use crate::config::KeyColumn;
use crate::foresight::TrackSpec;
use crate::holidays::read_holidays;
use crate::occupancy::OccupancySpec;
use crate::quarantine::QuarantineSpec;
use crate::reference::{
    OriginFiles, read_grid_units, read_origins, read_sites, read_tiers, read_venues,
};
use crate::source::{line_of, read_toml};
use crate::tables::{FORECASTS, STEPPED, THIS_WINDOW, register_reference};
use crate::{LayerConfig, PipelineConfig, Problem, Reference, Source, WindowConfig};

/// A feed of the pipeline: its decoder, fresh.
#[derive(Debug, Clone)]
pub struct Feed {
    /// The feed's name.
    pub id: FeedId,
    /// Its decoder, with what its file settles.
    pub decoder: Decoder,
}

/// A layer of the pipeline.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Index of the window query at whose closing it is evaluated.
    pub window: usize,
    /// Its SQL.
    pub sql: String,
    /// Whether it reads a table that follows the windows (occupancy, the quality of feeds,
    /// forecasts), itself or through another layer, and so is not evaluated for revisions.
    pub reads_stepped: bool,
    /// Whether it reads forecasts, itself or through another layer: rules on it only `watch`.
    pub reads_forecast: bool,
    /// Whether it calls one of [`DISPLAY_ONLY_FUNCTIONS`], itself or through another layer, and so
    /// no alert may rest on it.
    pub display_only: bool,
}

/// A pipeline folder that has been found good.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// [`Source::fingerprint`] of its folder.
    pub fingerprint: String,
    /// The city's time zone.
    pub zone: jiff::tz::TimeZone,
    /// Base resolution of cells.
    pub resolution: Resolution,
    /// How long after a window's end late records still enter its revision.
    pub allowed_lateness: Span,
    /// See `idle_after` in the configuration.
    pub idle_after: Span,
    /// How far after its arrival an event may claim to be.
    pub max_future: Span,
    /// How often open windows are shown, in processing time.
    pub provisional_every: Option<Span>,
    /// How many tasks share the work, 1 or more: see [`crate::ScaleConfig`].
    pub tasks: i32,
    /// The column that partitions are chosen by, where there is more than one task.
    pub(crate) keyed_by: Option<KeyColumn>,
    /// What its queries may use while they run: 1 GiB and no files, unless whoever runs it sets
    /// another limit. No limit changes a result.
    pub query_limits: SessionLimits,
    /// Reference data.
    pub reference: Reference,
    /// Feeds, ordered by name.
    pub feeds: Vec<Feed>,
    /// Window queries with their SQL.
    pub windows: Vec<(WindowSpec, String)>,
    /// Layers in order of evaluation.
    pub layers: Vec<Layer>,
    /// Alert rules.
    pub rules: Vec<Rule>,
    /// The text of [`RULES`] that they were read from.
    pub rules_text: String,
    pub(crate) occupancy: Option<OccupancySpec>,
    pub(crate) quarantine: Option<QuarantineSpec>,
    pub(crate) tracks: Vec<TrackSpec>,
    pub(crate) cases: Vec<(String, String)>,
}

const MAIN: &str = "pipeline.toml";

/// Memory that queries may use while they run, unless told otherwise.
const QUERY_BYTES_MAX: NonZeroUsize = NonZeroUsize::new(1 << 30).expect("1 GiB is not zero");

/// Most tasks of a pipeline.
const TASKS_MAX: i32 = 64;

impl Pipeline {
    /// Each feed with the topic that it comes by.
    pub fn topics(&self) -> Vec<(FeedId, String)> {
        let topic = |feed: &Feed| (feed.id.clone(), feed.decoder.config().topic.clone());
        self.feeds.iter().map(topic).collect()
    }

    /// Reads and checks a folder, plans every query once to see that it can be.
    ///
    /// # Errors
    /// Every problem found, ordered by file and line.
    pub async fn load(source: &Source) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut pipeline = Self::read(source, &mut problems)?;
        pipeline.check_queries(&mut problems).await;
        pipeline.check_unused(source, &mut problems);
        if problems.is_empty() {
            return Ok(pipeline);
        }
        problems.sort();
        problems.dedup();
        Err(problems)
    }

    /// The feed called `name`.
    pub fn feed(&self, name: &str) -> Option<&Feed> {
        self.feeds.iter().find(|feed| feed.id.as_str() == name)
    }

    /// The newest event time that is believed of `payload`: that far after its stamp, or `without`
    /// one.
    pub(crate) fn latest(&self, payload: Payload<'_>, without: EventTime) -> EventTime {
        let stamp = payload.arrived;
        stamp.map_or(without, |arrived| arrived.plus(self.max_future))
    }

    fn read(source: &Source, problems: &mut Vec<Problem>) -> Result<Self, Vec<Problem>> {
        let Some(text) = source.get(MAIN) else {
            let message = "is missing: a pipeline is a folder with this file";
            return Err(vec![Problem::new(MAIN, "", message)]);
        };
        let feeds = read_feeds(source, problems);
        let config: PipelineConfig = match read_toml(MAIN, text) {
            Ok(config) => config,
            Err(found) => {
                problems.extend(found);
                problems.sort();
                return Err(std::mem::take(problems));
            }
        };
        let mut keys = Keys { text, problems };
        let zone = keys.zone(&config.zone);
        let rules_text = source.get(RULES).unwrap_or_default().to_owned();
        let rules = read_rules(&rules_text, &zone, keys.problems);
        let resolution = keys.resolution(config.resolution);
        let span = |keys: &mut Keys<'_>, key: &str, text: &str| keys.span("", 0, key, text);
        let allowed_lateness = span(&mut keys, "allowed_lateness", &config.allowed_lateness);
        let idle_after = span(&mut keys, "idle_after", &config.idle_after);
        let max_future = span(&mut keys, "max_future", &config.max_future);
        let provisional_every = config
            .provisional_every
            .as_deref()
            .map(|text| span(&mut keys, "provisional_every", text));
        let windows = keys.windows(&config.window, source);
        let layers = keys.layers(&config.layer, &windows, source);
        let occupancy = keys.occupancy(&config, &windows, &zone);
        let tracks = keys.tracks(&config, &zone, &windows, &layers);
        let tasks = keys.tasks(&config);
        let reference = read_reference(source, &config, resolution, problems);
        let occupancy = occupancy.map(|mut spec| {
            let size = windows[spec.window].0.size();
            spec.entries = Keys { text, problems }.entries(&config, &reference, size);
            spec
        });
        let quarantine = Keys { text, problems }.quarantine(&config, &layers, &reference);
        let cases = source
            .in_folder("tests", "toml")
            .map(|(n, t)| (n.to_owned(), t.to_owned()))
            .collect();
        Ok(Self {
            name: config.name,
            fingerprint: source.fingerprint(),
            zone,
            resolution,
            allowed_lateness,
            idle_after,
            max_future,
            provisional_every,
            tasks,
            keyed_by: config.scale.map(|scale| scale.keyed_by),
            query_limits: SessionLimits {
                memory_bytes_max: Some(QUERY_BYTES_MAX),
                spill: None,
            },
            reference,
            feeds,
            windows,
            layers,
            rules,
            rules_text,
            occupancy,
            quarantine,
            tracks,
            cases,
        })
    }

    /// Plans every window and layer, so that wrong SQL is a problem here and not at run time.
    async fn check_queries(&mut self, problems: &mut Vec<Problem>) {
        let session = Session::new();
        if let Err(error) = register_reference(&session, &self.reference, &self.zone) {
            problems.push(Problem::new(MAIN, "reference", error.to_string()));
        }
        for (window, (spec, sql)) in self.windows.iter().enumerate() {
            let file = format!("windows/{}.sql", spec.name());
            match WindowQuery::plan(&session, WINDOWED_SCHEMA.clone(), sql).await {
                Ok(query) => {
                    if let Some(occupancy) = &self.occupancy {
                        let missing = occupancy.missing_columns(window, &query.pane_schema());
                        problems.extend(missing.into_iter().map(|m| Problem::new(&file, "", m)));
                    }
                    if let Some(key) = self.keyed_by.filter(|key| !query.groups_by(key.as_str())) {
                        let message = format!(
                            "does not group by {0}, by which [scale] shares the work: each task \
                             would see a part of a group. Group by {0}, or leave [scale] out",
                            key.as_str()
                        );
                        problems.push(Problem::new(&file, "", message));
                    }
                    let slot = Slot::new(query.pane_schema());
                    if let Err(error) = session.register_slot(spec.name(), &slot) {
                        problems.push(Problem::new(&file, "", error.to_string()));
                    }
                }
                Err(error) => problems.push(Problem::new(&file, "", error.to_string())),
            }
        }
        self.check_layers(&session, problems).await;
        check_rules(&self.rules, &self.rules_text, &self.layers, problems);
    }

    /// Plans every layer, and sees from the plan which of them read what steps with the windows,
    /// and which are for display only.
    async fn check_layers(&mut self, session: &Session, problems: &mut Vec<Problem>) {
        let mut stepped: BTreeSet<String> = STEPPED.map(str::to_owned).into();
        let mut forecasts: BTreeSet<String> = FORECASTS.map(str::to_owned).into();
        let mut display_only = BTreeSet::new();
        for layer in &mut self.layers {
            let file = format!("layers/{}.sql", layer.name);
            match LayerQuery::plan(session, &layer.sql).await {
                Ok(query) => {
                    layer.reads_stepped = !query.tables().is_disjoint(&stepped);
                    if layer.reads_stepped {
                        stepped.insert(layer.name.clone());
                    }
                    layer.reads_forecast = !query.tables().is_disjoint(&forecasts);
                    if layer.reads_forecast {
                        forecasts.insert(layer.name.clone());
                    }
                    let calls = |name: &&str| query.functions().contains(*name);
                    layer.display_only = DISPLAY_ONLY_FUNCTIONS.iter().any(calls)
                        || !query.tables().is_disjoint(&display_only);
                    if layer.display_only {
                        display_only.insert(layer.name.clone());
                    }
                }
                Err(error) => problems.push(Problem::new(&file, "", error.to_string())),
            }
            let slot = Slot::new(tidegate_query::LAYER_SCHEMA.clone());
            if let Err(error) = session.register_slot(&layer.name, &slot) {
                problems.push(Problem::new(&file, "", error.to_string()));
            }
        }
    }

    /// Files that look as if they should count, but nothing names them.
    fn check_unused(&self, source: &Source, problems: &mut Vec<Problem>) {
        let windows = source
            .in_folder("windows", "sql")
            .map(|(name, _)| ("window", name));
        let layers = source
            .in_folder("layers", "sql")
            .map(|(name, _)| ("layer", name));
        for (what, name) in windows.chain(layers) {
            let known = match what {
                "window" => self.windows.iter().any(|(spec, _)| spec.name() == name),
                _ => self.layers.iter().any(|layer| layer.name == name),
            };
            if !known {
                let file = format!("{what}s/{name}.sql");
                let message = format!("is not used: add a [[{what}]] to {MAIN} or delete it");
                problems.push(Problem::new(&file, "", message));
            }
        }
    }
}

fn read_feeds(source: &Source, problems: &mut Vec<Problem>) -> Vec<Feed> {
    let mut feeds = Vec::new();
    for (name, text) in source.in_folder("feeds", "toml") {
        let file = format!("feeds/{name}.toml");
        let id = FeedId::new(name);
        match read_toml::<FeedConfig>(&file, text) {
            Ok(config) => match Decoder::try_new(id.clone(), &config) {
                Ok(decoder) => match with_schedule(source, decoder, &file, text) {
                    Ok(decoder) => feeds.push(Feed { id, decoder }),
                    Err(found) => problems.push(found),
                },
                Err(found) => problems.extend(found.into_iter().map(|found| {
                    let line = line_of(text, "", 0, &found.key);
                    Problem::new(&file, &found.key, found.message).at(line)
                })),
            },
            Err(found) => problems.extend(found),
        }
    }
    if feeds.is_empty() && problems.is_empty() {
        problems.push(Problem::new(
            "feeds",
            "",
            "holds no NAME.toml: a pipeline needs a feed",
        ));
    }
    feeds
}

/// Gives the decoder of a GTFS-Realtime feed the static feed that its file names.
fn with_schedule(
    source: &Source,
    decoder: Decoder,
    file: &str,
    text: &str,
) -> Result<Decoder, Problem> {
    let Some(config) = decoder.gtfs_config() else {
        return Ok(decoder);
    };
    let Some(name) = &config.schedule else {
        return Ok(decoder);
    };
    let part = |part: &str| source.get(&format!("gtfs/{name}/{part}.txt"));
    let (Some(stops), Some(routes)) = (part("stops"), part("routes")) else {
        let message = format!(
            "there is no static feed {name:?}: put stops.txt, routes.txt and trips.txt into the \
             folder gtfs/{name}, or the feed's archive to gtfs/{name}.zip"
        );
        let line = line_of(text, "[gtfs]", 0, "schedule");
        return Err(Problem::new(file, "gtfs.schedule", message).at(line));
    };
    let files = ScheduleFiles {
        stops,
        routes,
        trips: part("trips"),
    };
    match Schedule::read(files, &config.trip_column) {
        Ok(schedule) => Ok(decoder.with_schedule(Arc::new(schedule))),
        Err(error) => {
            let file = format!("gtfs/{name}/{}", error.file);
            Err(Problem::new(&file, "", error.message))
        }
    }
}

fn read_reference(
    source: &Source,
    config: &PipelineConfig,
    resolution: Resolution,
    problems: &mut Vec<Problem>,
) -> Reference {
    let mut text = |key: &str, name: &Option<String>| -> Option<(String, &str)> {
        let name = name.clone()?;
        if let Some(text) = source.get(&name) {
            return Some((name, text));
        }
        let message = format!("file {name:?} is not in the pipeline folder");
        problems.push(Problem::new(MAIN, &format!("reference.{key}"), message));
        None
    };
    let sites = text("sites", &config.reference.sites);
    let venues = text("venues", &config.reference.venues);
    let units = text("grid_units", &config.reference.grid_units);
    let incidence = text("incidence", &config.reference.incidence);
    let reports = text("reports", &config.reference.reports);
    let tiers = text("tiers", &config.reference.tiers);
    let holidays = text("holidays", &config.reference.holidays);
    let mut reference = Reference::default();
    if let Some((file, text)) = sites {
        reference.sites = read_sites(&file, text, resolution, problems);
    }
    if let Some((file, text)) = venues {
        (reference.venues, reference.stays) = read_venues(&file, text, resolution, problems);
    }
    if let Some((file, text)) = units {
        reference.grid_units = read_grid_units(&file, text, problems);
    }
    if let Some((file, text)) = tiers {
        reference.tiers = read_tiers(&file, text, problems);
    }
    if let Some((file, text)) = &incidence {
        let files = OriginFiles {
            incidence: (file, text),
            reports: reports.as_ref().map(|(file, text)| (file.as_str(), *text)),
            infection: config.infection.as_ref(),
            tiers: &reference.tiers,
        };
        reference.origins = read_origins(files, problems);
    }
    for (key, is_alone, message) in [
        (
            "reference.reports",
            config.reference.reports.is_some() && config.reference.incidence.is_none(),
            "needs reference.incidence, which has the population of each origin",
        ),
        (
            "reference.reports",
            config.reference.reports.is_some() && config.infection.is_none(),
            "needs [infection]: delay_days and infectious_curve",
        ),
        (
            "infection",
            config.infection.is_some() && config.reference.reports.is_none(),
            "is for reference.reports, which is not there",
        ),
    ] {
        if is_alone {
            problems.push(Problem::new(MAIN, key, message));
        }
    }
    if let Some((file, text)) = holidays {
        reference.holidays = read_holidays(&file, text, problems);
    }
    if problems.is_empty() {
        reference.check_links(&config.reference, problems);
    }
    reference
}

/// Reads values of `pipeline.toml` and notes what is wrong with them.
pub(crate) struct Keys<'a> {
    text: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Keys<'_> {
    pub(crate) fn problem(&mut self, header: &str, index: usize, key: &str, message: String) {
        let line = line_of(self.text, header, index, key);
        let path = match header {
            "" => key.to_owned(),
            header if header.starts_with("[[") => {
                format!("{}[{index}].{key}", header.trim_matches(['[', ']']))
            }
            header => format!("{}.{key}", header.trim_matches(['[', ']'])),
        };
        self.problems
            .push(Problem::new(MAIN, &path, message).at(line));
    }

    pub(crate) fn span(&mut self, header: &str, index: usize, key: &str, text: &str) -> Span {
        text.parse()
            .unwrap_or_else(|error: tidegate_model::ParseTimeError| {
                self.problem(header, index, key, error.to_string());
                Span::ZERO
            })
    }

    fn zone(&mut self, name: &str) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(name).unwrap_or_else(|_| {
            self.problem("", 0, "zone", format!("{name:?} is not an IANA time zone"));
            jiff::tz::TimeZone::UTC
        })
    }

    fn tasks(&mut self, config: &PipelineConfig) -> i32 {
        let Some(scale) = &config.scale else {
            return 1;
        };
        if !(1..=TASKS_MAX).contains(&scale.tasks) {
            let message = format!("{} is not in 1 to {TASKS_MAX}", scale.tasks);
            self.problem("[scale]", 0, "tasks", message);
        }
        if config.occupancy.is_some() && scale.keyed_by != KeyColumn::VenueId {
            let message = "[occupancy] adds up the sites of a venue, so it must be venue_id";
            self.problem("[scale]", 0, "keyed_by", message.to_owned());
        }
        scale.tasks
    }

    fn resolution(&mut self, number: u8) -> Resolution {
        Resolution::try_from(number).unwrap_or_else(|_| {
            self.problem("", 0, "resolution", format!("{number} is not in 0 to 15"));
            Resolution::Nine
        })
    }

    fn windows(&mut self, configs: &[WindowConfig], source: &Source) -> Vec<(WindowSpec, String)> {
        let header = "[[window]]";
        let mut windows: Vec<(WindowSpec, String)> = Vec::new();
        for (index, config) in configs.iter().enumerate() {
            let size = self.span(header, index, "size", &config.size);
            let slide = match &config.slide {
                Some(slide) => self.span(header, index, "slide", slide),
                None => size,
            };
            self.check_name(
                header,
                index,
                &config.name,
                windows.iter().map(|(s, _)| s.name()),
            );
            let path = format!("windows/{}.sql", config.name);
            let sql = source.get(&path);
            if sql.is_none() {
                self.problem(header, index, "name", format!("file {path} is not there"));
            }
            let offset = self.span(header, index, "offset", &config.offset);
            match WindowSpec::sliding(&config.name, size, slide) {
                Ok(spec) => {
                    windows.push((spec.with_offset(offset), sql.unwrap_or_default().to_owned()));
                }
                Err(error) => self.problem(header, index, "size", error.to_string()),
            }
        }
        if configs.is_empty() {
            self.problem(
                "",
                0,
                "window",
                "is missing: a pipeline needs a [[window]]".to_owned(),
            );
        }
        windows
    }

    fn layers(
        &mut self,
        configs: &[LayerConfig],
        windows: &[(WindowSpec, String)],
        source: &Source,
    ) -> Vec<Layer> {
        let header = "[[layer]]";
        let mut layers: Vec<Layer> = Vec::new();
        for (index, config) in configs.iter().enumerate() {
            let taken = windows
                .iter()
                .map(|(spec, _)| spec.name())
                .chain(layers.iter().map(|layer| layer.name.as_str()));
            self.check_name(header, index, &config.name, taken);
            let path = format!("layers/{}.sql", config.name);
            let sql = source.get(&path).unwrap_or_else(|| {
                self.problem(header, index, "name", format!("file {path} is not there"));
                ""
            });
            let Some(window) = windows
                .iter()
                .position(|(spec, _)| spec.name() == config.on)
            else {
                let names: Vec<_> = windows.iter().map(|(spec, _)| spec.name()).collect();
                let message = format!("{:?} is not a window: {}", config.on, names.join(", "));
                self.problem(header, index, "on", message);
                continue;
            };
            layers.push(Layer {
                name: config.name.clone(),
                window,
                sql: sql.to_owned(),
                // Its plan says, once it is planned.
                reads_stepped: false,
                reads_forecast: false,
                display_only: false,
            });
        }
        layers
    }

    fn check_name<'n>(
        &mut self,
        header: &str,
        index: usize,
        name: &str,
        mut taken: impl Iterator<Item = &'n str>,
    ) {
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !plain {
            let message = format!("{name:?} must be lower-case letters, digits and _");
            self.problem(header, index, "name", message);
        }
        let reserved = [
            "observation",
            "site",
            "venue",
            "venue_cell",
            "grid_unit",
            "incidence",
            "tier",
            THIS_WINDOW,
        ];
        if reserved.contains(&name) || STEPPED.contains(&name) || taken.any(|other| other == name) {
            let message = format!("{name:?} is the name of another table");
            self.problem(header, index, "name", message);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
