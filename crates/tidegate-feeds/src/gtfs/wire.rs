//! The wire format of Protocol Buffers, read without copying.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>. A message is a run of fields; each
//! is a number and a value of one of four kinds. Nothing here descends into a message by itself, so
//! nesting costs nothing, and a length that reaches behind the end is an error before anything is
//! read.

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

/// Groups nested in each other beyond this are refused; no schema of ours has any.
const GROUPS_MAX: usize = 16;

/// The fields of a message, one by one; groups, which only old schemas have, are skipped.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The bytes that are not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next field; `None` at the end. After an error there is nothing more to read.
    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>, WireError> {
        let found = self.read();
        if found.is_err() {
            self.rest = &[];
        }
        found
    }

    fn read(&mut self) -> Result<Option<Field<'a>>, WireError> {
        let mut open = Vec::new();
        loop {
            if self.rest.is_empty() {
                return if open.is_empty() {
                    Ok(None)
                } else {
                    Err(WireError::Group)
                };
            }
            let (number, kind) = self.key()?;
            let value = match kind {
                0 => Value::Varint(self.varint()?),
                1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
                2 => Value::Bytes(self.block()?),
                3 if open.len() < GROUPS_MAX => {
                    open.push(number);
                    continue;
                }
                4 if open.pop() == Some(number) => continue,
                5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
                _ => return Err(WireError::Group),
            };
            if open.is_empty() {
                return Ok(Some(Field { number, value }));
            }
        }
    }

    fn key(&mut self) -> Result<(u32, u64), WireError> {
        let key = self.varint()?;
        match u32::try_from(key >> 3) {
            Ok(number @ 1..=0x1fff_ffff) => Ok((number, key & 7)),
            _ => Err(WireError::Number),
        }
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            // The tenth byte holds the highest bit alone.
            if index == 9 && byte > 1 {
                return Err(WireError::Varint);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 {
            WireError::Cut
        } else {
            WireError::Varint
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(WireError::Cut)?;
        self.rest = rest;
        Ok(*array)
    }

    fn block(&mut self) -> Result<&'a [u8], WireError> {
        let len = usize::try_from(self.varint()?).map_err(|_| WireError::Cut)?;
        let (block, rest) = self.rest.split_at_checked(len).ok_or(WireError::Cut)?;
        self.rest = rest;
        Ok(block)
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
