//! What `[[forecast]]` and `[[aberration]]` ask for, checked.

mod aberration;

use jiff::tz::TimeZone;
use tidegate_engine::WindowSpec;
use tidegate_model::{EventTime, Span};
use tidegate_risk::forecast::{
    Calendar, ForecastError, Forecaster, HORIZON_MAX, Horizons, Model, SLOTS_PER_DAY_MAX,
};
use tidegate_risk::state::ForecastState;

use crate::pipeline::{Keys, Layer};
use crate::{ForecastConfig, PipelineConfig};
pub(crate) use aberration::AberrationSpec;
pub(super) use aberration::BaselineKind;

const FORECAST: &str = "[[forecast]]";
const ABERRATION: &str = "[[aberration]]";

const DAY: Span = Span::hours(24);

/// Instants in January and July of 2026, by whose offsets a zone's slots are checked.
const WINTER_AND_SUMMER: [i64; 2] = [1_768_435_200_000_000, 1_784_073_600_000_000];

/// What is followed of one layer.
#[derive(Debug, Clone)]
pub(crate) struct TrackSpec {
    /// The layer's number.
    pub(crate) layer: usize,
    /// How long a slot is.
    pub(crate) every: Span,
    /// The slots of a day, and the types of days.
    pub(crate) calendar: Calendar,
    /// What is forecast.
    pub(crate) forecast: Option<ForecastSpec>,
    /// What is judged.
    pub(crate) aberration: Option<AberrationSpec>,
}

impl TrackSpec {
    /// The forecaster of a series that is first seen.
    pub(super) fn forecaster(&self) -> Option<Forecaster> {
        let spec = self.forecast.as_ref()?;
        let horizons = spec.horizons.clone();
        Some(Forecaster::new(spec.model, self.calendar, horizons))
    }
}

/// A forecast.
#[derive(Debug, Clone)]
pub(crate) struct ForecastSpec {
    pub(super) model: Model,
    /// In slots, ascending.
    pub(super) steps: Vec<u16>,
    horizons: Horizons,
}

impl ForecastSpec {
    pub(super) fn restore(
        &self,
        calendar: Calendar,
        state: ForecastState,
    ) -> Result<Forecaster, ForecastError> {
        Forecaster::restore(self.model, calendar, self.horizons.clone(), state)
    }
}

/// Where a table of `pipeline.toml` stands.
type At = (&'static str, usize);

/// What series rest on.
#[derive(Debug, Clone, Copy)]
struct City<'a> {
    zone: &'a TimeZone,
    windows: &'a [(WindowSpec, String)],
    layers: &'a [Layer],
}

impl Keys<'_> {
    /// What is followed, in the order of the file; what is wrong with it goes to the problems.
    pub(crate) fn tracks(
        &mut self,
        config: &PipelineConfig,
        zone: &TimeZone,
        windows: &[(WindowSpec, String)],
        layers: &[Layer],
    ) -> Vec<TrackSpec> {
        let city = City {
            zone,
            windows,
            layers,
        };
        let mut tracks: Vec<TrackSpec> = Vec::new();
        for (index, config) in config.forecast.iter().enumerate() {
            let at = (FORECAST, index);
            let track = self.track(at, (&config.layer, &config.every), city);
            let forecast = self.forecast(at, config);
            let Some(track) = track else { continue };
            if tracks.iter().any(|other| other.layer == track.layer) {
                let message = format!("{:?} has a {FORECAST} already", config.layer);
                self.problem(FORECAST, index, "layer", message);
            }
            tracks.push(TrackSpec { forecast, ..track });
        }
        self.judged(config, city, &mut tracks);
        tracks
    }

    /// Adds what is judged to the tracks: to that of the layer's forecast where both have the same
    /// slots, so that values can be set against it.
    fn judged(&mut self, config: &PipelineConfig, city: City<'_>, tracks: &mut Vec<TrackSpec>) {
        let mut layers: Vec<usize> = Vec::new();
        for (index, config) in config.aberration.iter().enumerate() {
            let at = (ABERRATION, index);
            let track = self.track(at, (&config.layer, &config.every), city);
            let aberration = self.aberration(at, config);
            let Some(track) = track else { continue };
            if layers.contains(&track.layer) {
                let message = format!("{:?} has an {ABERRATION} already", config.layer);
                self.problem(ABERRATION, index, "layer", message);
                continue;
            }
            layers.push(track.layer);
            let same =
                |other: &&mut TrackSpec| (other.layer, other.every) == (track.layer, track.every);
            if let Some(forecast) = tracks.iter_mut().find(same) {
                forecast.aberration = aberration;
                continue;
            }
            let kind = aberration.as_ref().map(|aberration| aberration.kind);
            if kind == Some(BaselineKind::Residual) {
                let message = format!(
                    "there is no {FORECAST} of {:?} with every = {:?} to compare with",
                    config.layer, config.every
                );
                self.problem(ABERRATION, index, "baseline", message);
            }
            tracks.push(TrackSpec {
                aberration,
                ..track
            });
        }
    }

    /// The layer and its slots.
    fn track(&mut self, at: At, keys: (&str, &str), city: City<'_>) -> Option<TrackSpec> {
        let (layer, every) = keys;
        let found = city.layers.iter().position(|other| other.name == layer);
        if found.is_none() {
            let names: Vec<&str> = city
                .layers
                .iter()
                .map(|layer| layer.name.as_str())
                .collect();
            let message = format!("{layer:?} is not a layer: {}", names.join(", "));
            self.problem(at.0, at.1, "layer", message);
        }
        let (every, calendar) = self.slots(at, every)?;
        let layer = found?;
        let (window, _) = &city.windows[city.layers[layer].window];
        let slide = window.slide();
        if every.as_micros() % slide.as_micros() != 0 {
            let message = format!(
                "{every} is not a multiple of {slide}, the slide of window {:?}",
                window.name()
            );
            self.problem(at.0, at.1, "every", message);
        } else if !ends_with_slots(window, city.zone) {
            let message = format!(
                "no window {:?} ends with a slot of local time: its `offset` moves it away",
                window.name()
            );
            self.problem(at.0, at.1, "every", message);
        }
        Some(TrackSpec {
            layer,
            every,
            calendar,
            forecast: None,
            aberration: None,
        })
    }

    /// Slots of local days.
    fn slots(&mut self, at: At, text: &str) -> Option<(Span, Calendar)> {
        let every: Span = match text.parse() {
            Ok(every) => every,
            Err(error) => {
                let error: tidegate_model::ParseTimeError = error;
                self.problem(at.0, at.1, "every", error.to_string());
                return None;
            }
        };
        let micros = every.as_micros();
        let day = DAY.as_micros();
        let fits = micros > 0
            && day % micros == 0
            && micros % Span::minutes(1).as_micros() == 0
            && day / micros <= i64::from(SLOTS_PER_DAY_MAX);
        let slots = u16::try_from(day / micros.max(1)).ok();
        let calendar = slots.filter(|_| fits).map(Calendar::of_four);
        let Some(Ok(calendar)) = calendar else {
            let message = format!(
                "{text:?} is not a slot: whole minutes, 15m at least, that fill a day without rest"
            );
            self.problem(at.0, at.1, "every", message);
            return None;
        };
        Some((every, calendar))
    }

    fn forecast(&mut self, at: At, config: &ForecastConfig) -> Option<ForecastSpec> {
        let model = Model::from_word(&config.model);
        if model.is_none() {
            let words = Model::ALL.map(Model::as_str).join(", ");
            let message = format!("{:?} is not a model: {words}", config.model);
            self.problem(at.0, at.1, "model", message);
        }
        // A slot that is none is told of once.
        let every: Span = config
            .every
            .parse()
            .ok()
            .filter(|every| *every > Span::ZERO)?;
        let mut steps = Vec::new();
        for text in &config.horizons {
            let ahead = self.span(at.0, at.1, "horizons", text).as_micros();
            let n = u16::try_from(ahead / every.as_micros());
            match n {
                Ok(n) if ahead % every.as_micros() == 0 && (1..=HORIZON_MAX).contains(&n) => {
                    steps.push(n);
                }
                _ => {
                    let message = format!(
                        "{text:?} is not one to {HORIZON_MAX} times `every`, {}",
                        config.every
                    );
                    self.problem(at.0, at.1, "horizons", message);
                }
            }
        }
        if steps.len() < config.horizons.len() {
            return None;
        }
        let Ok(horizons) = Horizons::try_new(&steps) else {
            let message = format!("{:?} are not one to four that ascend", config.horizons);
            self.problem(at.0, at.1, "horizons", message);
            return None;
        };
        Some(ForecastSpec {
            model: model?,
            steps,
            horizons,
        })
    }
}

/// Whether ends of the window fall on ends of slots in winter or in summer; slots are multiples of
/// the slide from local midnight on.
fn ends_with_slots(window: &WindowSpec, zone: &TimeZone) -> bool {
    WINTER_AND_SUMMER.into_iter().any(|micros| {
        let at = jiff::Timestamp::from_microsecond(micros).expect("2026 is in range");
        let offset = i64::from(zone.to_offset(at).seconds()) * 1_000_000;
        let moved = EventTime::from_micros(window.offset().as_micros() + offset);
        moved.floor(window.slide()) == moved
    })
}
