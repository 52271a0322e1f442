//! One series: a layer's value for one subject.

use tidegate_risk::forecast::{Forecaster, Point, Slot};

use super::detector::{Detector, Judged, Observed};
use super::read::Reading;
use super::spec::TrackSpec;
use super::state::SeriesState;

/// A value's distance from what was expected, or why it has none.
pub(super) type Judgement = Result<Judged, &'static str>;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Series {
    kind: String,
    subject: String,
    unit: String,
    forecaster: Option<Forecaster>,
    detector: Option<Detector>,
}

impl Series {
    /// A series that is first seen.
    pub(super) fn new(spec: &TrackSpec, reading: &Reading<'_>) -> Self {
        Self {
            kind: reading.of.0.to_owned(),
            subject: reading.of.1.to_owned(),
            unit: reading.unit.to_owned(),
            forecaster: spec.forecaster(),
            detector: spec.aberration.as_ref().map(Detector::new),
        }
    }

    /// Kind of subject, and subject.
    pub(super) fn of(&self) -> (&str, &str) {
        (&self.kind, &self.subject)
    }

    /// The unit of its values.
    pub(super) fn unit(&self) -> &str {
        &self.unit
    }

    /// Its forecaster, where it has one.
    pub(super) fn forecaster(&mut self) -> Option<&mut Forecaster> {
        self.forecaster.as_mut()
    }

    /// Its detector, where it has one.
    pub(super) fn detector(&mut self) -> Option<&mut Detector> {
        self.detector.as_mut()
    }

    /// What came in `slot`, and how far it is from what was expected before it; `None` without a
    /// detector. Nothing changes.
    pub(super) fn judge(&self, slot: Slot, point: Point) -> Option<(Observed, Judgement)> {
        let detector = self.detector.as_ref()?;
        let forecaster = self
            .forecaster
            .as_ref()
            .filter(|_| detector.is_of_residuals());
        let expected = forecaster.and_then(|forecaster| forecaster.forecast(1, slot).ok());
        let observed = Observed {
            slot: u16::try_from(slot.of_profile()).expect("slots of day types are below 448"),
            point,
            expected: expected.map(|expected| expected.value),
        };
        Some((observed, detector.judge(observed)))
    }

    /// Lets `slots` pass of which nothing came.
    pub(super) fn skip(&mut self, slots: i64, slot: Slot) {
        for _ in 0..slots {
            if let Some(forecaster) = &mut self.forecaster {
                // Of a point that teaches nothing the slot does not matter.
                forecaster.observe(slot, Point::Missing);
            }
            if let Some(detector) = &mut self.detector {
                detector.skip();
            }
        }
    }

    /// What was observed of it, by the layer's reading or for want of one.
    pub(super) fn read(&mut self, reading: Option<&Reading<'_>>) -> Point {
        let Some(reading) = reading else {
            return Point::Missing;
        };
        if self.unit != reading.unit {
            reading.unit.clone_into(&mut self.unit);
        }
        reading.point
    }

    /// Its stored form.
    pub(super) fn state(&self) -> SeriesState {
        SeriesState {
            kind: self.kind.clone(),
            subject: self.subject.clone(),
            unit: self.unit.clone(),
            forecast: self.forecaster.as_ref().map(Forecaster::state),
            detector: self.detector.as_ref().map(Detector::state),
        }
    }

    /// The series that goes on where `state` was taken; what does not fit, else.
    pub(super) fn restore(spec: &TrackSpec, state: SeriesState) -> Result<Self, String> {
        let of = format!("{} {}", state.kind, state.subject);
        let forecaster = match (&spec.forecast, state.forecast) {
            (None, None) => None,
            (Some(forecast), Some(stored)) => {
                let restored = forecast.restore(spec.calendar, stored);
                Some(restored.map_err(|error| format!("{of}: {error}"))?)
            }
            (Some(_), None) | (None, Some(_)) => {
                return Err(format!("{of} has a forecast in one and none in the other"));
            }
        };
        let detector = match (&spec.aberration, state.detector) {
            (None, None) => None,
            (Some(spec), Some(stored)) => {
                let restored = Detector::restore(spec, stored);
                Some(restored.map_err(|error| format!("{of}: {error}"))?)
            }
            (Some(_), None) | (None, Some(_)) => {
                return Err(format!("{of} is judged in one and not in the other"));
            }
        };
        Ok(Self {
            kind: state.kind,
            subject: state.subject,
            unit: state.unit,
            forecaster,
            detector,
        })
    }
}
