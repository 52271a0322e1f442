//! The table of H3 functions: names, parameters, results, what they promise, tested examples.

use super::kernel::{Definition, Domain, Kind, Parameter, Returns};
use super::{cells, geometry, grid};

const fn parameter(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter { name, kind, about }
}

const CELL: Parameter = parameter("cell", Kind::Cell, "H3 cell");
const FROM: Parameter = parameter("a", Kind::Cell, "H3 cell to go from");
const TO: Parameter = parameter("b", Kind::Cell, "H3 cell to go to");
const EDGE: Parameter = parameter("edge", Kind::Cell, "H3 directed edge");
const INDEX: Parameter = parameter("index", Kind::Cell, "H3 cell, directed edge or vertex");
const INDEX_TEXT: Parameter = parameter("text", Kind::Text, "H3 index in hexadecimal");
const CELLS: Parameter = parameter("cells", Kind::CellList, "list of H3 cells, none NULL");
const LATITUDE: Parameter = parameter("lat", Kind::Float, "degrees north, -90 to 90");
const LONGITUDE: Parameter = parameter("lng", Kind::Float, "degrees east, -180 to 180");
const RESOLUTION: Parameter = parameter("resolution", Kind::Integer, "H3 resolution, 0 to 15");
const PARENT_RESOLUTION: Parameter = parameter(
    "resolution",
    Kind::Integer,
    "H3 resolution, 0 to that of the cell",
);
const CHILD_RESOLUTION: Parameter = parameter(
    "resolution",
    Kind::Integer,
    "H3 resolution, that of the cell to 15; at most 1,000,000 cells",
);
const STEPS: Parameter = parameter("k", Kind::Integer, "steps on the grid, 0 to 576");
const AREA_UNIT: Parameter = parameter("unit", Kind::Text, "'m^2', 'km^2' or 'rads^2'");
const POLYGON_WKT: Parameter = parameter(
    "wkt",
    Kind::Text,
    "POLYGON or MULTIPOLYGON in WGS 84 degrees, longitude before latitude",
);
const POLYGON_WKB: Parameter = parameter(
    "wkb",
    Kind::Bytes,
    "POLYGON or MULTIPOLYGON in WGS 84 degrees, longitude before latitude",
);

pub(super) const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "h3_latlng_to_cell",
        parameters: &[LATITUDE, LONGITUDE, RESOLUTION],
        returns: Returns::NewCell,
        domain: Domain::Partial,
        kernel: cells::latlng_to_cell,
        about: "The cell that contains a WGS 84 coordinate, as BIGINT UNSIGNED. Latitude comes \
            first.",
        example: (
            "h3_latlng_to_cell(51.5072, -0.1276, 9)",
            "617439388698673151",
        ),
    },
    Definition {
        name: "h3_latlng_to_cell_string",
        parameters: &[LATITUDE, LONGITUDE, RESOLUTION],
        returns: Returns::Text,
        domain: Domain::Partial,
        kernel: cells::latlng_to_cell_string,
        about: "The cell that contains a WGS 84 coordinate, as hexadecimal text. Latitude \
            comes first.",
        example: (
            "h3_latlng_to_cell_string(51.5072, -0.1276, 9)",
            "89195da49b7ffff",
        ),
    },
    Definition {
        name: "h3_cell_to_lat",
        parameters: &[CELL],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: cells::cell_to_lat,
        about: "The latitude of a cell's centre in degrees.",
        example: ("round(h3_cell_to_lat('89195da49b7ffff'), 6)", "51.507842"),
    },
    Definition {
        name: "h3_cell_to_lng",
        parameters: &[CELL],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: cells::cell_to_lng,
        about: "The longitude of a cell's centre in degrees.",
        example: ("round(h3_cell_to_lng('89195da49b7ffff'), 6)", "-0.125709"),
    },
    Definition {
        name: "h3_cell_to_latlng",
        parameters: &[CELL],
        returns: Returns::Floats,
        domain: Domain::Partial,
        kernel: cells::cell_to_latlng,
        about: "A cell's centre as the list [latitude, longitude] in degrees.",
        example: (
            "round(h3_cell_to_latlng('89195da49b7ffff')[1], 6)",
            "51.507842",
        ),
    },
    Definition {
        name: "h3_cell_to_boundary_wkt",
        parameters: &[CELL],
        returns: Returns::Text,
        domain: Domain::Partial,
        kernel: geometry::cell_to_boundary_wkt,
        about: "A cell's outline as WKT, longitude before latitude: a POLYGON, or a \
            MULTIPOLYGON cut at the antimeridian.",
        example: (
            "left(h3_cell_to_boundary_wkt('8001fffffffffff'), 12)",
            "MULTIPOLYGON",
        ),
    },
    Definition {
        name: "h3_cell_to_boundary_wkb",
        parameters: &[CELL],
        returns: Returns::Bytes,
        domain: Domain::Partial,
        kernel: geometry::cell_to_boundary_wkb,
        about: "A cell's outline as ISO WKB, little endian, longitude before latitude; cut as \
            by `h3_cell_to_boundary_wkt`.",
        example: (
            "left(encode(h3_cell_to_boundary_wkb('89195da49b7ffff'), 'hex'), 10)",
            "0103000000",
        ),
    },
    Definition {
        name: "h3_cell_to_boundary_geojson",
        parameters: &[CELL],
        returns: Returns::Text,
        domain: Domain::Partial,
        kernel: geometry::cell_to_boundary_geojson,
        about: "A cell's outline as a GeoJSON geometry (RFC 7946); cut as by \
            `h3_cell_to_boundary_wkt`.",
        example: (
            "left(h3_cell_to_boundary_geojson('89195da49b7ffff'), 17)",
            "{\"type\":\"Polygon\"",
        ),
    },
    Definition {
        name: "h3_polygon_wkt_to_cells",
        parameters: &[POLYGON_WKT, RESOLUTION],
        returns: Returns::NewCells,
        domain: Domain::Partial,
        kernel: geometry::polygon_wkt_to_cells,
        about: "The cells whose centre lies in a polygon given as WKT, ascending, as BIGINT \
            UNSIGNED. A polygon smaller than a cell may have none. A step of more than 180 \
            degrees in longitude is taken to cross the antimeridian.",
        example: (
            "cardinality(h3_polygon_wkt_to_cells('POLYGON ((-0.13 51.50, -0.12 51.50, -0.12 \
            51.51, -0.13 51.51, -0.13 51.50))', 9))",
            "7",
        ),
    },
    Definition {
        name: "h3_polygon_wkb_to_cells",
        parameters: &[POLYGON_WKB, RESOLUTION],
        returns: Returns::NewCells,
        domain: Domain::Partial,
        kernel: geometry::polygon_wkb_to_cells,
        about: "As `h3_polygon_wkt_to_cells`, for a polygon given as WKB.",
        example: (
            "cardinality(h3_polygon_wkb_to_cells(h3_cell_to_boundary_wkb('87195da49ffffff'), \
            9))",
            "49",
        ),
    },
    Definition {
        name: "h3_cells_to_multi_polygon_wkt",
        parameters: &[CELLS],
        returns: Returns::Text,
        domain: Domain::Partial,
        kernel: geometry::cells_to_multi_polygon_wkt,
        about: "The outline of a list of cells of one resolution as a WKT MULTIPOLYGON. It is \
            not cut at the antimeridian.",
        example: (
            "left(h3_cells_to_multi_polygon_wkt(['89195da49b7ffff']), 12)",
            "MULTIPOLYGON",
        ),
    },
    Definition {
        name: "h3_cell_to_parent",
        parameters: &[CELL, PARENT_RESOLUTION],
        returns: Returns::Cell,
        domain: Domain::Partial,
        kernel: cells::cell_to_parent,
        about: "The ancestor of a cell at a coarser or equal resolution.",
        example: ("h3_cell_to_parent('89195da49b7ffff', 7)", "87195da49ffffff"),
    },
    Definition {
        name: "h3_cell_to_center_child",
        parameters: &[CELL, CHILD_RESOLUTION],
        returns: Returns::Cell,
        domain: Domain::Partial,
        kernel: cells::cell_to_center_child,
        about: "The descendant at a cell's centre, at a finer or equal resolution.",
        example: (
            "h3_cell_to_center_child('89195da49b7ffff', 10)",
            "8a195da49b47fff",
        ),
    },
    Definition {
        name: "h3_cell_to_children",
        parameters: &[CELL, CHILD_RESOLUTION],
        returns: Returns::Cells,
        domain: Domain::Partial,
        kernel: cells::cell_to_children,
        about: "All descendants of a cell at a finer or equal resolution, ascending, as a list \
            for UNNEST.",
        example: (
            "cardinality(h3_cell_to_children('89195da49b7ffff', 11))",
            "49",
        ),
    },
    Definition {
        name: "h3_compact_cells",
        parameters: &[CELLS],
        returns: Returns::Cells,
        domain: Domain::Partial,
        kernel: cells::compact_cells,
        about: "A list of distinct cells of one resolution with every complete family replaced \
            by its ancestor.",
        example: (
            "h3_compact_cells(h3_cell_to_children('89195da49b7ffff', 11))",
            "[89195da49b7ffff]",
        ),
    },
    Definition {
        name: "h3_uncompact_cells",
        parameters: &[CELLS, CHILD_RESOLUTION],
        returns: Returns::Cells,
        domain: Domain::Partial,
        kernel: cells::uncompact_cells,
        about: "All descendants of a list of cells at a finer or equal resolution.",
        example: (
            "cardinality(h3_uncompact_cells(['89195da49b7ffff', '88195da4b1fffff'], 10))",
            "56",
        ),
    },
    Definition {
        name: "h3_grid_disk",
        parameters: &[CELL, STEPS],
        returns: Returns::Cells,
        domain: Domain::Partial,
        kernel: grid::grid_disk,
        about: "All cells within `k` steps of a cell, itself included, as a list for UNNEST.",
        example: ("cardinality(h3_grid_disk('89195da49b7ffff', 2))", "19"),
    },
    Definition {
        name: "h3_grid_ring",
        parameters: &[CELL, STEPS],
        returns: Returns::Cells,
        domain: Domain::Partial,
        kernel: grid::grid_ring,
        about: "All cells exactly `k` steps from a cell, as a list for UNNEST.",
        example: ("cardinality(h3_grid_ring('89195da49b7ffff', 2))", "12"),
    },
    Definition {
        name: "h3_grid_distance",
        parameters: &[FROM, TO],
        returns: Returns::Integer,
        domain: Domain::Partial,
        kernel: grid::grid_distance,
        about: "The number of steps between two cells of one resolution.",
        example: (
            "h3_grid_distance('89195da49b7ffff', '89195da4983ffff')",
            "3",
        ),
    },
    Definition {
        name: "h3_grid_path_cells",
        parameters: &[FROM, TO],
        returns: Returns::Cells,
        domain: Domain::Partial,
        kernel: grid::grid_path_cells,
        about: "The cells of a line between two cells of one resolution, both ends included.",
        example: (
            "h3_grid_path_cells('89195da49b7ffff', '89195da4983ffff')",
            "[89195da49b7ffff, 89195da49b3ffff, 89195da4987ffff, 89195da4983ffff]",
        ),
    },
    Definition {
        name: "h3_are_neighbor_cells",
        parameters: &[FROM, TO],
        returns: Returns::Boolean,
        domain: Domain::Partial,
        kernel: grid::are_neighbor_cells,
        about: "Whether two cells of one resolution share an edge. A cell is not its own \
            neighbour.",
        example: (
            "h3_are_neighbor_cells('89195da49b7ffff', '89195da49b3ffff')",
            "true",
        ),
    },
    Definition {
        name: "h3_cells_to_directed_edge",
        parameters: &[FROM, TO],
        returns: Returns::Cell,
        domain: Domain::Partial,
        kernel: grid::cells_to_directed_edge,
        about: "The directed edge from a cell to its neighbour: a key for flows.",
        example: (
            "h3_cells_to_directed_edge('89195da49b7ffff', '89195da49b3ffff')",
            "169195da49b7ffff",
        ),
    },
    Definition {
        name: "h3_get_directed_edge_origin",
        parameters: &[EDGE],
        returns: Returns::Cell,
        domain: Domain::Partial,
        kernel: grid::get_directed_edge_origin,
        about: "The cell that a directed edge leaves.",
        example: (
            "h3_get_directed_edge_origin('169195da49b7ffff')",
            "89195da49b7ffff",
        ),
    },
    Definition {
        name: "h3_get_directed_edge_destination",
        parameters: &[EDGE],
        returns: Returns::Cell,
        domain: Domain::Partial,
        kernel: grid::get_directed_edge_destination,
        about: "The cell that a directed edge enters.",
        example: (
            "h3_get_directed_edge_destination('169195da49b7ffff')",
            "89195da49b3ffff",
        ),
    },
    Definition {
        name: "h3_get_resolution",
        parameters: &[CELL],
        returns: Returns::Integer,
        domain: Domain::Partial,
        kernel: cells::get_resolution,
        about: "The resolution of a cell, 0 to 15.",
        example: ("h3_get_resolution('89195da49b7ffff')", "9"),
    },
    Definition {
        name: "h3_is_valid_cell",
        parameters: &[CELL],
        returns: Returns::Boolean,
        domain: Domain::Total,
        kernel: cells::is_valid_cell,
        about: "Whether a value is an H3 cell.",
        example: ("h3_is_valid_cell('89195da49b7ffff')", "true"),
    },
    Definition {
        name: "h3_is_pentagon",
        parameters: &[CELL],
        returns: Returns::Boolean,
        domain: Domain::Partial,
        kernel: cells::is_pentagon,
        about: "Whether a cell is one of the twelve pentagons of its resolution.",
        example: ("h3_is_pentagon('8009fffffffffff')", "true"),
    },
    Definition {
        name: "h3_string_to_h3",
        parameters: &[INDEX_TEXT],
        returns: Returns::NewCell,
        domain: Domain::Partial,
        kernel: cells::string_to_h3,
        about: "The number of an H3 cell, directed edge or vertex given as hexadecimal text, \
            as BIGINT UNSIGNED.",
        example: ("h3_string_to_h3('89195da49b7ffff')", "617439388698673151"),
    },
    Definition {
        name: "h3_h3_to_string",
        parameters: &[INDEX],
        returns: Returns::Text,
        domain: Domain::Partial,
        kernel: cells::h3_to_string,
        about: "The hexadecimal text of an H3 cell, directed edge or vertex.",
        example: ("h3_h3_to_string(617439388698673151)", "89195da49b7ffff"),
    },
    Definition {
        name: "h3_cell_area",
        parameters: &[CELL, AREA_UNIT],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: cells::cell_area,
        about: "The true area of a cell on the sphere of H3.",
        example: ("round(h3_cell_area('89195da49b7ffff', 'm^2'))", "94175.0"),
    },
    Definition {
        name: "h3_get_hexagon_area_avg",
        parameters: &[RESOLUTION, AREA_UNIT],
        returns: Returns::Float,
        domain: Domain::Partial,
        kernel: cells::get_hexagon_area_avg,
        about: "The mean area of the hexagons of a resolution. The area of one cell differs by \
            up to a half: use `h3_cell_area` for a density.",
        example: ("h3_get_hexagon_area_avg(9, 'km^2')", "0.1053325134272067"),
    },
];
