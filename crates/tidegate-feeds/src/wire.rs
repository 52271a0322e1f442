//! What stands before the content of a payload: nothing, or the header that serializers with a
//! schema registry write ("Confluent wire format"):
//!
//! - byte 0, the magic byte;
//! - the id of the schema in the registry, 4 bytes, big-endian;
//! - for Protobuf only, which message of the schema it is: the number of indexes and the indexes
//!   from the outermost message inwards, all zig-zag varints; the path `[0]` is written as a single
//!   0.
//!
//! Nobody asks a registry here: which ids are accepted stands in the feed's file.

use std::collections::BTreeSet;

use tidegate_model::Reason;

use crate::check::Fault;
use crate::config::{ConfigProblem, FeedConfig, Format, Wire};
use crate::protobuf::{Reader, Root};

/// The most ids that a feed's file may list.
pub(crate) const SCHEMA_IDS_MAX: usize = 1024;

/// The deepest path that is read: messages within messages.
const PATH_MAX: u64 = 16;

/// How the payloads of a feed begin.
#[derive(Debug, Clone)]
pub(crate) enum WireForm {
    Plain,
    Confluent {
        /// `None` accepts every id.
        schema_ids: Option<BTreeSet<u32>>,
        /// Whether a path of indexes follows the id.
        path: Path,
    },
}

/// Whether the header says which message of its schema follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    Absent,
    Present,
}

/// A payload without its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Envelope<'p> {
    pub(crate) header: &'p [u8],
    pub(crate) body: &'p [u8],
    /// What the body is, where it is Protobuf.
    pub(crate) message: Root,
}

impl WireForm {
    pub(crate) fn try_new(config: &FeedConfig) -> Result<Self, Vec<ConfigProblem>> {
        let problem = |key: &str, message: String| Err(vec![ConfigProblem::new(key, message)]);
        match (config.wire, &config.schema_ids) {
            (Wire::Plain, None) => Ok(Self::Plain),
            (Wire::Plain, Some(_)) => {
                problem("schema_ids", "is for wire = \"confluent\"".to_owned())
            }
            (Wire::Confluent, Some(ids)) if !(1..=SCHEMA_IDS_MAX).contains(&ids.len()) => problem(
                "schema_ids",
                format!("{} ids, not 1 to {SCHEMA_IDS_MAX}", ids.len()),
            ),
            (Wire::Confluent, ids) => Ok(Self::Confluent {
                schema_ids: ids.as_ref().map(|ids| ids.iter().copied().collect()),
                path: match config.format {
                    Format::Protobuf => Path::Present,
                    Format::Json | Format::MappedJson => Path::Absent,
                    Format::Csv
                    | Format::Arrow
                    | Format::GtfsRealtime
                    | Format::GtfsRealtimeJson
                    | Format::Siri => {
                        let message = "confluent is for the formats json, mapped_json and protobuf";
                        return problem("wire", message.to_owned());
                    }
                },
            }),
        }
    }

    /// Takes a payload's header off.
    pub(crate) fn open<'p>(&self, payload: &'p [u8]) -> Result<Envelope<'p>, Fault> {
        let Self::Confluent { schema_ids, path } = self else {
            return Ok(Envelope {
                header: &[],
                body: payload,
                message: Root::Batch,
            });
        };
        let (id, rest) = read_id(payload)?;
        if let Some(accepted) = schema_ids
            && !accepted.contains(&id)
        {
            let listed: Vec<String> = accepted.iter().map(u32::to_string).collect();
            return Err(Fault::new(
                Reason::UnknownSchema,
                format!("schema id {id} is not one of {}", listed.join(", ")),
            ));
        }
        let (message, body) = match path {
            Path::Absent => (Root::Batch, rest),
            Path::Present => read_path(id, rest)?,
        };
        let (header, body) = payload.split_at(payload.len() - body.len());
        Ok(Envelope {
            header,
            body,
            message,
        })
    }
}

fn read_id(payload: &[u8]) -> Result<(u32, &[u8]), Fault> {
    let malformed = |detail: String| Fault::new(Reason::Malformed, detail);
    match payload {
        [0, a, b, c, d, rest @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), rest)),
        [0, ..] | [] => Err(malformed(format!(
            "a payload of {} bytes is shorter than the 5 bytes before the content",
            payload.len()
        ))),
        [byte, ..] => Err(malformed(format!(
            "the first byte is {byte:#04x}, not the 0 that stands before a schema id"
        ))),
    }
}

fn read_path(id: u32, rest: &[u8]) -> Result<(Root, &[u8]), Fault> {
    let mut reader = Reader::new(rest);
    let mut next = || -> Result<i64, Fault> {
        let read = reader.varint();
        read.map(zig_zag).map_err(|why| {
            Fault::new(
                Reason::Malformed,
                format!("the message indexes behind schema id {id}: {why}"),
            )
        })
    };
    let indexes = next()?;
    let unknown = |path: String| {
        Err(Fault::new(
            Reason::UnknownSchema,
            format!(
                "message {path} of schema id {id} is neither ObservationBatch [0] nor \
                 Observation [1]"
            ),
        ))
    };
    let root = match indexes {
        0 => Root::Batch,
        1 => match next()? {
            0 => Root::Batch,
            1 => Root::Single,
            index => return unknown(format!("[{index}]")),
        },
        _ => {
            if u64::try_from(indexes).is_ok_and(|indexes| indexes <= PATH_MAX) {
                for _ in 0..indexes {
                    next()?;
                }
            }
            return unknown(format!("with {indexes} indexes"));
        }
    };
    Ok((root, reader.rest()))
}

const fn zig_zag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(format: &str, ids: Option<&[u32]>) -> WireForm {
        let config = FeedConfig {
            format: toml::from_str::<FeedConfig>(&format!("format = '{format}'"))
                .unwrap()
                .format,
            wire: Wire::Confluent,
            schema_ids: ids.map(<[u32]>::to_vec),
            ..FeedConfig::default()
        };
        WireForm::try_new(&config).unwrap()
    }

    #[track_caller]
    fn check(format: &str, payload: &[u8], want: Result<(&[u8], Root), &str>) {
        let got = form(format, Some(&[7, 70_000])).open(payload);
        match (got, want) {
            (Ok(envelope), Ok((body, message))) => {
                assert_eq!((envelope.body, envelope.message), (body, message));
                assert_eq!([envelope.header, envelope.body].concat(), payload);
            }
            (Err(fault), Err(want)) => {
                let got = format!("{}: {}", fault.reason.code(), fault.detail);
                assert!(got.starts_with(want), "{got}");
            }
            (got, want) => panic!("{payload:?}: {got:?}, not {want:?}"),
        }
    }

    #[test]
    fn headers() {
        let short = "malformed: a payload of";
        check("json", b"\0\0\0\0\x07{}", Ok((b"{}", Root::Batch)));
        check("json", b"\0\0\x01\x11\x70{}", Ok((b"{}", Root::Batch)));
        check("json", b"\0\0\0\0\x07", Ok((b"", Root::Batch)));
        check(
            "json",
            b"{}",
            Err("malformed: the first byte is 0x7b, not the 0"),
        );
        check("json", b"\0\0\0\0", Err(short));
        check("json", b"\0", Err(short));
        let unknown = "unknown_schema: schema id 8 is not one of 7, 70000";
        check("json", b"\0\0\0\0\x08{}", Err(unknown));
        check("protobuf", b"\0\0\0\0\x07\0ab", Ok((b"ab", Root::Batch)));
        check(
            "protobuf",
            b"\0\0\0\0\x07\x02\0ab",
            Ok((b"ab", Root::Batch)),
        );
        check(
            "protobuf",
            b"\0\0\0\0\x07\x02\x02ab",
            Ok((b"ab", Root::Single)),
        );
        let absent = "malformed: the message indexes behind schema id 7: ";
        check("protobuf", b"\0\0\0\0\x07", Err(absent));
        check("protobuf", b"\0\0\0\0\x07\x02", Err(absent));
        check("protobuf", b"\0\0\0\0\x07\x80", Err(absent));
        check("protobuf", b"\0\0\0\0\x07\x04\0", Err(absent));
        let message = "unknown_schema: message [2] of schema id 7";
        check("protobuf", b"\0\0\0\0\x07\x02\x04ab", Err(message));
        let message = "unknown_schema: message [-1] of schema id 7";
        check("protobuf", b"\0\0\0\0\x07\x02\x01ab", Err(message));
        let message = "unknown_schema: message with 2 indexes";
        check("protobuf", b"\0\0\0\0\x07\x04\0\0ab", Err(message));
        let message = "unknown_schema: message with -1 indexes";
        check("protobuf", b"\0\0\0\0\x07\x01", Err(message));
        let message = "unknown_schema: message with 9223372036854775807 indexes";
        let most = [b"\0\0\0\0\x07\xfe".as_slice(), &[0xff; 8], &[1]].concat();
        check("protobuf", &most, Err(message));
    }

    #[test]
    fn without_a_list_every_id_is_accepted() {
        for id in [0, 1, u32::MAX] {
            let payload = [&[0], id.to_be_bytes().as_slice(), b"{}"].concat();
            assert_eq!(form("json", None).open(&payload).unwrap().body, b"{}");
        }
        assert_eq!(WireForm::Plain.open(b"{}").unwrap().body, b"{}");
    }
}
