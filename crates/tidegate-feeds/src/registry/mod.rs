//! Whether a schema of a registry is one whose messages a feed can read.
//!
//! A registry is asked by the shell; here its answer, a text, is held against what the decoders
//! read. That is more than the wire can show: Protobuf has no field names on the wire, so this is
//! the place where a field that could identify a person is seen.
//!
//! Of a `.proto` as much is read as its fields need: options, services, extensions and imports are
//! passed over, and a type that another file defines is not followed.

mod feed;
mod proto;

use serde_json::Value;
use tidegate_model::{Measure, Subject};

use crate::check::shown;
use crate::config::ConfigProblem;
use crate::own::OWN_FIELDS;
use crate::personal::PersonalFields;

pub use feed::AcceptedSchemas;

use proto::{File, Label, Message};

/// The longest text of a schema, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// How a schema is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaKind {
    /// JSON Schema, for the format `json`.
    Json,
    /// A `.proto` file, for the format `protobuf`.
    Protobuf,
}

/// Checks that messages of a registered schema are observations in the product's own form.
///
/// In Protobuf the first message must have `repeated` observations as field 1, and a second one
/// must be the observation, since the message indexes `[0]` and `[1]` are read so; each of our
/// field numbers must have our type and each number of an enum our meaning. In JSON Schema the
/// fields that are needed must be required and each of ours may be of our types only. Other fields
/// may be there unless their name could identify a person.
///
/// # Errors
/// Everything that does not fit, each with its place in the schema.
///
/// ```
/// use tidegate_feeds::{SchemaKind, check_schema};
/// let good = include_str!("../../../../schemas/observation.proto");
/// assert_eq!(check_schema(SchemaKind::Protobuf, good), Ok(()));
/// let problems = check_schema(SchemaKind::Protobuf, "message Crowd {}").unwrap_err();
/// assert_eq!(problems[0].key, "Crowd");
/// ```
pub fn check_schema(kind: SchemaKind, text: &str) -> Result<(), Vec<ConfigProblem>> {
    check_text(kind, text, &PersonalFields::built_in())
}

fn check_text(
    kind: SchemaKind,
    text: &str,
    personal: &PersonalFields,
) -> Result<(), Vec<ConfigProblem>> {
    if let Some(problem) = too_long(text) {
        return Err(vec![problem]);
    }
    let mut problems = Vec::new();
    match kind {
        SchemaKind::Json => match parse_json(text) {
            Ok(schema) => check_json(&schema, personal, &mut problems),
            Err(problem) => problems.push(problem),
        },
        SchemaKind::Protobuf => match File::read(text) {
            Ok(file) => check_file(&file, personal, &mut problems),
            Err(error) => problems.push(ConfigProblem::new("schema", error)),
        },
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

fn too_long(text: &str) -> Option<ConfigProblem> {
    let message = || format!("{} bytes, more than {TEXT_BYTES_MAX}", text.len());
    (text.len() > TEXT_BYTES_MAX).then(|| ConfigProblem::new("schema", message()))
}

fn parse_json(text: &str) -> Result<Value, ConfigProblem> {
    serde_json::from_str(text)
        .map_err(|error| ConfigProblem::new("schema", format!("is not JSON: {error}")))
}

// --- JSON Schema -----------------------------------------------------------------------------

fn check_json(schema: &Value, personal: &PersonalFields, problems: &mut Vec<ConfigProblem>) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for name in ["site", "start", "measure", "count"] {
        if !required.contains(&name) {
            problems.push(ConfigProblem::new(name, "is needed, and not required here"));
        }
    }
    for name in OWN_FIELDS {
        let allowed: &[&str] = match name {
            "site" | "start" | "measure" | "subject" => &["string"],
            "count" => &["integer"],
            "lat" | "lng" => &["number", "integer", "null"],
            _ => &["string", "null"],
        };
        let stated = &schema["properties"][name]["type"];
        let one = stated.as_str().into_iter();
        let several = stated.as_array().into_iter().flatten();
        for found in one.chain(several.filter_map(Value::as_str)) {
            if !allowed.contains(&found) {
                let message = format!("may be {}, not {}", shown(found), allowed.join(" or "));
                problems.push(ConfigProblem::new(name, message));
            }
        }
    }
    check_json_names(schema, personal, problems);
}

/// The depth of a parsed JSON text is bounded by its parser.
fn check_json_names(value: &Value, personal: &PersonalFields, problems: &mut Vec<ConfigProblem>) {
    if let Some(properties) = value["properties"].as_object() {
        for name in properties.keys().filter(|name| personal.denies(name)) {
            problems.push(ConfigProblem::new(name, "could identify a person"));
        }
    }
    let children: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Object(members) => Box::new(members.values()),
        Value::Array(members) => Box::new(members.iter()),
        _ => return,
    };
    for child in children {
        check_json_names(child, personal, problems);
    }
}

// --- Protobuf --------------------------------------------------------------------------------

/// Our fields: number, name, type; an enum's type is its name here.
const FIELDS: [(u64, &str, &str); 10] = [
    (2, "id", "string"),
    (3, "site", "string"),
    (4, "start_us", "sfixed64"),
    (5, "end_us", "sfixed64"),
    (6, "measure", "Measure"),
    (7, "subject", "Subject"),
    (8, "count", "int64"),
    (9, "origin", "string"),
    (10, "lat", "double"),
    (11, "lng", "double"),
];

fn check_file(file: &File, personal: &PersonalFields, problems: &mut Vec<ConfigProblem>) {
    let Some(batch) = file.messages.first() else {
        return problems.push(ConfigProblem::new("schema", "has no message"));
    };
    for message in &file.messages {
        check_proto_names(message, personal, problems);
    }
    let entries = batch.field(1);
    let entries = entries.filter(|field| field.label == Label::Repeated);
    let observation = entries.and_then(|field| file.message(batch, &field.kind));
    let Some(observation) = observation else {
        let message = "is message [0] and has no field 1 of repeated observations of this file";
        return problems.push(ConfigProblem::new(&batch.name, message));
    };
    check_observation(file, observation, problems);
    if let Some(second) = file.messages.get(1)
        && !std::ptr::eq(second, observation)
    {
        let message = format!("is message [1], where {} is expected", observation.name);
        problems.push(ConfigProblem::new(&second.name, message));
    }
}

fn check_proto_names(
    message: &Message,
    personal: &PersonalFields,
    problems: &mut Vec<ConfigProblem>,
) {
    for field in message
        .fields
        .iter()
        .filter(|field| personal.denies(&field.name))
    {
        let key = format!("{}.{}", message.name, field.name);
        problems.push(ConfigProblem::new(key, "could identify a person"));
    }
    for nested in &message.messages {
        check_proto_names(nested, personal, problems);
    }
}

fn check_observation(file: &File, observation: &Message, problems: &mut Vec<ConfigProblem>) {
    for (number, name, kind) in FIELDS {
        let key = format!("{}.{name}", observation.name);
        let Some(field) = observation.field(number) else {
            if ["site", "start_us", "measure", "count"].contains(&name) {
                let message = format!("is needed, and there is no field {number}");
                problems.push(ConfigProblem::new(key, message));
            }
            continue;
        };
        if field.label == Label::Repeated {
            let message = format!("field {number} is repeated");
            problems.push(ConfigProblem::new(key, message));
            continue;
        }
        let words: Vec<&str> = match kind {
            "Measure" => Measure::ALL.map(Measure::as_str).to_vec(),
            "Subject" => Subject::ALL.map(Subject::as_str).to_vec(),
            _ if field.kind == kind => continue,
            _ => Vec::new(),
        };
        match file.values(observation, &field.kind) {
            Some(values) if !words.is_empty() => {
                for (name, value) in values {
                    check_value(&key, name, *value, &words, problems);
                }
            }
            _ => {
                let message = format!("field {number} is {}, not {kind}", shown(&field.kind));
                problems.push(ConfigProblem::new(key, message));
            }
        }
    }
}

/// A number of an enum, where it is one of ours, must be called after our word.
fn check_value(
    key: &str,
    name: &str,
    value: u64,
    words: &[&str],
    problems: &mut Vec<ConfigProblem>,
) {
    let index = value
        .checked_sub(1)
        .and_then(|index| usize::try_from(index).ok());
    let Some(word) = index.and_then(|index| words.get(index)) else {
        return;
    };
    let name = name.to_ascii_lowercase();
    if name.rsplit('_').next() != Some(word) {
        let message = format!("{value} is {}, and is read as {word}", shown(&name));
        problems.push(ConfigProblem::new(key, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTO: &str = include_str!("../../../../schemas/observation.proto");
    const JSON: &str = include_str!("../../../../schemas/observation.schema.json");

    /// The schema with `from` replaced by `to` has one problem, which starts with `want`; or none.
    #[track_caller]
    fn check(kind: SchemaKind, from: &str, to: &str, want: Option<&str>) {
        let text = match kind {
            SchemaKind::Json => JSON,
            SchemaKind::Protobuf => PROTO,
        };
        assert!(text.contains(from), "{from}");
        let problems = check_schema(kind, &text.replacen(from, to, 1)).err();
        let got: Vec<String> = problems.iter().flatten().map(ToString::to_string).collect();
        assert_eq!(got.len(), want.iter().len(), "{got:?}");
        for (got, want) in got.iter().zip(want) {
            assert!(got.starts_with(want), "{got}, not {want}");
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn protobuf() {
        let check = |from, to, want| check(SchemaKind::Protobuf, from, to, want);
        check("syntax", "syntax", None);
        check("int64 count = 8", "int64 number = 8", None);
        check(
            "MEASURE_LOAD = 5",
            "MEASURE_LOAD = 5; MEASURE_MORE = 6",
            None,
        );
        check(
            "reserved 1;",
            "map<string, string> notes = 12 [deprecated = true];",
            None,
        );
        check("reserved 1;", "oneof what { string a = 12; }", None);
        check("reserved 1;", "/* } */ option (x) = { a: \"}\" };", None);
        check(
            "reserved 1;",
            "message Note { string text = 1; } Note n = 12;",
            None,
        );
        check(
            "reserved 1;",
            "string phone = 12;",
            Some("Observation.phone: could identify"),
        );
        let nested = "message Who { string full_name = 1; }";
        check(
            "reserved 1;",
            nested,
            Some("Who.full_name: could identify a person"),
        );
        check(
            "int64 count",
            "uint64 count",
            Some("Observation.count: field 8 is \"uint64\", not"),
        );
        check(
            "sfixed64 start_us",
            "int64 start",
            Some("Observation.start_us: field 4 is"),
        );
        check(
            "int64 count = 8",
            "int64 count = 12",
            Some("Observation.count: is needed"),
        );
        check(
            "optional string id",
            "repeated string id",
            Some("Observation.id: field 2 is rep"),
        );
        check(
            "  Measure measure",
            "  string measure",
            Some("Observation.measure: field 6 is"),
        );
        let in_out = Some("Observation.measure: 1 is \"measure_out\", and is read as in");
        check("MEASURE_IN = 1;", "MEASURE_OUT = 1;", in_out);
        check(
            "repeated Observation",
            "Observation",
            Some("ObservationBatch: is message [0]"),
        );
        check(
            "repeated Observation",
            "repeated Other",
            Some("ObservationBatch: is message [0]"),
        );
        let first = "message Other { }\nmessage ObservationBatch";
        check(
            "message ObservationBatch",
            first,
            Some("Other: is message [0] and has no field 1"),
        );
        let second = "message Other { }\nmessage Observation {";
        check(
            "message Observation {",
            second,
            Some("Other: is message [1], where Observation"),
        );
        for broken in [
            "message",
            "message A {",
            "message A { string a = x; }",
            "}",
            "/*",
            "\"",
        ] {
            let problems = check_schema(SchemaKind::Protobuf, broken).unwrap_err();
            assert!(
                problems[0].message.starts_with("is not a .proto"),
                "{problems:?}"
            );
        }
        let deep = "message A {".repeat(100_000);
        let problems = check_schema(SchemaKind::Protobuf, &deep).unwrap_err();
        assert_eq!(problems.len(), 1);
        let none = check_schema(SchemaKind::Protobuf, "enum A { B = 0; }").unwrap_err();
        assert_eq!(none[0].message, "has no message");
        let long = check_schema(SchemaKind::Protobuf, &" ".repeat((1 << 20) + 1)).unwrap_err();
        assert_eq!(long[0].message, "1048577 bytes, more than 1048576");
    }

    proptest::proptest! {
        /// Any text is a schema or a list of problems.
        #[test]
        fn no_text_panics(text in "(message|enum|oneof|map|=|[{}<>;\"'/*\\[\\](),.\n\\\\]|[a-zé0-9 ]){0,60}") {
            for kind in [SchemaKind::Json, SchemaKind::Protobuf] {
                let problems = check_schema(kind, &text).err();
                proptest::prop_assert!(problems.is_some_and(|problems| !problems.is_empty()));
            }
        }
    }

    #[test]
    fn json_schema() {
        let check = |from, to, want| check(SchemaKind::Json, from, to, want);
        check("$schema", "$schema", None);
        let more = "\"properties\": {\"note\": {\"type\": \"object\"},";
        check("\"properties\": {", more, None);
        let personal = "\"properties\": {\"note\": {\"properties\": {\"phone\": {}}},";
        check(
            "\"properties\": {",
            personal,
            Some("phone: could identify a person"),
        );
        let not_required = Some("count: is needed, and not required here");
        check("    \"count\"\n  ]", "    \"site\"\n  ]", not_required);
        check(
            "\"type\": \"integer\"",
            "\"type\": \"number\"",
            Some("count: may be \"number\""),
        );
        let problems = check_schema(SchemaKind::Json, "{").unwrap_err();
        assert!(
            problems[0].message.starts_with("is not JSON"),
            "{problems:?}"
        );
        assert_eq!(check_schema(SchemaKind::Json, "[1]").unwrap_err().len(), 4);
    }
}
