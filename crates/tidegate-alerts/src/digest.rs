//! Hashes of content, as hexadecimal text. They are promises: a change of this file changes ids.

use sha2::{Digest as _, Sha256};

/// The first `bytes` bytes of the SHA-256 of `parts`, each part after its length (eight bytes,
/// little endian), so that no two lists of parts read the same.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>, bytes: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    tidegate_model::hex(&hash.finalize()[..bytes])
}
