//! `tidegate feed stops`: the stops of a timetable as a file of sites.
//!
//! The id of a site is the id of the stop, letter by letter, since that is the site of what a
//! GTFS-Realtime or SIRI feed counts there. What cannot be a site is left out and counted by why:
//! the file never says that a stop is at 0,0.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use tidegate_feeds::{Stop, gtfs_stops, netex_stops};
use tidegate_model::{Site, SiteKind};
use tidegate_pipeline::sites_geojson;
use zip::ZipArchive;

use super::Print;
use crate::cli::FeedStops;
use crate::folder::{FILE_BYTES_MAX, read_bytes};

/// The largest `NeTEx` document: that of a whole country has a few hundred million bytes.
const NETEX_BYTES_MAX: u64 = 512 << 20;

/// Ids that are named of those that are left out for one reason.
const NAMED_MAX: usize = 3;

/// Why rows and stops are no sites, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Left {
    WithoutPlace,
    AtZero,
    RepeatedId,
    OtherPrefix,
    EntranceOrNode,
    UnusableRow,
}

impl Left {
    fn text(self) -> &'static str {
        match self {
            Self::WithoutPlace => "without coordinates",
            Self::AtZero => "at 0,0",
            Self::RepeatedId => "with an id that comes again, of which the last stands",
            Self::OtherPrefix => "with an id that begins otherwise",
            Self::EntranceOrNode => "entrances or nodes of ways, where no vehicle stops",
            Self::UnusableRow => "without a usable id or with impossible coordinates",
        }
    }
}

/// How many were left out for one reason, and the first ids of them.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
struct LeftOut {
    count: u64,
    for_instance: Vec<String>,
}

/// What became of every stop.
#[derive(Debug, Default)]
struct Chosen {
    /// By id, ascending.
    sites: Vec<Site>,
    left: BTreeMap<Left, LeftOut>,
}

/// Runs the command.
pub(super) fn stops(args: &FeedStops, print: Print) -> Result<()> {
    let all = SiteKind::ALL.into_iter();
    let kind = all.clone().find(|kind| kind.as_str() == args.kind);
    let kind = kind.context("--kind is not one of the kinds of sites")?;
    let shown = args.source.display().to_string();
    let read = Timetable::read(&args.source, &shown)?;
    let chosen = choose(read, kind, &args.prefix);
    let out = args.out.display().to_string();
    if chosen.sites.is_empty() {
        let why = lines(&chosen.left).join("; ");
        bail!("{shown} gives no site, and {out} is not written: {why}");
    }
    let text = sites_geojson(&chosen.sites);
    ensure!(
        text.len() as u64 <= FILE_BYTES_MAX,
        "the {} sites of {shown} have {} bytes, and a pipeline reads files of at most \
         {FILE_BYTES_MAX}: write fewer with --prefix",
        chosen.sites.len(),
        text.len()
    );
    write(args, &text)?;
    if args.json {
        let result = serde_json::json!({
            "out": out, "written": chosen.sites.len(), "left_out": chosen.left,
        });
        print(&serde_json::to_string_pretty(&result)?);
        return Ok(());
    }
    let written = chosen.sites.len();
    print(&format!("{out}: {written} sites of kind {}", kind.as_str()));
    for line in lines(&chosen.left) {
        print(&format!("  left out: {line}"));
    }
    Ok(())
}

fn lines(left: &BTreeMap<Left, LeftOut>) -> Vec<String> {
    let line = |(why, out): (&Left, &LeftOut)| {
        let named = match out.for_instance.as_slice() {
            [] => String::new(),
            ids => format!(" ({})", ids.join(", ")),
        };
        format!("{} {}{named}", out.count, why.text())
    };
    left.iter().map(line).collect()
}

/// Writes the file whole; without `--force` never over another.
fn write(args: &FeedStops, text: &str) -> Result<()> {
    let out = args.out.display();
    if args.force {
        return fs::write(&args.out, text).with_context(|| format!("cannot write {out}"));
    }
    match File::create_new(&args.out) {
        Ok(mut file) => file
            .write_all(text.as_bytes())
            .with_context(|| format!("cannot write {out}")),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{out} is there already and is left as it is: --force replaces it")
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {out}")),
    }
}

/// The stops of a source, and what of it is no stop.
#[derive(Debug, Default)]
struct Timetable {
    stops: Vec<Stop>,
    ways: u64,
    unusable: u64,
}

impl Timetable {
    fn read(path: &Path, shown: &str) -> Result<Self> {
        if path.is_dir() {
            let part = path.join("stops.txt");
            return Self::read_file(&part, &part.display().to_string());
        }
        if path.extension().is_some_and(|extension| extension == "zip") {
            return Self::read_archive(path, shown);
        }
        Self::read_file(path, shown)
    }

    fn read_file(path: &Path, shown: &str) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
        Self::take(read_bytes(file, shown, NETEX_BYTES_MAX)?, shown)
    }

    /// `stops.txt` of an archive, or its only XML document.
    fn read_archive(path: &Path, shown: &str) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
        let mut zip = ZipArchive::new(BufReader::new(file))
            .with_context(|| format!("{shown} is not a zip archive"))?;
        // A name that cannot be read is none of those that are looked for.
        let names = zip.file_names().flatten();
        let documents: Vec<String> = names
            .filter(|name| name.to_ascii_lowercase().ends_with(".xml"))
            .map(Cow::into_owned)
            .collect();
        let has_stops = zip.index_for_name("stops.txt").is_some();
        let part = match documents.as_slice() {
            _ if has_stops => "stops.txt",
            [one] => one,
            _ => bail!(
                "{shown} has no stops.txt at its top and {} XML documents, not one: unpack it and \
                 give one of its files",
                documents.len()
            ),
        };
        let shown = format!("{part} in {shown}");
        let entry = zip.by_name(part);
        let entry = entry.with_context(|| format!("{shown} is broken"))?;
        Self::take(read_bytes(entry, &shown, NETEX_BYTES_MAX)?, &shown)
    }

    /// A document begins with `<`, a table with the name of a column.
    fn take(bytes: Vec<u8>, shown: &str) -> Result<Self> {
        let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        if start.trim_ascii_start().starts_with(b"<") {
            let stops = netex_stops(&bytes).with_context(|| format!("cannot use {shown}"))?;
            ensure!(
                !stops.is_empty(),
                "{shown} is XML without any StopPlace, Quay or ScheduledStopPoint of NeTEx"
            );
            return Ok(Self {
                stops,
                ..Self::default()
            });
        }
        ensure!(
            bytes.len() as u64 <= FILE_BYTES_MAX,
            "{shown} has {} bytes, and a stops.txt may have {FILE_BYTES_MAX}",
            bytes.len()
        );
        let text = String::from_utf8(bytes).with_context(|| format!("{shown} is not UTF-8"))?;
        let read = gtfs_stops(&text).with_context(|| format!("cannot use {shown}"))?;
        Ok(Self {
            stops: read.stops,
            ways: read.ways,
            unusable: read.unusable,
        })
    }
}

fn choose(read: Timetable, kind: SiteKind, prefix: &str) -> Chosen {
    let mut left: BTreeMap<Left, LeftOut> = BTreeMap::new();
    for (why, count) in [
        (Left::EntranceOrNode, read.ways),
        (Left::UnusableRow, read.unusable),
    ] {
        if count > 0 {
            left.entry(why).or_default().count = count;
        }
    }
    let mut leave = |why: Left, id: String| {
        let out = left.entry(why).or_default();
        out.count += 1;
        if out.for_instance.len() < NAMED_MAX {
            out.for_instance.push(id);
        }
    };
    let mut by_id: BTreeMap<String, Stop> = BTreeMap::new();
    for stop in read.stops {
        if let Some(before) = by_id.insert(stop.id.clone(), stop) {
            leave(Left::RepeatedId, before.id);
        }
    }
    let mut sites = Vec::new();
    for (id, stop) in by_id {
        if !id.starts_with(prefix) {
            leave(Left::OtherPrefix, id);
            continue;
        }
        match stop.place {
            None => leave(Left::WithoutPlace, id),
            Some((0.0, 0.0)) => leave(Left::AtZero, id),
            coordinate @ Some(_) => sites.push(Site {
                name: if stop.name.is_empty() {
                    id.clone()
                } else {
                    stop.name
                },
                id,
                kind,
                venue_id: None,
                coordinate,
                cell: None,
                cordon: false,
            }),
        }
    }
    Chosen { sites, left }
}
