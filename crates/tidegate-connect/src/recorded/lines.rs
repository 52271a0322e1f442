//! Lines of a file, kept byte for byte and bounded in length.

use std::io::{self, BufRead, Read};

use super::{MESSAGE_BYTES_MAX, Reader};

/// Appends one line with its line ending to `line`; false at the end of the file.
///
/// # Errors
/// The reader's; `FileTooLarge` when the line is longer than [`MESSAGE_BYTES_MAX`].
pub(super) fn read_line(reader: &mut Reader, line: &mut Vec<u8>) -> io::Result<bool> {
    let limit = MESSAGE_BYTES_MAX as u64 + 1;
    let count = reader.by_ref().take(limit).read_until(b'\n', line)?;
    if count > MESSAGE_BYTES_MAX {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(count > 0)
}

/// Whether there is nothing but a line ending.
pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}
