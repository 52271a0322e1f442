//! What an infectious person at a venue may mean for others: contacts, or shared air.
//!
//! Two forms that are never added: contacts count encounters, not infections; the airborne form
//! (Wells 1955; Riley, Murphy and Riley 1978, Am J Epidemiol 107:421) gives infections in
//! well-mixed indoor air and nothing else. Where the clean air of a venue is unknown there is no
//! value. The published emission rates span more than two orders of magnitude, so the airborne
//! form compares a venue with itself, or venues of one profile; it does not forecast cases.

use crate::density::PersonsPerSquareMetre;
use crate::importation::one_minus_exp;

/// Rise of carbon dioxide in exhaled air, parts per million (Rudnick and Milton 2003).
pub const EXHALED_CO2_PPM: f64 = 38_000.0;

/// The largest input; products of five stay finite.
const INPUT_MAX: f64 = 1e12;

/// Why there is no exposure.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ExposureError {
    /// An input that must be 0 or more.
    #[error("{name} {value} is not between 0 and 1e12")]
    Negative {
        /// Which input.
        name: &'static str,
        /// The rejected value.
        value: f64,
    },
    /// An input that must be above 0.
    #[error("{name} {value} is not between 1e-12 and 1e12")]
    NotPositive {
        /// Which input.
        name: &'static str,
        /// The rejected value.
        value: f64,
    },
    /// A share that is not between 0 and 1.
    #[error("{name} {value} is not between 0 and 1")]
    Share {
        /// Which input.
        name: &'static str,
        /// The rejected value.
        value: f64,
    },
}

fn at_least_zero(name: &'static str, value: f64) -> Result<f64, ExposureError> {
    if (0.0..=INPUT_MAX).contains(&value) {
        Ok(value)
    } else {
        Err(ExposureError::Negative { name, value })
    }
}

fn above_zero(name: &'static str, value: f64) -> Result<f64, ExposureError> {
    if (1.0 / INPUT_MAX..=INPUT_MAX).contains(&value) {
        Ok(value)
    } else {
        Err(ExposureError::NotPositive { name, value })
    }
}

fn share(name: &'static str, value: f64) -> Result<f64, ExposureError> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(ExposureError::Share { name, value })
    }
}

/// Persons within `radius_m` metres of a place in a crowd of this density: `π r² ρ`.
///
/// # Errors
/// [`ExposureError::Negative`].
pub fn neighbours(radius_m: f64, density: PersonsPerSquareMetre) -> Result<f64, ExposureError> {
    let radius = at_least_zero("radius", radius_m)?;
    Ok(std::f64::consts::PI * radius * radius * density.get())
}

/// Contacts of a person in an hour: `κ min(ρ, ρ_sat)`. In a dense crowd people cannot meet more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contacts {
    per_hour_at_one: f64,
    saturation: PersonsPerSquareMetre,
}

impl Contacts {
    /// The density from which contacts grow no more when nothing else is known: 2 persons/m².
    pub const SATURATION: f64 = 2.0;

    /// `per_hour_at_one` contacts of a person in an hour at 1 person/m², an input to calibrate;
    /// growing with the density up to `saturation`.
    ///
    /// # Errors
    /// [`ExposureError::Negative`].
    pub fn try_new(
        per_hour_at_one: f64,
        saturation: PersonsPerSquareMetre,
    ) -> Result<Self, ExposureError> {
        Ok(Self {
            per_hour_at_one: at_least_zero("contacts", per_hour_at_one)?,
            saturation,
        })
    }

    /// Contacts of one person in an hour.
    pub fn per_person_hour(self, density: PersonsPerSquareMetre) -> f64 {
        self.per_hour_at_one * density.get().min(self.saturation.get())
    }

    /// Contacts of infectious visitors, begun in one hour of arrivals: `λ c(ρ) W`, with λ
    /// infectious arrivals an hour and a mean stay of `stay_hours`. Contacts, not infections.
    /// Method [`crate::method::EXPOSURE_CONTACTS`].
    ///
    /// # Errors
    /// [`ExposureError::Negative`].
    pub fn of_infectious(
        self,
        lambda_per_hour: f64,
        stay_hours: f64,
        density: PersonsPerSquareMetre,
    ) -> Result<f64, ExposureError> {
        let lambda = at_least_zero("lambda", lambda_per_hour)?;
        let stay = at_least_zero("stay", stay_hours)?;
        Ok(lambda * self.per_person_hour(density) * stay)
    }
}

/// What infectious and susceptible people breathe, in one disease profile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breathing {
    quanta_per_hour: f64,
    m3_per_hour: f64,
}

impl Breathing {
    /// `quanta_per_hour` that one infectious person emits, `m3_per_hour` that each person inhales.
    ///
    /// # Errors
    /// [`ExposureError::Negative`].
    pub fn try_new(quanta_per_hour: f64, m3_per_hour: f64) -> Result<Self, ExposureError> {
        Ok(Self {
            quanta_per_hour: at_least_zero("quanta", quanta_per_hour)?,
            m3_per_hour: at_least_zero("breathing", m3_per_hour)?,
        })
    }

    /// With masks that keep back the share `out` of what is emitted and `inward` of what would be
    /// inhaled.
    ///
    /// # Errors
    /// [`ExposureError::Share`].
    pub fn masked(self, out: f64, inward: f64) -> Result<Self, ExposureError> {
        Ok(Self {
            quanta_per_hour: self.quanta_per_hour * (1.0 - share("outward filtration", out)?),
            m3_per_hour: self.m3_per_hour * (1.0 - share("inward filtration", inward)?),
        })
    }
}

/// The air of a room: its volume and how often an hour it is made clean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CleanAir {
    volume_m3: f64,
    losses_per_hour: f64,
}

impl CleanAir {
    /// A room of `volume_m3` whose air is cleaned by ventilation, deposition, inactivation and
    /// filtration, each in changes an hour; their sum above 0.
    ///
    /// # Errors
    /// [`ExposureError::Negative`]; [`ExposureError::NotPositive`].
    pub fn try_new(volume_m3: f64, losses_per_hour: [f64; 4]) -> Result<Self, ExposureError> {
        let mut total = 0.0;
        for loss in losses_per_hour {
            total += at_least_zero("air changes", loss)?;
        }
        Ok(Self {
            volume_m3: above_zero("volume", volume_m3)?,
            losses_per_hour: above_zero("air changes", total)?,
        })
    }

    /// Clean air in m³ an hour.
    pub fn m3_per_hour(self) -> f64 {
        self.volume_m3 * self.losses_per_hour
    }
}

/// Who shares the air of a room and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SharedTime {
    infectious: f64,
    hours: f64,
}

impl SharedTime {
    /// `infectious` persons present, which may be a fraction that is expected, for `hours`.
    ///
    /// # Errors
    /// [`ExposureError::Negative`].
    pub fn try_new(infectious: f64, hours: f64) -> Result<Self, ExposureError> {
        Ok(Self {
            infectious: at_least_zero("infectious", infectious)?,
            hours: at_least_zero("hours", hours)?,
        })
    }
}

/// The probability that a susceptible person is infected: `1 - e^(-I q b t / Q)`, in air that has
/// long been shared. `None` when the clean air is unknown.
/// Method [`crate::method::EXPOSURE_WELLS_RILEY`].
///
/// ```
/// use tidegate_risk::exposure::{Breathing, CleanAir, SharedTime, infection_steady};
/// let light = Breathing::try_new(10.0, 0.54)?;
/// let hour = SharedTime::try_new(1.0, 1.0)?;
/// let room = CleanAir::try_new(250.0, [4.0, 0.0, 0.0, 0.0])?;
/// let risk = infection_steady(light, hour, Some(room)).unwrap();
/// assert!((risk - 0.0053854462).abs() < 1e-10);
/// assert_eq!(infection_steady(light, hour, None), None);
/// # Ok::<(), tidegate_risk::exposure::ExposureError>(())
/// ```
pub fn infection_steady(
    breathing: Breathing,
    shared: SharedTime,
    air: Option<CleanAir>,
) -> Option<f64> {
    let dose = emitted(breathing, shared) * shared.hours / air?.m3_per_hour();
    Some(one_minus_exp(-dose))
}

/// The same from the moment when the infectious enter clean air (Gammaitoni and Nucci 1997,
/// Emerg Infect Dis 3:335): `dose = I q b / (V L) (t - (1 - e^(-L t)) / L)`; never above
/// [`infection_steady`].
pub fn infection_from_clean(
    breathing: Breathing,
    shared: SharedTime,
    air: Option<CleanAir>,
) -> Option<f64> {
    let air = air?;
    let changes = air.losses_per_hour * shared.hours;
    // t - (1 - e^-x)/L = t (1 + (e^-x - 1)/x), which for small x loses its digits: then x/2 - x²/6.
    let part = if changes < 1e-4 {
        changes / 2.0 - changes * changes / 6.0
    } else {
        1.0 + libm::expm1(-changes) / changes
    };
    let dose = emitted(breathing, shared) * shared.hours / air.m3_per_hour() * part;
    Some(one_minus_exp(-dose))
}

/// `I q b`.
fn emitted(breathing: Breathing, shared: SharedTime) -> f64 {
    shared.infectious * breathing.quanta_per_hour * breathing.m3_per_hour
}

/// The probability of infection from carbon dioxide, for rooms whose ventilation is not known but
/// measured: `1 - e^(-f I q t / n)`, `f` the share of inhaled air that others exhaled (Rudnick
/// and Milton 2003, Indoor Air 13:237).
///
/// `None` for an empty room, and when the air inside is not above the air outside: then the
/// sensor, not the room, has spoken.
///
/// # Errors
/// [`ExposureError::Negative`].
pub fn infection_co2(
    breathing: Breathing,
    shared: SharedTime,
    co2: Co2,
    persons: u64,
) -> Result<Option<f64>, ExposureError> {
    let inside = at_least_zero("carbon dioxide inside", co2.inside_ppm)?;
    let outside = at_least_zero("carbon dioxide outside", co2.outside_ppm)?;
    if persons == 0 || inside <= outside {
        return Ok(None);
    }
    let exhaled = ((inside - outside) / EXHALED_CO2_PPM).min(1.0);
    let quanta = shared.infectious * breathing.quanta_per_hour * shared.hours;
    let dose = exhaled * quanta / crate::importation::count(persons);
    Ok(Some(one_minus_exp(-dose)))
}

/// Carbon dioxide, parts per million.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Co2 {
    /// In the room.
    pub inside_ppm: f64,
    /// In the open.
    pub outside_ppm: f64,
}

/// Infections expected among `susceptible` persons at this probability each.
///
/// # Errors
/// [`ExposureError::Share`].
pub fn expected_infections(susceptible: u64, probability: f64) -> Result<f64, ExposureError> {
    Ok(crate::importation::count(susceptible) * share("probability", probability)?)
}

#[cfg(test)]
mod tests;
