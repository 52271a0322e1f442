//! The reading of JSON objects that every JSON format shares, and what our own fields say.
//!
//! Two paths that must agree: [`scan()`] reads the common flat object in one pass without allocating
//! and gives up on anything unusual; [`Object::read`] and [`interpret`] read everything, exactly,
//! through `serde_json`, and say what is wrong. What `scan` reads, the exact path reads the same:
//! a differential test holds both against a plain `ObservationRecord`.

mod scan;

pub(crate) use scan::scan;

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use tidegate_model::{EventTime, Measure, Reason, Subject, parse_rfc3339};

use crate::check::{Fault, check_name, shown};
use crate::own::{OWN_FIELDS, Parsed};
use crate::personal::PersonalFields;

/// A field's value as it stands in an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Field<'a> {
    Absent,
    Null,
    Bool(bool),
    Int(i64),
    /// A number with a fraction or an exponent, or beyond `i64`.
    Float(f64),
    Text(Cow<'a, str>),
    Nested,
}

impl Field<'_> {
    /// What it is, for a message.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Absent => "absent".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Bool(value) => format!("{value}"),
            Self::Int(value) => format!("{value}"),
            Self::Float(value) => format!("{value:?}"),
            Self::Text(text) => format!("text {}", shown(text)),
            Self::Nested => "an object or array".to_owned(),
        }
    }
}

/// Finds the slot of a field by its name.
pub(crate) trait Names {
    /// How many slots there are.
    fn slots(&self) -> usize;
    /// The slot of the field `name` and the rank of that spelling; a lower rank is preferred.
    fn find(&self, name: &str) -> Option<(usize, usize)>;
}

/// The names of the product's own JSON.
pub(crate) struct OwnNames;

impl Names for OwnNames {
    fn slots(&self) -> usize {
        OWN_FIELDS.len()
    }

    fn find(&self, name: &str) -> Option<(usize, usize)> {
        let slot = OWN_FIELDS.iter().position(|own| *own == name)?;
        Some((slot, 0))
    }
}

/// The wanted fields of one JSON object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object<'a> {
    pub(crate) fields: Vec<Field<'a>>,
}

impl<'a> Object<'a> {
    /// Reads one object and nothing behind it; every key, in nested objects too, is held against
    /// the deny list.
    pub(crate) fn read(
        text: &'a str,
        names: &dyn Names,
        personal: &PersonalFields,
    ) -> Result<Self, Fault> {
        let stop = RefCell::new(None);
        let walk = Walk {
            personal,
            stop: &stop,
        };
        let mut fields = vec![Field::Absent; names.slots()];
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let seed = ObjectSeed {
            names,
            walk,
            ranks: vec![usize::MAX; names.slots()],
            fields: &mut fields,
        };
        let read = seed
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end());
        match (read, stop.into_inner()) {
            (Ok(()), None) => Ok(Self { fields }),
            (_, Some(fault)) => Err(fault),
            (Err(error), None) => Err(Fault::new(
                Reason::Malformed,
                format!("not a JSON object: {error}"),
            )),
        }
    }
}

/// What stops the reading of an object for a reason of ours; serde's own errors carry text only.
type Stop = RefCell<Option<Fault>>;

#[derive(Clone, Copy)]
struct Walk<'s> {
    personal: &'s PersonalFields,
    stop: &'s Stop,
}

impl Walk<'_> {
    fn stop<E: Error>(self, reason: Reason, detail: String) -> E {
        *self.stop.borrow_mut() = Some(Fault::new(reason, detail));
        E::custom("stopped")
    }

    fn check_key<E: Error>(self, key: &str) -> Result<(), E> {
        if self.personal.denies(key) {
            return Err(self.stop(
                Reason::PersonalData,
                format!("field {} could identify a person", shown(key)),
            ));
        }
        Ok(())
    }
}

struct ObjectSeed<'s, 'f, 'de> {
    names: &'s dyn Names,
    walk: Walk<'s>,
    ranks: Vec<usize>,
    fields: &'f mut Vec<Field<'de>>,
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let walk = self.walk;
        while let Some(key) = map.next_key_seed(KeySeed)? {
            walk.check_key(&key)?;
            let value = map.next_value_seed(FieldSeed(walk))?;
            let Some((slot, rank)) = self.names.find(&key) else {
                continue;
            };
            if rank == self.ranks[slot] {
                return Err(walk.stop(
                    Reason::Malformed,
                    format!("field {} is there twice", shown(&key)),
                ));
            }
            if rank < self.ranks[slot] {
                self.ranks[slot] = rank;
                self.fields[slot] = value;
            }
        }
        Ok(())
    }
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[derive(Clone, Copy)]
struct FieldSeed<'s>(Walk<'s>);

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = Field<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_> {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Field::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Field::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Field::Int(value))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "beyond i64, where any value is absurd or a far coordinate"
    )]
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(Field::Float(value as f64), Field::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Field::Float(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element_seed(self)?.is_some() {}
        Ok(Field::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(key) = map.next_key_seed(KeySeed)? {
            self.0.check_key(&key)?;
            map.next_value_seed(self)?;
        }
        Ok(Field::Nested)
    }
}

/// Understands the fields of the product's own JSON.
pub(crate) fn interpret<'o>(object: &'o Object<'_>) -> Result<Parsed<'o>, Fault> {
    let [
        id,
        site,
        start,
        end,
        measure,
        subject,
        count,
        origin,
        lat,
        lng,
    ] = object.fields.as_slice()
    else {
        unreachable!("the object was read with the ten own names");
    };
    Ok(Parsed {
        id: optional_text("id", id)?.map(str::as_bytes),
        site: required("site", optional_text("site", site)?)?,
        start: read_time("start", required("start", optional_text("start", start)?)?)?,
        end: match optional_text("end", end)? {
            None => None,
            Some(text) => Some(read_time("end", text)?),
        },
        measure: read_word("measure", measure, Measure::from_word)?,
        subject: match subject {
            Field::Absent => Subject::default(),
            _ => read_word("subject", subject, Subject::from_word)?,
        },
        count: read_count(count)?,
        origin: optional_text("origin", origin)?,
        lat: read_degrees("lat", lat)?,
        lng: read_degrees("lng", lng)?,
    })
}

/// The site of an object that could not be understood.
pub(crate) fn site_of(object: &Object<'_>) -> Option<String> {
    match object.fields.get(1) {
        Some(Field::Text(site)) if check_name("site", site).is_ok() => {
            Some(site.clone().into_owned())
        }
        _ => None,
    }
}

fn wrong(name: &str, field: &Field<'_>, wanted: &str) -> Fault {
    Fault::new(
        Reason::WrongType,
        format!("{name} is {}, not {wanted}", field.shown()),
    )
}

fn required<T>(name: &str, value: Option<T>) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::new(Reason::MissingField, format!("{name} is not there")))
}

fn optional_text<'o>(name: &str, field: &'o Field<'_>) -> Result<Option<&'o str>, Fault> {
    match field {
        Field::Absent | Field::Null => Ok(None),
        Field::Text(text) => Ok(Some(text)),
        _ => Err(wrong(name, field, "text")),
    }
}

fn read_time(name: &str, text: &str) -> Result<EventTime, Fault> {
    parse_rfc3339(text).map_err(|error| Fault::new(Reason::BadTime, format!("{name}: {error}")))
}

fn read_word<T>(
    name: &str,
    field: &Field<'_>,
    from_word: impl Fn(&str) -> Option<T>,
) -> Result<T, Fault> {
    match field {
        Field::Absent => required(name, None),
        Field::Text(word) => from_word(word).ok_or_else(|| {
            Fault::new(
                Reason::WrongType,
                format!("{name} {} is not a known word", shown(word)),
            )
        }),
        _ => Err(wrong(name, field, "a known word")),
    }
}

fn read_count(field: &Field<'_>) -> Result<i64, Fault> {
    match field {
        Field::Absent => required("count", None),
        Field::Int(count) => Ok(*count),
        Field::Float(count) if *count < 0.0 => Err(Fault::new(
            Reason::NegativeCount,
            format!("count {count:?} is below 0"),
        )),
        Field::Float(count) => Err(Fault::new(
            Reason::AbsurdCount,
            format!("count {count:?} is not written as a whole number in range"),
        )),
        _ => Err(wrong("count", field, "a whole number")),
    }
}

fn read_degrees(name: &str, field: &Field<'_>) -> Result<Option<f64>, Fault> {
    match field {
        Field::Absent | Field::Null => Ok(None),
        #[expect(
            clippy::cast_precision_loss,
            reason = "a whole number of degrees beyond 2^53 is outside the world in any rounding"
        )]
        Field::Int(degrees) => Ok(Some(*degrees as f64)),
        Field::Float(degrees) => Ok(Some(*degrees)),
        _ => Err(Fault::new(
            Reason::BadCoordinate,
            format!("{name} is {}, not a number of degrees", field.shown()),
        )),
    }
}
