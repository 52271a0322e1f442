//! Origins as data: which there are, whether they are in the country, and the rules of their
//! tier. No place is named in code.

use std::collections::BTreeMap;

use super::{Evidence, ImportationError, OriginArrivals, checked_share};

/// The longest stay in quarantine, in days.
const STAY_DAYS_MAX: u32 = 365;

/// Why an origin has no numbers.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OriginError {
    /// An origin that the table does not have.
    #[error("origin {0:?} is not in the table")]
    Missing(String),
    /// A tier that the table does not have.
    #[error("origin {origin:?} has tier {tier:?}, which is not in the table")]
    Tier {
        /// The origin.
        origin: String,
        /// Its tier.
        tier: String,
    },
    /// A stay that is not 1 to 365 days.
    #[error("a stay of {0} days is not 1 to 365")]
    Stay(u32),
    /// A share outside of its range.
    #[error(transparent)]
    Value(#[from] ImportationError),
}

/// Whether people come from within the country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OriginKind {
    /// From within the country.
    Domestic,
    /// From another country.
    Foreign,
}

impl OriginKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Domestic, Self::Foreign];

    /// The word used in files and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Domestic => "domestic",
            Self::Foreign => "foreign",
        }
    }

    /// The kind called `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Quarantine after arrival.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    share: f64,
    stay_days: u32,
}

impl Held {
    /// The share `share` of arrivals is held for `stay_days` days, 1 to 365, the day of arrival
    /// included.
    ///
    /// # Errors
    /// [`OriginError::Value`]; [`OriginError::Stay`].
    pub fn try_new(share: f64, stay_days: u32) -> Result<Self, OriginError> {
        let share = checked_share(share)?;
        if (1..=STAY_DAYS_MAX).contains(&stay_days) {
            Ok(Self { share, stay_days })
        } else {
            Err(OriginError::Stay(stay_days))
        }
    }

    /// The share of arrivals who are held.
    pub const fn share(self) -> f64 {
        self.share
    }

    /// Days for which each is held.
    pub const fn stay_days(self) -> u32 {
        self.stay_days
    }
}

/// What is done with people from the origins of one tier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TierRule {
    entry_effect: f64,
    held: Option<Held>,
}

impl TierRule {
    /// The share `entry_effect` of the infectious is kept out, and some are held; `None` for a
    /// tier that is not listed for quarantine.
    ///
    /// # Errors
    /// [`OriginError::Value`].
    pub fn try_new(entry_effect: f64, held: Option<Held>) -> Result<Self, OriginError> {
        Ok(Self {
            entry_effect: checked_share(entry_effect)?,
            held,
        })
    }

    /// The share of the infectious that is kept out.
    pub const fn entry_effect(&self) -> f64 {
        self.entry_effect
    }

    /// Who is held.
    pub const fn held(&self) -> Option<Held> {
        self.held
    }
}

/// One origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// In the country or not.
    pub kind: OriginKind,
    /// The name of its tier.
    pub tier: String,
    /// What is known of its prevalence.
    pub evidence: Evidence,
}

/// Every origin and tier, by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Origins {
    tiers: BTreeMap<String, TierRule>,
    origins: BTreeMap<String, Origin>,
}

impl Origins {
    /// The table of `origins`, whose tiers must be in `tiers`.
    ///
    /// # Errors
    /// [`OriginError::Tier`].
    pub fn try_new(
        tiers: BTreeMap<String, TierRule>,
        origins: BTreeMap<String, Origin>,
    ) -> Result<Self, OriginError> {
        for (name, origin) in &origins {
            if !tiers.contains_key(&origin.tier) {
                return Err(OriginError::Tier {
                    origin: name.clone(),
                    tier: origin.tier.clone(),
                });
            }
        }
        Ok(Self { tiers, origins })
    }

    /// The origin `name` and the rule of its tier.
    ///
    /// # Errors
    /// [`OriginError::Missing`]. Arrivals of unknown origin are not looked up: they have an
    /// assumption of their own.
    pub fn get(&self, name: &str) -> Result<(&Origin, TierRule), OriginError> {
        let missing = || OriginError::Missing(name.to_owned());
        let origin = self.origins.get(name).ok_or_else(missing)?;
        let rule = self.tiers.get(&origin.tier).ok_or_else(missing)?;
        Ok((origin, *rule))
    }

    /// `persons` who arrived from the origin `name`.
    ///
    /// # Errors
    /// [`OriginError::Missing`].
    pub fn arrivals(&self, name: &str, persons: u64) -> Result<OriginArrivals, OriginError> {
        let (origin, rule) = self.get(name)?;
        Ok(OriginArrivals::try_new(
            persons,
            origin.evidence,
            rule.entry_effect,
        )?)
    }

    /// Origins listed for quarantine, in the order of their names.
    pub fn listed(&self) -> impl Iterator<Item = (&str, Held)> {
        self.origins.iter().filter_map(|(name, origin)| {
            let held = self.tiers.get(&origin.tier)?.held?;
            Some((name.as_str(), held))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Prevalence;
    use super::*;

    fn origin(kind: OriginKind, tier: &str) -> Origin {
        Origin {
            kind,
            tier: tier.to_owned(),
            evidence: Evidence::Exactly(Prevalence::ZERO),
        }
    }

    fn table(tier: &str) -> Result<Origins, OriginError> {
        let rule = |held| TierRule::try_new(0.5, held).unwrap();
        let tiers = [
            ("high".to_owned(), rule(Some(Held::try_new(0.8, 14)?))),
            ("low".to_owned(), rule(None)),
        ];
        let origins = [
            ("a".to_owned(), origin(OriginKind::Domestic, "low")),
            ("b".to_owned(), origin(OriginKind::Foreign, tier)),
        ];
        Origins::try_new(tiers.into(), origins.into())
    }

    #[test]
    fn tiers_decide_who_is_listed() {
        let table = table("high").unwrap();
        let listed: Vec<_> = table.listed().collect();
        assert_eq!(listed, [("b", Held::try_new(0.8, 14).unwrap())]);
        let (origin, rule) = table.get("a").unwrap();
        assert_eq!((origin.kind, rule.held()), (OriginKind::Domestic, None));
        let same = OriginArrivals::try_new(7, Evidence::Exactly(Prevalence::ZERO), 0.5);
        assert_eq!(table.arrivals("b", 7), Ok(same.unwrap()));
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        let missing = table("high").unwrap().arrivals("c", 1).unwrap_err();
        assert_eq!(missing, OriginError::Missing("c".to_owned()));
        assert!(matches!(table("none"), Err(OriginError::Tier { .. })));
        for (share, days) in [(1.1, 14), (f64::NAN, 14), (0.5, 0), (0.5, 366)] {
            assert!(Held::try_new(share, days).is_err());
        }
        assert!(TierRule::try_new(-0.1, None).is_err());
    }
}
