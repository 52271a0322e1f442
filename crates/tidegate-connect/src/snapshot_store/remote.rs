//! Snapshots in S3, or in what speaks like it.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig};
use tokio::runtime::{Builder, Runtime};

use crate::error::ConnectError;

use super::{Found, SnapshotEntry, SnapshotOptions};

/// Tries of one request, beside the bound in time.
const RETRIES_MAX: usize = 10;
/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Characters of an error's text that are passed on.
const DETAIL_MAX: usize = 500;

#[derive(Debug)]
pub(super) struct Remote {
    store: AmazonS3,
    /// Drives the store's requests on the calling thread.
    runtime: Runtime,
    bucket: String,
    prefix: String,
    /// The sum of what the store may take, so that no call waits for ever.
    within: Duration,
}

impl Remote {
    /// Sets the client up and lists the prefix once, so that a wrong address or key shows now.
    pub(super) fn open(place: &str, options: &SnapshotOptions) -> Result<Self, ConnectError> {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = prefix.trim_matches('/');
        if bucket.is_empty() {
            return Err(ConnectError::Configuration {
                detail: format!("snapshot store \"s3://{place}\" names no bucket"),
            });
        }
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ConnectError::Configuration {
                detail: format!("the client of S3 does not start: {error}"),
            })?;
        let remote = Self {
            store: client(bucket, options)?,
            runtime,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            within: options.request_within + options.retry_within,
        };
        remote.list("")?;
        Ok(remote)
    }

    pub(super) fn location(&self, name: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.key(name))
    }

    fn key(&self, name: &str) -> Path {
        let parts = [self.prefix.as_str(), name];
        let parts = parts.iter().flat_map(|part| part.split('/'));
        parts.filter(|part| !part.is_empty()).collect()
    }

    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ConnectError> {
        const DOING: &str = "write snapshot";
        let (key, size) = (self.key(name), bytes.len() as u64);
        let put = self.store.put(&key, PutPayload::from(bytes));
        self.wait(DOING, name, put)?;
        let stored = self.wait(DOING, name, self.store.head(&key))?.size;
        if stored == size {
            return Ok(());
        }
        Err(ConnectError::StoreUnreachable {
            doing: DOING,
            location: self.location(name),
            detail: format!("{size} bytes were written and {stored} are there"),
        })
    }

    pub(super) fn get(&self, name: &str, bytes_max: u64) -> Result<Found, ConnectError> {
        let key = self.key(name);
        let load = async {
            let found = self.store.get(&key).await?;
            if found.meta.size > bytes_max {
                return Ok(Found::TooLarge(found.meta.size));
            }
            Ok(Found::Bytes(found.bytes().await?.into()))
        };
        self.wait("load snapshot", name, load)
    }

    pub(super) fn list(&self, folder: &str) -> Result<Vec<SnapshotEntry>, ConnectError> {
        let key = self.key(folder);
        let listed = self.store.list_with_delimiter(Some(&key));
        let listed = self.wait("list", folder, listed)?;
        let entries = listed.objects.into_iter().filter_map(|object| {
            let name = object.location.filename()?;
            Some(SnapshotEntry {
                name: if folder.is_empty() {
                    name.to_owned()
                } else {
                    format!("{folder}/{name}")
                },
                bytes: object.size,
            })
        });
        Ok(entries.collect())
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), ConnectError> {
        let removed = self.wait("remove", name, self.store.delete(&self.key(name)));
        match removed {
            Err(ConnectError::SnapshotMissing { .. }) => Ok(()),
            removed => removed,
        }
    }

    fn wait<T>(
        &self,
        doing: &'static str,
        name: &str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, ConnectError> {
        let outcome = self
            .runtime
            .block_on(async { tokio::time::timeout(self.within, work).await });
        match outcome {
            Ok(outcome) => outcome.map_err(|error| self.failed(doing, name, &error)),
            Err(_) => Err(ConnectError::StoreUnreachable {
                doing,
                location: self.location(name),
                detail: format!("no answer within {} s", self.within.as_secs_f64()),
            }),
        }
    }

    fn failed(&self, doing: &'static str, name: &str, error: &Error) -> ConnectError {
        let location = self.location(name);
        let text = error.to_string();
        let mut detail = text.clone();
        if let Some((end, _)) = detail.char_indices().nth(DETAIL_MAX) {
            detail.truncate(end);
        }
        // A list that fails gets no case of its own, so its text must do.
        let says = |signs: &[&str]| signs.iter().any(|sign| text.contains(sign));
        match error {
            _ if says(&["NoSuchBucket"]) => ConnectError::Configuration {
                detail: format!("there is no bucket {}: {detail}", self.bucket),
            },
            Error::NotFound { .. } => ConnectError::SnapshotMissing { location },
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                self.denied(doing, name, detail)
            }
            _ if says(&["403 Forbidden", "401 Unauthorized"]) => self.denied(doing, name, detail),
            _ if says(&["507 Insufficient Storage", "QuotaExceeded", "StorageFull"]) => {
                ConnectError::StoreFull { location }
            }
            _ => ConnectError::StoreUnreachable {
                doing,
                location,
                detail,
            },
        }
    }

    fn denied(&self, doing: &str, name: &str, detail: String) -> ConnectError {
        ConnectError::Denied {
            what: format!("{}, to {doing}", self.location(name)),
            detail,
        }
    }
}

fn client(bucket: &str, options: &SnapshotOptions) -> Result<AmazonS3, ConnectError> {
    let unset = |detail: String| ConnectError::Configuration { detail };
    let http = ClientOptions::new()
        .with_timeout(options.request_within)
        .with_connect_timeout(CONNECT_WITHIN);
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(http)
        .with_retry(RetryConfig {
            max_retries: RETRIES_MAX,
            retry_timeout: options.retry_within,
            ..RetryConfig::default()
        });
    for (name, value) in &options.settings {
        let key: AmazonS3ConfigKey = name.parse().map_err(|_| {
            unset(format!(
                "setting {name:?} of the snapshot store is not known"
            ))
        })?;
        builder = builder.with_config(key, value);
    }
    let plain = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key))
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    builder
        .with_allow_http(plain)
        .build()
        .map_err(|error| unset(format!("snapshot store s3://{bucket}: {error}")))
}
