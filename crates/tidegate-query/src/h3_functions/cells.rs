//! Kernels on one cell: its place, area, ancestors, descendants and names.

use h3o::{CellIndex, LatLng, Resolution};
use tidegate_model::Cell;

use super::CELLS_PER_CALL_MAX;
use super::kernel::{Fault, Output, Row};

pub(super) fn latlng_to_cell(row: &Row<'_>) -> Result<Output, Fault> {
    located(row).map(|cell| Output::Index(cell.index()))
}

pub(super) fn latlng_to_cell_string(row: &Row<'_>) -> Result<Output, Fault> {
    located(row).map(|cell| Output::Text(cell.to_string()))
}

fn located(row: &Row<'_>) -> Result<Cell, Fault> {
    let resolution = row.resolution(2)?;
    Cell::at(row.float(0), row.float(1), resolution).map_err(Fault::from_error)
}

pub(super) fn cell_to_lat(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(Output::Float(LatLng::from(row.cell(0)?).lat()))
}

pub(super) fn cell_to_lng(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(Output::Float(LatLng::from(row.cell(0)?).lng()))
}

pub(super) fn cell_to_latlng(row: &Row<'_>) -> Result<Output, Fault> {
    let centre = LatLng::from(row.cell(0)?);
    Ok(Output::Floats(vec![centre.lat(), centre.lng()]))
}

pub(super) fn cell_to_parent(row: &Row<'_>) -> Result<Output, Fault> {
    let (cell, resolution) = (row.cell(0)?, row.resolution(1)?);
    let parent = cell.parent(resolution).ok_or_else(|| {
        let own = cell.resolution();
        Fault::new(format!(
            "parent resolution {resolution} is finer than resolution {own} of cell {cell}"
        ))
    })?;
    Ok(Output::Index(parent.into()))
}

pub(super) fn cell_to_center_child(row: &Row<'_>) -> Result<Output, Fault> {
    let (cell, resolution) = (row.cell(0)?, row.resolution(1)?);
    let child = cell
        .center_child(resolution)
        .ok_or_else(|| too_coarse(cell, resolution))?;
    Ok(Output::Index(child.into()))
}

pub(super) fn cell_to_children(row: &Row<'_>) -> Result<Output, Fault> {
    uncompacted(vec![row.cell(0)?], row.resolution(1)?)
}

pub(super) fn uncompact_cells(row: &Row<'_>) -> Result<Output, Fault> {
    uncompacted(row.cells(0)?, row.resolution(1)?)
}

fn uncompacted(cells: Vec<CellIndex>, resolution: Resolution) -> Result<Output, Fault> {
    if let Some(&fine) = cells.iter().find(|cell| cell.resolution() > resolution) {
        return Err(too_coarse(fine, resolution));
    }
    // 1,000,000 items of 4.7e12 children each still fit into 64 bits.
    let count = CellIndex::uncompact_size(cells.iter().copied(), resolution);
    if count > CELLS_PER_CALL_MAX {
        return Err(Fault::new(format!(
            "{count} children at resolution {resolution} are more than the limit of \
             {CELLS_PER_CALL_MAX}"
        )));
    }
    Ok(indexes(CellIndex::uncompact(cells, resolution)))
}

fn too_coarse(cell: CellIndex, resolution: Resolution) -> Fault {
    let own = cell.resolution();
    Fault::new(format!(
        "child resolution {resolution} is coarser than resolution {own} of cell {cell}"
    ))
}

pub(super) fn compact_cells(row: &Row<'_>) -> Result<Output, Fault> {
    let mut cells = row.cells(0)?;
    require_one_resolution(&cells)?;
    cells.sort_unstable();
    if let Some(pair) = cells.windows(2).find(|pair| pair[0] == pair[1]) {
        let twice = pair[0];
        return Err(Fault::new(format!("cell {twice} is twice in the list")));
    }
    CellIndex::compact(&mut cells).map_err(Fault::from_error)?;
    Ok(indexes(cells))
}

/// Refuses cells of different resolutions, naming two of them.
pub(super) fn require_one_resolution(cells: &[CellIndex]) -> Result<(), Fault> {
    let differ = |pair: &&[CellIndex]| pair[0].resolution() != pair[1].resolution();
    match cells.windows(2).find(differ) {
        None => Ok(()),
        Some(pair) => Err(Fault::new(format!(
            "cells {} (resolution {}) and {} (resolution {}) differ in resolution",
            pair[0],
            pair[0].resolution(),
            pair[1],
            pair[1].resolution()
        ))),
    }
}

pub(super) fn get_resolution(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(Output::Integer(u8::from(row.cell(0)?.resolution()).into()))
}

#[expect(clippy::unnecessary_wraps, reason = "every kernel has this shape")]
pub(super) fn is_valid_cell(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(Output::Boolean(row.cell(0).is_ok()))
}

pub(super) fn is_pentagon(row: &Row<'_>) -> Result<Output, Fault> {
    Ok(Output::Boolean(row.cell(0)?.is_pentagon()))
}

pub(super) fn string_to_h3(row: &Row<'_>) -> Result<Output, Fault> {
    row.index(0).map(Output::Index)
}

pub(super) fn h3_to_string(row: &Row<'_>) -> Result<Output, Fault> {
    row.index(0).map(|index| Output::Text(format!("{index:x}")))
}

pub(super) fn cell_area(row: &Row<'_>) -> Result<Output, Fault> {
    let cell = row.cell(0)?;
    Ok(Output::Float(match AreaUnit::try_from_sql(row.text(1))? {
        AreaUnit::SquareMetre => cell.area_m2(),
        AreaUnit::SquareKilometre => cell.area_km2(),
        AreaUnit::Steradian => cell.area_rads2(),
    }))
}

pub(super) fn get_hexagon_area_avg(row: &Row<'_>) -> Result<Output, Fault> {
    let resolution = row.resolution(0)?;
    Ok(Output::Float(match AreaUnit::try_from_sql(row.text(1))? {
        AreaUnit::SquareMetre => resolution.area_m2(),
        AreaUnit::SquareKilometre => resolution.area_km2(),
        AreaUnit::Steradian => resolution.area_rads2(),
    }))
}

enum AreaUnit {
    SquareMetre,
    SquareKilometre,
    Steradian,
}

impl AreaUnit {
    fn try_from_sql(unit: &str) -> Result<Self, Fault> {
        match unit {
            "m^2" => Ok(Self::SquareMetre),
            "km^2" => Ok(Self::SquareKilometre),
            "rads^2" => Ok(Self::Steradian),
            other => Err(Fault::new(format!(
                "unit {} is none of 'm^2', 'km^2', 'rads^2'",
                super::kernel::quoted(other)
            ))),
        }
    }
}

/// The indexes of `cells`, in their order.
pub(super) fn indexes(cells: impl IntoIterator<Item = CellIndex>) -> Output {
    Output::Indexes(cells.into_iter().map(u64::from).collect())
}
