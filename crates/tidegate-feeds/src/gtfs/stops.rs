//! The stops of a static GTFS feed with their names, for a registry of sites.

use super::schedule::{ScheduleError, read_place, read_table};
use crate::check::check_name;
use crate::stop::Stop;

/// What `stops.txt` of a static feed holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GtfsStops {
    /// Stops, platforms, stations and boarding areas, in the order of the file. An id that comes
    /// again is there again; of such the last one is what [`crate::Schedule`] takes.
    pub stops: Vec<Stop>,
    /// Rows of entrances and of nodes of ways within stations: no vehicle stops there, so no feed
    /// counts there.
    pub ways: u64,
    /// Rows that cannot be used: without an id, with one of more than 256 bytes, or with
    /// coordinates that cannot be.
    pub unusable: u64,
}

/// The stops of the text of `stops.txt`.
///
/// # Errors
/// [`ScheduleError`] when a column that is needed is not there, or no row can be used.
///
/// ```
/// let text = "stop_id,stop_name,stop_lat,stop_lon\nA1,North,30.6,114.3\n";
/// let read = tidegate_feeds::gtfs_stops(text).unwrap();
/// assert_eq!((read.stops[0].id.as_str(), read.stops[0].place), ("A1", Some((30.6, 114.3))));
/// ```
pub fn gtfs_stops(text: &str) -> Result<GtfsStops, ScheduleError> {
    let columns = [
        "stop_id",
        "stop_lat",
        "stop_lon",
        "stop_name",
        "location_type",
    ];
    let mut read = GtfsStops::default();
    let (stops, ways) = (&mut read.stops, &mut read.ways);
    read.unusable = read_table(
        "stops.txt",
        text,
        columns,
        3,
        |[id, lat, lng, name, kind]| {
            if matches!(kind, "2" | "3") {
                *ways += 1;
                return Some(());
            }
            check_name("stop_id", id).ok()?;
            stops.push(Stop {
                id: id.to_owned(),
                name: name.to_owned(),
                place: read_place(lat, lng)?,
            });
            Some(())
        },
    )?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_keep_their_names_and_places() {
        let text = "\u{feff}stop_name,stop_id,stop_lon,stop_lat,location_type\r\n\
            \"A, north\",A,-73.5,40.5,0\r\nB,B,,,1\r\nC,C,0,91,\r\nD,D,0,0,\r\n,E, 1 ,2,4\r\n\
            F,,1,1,\r\nway,G,1,1,2\r\nnode,H,,,3\r\nA,A,-73.6,40.5,\r\nI,I,1,,\r\n";
        let read = gtfs_stops(text).unwrap();
        let shown: Vec<String> = read
            .stops
            .iter()
            .map(|stop| format!("{} {:?} {:?}", stop.id, stop.name, stop.place))
            .collect();
        assert_eq!(
            shown,
            [
                "A \"A, north\" Some((40.5, -73.5))",
                "B \"B\" None",
                "D \"D\" Some((0.0, 0.0))",
                "E \"\" Some((2.0, 1.0))",
                "A \"A\" Some((40.5, -73.6))",
            ]
        );
        // C is beyond the pole, F has no id, I half a place.
        assert_eq!((read.ways, read.unusable), (2, 3));
    }

    #[test]
    fn names_may_be_missing_and_places_may_not() {
        let read = gtfs_stops("stop_id,stop_lat,stop_lon\nA,1,2\n").unwrap();
        assert_eq!((read.stops[0].name.as_str(), read.stops.len()), ("", 1));
        let error = gtfs_stops("stop_id,stop_name\nA,x\n").unwrap_err();
        assert_eq!(error.to_string(), "stops.txt: there is no column stop_lat");
        let long = format!("stop_id,stop_lat,stop_lon\n{},1,2\n", "x".repeat(257));
        let error = gtfs_stops(&long).unwrap_err();
        let want = "stops.txt: none of its 1 rows can be used";
        assert_eq!(error.to_string(), want);
    }
}
