//! The binary rendering: Protocol Buffers, read one entity at a time and without copying text.
//!
//! Unknown fields, the extensions of agencies among them, are skipped; an unknown number of an
//! enumeration means what an absent one means, as `proto2` has it.

use std::borrow::Cow;

use super::entity::{
    Aboard, Entity, Header, OCCUPANCY_WORDS, Status, StopTime, Trip, TripUpdate, Vehicle,
};
use super::wire::{Field, Fields, Value, WireError};

/// The header, wherever it stands before the first fault; `None` in what is no such message.
pub(crate) fn read_header(message: &[u8]) -> Option<Header> {
    let mut fields = Fields::new(message);
    let mut header = None;
    while let Ok(Some(field)) = fields.next() {
        if let (1, Value::Bytes(bytes)) = (field.number, field.value) {
            // A header given twice is merged, as every message of `proto2`.
            let merged: &mut Header = header.get_or_insert_default();
            merged.timestamp = read_timestamp(bytes).ok()?.or(merged.timestamp);
        }
    }
    header
}

fn read_timestamp(header: &[u8]) -> Result<Option<u64>, WireError> {
    let mut timestamp = None;
    each(header, |field| {
        if field.number == 3 {
            timestamp = Some(field.number()?);
        }
        Ok(())
    })?;
    Ok(timestamp)
}

/// Calls `each` with the bytes of every entity, and once with the error that ends the message
/// early: whatever follows is not readable.
pub(crate) fn for_each_entity<'a>(
    message: &'a [u8],
    mut each: impl FnMut(Result<&'a [u8], (WireError, &'a [u8])>),
) {
    let mut fields = Fields::new(message);
    loop {
        let rest = fields.rest();
        match fields.next() {
            Ok(None) => return,
            Ok(Some(field)) if field.number == 2 => match field.bytes() {
                Ok(entity) => each(Ok(entity)),
                Err(error) => each(Err((error, rest))),
            },
            Ok(Some(_)) => {}
            Err(error) => return each(Err((error, rest))),
        }
    }
}

/// A message that holds `entity` alone, with the time of `header`. Nothing else of the header is
/// kept: it may be of any length, and there may be as many entities as bytes.
pub(crate) fn alone(header: Header, entity: &[u8]) -> Vec<u8> {
    // The version must be there.
    let mut head = vec![1 << 3 | 2, 3, b'2', b'.', b'0'];
    if let Some(timestamp) = header.timestamp {
        head.push(3 << 3);
        put_varint(&mut head, timestamp);
    }
    let mut bytes = Vec::with_capacity(entity.len() + 32);
    put(&mut bytes, 1, &head);
    put(&mut bytes, 2, entity);
    bytes
}

fn put(bytes: &mut Vec<u8>, number: u8, block: &[u8]) {
    bytes.push(number << 3 | 2);
    put_varint(bytes, block.len() as u64);
    bytes.extend_from_slice(block);
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).expect("seven bits"));
}

/// Reads one entity.
pub(crate) fn read_entity(bytes: &[u8]) -> Result<Entity<'_>, WireError> {
    let mut entity = Entity::default();
    each(bytes, |field| {
        match field.number {
            1 => entity.id = Cow::Borrowed(field.text()?),
            2 => entity.is_deleted = field.number()? != 0,
            3 => {
                let update = entity.trip_update.get_or_insert_default();
                read_trip_update(field.bytes()?, update)?;
            }
            4 => read_vehicle(field.bytes()?, entity.vehicle.get_or_insert_default())?,
            5..=8 => entity.is_notice = true,
            _ => {}
        }
        Ok(())
    })?;
    Ok(entity)
}

fn each<'a>(
    message: &'a [u8],
    mut each: impl FnMut(Field<'a>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        each(field)?;
    }
    Ok(())
}

fn read_trip<'a>(bytes: &'a [u8], trip: &mut Trip<'a>) -> Result<(), WireError> {
    each(bytes, |field| {
        match field.number {
            1 => trip.id = some_text(field)?,
            2 => trip.start_time = some_text(field)?,
            3 => trip.start_date = some_text(field)?,
            4 => trip.is_cancelled = matches!(field.number()?, 3 | 7),
            5 => trip.route = some_text(field)?,
            _ => {}
        }
        Ok(())
    })
}

fn read_vehicle<'a>(bytes: &'a [u8], vehicle: &mut Vehicle<'a>) -> Result<(), WireError> {
    each(bytes, |field| {
        match field.number {
            1 => read_trip(field.bytes()?, &mut vehicle.trip)?,
            2 => vehicle.position = Some(read_position(field.bytes()?)?),
            3 => vehicle.stop_sequence = u32::try_from(field.number()?).ok(),
            4 => {
                vehicle.status = match field.number()? {
                    0 => Status::Incoming,
                    1 => Status::Stopped,
                    _ => Status::InTransit,
                }
            }
            5 => vehicle.timestamp = Some(field.number()?),
            7 => vehicle.stop = some_text(field)?,
            8 => vehicle.id = read_vehicle_id(field.bytes()?)?,
            9 => vehicle.occupancy.word = word(field.number()?),
            10 => vehicle.occupancy.percent = u32::try_from(field.number()?).ok(),
            11 => vehicle.carriages.push(read_carriage(field.bytes()?)?),
            _ => {}
        }
        Ok(())
    })
}

fn read_position(bytes: &[u8]) -> Result<(f64, f64), WireError> {
    let (mut north, mut east) = (f32::NAN, f32::NAN);
    each(bytes, |field| {
        match field.number {
            1 => north = field.float()?,
            2 => east = field.float()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((f64::from(north), f64::from(east)))
}

fn read_vehicle_id(bytes: &[u8]) -> Result<Option<Cow<'_, str>>, WireError> {
    let mut id = None;
    each(bytes, |field| {
        if field.number == 1 {
            id = some_text(field)?;
        }
        Ok(())
    })?;
    Ok(id)
}

fn read_carriage(bytes: &[u8]) -> Result<Aboard<'_>, WireError> {
    let mut carriage = Aboard::default();
    each(bytes, |field| {
        match field.number {
            3 => carriage.word = word(field.number()?),
            // An int32 of -1, which is ten bytes long, says that it is not known.
            4 => carriage.percent = u32::try_from(field.number()?).ok(),
            _ => {}
        }
        Ok(())
    })?;
    Ok(carriage)
}

fn read_trip_update<'a>(bytes: &'a [u8], update: &mut TripUpdate<'a>) -> Result<(), WireError> {
    each(bytes, |field| {
        match field.number {
            1 => read_trip(field.bytes()?, &mut update.trip)?,
            2 => update.stops.push(read_stop_time(field.bytes()?)?),
            3 => update.vehicle = read_vehicle_id(field.bytes()?)?,
            4 => update.timestamp = Some(field.number()?),
            _ => {}
        }
        Ok(())
    })
}

fn read_stop_time(bytes: &[u8]) -> Result<StopTime<'_>, WireError> {
    let mut stop = StopTime::default();
    each(bytes, |field| {
        match field.number {
            1 => stop.sequence = u32::try_from(field.number()?).ok(),
            2 => stop.arrival = read_event_time(field.bytes()?)?,
            3 => stop.departure = read_event_time(field.bytes()?)?,
            4 => stop.stop = some_text(field)?,
            5 => stop.is_without_time = matches!(field.number()?, 1 | 2),
            _ => {}
        }
        Ok(())
    })?;
    Ok(stop)
}

fn read_event_time(bytes: &[u8]) -> Result<Option<i64>, WireError> {
    let mut time = None;
    each(bytes, |field| {
        if field.number == 2 {
            time = Some(field.number()?.cast_signed());
        }
        Ok(())
    })?;
    Ok(time)
}

/// The text of a field; an empty one says nothing.
fn some_text(field: Field<'_>) -> Result<Option<Cow<'_, str>>, WireError> {
    let text = field.text()?;
    Ok((!text.is_empty()).then_some(Cow::Borrowed(text)))
}

fn word(number: u64) -> Option<Cow<'static, str>> {
    let number = usize::try_from(number).ok()?;
    OCCUPANCY_WORDS.get(number).copied().map(Cow::Borrowed)
}
