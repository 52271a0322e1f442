//! Files that are derived from code and committed, so that readers need no build to see them.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::purity;
use crate::repo::Repo;

/// A generated file: its path relative to the top, and its text.
type Generated = (String, String);

/// Every generated file, in the order of the sources they come from.
fn generate(repo: &Repo) -> Result<Vec<Generated>> {
    let top = fs::read_to_string(repo.root().join("clippy.toml"))
        .context("failed to read clippy.toml")?;
    let mut files = schemas();
    for name in purity::PURE {
        let path = format!("crates/{name}/clippy.toml");
        files.push((path, purity::clippy_toml(name, &top)));
    }
    files.extend(demo_reference());
    Ok(files)
}

/// The synthetic city's reference data, as the demo's pipeline reads it.
fn demo_reference() -> impl Iterator<Item = Generated> {
    let files = tidegate_sim::City::standard().reference_files();
    let files = files.into_iter();
    files.map(|(name, text)| (format!("pipelines/demo/{name}"), text))
}

/// The JSON Schema of every type that a user writes.
fn schemas() -> Vec<Generated> {
    vec![
        schema(
            "observation",
            schemars::schema_for!(tidegate_model::ObservationRecord).to_value(),
        ),
        schema(
            "feed",
            schemars::schema_for!(tidegate_feeds::FeedConfig).to_value(),
        ),
    ]
}

fn schema(name: &str, schema: Value) -> Generated {
    (
        format!("schemas/{name}.schema.json"),
        format!("{schema:#}\n"),
    )
}

/// Writes every generated file whose content changed.
pub(crate) fn write(repo: &Repo) -> Result<()> {
    let stale = stale(repo)?;
    for (path, text) in &stale {
        let file = repo.root().join(path);
        let folder = file.parent().expect("a generated file is below the top");
        fs::create_dir_all(folder).with_context(|| format!("failed to create {path}"))?;
        fs::write(&file, text).with_context(|| format!("failed to write {path}"))?;
        println!("wrote {path}");
    }
    if stale.is_empty() {
        println!("all generated files are up to date");
    }
    Ok(())
}

/// Writes nothing; fails with the list of files that [`write()`] would write.
pub(crate) fn check(repo: &Repo) -> Result<()> {
    let stale: Vec<_> = stale(repo)?.into_iter().map(|(path, _)| path).collect();
    ensure!(
        stale.is_empty(),
        "stale files; run `cargo codegen` and commit them:\n  {}",
        stale.join("\n  ")
    );
    Ok(())
}

fn stale(repo: &Repo) -> Result<Vec<Generated>> {
    let mut files = generate(repo)?;
    files.retain(|(path, text)| {
        // A missing or unreadable file is stale too.
        fs::read_to_string(repo.root().join(path)).ok().as_ref() != Some(text)
    });
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use tidegate_model::{ObservationRecord, parse_rfc3339};

    /// Each committed example is one observation of the named feed, in the product's own form.
    #[test]
    fn examples_are_observations_with_every_documented_field() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/examples");
        let (_, schema) = &schemas()[0];
        let schema: Value = serde_json::from_str(schema).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for feed in ["checkpoint", "rail", "transit", "venue"] {
            let text = fs::read_to_string(folder.join(format!("{feed}.json"))).unwrap();
            let json: Value = serde_json::from_str(&text).unwrap();
            for required in schema["required"].as_array().unwrap() {
                assert!(json.get(required.as_str().unwrap()).is_some(), "{feed}");
            }
            for name in json.as_object().unwrap().keys() {
                assert!(
                    properties.contains_key(name),
                    "{feed}: unknown field {name}"
                );
                seen.insert(name.clone());
            }
            let record: ObservationRecord = serde_json::from_str(&text).unwrap();
            let start = parse_rfc3339(&record.start).unwrap();
            let end = record
                .end
                .as_deref()
                .map_or(start, |end| parse_rfc3339(end).unwrap());
            assert!(start <= end && record.count >= 0, "{feed}");
            assert_eq!(record.lat.is_some(), record.lng.is_some(), "{feed}");
            assert_eq!(serde_json::to_value(&record).unwrap(), json, "{feed}");
        }
        for name in properties.keys() {
            assert!(seen.contains(name), "no example shows the field {name}");
        }
    }
}
