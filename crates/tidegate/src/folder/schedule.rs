//! Static GTFS feeds of a pipeline folder: `gtfs/NAME/` with text files, or `gtfs/NAME.zip`.
//!
//! Only the three files that a decoder reads are unpacked, each with a limit on what comes out and
//! not on what the archive says: an archive that unpacks to more is refused, however small it is.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use zip::ZipArchive;
use zip::result::ZipError;

use super::FILE_BYTES_MAX;

/// The files of a static feed that are read, and whether one may be missing.
const PARTS: [(&str, bool); 3] = [
    ("stops.txt", false),
    ("routes.txt", false),
    ("trips.txt", true),
];

/// Adds the files of every static feed below `root` as `gtfs/NAME/FILE`.
pub(super) fn read(root: &Path, files: &mut Vec<(String, String)>) -> Result<()> {
    let folder = root.join("gtfs");
    if !folder.is_dir() {
        return Ok(());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| "gtfs cannot be read as a folder")? {
        paths.push(entry?.path());
    }
    paths.sort();
    for path in paths {
        let name = |stem: Option<&std::ffi::OsStr>| {
            let stem = stem.map(|stem| stem.to_string_lossy().into_owned());
            stem.unwrap_or_default()
        };
        if path.is_dir() {
            read_folder(&path, &name(path.file_name()), files)?;
        } else if path.extension().is_some_and(|extension| extension == "zip") {
            read_archive(&path, &name(path.file_stem()), files)?;
        }
    }
    Ok(())
}

fn read_folder(folder: &Path, name: &str, files: &mut Vec<(String, String)>) -> Result<()> {
    for (part, optional) in PARTS {
        let path = folder.join(part);
        let shown = format!("gtfs/{name}/{part}");
        if optional && !path.exists() {
            continue;
        }
        let file = File::open(&path).with_context(|| format!("cannot open {shown}"))?;
        let text = read_text(file, &shown)?;
        files.push((shown, text));
    }
    Ok(())
}

fn read_archive(path: &Path, name: &str, files: &mut Vec<(String, String)>) -> Result<()> {
    let archive = format!("gtfs/{name}.zip");
    let file = File::open(path).with_context(|| format!("cannot open {archive}"))?;
    let mut zip = ZipArchive::new(BufReader::new(file))
        .with_context(|| format!("{archive} is not a zip archive"))?;
    for (part, optional) in PARTS {
        let shown = format!("gtfs/{name}/{part}");
        let entry = match zip.by_name(part) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) if optional => continue,
            Err(ZipError::FileNotFound) => bail!("{archive} has no {part} at its top"),
            Err(error) => {
                return Err(error).with_context(|| format!("{part} in {archive} is broken"));
            }
        };
        let text = read_text(entry, &shown)?;
        files.push((shown, text));
    }
    Ok(())
}

fn read_text(file: impl Read, shown: &str) -> Result<String> {
    let bytes = read_bytes(file, shown, FILE_BYTES_MAX)?;
    String::from_utf8(bytes).with_context(|| format!("{shown} is not UTF-8"))
}

/// All of a file, unpacked, as long as it has no more than `bytes_max` bytes; `shown` is its name in
/// messages.
pub(crate) fn read_bytes(file: impl Read, shown: &str, bytes_max: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {shown}"))?;
    ensure!(
        bytes.len() as u64 <= bytes_max,
        "{shown} unpacks to more than {bytes_max} bytes"
    );
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::{SimpleFileOptions, ZipWriter};

    /// An archive with these files, in a pipeline folder.
    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("gtfs")).unwrap();
        let file = File::create(root.path().join("gtfs/city.zip")).unwrap();
        let mut zip = ZipWriter::new(file);
        for (name, content) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap();
        root
    }

    fn check(files: &[(&str, &[u8])], expected: std::result::Result<&[&str], &str>) {
        let root = folder(files);
        let mut found = Vec::new();
        match (read(root.path(), &mut found), expected) {
            (Ok(()), Ok(expected)) => {
                let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
                assert_eq!(names, expected);
            }
            (Err(error), Err(expected)) => assert_eq!(format!("{error:#}"), expected),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn archives_are_read_within_limits() {
        let stops = ("stops.txt", b"stop_id\n".as_slice());
        let routes = ("routes.txt", b"route_id\n".as_slice());
        let both = ["gtfs/city/stops.txt", "gtfs/city/routes.txt"];
        check(&[stops, routes], Ok(&both));
        // What nobody reads is not unpacked, whatever it holds.
        check(&[stops, routes, ("shapes.txt", &[0xff; 9])], Ok(&both));
        check(&[stops], Err("gtfs/city.zip has no routes.txt at its top"));
        check(
            &[("feed/stops.txt", b"".as_slice()), routes],
            Err("gtfs/city.zip has no stops.txt at its top"),
        );
        let zeros = vec![b'0'; usize::try_from(FILE_BYTES_MAX).unwrap() + 1];
        check(
            &[("stops.txt", &zeros), routes],
            Err("gtfs/city/stops.txt unpacks to more than 67108864 bytes"),
        );
        check(
            &[("stops.txt", b"\xff".as_slice()), routes],
            Err("gtfs/city/stops.txt is not UTF-8: invalid utf-8 sequence of 1 bytes from index 0"),
        );
    }

    #[test]
    fn what_is_no_archive_is_told() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("gtfs")).unwrap();
        fs::write(root.path().join("gtfs/city.zip"), "<html>").unwrap();
        let error = read(root.path(), &mut Vec::new()).unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.starts_with("gtfs/city.zip is not a zip archive"),
            "{text}"
        );
        fs::remove_file(root.path().join("gtfs/city.zip")).unwrap();
        fs::create_dir(root.path().join("gtfs/city")).unwrap();
        let error = read(root.path(), &mut Vec::new()).unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.starts_with("cannot open gtfs/city/stops.txt"),
            "{text}"
        );
    }
}
