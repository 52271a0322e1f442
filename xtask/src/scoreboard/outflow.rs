//! Expected imports from Wuhan by destination.

use anyhow::Result;
use serde::Deserialize;

use super::product::Product;

#[derive(Deserialize)]
struct Destination {
    persons: u64,
}

/// What the outflow of Wuhan says of where its infectious travellers went.
pub(crate) fn section(product: &Product) -> Result<String> {
    let inputs = ["outflow=wuhan_outflow/outflow_296_prefectures.csv"];
    let backfill = product.backfill("wuhan-outflow", &inputs)?;
    let rows: Vec<Destination> =
        backfill.rows("SELECT persons FROM pane_outflow_24d ORDER BY persons DESC, site_id")?;
    let total: u64 = rows.iter().map(|row| row.persons).sum();
    let top: u64 = rows.iter().take(30).map(|row| row.persons).sum();
    Ok(format!(
        "## Where Wuhan's travellers went\n\n\
         {top} of {total} persons went to 30 of {} prefectures.\n",
        rows.len()
    ))
}
