//! Reading a pipeline folder from disk.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

mod schedule;

pub(crate) use schedule::read_bytes;

use tidegate_pipeline::{Pipeline, Problem, RULES, Source};

/// Files of a pipeline folder larger than this are not read.
pub(crate) const FILE_BYTES_MAX: u64 = 64 << 20;

/// A pipeline folder with problems: exit code 78 (`EX_CONFIG`).
#[derive(Debug, thiserror::Error)]
#[error("{}", list(.0))]
pub(crate) struct BadPipeline(pub Vec<Problem>);

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    let noun = if problems.len() == 1 {
        "problem"
    } else {
        "problems"
    };
    format!(
        "{} {noun} in the pipeline folder:\n  {}",
        problems.len(),
        lines.join("\n  ")
    )
}

/// Reads and checks the folder at `path`.
pub(crate) async fn load(path: &Path) -> Result<Arc<Pipeline>> {
    checked(path, |_| true).await
}

/// Reads and checks all but the rules, which are to be replaced.
pub(crate) async fn load_without_rules(path: &Path) -> Result<Arc<Pipeline>> {
    checked(path, |file| file != RULES).await
}

async fn checked(path: &Path, is_wanted: fn(&str) -> bool) -> Result<Arc<Pipeline>> {
    let mut files = read(path).map_err(|error| {
        let message = format!("{error:#}");
        BadPipeline(vec![Problem::new(&path.display().to_string(), "", message)])
    })?;
    files.retain(|(file, _)| is_wanted(file));
    let pipeline = Pipeline::load(&Source::new(files)).await;
    Ok(Arc::new(pipeline.map_err(BadPipeline)?))
}

fn read(root: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    read_folder(root, "", &mut files)?;
    for folder in ["feeds", "windows", "layers", "tests"] {
        if root.join(folder).is_dir() {
            read_folder(&root.join(folder), &format!("{folder}/"), &mut files)?;
        }
    }
    schedule::read(root, &mut files)?;
    Ok(files)
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| "cannot be read as a folder")?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let extension = path
            .extension()
            .and_then(|extension| extension.to_str())
            .unwrap_or("");
        let wanted = ["toml", "sql", "json", "geojson", "csv"].contains(&extension);
        if !wanted || !path.is_file() {
            continue;
        }
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let size = entry.metadata()?.len();
        anyhow::ensure!(
            size <= FILE_BYTES_MAX,
            "{name} has {size} bytes, more than {FILE_BYTES_MAX}"
        );
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
        files.push((name, text));
    }
    Ok(())
}
