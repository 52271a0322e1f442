//! Files that nobody sees half of.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Makes `bytes` the content of a file, on disk when this returns: a reader finds the old content or
/// the new, after a power cut too. The folders above it are made; the permissions stay.
///
/// # Errors
/// What the system says; then the file is as it was.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    // One name for all tries: what a kill leaves is written over the next time.
    let beside = folder.join(format!(".{}.new", name.to_string_lossy()));
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    if let Ok(there) = fs::metadata(path) {
        file.set_permissions(there.permissions())?;
    }
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    //! Tries to have a file opened to others by a change, and something left beside it.

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn permissions_stay_and_nothing_is_left_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/rules.toml");
        write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        // A folder in its place is not written over.
        write(folder.path(), b"x").unwrap_err();
    }
}
