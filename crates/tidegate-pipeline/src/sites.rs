//! Sites as the file that a pipeline folder reads them from.

use tidegate_model::Site;

/// The text of a `sites.geojson` with these sites, in their order and one a line: what
/// [`crate::Pipeline::load`] reads back as the same sites.
///
/// Two sites with one id, an empty id or name, or a place outside the world are written as they are,
/// and are problems of the folder that has the file.
pub fn sites_geojson(sites: &[Site]) -> String {
    let mut text = "{\"type\":\"FeatureCollection\",\"features\":[".to_owned();
    for (index, site) in sites.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&feature(site));
    }
    text.push_str("\n]}\n");
    text
}

/// A feature with its members in the order in which people write them.
#[derive(serde::Serialize)]
struct Feature<'s> {
    r#type: &'static str,
    properties: Properties<'s>,
    geometry: Option<Point>,
}

#[derive(serde::Serialize)]
struct Properties<'s> {
    id: &'s str,
    kind: &'static str,
    name: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    venue_id: Option<&'s str>,
    cordon: bool,
}

#[derive(serde::Serialize)]
struct Point {
    r#type: &'static str,
    coordinates: [f64; 2],
}

fn feature(site: &Site) -> String {
    let feature = Feature {
        r#type: "Feature",
        properties: Properties {
            id: &site.id,
            kind: site.kind.as_str(),
            name: &site.name,
            venue_id: site.venue_id.as_deref(),
            cordon: site.cordon,
        },
        geometry: site.coordinate.map(|(lat, lng)| Point {
            r#type: "Point",
            coordinates: [lng, lat],
        }),
    };
    serde_json::to_string(&feature).expect("texts and numbers are JSON")
}

#[cfg(test)]
mod tests {
    use tidegate_model::{Cell, Resolution, SiteKind};

    use super::*;
    use crate::reference::read_sites;

    fn site(id: &str, coordinate: Option<(f64, f64)>) -> Site {
        let resolution = Resolution::Ten;
        Site {
            id: id.to_owned(),
            kind: SiteKind::Transit,
            name: format!("\"{id}\" 北站"),
            venue_id: None,
            coordinate,
            cell: coordinate.and_then(|(lat, lng)| Cell::at(lat, lng, resolution).ok()),
            cordon: false,
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let gate = Site {
            kind: SiteKind::Gate,
            venue_id: Some("market".to_owned()),
            cordon: true,
            ..site("b", Some((-33.123_456_789_012, 179.999_999)))
        };
        let sites = vec![site("a", None), gate, site("c", Some((0.1, -0.3)))];
        for sites in [&sites[..0], &sites[..1], &sites] {
            let text = sites_geojson(sites);
            assert_eq!(text.lines().count(), sites.len() + 2, "{text}");
            let mut problems = Vec::new();
            let read = read_sites("sites.geojson", &text, Resolution::Ten, &mut problems);
            assert_eq!((read.as_slice(), problems), (sites, vec![]));
        }
    }
}
