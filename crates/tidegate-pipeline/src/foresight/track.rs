//! The series of one layer, which step together.

use std::cmp::Ordering;

use arrow::array::RecordBatch;
use jiff::tz::TimeZone;
use tidegate_model::{EventTime, Span};
use tidegate_risk::aberration::Flag;
use tidegate_risk::aberration::multiplicity::{adjusted_p_values, benjamini_hochberg};
use tidegate_risk::forecast::{NoForecast, Point, Slot};

use super::SERIES_MAX;
use super::clock::SlotClock;
use super::detector::Observed;
use super::read::{Reading, readings};
use super::series::{Judgement, Series};
use super::spec::TrackSpec;
use super::state::TrackState;
use super::tables::{AberrationRows, Finding, ForecastRows, Of};
use crate::Reference;

/// Days of slots without a window that are stepped over one by one. What is longer ago is as good
/// as forgotten: of a present deviation less than a millionth would be left.
const SKIPPED_DAYS_MAX: i64 = 7;

/// Why a subject is not followed.
const TOO_MANY: &str = "too_many_series";

/// What a slot gave.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Rows of [`super::FORECAST_SCHEMA`], where there is a forecast.
    pub(crate) forecast: Option<RecordBatch>,
    /// Rows of [`super::ABERRATION_SCHEMA`], where values are judged.
    pub(crate) aberration: Option<RecordBatch>,
    /// Subjects that were not observed because there are too many.
    pub(crate) refused: u64,
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Track {
    spec: TrackSpec,
    layer: String,
    clock: SlotClock,
    series_max: usize,
    /// End of the last slot observed.
    last: Option<EventTime>,
    /// Ascending by kind and subject, as the rows of a layer are.
    series: Vec<Series>,
}

impl Track {
    /// Of the layer with this name, without series.
    pub(super) fn new(
        spec: TrackSpec,
        layer: String,
        zone: &TimeZone,
        reference: &Reference,
    ) -> Self {
        let holidays = reference.holidays.keys().copied();
        Self {
            clock: SlotClock::new(zone, spec.every, spec.calendar, holidays),
            spec,
            layer,
            series_max: SERIES_MAX,
            last: None,
            series: Vec::new(),
        }
    }

    /// The same track with another bound, for tests.
    #[cfg(test)]
    pub(super) fn with_series_max(mut self, series_max: usize) -> Self {
        self.series_max = series_max;
        self
    }

    /// What it follows, for tests.
    #[cfg(test)]
    pub(super) fn spec(&self) -> &TrackSpec {
        &self.spec
    }

    /// The number of its layer.
    pub(super) fn layer(&self) -> usize {
        self.spec.layer
    }

    /// Observes the layer's rows of the window that ended at `end`, if a slot ends there too.
    pub(super) fn observe(&mut self, end: EventTime, rows: &RecordBatch) -> Option<Seen> {
        let slot = self.clock.ends(end)?;
        if self.last.is_some_and(|last| end <= last) {
            return None;
        }
        self.skip(end, slot);
        self.last = Some(end);
        let readings = readings(rows);
        self.admit(&readings);
        let (points, refused) = self.align(&readings);
        // Judged by the forecast that was made before.
        let judged = self.series.iter().zip(&points);
        let judged = judged
            .filter_map(|(series, point)| series.judge(slot, *point))
            .collect();
        let forecast = self.forecast(slot, &points, &refused);
        let aberration = self.aberration(judged, &refused);
        Some(Seen {
            forecast,
            aberration,
            refused: refused.len() as u64,
        })
    }

    /// Steps over the slots between the last one observed and that which ends at `end`.
    fn skip(&mut self, end: EventTime, slot: Slot) {
        let Some(last) = self.last else { return };
        let every = self.clock.every().as_micros();
        let missed = end.since(last).as_micros() / every - 1;
        let most = SKIPPED_DAYS_MAX * Span::hours(24).as_micros() / every;
        for series in &mut self.series {
            series.skip(missed.min(most), slot);
        }
    }

    /// Begins a series for each subject that is new, while there is room.
    fn admit(&mut self, readings: &[Reading<'_>]) {
        let mut room = self.series_max.saturating_sub(self.series.len());
        let mut known = self.series.iter().map(Series::of).peekable();
        let mut new = Vec::new();
        for reading in readings {
            while known.next_if(|of| *of < reading.of).is_some() {}
            if known.peek() != Some(&reading.of) && room > 0 {
                room -= 1;
                new.push(Series::new(&self.spec, reading));
            }
        }
        if !new.is_empty() {
            self.series.append(&mut new);
            self.series.sort_by(|a, b| a.of().cmp(&b.of()));
        }
    }

    /// What was observed of each series, and the readings of subjects that have none.
    fn align<'r>(&mut self, readings: &'r [Reading<'r>]) -> (Vec<Point>, Vec<&'r Reading<'r>>) {
        let mut readings = readings.iter().peekable();
        let (mut points, mut refused) = (Vec::with_capacity(self.series.len()), Vec::new());
        for series in &mut self.series {
            let mut own = None;
            while let Some(reading) = readings.peek() {
                match reading.of.cmp(&series.of()) {
                    Ordering::Less => refused.extend(readings.next()),
                    Ordering::Equal => own = readings.next(),
                    Ordering::Greater => break,
                }
            }
            points.push(series.read(own));
        }
        refused.extend(readings);
        (points, refused)
    }

    fn forecast(
        &mut self,
        slot: Slot,
        points: &[Point],
        refused: &[&Reading<'_>],
    ) -> Option<RecordBatch> {
        let spec = self.spec.forecast.as_ref()?;
        let end = self.last?;
        let ahead = |steps: u16| Span::micros(self.clock.every().as_micros() * i64::from(steps));
        let targets = spec.steps.iter().filter_map(|steps| {
            let ahead = ahead(*steps);
            Some((*steps, ahead, self.clock.before(end.plus(ahead))?))
        });
        let targets: Vec<(u16, Span, Slot)> = targets.collect();
        let mut rows = ForecastRows::new(&self.layer, end, spec.model);
        for (series, point) in self.series.iter_mut().zip(points) {
            let Some(forecaster) = series.forecaster() else {
                continue;
            };
            forecaster.observe(slot, *point);
            let outcomes = targets.iter().map(|(steps, ahead, target)| {
                let outcome = forecaster.forecast(*steps, *target);
                (*ahead, outcome.map_err(NoForecast::as_str))
            });
            let outcomes: Vec<_> = outcomes.collect();
            let (subject, unit) = (series.of(), series.unit());
            for (ahead, outcome) in outcomes {
                rows.push(Of { subject, unit }, ahead, outcome);
            }
        }
        for reading in refused {
            let (subject, unit) = (reading.of, reading.unit);
            rows.refuse(Of { subject, unit }, TOO_MANY);
        }
        Some(rows.finish())
    }

    /// Sets the judged values of all series beside each other, and lets each learn.
    fn aberration(
        &mut self,
        judged: Vec<(Observed, Judgement)>,
        refused: &[&Reading<'_>],
    ) -> Option<RecordBatch> {
        let spec = self.spec.aberration.as_ref()?;
        let p_values = judged.iter().filter_map(|(_, judged)| judged.ok());
        let p_values: Vec<f64> = p_values.map(|judged| judged.p_value).collect();
        let are_probabilities = "p-values are probabilities";
        let adjusted = adjusted_p_values(&p_values).expect(are_probabilities);
        let raised = benjamini_hochberg(&p_values, spec.rate).expect(are_probabilities);
        let mut together = adjusted.into_iter().zip(raised);
        let mut rows = AberrationRows::new(&self.layer, self.last?, spec);
        for (series, (observed, judged)) in self.series.iter_mut().zip(judged) {
            let own = judged.is_ok().then(|| together.next()).flatten();
            let raised = own.map_or(Flag::Unknown, |(_, raised)| raised);
            let Some(detector) = series.detector() else {
                continue;
            };
            let finding = Finding {
                value: observed.point.observed(),
                judged,
                p_adjusted: own.map(|(adjusted, _)| adjusted),
                charts: detector.learn(observed, judged.ok(), raised),
            };
            let (subject, unit) = (series.of(), series.unit());
            rows.push(Of { subject, unit }, finding);
        }
        for reading in refused {
            let (subject, unit) = (reading.of, reading.unit);
            rows.refuse(Of { subject, unit }, TOO_MANY);
        }
        Some(rows.finish())
    }

    /// Everything that is remembered.
    pub(super) fn state(&self) -> TrackState {
        TrackState {
            layer: self.layer.clone(),
            last: self.last.map(EventTime::micros),
            series: self.series.iter().map(Series::state).collect(),
        }
    }

    /// Goes on where `state` was taken; what does not fit, else.
    pub(super) fn restore(&mut self, state: TrackState) -> Result<(), String> {
        if state.layer != self.layer {
            return Err(format!(
                "series of layer {:?} are stored for layer {:?}",
                state.layer, self.layer
            ));
        }
        let series = state.series.into_iter();
        let series: Result<Vec<_>, _> = series
            .map(|series| Series::restore(&self.spec, series))
            .collect();
        let series = series?;
        if series.len() > self.series_max || !series.is_sorted_by(|a, b| a.of() < b.of()) {
            return Err(format!(
                "series of layer {:?} are out of order or too many",
                self.layer
            ));
        }
        self.last = state.last.map(EventTime::from_micros);
        self.series = series;
        Ok(())
    }
}
