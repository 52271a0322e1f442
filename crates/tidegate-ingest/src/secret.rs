//! Secrets: read from files, shown to nobody.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Largest file that is taken for a secret.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// Shortest token, in bytes.
pub(crate) const TOKEN_LENGTH_MIN: usize = 16;
/// Most tokens of one feed.
pub(crate) const TOKENS_MAX: usize = 32;

/// A text that neither logs nor debug output show.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text, for whom it is meant.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A file that holds one secret, read whenever it is needed, so that it can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretFile(PathBuf);

impl SecretFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The one line of the file, without white space around it.
    ///
    /// The message of an error names the file and never its content.
    pub(crate) fn read(&self) -> Result<Secret, String> {
        let text = text_of(&self.0)?;
        let text = text.trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(format!(
                "the file {} must hold one line of text and nothing else",
                self.0.display()
            ));
        }
        Ok(Secret(text.to_owned()))
    }
}

/// The tokens that open a feed. Only hashes are kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Tokens(Vec<[u8; 32]>);

impl Tokens {
    /// Reads a file of tokens, one a line; empty lines and lines that begin with `#` are skipped.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = text_of(path)?;
        let mut hashes = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let token = line.trim();
            if token.is_empty() || token.starts_with('#') {
                continue;
            }
            let place = format!("line {number} of the file {}", path.display());
            if token.len() < TOKEN_LENGTH_MIN {
                return Err(format!(
                    "the token in {place} has {} characters, {TOKEN_LENGTH_MIN} or more are needed",
                    token.len()
                ));
            }
            // What RFC 6750 allows; anything else could not arrive in a header.
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
            if !token.bytes().all(allowed) {
                return Err(format!(
                    "the token in {place} may have only letters, digits and -._~+/="
                ));
            }
            hashes.push(hash(token.as_bytes()));
        }
        if hashes.is_empty() || hashes.len() > TOKENS_MAX {
            return Err(format!(
                "the file {} has {} tokens, 1 to {TOKENS_MAX} are needed, one a line",
                path.display(),
                hashes.len()
            ));
        }
        Ok(Self(hashes))
    }

    /// Whether the token with this hash is among them; every one is compared whole.
    pub(crate) fn opens(&self, hash: &[u8; 32]) -> bool {
        let mut found = subtle::Choice::from(0);
        for known in &self.0 {
            found |= known.ct_eq(hash);
        }
        found.into()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

/// SHA-256.
pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn text_of(path: &Path) -> Result<String, String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let shown = path.display();
    let bytes = read().map_err(|error| format!("the file {shown} cannot be read: {error}"))?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!(
            "the file {shown} has more than {SECRET_BYTES_MAX} bytes"
        ));
    }
    // The error would show the bytes around the fault.
    String::from_utf8(bytes).map_err(|_| format!("the file {shown} is not UTF-8 text"))
}
