//! Cities' own feeds: the three real ones as they come, and what their mappings can get wrong.

use super::{Bench, event_ids, problems};

const TURNSTILE: &str = include_str!("turnstile.toml");
const ENTRIES: &str = include_str!("entries.toml");
const OD: &str = include_str!("od.toml");
const CHECKPOINT: &str = include_str!("checkpoint.toml");

/// The payloads must give exactly these rows and rejections; a rejection is matched by its start.
#[track_caller]
fn check(toml: &str, payloads: &[&str], rows: &[&str], rejections: &[&str]) {
    let mut bench = Bench::of(toml);
    for payload in payloads {
        bench.feed(payload);
    }
    let rejected = bench.rejections();
    assert_eq!(bench.rows(), rows, "{rejected:#?}");
    assert_eq!(rejected.len(), rejections.len(), "{rejected:#?}");
    for (got, want) in rejected.iter().zip(rejections) {
        assert!(got.starts_with(want), "{got}, not {want}");
    }
}

// --- New York --------------------------------------------------------------------------------

const HEADER_2024: &str = ",CA,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS\n";
const HEADER_2023: &str =
    "C/A,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS               \r\n";

#[test]
fn turnstiles_of_both_spellings_are_one_feed() {
    let a = format!(
        "{HEADER_2023}A002,R051,02-00-00,59 ST,NQR456W,BMT,01/06/2024,03:00:00,REGULAR,100,50\r\n"
    );
    let b = format!(
        "{HEADER_2024}0,A002,R051,02-00-00,59 ST,NQR456W,BMT,01/06/2024,07:00:00,REGULAR,104,61\n"
    );
    let c = format!(
        "{HEADER_2024}1,A002,R051,02-00-00,59 ST,NQR456W,BMT,01/06/2024,11:00:00,REGULAR,20104,60\n\
         2,A002,R051,02-00-00,59 ST,NQR456W,BMT,01/06/2024,15:00:00,REGULAR,20105,5060"
    );
    let at = |hour: u8| format!("2024-01-06T{hour:02}:00:00Z");
    let flagged = |hour: u8, measure: &str, flag: &str| {
        format!("59 ST NQR456W {0} {0} {measure} person 0 {flag}", at(hour))
    };
    let counted = |from: u8, measure: &str, count: i64| {
        format!(
            "59 ST NQR456W {} {} {measure} person {count}",
            at(from),
            at(from + 4)
        )
    };
    let rows = [
        flagged(8, "in", "counter_baseline"),
        flagged(8, "out", "counter_baseline"),
        counted(8, "in", 4),
        counted(8, "out", 11),
        flagged(16, "in", "counter_implausible"),
        flagged(16, "out", "counter_reset"),
        counted(16, "in", 1),
        // Either 61 was one too many and the counter went on, or it started again at 60 at most.
        counted(16, "out", 4_999),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    check(TURNSTILE, &[&a, &b, &c], &rows, &[]);
}

#[test]
fn turnstile_faults_are_counted_and_bad_rows_move_no_counter() {
    let row = |scp: &str, time: &str, entries: &str| {
        format!("{HEADER_2024}0,A,R,{scp},S,L,BMT,{time},REGULAR,{entries},7\n")
    };
    let mut bench = Bench::of(TURNSTILE);
    for (scp, time, entries) in [
        ("0", "01/06/2024,03:00:00", "2000"),
        ("1", "01/06/2024,03:00:00", "2000"),
        ("0", "01/06/2024,07:00:00", "1990"),
        ("0", "01/06/2024,11:00:00", "x"),
        ("0", "01/06/2024,11:00:00", "-5"),
        ("0", "01/06/1924,11:00:00", "5"),
        ("0", "01/06/2034,11:00:00", "5"),
        ("0", "01/36/2024,11:00:00", "5"),
        ("", "01/06/2024,11:00:00", "5"),
        ("0", "01/06/2024,07:00:00", "1991"),
        ("0", "01/06/2024,11:00:00", "1995"),
        ("0", "01/06/2024,21:00:00", "1996"),
    ] {
        bench.feed(row(scp, time, entries));
    }
    let rejected = bench.rejections();
    let codes: Vec<_> = rejected
        .iter()
        .map(|r| r.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(
        codes,
        [
            "wrong_type",
            "negative_count",
            "time_too_early",
            "time_in_future",
            "bad_time",
            "missing_field"
        ]
    );
    assert!(
        rejected[0].contains("S L: ENTRIES is \"x\", not a whole number"),
        "{rejected:?}"
    );
    assert!(rejected[5].contains("SCP is empty"), "{rejected:?}");
    let ins: Vec<String> = bench.rows().into_iter().step_by(2).collect();
    assert!(
        ins[4].ends_with("2024-01-06T12:00:00Z 2024-01-06T16:00:00Z in person 4"),
        "{ins:#?}"
    );
    let faults = bench.decoder.counter_faults();
    assert_eq!(
        (faults.baseline, faults.down, faults.repeated, faults.gap),
        (4, 1, 2, 2)
    );
    assert_eq!(
        (
            faults.wrap,
            faults.reset,
            faults.implausible,
            faults.forgotten
        ),
        (0, 0, 0, 0)
    );
}

/// Readings every half hour through the night on which clocks are set back lose nobody.
#[test]
fn a_counter_knows_which_of_two_hours_it_is_in() {
    let mut bench = Bench::of(TURNSTILE);
    let times = ["00:30", "01:00", "01:30", "01:00", "01:30", "02:00"];
    for (reading, time) in times.iter().enumerate() {
        bench.feed(format!(
            "{HEADER_2024}0,A,R,0,S,L,B,11/03/2024,{time}:00,REGULAR,{},7\n",
            100 + reading
        ));
    }
    let ins: Vec<String> = bench.rows().into_iter().step_by(2).skip(1).collect();
    let want = [
        "04:30:00Z 2024-11-03T05:00:00Z in person 1 time_ambiguous",
        "05:00:00Z 2024-11-03T05:30:00Z in person 1 time_ambiguous",
        "05:30:00Z 2024-11-03T06:00:00Z in person 1 time_ambiguous",
        "06:00:00Z 2024-11-03T06:30:00Z in person 1 time_ambiguous",
        "06:30:00Z 2024-11-03T07:00:00Z in person 1",
    ];
    for (got, want) in ins.iter().zip(want) {
        assert_eq!(got, &format!("S L 2024-11-03T{want}"));
    }
    assert_eq!(ins.len(), want.len());
}

// --- Bengaluru -------------------------------------------------------------------------------

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn bengaluru() {
    let out = "Indiranagar 2025-07-31T22:30:00Z 2025-07-31T23:30:00Z out person 3 from Magadi Road";
    let one = r#"{"Date":"2025-08-01","Hour":4,"Origin Station":"Magadi Road","Destination Station":"Indiranagar","Ridership":3}"#;
    check(OD, &[one], &[out], &[]);
    // The same as an array, in lines, over several lines, with floats and text for numbers.
    check(OD, &[&format!("[{one}, {one}]")], &[out, out], &[]);
    check(
        OD,
        &[&format!("\u{feff}{one}\n\n{one}\r\n")],
        &[out, out],
        &[],
    );
    check(OD, &[&one.replace(',', "\n,")], &[out], &[]);
    check(
        OD,
        &[&one.replace(":3", ":3.0").replace(":4", ":\"04\"")],
        &[out],
        &[],
    );
    check(
        ENTRIES,
        &[r#"{"Date":"2025-09-30","Hour":23,"Station":"Attiguppe","Ridership":0}"#],
        &["Attiguppe 2025-09-30T17:30:00Z 2025-09-30T18:30:00Z in person 0"],
        &[],
    );
    // Bad ones stay alone, in arrays and in lines.
    let bad = [
        r#"{"Date":"2025-08-01","Hour":48,"Origin Station":"a","Destination Station":"b","Ridership":3}"#,
        r#"{"Date":"2025-08-01","Hour":4,"Origin Station":"a","Destination Station":"b","Ridership":3.5}"#,
        r#"{"Date":"2025-08-01","Hour":4,"Origin Station":null,"Destination Station":"b","Ridership":3}"#,
        r#"{"Date":"2025-08-01","Hour":4,"Origin Station":"a","Ridership":3}"#,
        r#"{"Date":"2025-08-01","Hour":null,"Origin Station":"a","Destination Station":"b","Ridership":3}"#,
        r#"{"Date":"2025-08-01","Hour":4,"phone":"1","Destination Station":"b","Ridership":3}"#,
        "7",
    ];
    let rejections = |row: fn(usize) -> usize| -> Vec<String> {
        [
            "bad_time b: hour 48",
            "absurd_count b: Ridership is 3.5, not a whole number",
            "",
            "missing_field -: there is no Destination Station",
            "missing_field b: Hour has no hour",
            "personal_data -: field \"phone\"",
            "malformed -",
        ]
        .iter()
        .enumerate()
        .filter(|(_, text)| !text.is_empty())
        .map(|(index, text)| format!("{} {text}", row(index)))
        .collect()
    };
    let unknown = "b 2025-07-31T22:30:00Z 2025-07-31T23:30:00Z out person 3 from unknown";
    let want = rejections(|index| index + 1);
    let want: Vec<&str> = want.iter().map(String::as_str).collect();
    check(
        OD,
        &[&format!("[{one},{},{one}]", bad.join(","))],
        &[out, unknown, out],
        &want,
    );
    check(
        OD,
        &[&format!("{one}\n{}\n{one}", bad.join("\n"))],
        &[out, unknown, out],
        &want,
    );
    check(
        OD,
        &[&format!("{one}\n{}\n{one}\n", &one[..50])],
        &[out, out],
        &["1 malformed"],
    );
    check(
        OD,
        &[&format!("[{one},{}", &one[..50])],
        &[out],
        &["1 malformed"],
    );
    check(OD, &[&format!("[{one}")], &[out], &["1 malformed"]);
    check(OD, &["[]", ""], &[], &["0 malformed", "0 empty"]);
}

// --- Hong Kong -------------------------------------------------------------------------------

const HK: &str = "\u{feff}Date,Control Point,Arrival / Departure,Hong Kong Residents,Mainland Visitors,Other Visitors,Total,\r\n";

#[test]
fn hong_kong() {
    let payload = format!(
        "{HK}07-01-2023,Lo Wu,Arrival,1,2,3,6,\r\n\
         07-01-2023,Macao Ferry Terminal,Departure,1,2,3,6\r\n\
         \r\n\
         31-02-2023,Lo Wu,Arrival,1,2,3,6,\r\n\
         07-01-2023,Lo Wu,Transit,1,2,3,6,\r\n\
         07-01-2023,Lo Wu,Arrival,1,2,3\r\n\
         07-01-2023,Lo Wu,Arrival,1,2,3,6,,x\r\n\
         07-01-2023,\"Lo Wu,Arrival,1,2,3,6,\r\n\
         07-01-2023,Lo Wu,Arrival,1,2,3,,\r\n\
         07-01-2023,Lo Wu,Arrival,1,2,3,6000000,\r\n\
         07-01-2023,\"Lo Wu\",Departure,1,2,3,7,,,\r\n"
    );
    let day = "2023-01-06T16:00:00Z 2023-01-07T16:00:00Z";
    check(
        CHECKPOINT,
        &[&payload],
        &[
            &format!("Lo Wu {day} in person 6"),
            &format!("Macau Ferry Terminal {day} out person 6"),
            &format!("Lo Wu {day} out person 7"),
        ],
        &[
            "2 bad_time Lo Wu: time \"31-02-2023\" is not %d-%m-%Y",
            "3 wrong_type Lo Wu: Arrival / Departure is \"Transit\"",
            "4 malformed -: the row has 6 cells, its header 8",
            "5 malformed -: the row has 9 cells, its header 8",
            "6 malformed -: ",
            "7 missing_field Lo Wu: Total is empty",
            "8 absurd_count Lo Wu: Total 6000000 is above 1000000",
        ],
    );
}

#[test]
fn a_rejected_row_can_be_read_alone() {
    let mut bench = Bench::of(CHECKPOINT);
    bench.feed(format!(
        "{HK}07-01-2023,Lo Wu,Arrival,1,2,3,6,\r\n07-01-2023,Lo Wu,Up,1,2,3,6,\r\n"
    ));
    let kept = bench.rejected.remove(0).bytes.unwrap();
    assert_eq!(
        kept,
        format!("{HK}07-01-2023,Lo Wu,Up,1,2,3,6,").into_bytes()
    );
    bench.feed(&kept);
    assert_eq!(bench.rejected[0].bytes.as_ref(), Some(&kept));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn headers() {
    let row = "07-01-2023,Lo Wu,Arrival,6\n";
    let good = "Lo Wu 2023-01-06T16:00:00Z 2023-01-07T16:00:00Z in person 6";
    let header = "Date,Control Point,Arrival / Departure,Total\n";
    check(
        CHECKPOINT,
        &[&format!("{header}{row}{row}")],
        &[good, good],
        &[],
    );
    check(
        CHECKPOINT,
        &[&format!(
            "\n\r\n{}\n{row}",
            "\"Date\", Control Point ,Arrival / Departure,Total"
        )],
        &[good],
        &[],
    );
    // A blank payload is not a header for the next one.
    check(
        CHECKPOINT,
        &["\n", &format!("\n{header}{row}")],
        &[good],
        &["0 malformed -: no header line"],
    );
    check(
        CHECKPOINT,
        &[header, row],
        &[],
        &["0 malformed -: a header without a row"; 2],
    );
    check(
        CHECKPOINT,
        &["Date,Total\n07-01-2023,6\n07-01-2023,6"],
        &[],
        &[
            "0 missing_field -: there is no Control Point",
            "1 missing_field",
        ],
    );
    check(
        CHECKPOINT,
        &[&format!("Date,{header}x,{row}")],
        &[],
        &["0 malformed -: column Date is in the header twice"],
    );
    check(
        CHECKPOINT,
        &[&format!("\"Date,{header}x,{row}")],
        &[],
        &["0 malformed -: a quote is not closed"],
    );
    // A column that identifies persons: every row, no bytes, no value in the detail.
    let mut bench = Bench::of(CHECKPOINT);
    bench.feed("Date,Control Point,Arrival / Departure,Total,Phone No\n07-01-2023,Lo Wu,Arrival,1,138\n07-01-2023,Lo Wu,Arrival,1,139\n");
    bench.feed("Date,Phone No,\"Tot\n07-01-2023,138\n");
    bench.feed("Date,姓名\n");
    assert_eq!(bench.rejected.len(), 4);
    assert!(
        bench
            .rejected
            .iter()
            .all(|r| r.bytes.is_none() && r.site.is_none())
    );
    assert!(
        bench
            .rejections()
            .iter()
            .all(|r| r.ends_with("personal_data -: a column could identify a person"))
    );
    // Bytes that are no text touch their own row only.
    let mut bench = Bench::of(CHECKPOINT);
    let mut bytes = format!("{header}{row}").into_bytes();
    bytes.extend_from_slice(b"07-01-2023,Lo \xff,Arrival,6\n");
    bytes.extend_from_slice(row.as_bytes());
    bench.feed(&bytes);
    assert_eq!(bench.rows(), [good, good]);
    assert_eq!(
        bench.rejections(),
        ["1 not_utf8 -: bytes that are not UTF-8"]
    );
}

// --- What else a mapping can say -------------------------------------------------------------

#[test]
fn wide_tables_on_days_of_23_24_and_25_hours() {
    let toml = "format = 'csv'\n[mapping]\nsite = ['Station']\nmeasure = 'through'\n\
        subject = 'vehicle'\ndelimiter = ';'\n\
        [mapping.wide]\npattern = '{hour:02}-{next:02}'\n\
        [mapping.time]\ncolumns = ['Day']\nformat = '%Y-%m-%d'\nzone = 'Europe/Berlin'\n";
    let header = (0..24).fold("Day;Station".to_owned(), |line, hour| {
        format!("{line};{hour:02}-{:02}", hour + 1)
    });
    let row = |date: &str, two: &str| {
        let cells: Vec<String> = (0..24)
            .map(|hour| {
                if hour == 2 {
                    two.to_owned()
                } else {
                    format!("{hour}")
                }
            })
            .collect();
        format!("{header}\n{date};S;{}\n", cells.join(";"))
    };
    let rows = |date: &str, two: &str| {
        let mut bench = Bench::of(toml);
        bench.feed(row(date, two));
        (bench.rows(), bench.rejections())
    };
    // Clocks go from 02:00 to 03:00: the hour that was not there has no count or 0.
    for two in ["", "0"] {
        let (hours, rejected) = rows("2024-03-31", two);
        assert_eq!((hours.len(), rejected.len()), (23, 0), "{rejected:?}");
        assert_eq!(
            hours[1],
            "S 2024-03-31T00:00:00Z 2024-03-31T01:00:00Z through vehicle 1"
        );
        assert_eq!(
            hours[2],
            "S 2024-03-31T01:00:00Z 2024-03-31T02:00:00Z through vehicle 3"
        );
    }
    let (hours, rejected) = rows("2024-03-31", "5");
    assert_eq!(hours.len(), 0);
    assert!(rejected[0].starts_with("0 bad_time S: time 2024-03-31T02:00:00 does not exist"));
    assert_eq!(rows("2024-06-01", "2").0.len(), 24);
    let (hours, _) = rows("2024-10-27", "2");
    assert_eq!(
        hours[2],
        "S 2024-10-27T00:00:00Z 2024-10-27T01:00:00Z through vehicle 2 time_ambiguous"
    );
    assert_eq!(
        hours[3],
        "S 2024-10-27T02:00:00Z 2024-10-27T03:00:00Z through vehicle 3"
    );
    // A row without any count is not passed over in silence, and one bad cell rejects its row.
    let empty = format!("{header}\n2024-06-01;S{}\n", ";".repeat(24));
    check(
        toml,
        &[&empty],
        &[],
        &["0 missing_field S: no hour column has a count"],
    );
    check(
        toml,
        &[&row("2024-06-01", "x")],
        &[],
        &["0 wrong_type S: 02-03 is \"x\""],
    );
}

#[test]
fn wide_columns_may_be_listed() {
    let toml = "format = 'mapped_json'\n[mapping]\nsite = ['s']\nmeasure = 'in'\n\
        wide.columns = [{ column = 'early', hour = 6 }, { column = 'late | night', hour = 24 }]\n\
        time = { columns = ['d'], format = '%F', zone = 'UTC', interval = '30m', anchor = 'end' }";
    check(
        toml,
        &[r#"{"s":7,"d":"2024-01-01","night":2,"early":1}"#],
        &[
            "7 2024-01-01T05:30:00Z 2024-01-01T06:00:00Z in person 1",
            "7 2024-01-01T23:30:00Z 2024-01-02T00:00:00Z in person 2",
        ],
        &[],
    );
}

#[test]
fn origins_coordinates_ids_and_several_counts() {
    let toml = "format = 'csv'\nunknown_site = 'accept'\n[mapping]\nsite = ['a', 'b']\n\
        site_separator = '/'\nid = ['k', 'a']\nlat = 'lat'\nlng = 'lng'\n\
        time = { columns = ['t'], format = 'unix_s' }\n\
        [[mapping.counts]]\ncolumn = 'residents'\nmeasure = 'in'\norigin = 'HK'\n\
        [[mapping.counts]]\ncolumn = 'lorries'\nmeasure = 'through'\nsubject = 'vehicle'\n";
    let mut bench = Bench::of(toml);
    let row = "x,y,7,1700000000,22.5,114.25,3,4\n";
    bench.feed(format!("a,b,k,t,lat,lng,residents,lorries\n{row}{row}x,y,7,1700000000,,,3,4\nx,y,7,1700000000,22.5,,3,4\nx,y,,1700000000,,,3,4\nx,y,7,1700000000,22.5,NaN,3,4\n"));
    let rejected = bench.rejections();
    for (got, want) in rejected.iter().zip([
        "3 bad_coordinate x/y: lat 22.5 comes",
        "4 missing_field x/y: k is empty",
        "5 bad_coordinate",
    ]) {
        assert!(got.starts_with(want), "{got}");
    }
    let batch = bench.out.finish();
    let ids = event_ids(&batch);
    assert_eq!(ids[0], ids[2], "the same id is the same event");
    assert_ne!(ids[0], ids[1], "two counts of a row are two events");
    let rows = super::lines(&batch);
    assert_eq!(rows.len(), 6);
    assert_eq!(
        rows[0],
        "x/y 2023-11-14T22:13:20Z 2023-11-14T22:13:20Z in person 3 from HK at 22.5,114.25"
    );
    assert_eq!(
        rows[1],
        "x/y 2023-11-14T22:13:20Z 2023-11-14T22:13:20Z through vehicle 4 at 22.5,114.25"
    );
    assert_eq!(
        rows[4],
        "x/y 2023-11-14T22:13:20Z 2023-11-14T22:13:20Z in person 3 from HK"
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn mapping_problems_are_all_listed() {
    let keys = |toml: &str| -> Vec<String> { problems(toml).into_iter().map(|p| p.key).collect() };
    let time = "time = { columns = ['t'], format = 'rfc3339' }";
    assert_eq!(
        keys(
            "format = 'mapped_json'\n[mapping]\nsite = []\nsite_aliases = { a = '' }\ndelimiter = ';'\nlat = 'y'\norigin = {}\ntime = { columns = [], format = '%H' }"
        ),
        [
            "mapping.delimiter",
            "mapping.time.columns",
            "mapping.time.format",
            "mapping.site",
            "mapping.site_aliases.\"a\"",
            "mapping.count",
            "mapping.origin",
            "mapping.lat"
        ]
    );
    for (rest, want) in [
        ("count = 'c'", "mapping.measure"),
        ("count = 'name'\nmeasure = 'in'", "mapping.count"),
        ("count = 'x | s'\nmeasure = 'in'", "mapping.count"),
        (
            "count = 'c'\nmeasure = 'in'\ndelimiter = 'ab'",
            "mapping.delimiter",
        ),
        (
            "count = 'c'\nmeasure = 'in'\ncounts = [{ column = 'd' }]",
            "mapping.count",
        ),
        (
            "count = 'c'\nmeasure = 'in'\ndirection = { column = 'd', values = { A = 'in' } }",
            "mapping.direction",
        ),
        (
            "count = 'c'\ndirection = { column = 'd', values = {} }",
            "mapping.direction.values",
        ),
        (
            "count = 'c'\nmeasure = 'present'\ncumulative = { counter = ['s'], step_max = 5 }",
            "mapping.cumulative",
        ),
        (
            "count = 'c'\nmeasure = 'in'\ncumulative = { counter = [], step_max = 5 }",
            "mapping.cumulative.counter",
        ),
        (
            "count = 'c'\nmeasure = 'in'\ncumulative = { counter = ['s'], step_max = 2000000 }",
            "mapping.cumulative.step_max",
        ),
        (
            "count = 'c'\nmeasure = 'in'\ncumulative = { counter = ['s'], step_max = 5, wrap_at = 5 }",
            "mapping.cumulative.wrap_at",
        ),
        (
            "count = 'c'\nmeasure = 'in'\ncumulative = { counter = ['s'], step_max = 5, reset_below = -1 }",
            "mapping.cumulative.reset_below",
        ),
        (
            "count = 'c'\nmeasure = 'in'\ncumulative = { counter = ['s'], step_max = 5, counters_max = 0 }",
            "mapping.cumulative.counters_max",
        ),
        ("measure = 'in'\nwide = {}", "mapping.wide"),
        (
            "measure = 'in'\nwide = { pattern = 'h' }",
            "mapping.wide.pattern",
        ),
        (
            "measure = 'in'\nwide = { pattern = '{hour}', last_hour = 48 }",
            "mapping.wide.first_hour",
        ),
        (
            "measure = 'in'\nwide = { columns = [{ column = 'c', hour = 48 }] }",
            "mapping.wide.columns[0]",
        ),
        (
            "counts = [{ column = 'c', measure = 'in', origin = '' }]",
            "mapping.counts[0].origin",
        ),
        (
            "count = 'c'\nmeasure = 'in'\norigin = { column = 'o', constant = 'x' }",
            "mapping.origin",
        ),
    ] {
        let toml = format!("format = 'csv'\n[mapping]\nsite = ['s']\n{time}\n{rest}");
        assert_eq!(keys(&toml), [want], "{rest}");
    }
    let daily = CHECKPOINT.replace("25h", "24h");
    let problem = problems(&daily).remove(0);
    assert_eq!(
        problem.to_string(),
        "mapping.time.interval: can be 25h long, longer than interval_max 1d"
    );
    let empty = toml::from_str::<crate::FeedConfig>(&CHECKPOINT.replace("\"Total\"", "\"A | \""))
        .unwrap_err();
    assert!(
        empty.to_string().contains("is not a column name"),
        "{empty}"
    );
}

/// What the tests read is what the manual of the file says it reads.
#[test]
fn the_schema_of_a_feed_file_names_every_key() {
    let schema = serde_json::to_string(&schemars::schema_for!(crate::FeedConfig)).unwrap();
    for key in [
        "out_of_orderness",
        "site_aliases",
        "ambiguous",
        "step_max",
        "pattern",
        "CA | C/A",
    ] {
        assert!(schema.contains(key), "{key}");
    }
}

/// A record of a payload with several is cut out so that, sent alone, it reads as it did there.
#[test]
fn records_are_cut_out_of_their_payload() {
    let cut = |toml: &str, payload: &str, rows: &[i32]| -> Vec<(i32, String)> {
        let mut bench = Bench::of(toml);
        let rows = rows.iter().copied().collect();
        let found = bench.decoder.record_bytes(payload.as_bytes(), &rows);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        found
            .into_iter()
            .map(|(row, bytes)| (row, text(bytes)))
            .collect()
    };
    let row = |row: i32, text: &str| (row, text.to_owned());
    let turnstile = include_str!("turnstile.toml");
    assert_eq!(
        cut(
            turnstile,
            "A,B\r\n1,2\r\n\r\n3,4\r\n5,\"6\n7\"\n",
            &[1, 2, 9]
        ),
        [row(1, "A,B\r\n3,4"), row(2, "A,B\r\n5,\"6\n7\"")]
    );
    // Found by fuzzing: a header alone is one rejection, which is the whole payload.
    assert_eq!(cut(turnstile, "A,B", &[0, 1]), [row(0, "A,B")]);
    let objects = turnstile.replace("format = \"csv\"", "format = \"mapped_json\"");
    assert_eq!(
        cut(&objects, "[{\"a\":1}, {\"a\":2}]", &[1]),
        [row(1, "{\"a\":2}")]
    );
    assert_eq!(
        cut("format = \"json\"", "{\"a\":1}", &[0, 1]),
        [row(0, "{\"a\":1}")]
    );
}
