//! A delivery with everything in it that XML allows, and what is read out of it.

use std::sync::LazyLock;

use super::super::config;
use super::{Bench, event_ids, lines};
use crate::FeedConfig;

pub(super) const FEED: &str =
    "format = 'siri'\npayload_bytes_max = 67108864\noccupancy = { capacity = 200 }";

pub(super) const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- made -->\n\
    <s:Siri xmlns:s=\"http://www.siri.org.uk/siri\" version='2.0'><s:ServiceDelivery>\n\
    <s:ResponseTimestamp>2018-08-28T09:08:35.867+02:00</s:ResponseTimestamp><s:MoreData/>\
    <s:EstimatedTimetableDelivery version=\"2.0\"><s:EstimatedJourneyVersionFrame>\n";

pub(super) const BETWEEN: &str = "</s:EstimatedJourneyVersionFrame></s:EstimatedTimetableDelivery>\n\
    <s:VehicleMonitoringDelivery>";

pub(super) const TAIL: &str = "</s:VehicleMonitoringDelivery></s:ServiceDelivery></s:Siri>\n";

/// Three journeys and two activities, with everything in them that XML allows.
pub(super) fn records() -> Vec<String> {
    let journey = |n: usize| {
        format!(
            "<s:EstimatedVehicleJourney a=\"{n}\" b='>'><s:LineRef>L&amp;{n}</s:LineRef><!-- ' -->\
             <s:DatedVehicleJourneyRef>J{n}</s:DatedVehicleJourneyRef>\
             <s:Occupancy><![CDATA[full]]></s:Occupancy><?note?><s:RecordedCalls>\n\
             <s:RecordedCall><s:StopPointRef>S:{n}&#x41;</s:StopPointRef><s:Order>1</s:Order>\
             <s:ActualArrivalTime>2018-08-28T09:0{n}:00+02:00</s:ActualArrivalTime></s:RecordedCall>\
             </s:RecordedCalls></s:EstimatedVehicleJourney >\n"
        )
    };
    let activity = |n: usize| {
        format!(
            "<s:VehicleActivity><s:RecordedAtTime>2018-08-28T09:0{n}:00Z</s:RecordedAtTime>\
             <s:MonitoredVehicleJourney><s:LineRef>L{n}</s:LineRef><s:VehicleRef>V{n}</s:VehicleRef>\
             <s:VehicleLocation><s:Longitude>1{n}.5</s:Longitude><s:Latitude>5{n}.5</s:Latitude>\
             </s:VehicleLocation></s:MonitoredVehicleJourney></s:VehicleActivity>\n"
        )
    };
    vec![journey(1), journey(2), journey(3), activity(4), activity(5)]
}

pub(super) fn document(records: &[String]) -> String {
    let (journeys, activities) = records.split_at(3);
    let parts = [&journeys.concat(), BETWEEN, &activities.concat(), TAIL];
    format!("{HEAD}{}", parts.concat())
}

/// What comes of a document: rows with their place and id, and the rejections.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    pub(super) rows: Vec<(i32, Vec<u8>, String)>,
    pub(super) rejected: Vec<String>,
    pub(super) passed: u64,
}

pub(super) fn read(payload: impl AsRef<[u8]>) -> Said {
    static CONFIG: LazyLock<FeedConfig> = LazyLock::new(|| config(FEED));
    let mut bench = Bench::new(&CONFIG);
    bench.feed(payload);
    let batch = bench.out.finish();
    let rows = event_ids(&batch).into_iter().zip(lines(&batch)).zip(0..);
    let rows = rows.map(|((id, line), row)| (batch.position(row).row, id, line));
    Said {
        rows: rows.collect(),
        rejected: bench.rejections(),
        passed: bench
            .decoder
            .passed_over()
            .iter()
            .map(|(_, count)| count)
            .sum(),
    }
}

/// The rows of a document without those of the records `bad`, by their place in [`records`].
pub(super) fn rows_but(bad: &[i32]) -> Vec<(i32, Vec<u8>, String)> {
    static ALL: LazyLock<Said> = LazyLock::new(|| read(document(&records())));
    let mut all = ALL.rows.clone();
    all.retain(|(row, _, _)| !bad.contains(row));
    all
}

#[test]
fn the_document_is_good() {
    let said = read(document(&records()));
    assert_eq!(
        (said.rows.len(), said.rejected.len(), said.passed),
        (8, 0, 0)
    );
}
