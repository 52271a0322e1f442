//! The schema that editors use for `ingest.toml` is that of the type that reads it.

use std::path::Path;

use tidegate_ingest::IngestConfig;

/// Set, it writes the schema instead of comparing it.
const WRITE: &str = "TIDEGATE_WRITE_SCHEMA";

#[test]
fn the_committed_schema_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("schemas/ingest.schema.json");
    let schema = schemars::schema_for!(IngestConfig).to_value();
    let text = format!("{schema:#}\n");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "stale: run this test once with {WRITE}=1"
    );
}
