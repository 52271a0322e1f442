//! Small inputs to begin with: the recorded files cut into single records, and recorded counts
//! written in the product's own forms.
//!
//! The recordings lie beside the project and are not copied into it, so they are cut when a run
//! begins. What is not there is passed over and named.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::ipc::writer::StreamWriter;
use serde_json::{Value, json};

/// The longest seed, in bytes: what is longer is not worth its time.
const SEED_BYTES_MAX: usize = 8_000;

/// The most seeds of one recorded file.
const SEEDS_MAX: usize = 24;

/// The product's own schemas.
const SCHEMAS: [&[u8]; 2] = [
    include_bytes!("../../schemas/observation.proto"),
    include_bytes!("../../schemas/observation.schema.json"),
];

/// Writes the seeds of `format` into the folder `corpus`; `data` holds the recorded files.
pub(crate) fn write(format: &str, data: &Path, corpus: &Path) {
    let from = Recorded { data };
    let seeds = match format {
        "json" => from.counts().iter().map(Count::json).collect(),
        "mapped_json" => from.hours(),
        "csv" => from.turnstiles(),
        "gtfs_realtime" => from.messages(),
        "gtfs_realtime_json" => from.json_messages(),
        "siri" => from.journeys(),
        "protobuf" => batches(&from.counts()),
        "confluent" => batches(&from.counts()).iter().flat_map(enveloped).collect(),
        "arrow" => streams(&from.counts()),
        "schedule" => from.schedules(),
        "netex" => from.stops(),
        "schema" => SCHEMAS.iter().map(|schema| schema.to_vec()).collect(),
        _ => Vec::new(),
    };
    let small = seeds.iter().filter(|seed| seed.len() <= SEED_BYTES_MAX);
    let mut written = 0;
    for (number, seed) in small.enumerate() {
        fs::write(corpus.join(format!("recorded-{number:03}")), seed).expect("the corpus is ours");
        written += 1;
    }
    println!("{format}: {written} seeds");
}

/// `SEEDS_MAX` of `all`, spread over them.
fn spread<T: Clone>(all: &[T]) -> Vec<T> {
    let step = all.len().div_ceil(SEEDS_MAX).max(1);
    all.iter().step_by(step).cloned().collect()
}

/// A recorded count: persons at a control point on a day.
struct Count {
    site: String,
    /// Days since 1970-01-01.
    day: i64,
    date: String,
    measure: &'static str,
    persons: i64,
}

impl Count {
    fn json(&self) -> Vec<u8> {
        json!({
            "id": format!("{}/{}", self.site, self.date),
            "site": self.site,
            "start": format!("{}T00:00:00+08:00", self.date),
            "end": format!("{}T23:59:59+08:00", self.date),
            "measure": self.measure,
            "count": self.persons,
        })
        .to_string()
        .into_bytes()
    }

    fn start_us(&self) -> i64 {
        self.day * 86_400_000_000 - 28_800_000_000
    }

    /// `Observation` of `schemas/observation.proto`, with its key and length.
    fn protobuf(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        block(
            &mut fields,
            2,
            format!("{}/{}", self.site, self.date).as_bytes(),
        );
        block(&mut fields, 3, self.site.as_bytes());
        for (field, micros) in [(4, self.start_us()), (5, self.start_us() + 3_600_000_000)] {
            varint(&mut fields, field << 3 | 1);
            fields.extend_from_slice(&micros.to_le_bytes());
        }
        for (field, number) in [(6, if self.measure == "in" { 1 } else { 2 }), (7, 1)] {
            varint(&mut fields, field << 3);
            varint(&mut fields, number);
        }
        varint(&mut fields, 8 << 3);
        varint(&mut fields, self.persons.cast_unsigned());
        block(&mut fields, 9, b"420000");
        for (field, degrees) in [(10, 22.5_f64), (11, 114.1)] {
            varint(&mut fields, field << 3 | 1);
            fields.extend_from_slice(&degrees.to_le_bytes());
        }
        let mut entry = Vec::new();
        block(&mut entry, 1, &fields);
        entry
    }
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

fn block(bytes: &mut Vec<u8>, field: u64, content: &[u8]) {
    varint(bytes, field << 3 | 2);
    varint(bytes, content.len() as u64);
    bytes.extend_from_slice(content);
}

/// Protobuf batches of one, three and eight counts.
fn batches(counts: &[Count]) -> Vec<Vec<u8>> {
    let sizes = [1, 3, 8].into_iter();
    let batches = sizes.flat_map(|size| counts.chunks(size).take(4));
    batches
        .map(|some| some.iter().flat_map(Count::protobuf).collect())
        .collect()
}

/// A batch behind the header of a schema registry, by each path to the message.
fn enveloped(batch: &Vec<u8>) -> [Vec<u8>; 2] {
    [b"\0\0\0\0\x07\0".as_slice(), b"\0\0\0\0\x07\x02\x02"].map(|header| [header, batch].concat())
}

/// Arrow streams of the same counts, with each way to store their words and times.
fn streams(counts: &[Count]) -> Vec<Vec<u8>> {
    let dictionary = |keys, values| DataType::Dictionary(Box::new(keys), Box::new(values));
    let zone = || Some("UTC".into());
    let types = [
        (
            DataType::Utf8,
            DataType::Timestamp(TimeUnit::Microsecond, zone()),
            DataType::Int64,
        ),
        (
            DataType::LargeUtf8,
            DataType::Timestamp(TimeUnit::Second, zone()),
            DataType::Int32,
        ),
        (
            DataType::Utf8View,
            DataType::Timestamp(TimeUnit::Millisecond, zone()),
            DataType::UInt64,
        ),
        (
            dictionary(DataType::Int32, DataType::Utf8),
            DataType::Timestamp(TimeUnit::Nanosecond, zone()),
            DataType::UInt32,
        ),
        (
            dictionary(DataType::UInt8, DataType::LargeUtf8),
            DataType::Timestamp(TimeUnit::Microsecond, zone()),
            DataType::Int64,
        ),
    ];
    let mut streams = Vec::new();
    for (words, times, numbers) in &types {
        for some in counts.chunks(4).take(2) {
            let batch = record_batch(some, words, times, numbers);
            let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("in memory");
            writer.write(&batch).expect("in memory");
            writer
                .write(&batch.slice(1, batch.num_rows() - 1))
                .expect("in memory");
            streams.push(writer.into_inner().expect("in memory"));
        }
    }
    streams
}

fn record_batch(
    counts: &[Count],
    words: &DataType,
    times: &DataType,
    numbers: &DataType,
) -> RecordBatch {
    let text = |value: fn(&Count) -> Option<String>| -> ArrayRef {
        cast(
            &(Arc::new(counts.iter().map(value).collect::<StringArray>()) as ArrayRef),
            words,
        )
        .expect("text casts to text")
    };
    let time = |after_us: i64| -> ArrayRef {
        let micros: TimestampMicrosecondArray = counts
            .iter()
            .map(|one| Some(one.start_us() + after_us))
            .collect();
        cast(&micros.with_timezone("UTC"), times).expect("a time casts to a time")
    };
    let persons: ArrayRef = Arc::new(
        counts
            .iter()
            .map(|one| Some(one.persons))
            .collect::<Int64Array>(),
    );
    RecordBatch::try_from_iter_with_nullable([
        (
            "id",
            text(|one| Some(format!("{}/{}", one.site, one.date))),
            true,
        ),
        ("site", text(|one| Some(one.site.clone())), true),
        ("start", time(0), true),
        ("end", time(3_600_000_000), true),
        ("measure", text(|one| Some(one.measure.to_owned())), true),
        (
            "count",
            cast(&persons, numbers).expect("a number casts to a number"),
            true,
        ),
        (
            "origin",
            text(|one| (one.persons % 2 == 0).then(|| "420000".to_owned())),
            true,
        ),
    ])
    .expect("columns of one length")
}

/// The folder of the recorded files.
struct Recorded<'d> {
    data: &'d Path,
}

impl Recorded<'_> {
    /// The bytes of a file, unpacked where it is `.gz`; nothing when it is not there.
    fn read(&self, name: &str) -> Vec<u8> {
        let Ok(mut file) = File::open(self.data.join(name)) else {
            println!("SKIPPED: no recorded file {name}");
            return Vec::new();
        };
        let mut bytes = Vec::new();
        if name.ends_with(".gz") {
            flate2::read::GzDecoder::new(file)
                .read_to_end(&mut bytes)
                .expect("a recorded file");
        } else {
            file.read_to_end(&mut bytes).expect("a recorded file");
        }
        bytes
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.read(name)).into_owned()
    }

    /// The text of a file within a zip, of the first whose name ends so.
    fn zipped(&self, archive: &str, end: &str) -> String {
        let mut text = String::new();
        let Ok(file) = File::open(self.data.join(archive)) else {
            println!("SKIPPED: no recorded file {archive}");
            return text;
        };
        let mut zip = zip::ZipArchive::new(file).expect("a recorded archive");
        let names = zip.file_names().flatten().map(Cow::into_owned);
        let name = names
            .collect::<Vec<_>>()
            .into_iter()
            .find(|name| name.ends_with(end));
        let Some(name) = name else {
            return text;
        };
        let mut bytes = Vec::new();
        zip.by_name(&name)
            .expect("it is listed")
            .read_to_end(&mut bytes)
            .expect("a recorded file");
        text.push_str(&String::from_utf8_lossy(&bytes));
        text
    }

    /// The files of a folder whose names end so, in order.
    fn files(&self, folder: &str, end: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.data.join(folder)) else {
            println!("SKIPPED: no recorded folder {folder}");
            return Vec::new();
        };
        let names = entries.map(|entry| entry.expect("a folder").file_name());
        let names = names.map(|name| format!("{folder}/{}", name.to_string_lossy()));
        let mut names: Vec<_> = names.filter(|name| name.ends_with(end)).collect();
        names.sort();
        names
    }

    /// Arrivals and departures at the control points of Hong Kong.
    fn counts(&self) -> Vec<Count> {
        let text = self.text("hk_border/statistics_on_daily_passenger_traffic_2021_2024.csv");
        let rows: Vec<&str> = text.lines().skip(1).collect();
        let count = |(number, row): (usize, &&str)| {
            let cells: Vec<&str> = row.split(',').collect();
            let (day, month, year) = (cells[0].get(..2)?, cells[0].get(3..5)?, cells[0].get(6..)?);
            Some(Count {
                site: cells[1].to_owned(),
                // The day itself is of no use to a decoder: any will do.
                day: 18_628 + i64::try_from(number).ok()?,
                date: format!("{year}-{month}-{day}"),
                measure: if cells[2] == "Arrival" { "in" } else { "out" },
                persons: cells[6].parse().ok()?,
            })
        };
        spread(&rows).iter().enumerate().filter_map(count).collect()
    }

    /// Pedestrians of Melbourne by the hour, as objects: one, an array, and lines.
    fn hours(&self) -> Vec<Vec<u8>> {
        let text = self.text("melbourne_pedestrians/pedestriancounts_2012_2013.csv.gz");
        let rows: Vec<&str> = text.lines().skip(1).collect();
        let object = |row: &&str| {
            let cells: Vec<&str> = row.split(',').collect();
            let persons = cells[5].parse::<i64>().map_or(Value::Null, Value::from);
            json!({
                "Date": cells[0], "Hour": cells[2].parse::<i64>().unwrap_or_default(),
                "SensorName": cells[4], "PedestrianCount": persons,
            })
        };
        let objects: Vec<Value> = spread(&rows).iter().map(object).collect();
        let mut seeds: Vec<Vec<u8>> = Vec::new();
        for some in objects.chunks(3) {
            let lines: Vec<String> = some.iter().map(Value::to_string).collect();
            seeds.push(lines[0].clone().into_bytes());
            seeds.push(lines.join("\n").into_bytes());
            seeds.push(Value::from(some.to_vec()).to_string().into_bytes());
        }
        seeds
    }

    /// Counters of New York's turnstiles, three readings each below their header.
    fn turnstiles(&self) -> Vec<Vec<u8>> {
        let mut seeds = Vec::new();
        for name in ["240113.csv.gz", "turnstile_230603.csv.gz"] {
            let text = self.text(&format!("mta_turnstile/{name}"));
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let Some((header, rows)) = lines.split_first() else {
                continue;
            };
            let some: Vec<&[&str]> = rows.chunks(3).collect();
            seeds.extend(
                spread(&some)
                    .iter()
                    .map(|rows| (header.to_string() + &rows.concat()).into()),
            );
        }
        seeds
    }

    /// GTFS-Realtime messages of one entity, and of three where they are small.
    fn messages(&self) -> Vec<Vec<u8>> {
        let mut files = self.files("gtfsrt_small", ".pb");
        files.extend(self.files("gtfsrt_mbta", ".pb"));
        files.extend(self.files("gtfsrt_nyct/ace", ".pb").into_iter().take(1));
        files.extend(self.files("gtfsrt_nyct/irt", ".pb").into_iter().take(1));
        let mut seeds = Vec::new();
        for file in files {
            let message = self.read(&file);
            let fields = top_fields(&message);
            let header: Vec<u8> = fields
                .iter()
                .filter(|(field, _)| *field == 1)
                .flat_map(|(_, raw)| raw.to_vec())
                .collect();
            let entities: Vec<&[u8]> = fields
                .iter()
                .filter(|(field, _)| *field == 2)
                .map(|(_, raw)| *raw)
                .collect();
            let some: Vec<&[&[u8]]> = entities.chunks(3).collect();
            for (number, entities) in spread(&some).iter().enumerate() {
                let most = if number % 2 == 0 { 1 } else { 3 };
                let entities = &entities[..most.min(entities.len())];
                seeds.push([header.as_slice(), &entities.concat()].concat());
            }
        }
        seeds
    }

    fn json_messages(&self) -> Vec<Vec<u8>> {
        let mut files = self.files("gtfsrt_small", ".pb.json");
        files.extend(self.files("gtfsrt_mbta", ".json.gz"));
        let mut seeds = Vec::new();
        for file in files {
            let message: Value =
                serde_json::from_slice(&self.read(&file)).expect("a recorded file");
            let entities = message["entity"].as_array().cloned().unwrap_or_default();
            for entity in spread(&entities) {
                let one = json!({ "header": message["header"], "entity": [entity] });
                seeds.push(one.to_string().into_bytes());
            }
        }
        seeds
    }

    /// SIRI deliveries of one journey.
    fn journeys(&self) -> Vec<Vec<u8>> {
        let text = self.text("siri_et/siri-et-from-bnr.xml");
        let head = text
            .split("<EstimatedVehicleJourney>")
            .next()
            .unwrap_or_default();
        let tail =
            "</EstimatedJourneyVersionFrame></EstimatedTimetableDelivery></ServiceDelivery></Siri>";
        let small = elements(
            &text,
            "<EstimatedVehicleJourney>",
            "</EstimatedVehicleJourney>",
        );
        spread(&small)
            .iter()
            .map(|journey| [head, journey, tail].concat().into_bytes())
            .collect()
    }

    /// `NeTEx` documents of one stop place.
    fn stops(&self) -> Vec<Vec<u8>> {
        let text = self.zipped("siri_et/RailStations.zip", ".xml");
        let small = elements(&text, "<StopPlace ", "</StopPlace>");
        let document =
            |stop: &&str| format!("<SiteFrame><stopPlaces>{stop}</stopPlaces></SiteFrame>");
        spread(&small)
            .iter()
            .map(|stop| document(stop).into_bytes())
            .collect()
    }

    /// Static feeds of a few lines a file, with a 0 between the files.
    fn schedules(&self) -> Vec<Vec<u8>> {
        let archives = [
            "gtfsrt_small/ct.zip",
            "gtfsrt_small/kd_rail_kolejedolnoslaskie.zip",
            "gtfsrt_nyct/static/nyct_multi_trips_gtfs_cut.zip",
            "siri_et/rb_nsb-aggregated-gtfs.zip",
        ];
        let few = |archive: &str, name: &str| {
            let text = self.zipped(archive, name);
            text.split_inclusive('\n').take(6).collect::<String>()
        };
        let schedule = |archive: &&str| {
            let files = ["stops.txt", "routes.txt", "trips.txt"].map(|name| few(archive, name));
            files.join("\0").into_bytes()
        };
        archives.iter().map(schedule).collect()
    }
}

/// The elements that begin and end so and are small enough.
fn elements<'t>(text: &'t str, begin: &str, end: &str) -> Vec<&'t str> {
    let starts = text.match_indices(begin);
    let elements = starts.filter_map(|(at, _)| {
        let len = text[at..].find(end)? + end.len();
        Some(&text[at..at + len])
    });
    elements
        .filter(|element| element.len() <= SEED_BYTES_MAX - 1_500)
        .collect()
}

/// The fields of a Protobuf message whose values have a length, each with its key.
fn top_fields(message: &[u8]) -> Vec<(u64, &[u8])> {
    let number = |at: &mut usize| {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = *message.get(*at)?;
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return Some(value);
            }
        }
    };
    let (mut fields, mut at) = (Vec::new(), 0);
    while let Some(key) = number(&mut at) {
        let start = at - 1;
        let Some(len) = number(&mut at).and_then(|len| usize::try_from(len).ok()) else {
            break;
        };
        let Some(raw) = message.get(start..at + len).filter(|_| key & 7 == 2) else {
            break;
        };
        fields.push((key >> 3, raw));
        at += len;
    }
    fields
}
