//! The frames of an IPC stream: metadata, verified, and a body for each message.
//!
//! "Encapsulated message format" of the Arrow columnar specification: the marker `ff ff ff ff`, the
//! length of the metadata in 4 bytes, the metadata (a flatbuffer, padded to 8 bytes), the body. The
//! length 0 ends the stream.

use arrow::ipc::{Message, MetadataVersion, root_as_message_with_opts};
use flatbuffers::VerifierOptions;
use tidegate_model::Reason;

use crate::check::Fault;

/// How deep and how large a message's metadata may be when every reference in it is followed: what
/// a verified message costs to read is bounded by it.
const VERIFIER: VerifierOptions = VerifierOptions {
    max_depth: 64,
    max_tables: 16_384,
    max_apparent_size: 16 << 20,
    ignore_missing_null_terminator: false,
};

pub(super) const MARKER: [u8; 4] = [0xff; 4];

pub(super) fn malformed(detail: impl Into<String>) -> Fault {
    Fault::new(Reason::Malformed, detail)
}

/// One message of a stream.
#[derive(Debug)]
pub(super) struct Frame<'p> {
    pub(super) message: Message<'p>,
    pub(super) body: &'p [u8],
}

/// Reads the messages of a stream one by one.
#[derive(Debug)]
pub(super) struct Frames<'p> {
    payload: &'p [u8],
    at: usize,
}

impl<'p> Frames<'p> {
    pub(super) const fn new(payload: &'p [u8]) -> Self {
        Self { payload, at: 0 }
    }

    /// The next message; `None` at the end of the stream, with or without its end mark.
    pub(super) fn next(&mut self) -> Result<Option<Frame<'p>>, Fault> {
        let at = self.at;
        if at == self.payload.len() {
            return Ok(None);
        }
        if self.payload.starts_with(b"ARROW1") {
            return Err(malformed("an Arrow file; a message is an Arrow stream"));
        }
        if self.take(4)? != MARKER {
            let detail = format!("no IPC message begins at byte {at}: ff ff ff ff is not there");
            return Err(malformed(detail));
        }
        let len: [u8; 4] = self.take(4)?.try_into().expect("four bytes were taken");
        let len = i32::from_le_bytes(len);
        if len == 0 {
            return match self.payload.len() - self.at {
                0 => Ok(None),
                left => Err(malformed(format!("{left} bytes after the stream's end"))),
            };
        }
        let metadata = self.take_i64(i64::from(len))?;
        let message = root_as_message_with_opts(&VERIFIER, metadata).map_err(|error| {
            // The first line says what, the others where in the schema of schemas.
            let error = error.to_string();
            let what = error.lines().next().unwrap_or_default();
            malformed(format!("the IPC message at byte {at}: {what}"))
        })?;
        if !matches!(message.version(), MetadataVersion::V4 | MetadataVersion::V5) {
            let version = message.version().0;
            let detail = format!("the IPC message at byte {at} has version {version}, not 3 or 4");
            return Err(malformed(detail));
        }
        let body = self.take_i64(message.bodyLength())?;
        Ok(Some(Frame { message, body }))
    }

    fn take_i64(&mut self, len: i64) -> Result<&'p [u8], Fault> {
        let taken = usize::try_from(len).ok().map(|len| self.take(len));
        taken.unwrap_or_else(|| Err(malformed(format!("a length of {len} in an IPC message"))))
    }

    fn take(&mut self, len: usize) -> Result<&'p [u8], Fault> {
        let left = &self.payload[self.at..];
        let taken = left.get(..len).ok_or_else(|| {
            let (at, left) = (self.at, left.len());
            malformed(format!(
                "{len} bytes wanted at byte {at}, where {left} are left"
            ))
        })?;
        self.at += len;
        Ok(taken)
    }
}
