//! The JSON rendering, in the field forms that agencies really publish.
//!
//! Names stand in snake case or camel case, enumerations as words or numbers, and 64-bit numbers as
//! numbers or text, as Protocol Buffers' own JSON has them. Each entity is read on its own.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::entity::{
    Aboard, Entity, Header, OCCUPANCY_WORDS, Status, StopTime, Trip, TripUpdate, Vehicle,
};
use crate::personal::PersonalFields;

/// The header, `None` where there is none or the text is not JSON up to it.
pub(crate) fn read_header(message: &str) -> Option<Header> {
    let mut header = None;
    let mut deserializer = serde_json::Deserializer::from_str(message);
    let walk = Message {
        header: Some(&mut header),
        entity: None,
    };
    match walk.deserialize(&mut deserializer) {
        // What is wrong behind the header is told by the walk over the entities.
        Ok(()) | Err(_) => header,
    }
}

/// Calls `each` with every entity; the error is the one that ends the message early.
pub(crate) fn for_each_entity(
    message: &str,
    mut each: impl FnMut(Value),
) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(message);
    let walk = Message {
        header: None,
        entity: Some(&mut each),
    };
    walk.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// A message that holds `entity` alone, under `header`.
pub(crate) fn alone(header: Header, entity: &Value) -> Vec<u8> {
    let header = match header.timestamp {
        Some(timestamp) => serde_json::json!({ "timestamp": timestamp }),
        None => serde_json::json!({}),
    };
    serde_json::json!({ "header": header, "entity": [entity] })
        .to_string()
        .into_bytes()
}

struct Message<'m> {
    header: Option<&'m mut Option<Header>>,
    entity: Option<&'m mut dyn FnMut(Value)>,
}

impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a header and a list of entities")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match (key.as_ref(), &mut self) {
                (
                    "header",
                    Message {
                        header: Some(header),
                        ..
                    },
                ) => {
                    let value: Value = map.next_value()?;
                    let timestamp = number(&value, "timestamp");
                    **header = value.is_object().then_some(Header { timestamp });
                }
                (
                    "entity",
                    Message {
                        entity: Some(entity),
                        ..
                    },
                ) => {
                    map.next_value_seed(Entities(*entity))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct Entities<'m>(&'m mut dyn FnMut(Value));

impl<'de> DeserializeSeed<'de> for Entities<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entities<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entities")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entities: A) -> Result<(), A::Error> {
        while let Some(entity) = entities.next_element()? {
            (self.0)(entity);
        }
        Ok(())
    }
}

/// The name of a field below `value` that identifies a person, if there is one. The plate of a
/// vehicle in public service identifies nobody, and is not read.
pub(crate) fn find_personal<'v>(value: &'v Value, personal: &PersonalFields) -> Option<&'v str> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let is_plate = matches!(name.as_str(), "license_plate" | "licensePlate");
            if personal.denies(name) && !is_plate {
                return Some(name.as_str());
            }
            find_personal(value, personal)
        }),
        Value::Array(values) => values
            .iter()
            .find_map(|value| find_personal(value, personal)),
        _ => None,
    }
}

/// What an entity says; `None` when it is no object.
pub(crate) fn read_entity(value: &Value) -> Option<Entity<'_>> {
    value.as_object()?;
    let notices = ["alert", "shape", "stop", "trip_modifications"];
    Some(Entity {
        id: text(value, "id").unwrap_or_default(),
        is_deleted: field(value, "is_deleted").and_then(Value::as_bool) == Some(true),
        trip_update: field(value, "trip_update").map(read_trip_update),
        vehicle: field(value, "vehicle").map(read_vehicle),
        is_notice: notices.iter().any(|name| field(value, name).is_some()),
    })
}

fn read_trip(value: Option<&Value>) -> Trip<'_> {
    let Some(value) = value else {
        return Trip::default();
    };
    let relationship = field(value, "schedule_relationship");
    let cancelled = ["CANCELED", "CANCELLED", "DELETED"];
    Trip {
        id: text(value, "trip_id"),
        route: text(value, "route_id"),
        start_date: text(value, "start_date"),
        start_time: text(value, "start_time"),
        is_cancelled: match relationship {
            Some(Value::String(word)) => cancelled.contains(&word.as_str()),
            Some(Value::Number(number)) => matches!(number.as_u64(), Some(3 | 7)),
            _ => false,
        },
    }
}

fn read_vehicle(value: &Value) -> Vehicle<'_> {
    let degrees = |position: &Value, name| {
        // NaN is told as a bad coordinate, as in the binary rendering.
        field(position, name)
            .and_then(Value::as_f64)
            .unwrap_or(f64::NAN)
    };
    let status = match field(value, "current_status") {
        Some(Value::String(word)) if word == "STOPPED_AT" => Status::Stopped,
        Some(Value::String(word)) if word == "INCOMING_AT" => Status::Incoming,
        Some(Value::Number(number)) if number.as_u64() == Some(1) => Status::Stopped,
        Some(Value::Number(number)) if number.as_u64() == Some(0) => Status::Incoming,
        _ => Status::InTransit,
    };
    let carriages = field(value, "multi_carriage_details").and_then(Value::as_array);
    Vehicle {
        trip: read_trip(field(value, "trip")),
        id: field(value, "vehicle").and_then(|vehicle| text(vehicle, "id")),
        position: field(value, "position").map(|position| {
            (
                degrees(position, "latitude"),
                degrees(position, "longitude"),
            )
        }),
        stop: text(value, "stop_id"),
        stop_sequence: small(value, "current_stop_sequence"),
        status,
        timestamp: number(value, "timestamp"),
        occupancy: read_aboard(value),
        carriages: carriages.into_iter().flatten().map(read_aboard).collect(),
    }
}

fn read_aboard(value: &Value) -> Aboard<'_> {
    let word = match field(value, "occupancy_status") {
        Some(Value::String(word)) => Some(Cow::Borrowed(word.as_str())),
        Some(Value::Number(number)) => number
            .as_u64()
            .and_then(|number| OCCUPANCY_WORDS.get(usize::try_from(number).ok()?))
            .map(|word| Cow::Borrowed(*word)),
        _ => None,
    };
    Aboard {
        word,
        percent: small(value, "occupancy_percentage"),
    }
}

fn read_trip_update(value: &Value) -> TripUpdate<'_> {
    let stops = field(value, "stop_time_update").and_then(Value::as_array);
    TripUpdate {
        trip: read_trip(field(value, "trip")),
        vehicle: field(value, "vehicle").and_then(|vehicle| text(vehicle, "id")),
        timestamp: number(value, "timestamp"),
        stops: stops.into_iter().flatten().map(read_stop_time).collect(),
    }
}

fn read_stop_time(value: &Value) -> StopTime<'_> {
    let time = |name| {
        let time = number(field(value, name)?, "time")?;
        i64::try_from(time).ok()
    };
    StopTime {
        stop: text(value, "stop_id"),
        sequence: small(value, "stop_sequence"),
        arrival: time("arrival"),
        departure: time("departure"),
        is_without_time: match field(value, "schedule_relationship") {
            Some(Value::String(word)) => matches!(word.as_str(), "SKIPPED" | "NO_DATA"),
            Some(Value::Number(number)) => matches!(number.as_u64(), Some(1 | 2)),
            _ => false,
        },
    }
}

/// The field called `name` (in snake case) or the same in camel case; null is absent.
fn field<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let fields = value.as_object()?;
    fields
        .get(name)
        .or_else(|| fields.get(&camel(name)))
        .filter(|value| !value.is_null())
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut chars = part.chars();
        camel.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(chars.as_str());
    }
    camel
}

fn text<'v>(value: &'v Value, name: &str) -> Option<Cow<'v, str>> {
    match field(value, name)? {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

fn number(value: &Value, name: &str) -> Option<u64> {
    match field(value, name)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn small(value: &Value, name: &str) -> Option<u32> {
    number(value, name).and_then(|number| u32::try_from(number).ok())
}
