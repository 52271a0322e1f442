//! The fields of Protocol Buffers one by one, read without copying by [`crate::protobuf::Reader`].
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>. A message is a run of fields; each
//! is a number and a value of one of four kinds. Nothing here descends into a message by itself, so
//! nesting costs nothing, and a length that reaches behind the end is an error before anything is
//! read.

use crate::protobuf::{Broken, Reader, WireType};

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    /// Text, bytes or a message.
    Bytes(&'a [u8]),
}

/// One field of a message, and where it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) value: Value<'a>,
}

impl<'a> Field<'a> {
    /// The value as text.
    pub(crate) fn text(self) -> Result<&'a str, WireError> {
        match self.value {
            Value::Bytes(bytes) => {
                std::str::from_utf8(bytes).map_err(|_| WireError::NotUtf8(self.number))
            }
            _ => Err(WireError::Kind(self.number)),
        }
    }

    /// The value as a message or bytes.
    pub(crate) fn bytes(self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::Kind(self.number)),
        }
    }

    /// The value as an unsigned number; an `int64` has the same bits.
    pub(crate) fn number(self) -> Result<u64, WireError> {
        match self.value {
            Value::Varint(value) => Ok(value),
            _ => Err(WireError::Kind(self.number)),
        }
    }

    /// The value as a `float`.
    pub(crate) fn float(self) -> Result<f32, WireError> {
        match self.value {
            Value::Fixed32(bits) => Ok(f32::from_bits(bits)),
            _ => Err(WireError::Kind(self.number)),
        }
    }
}

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the bytes end inside a field")]
    Cut,
    #[error("a number of more than ten bytes, or beyond 64 bits")]
    Varint,
    #[error("field number 0 or above 536870911")]
    Number,
    #[error("a group that is not opened, not closed or nested too deeply, or a wire type 6 or 7")]
    Group,
    #[error("field {0} has another wire type than it must")]
    Kind(u32),
    #[error("field {0} is not UTF-8")]
    NotUtf8(u32),
}

impl From<Broken> for WireError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::ShortNumber | Broken::Length { .. } => Self::Cut,
            Broken::LongNumber => Self::Varint,
            // A key that no field has, by its number or by its wire type.
            Broken::Key(key) if (1..=0x1fff_ffff).contains(&(key >> 3)) => Self::Group,
            Broken::Key(_) => Self::Number,
            Broken::Group => Self::Group,
        }
    }
}

/// Groups nested in each other beyond this are refused; no schema of ours has any.
const GROUPS_MAX: usize = 16;

/// The fields of a message, one by one; groups, which only old schemas have, are skipped.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    reader: Reader<'a>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self {
            reader: Reader::new(message),
        }
    }

    /// The bytes that are not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.reader.rest()
    }

    /// The next field; `None` at the end. After an error there is nothing more to read.
    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>, WireError> {
        let found = self.read();
        if found.is_err() {
            self.reader = Reader::new(&[]);
        }
        found
    }

    fn read(&mut self) -> Result<Option<Field<'a>>, WireError> {
        let reader = &mut self.reader;
        let mut open = Vec::new();
        while !reader.is_empty() {
            let (number, wire_type) = reader.key()?;
            let value = match wire_type {
                WireType::Varint => Value::Varint(reader.varint()?),
                WireType::Fixed64 => Value::Fixed64(reader.fixed64()?),
                WireType::Bytes => Value::Bytes(reader.bytes()?),
                WireType::Fixed32 => Value::Fixed32(reader.fixed32()?),
                WireType::GroupStart if open.len() < GROUPS_MAX => {
                    open.push(number);
                    continue;
                }
                WireType::GroupEnd if open.pop() == Some(number) => continue,
                WireType::GroupStart | WireType::GroupEnd => return Err(WireError::Group),
            };
            if open.is_empty() {
                return Ok(Some(Field { number, value }));
            }
        }
        if open.is_empty() {
            Ok(None)
        } else {
            Err(WireError::Group)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Vec<Field<'_>>, WireError> {
        let mut fields = Fields::new(bytes);
        let mut found = Vec::new();
        while let Some(field) = fields.next()? {
            found.push(field);
        }
        Ok(found)
    }

    #[test]
    fn fields_and_faults() {
        let field = |number, value| Field { number, value };
        let check = |bytes: &[u8], expected: Result<Vec<Field<'_>>, WireError>| {
            assert_eq!(read(bytes), expected, "{bytes:02x?}");
        };
        check(b"", Ok(vec![]));
        check(b"\x08\x96\x01", Ok(vec![field(1, Value::Varint(150))]));
        check(b"\x12\x02hi", Ok(vec![field(2, Value::Bytes(b"hi"))]));
        check(b"\x0d\x01\0\0\0", Ok(vec![field(1, Value::Fixed32(1))]));
        check(
            b"\x09\x01\0\0\0\0\0\0\0",
            Ok(vec![field(1, Value::Fixed64(1))]),
        );
        // A group of field 3 around another group is skipped whole.
        check(
            b"\x1b\x08\x01\x23\x24\x1c\x08\x02",
            Ok(vec![field(1, Value::Varint(2))]),
        );
        check(b"\x1b\x08\x01", Err(WireError::Group));
        check(b"\x1b\x24", Err(WireError::Group));
        check(b"\x1c", Err(WireError::Group));
        check(&[0x1b; 40], Err(WireError::Group));
        check(b"\x0e", Err(WireError::Group));
        check(b"\x08", Err(WireError::Cut));
        check(b"\x08\x80", Err(WireError::Cut));
        check(b"\x12\x05hi", Err(WireError::Cut));
        check(
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            Err(WireError::Cut),
        );
        check(b"\x0d\x01", Err(WireError::Cut));
        check(b"\x00\x01", Err(WireError::Number));
        check(
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
            Err(WireError::Varint),
        );
        check(&[0xff; 12], Err(WireError::Varint));
        let most = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        check(most, Ok(vec![field(1, Value::Varint(u64::MAX))]));
    }

    #[test]
    fn a_value_of_another_kind_is_named() {
        let field = read(b"\x08\x01").unwrap()[0];
        assert_eq!(field.text(), Err(WireError::Kind(1)));
        assert_eq!(field.float(), Err(WireError::Kind(1)));
        let field = read(b"\x12\x01\xff").unwrap()[0];
        assert_eq!(field.text(), Err(WireError::NotUtf8(2)));
        assert_eq!(field.number(), Err(WireError::Kind(2)));
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut fields = Fields::new(&bytes);
            let mut seen = 0;
            while let Ok(Some(_)) = fields.next() {
                seen += 1;
            }
            prop_assert!(seen <= bytes.len());
            prop_assert!(fields.next().is_ok_and(|next| next.is_none()) );
        }
    }
}
