//! The Protobuf wire format, read from a slice without allocation: keys, varints, fixed numbers,
//! lengths, and fields to be skipped.

/// How deep groups of an unknown field may be nested; beyond it the message is refused.
const GROUPS_MAX: u32 = 64;

/// The largest field number.
const FIELD_MAX: u64 = (1 << 29) - 1;

/// How a field's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireType {
    Varint,
    Fixed64,
    Bytes,
    GroupStart,
    GroupEnd,
    Fixed32,
}

impl WireType {
    /// The name in the format's own documents.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Varint => "VARINT",
            Self::Fixed64 => "I64",
            Self::Bytes => "LEN",
            Self::GroupStart => "SGROUP",
            Self::GroupEnd => "EGROUP",
            Self::Fixed32 => "I32",
        }
    }
}

/// What is wrong with bytes that are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("cut short within a number")]
    ShortNumber,
    #[error("a number of more than 10 bytes or 64 bits")]
    LongNumber,
    #[error("a length of {len} bytes where {left} are left")]
    Length { len: u64, left: usize },
    #[error("a key of {0}, which no field has")]
    Key(u64),
    #[error("a group that is not closed, not open, or nested more than {GROUPS_MAX} deep")]
    Group,
}

/// Reads from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'p> {
    rest: &'p [u8],
}

impl<'p> Reader<'p> {
    pub(crate) const fn new(bytes: &'p [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    pub(crate) const fn rest(&self) -> &'p [u8] {
        self.rest
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, Broken> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0_u64;
        for (at, &byte) in self.rest.iter().take(10).enumerate() {
            // The tenth byte has room for the last bit only.
            if at == 9 && byte > 1 {
                return Err(Broken::LongNumber);
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(match self.rest.len() {
            0..10 => Broken::ShortNumber,
            _ => Broken::LongNumber,
        })
    }

    /// The next field's number and the type of its value.
    #[inline]
    pub(crate) fn key(&mut self) -> Result<(u32, WireType), Broken> {
        let key = self.varint()?;
        let field = key >> 3;
        let wire_type = match key & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Bytes,
            3 => WireType::GroupStart,
            4 => WireType::GroupEnd,
            5 => WireType::Fixed32,
            _ => return Err(Broken::Key(key)),
        };
        match u32::try_from(field) {
            Ok(number @ 1..) if field <= FIELD_MAX => Ok((number, wire_type)),
            _ => Err(Broken::Key(key)),
        }
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'p [u8], Broken> {
        let len = self.varint()?;
        let left = self.rest.len();
        let (bytes, rest) = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len))
            .ok_or(Broken::Length { len, left })?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    pub(crate) fn fixed64(&mut self) -> Result<u64, Broken> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Broken::ShortNumber)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    #[inline]
    pub(crate) fn fixed32(&mut self) -> Result<u32, Broken> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Broken::ShortNumber)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// Passes over the value of a field whose key was read.
    pub(crate) fn skip(&mut self, field: u32, wire_type: WireType) -> Result<(), Broken> {
        self.skip_in(field, wire_type, 0)
    }

    fn skip_in(&mut self, field: u32, wire_type: WireType, depth: u32) -> Result<(), Broken> {
        match wire_type {
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.fixed64().map(drop),
            WireType::Bytes => self.bytes().map(drop),
            WireType::Fixed32 => self.fixed32().map(drop),
            WireType::GroupEnd => Err(Broken::Group),
            WireType::GroupStart if depth == GROUPS_MAX => Err(Broken::Group),
            WireType::GroupStart => loop {
                if self.is_empty() {
                    return Err(Broken::Group);
                }
                match self.key()? {
                    (number, WireType::GroupEnd) if number == field => return Ok(()),
                    (number, wire_type) => self.skip_in(number, wire_type, depth + 1)?,
                }
            },
        }
    }
}
