//! Snapshots of state, in a folder or in S3.
//!
//! Promises: a snapshot that [`SnapshotStore::put`] gave a [`SnapshotRef`] for is there, whole and
//! durable as far as the store is; [`SnapshotStore::get`] gives the bytes that were put or an error
//! that names the snapshot; writing the same snapshot again changes nothing.
//! It knows nothing of epochs: which snapshot counts is what the progress record says.
//!
//! Names: a snapshot is stored under the name it was given and the beginning of its SHA-256. So two
//! writers, one of which was replaced and does not know it, never write over each other's snapshot.
//! Names are to rise with the epoch (`0/epoch-000000000123`), since
//! [`SnapshotStore::remove_before`] deletes by the order of names: a replaced writer then deletes
//! what is older than its own and never what its successor needs. That is why nothing here deletes
//! "all but the last".
//!
//! In a folder a snapshot is written beside its place, synced, renamed into place, and the folder
//! synced. `object_store`'s `LocalFileSystem` renames too but syncs nothing, so a power cut could
//! leave an empty file under a name that a committed epoch refers to; hence the own code.
//! In S3 a snapshot is one PUT, followed by a look at its size.
//!
//! Memory: one snapshot at a time a call, at most `snapshot_bytes_max`.

mod local;
mod remote;

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::error::ConnectError;
use local::Local;
use remote::Remote;

/// Bytes of a name, at most.
const NAME_MAX: usize = 512;
/// Hexadecimal digits of the hash that a name ends in.
const NAME_HASH: usize = 16;

/// How a [`SnapshotStore`] is reached.
#[derive(Debug, Clone)]
pub struct SnapshotOptions {
    /// Settings of S3 by the names of the environment variables that they come before, in lower
    /// case: `aws_access_key_id`, `aws_secret_access_key`, `aws_session_token`, `aws_region`,
    /// `aws_endpoint`. An endpoint that begins with `http://` is taken as it is, without
    /// encryption. Without effect for a folder.
    pub settings: BTreeMap<String, String>,
    /// How long one request may take, the transfer of a whole snapshot included.
    pub request_within: Duration,
    /// How long a request that fails is tried again.
    pub retry_within: Duration,
    /// The largest snapshot, in bytes; S3 takes 5 GiB in one request.
    pub snapshot_bytes_max: u64,
}

impl Default for SnapshotOptions {
    /// Settings from the environment, 2 min a request, 20 s of trying again, 4 GiB a snapshot.
    fn default() -> Self {
        Self {
            settings: BTreeMap::new(),
            request_within: Duration::from_mins(2),
            retry_within: Duration::from_secs(20),
            snapshot_bytes_max: 4 << 30,
        }
    }
}

/// A snapshot that is stored: what a progress record keeps of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRef {
    /// Its name in the store.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// A snapshot as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotEntry {
    /// Its name in the store.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// A place for snapshots. Calls wait; several threads may make them at the same time.
#[derive(Debug)]
pub struct SnapshotStore {
    backend: Backend,
    snapshot_bytes_max: u64,
}

#[derive(Debug)]
enum Backend {
    Local(Local),
    Remote(Remote),
}

impl SnapshotStore {
    /// Opens a folder (`file:///PATH` or a path), which is made where it is not there, or a bucket
    /// (`s3://BUCKET[/PREFIX]`), which must exist, and looks whether it can be used.
    ///
    /// # Errors
    /// [`ConnectError::Configuration`] for another kind of address or a setting that cannot be;
    /// [`ConnectError::File`] when the folder cannot be written to; [`ConnectError::Denied`] and
    /// [`ConnectError::StoreUnreachable`] as the store answers.
    ///
    /// # Panics
    /// Like every call, inside an asynchronous runtime, when the store is S3.
    pub fn open(address: &str, options: &SnapshotOptions) -> Result<Self, ConnectError> {
        let backend = if let Some(place) = address.strip_prefix("s3://") {
            Backend::Remote(Remote::open(place, options)?)
        } else {
            let path = match address.split_once("://") {
                Some(("file", path)) if path.starts_with('/') => path,
                None if !address.is_empty() => address,
                _ => {
                    return Err(ConnectError::Configuration {
                        detail: format!(
                            "snapshot store {address:?} must be a path, file:///PATH or \
                             s3://BUCKET[/PREFIX]"
                        ),
                    });
                }
            };
            Backend::Local(Local::open(path.as_ref())?)
        };
        Ok(Self {
            backend,
            snapshot_bytes_max: options.snapshot_bytes_max,
        })
    }

    /// Stores a snapshot; with the same name and bytes again it changes nothing.
    ///
    /// The name may have folders: letters, digits, `.`, `_`, `-` and `/`, at most 512 bytes. What
    /// the store calls it is in the result.
    ///
    /// # Errors
    /// [`ConnectError::Configuration`] for a name or size that cannot be;
    /// [`ConnectError::StoreFull`] and [`ConnectError::StoreUnreachable`], both worth another try;
    /// [`ConnectError::Denied`] and [`ConnectError::File`] as the store answers. Nothing
    /// half-written is ever found under the snapshot's name.
    pub fn put(&self, name: &str, bytes: Vec<u8>) -> Result<SnapshotRef, ConnectError> {
        check_name(name)?;
        let size = bytes.len() as u64;
        if size > self.snapshot_bytes_max {
            return Err(ConnectError::Configuration {
                detail: format!(
                    "snapshot {name} has {size} bytes, at most {} are stored",
                    self.snapshot_bytes_max
                ),
            });
        }
        let sha256 = hash(&bytes);
        let name = format!("{name}-{}", &sha256[..NAME_HASH]);
        match &self.backend {
            Backend::Local(local) => local.put(&name, &bytes)?,
            Backend::Remote(remote) => remote.put(&name, bytes)?,
        }
        Ok(SnapshotRef {
            name,
            bytes: size,
            sha256,
        })
    }

    /// Loads a snapshot and compares its hash.
    ///
    /// # Errors
    /// [`ConnectError::SnapshotMissing`] and [`ConnectError::SnapshotCorrupt`]: the one before may
    /// be whole; [`ConnectError::StoreUnreachable`], [`ConnectError::Denied`] and
    /// [`ConnectError::File`] as the store answers.
    pub fn get(&self, snapshot: &SnapshotRef) -> Result<Vec<u8>, ConnectError> {
        check_name(&snapshot.name)?;
        let (bytes, found) = self.load(&snapshot.name)?;
        match bytes {
            Some(bytes) if found == snapshot.sha256 => Ok(bytes),
            Some(_) | None => Err(self.corrupt(&snapshot.name, &snapshot.sha256, found)),
        }
    }

    /// The bytes, unless they are too many, and their hash.
    fn load(&self, name: &str) -> Result<(Option<Vec<u8>>, String), ConnectError> {
        let found = match &self.backend {
            Backend::Local(local) => local.get(name, self.snapshot_bytes_max)?,
            Backend::Remote(remote) => remote.get(name, self.snapshot_bytes_max)?,
        };
        Ok(match found {
            Found::Bytes(bytes) => {
                let told = hash(&bytes);
                (Some(bytes), told)
            }
            Found::TooLarge(size) => (None, format!("not computed, it has {size} bytes")),
        })
    }

    fn corrupt(&self, name: &str, expected: &str, found: String) -> ConnectError {
        ConnectError::SnapshotCorrupt {
            location: self.location(name),
            expected: expected.to_owned(),
            found,
        }
    }

    /// Loads a snapshot of which only the name is known, and compares the beginning of its hash, in
    /// which the name ends.
    ///
    /// # Errors
    /// As [`SnapshotStore::get`].
    pub fn get_named(&self, name: &str) -> Result<Vec<u8>, ConnectError> {
        check_name(name)?;
        let (bytes, found) = self.load(name)?;
        let expected = name.rsplit('-').next().unwrap_or_default();
        match bytes {
            Some(bytes) if expected.len() == NAME_HASH && found.starts_with(expected) => Ok(bytes),
            Some(_) | None => Err(self.corrupt(name, expected, found)),
        }
    }

    /// The snapshots of one folder (`""` is the top), in the order of their names; none where there
    /// is no such folder. All names are held in memory.
    ///
    /// # Errors
    /// As [`SnapshotStore::get`].
    pub fn list(&self, folder: &str) -> Result<Vec<SnapshotEntry>, ConnectError> {
        if !folder.is_empty() {
            check_name(folder)?;
        }
        let mut entries = match &self.backend {
            Backend::Local(local) => local.list(folder)?,
            Backend::Remote(remote) => remote.list(folder)?,
        };
        entries.sort();
        Ok(entries)
    }

    /// Deletes the snapshots of one folder whose names come before `oldest_kept`, and says how
    /// many; leftovers of writers that died an hour ago or earlier go too.
    ///
    /// # Errors
    /// As [`SnapshotStore::get`]; what was deleted until then stays deleted.
    pub fn remove_before(&self, folder: &str, oldest_kept: &str) -> Result<usize, ConnectError> {
        check_name(oldest_kept)?;
        let mut removed = 0;
        for entry in self.list(folder)? {
            if entry.name.as_str() < oldest_kept {
                self.remove(&entry.name)?;
                removed += 1;
            }
        }
        if let Backend::Local(local) = &self.backend {
            local.remove_leftovers(folder)?;
        }
        Ok(removed)
    }

    /// Deletes one snapshot; one that is gone already is no error.
    ///
    /// # Errors
    /// As [`SnapshotStore::get`].
    pub fn remove(&self, name: &str) -> Result<(), ConnectError> {
        check_name(name)?;
        match &self.backend {
            Backend::Local(local) => local.remove(name),
            Backend::Remote(remote) => remote.remove(name),
        }
    }

    /// Store and name, for people.
    pub fn location(&self, name: &str) -> String {
        match &self.backend {
            Backend::Local(local) => local.path(name).display().to_string(),
            Backend::Remote(remote) => remote.location(name),
        }
    }
}

/// What is under a name.
enum Found {
    Bytes(Vec<u8>),
    /// More than a snapshot may have; not read.
    TooLarge(u64),
}

fn check_name(name: &str) -> Result<(), ConnectError> {
    let good = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    if name.len() <= NAME_MAX && name.split('/').all(good) {
        return Ok(());
    }
    Err(ConnectError::Configuration {
        detail: format!(
            "snapshot name {name:?} must be 1 to {NAME_MAX} letters, digits, `.`, `_`, `-` in \
             parts between `/`, none of which begins with a dot"
        ),
    })
}

fn hash(bytes: &[u8]) -> String {
    tidegate_model::hex(&Sha256::digest(bytes))
}
