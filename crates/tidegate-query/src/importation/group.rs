//! The arrivals of one group: origins, unknown persons, and what is assumed of those.

use datafusion::common::{Result, exec_err, internal_err};
use tidegate_risk::importation::{
    Arrivals, Evidence, OriginArrivals, Reported, UnknownArrivals, UnknownAssumption,
};

/// Bytes of a number in a written group.
const NUMBER: usize = 8;

/// Numbers before the origins: persons of unknown origin, what is there, five of the assumption,
/// and the probability of an outbreak.
const HEAD: usize = 8;

/// Numbers of an origin: persons, five of its evidence, and the effect of entry rules.
const ORIGIN: usize = 7;

const COUNTED: u64 = 1;
const ASSUMED: u64 = 2;
const ONE: u64 = 4;

/// One row of arguments, checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Arrival {
    /// Persons; `None` when they were not counted.
    pub(super) persons: Option<u64>,
    /// `None` for an unknown origin.
    pub(super) evidence: Option<Reported>,
    /// Share kept out, 0 to 1.
    pub(super) entry_effect: f64,
    /// What is assumed of unknown origins.
    pub(super) assumed: Option<Reported>,
    /// The probability that one introduction starts an outbreak.
    pub(super) one: Option<f64>,
}

/// Everything of one group.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Group {
    origins: Vec<OriginArrivals>,
    unknown: u64,
    counted: bool,
    assumed: Option<Reported>,
    one: Option<f64>,
}

impl Group {
    /// Adds a row of `function`.
    ///
    /// # Errors
    /// Names what is not one value for the group, and persons beyond 2^64.
    pub(super) fn add(&mut self, function: &str, row: &Arrival) -> Result<()> {
        self.agree(function, row.assumed, row.one)?;
        let Some(persons) = row.persons else {
            return Ok(());
        };
        self.counted = true;
        match row.evidence {
            None => self.add_unknown(function, persons),
            Some(reported) => {
                let evidence = Evidence::Reported(reported);
                match OriginArrivals::try_new(persons, evidence, row.entry_effect) {
                    Ok(origin) => self.origins.push(origin),
                    Err(error) => return exec_err!("{function}: entry_effect: {error}"),
                }
                Ok(())
            }
        }
    }

    fn add_unknown(&mut self, function: &str, persons: u64) -> Result<()> {
        let already = self.unknown;
        let Some(sum) = already.checked_add(persons) else {
            return exec_err!("{function}: {already} and {persons} persons are too many");
        };
        self.unknown = sum;
        Ok(())
    }

    /// Takes what is one value for the group.
    fn agree(&mut self, function: &str, assumed: Option<Reported>, one: Option<f64>) -> Result<()> {
        if let (Some(a), Some(b)) = (self.assumed, assumed)
            && a != b
        {
            let (a, b) = (a.parts(), b.parts());
            return exec_err!("{function}: unknown_evidence {a:?} and {b:?} in one group");
        }
        if let (Some(a), Some(b)) = (self.one, one)
            && a.to_bits() != b.to_bits()
        {
            return exec_err!("{function}: one {a} and {b} in one group");
        }
        self.assumed = self.assumed.or(assumed);
        self.one = self.one.or(one);
        Ok(())
    }

    /// What the library takes; `None` when nothing was counted.
    pub(super) fn arrivals(&self) -> Option<Arrivals<'_>> {
        let widened = |reported| {
            UnknownAssumption::try_new(reported, UnknownAssumption::WIDENING)
                .expect("the factor is one that widens")
        };
        self.counted.then(|| Arrivals {
            origins: &self.origins,
            unknown: UnknownArrivals {
                arrivals: self.unknown,
                assumption: self.assumed.map(widened),
            },
        })
    }

    /// The probability that one introduction starts an outbreak.
    pub(super) fn one(&self) -> Option<f64> {
        self.one
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.origins.capacity() * size_of::<OriginArrivals>()
    }

    /// Appends the group to `bytes`, for [`Self::merge`] in the same process.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        let flag = |there: bool, flag: u64| if there { flag } else { 0 };
        let flags = flag(self.counted, COUNTED)
            | flag(self.assumed.is_some(), ASSUMED)
            | flag(self.one.is_some(), ONE);
        let mut put = |number: u64| bytes.extend_from_slice(&number.to_le_bytes());
        put(self.unknown);
        put(flags);
        let assumed = self.assumed.map(Reported::parts).unwrap_or_default();
        for part in assumed {
            put(part.to_bits());
        }
        put(self.one.unwrap_or_default().to_bits());
        for origin in &self.origins {
            put(origin.arrivals());
            let Evidence::Reported(reported) = origin.evidence() else {
                unreachable!("only reported evidence is added")
            };
            for part in reported.parts() {
                put(part.to_bits());
            }
            put(origin.entry_effect().to_bits());
        }
    }

    /// Adds a group that was written.
    ///
    /// # Errors
    /// As [`Self::add`]; an internal error for bytes that no group writes.
    pub(super) fn merge(&mut self, function: &str, bytes: &[u8]) -> Result<()> {
        let (numbers, rest) = bytes.as_chunks::<NUMBER>();
        let numbers: Vec<u64> = numbers.iter().copied().map(u64::from_le_bytes).collect();
        let (Some((head, origins)), []) = (numbers.split_first_chunk::<HEAD>(), rest) else {
            return internal_err!("{function}: a state of {} bytes", bytes.len());
        };
        let [unknown, flags, assumed @ .., one] = *head;
        let assumed = match flags & ASSUMED {
            0 => None,
            _ => Some(reported(assumed)?),
        };
        let one = (flags & ONE != 0).then(|| f64::from_bits(one));
        self.agree(function, assumed, one)?;
        self.counted |= flags & COUNTED != 0;
        self.add_unknown(function, unknown)?;
        let (origins, rest) = origins.as_chunks::<ORIGIN>();
        if !rest.is_empty() {
            return internal_err!("{function}: a state of {} bytes", bytes.len());
        }
        for &[persons, evidence @ .., entry_effect] in origins {
            let evidence = Evidence::Reported(reported(evidence)?);
            match OriginArrivals::try_new(persons, evidence, f64::from_bits(entry_effect)) {
                Ok(origin) => self.origins.push(origin),
                Err(error) => return internal_err!("{function}: {error}"),
            }
        }
        Ok(())
    }
}

fn reported(bits: [u64; 5]) -> Result<Reported> {
    match Reported::try_from_parts(bits.map(f64::from_bits)) {
        Ok(reported) => Ok(reported),
        Err(error) => internal_err!("a state with {error}"),
    }
}
