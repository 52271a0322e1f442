//! One value of a city's own record, whichever format it came in.

use std::fmt;

use tidegate_model::Reason;

use crate::check::shown;
use crate::json::Field;

/// Whole numbers up to here are exact in f64.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// A cell of a row or a field of an object. Text is trimmed and not empty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    /// The record has no such column.
    Absent,
    /// The column holds nothing.
    Empty,
    Text(&'a str),
    Int(i64),
    Float(f64),
    /// What cannot be a key or a number.
    Other(&'static str),
}

impl<'a> Cell<'a> {
    pub(crate) fn of_text(text: &'a str) -> Self {
        match text.trim() {
            "" => Self::Empty,
            text => Self::Text(text),
        }
    }

    pub(crate) fn of_field(field: &'a Field<'_>) -> Self {
        match field {
            Field::Absent => Self::Absent,
            Field::Null => Self::Empty,
            Field::Bool(true) => Self::Other("true"),
            Field::Bool(false) => Self::Other("false"),
            Field::Int(value) => Self::Int(*value),
            Field::Float(value) => Self::Float(*value),
            Field::Text(text) => Self::of_text(text),
            Field::Nested => Self::Other("an object or array"),
        }
    }

    /// The whole number it holds; `None` when it holds nothing. `12.0` is one: tables that went
    /// through a data frame with holes in it are written so.
    pub(crate) fn whole_number(&self) -> Result<Option<i64>, Reason> {
        match self {
            Self::Absent | Self::Empty => Ok(None),
            Self::Int(value) => Ok(Some(*value)),
            Self::Float(value) => whole(*value).map(Some),
            Self::Text(text) => match text.parse::<i64>() {
                Ok(value) => Ok(Some(value)),
                Err(_) => match text.parse::<f64>() {
                    Ok(value) => whole(value).map(Some),
                    Err(_) => Err(Reason::WrongType),
                },
            },
            Self::Other(_) => Err(Reason::WrongType),
        }
    }

    /// The degrees it holds, whatever their size; `None` when it holds nothing.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a whole number of degrees beyond 2^53 is outside the world in any rounding"
    )]
    pub(crate) fn degrees(&self) -> Result<Option<f64>, String> {
        match self {
            Self::Absent | Self::Empty => Ok(None),
            Self::Int(value) => Ok(Some(*value as f64)),
            Self::Float(value) => Ok(Some(*value)),
            Self::Text(text) => match text.parse() {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(self.to_string()),
            },
            Self::Other(_) => Err(self.to_string()),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a whole number of at most 2^53, checked first"
)]
fn whole(value: f64) -> Result<i64, Reason> {
    if value < 0.0 {
        Err(Reason::NegativeCount)
    } else if value <= EXACT_MAX && value.fract() == 0.0 {
        Ok(value as i64)
    } else {
        // NaN and the infinities come here too.
        Err(Reason::AbsurdCount)
    }
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Empty => f.write_str("empty"),
            Self::Text(text) => f.write_str(&shown(text)),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        for (text, want) in [
            ("", Ok(None)),
            ("  ", Ok(None)),
            (" 12 ", Ok(Some(12))),
            ("0000012", Ok(Some(12))),
            ("12.0", Ok(Some(12))),
            ("1e3", Ok(Some(1_000))),
            ("-3", Ok(Some(-3))),
            ("-3.5", Err(Reason::NegativeCount)),
            ("12.5", Err(Reason::AbsurdCount)),
            ("NaN", Err(Reason::AbsurdCount)),
            ("inf", Err(Reason::AbsurdCount)),
            ("-inf", Err(Reason::NegativeCount)),
            ("99999999999999999999", Err(Reason::AbsurdCount)),
            ("1,234", Err(Reason::WrongType)),
            ("many", Err(Reason::WrongType)),
        ] {
            assert_eq!(Cell::of_text(text).whole_number(), want, "{text}");
        }
    }
}
