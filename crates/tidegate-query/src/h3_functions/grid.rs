//! Kernels on the grid: disks, rings, distances, paths and edges.

use h3o::CellIndex;

use super::cells::{indexes, require_one_resolution};
use super::kernel::{Fault, Output, Row};
use super::{CELLS_PER_CALL_MAX, GRID_STEPS_MAX};

pub(super) fn grid_disk(row: &Row<'_>) -> Result<Output, Fault> {
    let (cell, k) = (row.cell(0)?, steps(row, 1)?);
    Ok(indexes(cell.grid_disk::<Vec<_>>(k)))
}

pub(super) fn grid_ring(row: &Row<'_>) -> Result<Output, Fault> {
    let (cell, k) = (row.cell(0)?, steps(row, 1)?);
    Ok(indexes(cell.grid_ring::<Vec<_>>(k)))
}

fn steps(row: &Row<'_>, idx: usize) -> Result<u32, Fault> {
    let k = row.integer(idx);
    u32::try_from(k)
        .ok()
        .filter(|&k| k <= GRID_STEPS_MAX)
        .ok_or_else(|| Fault::new(format!("k {k} is not between 0 and {GRID_STEPS_MAX}")))
}

pub(super) fn grid_distance(row: &Row<'_>) -> Result<Output, Fault> {
    let (from, to) = pair(row)?;
    Ok(Output::Integer(distance(from, to)?.into()))
}

pub(super) fn grid_path_cells(row: &Row<'_>) -> Result<Output, Fault> {
    let (from, to) = pair(row)?;
    let distance = distance(from, to)?;
    if u64::from(distance.unsigned_abs()) >= CELLS_PER_CALL_MAX {
        return Err(Fault::new(format!(
            "the path from {from} to {to} has {distance} steps, and the limit is \
             {CELLS_PER_CALL_MAX} cells"
        )));
    }
    let path: Result<Vec<_>, _> = from.grid_path_cells(to).and_then(Iterator::collect);
    path.map(indexes)
        .map_err(|error| unreached(from, to, error))
}

fn distance(from: CellIndex, to: CellIndex) -> Result<i32, Fault> {
    from.grid_distance(to)
        .map_err(|error| unreached(from, to, error))
}

fn unreached(from: CellIndex, to: CellIndex, error: impl std::error::Error) -> Fault {
    Fault::new(format!(
        "the grid has no local coordinates from {from} to {to}: {error}"
    ))
}

pub(super) fn are_neighbor_cells(row: &Row<'_>) -> Result<Output, Fault> {
    let (a, b) = pair(row)?;
    a.is_neighbor_with(b)
        .map(Output::Boolean)
        .map_err(Fault::from_error)
}

pub(super) fn cells_to_directed_edge(row: &Row<'_>) -> Result<Output, Fault> {
    let (from, to) = pair(row)?;
    from.edge(to)
        .map(|edge| Output::Index(edge.into()))
        .ok_or_else(|| Fault::new(format!("cells {from} and {to} are not neighbours")))
}

pub(super) fn get_directed_edge_origin(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(Output::Index(row.edge(0)?.origin().into()))
}

pub(super) fn get_directed_edge_destination(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(Output::Index(row.edge(0)?.destination().into()))
}

/// Two cells of one resolution.
fn pair(row: &Row<'_>) -> Result<(CellIndex, CellIndex), Fault> {
    let (a, b) = (row.cell(0)?, row.cell(1)?);
    require_one_resolution(&[a, b])?;
    Ok((a, b))
}
