//! `tidegate sql`: queries over what a run has written.

use std::path::Path;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use tidegate_connect::LakeTable;
use tidegate_query::Session;

use crate::cli::Sql;
use crate::rows::json_lines;

/// Runs the query and gives the text to print.
pub(crate) async fn sql(args: &Sql) -> Result<String> {
    let session = Session::new();
    if let Some(data) = &args.data {
        register(&session, data).await?;
    }
    let (schema, rows) = session.query(&args.query).await.map_err(|error| {
        anyhow::anyhow!(
            "{}\n  tables: {}",
            error.strip_backtrace(),
            session.table_names().join(", ")
        )
    })?;
    if args.json {
        let mut lines = Vec::new();
        for batch in &rows {
            lines.extend(json_lines(batch)?);
        }
        return Ok(String::from_utf8(lines)?);
    }
    let rows = if rows.is_empty() {
        vec![RecordBatch::new_empty(schema)]
    } else {
        rows
    };
    let table = arrow::util::pretty::pretty_format_batches(&rows)?;
    let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
    Ok(format!("{table}\n{count} rows\n"))
}

/// Registers `DIR/pane/NAME.parquet` as `pane_NAME`, and so on; a table that is alone in its folder,
/// such as `alert`, by its own name.
pub(crate) async fn register(session: &Session, data: &Path) -> Result<()> {
    anyhow::ensure!(
        data.is_dir(),
        "{} is not a folder that a run has written",
        data.display()
    );
    for folder in LakeTable::ALL.map(LakeTable::as_str) {
        let Ok(entries) = std::fs::read_dir(data.join(folder)) else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            if path
                .extension()
                .is_none_or(|extension| extension != "parquet")
            {
                continue;
            }
            let name = if stem == folder {
                folder.to_owned()
            } else {
                format!("{folder}_{stem}")
            };
            let file = path.to_str().context("a path that is not UTF-8")?;
            session
                .register_parquet(&name, file)
                .await
                .with_context(|| format!("cannot read {}", path.display()))?;
        }
    }
    Ok(())
}
