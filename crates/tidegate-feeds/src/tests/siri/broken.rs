//! SIRI deliveries made to break the decoder: bombs, wrong encodings, huge and broken records, and
//! personal data in them. What is broken must stay alone.

use std::collections::BTreeSet;

use super::Bench;
use super::document::{FEED, document, read, records, rows_but};

/// `payload` must be refused whole, with one rejection that begins with `want`.
#[track_caller]
fn check_refused(payload: impl AsRef<[u8]>, want: &str) {
    let said = read(payload);
    assert_eq!((said.rows.len(), said.passed), (0, 0), "{said:?}");
    assert_eq!(said.rejected.len(), 1, "{said:?}");
    assert!(
        said.rejected[0].starts_with(want),
        "{}, not {want}",
        said.rejected[0]
    );
}

/// Documents that hold no record, and what is told of them.
const REFUSED: &[(&str, &str)] = &[
    (
        "{}",
        "0 malformed -: byte 0: text outside of the root element",
    ),
    ("<", "0 malformed -: byte 0: syntax error: tag not closed"),
    ("  \n", "0 malformed -: byte 3: no XML element"),
    (
        "<Siri>",
        "0 malformed -: byte 6: cut short within element \"Siri\"",
    ),
    (
        "<Siri></siri>",
        "0 malformed -: byte 6: the end of \"siri\" where \"Siri\" is open",
    ),
    (
        "<html/>",
        "0 malformed -: the root element is \"html\", not Siri",
    ),
    (
        "<Siri/><Siri/>",
        "0 malformed -: byte 7: a second root element",
    ),
    ("<Siri/>&amp;", "0 malformed -: byte 7: text outside"),
    (
        "<Siri>\n<?xml version='1.0'?></Siri>",
        "0 malformed -: byte 7: an XML declaration within",
    ),
    (
        "<Siri><1/></Siri>",
        "0 malformed -: byte 6: \"1\" is not the name of an element",
    ),
    (
        "<Siri><!-- </Siri>",
        "0 malformed -: byte 6: syntax error: comment not closed",
    ),
    (
        "<Siri>&more;</Siri>",
        "0 malformed -: byte 6: entity \"&more;\" is neither",
    ),
    ("<Siri a='&more;'/>", "0 malformed -: byte 0: "),
    ("<Siri a='1' a='2'/>", "0 malformed -: byte 0: "),
    ("<Siri a=1/>", "0 malformed -: byte 0: "),
    ("<Siri a='<'/>", "0 malformed -: byte 0: a < within a tag"),
];

#[test]
fn documents_that_are_refused_whole() {
    let good = document(&records());
    let under = |doctype: &str| good.replacen("<!-- made -->", doctype, 1);
    let bomb = "<!DOCTYPE s:Siri [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">\
        <!ENTITY c \"&b;&b;&b;&b;\">]>";
    let doctype = "0 malformed -: byte 39: a DOCTYPE: it could define entities";
    check_refused(under(bomb), doctype);
    check_refused(
        under("<!DOCTYPE Siri SYSTEM \"file:///etc/passwd\">"),
        doctype,
    );
    check_refused(under("<!doctype html>"), doctype);
    check_refused(under("<!DOCTYPE unclosed "), doctype);
    check_refused(
        good.replacen("UTF-8", "GBK", 1),
        "0 not_utf8 -: the XML declaration says encoding \"GBK\"; only UTF-8 is read",
    );
    check_refused(
        good.replacen("UTF-8", "utf-16", 1),
        "0 not_utf8 -: the XML declaration says",
    );
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_refused(&utf16, "0 not_utf8 -: bytes that look like UTF-16");
    check_refused(
        [b"\xff\xfe", &utf16[..]].concat(),
        "0 not_utf8 -: bytes that look like",
    );
    for (payload, want) in REFUSED {
        check_refused(payload, want);
    }
    let deep = format!("<Siri>{}", "<a>".repeat(1_000_000));
    check_refused(
        deep,
        "0 malformed -: byte 195: elements nested deeper than 64",
    );
    let attributes: Vec<String> = (0..65).map(|n| format!(" a{n}=''")).collect();
    let attributes = attributes.concat();
    check_refused(
        format!("<Siri{attributes}/>"),
        "0 malformed -: byte 0: a tag with more than 64 attributes",
    );
}

/// Where huge things go in record 1, what is around them, of what they are made, and what that gives.
const HUGE: &[(&str, [&str; 3], &str)] = &[
    ("<?note?>", ["<s:Note>", "x", "</s:Note>"], ""),
    ("<?note?>", ["<s:Note>", "&amp;", "</s:Note>"], ""),
    ("<?note?>", ["<!--", "x", "-->"], ""),
    ("<?note?>", ["", "<x/>", ""], ""),
    (
        "J2",
        ["", "x", ""],
        "wrong_type -: DatedVehicleJourneyRef has a text of more than 1024",
    ),
    (
        "J2",
        ["", "&amp;", ""],
        "wrong_type -: DatedVehicleJourneyRef has a text of more than 1024",
    ),
    (
        "J2",
        ["", "<![CDATA[x]]>", ""],
        "wrong_type -: DatedVehicleJourneyRef has a text of more",
    ),
    (
        "J2",
        ["", " ", ""],
        "wrong_type -: DatedVehicleJourneyRef has a text of more than 1024",
    ),
    (
        "<?note?>",
        ["<", "x", "/>"],
        "malformed -: byte 177: a name of more than 256 bytes",
    ),
    (
        "<?note?>",
        ["<x a='", "x", "'/>"],
        "malformed -: byte 177: a tag of",
    ),
    (
        "<?note?>",
        ["<x ", "a=''", "/>"],
        "malformed -: byte 177: a tag of",
    ),
    (
        "<?note?>",
        ["", "<x>", ""],
        "malformed -: byte 366: elements nested deeper than 64",
    ),
    ("<?note?>", ["", "<", ""], "malformed -: byte 177: "),
    ("<?note?>", ["", "&", ""], "malformed -: byte 177: "),
    (
        "<?note?>",
        ["", "</s:x>", ""],
        "malformed -: byte 177: the end of \"s:x\" where",
    ),
    (
        "<?note?>",
        ["", "<!--", ""],
        "malformed -: byte 177: syntax error: comment not closed",
    ),
];

/// Huge things of all kinds in record 1: the others count, and it takes a blink.
#[test]
fn huge_records_stay_alone() {
    let good = records();
    for (at, [before, piece, after], want) in HUGE {
        // Nearly the feed's 64 MiB of text; other things are many even in less.
        let is_text = *piece == "x" && !before.starts_with("<x");
        let bytes = if is_text { 63 << 20 } else { 1 << 20 };
        let huge = [*before, &piece.repeat(bytes / piece.len()), after].concat();
        let mut records = good.clone();
        assert!(records[1].contains(at), "{at}");
        records[1] = records[1].replacen(at, &huge, 1);
        let said = read(document(&records));
        if want.is_empty() {
            assert_eq!((said.rows, said.rejected.len()), (rows_but(&[]), 0));
        } else {
            assert_eq!(said.rejected.len(), 1);
            let line = said.rejected[0].strip_prefix("1 ").unwrap();
            assert!(line.starts_with(want), "{line}, not {want}");
            assert_eq!(said.rows, rows_but(&[1]), "{want}");
        }
    }
}

/// A million records that are all broken in a way that hides what follows: no search begins anew.
#[test]
fn broken_records_do_not_add_up() {
    for piece in [
        "<EstimatedVehicleJourney><!--",
        "<VehicleActivity a='",
        "</VehicleActivity>",
    ] {
        let count = 50_000;
        let said = read(format!("<Siri>{}", piece.repeat(count)));
        assert_eq!(said.rejected.len(), count);
        let last = said.rejected.last().unwrap();
        assert!(last.starts_with("49999 malformed"), "{last}");
    }
    let opened = format!("<Siri>{}", "<!--".repeat(1_000_000));
    check_refused(
        opened,
        "0 malformed -: byte 6: syntax error: comment not closed",
    );
}

/// What stands in a record, what stands there instead, and what is told of it.
const BROKEN: &[(usize, &str, &str, &str)] = &[
    (
        1,
        "</s:RecordedCall>",
        "",
        "the end of \"s:RecordedCalls\" where \"s:RecordedCall\" is open",
    ),
    (1, "J2", "&bomb;", "entity \"&bomb;\" is neither"),
    (1, "J2", "&#0;", "entity \"&#0;\" is neither"),
    (1, "J2", "&#xD800;", "entity \"&#xD800;\" is neither"),
    (1, "J2", "a & b", "byte"),
    (
        1,
        "J2",
        "\u{1}",
        "DatedVehicleJourneyRef holds the character '\\u{1}'",
    ),
    (1, "J2", "<!DOCTYPE x>", "a DOCTYPE"),
    (1, "-->", "->", "comment not closed"),
    (1, "]]>", "]>", "CDATA not closed"),
    (1, "b='>'", "b='>", "a < within a tag"),
    (
        1,
        "</s:EstimatedVehicleJourney >",
        "",
        "cut short within element",
    ),
    (
        2,
        "</s:EstimatedVehicleJourney >",
        "",
        "cut short within element",
    ),
    (1, "<s:E", "<s<E", "byte 0: "),
    (
        1,
        "<s:E",
        "<<:E",
        "\"<:EstimatedVehicleJourney\" is not the name of an element",
    ),
    (1, "b='>'", "b=/>'", "byte 0: "),
    (
        4,
        "</s:VehicleActivity>",
        "<As:VehicleActivity>",
        "cut short within element",
    ),
    (4, "</s:VehicleActivity>", "<<s:VehicleActivity>", "byte"),
    (
        1,
        "<s:EstimatedVehicleJourney ",
        "<s:EstimatedVehicleJourne ",
        "the end of \"s:EstimatedVehicleJourney\" where",
    ),
    (
        1,
        "<s:EstimatedVehicleJourney ",
        "",
        "the end of \"s:EstimatedVehicleJourney\" where",
    ),
    (3, "<s:VehicleActivity>", "<s:VehicleActivity<", "byte"),
    (4, "</s:VehicleActivity>", "</s:VehicleActivity", "byte"),
    (
        4,
        "</s:VehicleActivity>",
        "</s:VehicleActivitx>",
        "where \"s:VehicleActivity\" is open",
    ),
];

#[test]
fn broken_records_stay_alone() {
    let good = records();
    for &(record, from, to, want) in BROKEN {
        let mut records = good.clone();
        assert!(records[record].contains(from), "{from}");
        records[record] = records[record].replacen(from, to, 1);
        let said = read(document(&records));
        assert_eq!(said.rejected.len(), 1, "{to}: {said:?}");
        let row = i32::try_from(record).unwrap();
        let line = said.rejected[0].strip_prefix(&format!("{row} malformed -: "));
        assert!(
            line.is_some_and(|line| line.contains(want)),
            "{:?}, not {want}",
            said.rejected
        );
        assert_eq!(said.rows, rows_but(&[row]), "{to}");
    }
    let mut bytes = document(&good).into_bytes();
    let at = bytes.windows(2).position(|two| two == b"J2").unwrap();
    bytes[at] = 0xff;
    let said = read(bytes);
    assert_eq!(said.rejected, ["1 not_utf8 -: bytes that are not UTF-8"]);
    assert_eq!(said.rows, rows_but(&[1]));
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
        (
            3,
            "09:04:00Z",
            "soon</s:RecordedAtTime><s:DriverName>Kari</s:DriverName><s:RecordedAtTime>",
        ),
    ] {
        let mut records = good.clone();
        assert!(records[record].contains(from), "{from}");
        records[record] = records[record].replacen(from, to, 1);
        let mut bench = Bench::of(FEED);
        bench.feed(document(&records));
        assert_eq!(bench.rejected.len(), 1, "{to}");
        assert_eq!(bench.rejected[0].bytes, None, "{to}");
        assert_eq!(bench.rejected[0].reason.code(), "personal_data", "{to}");
        assert_eq!(
            bench.out.len(),
            rows_but(&[i32::try_from(record).unwrap()]).len(),
            "{to}"
        );
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
    assert!(
        pieces
            .iter()
            .skip(1)
            .all(|(_, bytes)| !String::from_utf8_lossy(bytes).contains("12345"))
    );
    // Bytes that are not read at all are searched too.
    let mut bench = Bench::of("format = 'siri'\npayload_bytes_max = 10");
    bench.feed(name);
    assert_eq!(
        (bench.rejected[0].reason.code(), &bench.rejected[0].bytes),
        ("personal_data", &None)
    );
    // A feed's own list replaces the built-in one.
    let mut bench = Bench::of("format = 'siri'\npersonal_fields = ['LineRef']");
    bench.feed(document(&good));
    assert_eq!((bench.out.len(), bench.rejected.len()), (0, 5));
}
