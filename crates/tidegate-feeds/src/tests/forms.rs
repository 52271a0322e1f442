//! The three forms of the product's own observation: what one says, the others say.

use std::sync::Arc;

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use proptest::collection::vec;
use proptest::prelude::*;
use tidegate_model::{EventTime, Measure, ObservationRecord, Subject, parse_rfc3339};

use super::arrow::stream_of;
use super::{Bench, event_ids, lines, protobuf};

fn record() -> impl Strategy<Value = ObservationRecord> {
    let start = 1_772_323_200_000_000_i64;
    let at = prop::option::of((-90.0..=90.0_f64, -180.0..=180.0_f64));
    (
        (
            "[a-z0-9东]{1,20}",
            "[a-zé东 \"\\\\]{1,12}",
            prop::option::of("[A-Z]{0,6}"),
        ),
        (
            start..start + 1_000_000_000,
            prop::option::of(0..3_600_000_000_i64),
        ),
        (
            prop::sample::select(Measure::ALL.to_vec()),
            prop::sample::select(Subject::ALL.to_vec()),
        ),
        0..=1_000_000_i64,
        at,
    )
        .prop_map(
            |((id, site, origin), (start, length), (measure, subject), count, at)| {
                let time = |micros| EventTime::from_micros(micros).to_string();
                ObservationRecord {
                    id: Some(id),
                    site,
                    start: time(start),
                    end: length.map(|length| time(start + length)),
                    measure,
                    subject,
                    count,
                    origin,
                    lat: at.map(|(lat, _)| lat),
                    lng: at.map(|(_, lng)| lng),
                }
            },
        )
}

fn micros(time: &str) -> i64 {
    parse_rfc3339(time).unwrap().micros()
}

fn in_protobuf(records: &[ObservationRecord]) -> Vec<u8> {
    let observations: Vec<_> = records
        .iter()
        .map(|record| protobuf::Observation {
            id: record.id.clone(),
            site: record.site.clone(),
            start_us: Some(micros(&record.start)),
            end_us: record.end.as_deref().map(micros),
            measure: record.measure as i32 + 1,
            subject: Some(record.subject as i32 + 1),
            count: Some(record.count),
            origin: record.origin.clone(),
            lat: record.lat,
            lng: record.lng,
        })
        .collect();
    protobuf::batch(&observations)
}

fn in_arrow(records: &[ObservationRecord], text: &DataType) -> Vec<u8> {
    let of = |value: fn(&ObservationRecord) -> Option<&str>| -> ArrayRef {
        let values: StringArray = records.iter().map(value).collect();
        cast(&values, text).unwrap()
    };
    let time = |value: fn(&ObservationRecord) -> Option<i64>| -> ArrayRef {
        let times: TimestampMicrosecondArray = records.iter().map(value).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let degrees = |value: fn(&ObservationRecord) -> Option<f64>| -> ArrayRef {
        Arc::new(records.iter().map(value).collect::<Float64Array>())
    };
    let counts = records.iter().map(|record| record.count);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", of(|record| record.id.as_deref())),
        ("site", of(|record| Some(&record.site))),
        ("start", time(|record| Some(micros(&record.start)))),
        ("end", time(|record| record.end.as_deref().map(micros))),
        ("measure", of(|record| Some(record.measure.as_str()))),
        ("subject", of(|record| Some(record.subject.as_str()))),
        ("count", Arc::new(Int64Array::from_iter_values(counts))),
        ("origin", of(|record| record.origin.as_deref())),
        ("lat", degrees(|record| record.lat)),
        ("lng", degrees(|record| record.lng)),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    stream_of(&[RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Random observations through JSON, Protobuf and Arrow are equal observations; those of the
    /// two binary forms are equal to the last bit, positions included.
    #[test]
    fn forms_agree(
        records in vec(record(), 1..40),
        same_place in any::<bool>(),
        text in prop::sample::select(vec![
            DataType::Utf8,
            DataType::LargeUtf8,
            DataType::Utf8View,
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        ]),
    ) {
        let mut records = records;
        if same_place {
            // All with coordinates, so that Arrow's whole columns are taken.
            for record in &mut records {
                (record.lat, record.lng) = (record.lat.or(Some(0.5)), record.lng.or(Some(-0.5)));
            }
        }
        let mut json = Bench::of("format = 'json'");
        for record in &records {
            json.feed(serde_json::to_vec(record).unwrap());
        }
        let mut protobuf = Bench::of("format = 'protobuf'");
        protobuf.feed(in_protobuf(&records));
        let mut arrow = Bench::of("format = 'arrow'");
        arrow.feed(in_arrow(&records, &text));
        for bench in [&mut json, &mut protobuf, &mut arrow] {
            prop_assert_eq!(bench.rejections(), Vec::<String>::new());
        }
        let [json, protobuf, arrow] = [json, protobuf, arrow].map(|mut bench| bench.out.finish());
        prop_assert_eq!(json.len(), records.len());
        prop_assert_eq!(&protobuf, &arrow);
        prop_assert_eq!(lines(&json), lines(&protobuf));
        prop_assert_eq!(event_ids(&json), event_ids(&protobuf));
        let bits = |batch: &tidegate_model::ObservationBatch| -> Vec<_> {
            batch.latitude().iter().chain(batch.longitude()).map(|at| at.map(f64::to_bits)).collect()
        };
        prop_assert_eq!(bits(&json), bits(&protobuf));
        // What is cut out of a binary message is the same observation again.
        let mut again = Bench::of("format = 'arrow'");
        let wanted: std::collections::BTreeSet<i32> = (0..40).collect();
        let alone = again.decoder.record_bytes(&in_arrow(&records, &text), &wanted);
        for bytes in alone.into_values() {
            again.feed(bytes);
        }
        prop_assert_eq!(again.rejections(), Vec::<String>::new());
        let again = again.out.finish();
        prop_assert_eq!(lines(&again), lines(&json));
        prop_assert_eq!(event_ids(&again), event_ids(&json));
    }
}
