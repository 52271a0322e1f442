//! Whether a feed can read the messages of a registered schema, whatever its format.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{SchemaKind, check_json_names, check_text, parse_json, too_long};
use crate::config::ConfigProblem;
use crate::decoder::{Decoder, Form};
use crate::json::Names as _;
use crate::mapped::{Mapper, Reading};
use crate::personal::PersonalFields;
use crate::wire::{SCHEMA_IDS_MAX, WireForm};

/// Which schemas of a registry a feed's file accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptedSchemas {
    /// Every one: the file has no `schema_ids`.
    All,
    /// Those with these ids, 1 to [`AcceptedSchemas::IDS_MAX`] of them.
    Listed(BTreeSet<u32>),
}

impl AcceptedSchemas {
    /// The most ids that a feed's file may list.
    pub const IDS_MAX: usize = SCHEMA_IDS_MAX;
}

impl Decoder {
    /// The schemas that the feed accepts; `None` unless its wire is `confluent`.
    pub fn accepted_schemas(&self) -> Option<AcceptedSchemas> {
        match &self.wire {
            WireForm::Plain => None,
            WireForm::Confluent { schema_ids, .. } => Some(match schema_ids {
                None => AcceptedSchemas::All,
                Some(ids) => AcceptedSchemas::Listed(ids.clone()),
            }),
        }
    }

    /// Checks that this feed can read the messages of a registered schema. `kind` is what the
    /// registry calls `schemaType`: `AVRO`, `JSON` or `PROTOBUF`.
    ///
    /// For the formats `json` and `protobuf` the schema must be as [`crate::check_schema`] says. For
    /// `mapped_json` it must be a JSON Schema of one object, or of an array of such, with every
    /// field that a record cannot be read without. Fields that could identify a person are those of
    /// the feed's file.
    ///
    /// # Errors
    /// Everything that does not fit, each with its place in the schema.
    pub fn check_schema(&self, kind: &str, text: &str) -> Result<(), Vec<ConfigProblem>> {
        let personal = &self.personal;
        let other = |wanted: &str| {
            let message = format!("is of type {kind}, and the feed reads {wanted} only");
            Err(vec![ConfigProblem::new("schema", message)])
        };
        match (&self.form, kind) {
            (Form::Json, "JSON") => check_text(SchemaKind::Json, text, personal),
            (Form::MappedJson(mapper), "JSON") => check_mapped(mapper, personal, text),
            (Form::Json | Form::MappedJson(_), _) => other("JSON"),
            (Form::Protobuf, "PROTOBUF") => check_text(SchemaKind::Protobuf, text, personal),
            (Form::Protobuf, _) => other("PROTOBUF"),
            (Form::Arrow | Form::Csv(_) | Form::GtfsRealtime(_) | Form::Siri(_), _) => {
                let message = "the feed's format has no schemas of a registry";
                Err(vec![ConfigProblem::new("schema", message)])
            }
        }
    }
}

fn check_mapped(
    mapper: &Mapper,
    personal: &PersonalFields,
    text: &str,
) -> Result<(), Vec<ConfigProblem>> {
    if let Some(problem) = too_long(text) {
        return Err(vec![problem]);
    }
    let schema = parse_json(text).map_err(|problem| vec![problem])?;
    let record = match schema.get("type").and_then(Value::as_str) {
        Some("array") => &schema["items"],
        _ => &schema,
    };
    let mut problems = Vec::new();
    if let Some(fields) = record["properties"].as_object() {
        check_fields(mapper, fields, &mut problems);
    } else {
        let message = "tells no fields: an object with `properties` is expected at its top";
        problems.push(ConfigProblem::new("schema", message));
    }
    check_json_names(&schema, personal, &mut problems);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

fn check_fields(mapper: &Mapper, fields: &Map<String, Value>, problems: &mut Vec<ConfigProblem>) {
    let plan = mapper.plan();
    let slots = &plan.slots;
    // Of several spellings the one that records are read by.
    let mut found: Vec<Option<(usize, &Value)>> = vec![None; slots.slots()];
    for (name, field) in fields {
        if let Some((slot, rank)) = slots.find(name)
            && found[slot].is_none_or(|(before, _)| rank < before)
        {
            found[slot] = Some((rank, field));
        }
    }
    let counts = plan.counts.iter().filter_map(|count| match count.reading {
        Reading::Column(slot) => Some(slot),
        Reading::Each(_) => None,
    });
    let counts: BTreeSet<usize> = counts.collect();
    if plan.wide && counts.iter().all(|slot| found[*slot].is_none()) {
        let message = "none of the hour columns of [mapping.wide] is a field of the schema";
        problems.push(ConfigProblem::new("schema", message));
    }
    let mut needed = plan.needed_slots();
    if !plan.wide {
        needed.extend(&counts);
    }
    for slot in needed {
        let name = slots.name(slot);
        match found[slot].map(|(_, field)| field["type"].as_str()) {
            None => {
                let message = "is needed by [mapping], and the schema has no such field";
                problems.push(ConfigProblem::new(name, message));
            }
            Some(Some(kind @ ("object" | "array"))) => {
                let message = format!("is an {kind}, where a text or a number is read");
                problems.push(ConfigProblem::new(name, message));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::FeedId;

    use crate::config::FeedConfig;

    const PROTO: &str = include_str!("../../../../schemas/observation.proto");
    const JSON: &str = include_str!("../../../../schemas/observation.schema.json");
    const TABLE: &str = "format = 'mapped_json'\nwire = 'confluent'\n[mapping]\nsite = ['Gate | gate']\n\
        count = 'n'\nmeasure = 'in'\nlat = 'y'\nlng = 'x'\ntime = { columns = ['at'], format = 'unix_s' }";

    fn decoder(text: &str) -> Decoder {
        let config: FeedConfig = toml::from_str(text).unwrap();
        Decoder::try_new(FeedId::new("gates"), &config).unwrap()
    }

    #[track_caller]
    fn check(feed: &str, kind: &str, text: &str, want: &[&str]) {
        let problems = decoder(feed).check_schema(kind, text).err();
        let got: Vec<String> = problems.iter().flatten().map(ToString::to_string).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn each_format_reads_schemas_of_its_kind() {
        let (json, proto) = ("format = 'json'", "format = 'protobuf'");
        check(json, "JSON", JSON, &[]);
        check(proto, "PROTOBUF", PROTO, &[]);
        let want = "schema: is of type AVRO, and the feed reads JSON only";
        check(json, "AVRO", JSON, &[want]);
        check(TABLE, "AVRO", "{}", &[want]);
        let want = "schema: is of type JSON, and the feed reads PROTOBUF only";
        check(proto, "JSON", JSON, &[want]);
        let want = "schema: the feed's format has no schemas of a registry";
        check("format = 'arrow'", "JSON", JSON, &[want]);
        // The feed's own list of personal fields counts.
        let schema = PROTO.replace("reserved 1;", "string phone = 12; string hat = 13;");
        let want = "Observation.phone: could identify a person";
        check(proto, "PROTOBUF", &schema, &[want]);
        let own = "format = 'protobuf'\npersonal_fields = ['hat']";
        let want = "Observation.hat: could identify a person";
        check(own, "PROTOBUF", &schema, &[want]);
    }

    #[test]
    fn a_mapping_finds_its_fields() {
        let object = r#"{"type":"object","properties":{"gate":{"type":"string"},"n":{},
            "at":{"type":["integer","null"]},"note":{"type":"object"}}}"#;
        let check = |feed: &str, text: &str, want: &[&str]| check(feed, "JSON", text, want);
        // Places may be missing, and what is not mapped may be anything.
        check(TABLE, object, &[]);
        let list = format!("{{\"type\":\"array\",\"items\":{object}}}");
        check(TABLE, &list, &[]);
        let missing = "is needed by [mapping], and the schema has no such field";
        let want = format!("Gate | gate: {missing}");
        check(TABLE, &object.replace("gate", "door"), &[&want]);
        let two = object.replace("\"n\"", "\"m\"").replace("\"at\"", "\"on\"");
        let want = [format!("at: {missing}"), format!("n: {missing}")];
        check(TABLE, &two, &[&want[0], &want[1]]);
        let nested = object.replace("\"n\":{}", "\"n\":{\"type\":\"array\"}");
        let want = "n: is an array, where a text or a number is read";
        check(TABLE, &nested, &[want]);
        let personal = object.replace("\"note\":{", "\"note\":{\"properties\":{\"phone\":{}},");
        check(TABLE, &personal, &["phone: could identify a person"]);
        let want = "schema: tells no fields: an object with `properties` is expected at its top";
        check(TABLE, "{}", &[want]);
        check(TABLE, "true", &[want]);
        let message = decoder(TABLE).check_schema("JSON", "{").unwrap_err();
        assert!(message[0].message.starts_with("is not JSON"), "{message:?}");
        let long = " ".repeat((1 << 20) + 1);
        check(TABLE, &long, &["schema: 1048577 bytes, more than 1048576"]);
    }

    #[test]
    fn a_wide_table_needs_one_of_its_hours() {
        let feed = "format = 'mapped_json'\n[mapping]\nsite = ['gate']\nmeasure = 'in'\n\
            wide = { pattern = 'h{hour}' }\ntime = { columns = ['at'], format = '%Y-%m-%d', zone = 'UTC' }";
        let object = r#"{"properties":{"gate":{},"at":{},"h7":{}}}"#;
        check(feed, "JSON", object, &[]);
        let want = "schema: none of the hour columns of [mapping.wide] is a field of the schema";
        check(feed, "JSON", &object.replace("h7", "h77"), &[want]);
    }

    #[test]
    fn the_accepted_ids_are_those_of_the_file() {
        let accepted = |text: &str| decoder(text).accepted_schemas();
        assert_eq!(accepted("format = 'json'"), None);
        let all = accepted("format = 'json'\nwire = 'confluent'");
        assert_eq!(all, Some(AcceptedSchemas::All));
        let listed = accepted("format = 'json'\nwire = 'confluent'\nschema_ids = [21, 17, 21]");
        assert_eq!(listed, Some(AcceptedSchemas::Listed([17, 21].into())));
    }
}
