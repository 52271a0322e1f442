//! Secrets: read from files, shown to nobody.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Largest file that is taken for a secret.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A text that neither logs nor debug output show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for whom it is meant.
    pub fn expose(&self) -> &str {
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
pub struct SecretFile(PathBuf);

impl SecretFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The one line of the file, without white space around it.
    ///
    /// # Errors
    /// What is wrong; it names the file and never its content.
    pub fn read(&self) -> Result<Secret, String> {
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

    /// Why others than its owner can read it, if they can.
    pub(crate) fn exposed(&self) -> Option<String> {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&self.0).ok()?.permissions().mode();
        let shown = self.0.display();
        (mode & 0o007 != 0).then(|| {
            format!(
                "every user of this machine can read the file {shown} (mode {:o}); chmod 600 it",
                mode & 0o777
            )
        })
    }
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
