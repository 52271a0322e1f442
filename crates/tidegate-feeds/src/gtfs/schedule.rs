//! A static GTFS feed: where stops are, what routes are, and which trips it knows.
//!
//! Source: the GTFS Schedule reference. Only `stops.txt`, `routes.txt` and `trips.txt` are read,
//! given as text: unpacking is I/O. Rows that are not usable are left out and counted.

use std::collections::BTreeMap;

use crate::check::{check_coordinate, is_nowhere};

/// The text of the files of a static feed that are read.
#[derive(Debug, Clone, Copy)]
pub struct ScheduleFiles<'a> {
    /// `stops.txt`.
    pub stops: &'a str,
    /// `routes.txt`.
    pub routes: &'a str,
    /// `trips.txt`; absent where trips are not compared.
    pub trips: Option<&'a str>,
}

/// How the trip ids of a feed are found in its static feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TripMatch {
    /// Letter by letter.
    #[default]
    Exact,
    /// One of the two is the end of the other, behind a `_`: New York's subway gives
    /// `047850_A..N55R` for the static `A-Weekday_047850_A..N55R`.
    Suffix,
}

/// Why a static feed cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {message}")]
pub struct ScheduleError {
    /// The file of the feed.
    pub file: &'static str,
    /// What is wrong with it.
    pub message: String,
}

/// A static feed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schedule {
    /// Degrees north and east of each stop, `None` where it has none.
    stops: BTreeMap<String, Option<(f64, f64)>>,
    /// The `route_type` of each route.
    routes: BTreeMap<String, u16>,
    /// The route of each trip.
    trips: BTreeMap<String, String>,
    /// The trip ids turned round, so that those with one end stand side by side.
    turned: BTreeMap<String, String>,
    unusable: u64,
}

impl Schedule {
    /// Reads the files. `trip_column` is the column of `trips.txt` by which the feed names trips,
    /// usually `trip_id`.
    ///
    /// # Errors
    /// [`ScheduleError`] for a file without a column that is needed, or without any usable row.
    pub fn read(files: ScheduleFiles<'_>, trip_column: &str) -> Result<Self, ScheduleError> {
        let mut schedule = Self::default();
        let columns = ["stop_id", "stop_lat", "stop_lon"];
        let mut unusable = read_table("stops.txt", files.stops, columns, 3, |[id, lat, lng]| {
            let place = read_place(lat, lng)?.filter(|place| !is_nowhere(*place));
            schedule.stops.insert(id.to_owned(), place);
            Some(())
        })?;
        let columns = ["route_id", "route_type"];
        unusable += read_table("routes.txt", files.routes, columns, 2, |[id, kind]| {
            schedule.routes.insert(id.to_owned(), kind.parse().ok()?);
            Some(())
        })?;
        if let Some(trips) = files.trips {
            let columns = [trip_column, "route_id"];
            unusable += read_table("trips.txt", trips, columns, 2, |[id, route]| {
                schedule.trips.insert(id.to_owned(), route.to_owned());
                let turned = id.chars().rev().collect();
                schedule.turned.insert(turned, route.to_owned());
                Some(())
            })?;
        }
        schedule.unusable = unusable;
        Ok(schedule)
    }

    /// Rows of the files that could not be used: without an id, or with a coordinate or a type that
    /// cannot be.
    pub fn unusable(&self) -> u64 {
        self.unusable
    }

    /// How many stops, routes and trips there are.
    pub fn len(&self) -> (usize, usize, usize) {
        (self.stops.len(), self.routes.len(), self.trips.len())
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0, 0)
    }

    /// Whether the feed tells its trips.
    pub(crate) fn has_trips(&self) -> bool {
        !self.trips.is_empty()
    }

    /// The place of the stop, `None` within where it has none; `None` for a stop that is not there.
    #[expect(
        clippy::option_option,
        reason = "a stop without a place is not an unknown stop"
    )]
    pub(crate) fn stop(&self, id: &str) -> Option<Option<(f64, f64)>> {
        self.stops.get(id).copied()
    }

    pub(crate) fn route_type(&self, id: &str) -> Option<u16> {
        self.routes.get(id).copied()
    }

    /// The route of a trip, as far as all trips that match agree on one: `Some(None)` where they do
    /// not.
    #[expect(
        clippy::option_option,
        reason = "a trip of no certain route is not an unknown trip"
    )]
    pub(crate) fn trip(&self, id: &str, matching: TripMatch) -> Option<Option<&str>> {
        if let Some(route) = self.trips.get(id) {
            return Some(Some(route));
        }
        match matching {
            TripMatch::Exact => None,
            TripMatch::Suffix => self.longer_trip(id).or_else(|| self.shorter_trip(id)),
        }
    }

    /// The static trips that end in `_` and `id`.
    #[expect(clippy::option_option, reason = "as in `trip`")]
    fn longer_trip(&self, id: &str) -> Option<Option<&str>> {
        let start: String = id.chars().rev().chain(['_']).collect();
        let mut found = self
            .turned
            .range(start.clone()..)
            .take_while(|(turned, _)| turned.starts_with(&start))
            .map(|(_, route)| route.as_str());
        let first = found.next()?;
        Some(found.all(|route| route == first).then_some(first))
    }

    /// The static trip that is the end of `id`, behind a `_`: the longest.
    #[expect(clippy::option_option, reason = "as in `trip`")]
    fn shorter_trip(&self, id: &str) -> Option<Option<&str>> {
        let ends = id.match_indices('_').map(|(at, _)| &id[at + 1..]);
        let mut routes = ends.filter_map(|end| self.trips.get(end));
        routes.next().map(|route| Some(route.as_str()))
    }
}

/// The coordinates of a row of `stops.txt`: `Some(None)` where it has none, `None` where they cannot
/// be.
#[expect(
    clippy::option_option,
    reason = "a stop without a place is not an unusable row"
)]
pub(super) fn read_place(lat: &str, lng: &str) -> Option<Option<(f64, f64)>> {
    if lat.is_empty() && lng.is_empty() {
        return Some(None);
    }
    check_coordinate(Some(lat.parse().ok()?), Some(lng.parse().ok()?)).ok()
}

/// Calls `each` with the cells of `columns` of every row, and gives the number of rows that have no
/// id or of which `each` makes nothing. The first `needed` columns must be there; the cells of
/// another that is not there are empty.
pub(super) fn read_table<const N: usize>(
    file: &'static str,
    text: &str,
    columns: [&str; N],
    needed: usize,
    mut each: impl FnMut([&str; N]) -> Option<()>,
) -> Result<u64, ScheduleError> {
    let fault = |message: String| ScheduleError { file, message };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = reader
        .headers()
        .map_err(|error| fault(format!("its header cannot be read: {error}")))?
        .clone();
    let places = columns.map(|column| header.iter().position(|name| name == column));
    let missing = (0..needed).find(|index| places[*index].is_none());
    if let Some(index) = missing {
        return Err(fault(format!("there is no column {}", columns[index])));
    }
    let (mut used, mut unusable) = (0_u64, 0_u64);
    for row in reader.records() {
        let read = row.ok().and_then(|row| {
            let cells = places.map(|place| place.and_then(|at| row.get(at)).unwrap_or_default());
            if cells[0].is_empty() {
                return None;
            }
            each(cells)
        });
        match read {
            Some(()) => used += 1,
            None => unusable += 1,
        }
    }
    if used == 0 {
        return Err(fault(format!("none of its {unusable} rows can be used")));
    }
    Ok(unusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOPS: &str = "\u{feff}stop_id,stop_name,stop_lat,stop_lon\r\nA,\"A, north\",40.5,-73.5\r\n\
        B,B,,\r\nC,C,91,0\r\nD,D,0,0\r\n,E,1,1\r\n";
    const ROUTES: &str = "route_id,route_type\nL1,2\nL2,3\nL3,\n";
    const TRIPS: &str =
        "route_id,trip_id,short\nL1,Wk_0478_A..N55,A..N55\nL2,Sa_0478_A..N55,x\nL1,Wk_9,y\n";

    fn read(trip_column: &str) -> Schedule {
        let files = ScheduleFiles {
            stops: STOPS,
            routes: ROUTES,
            trips: Some(TRIPS),
        };
        Schedule::read(files, trip_column).unwrap()
    }

    #[test]
    fn stops_routes_and_trips_are_found() {
        let schedule = read("trip_id");
        assert_eq!(schedule.len(), (3, 2, 3));
        assert_eq!(schedule.unusable(), 3);
        assert_eq!(schedule.stop("A"), Some(Some((40.5, -73.5))));
        assert_eq!(schedule.stop("B"), Some(None));
        assert_eq!(schedule.stop("C"), None);
        assert_eq!(schedule.stop("D"), Some(None));
        assert_eq!(schedule.route_type("L1"), Some(2));
        assert_eq!(schedule.route_type("L3"), None);
    }

    #[test]
    fn trips_match_by_their_ends_only_where_asked() {
        let schedule = read("trip_id");
        let check = |id, matching, expected| {
            assert_eq!(schedule.trip(id, matching), expected, "{id} {matching:?}");
        };
        check("Wk_9", TripMatch::Exact, Some(Some("L1")));
        check("9", TripMatch::Exact, None);
        check("9", TripMatch::Suffix, Some(Some("L1")));
        // Two trips of different routes end so.
        check("0478_A..N55", TripMatch::Suffix, Some(None));
        // Not behind a `_`.
        check("478_A..N55", TripMatch::Suffix, None);
        check("more_Wk_9", TripMatch::Suffix, Some(Some("L1")));
        check("", TripMatch::Suffix, None);
        let short = read("short");
        assert_eq!(
            short.trip("047850_A..N55", TripMatch::Suffix),
            Some(Some("L1"))
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let check = |stops: &str, routes: &str, expected: &str| {
            let files = ScheduleFiles {
                stops,
                routes,
                trips: None,
            };
            let error = Schedule::read(files, "trip_id").unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        check("", ROUTES, "stops.txt: there is no column stop_id");
        check(
            "stop_id,stop_lat\n",
            ROUTES,
            "stops.txt: there is no column stop_lon",
        );
        check(
            "stop_id,stop_lat,stop_lon\nA,x,y\n",
            ROUTES,
            "stops.txt: none of its 1 rows can be used",
        );
        check(
            STOPS,
            "<!doctype html>",
            "routes.txt: there is no column route_id",
        );
    }
}
