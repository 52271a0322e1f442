//! Panes as SQL gives them: the tests try to have venues without gates, nulls and numbers that are
//! none taken for counts.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, StringArray, UInt64Array};
use tidegate_risk::occupancy::ObservationSource;

use super::*;
use crate::occupancy::spec::Observed;

fn watched() -> Occupancies {
    let camera = ObservedSpec {
        source: ObservationSource::Camera,
        window: 1,
        persons: "persons".to_owned(),
        lo: "lo".to_owned(),
        hi: "hi".to_owned(),
    };
    kept(&OccupancySpec {
        observed: vec![camera],
        ..spec("UTC", None)
    })
}

fn pane(venues: &[Option<&str>], columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let venues: ArrayRef = Arc::new(StringArray::from(venues.to_vec()));
    RecordBatch::try_from_iter_with_nullable(
        std::iter::once(("venue_id", venues))
            .chain(columns)
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

#[test]
fn flows_of_a_venue_add_up() {
    let venues = [Some("a"), Some("elsewhere"), Some("a"), None, Some("b")];
    let arrivals = Int32Array::from(vec![Some(1), Some(9), Some(2), Some(9), None]);
    let departures = UInt64Array::from(vec![None, Some(9), Some(4), Some(9), Some(u64::MAX)]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("arrivals", Arc::new(arrivals)),
        ("departures", Arc::new(departures)),
    ];
    let panes = [(0, pane(&venues, columns))];
    let inputs = watched().inputs(&panes, |_| false);
    // A count beyond what fits is none.
    assert_eq!(inputs.flows, flows(&[("a", 3, 4), ("b", 0, 0)]));
    assert_eq!(inputs.observed, [BTreeMap::new()]);
    assert_eq!(inputs.unheard, BTreeSet::new(), "nothing here asks for it");
}

#[test]
fn what_is_no_number_says_nothing() {
    let venues = [
        Some("a"),
        Some("b"),
        Some("c"),
        Some("elsewhere"),
        Some("a"),
    ];
    let number =
        |values: [Option<f64>; 5]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let columns = vec![
        (
            "persons",
            number([Some(5.0), Some(f64::NAN), Some(7.0), Some(9.0), Some(6.0)]),
        ),
        (
            "lo",
            number([Some(4.0), Some(1.0), None, Some(9.0), Some(5.0)]),
        ),
        (
            "hi",
            number([Some(6.0), Some(1.0), Some(8.0), Some(9.0), Some(9.0)]),
        ),
    ];
    let panes = [(1, pane(&venues, columns))];
    let revision = watched().revision(&panes);
    assert_eq!(revision.flows, None, "the flow window was not revised");
    let observed = |persons: f64, interval| Observed { persons, interval };
    let expected = BTreeMap::from([
        ("a".to_owned(), observed(11.0, Some((9.0, 15.0)))),
        ("c".to_owned(), observed(7.0, None)),
    ]);
    assert_eq!(revision.observed, [Some(expected)]);
}
