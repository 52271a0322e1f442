//! The product's own command on the recorded data: a backfill, and rows of what it has written.
//!
//! Nothing here reads a recorded file: what the scoreboard says was decoded, placed in windows and
//! queried by the product.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

/// The product's command, its pipelines, and the recorded data.
pub(crate) struct Product {
    /// The binary `tidegate`.
    pub(crate) binary: PathBuf,
    /// The folder of the pipeline folders.
    pub(crate) pipelines: PathBuf,
    /// The folder of the recorded feeds.
    pub(crate) data: PathBuf,
}

/// What a backfill has written, for as long as this lives.
pub(crate) struct Backfill {
    binary: PathBuf,
    folder: TempDir,
    /// The summary, as the product printed it.
    pub(crate) summary: Value,
}

impl Product {
    /// Runs a pipeline over inputs `FEED=PATH` below the data, whose path may end in
    /// `*.EXTENSION`.
    pub(crate) fn backfill(&self, pipeline: &str, inputs: &[impl AsRef<str>]) -> Result<Backfill> {
        self.backfill_beside(pipeline, inputs, &BTreeMap::new())
    }

    /// The same beside static GTFS feeds, by the name under which the pipeline looks for them.
    pub(crate) fn backfill_beside(
        &self,
        pipeline: &str,
        inputs: &[impl AsRef<str>],
        gtfs: &BTreeMap<String, String>,
    ) -> Result<Backfill> {
        let folder = tempfile::tempdir()?;
        let copied = folder.path().join("pipeline");
        copy(&self.pipelines.join(pipeline), &copied)?;
        for (name, archive) in gtfs {
            let to = copied.join("gtfs").join(format!("{name}.zip"));
            fs::copy(self.data.join(archive), to)
                .with_context(|| format!("failed to copy {archive}"))?;
        }
        let mut command = Command::new(&self.binary);
        command.arg("backfill").arg(&copied).arg("--out");
        command.arg(folder.path().join("out"));
        for input in inputs {
            for input in self.files(input.as_ref())? {
                command.arg("--input").arg(input);
            }
        }
        let summary = serde_json::from_slice(&output(command.arg("--json"))?)?;
        Ok(Backfill {
            binary: self.binary.clone(),
            folder,
            summary,
        })
    }

    /// The arguments `FEED=FILE` that an input means, in the order of the files' names.
    fn files(&self, input: &str) -> Result<Vec<String>> {
        let (feed, path) = input.split_once('=').context("an input is FEED=PATH")?;
        let Some((folder, extension)) = path.split_once("*.") else {
            return Ok(vec![format!("{feed}={}", self.data.join(path).display())]);
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(self.data.join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|found| found == extension) {
                files.push(format!("{feed}={}", path.display()));
            }
        }
        files.sort();
        Ok(files)
    }
}

impl Backfill {
    /// The rows of a query; a row's fields are named as the query's columns.
    pub(crate) fn rows<Row: DeserializeOwned>(&self, sql: &str) -> Result<Vec<Row>> {
        let mut query = Command::new(&self.binary);
        query.args(["sql", "--json", "--data"]);
        query.arg(self.folder.path().join("out")).arg(sql);
        rows(&output(&mut query)?).with_context(|| format!("rows of {sql}"))
    }
}

fn rows<Row: DeserializeOwned>(lines: &[u8]) -> Result<Vec<Row>> {
    let lines = lines.split(|byte| *byte == b'\n');
    let rows = lines.filter(|line| !line.is_empty());
    Ok(rows.map(serde_json::from_slice).collect::<Result<_, _>>()?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("failed to read {}", from.display()))? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_line() {
        let check = |lines: &str, expected: &[(&str, i64)]| {
            let found: Vec<BTreeMap<String, i64>> = rows(lines.as_bytes()).unwrap();
            let expected = expected
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value));
            let found: Vec<_> = found.into_iter().flatten().collect();
            assert_eq!(found, expected.collect::<Vec<_>>());
        };
        check("", &[]);
        check(
            "{\"sum(x)\":7}\n{\"sum(x)\":8}\n",
            &[("sum(x)", 7), ("sum(x)", 8)],
        );
        assert!(rows::<BTreeMap<String, i64>>(b"{\"x\":\"7\"}").is_err());
    }
}
