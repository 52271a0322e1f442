//! SIRI deliveries made to break the decoder: bombs, cuts, wrong encodings, flipped bytes.
//!
//! What is broken must stay alone: every other record of its document counts as without it.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use tidegate_model::Position;

use super::{Bench, event_ids, lines};

const FEED: &str = "format = 'siri'\npayload_bytes_max = 67108864\noccupancy = { capacity = 200 }";

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- made -->\n\
    <s:Siri xmlns:s=\"http://www.siri.org.uk/siri\" version='2.0'><s:ServiceDelivery>\n\
    <s:ResponseTimestamp>2018-08-28T09:08:35.867+02:00</s:ResponseTimestamp><s:MoreData/>\
    <s:EstimatedTimetableDelivery version=\"2.0\"><s:EstimatedJourneyVersionFrame>\n";
const BETWEEN: &str = "</s:EstimatedJourneyVersionFrame></s:EstimatedTimetableDelivery>\n\
    <s:VehicleMonitoringDelivery>";
const TAIL: &str = "</s:VehicleMonitoringDelivery></s:ServiceDelivery></s:Siri>\n";

/// Three journeys and two activities, with everything in them that XML allows.
fn records() -> Vec<String> {
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

fn document(records: &[String]) -> String {
    let (journeys, activities) = records.split_at(3);
    let parts = [&journeys.concat(), BETWEEN, &activities.concat(), TAIL];
    format!("{HEAD}{}", parts.concat())
}

/// What comes of a document: rows with their place and id, and the rejections.
#[derive(Debug, PartialEq)]
struct Said {
    rows: Vec<(i32, Vec<u8>, String)>,
    rejected: Vec<String>,
    passed: u64,
}

fn read(payload: impl AsRef<[u8]>) -> Said {
    let mut bench = Bench::of(FEED);
    bench.feed(payload);
    let batch = bench.out.finish();
    let rows = event_ids(&batch).into_iter().zip(lines(&batch)).zip(0..);
    let rows = rows.map(|((id, line), row)| (batch.position(row).row, id, line));
    Said {
        rows: rows.collect(),
        rejected: bench.rejections(),
        passed: bench.decoder.passed_over().iter().map(|(_, count)| count).sum(),
    }
}

/// The rows of a document without those of the records `bad`, by their place in [`records`].
fn rows_but(bad: &[i32]) -> Vec<(i32, Vec<u8>, String)> {
    let mut all = read(document(&records())).rows;
    all.retain(|(row, _, _)| !bad.contains(row));
    all
}

#[test]
fn the_document_is_good() {
    let said = read(document(&records()));
    assert_eq!((said.rows.len(), said.rejected.len(), said.passed), (8, 0, 0));
}

/// `payload` must be refused whole, with one rejection that begins with `want`.
#[track_caller]
fn check_refused(payload: impl AsRef<[u8]>, want: &str) {
    let said = read(payload);
    assert_eq!((said.rows.len(), said.passed), (0, 0), "{said:?}");
    assert_eq!(said.rejected.len(), 1, "{said:?}");
    assert!(said.rejected[0].starts_with(want), "{}, not {want}", said.rejected[0]);
}

#[test]
fn documents_that_are_refused_whole() {
    let good = document(&records());
    let under = |doctype: &str| good.replacen("<!-- made -->", doctype, 1);
    let bomb = "<!DOCTYPE s:Siri [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">\
        <!ENTITY c \"&b;&b;&b;&b;\">]>";
    let doctype = "0 malformed -: byte 39: a DOCTYPE: it could define entities";
    check_refused(under(bomb), doctype);
    check_refused(under("<!DOCTYPE Siri SYSTEM \"file:///etc/passwd\">"), doctype);
    check_refused(under("<!doctype html>"), doctype);
    check_refused(under("<!DOCTYPE unclosed "), doctype);
    check_refused(
        good.replacen("UTF-8", "GBK", 1),
        "0 not_utf8 -: the XML declaration says encoding \"GBK\"; only UTF-8 is read",
    );
    check_refused(good.replacen("UTF-8", "utf-16", 1), "0 not_utf8 -: the XML declaration says");
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_refused(&utf16, "0 not_utf8 -: bytes that look like UTF-16");
    check_refused([b"\xff\xfe", &utf16[..]].concat(), "0 not_utf8 -: bytes that look like");
    for (payload, want) in [
        ("{}", "0 malformed -: byte 0: text outside of the root element"),
        ("<", "0 malformed -: byte 0: syntax error: tag not closed"),
        ("  \n", "0 malformed -: byte 3: no XML element"),
        ("<Siri>", "0 malformed -: byte 6: cut short within element \"Siri\""),
        ("<Siri></siri>", "0 malformed -: byte 6: the end of \"siri\" where \"Siri\" is open"),
        ("<html/>", "0 malformed -: the root element is \"html\", not Siri"),
        ("<Siri/><Siri/>", "0 malformed -: byte 7: a second root element"),
        ("<Siri/>&amp;", "0 malformed -: byte 7: text outside"),
        ("<Siri>\n<?xml version='1.0'?></Siri>", "0 malformed -: byte 7: an XML declaration within"),
        ("<Siri><1/></Siri>", "0 malformed -: byte 6: \"1\" is not the name of an element"),
        ("<Siri><!-- </Siri>", "0 malformed -: byte 6: syntax error: comment not closed"),
        ("<Siri>&more;</Siri>", "0 malformed -: byte 6: entity \"&more;\" is neither"),
        ("<Siri a='&more;'/>", "0 malformed -: byte 0: "),
        ("<Siri a='1' a='2'/>", "0 malformed -: byte 0: "),
        ("<Siri a=1/>", "0 malformed -: byte 0: "),
        ("<Siri a='<'/>", "0 malformed -: byte 0: a < within a tag"),
    ] {
        check_refused(payload, want);
    }
    let deep = format!("<Siri>{}", "<a>".repeat(1_000_000));
    check_refused(deep, "0 malformed -: byte 195: elements nested deeper than 64");
    let attributes: String = (0..65).map(|n| format!(" a{n}=''")).collect();
    check_refused(
        format!("<Siri{attributes}/>"),
        "0 malformed -: byte 0: a tag with more than 64 attributes",
    );
}

/// Huge things of all kinds in record 1: the others count, and it takes a blink.
#[test]
fn huge_records_stay_alone() {
    let mut records = records();
    let huge = |piece: &str| piece.repeat((60 << 20) / piece.len());
    let good = records[1].clone();
    for (from, to, want) in [
        ("<?note?>", format!("<s:Note>{}</s:Note>", huge("x")), ""),
        ("<?note?>", format!("<s:Note>{}</s:Note>", huge("&amp;")), ""),
        ("<?note?>", format!("<!--{}-->", huge("x")), ""),
        ("J2", huge("x"), "1 wrong_type -: DatedVehicleJourneyRef has a text of more than 1024"),
        ("J2", huge("&amp;"), "1 wrong_type -: DatedVehicleJourneyRef has a text of more than 1024"),
        ("J2", huge("<![CDATA[x]]>"), "1 wrong_type -: DatedVehicleJourneyRef has a text"),
        ("J2", huge(" "), "1 wrong_type -: DatedVehicleJourneyRef has a text of more than 1024"),
        ("<?note?>", format!("<{}/>", huge("x")), "1 malformed -: byte 177: a name of more than 256"),
        ("<?note?>", format!("<x a='{}'/>", huge("x")), "1 malformed -: byte 177: a tag of"),
        ("<?note?>", format!("<x {}/>", huge("a=''")), "1 malformed -: byte 177: a tag of"),
        ("<?note?>", huge("<x>"), "1 malformed -: byte 363: elements nested deeper than 64"),
        ("<?note?>", huge("<"), "1 malformed -: byte 177: "),
        ("<?note?>", huge("&"), "1 malformed -: byte 177: "),
        ("<?note?>", huge("</s:x>"), "1 malformed -: byte 177: the end of \"s:x\" where"),
        ("<?note?>", huge("<!--"), "1 malformed -: byte 177: syntax error: comment not closed"),
        ("<?note?>", huge("<x/>"), ""),
    ] {
        assert!(good.contains(from), "{from}");
        records[1] = good.replacen(from, &to, 1);
        let said = read(document(&records));
        if want.is_empty() {
            assert_eq!((said.rows, said.rejected.len()), (rows_but(&[]), 0));
        } else {
            assert_eq!(said.rejected.len(), 1);
            assert!(said.rejected[0].starts_with(want), "{}, not {want}", said.rejected[0]);
            assert_eq!(said.rows, rows_but(&[1]), "{want}");
        }
    }
}

/// A million records that are all broken in a way that hides what follows: no search begins anew.
#[test]
fn broken_records_do_not_add_up() {
    for piece in ["<EstimatedVehicleJourney><!--", "<VehicleActivity a='", "</VehicleActivity>"] {
        let count = 200_000;
        let said = read(format!("<Siri>{}", piece.repeat(count)));
        assert_eq!(said.rejected.len(), count);
        let last = said.rejected.last().unwrap();
        assert!(last.starts_with("199999 malformed"), "{last}");
    }
    let opened = format!("<Siri>{}", "<!--".repeat(1_000_000));
    check_refused(opened, "0 malformed -: byte 6: syntax error: comment not closed");
}

#[test]
fn broken_records_stay_alone() {
    let good = records();
    for (record, from, to, want) in [
        (1, "</s:RecordedCall>", "", "the end of \"s:RecordedCalls\" where \"s:RecordedCall\" is open"),
        (1, "J2", "&bomb;", "entity \"&bomb;\" is neither"),
        (1, "J2", "&#0;", "entity \"&#0;\" is neither"),
        (1, "J2", "&#xD800;", "entity \"&#xD800;\" is neither"),
        (1, "J2", "a & b", "byte"),
        (1, "J2", "\u{1}", "DatedVehicleJourneyRef holds the character '\\u{1}'"),
        (1, "J2", "<!DOCTYPE x>", "a DOCTYPE"),
        (1, "-->", "->", "comment not closed"),
        (1, "]]>", "]>", "CDATA not closed"),
        (1, "b='>'", "b='>", "a < within a tag"),
        (1, "</s:EstimatedVehicleJourney >", "", "cut short within element"),
        (2, "</s:EstimatedVehicleJourney >", "", "the end of \"s:EstimatedJourneyVersionFrame\" where"),
        (1, "<s:EstimatedVehicleJourney ", "<s:EstimatedVehicleJourne ", "the end of \"s:EstimatedVehicleJourney\" where"),
        (1, "<s:EstimatedVehicleJourney ", "", "the end of \"s:EstimatedVehicleJourney\" where"),
        (3, "<s:VehicleActivity>", "<s:VehicleActivity<", "byte"),
        (4, "</s:VehicleActivity>", "</s:VehicleActivity", "byte"),
        (4, "</s:VehicleActivity>", "</s:VehicleActivitx>", "where \"s:VehicleActivity\" is open"),
    ] {
        let mut records = good.clone();
        assert!(records[record].contains(from), "{from}");
        records[record] = records[record].replacen(from, to, 1);
        let said = read(document(&records));
        assert_eq!(said.rejected.len(), 1, "{to}: {said:?}");
        let row = i32::try_from(record).unwrap();
        let line = said.rejected[0].strip_prefix(&format!("{row} malformed -: "));
        assert!(line.is_some_and(|line| line.contains(want)), "{:?}, not {want}", said.rejected);
        assert_eq!(said.rows, rows_but(&[row]), "{to}");
    }
    let mut bytes = document(&good).into_bytes();
    let at = bytes.windows(2).position(|two| two == b"J2").unwrap();
    bytes[at] = 0xff;
    let said = read(bytes);
    assert_eq!(said.rejected, ["1 not_utf8 -: bytes that are not UTF-8"]);
    assert_eq!(said.rows, rows_but(&[1]));
}

/// A document that is cut anywhere gives its whole records and one rejection.
#[test]
fn cut_documents_give_their_whole_records() {
    let document = document(&records());
    let all = read(&document).rows;
    let ends: Vec<usize> = ["</s:EstimatedVehicleJourney >", "</s:VehicleActivity>"]
        .iter()
        .flat_map(|end| document.match_indices(end).map(|(at, _)| at + end.len()))
        .collect();
    for cut in 1..document.trim_end().len() {
        let said = read(&document.as_bytes()[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let whole = i32::try_from(whole).unwrap();
        let kept: Vec<_> = all.iter().filter(|(row, _, _)| *row < whole).cloned().collect();
        assert_eq!(said.rows, kept, "cut at {cut}");
        assert_eq!(said.rejected.len(), 1, "cut at {cut}: {:?}", said.rejected);
        assert!(said.rejected[0].starts_with(&format!("{whole} malformed -: ")), "{:?}", said.rejected);
    }
}

#[test]
fn personal_data_goes_without_its_bytes() {
    let name = "<s:DriverName>Kari</s:DriverName>";
    let good = records();
    for (record, from, to) in [
        (1, "<?note?>", name),
        (1, "<?note?>", "<s:x><DriverRef>7</DriverRef></s:x>"),
        (1, "<?note?>", "<s:x s:phone='1'/>"),
        (1, " a=", " phone="),
        // Broken otherwise, before and after.
        (1, "<?note?>", "<s:DriverName>Kari</s:DriverNam>"),
        (1, "<?note?>", "&bomb;<s:DriverName>Kari</s:DriverName>"),
        (1, "<?note?>", "<!-- <s:DriverName>Kari</s:DriverName>"),
        (1, "<?note?>", "&bomb;<s:x\n phone ='1'/>"),
        (3, "09:04:00Z", "soon</s:RecordedAtTime><s:DriverName>Kari</s:DriverName><s:RecordedAtTime>"),
    ] {
        let mut records = good.clone();
        assert!(records[record].contains(from), "{from}");
        records[record] = records[record].replacen(from, to, 1);
        let mut bench = Bench::of(FEED);
        bench.feed(document(&records));
        assert_eq!(bench.rejected.len(), 1, "{to}");
        assert_eq!(bench.rejected[0].bytes, None, "{to}");
        assert_eq!(bench.rejected[0].reason.code(), "personal_data", "{to}");
        assert_eq!(bench.out.len(), rows_but(&[i32::try_from(record).unwrap()]).len(), "{to}");
    }
    // Around the records: told once, and it goes with nobody's bytes.
    let around = document(&good)
        .replacen("<s:MoreData/>", &name.repeat(2), 1)
        .replacen("J2", "", 1);
    let mut bench = Bench::of(FEED);
    bench.feed(&around);
    assert_eq!(bench.rejected.len(), 2);
    assert_eq!(bench.rejected[0].bytes, None);
    let kept = String::from_utf8(bench.rejected[1].bytes.clone().unwrap()).unwrap();
    assert!(!kept.contains("Kari") && kept.contains("L&amp;2"), "{kept}");
    let rooted = around.replacen("version='2.0'", "phone='12345'", 1);
    let rows = (0..8).collect::<BTreeSet<i32>>();
    let pieces = bench.decoder.record_bytes(rooted.as_bytes(), &rows);
    assert!(pieces.iter().skip(1).all(|(_, bytes)| !String::from_utf8_lossy(bytes).contains("12345")));
    // Bytes that are not read at all are searched too.
    let mut bench = Bench::of("format = 'siri'\npayload_bytes_max = 10");
    bench.feed(name);
    assert_eq!((bench.rejected[0].reason.code(), &bench.rejected[0].bytes), ("personal_data", &None));
    // A feed's own list replaces the built-in one.
    let mut bench = Bench::of("format = 'siri'\npersonal_fields = ['LineRef']");
    bench.feed(document(&good));
    assert_eq!((bench.out.len(), bench.rejected.len()), (0, 5));
}

/// Every record's bytes, read alone, say what they said in their document.
#[track_caller]
fn check_alone(document: &[u8]) {
    let mut bench = Bench::of(FEED);
    bench.feed(document);
    let batch = bench.out.finish();
    let ids = event_ids(&batch);
    let rows: BTreeSet<i32> = (0..100).collect();
    let pieces = bench.decoder.record_bytes(document, &rows);
    for (row, bytes) in &pieces {
        let mut alone = Bench::of(FEED);
        alone.feed(bytes);
        let of_row = (0..batch.len()).filter(|at| batch.position(*at).row == *row);
        let want: Vec<_> = of_row.map(|at| ids[at].clone()).collect();
        assert_eq!(event_ids(&alone.out.finish()), want, "{}", String::from_utf8_lossy(bytes));
        let reasons = |bench: &Bench, row: i32| -> Vec<_> {
            let of_row = bench.rejected.iter().filter(|one| one.position.row == row);
            of_row.map(|one| (one.reason, one.bytes.clone())).collect()
        };
        let (told, again) = (reasons(&bench, *row), reasons(&alone, 0));
        let codes = |told: &[(_, _)]| told.iter().map(|(reason, _)| *reason).collect::<Vec<_>>();
        if !bytes.is_empty() {
            assert_eq!(codes(&told), codes(&again), "{}", String::from_utf8_lossy(bytes));
        }
        // What was kept of a rejected record is what can be asked for.
        for (_, kept) in told {
            assert!(kept.is_none_or(|kept| kept == *bytes));
        }
        assert_eq!(alone.rejected.len(), again.len());
    }
}

#[test]
fn records_can_be_read_alone() {
    let mut records = records();
    records[0] = records[0].replace("J1", "");
    records[2] = records[2].replace("]]>", "");
    records[3] = records[3].replace("<s:VehicleActivity>", "");
    let document = document(&records);
    check_alone(document.as_bytes());
    for cut in (1..document.len()).step_by(7) {
        check_alone(&document.as_bytes()[..cut]);
    }
    let mut bench = Bench::of(FEED);
    let pieces = bench.decoder.record_bytes(document.as_bytes(), &BTreeSet::from([1, 99]));
    let alone = String::from_utf8(pieces[&1].clone()).unwrap();
    assert_eq!(pieces.len(), 1);
    assert!(alone.starts_with("<s:Siri xmlns:s=\"http://www.siri.org.uk/siri\" version='2.0'>\
        <s:ServiceDelivery><s:ResponseTimestamp>2018-08-28T09:08:35.867+02:00</s:ResponseTimestamp>\
        <s:EstimatedTimetableDelivery><s:EstimatedJourneyVersionFrame><s:EstimatedVehicleJourney"));
    assert!(alone.ends_with("</s:EstimatedVehicleJourney ></s:EstimatedJourneyVersionFrame>\
        </s:EstimatedTimetableDelivery></s:ServiceDelivery></s:Siri>"));
}

#[test]
fn nothing_is_remembered() {
    let mut bench = Bench::of(FEED);
    bench.feed(document(&records()));
    bench.feed("<Siri/>");
    let state = bench.decoder.state();
    assert_eq!(state.counters, None);
    let restored = Bench::of(FEED).decoder.restore(&state).unwrap();
    assert_eq!(restored.passed_over(), bench.decoder.passed_over());
    assert!(restored.takes_many_rows());
}

/// Pieces that break XML, and some that do not.
fn splinter() -> impl Strategy<Value = Vec<u8>> {
    let words = vec![
        "<", ">", "&", "\"", "'", "</", "/>", "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "<!",
        "<!DOCTYPE a [<!ENTITY b 'c'>]>", "&bomb;", "&#1;", "<a>", "</a>", "=", ":", "\0", "\u{1}",
        "<s:RecordedCall>", "</s:RecordedCalls>", "<?xml version='1.0' encoding='GBK'?>", "é", "-",
    ];
    prop_oneof![
        4 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// One byte of a record is another one: the other records count as before, at their rows, and
    /// the record counts, is passed over or is rejected, in one row.
    #[test]
    fn a_flipped_byte_stays_in_its_record(
        record in 0..5_usize, at in any::<prop::sample::Index>(),
        byte in prop_oneof![any::<u8>(), prop::sample::select(b"<>&/!?'\"-=: ]\n".to_vec())],
    ) {
        let mut records: Vec<Vec<u8>> = records().into_iter().map(String::into_bytes).collect();
        // The line break behind a record is not of it.
        let at = at.index(records[record].len() - 1);
        records[record][at] = byte;
        let parts = [HEAD.as_bytes(), &records[..3].concat(), BETWEEN.as_bytes(),
            &records[3..].concat(), TAIL.as_bytes()];
        let document = parts.concat();
        let said = read(&document);
        let row = i32::try_from(record).unwrap();
        let others: Vec<_> = said.rows.iter().filter(|(found, _, _)| *found != row).cloned().collect();
        prop_assert_eq!(others, rows_but(&[row]));
        let counted = u64::from(said.rows.iter().any(|(found, _, _)| *found == row));
        prop_assert_eq!(counted + said.passed + said.rejected.len() as u64, 1, "{:?}", said);
        check_alone(&document);
    }

    /// Anything at all within a record: the others count as before.
    #[test]
    fn splinters_stay_in_their_record(
        record in 0..5_usize, cuts in vec((any::<prop::sample::Index>(), 0..20_usize, splinter()), 1..6),
    ) {
        let mut records: Vec<Vec<u8>> = records().into_iter().map(String::into_bytes).collect();
        let bytes = &mut records[record];
        let name = bytes.iter().position(|byte| matches!(byte, b' ' | b'>')).unwrap() + 1;
        for (at, len, splinter) in cuts {
            // Behind the end tag is not within.
            let from = name + at.index(bytes.len() - 1 - name);
            let to = (from + len).min(bytes.len() - 1);
            bytes.splice(from..to, splinter);
        }
        let parts = [HEAD.as_bytes(), &records[..3].concat(), BETWEEN.as_bytes(),
            &records[3..].concat(), TAIL.as_bytes()];
        let said = read(parts.concat());
        let row = i32::try_from(record).unwrap();
        let want = rows_but(&[row]);
        let others = said.rows.iter().filter(|(_, id, _)| want.iter().any(|(_, other, _)| other == id));
        let others: Vec<_> = others.map(|(_, id, line)| (id, line)).collect();
        let want: Vec<_> = want.iter().map(|(_, id, line)| (id, line)).collect();
        prop_assert_eq!(others, want);
    }

    /// Any bytes: at least one outcome, no panic, and rows that can be read alone without panic.
    #[test]
    fn no_bytes_panic(cuts in vec((any::<prop::sample::Index>(), 0..300_usize, splinter()), 0..12), soup in vec(splinter(), 0..30)) {
        let mut bytes = document(&records()).into_bytes();
        for (at, len, splinter) in cuts {
            let from = at.index(bytes.len() + 1);
            let to = (from + len).min(bytes.len());
            bytes.splice(from..to, splinter);
        }
        for payload in [bytes, soup.concat()] {
            if payload.is_empty() {
                continue;
            }
            let said = read(&payload);
            prop_assert!(said.rows.len() + said.rejected.len() + usize::try_from(said.passed).unwrap() > 0);
            let mut bench = Bench::of(FEED);
            let rows = (0..50).collect();
            for bytes in bench.decoder.record_bytes(&payload, &rows).into_values() {
                bench.feed(bytes);
            }
            crate::reject_unknown_feed(bench.decoder.feed(), tidegate_model::Payload {
                position: Position::default(),
                bytes: Some(&payload),
                arrived: None,
            });
            drop(crate::netex_stops(&payload));
        }
    }
}
