//! `[occupancy]` of `pipeline.toml`, and what the venues say of it.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{DataType, Schema};
use jiff::civil;
use jiff::tz::TimeZone;
use tidegate_engine::WindowSpec;
use tidegate_model::{Span, VenueKind};
use tidegate_risk::occupancy::{
    CaptureProbability, Dwell, DwellError, DwellRange, EntriesModel, GainError, GainSide, GainSpec,
    ObservationSource,
};

use super::Keys;
use crate::config::{
    DwellConfig, DwellModel, GainConfig, GainSideConfig, ObservedConfig, OccupancyConfig,
    PipelineConfig,
};
use crate::occupancy::{Calendar, EntriesSpec, ObservedSpec, OccupancySpec, time_of_day};
use crate::{Problem, Reference};

const HEADER: &str = "[occupancy]";

type Windows<'a> = &'a [(WindowSpec, String)];

impl Keys<'_> {
    /// How occupancy is kept, but for the venues by entries, which need the venues.
    pub(super) fn occupancy(
        &mut self,
        config: &PipelineConfig,
        windows: Windows<'_>,
        zone: &TimeZone,
    ) -> Option<OccupancySpec> {
        let config = config.occupancy.as_ref()?;
        let window = self.flow_window(config, windows);
        let capture = CaptureProbability::try_new(config.capture);
        if let Err(error) = &capture {
            self.problem(HEADER, 0, "capture", error.to_string());
        }
        let empty_at = config.empty_at.as_deref().and_then(|text| {
            let time = time_of_day(text);
            if time.is_none() {
                self.problem(
                    HEADER,
                    0,
                    "empty_at",
                    format!("{text:?} is not a time HH:MM"),
                );
            }
            time
        });
        let mut calendar = Calendar::new(zone.clone());
        let gain = config.gain.as_ref().and_then(|gain| {
            if config.empty_at.is_none() {
                let message = "is missing: [occupancy.gain] counts from one such time to the next";
                self.problem(HEADER, 0, "empty_at", message.to_owned());
            }
            calendar.holidays = self.dates("holidays", &gain.holidays);
            calendar.workdays = self.dates("workdays", &gain.workdays);
            self.gain(gain)
        });
        let window = window?;
        let sources = [
            (
                "[occupancy.snapshots]",
                ObservationSource::Camera,
                &config.snapshots,
            ),
            (
                "[occupancy.load]",
                ObservationSource::TransitLoad,
                &config.load,
            ),
        ];
        let observed = sources.into_iter().filter_map(|(header, source, config)| {
            let of = self.observed(header, config.as_ref()?, windows, &windows[window].0)?;
            Some(ObservedSpec { source, ..of })
        });
        Some(OccupancySpec {
            observed: observed.collect(),
            window,
            arrivals: config.arrivals.clone(),
            departures: config.departures.clone(),
            capture: capture.ok()?,
            empty_at,
            calendar,
            gain,
            entries: BTreeMap::new(),
        })
    }

    fn flow_window(&mut self, config: &OccupancyConfig, windows: Windows<'_>) -> Option<usize> {
        let window = self.window(HEADER, &config.window, windows)?;
        let (spec, _) = &windows[window];
        if spec.size() != spec.slide() {
            let message = format!("{:?} overlaps: flows would count twice", config.window);
            self.problem(HEADER, 0, "window", message);
        }
        Some(window)
    }

    fn window(&mut self, header: &str, name: &str, windows: Windows<'_>) -> Option<usize> {
        let window = windows.iter().position(|(spec, _)| spec.name() == name);
        if window.is_none() {
            self.problem(header, 0, "window", format!("{name:?} is not a window"));
        }
        window
    }

    fn gain(&mut self, config: &GainConfig) -> Option<GainSpec> {
        let side = match config.side {
            GainSideConfig::Departures => GainSide::Departures,
            GainSideConfig::Arrivals => GainSide::Arrivals,
        };
        let gain = GainSpec::try_new(side, config.prior, config.days_max);
        let key = |error: &GainError| match error {
            GainError::Days(_) => "days_max",
            GainError::Prior(_)
            | GainError::Factor(_)
            | GainError::Negative { .. }
            | GainError::Windows { .. }
            | GainError::DayType(_) => "prior",
        };
        gain.map_err(|error| self.problem("[occupancy.gain]", 0, key(&error), error.to_string()))
            .ok()
    }

    fn dates(&mut self, key: &str, texts: &[String]) -> BTreeSet<civil::Date> {
        let mut dates = BTreeSet::new();
        for text in texts {
            if let Ok(date) = text.parse() {
                dates.insert(date);
            } else {
                let message = format!("{text:?} is not a date YYYY-MM-DD");
                self.problem("[occupancy.gain]", 0, key, message);
            }
        }
        dates
    }

    fn observed(
        &mut self,
        header: &str,
        config: &ObservedConfig,
        windows: Windows<'_>,
        flow: &WindowSpec,
    ) -> Option<ObservedSpec> {
        let window = self.window(header, &config.window, windows)?;
        let (spec, _) = &windows[window];
        let (slide, size) = (spec.slide().as_micros(), flow.size().as_micros());
        let apart = spec.offset().as_micros() - flow.offset().as_micros();
        let ends_apart = apart + spec.size().as_micros() - size;
        if slide % size != 0 || ends_apart % size != 0 {
            let message = format!(
                "{:?} does not close where {:?} closes: its slide must be a multiple of that \
                 window, on the same grid",
                config.window,
                flow.name()
            );
            self.problem(header, 0, "window", message);
        }
        Some(ObservedSpec {
            source: ObservationSource::Camera,
            window,
            persons: config.persons.clone(),
            lo: config.lo.clone(),
            hi: config.hi.clone(),
        })
    }

    /// The venues whose entries only are counted, by their own dwell or that of their kind.
    pub(super) fn entries(
        &mut self,
        config: &PipelineConfig,
        reference: &Reference,
        window: Span,
    ) -> BTreeMap<String, EntriesSpec> {
        let none = BTreeMap::new();
        let kinds = config.occupancy.as_ref().map_or(&none, |o| &o.entries);
        let mut models = BTreeMap::new();
        for (kind, dwell) in kinds {
            let header = "[occupancy.entries]";
            let words: Vec<_> = VenueKind::ALL.iter().map(|kind| kind.as_str()).collect();
            if !words.contains(&kind.as_str()) {
                let message = format!("{kind:?} is not one of {}", words.join(", "));
                self.problem(header, 0, kind, message);
            }
            match model(dwell, window) {
                Ok(model) => {
                    models.insert(kind.as_str(), model);
                }
                Err(message) => self.problem(header, 0, kind, message),
            }
        }
        let mut entries = BTreeMap::new();
        for venue in &reference.venues {
            let stay = reference.stays.get(&venue.id);
            let closes_at = stay.and_then(|stay| stay.closes_at);
            let own = stay.and_then(|stay| stay.dwell.as_ref());
            let model = match own.map(|dwell| model(dwell, window)) {
                Some(Ok(model)) => Some(model),
                Some(Err(message)) => {
                    let file = config.reference.venues.clone().unwrap_or_default();
                    let key = format!("venue {}.dwell", venue.id);
                    self.problems.push(Problem::new(&file, &key, message));
                    None
                }
                None => models.get(venue.kind.as_str()).cloned(),
            };
            entries.extend(model.map(|model| {
                let spec = EntriesSpec { model, closes_at };
                (venue.id.clone(), spec)
            }));
        }
        entries
    }
}

impl OccupancySpec {
    /// What a window query's panes lack of what is read from them.
    pub(super) fn missing_columns(&self, window: usize, schema: &Schema) -> Vec<String> {
        let flows = (window == self.window).then_some([&self.arrivals, &self.departures]);
        let observed = self.observed.iter().filter(|of| of.window == window);
        let observed = observed.flat_map(|of| [&of.persons, &of.lo, &of.hi]);
        let numbers: Vec<_> = flows.into_iter().flatten().chain(observed).collect();
        let venue = (!numbers.is_empty()).then_some("venue_id");
        let missing = |name: &str| format!("has no column {name}, which [occupancy] reads");
        let venues = venue.filter(|name| schema.column_with_name(name).is_none());
        let numbers = numbers
            .into_iter()
            .filter_map(|name| match schema.column_with_name(name) {
                None => Some(missing(name)),
                Some((_, field)) if is_number(field.data_type()) => None,
                Some(_) => Some(format!(
                    "column {name}, which [occupancy] reads, is no number"
                )),
            });
        venues.map(missing).into_iter().chain(numbers).collect()
    }
}

fn is_number(kind: &DataType) -> bool {
    kind.is_numeric() || matches!(kind, DataType::Null)
}

/// How entries become an occupancy in windows of this size; what is wrong, else.
fn model(config: &DwellConfig, window: Span) -> Result<EntriesModel, String> {
    let dwell = match (config.model, config.sd_min) {
        (DwellModel::Exponential, None) => Dwell::exponential(config.mean_min),
        (DwellModel::Lognormal, Some(sd)) => Dwell::lognormal(config.mean_min, sd),
        (DwellModel::Exponential, Some(_)) => {
            return Err("sd_min is of a lognormal dwell only".to_owned());
        }
        (DwellModel::Lognormal, None) => {
            return Err("sd_min is missing: a lognormal dwell has one".to_owned());
        }
    };
    let low = config.mean_low_min.unwrap_or(config.mean_min);
    let high = config.mean_high_min.unwrap_or(config.mean_min);
    let minutes = window.as_seconds_f64() / 60.0;
    let model = |dwell| -> Result<EntriesModel, DwellError> {
        EntriesModel::try_new(
            DwellRange::try_new(dwell, low, high)?,
            minutes,
            config.max_min,
        )
    };
    dwell.and_then(model).map_err(|error| error.to_string())
}
