//! From a site's id or a coordinate to venue and cell.

use std::collections::BTreeSet;

use arrow::array::{Array, BooleanArray, RecordBatch, StringBuilder, UInt64Builder};
use arrow::compute::filter_record_batch;
use rustc_hash::FxHashMap;
use tidegate_feeds::{Decoder, UnknownSite};
use tidegate_model::{
    Cell, CellFinder, ObservationBatch, Payload, Position, Reason, Rejected, Resolution, Site,
};

/// Locates observations: by the registry of sites, else by the coordinates that they carry.
#[derive(Debug)]
pub struct Locator {
    /// Only looked up, never walked: its order reaches no output.
    sites: FxHashMap<String, (Option<String>, Option<Cell>)>,
    cells: CellFinder,
}

/// A row that could not be located.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlocated {
    /// Where the row's record stands in its source.
    pub position: Position,
    /// The site that it names.
    pub site: String,
    /// [`Reason::UnlocatableSite`] where the registry has the site and no place for it, else
    /// [`Reason::UnknownSite`].
    pub reason: Reason,
}

impl Locator {
    /// A locator over `sites` that gives cells of `resolution`.
    pub fn new(sites: &[Site], resolution: Resolution) -> Self {
        let sites = sites
            .iter()
            .map(|site| (site.id.clone(), (site.venue_id.clone(), site.cell)))
            .collect();
        Self {
            sites,
            cells: CellFinder::new(resolution),
        }
    }

    /// The rows of `batch` with venue and cell, and those that could not be located.
    ///
    /// A row of a registered site has the site's venue and cell; where the site has no cell, and
    /// where the registry does not have the site, the cell is that of the row's own coordinates.
    /// `unknown` says what becomes of a row that has neither venue nor cell then. Both parts keep
    /// the order of `batch`.
    pub fn locate(
        &mut self,
        batch: &ObservationBatch,
        unknown: UnknownSite,
    ) -> (ObservationBatch, Vec<Unlocated>) {
        let mut venues = StringBuilder::with_capacity(batch.len(), batch.len() * 8);
        let mut cells = UInt64Builder::with_capacity(batch.len());
        let mut unlocated = Vec::new();
        let mut kept = Vec::new();
        for row in 0..batch.len() {
            let site_id = batch.site_id().value(row);
            let registered = self.sites.get(site_id);
            let mut by_coordinate = || own_cell(&mut self.cells, batch, row);
            let found = match registered {
                Some((venue, Some(cell))) => Ok((venue.as_deref(), Some(*cell))),
                // A registered site without a place may still say where it is.
                Some((venue, None)) => Ok((venue.as_deref(), by_coordinate())),
                None => Ok((None, by_coordinate())),
            };
            let found = match found {
                Ok((None, None)) if unknown == UnknownSite::Reject => Err(match registered {
                    Some(_) => Reason::UnlocatableSite,
                    None => Reason::UnknownSite,
                }),
                found => found,
            };
            match found {
                Ok((venue, cell)) => {
                    venues.append_option(venue);
                    cells.append_option(cell.map(Cell::index));
                }
                Err(reason) => {
                    if unlocated.is_empty() {
                        kept = vec![true; batch.len()];
                    }
                    kept[row] = false;
                    let position = batch.position(row);
                    unlocated.push(Unlocated {
                        position,
                        site: site_id.to_owned(),
                        reason,
                    });
                    venues.append_null();
                    cells.append_null();
                }
            }
        }
        let located = batch.with_location(venues.finish(), cells.finish());
        if unlocated.is_empty() {
            return (located, unlocated);
        }
        let rows: RecordBatch =
            filter_record_batch(located.batch(), &BooleanArray::from(kept)).expect("one bit a row");
        (
            ObservationBatch::try_new(rows).expect("filtering keeps the schema"),
            unlocated,
        )
    }
}

/// The cell of the row's own coordinate, if it has one.
fn own_cell(finder: &mut CellFinder, batch: &ObservationBatch, row: usize) -> Option<Cell> {
    if batch.latitude().is_null(row) || batch.longitude().is_null(row) {
        return None;
    }
    let (latitude, longitude) = (batch.latitude().value(row), batch.longitude().value(row));
    finder.find(latitude, longitude).ok()
}

/// The bytes that each of these records was decoded from, which came by `payloads`: its own, not
/// those of its neighbours in the message. Records of one message stand side by side.
pub(crate) fn own_bytes(
    decoder: &mut Decoder,
    positions: &[Position],
    payloads: &[Payload<'_>],
) -> Vec<Option<Vec<u8>>> {
    let mut own = Vec::with_capacity(positions.len());
    for records in positions.chunk_by(|a, b| a.offset == b.offset) {
        let message = payloads
            .binary_search_by_key(&records[0].offset, |payload| payload.position.offset)
            .ok()
            .and_then(|index| payloads[index].bytes);
        let wanted: BTreeSet<i32> = records.iter().map(|position| position.row).collect();
        let bytes = message.map(|message| decoder.record_bytes(message, &wanted));
        let of = |position: &Position| bytes.as_ref()?.get(&position.row).cloned();
        own.extend(records.iter().map(of));
    }
    own
}

/// The rejections of records that decoded well but have no place, which came by `payloads`.
pub(crate) fn reject_unlocated(
    decoder: &mut Decoder,
    unlocated: &[Unlocated],
    payloads: &[Payload<'_>],
) -> Vec<Rejected> {
    let positions: Vec<Position> = unlocated.iter().map(|row| row.position).collect();
    let bytes = own_bytes(decoder, &positions, payloads);
    let reject = |(row, bytes): (&Unlocated, Option<Vec<u8>>)| Rejected {
        feed: decoder.feed().clone(),
        position: row.position,
        reason: row.reason,
        detail: format!(
            "site {:?} is not in the registry, or has no place there, and the record has no \
             coordinates",
            row.site.chars().take(80).collect::<String>()
        ),
        site: Some(row.site.clone()),
        bytes,
    };
    unlocated.iter().zip(bytes).map(reject).collect()
}
