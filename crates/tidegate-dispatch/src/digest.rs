//! Hashes of content. They are promises: a change of this file changes the ids of notices.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The first 16 bytes of a hash of content.
pub(crate) type Hash = [u8; 16];

/// The hash of `parts`, each part after its length (eight bytes, little endian), so that no two
/// lists of parts read the same.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Hash {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut first = Hash::default();
    first.copy_from_slice(&hash.finalize()[..16]);
    first
}

/// `hash` as 32 hexadecimal digits.
pub(crate) fn hex(hash: &Hash) -> String {
    let mut text = String::with_capacity(32);
    for byte in hash {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

/// The reverse of [`hex`].
pub(crate) fn unhex(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in hash.iter_mut().zip((0..32).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(hash)
}
