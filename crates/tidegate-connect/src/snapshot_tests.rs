//! Tries to break snapshots: bytes that changed behind our back, names that leave the store, files
//! that are not there, two writers of one name. In a folder always, and in S3 where
//! `TIDEGATE_TEST_S3` names an endpoint and `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` a user
//! who has the bucket `tidegate-test`.

use std::fs;
use std::time::Duration;

use crate::real_kafka::unique;
use crate::{ConnectError, Disposition, ErrorKind, SnapshotOptions, SnapshotRef, SnapshotStore};

fn local() -> (tempfile::TempDir, SnapshotStore) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/here");
    let store = SnapshotStore::open(path.to_str().unwrap(), &SnapshotOptions::default()).unwrap();
    (dir, store)
}

fn s3() -> Option<SnapshotStore> {
    let Ok(endpoint) = std::env::var("TIDEGATE_TEST_S3") else {
        eprintln!("SKIPPED: no S3; start versitygw and set TIDEGATE_TEST_S3=http://HOST:PORT");
        return None;
    };
    let address = format!("s3://tidegate-test/{}", unique("run"));
    Some(SnapshotStore::open(&address, &s3_options(&endpoint)).unwrap())
}

fn s3_options(endpoint: &str) -> SnapshotOptions {
    let mut options = SnapshotOptions::default();
    for (name, value) in [("aws_endpoint", endpoint), ("aws_region", "us-east-1")] {
        options.settings.insert(name.to_owned(), value.to_owned());
    }
    options
}

/// What any store must do.
fn check(store: &SnapshotStore) {
    assert_eq!(store.list("").unwrap(), []);
    assert_eq!(store.list("0").unwrap(), []);
    let large: Vec<u8> = (0_u32..3_000_000).map(|i| i.to_le_bytes()[1]).collect();
    let first = store.put("0/epoch-001", large.clone()).unwrap();
    assert_eq!(first.bytes, 3_000_000);
    assert_eq!(first.sha256.len(), 64);
    assert_eq!(first.name, format!("0/epoch-001-{}", &first.sha256[..16]));
    assert_eq!(store.get(&first).unwrap(), large);

    // The same again changes nothing; other bytes under the name do not touch the first.
    assert_eq!(store.put("0/epoch-001", large.clone()).unwrap(), first);
    let other = store.put("0/epoch-001", b"other".to_vec()).unwrap();
    assert_ne!(other.name, first.name);
    assert_eq!(store.get(&first).unwrap(), large);
    assert_eq!(store.get(&other).unwrap(), b"other");

    let empty = store.put("0/epoch-002", Vec::new()).unwrap();
    assert_eq!(store.get(&empty).unwrap(), b"");
    let third = store.put("0/epoch-003", b"3".to_vec()).unwrap();
    let elsewhere = store.put("1/epoch-001", b"x".to_vec()).unwrap();
    let top = store.put("top", b"x".to_vec()).unwrap();
    let listed: Vec<(String, u64)> = store
        .list("0")
        .unwrap()
        .into_iter()
        .map(|entry| (entry.name, entry.bytes))
        .collect();
    let mut expected: Vec<(String, u64)> = [&first, &other, &empty, &third]
        .map(|snapshot| (snapshot.name.clone(), snapshot.bytes))
        .to_vec();
    expected.sort();
    assert_eq!(listed, expected);
    assert_eq!(store.list("").unwrap().len(), 1);

    assert_eq!(store.remove_before("0", &empty.name).unwrap(), 2);
    assert_eq!(store.list("0").unwrap().len(), 2);
    let gone = store.get(&first).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::SnapshotMissing);
    assert!(gone.to_string().contains(&first.name), "{gone}");
    store.remove(&third.name).unwrap();
    store.remove(&third.name).unwrap();
    assert_eq!(store.get(&elsewhere).unwrap(), b"x");
    assert_eq!(store.get(&top).unwrap(), b"x");

    // A reference to other bytes.
    let wrong = SnapshotRef {
        sha256: first.sha256.clone(),
        ..elsewhere.clone()
    };
    let error = store.get(&wrong).unwrap_err();
    let ConnectError::SnapshotCorrupt {
        location,
        expected,
        found,
    } = &error
    else {
        panic!("{error}")
    };
    assert!(location.contains(&elsewhere.name), "{location}");
    assert_eq!((expected, found), (&first.sha256, &elsewhere.sha256));
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn a_folder_does_what_a_store_must() {
    let (_dir, store) = local();
    check(&store);
}

#[test]
fn s3_does_what_a_store_must() {
    if let Some(store) = s3() {
        check(&store);
    }
}

#[test]
fn a_folder_by_its_url() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("file://{}", dir.path().display());
    let store = SnapshotStore::open(&url, &SnapshotOptions::default()).unwrap();
    let put = store.put("a", b"x".to_vec()).unwrap();
    assert!(dir.path().join(&put.name).is_file());
}

#[test]
fn changed_bytes_are_noticed() {
    let (_dir, store) = local();
    let put = store.put("0/a", b"abc".to_vec()).unwrap();
    let path = store.location(&put.name);
    for changed in [&b"abd"[..], b"ab", b"abcd", b""] {
        fs::write(&path, changed).unwrap();
        let error = store.get(&put).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{changed:?}");
        let text = error.to_string();
        assert!(text.contains(&path) && text.contains(&put.sha256), "{text}");
    }
    // Putting it again heals it.
    store.put("0/a", b"abc".to_vec()).unwrap();
    assert_eq!(store.get(&put).unwrap(), b"abc");
    // Nothing unfinished is left.
    let folder = std::path::Path::new(&path).parent().unwrap();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
}

#[test]
fn limits_and_names_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let options = SnapshotOptions {
        snapshot_bytes_max: 3,
        ..SnapshotOptions::default()
    };
    let store = SnapshotStore::open(dir.path().to_str().unwrap(), &options).unwrap();
    let error = store.put("a", b"1234".to_vec()).unwrap_err();
    assert!(
        error.to_string().contains("has 4 bytes, at most 3"),
        "{error}"
    );
    let put = store.put("a", b"123".to_vec()).unwrap();
    fs::write(dir.path().join(&put.name), b"12345").unwrap();
    let error = store.get(&put).unwrap_err();
    assert!(error.to_string().contains("has 5 bytes"), "{error}");

    let long = "x".repeat(513);
    for name in [
        "", "..", "a/../b", "/a", "a/", "a//b", ".a", "a b", "a\0", "é", &long,
    ] {
        let error = store.put(name, Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{name:?}");
    }
    for address in ["", "http://x", "file://x", "s3://", "s3:///x"] {
        let error = SnapshotStore::open(address, &SnapshotOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{address:?}");
    }
}

#[test]
fn a_store_that_is_not_there_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let mut options = s3_options(&endpoint);
    options.retry_within = Duration::from_millis(300);
    for (name, value) in [("aws_access_key_id", "k"), ("aws_secret_access_key", "s")] {
        options.settings.insert(name.to_owned(), value.to_owned());
    }
    let error = SnapshotStore::open("s3://bucket/prefix", &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert_eq!(error.disposition(), Disposition::Retry);
    let text = error.to_string();
    assert!(text.contains("s3://bucket/prefix"), "{text}");

    options
        .settings
        .insert("aws_colour".to_owned(), "red".to_owned());
    let error = SnapshotStore::open("s3://bucket", &options).unwrap_err();
    assert!(error.to_string().contains("aws_colour"), "{error}");

    let error = SnapshotStore::open("/proc/nowhere", &SnapshotOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::File);
    assert!(error.to_string().contains("/proc/nowhere"), "{error}");
}

#[test]
fn s3_says_what_is_wrong() {
    if s3().is_none() {
        return;
    }
    let endpoint = std::env::var("TIDEGATE_TEST_S3").unwrap();
    let mut options = s3_options(&endpoint);
    options.retry_within = Duration::from_millis(300);
    let error = SnapshotStore::open("s3://no-such-bucket-here/x", &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    assert!(error.to_string().contains("no-such-bucket-here"), "{error}");
    let wrong = ("aws_secret_access_key".to_owned(), "wrong".to_owned());
    options.settings.extend([wrong]);
    let error = SnapshotStore::open("s3://tidegate-test/x", &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
}
