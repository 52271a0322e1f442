//! What each [`Model`] knows, how it learns, and what it expects.
//!
//! An *origin* is what a model knows of the present, two numbers beside its seasons; a forecast is
//! a function of an origin, the steps since, and the target's seasons. So the forecasts made some
//! steps ago can be computed again when their outcome is known, and need not be stored.

use super::cells::{self, PROFILE_SLOT_BYTES, SEASON_SLOT_BYTES};
use super::smoothing::season_step;
use super::{Calendar, ForecastError, LocalLevel, Model, NoForecast, Slot, VALUE_MAX};
use crate::state::{ModelState, ResidualState};

/// What a model knows of the present; `None` when it knows nothing.
pub(super) type Origin = Option<[f64; 2]>;

/// Share of a residual that is expected to be left after a step, before any evidence.
const DECAY_PRIOR: f64 = 0.5;
/// Steps of evidence that the prior is worth.
const DECAY_PRIOR_STEPS: f64 = 24.0;
/// Evidence that is forgotten in a step: the memory is ten days of quarters of an hour.
const DECAY_FORGETTING: f64 = 1.0 / 960.0;
/// The slowest decay: half is gone after 34 steps.
const DECAY_MAX: f64 = 0.98;

/// Gains of [`Model::DoubleSeasonal`], on square roots.
const LEVEL_GAIN: f64 = 0.02;
const DAY_GAIN: f64 = 0.05;
const WEEK_GAIN: f64 = 0.2;
/// Share of its one-step error that is left after a step (Taylor 2003).
const ERROR_DECAY: f64 = 0.7;

/// Variances of [`Model::LocalLevel`], of the logarithm of a ratio: of its walk in a step, of its
/// noise (beside the Poisson noise of the count), and before any observation.
const WALK: f64 = 0.01;
const NOISE: f64 = 0.04;
const VARIANCE_MAX: f64 = 1.0;
/// What a step without observation leaves of the logarithm of the ratio.
const RATIO_DECAY: f64 = 0.95;

/// A model that has seen nothing.
pub(super) fn empty(model: Model, calendar: &Calendar) -> ModelState {
    let profile = || cells::empty_profile(calendar.profile_slots());
    let week = || cells::empty_season(calendar.week_slots());
    match model {
        Model::LastValue => ModelState::LastValue {
            last: None,
            age: 0,
            age_max: calendar.slots_per_day(),
        },
        Model::SeasonalNaive => ModelState::SeasonalNaive {
            week: week(),
            observed: 0,
        },
        Model::Profile => ModelState::Profile {
            profile: profile(),
            residual: ResidualState::default(),
            observed: 0,
        },
        Model::DoubleSeasonal => ModelState::DoubleSeasonal {
            day: cells::empty_season(usize::from(calendar.slots_per_day())),
            week: week(),
            level: 0.0,
            error: 0.0,
            observed: 0,
        },
        Model::LocalLevel => ModelState::LocalLevel {
            profile: profile(),
            mean: 0.0,
            variance: VARIANCE_MAX,
            observed: 0,
        },
    }
}

/// Whether steps of a forecaster of `model` and `calendar` can have left `state` behind.
pub(super) fn check(
    model: Model,
    calendar: &Calendar,
    state: &ModelState,
) -> Result<(), ForecastError> {
    let sound = |what, holds: bool| holds.then_some(()).ok_or(ForecastError::State(what));
    let profile_fits = |cells: &[u8]| cells.len() == calendar.profile_slots() * PROFILE_SLOT_BYTES;
    let season_fits = |cells: &[u8], slots: usize, least: f64| {
        cells.len() == slots * SEASON_SLOT_BYTES
            && cells::season_values(cells).all(|value| (least..=VALUE_MAX).contains(&value))
    };
    let bounded = |values: &[f64]| values.iter().all(|value| value.abs() <= VALUE_MAX);
    match (model, state) {
        (Model::LastValue, ModelState::LastValue { last, age_max, .. }) => sound(
            "last value",
            *age_max == calendar.slots_per_day()
                && last.is_none_or(|last| (0.0..=VALUE_MAX).contains(&last)),
        ),
        (Model::SeasonalNaive, ModelState::SeasonalNaive { week, .. }) => {
            sound("week", season_fits(week, calendar.week_slots(), 0.0))
        }
        (
            Model::Profile,
            ModelState::Profile {
                profile, residual, ..
            },
        ) => {
            sound("profile", profile_fits(profile))?;
            sound("residual", residual_sound(residual))
        }
        (
            Model::DoubleSeasonal,
            ModelState::DoubleSeasonal {
                day,
                week,
                level,
                error,
                ..
            },
        ) => {
            let day_slots = usize::from(calendar.slots_per_day());
            sound("day", season_fits(day, day_slots, -VALUE_MAX))?;
            sound("week", season_fits(week, calendar.week_slots(), -VALUE_MAX))?;
            sound("level", bounded(&[*level, *error]))
        }
        (
            Model::LocalLevel,
            ModelState::LocalLevel {
                profile,
                mean,
                variance,
                ..
            },
        ) => {
            sound("profile", profile_fits(profile))?;
            let in_range = (0.0..=VARIANCE_MAX).contains(variance);
            sound("level", mean.abs() < 64.0 && in_range)
        }
        _ => Err(ForecastError::State("model")),
    }
}

fn residual_sound(residual: &ResidualState) -> bool {
    let ResidualState {
        residual: now,
        squares,
        products,
        weight,
        ..
    } = *residual;
    // A profile holds values to 12 bits, so that one may be a little above the limit.
    now.abs() <= 2.0 * VALUE_MAX.sqrt()
        && squares >= 0.0
        && weight >= 0.0
        && (squares + products + weight).is_finite()
}

/// What `state` knows of the present.
pub(super) fn origin(state: &ModelState) -> Origin {
    match state {
        ModelState::LastValue { last, age, .. } => last.map(|last| [last, f64::from(*age)]),
        ModelState::SeasonalNaive { observed, .. } => (*observed > 0).then_some([0.0, 0.0]),
        ModelState::Profile {
            residual, observed, ..
        } => (*observed > 0).then(|| [residual.residual, decay(residual)]),
        ModelState::DoubleSeasonal {
            level,
            error,
            observed,
            ..
        } => (*observed > 0).then_some([*level, *error]),
        ModelState::LocalLevel { mean, observed, .. } => (*observed > 0).then_some([*mean, 0.0]),
    }
}

/// What was expected for `target`, `steps` after `origin`.
pub(super) fn predict(
    state: &ModelState,
    origin: Origin,
    steps: u16,
    target: Slot,
) -> Result<f64, NoForecast> {
    let [first, second] = origin.ok_or(NoForecast::NoHistory)?;
    let value = match state {
        ModelState::LastValue { age_max, .. } => {
            let age = second + f64::from(steps);
            (age <= f64::from(*age_max))
                .then_some(first)
                .ok_or(NoForecast::Gap)?
        }
        ModelState::SeasonalNaive { week, .. } => {
            cells::season(week, target.of_week()).ok_or(NoForecast::NoSlotHistory)?
        }
        ModelState::Profile { profile, .. } => {
            let usual = expected(profile, target)?;
            let root = usual.sqrt();
            let left = first * libm::pow(second, f64::from(steps));
            if left > -root {
                // The square of `root + left`, in a form that is exact where nothing is left.
                usual + left * (2.0 * root + left)
            } else {
                0.0
            }
        }
        ModelState::DoubleSeasonal { day, week, .. } => {
            let day = cells::season(day, target.of_day()).ok_or(NoForecast::NoSlotHistory)?;
            let week = cells::season(week, target.of_week()).unwrap_or(0.0);
            let left = second * libm::pow(ERROR_DECAY, f64::from(steps));
            let root = (first + day + week + left).max(0.0);
            root * root
        }
        ModelState::LocalLevel { profile, .. } => {
            let expected = expected(profile, target)?;
            (expected + 1.0) * libm::exp(first) - 1.0
        }
    };
    Ok(value.clamp(0.0, VALUE_MAX))
}

fn expected(profile: &[u8], target: Slot) -> Result<f64, NoForecast> {
    cells::median(profile, target.of_profile()).ok_or(NoForecast::NoSlotHistory)
}

/// Learns from an observation.
pub(super) fn learn(state: &mut ModelState, slot: Slot, value: f64) {
    match state {
        ModelState::LastValue { last, age, .. } => (*last, *age) = (Some(value), 0),
        ModelState::SeasonalNaive { week, observed } => {
            cells::set_season(week, slot.of_week(), value);
            *observed = observed.saturating_add(1);
        }
        ModelState::Profile {
            profile,
            residual,
            observed,
        } => {
            match cells::median(profile, slot.of_profile()) {
                Some(expected) => learn_residual(residual, value.sqrt() - expected.sqrt()),
                None => skip_residual(residual),
            }
            cells::push(profile, slot.of_profile(), value);
            *observed = observed.saturating_add(1);
        }
        ModelState::DoubleSeasonal { .. } => learn_seasons(state, slot, value.sqrt()),
        ModelState::LocalLevel {
            profile,
            mean,
            variance,
            observed,
        } => {
            let before = LocalLevel {
                mean: *mean,
                variance: *variance,
            };
            let mut level = before.moved(WALK);
            if let Some(expected) = cells::median(profile, slot.of_profile()) {
                let ratio = libm::log((value + 1.0) / (expected + 1.0));
                level = level.corrected(ratio, NOISE + 1.0 / (expected + 1.0));
            }
            (*mean, *variance) = (level.mean, level.variance.min(VARIANCE_MAX));
            cells::push(profile, slot.of_profile(), value);
            *observed = observed.saturating_add(1);
        }
    }
}

/// Lets a step pass without an observation.
pub(super) fn skip(state: &mut ModelState) {
    match state {
        ModelState::LastValue { age, .. } => *age = age.saturating_add(1),
        ModelState::SeasonalNaive { .. } => {}
        ModelState::Profile { residual, .. } => skip_residual(residual),
        ModelState::DoubleSeasonal { error, .. } => *error *= ERROR_DECAY,
        ModelState::LocalLevel { mean, variance, .. } => {
            *mean *= RATIO_DECAY;
            *variance = (*variance + WALK).min(VARIANCE_MAX);
        }
    }
}

/// The share of a residual that is left after a step, φ: least squares on pairs of neighbouring
/// residuals, shrunken to the prior as if that had been seen for a day.
fn decay(residual: &ResidualState) -> f64 {
    let ResidualState {
        squares,
        products,
        weight,
        ..
    } = *residual;
    if squares <= 0.0 {
        return DECAY_PRIOR;
    }
    let evidence = weight * (products / squares) + DECAY_PRIOR_STEPS * DECAY_PRIOR;
    let share = evidence / (weight + DECAY_PRIOR_STEPS);
    // Residuals beyond a number's range, of which there are none, would be the only NaN.
    if share.is_finite() {
        share.clamp(0.0, DECAY_MAX)
    } else {
        DECAY_PRIOR
    }
}

fn learn_residual(state: &mut ResidualState, residual: f64) {
    if state.fresh {
        let keep = 1.0 - DECAY_FORGETTING;
        state.squares = keep * state.squares + state.residual * state.residual;
        state.products = keep * state.products + state.residual * residual;
        state.weight = keep * state.weight + 1.0;
    }
    state.residual = residual;
    state.fresh = true;
}

fn skip_residual(state: &mut ResidualState) {
    state.residual *= decay(state);
    state.fresh = false;
}

/// Double-seasonal exponential smoothing without a trend: Taylor 2003, Journal of the Operational
/// Research Society 54:799. A season that is young learns faster, as a mean would.
fn learn_seasons(state: &mut ModelState, slot: Slot, root: f64) {
    let ModelState::DoubleSeasonal {
        day,
        week,
        level,
        error,
        observed,
    } = state
    else {
        return;
    };
    if *observed == 0 {
        *level = root;
    }
    let seen = cells::season(day, slot.of_day());
    let (of_day, of_week) = (
        seen.unwrap_or(0.0),
        cells::season(week, slot.of_week()).unwrap_or(0.0),
    );
    let slots_per_day = day.len() / SEASON_SLOT_BYTES;
    let days = usize::try_from(*observed).unwrap_or(usize::MAX) / slots_per_day.max(1);
    let gain = |least: f64, periods: usize| {
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        least.max(1.0 / (f64::from(periods) + 1.0))
    };
    let found = root - *level - of_day - of_week;
    let day_gain = if seen.is_some() {
        gain(DAY_GAIN, days)
    } else {
        1.0
    };
    *level += LEVEL_GAIN * found;
    let day_step = season_step(found, LEVEL_GAIN, day_gain);
    cells::set_season(day, slot.of_day(), of_day + day_step);
    if days >= 7 {
        // Not before: the first week's differences between days are the day season's to average.
        let week_gain = gain(WEEK_GAIN, days / 7 - 1);
        let week_step = season_step(found - day_step, LEVEL_GAIN, week_gain);
        cells::set_season(week, slot.of_week(), of_week + week_step);
    }
    *error = found;
    *observed = observed.saturating_add(1);
}
