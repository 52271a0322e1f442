//! Snapshots in a folder.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{ConnectError, is_full};

use super::{Found, SnapshotEntry};

/// What the name of a file that is being written begins with: no snapshot's name can.
const UNFINISHED: &str = ".unfinished-";
/// How old an unfinished file must be to be nobody's.
const LEFTOVER_AGE: Duration = Duration::from_hours(1);

/// Distinguishes the files that this process is writing.
static WRITES: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
pub(super) struct Local {
    root: PathBuf,
}

impl Local {
    /// Makes the folder and sees whether a file can be written there.
    pub(super) fn open(root: &Path) -> Result<Self, ConnectError> {
        fs::create_dir_all(root).map_err(|e| failed("make folder", root, e))?;
        let probe = root.join(unfinished());
        File::create(&probe)
            .and_then(|_| fs::remove_file(&probe))
            .map_err(|e| failed("write in", root, e))?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ConnectError> {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.root);
        let unfinished = folder.join(unfinished());
        let written = fs::create_dir_all(folder)
            .and_then(|()| write_synced(&unfinished, bytes))
            .and_then(|()| fs::rename(&unfinished, &path))
            .and_then(|()| self.sync_folders(folder));
        written.map_err(|error| {
            // Nothing to do when there is none.
            let _gone = fs::remove_file(&unfinished).is_ok();
            failed("write snapshot", &path, error)
        })
    }

    /// Syncs a folder and those above it, any of which may be new.
    fn sync_folders(&self, folder: &Path) -> io::Result<()> {
        for folder in folder.ancestors() {
            File::open(folder)?.sync_all()?;
            if folder == self.root {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str, bytes_max: u64) -> Result<Found, ConnectError> {
        let path = self.path(name);
        let read = || {
            let mut file = File::open(&path)?;
            let size = file.metadata()?.len();
            if size > bytes_max {
                return Ok(Found::TooLarge(size));
            }
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            // Not one byte more than was said, should the file be growing.
            Read::take(&mut file, bytes_max).read_to_end(&mut bytes)?;
            Ok(Found::Bytes(bytes))
        };
        read().map_err(|error: io::Error| {
            if error.kind() == io::ErrorKind::NotFound {
                return ConnectError::SnapshotMissing {
                    location: path.display().to_string(),
                };
            }
            failed("load snapshot", &path, error)
        })
    }

    pub(super) fn list(&self, folder: &str) -> Result<Vec<SnapshotEntry>, ConnectError> {
        let mut entries = Vec::new();
        for (name, meta) in self.files(folder)? {
            if !name.starts_with('.') {
                entries.push(SnapshotEntry {
                    name: if folder.is_empty() {
                        name
                    } else {
                        format!("{folder}/{name}")
                    },
                    bytes: meta.len(),
                });
            }
        }
        Ok(entries)
    }

    /// Deletes what writers that died left behind.
    pub(super) fn remove_leftovers(&self, folder: &str) -> Result<(), ConnectError> {
        for (name, meta) in self.files(folder)? {
            let age = meta.modified().ok().and_then(|at| at.elapsed().ok());
            if name.starts_with(UNFINISHED) && age.is_some_and(|age| age > LEFTOVER_AGE) {
                remove(&self.path(folder).join(name))?;
            }
        }
        Ok(())
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), ConnectError> {
        remove(&self.path(name))
    }

    /// The files of a folder; none where there is no such folder.
    fn files(&self, folder: &str) -> Result<Vec<(String, fs::Metadata)>, ConnectError> {
        let dir = self.path(folder);
        let read = || {
            let mut files = Vec::new();
            for entry in fs::read_dir(&dir)? {
                let entry = entry?;
                let meta = match entry.metadata() {
                    Ok(meta) => meta,
                    // Deleted while we looked.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                if let (true, Ok(name)) = (meta.is_file(), entry.file_name().into_string()) {
                    files.push((name, meta));
                }
            }
            Ok(files)
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read.map_err(|error| failed("list", &dir, error)),
        }
    }
}

fn unfinished() -> String {
    let number = WRITES.fetch_add(1, Ordering::Relaxed);
    format!("{UNFINISHED}{}-{number}", std::process::id())
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let size = file.metadata()?.len();
    if size == bytes.len() as u64 {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{} bytes were written and {size} are there",
        bytes.len()
    )))
}

fn remove(path: &Path) -> Result<(), ConnectError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, error)),
        _ => Ok(()),
    }
}

/// Unlike elsewhere a full disk passes: the next epoch tries again.
fn failed(doing: &'static str, path: &Path, error: io::Error) -> ConnectError {
    if is_full(&error) {
        return ConnectError::StoreFull {
            location: path.display().to_string(),
        };
    }
    ConnectError::file(doing, path, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Disposition, ErrorKind};

    #[test]
    fn a_full_disk_passes() {
        // The device that is always full, where a file would be written.
        let error = write_synced(Path::new("/dev/full"), b"x").unwrap_err();
        let error = failed("write snapshot", Path::new("/dev/full"), error);
        assert_eq!(error.kind(), ErrorKind::DiskFull);
        assert_eq!(error.disposition(), Disposition::Retry);
        assert!(error.to_string().contains("/dev/full"), "{error}");
    }

    #[test]
    fn leftovers_of_dead_writers_go() {
        let dir = tempfile::tempdir().unwrap();
        let local = Local::open(dir.path()).unwrap();
        let old = dir.path().join(format!("{UNFINISHED}1-1"));
        let young = dir.path().join(format!("{UNFINISHED}1-2"));
        let file = File::create(&old).unwrap();
        File::create(&young).unwrap();
        let hours = std::time::SystemTime::now() - LEFTOVER_AGE * 2;
        file.set_modified(hours).unwrap();
        local.remove_leftovers("").unwrap();
        assert!(!old.exists());
        assert!(young.exists());
        assert_eq!(local.list("").unwrap(), []);
    }
}
