//! Outlines and polygons.

use super::*;

#[test]
fn boundaries_tile_the_world() {
    for resolution in Resolution::range(Resolution::Zero, Resolution::Two) {
        let cells: Vec<_> = CellIndex::base_cells()
            .flat_map(|cell| cell.children(resolution))
            .collect();
        let ctx = session_of(&cells);
        let texts = column(&ctx, "SELECT h3_cell_to_boundary_wkt(cell) FROM cells");
        let mut total = 0.0;
        for text in texts.as_string::<i32>().iter().flatten() {
            let geometry = Geometry::<f64>::try_from_wkt_str(text).unwrap();
            // Signed: a clockwise outline would be taken away.
            total += geometry.signed_area();
            let parts = match geometry {
                Geometry::Polygon(polygon) => vec![polygon],
                Geometry::MultiPolygon(parts) => parts.0,
                other => panic!("{other:?}"),
            };
            for part in &parts {
                let bounds = geo::BoundingRect::bounding_rect(part).unwrap();
                let (low, high) = (bounds.min(), bounds.max());
                assert!(low.x >= -180.0 && high.x <= 180.0, "{text}");
                let polar = high.y.abs().max(low.y.abs()) >= 90.0;
                assert!(bounds.width() < 180.0 || polar, "{text}");
            }
        }
        assert!(
            (total - 360.0 * 180.0).abs() < 1e-6,
            "resolution {resolution}: {total}"
        );
    }
}

#[test]
fn boundaries_keep_the_vertices_of_the_cell() {
    for cell in many_cells() {
        let Geometry::Polygon(polygon) = super::super::geometry::boundary(cell) else {
            continue;
        };
        let vertices = cell.boundary();
        let expected: Vec<_> = vertices.iter().map(|at| (at.lng(), at.lat())).collect();
        let actual: Vec<_> = polygon.exterior().0.iter().map(|at| (at.x, at.y)).collect();
        if actual
            .iter()
            .any(|(x, y)| x.abs() >= 180.0 || y.abs() >= 90.0)
        {
            continue;
        }
        assert_eq!(actual[..actual.len() - 1], expected, "{cell}");
    }
}

#[test]
fn wkb_and_geojson_are_the_same_outline() {
    let cells = many_cells();
    let ctx = session_of(&cells);
    let wkb = column(&ctx, "SELECT h3_cell_to_boundary_wkb(cell) FROM cells");
    let json = column(&ctx, "SELECT h3_cell_to_boundary_geojson(cell) FROM cells");
    for (idx, &cell) in cells.iter().enumerate() {
        let expected = super::super::geometry::boundary(cell);
        let parsed =
            super::super::geometry::polygon_of_wkb(wkb.as_binary::<i32>().value(idx)).unwrap();
        assert_eq!(parsed, expected, "{cell}");
        let json: geojson::Geometry = json.as_string::<i32>().value(idx).parse().unwrap();
        assert_eq!(Geometry::<f64>::try_from(json).unwrap(), expected, "{cell}");
    }
}

/// The cells that `polygon` covers, by asking every cell around it.
fn covered(polygon: &Polygon, around: CellIndex, k: u32) -> Vec<u64> {
    let mut cells: Vec<_> = around
        .grid_disk::<Vec<_>>(k)
        .into_iter()
        .filter(|&cell| {
            let centre = LatLng::from(cell);
            polygon.contains(&Point::new(centre.lng(), centre.lat()))
        })
        .map(u64::from)
        .collect();
    cells.sort_unstable();
    cells
}

fn polygon_cells(polygon: &Polygon, resolution: u8) -> Vec<u64> {
    let sql = format!(
        "SELECT UNNEST(h3_polygon_wkt_to_cells('{}', {resolution}))",
        polygon.wkt_string()
    );
    let batches = run(&session(), &sql).unwrap();
    batches
        .iter()
        .flat_map(|batch| {
            batch
                .column(0)
                .as_primitive::<UInt64Type>()
                .values()
                .to_vec()
        })
        .collect()
}

#[test]
fn polygons_cover_the_centres_inside_them() {
    let ring = |points: &[(f64, f64)]| {
        LineString::new(points.iter().map(|&(x, y)| Coord { x, y }).collect())
    };
    let outer = ring(&[
        (-0.14, 51.50),
        (-0.11, 51.49),
        (-0.10, 51.52),
        (-0.13, 51.515),
    ]);
    let hole = ring(&[(-0.125, 51.502), (-0.115, 51.502), (-0.12, 51.51)]);
    let around = LatLng::new(51.505, -0.12).unwrap();
    for polygon in [
        Polygon::new(outer.clone(), vec![]),
        Polygon::new(outer, vec![hole]),
    ] {
        for (resolution, k) in [
            (Resolution::Eight, 10),
            (Resolution::Nine, 25),
            (Resolution::Ten, 60),
        ] {
            let expected = covered(&polygon, around.to_cell(resolution), k);
            assert!(!expected.is_empty());
            assert_eq!(
                polygon_cells(&polygon, resolution.into()),
                expected,
                "{resolution}"
            );
        }
    }
}

#[test]
fn odd_polygons_have_an_answer() {
    for (wkt, resolution, expected) in [
        ("POLYGON EMPTY", 9, "0"),
        ("MULTIPOLYGON EMPTY", 9, "0"),
        // Smaller than a cell and away from its centre.
        ("POLYGON ((0 0, 0.00001 0, 0.00001 0.00001, 0 0))", 5, "0"),
        // Given twice, counted once.
        (
            "polygon((-0.13 51.5,-0.12 51.5,-0.12 51.51,-0.13 51.51))",
            9,
            "7",
        ),
        (
            "MULTIPOLYGON (((-0.13 51.5,-0.12 51.5,-0.12 51.51,-0.13 51.51)),\
             ((-0.13 51.5,-0.12 51.5,-0.12 51.51,-0.13 51.51)))",
            9,
            "7",
        ),
        (
            "POLYGON Z ((-0.13 51.5 1,-0.12 51.5 1,-0.12 51.51 1,-0.13 51.51 1))",
            9,
            "7",
        ),
    ] {
        let call = format!("cardinality(h3_polygon_wkt_to_cells('{wkt}', {resolution}))");
        assert_eq!(value(&call), expected, "{call}");
    }
}

#[test]
fn outline_of_a_compact_set_is_its_polygon() {
    let wkt = value("h3_cells_to_multi_polygon_wkt(h3_grid_disk('89195da49b7ffff', 3))");
    let again = value(&format!("cardinality(h3_polygon_wkt_to_cells('{wkt}', 9))"));
    assert_eq!(again, "37");
    assert_eq!(
        value("h3_cells_to_multi_polygon_wkt(arrow_cast([], 'List(Utf8)'))"),
        "MULTIPOLYGON EMPTY"
    );
    assert_eq!(value("h3_compact_cells([])"), "[]");
}

proptest! {
    /// Whatever the text, the answer is h3o's or a refusal, and never a panic.
    #[test]
    fn any_text_is_a_cell_or_refused(text in "[0-9a-fA-F]{0,17}|[ -~]{0,20}") {
        let text = text.replace('\'', "");
        let expected = text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            && text.parse::<CellIndex>().is_ok();
        prop_assert_eq!(value(&format!("h3_is_valid_cell('{text}')")), expected.to_string());
    }

    /// A broken or hostile WKB is refused without a panic and without a large allocation.
    #[test]
    fn any_wkb_is_a_polygon_or_refused(
        order in 0..2_u8, kind in prop::sample::select(vec![3_u32, 6, 1003, 2006, 3003]),
        tail in prop::collection::vec(any::<u8>(), 0..120), cut in 0..120_usize,
        small in any::<bool>(),
    ) {
        let mut bytes = vec![order];
        bytes.extend(if order == 0 { kind.to_be_bytes() } else { kind.to_le_bytes() });
        if small {
            // A plausible count of rings, so that the reader goes deeper.
            bytes.extend(if order == 0 { 1_u32.to_be_bytes() } else { 1_u32.to_le_bytes() });
        }
        bytes.extend(tail);
        let _parsed = super::super::geometry::polygon_of_wkb(&bytes);

        let cell: CellIndex = LONDON.parse().unwrap();
        let options = wkb::writer::WriteOptions { endianness: wkb::Endianness::LittleEndian };
        let mut whole = Vec::new();
        wkb::writer::write_geometry(&mut whole, &super::super::geometry::boundary(cell), &options).unwrap();
        let cut = cut.min(whole.len() - 1);
        prop_assert!(super::super::geometry::polygon_of_wkb(&whole[..cut]).is_err());
    }

    /// Nearby cells: a path starts and ends where it should, and each step is to a neighbour.
    #[test]
    fn paths_walk_neighbour_by_neighbour(lat in -80.0..80.0_f64, lng in -179.0..179.0_f64, k in 1..20_u32) {
        let from = LatLng::new(lat, lng).unwrap().to_cell(Resolution::Nine);
        let ring: Vec<_> = from.grid_ring(k);
        let to = ring[ring.len() / 2];
        let path = column(&session(), &format!("SELECT UNNEST(h3_grid_path_cells('{from}', '{to}'))"));
        let path: Vec<CellIndex> = (0..path.len())
            .map(|idx| array_value_to_string(&path, idx).unwrap().parse().unwrap())
            .collect();
        prop_assert_eq!((path[0], path[path.len() - 1]), (from, to));
        prop_assert!(path.windows(2).all(|pair| pair[0].is_neighbor_with(pair[1]).unwrap()));
    }
}
