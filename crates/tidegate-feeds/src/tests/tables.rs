//! What cities' tables do beside plain counts: ranges, empty cells, vehicles for persons, one time
//! for a whole table, and text that is not UTF-8.

use super::{Bench, event_ids, problems};

const STREET: &str = "format = 'csv'\n[mapping]\nsite = ['site']\ncount = 'n'\nmeasure = 'through'\n\
    time = { columns = ['t'], format = 'rfc3339' }\n";
const AT: &str = "2026-03-01T08:00:00Z";

fn ranges(bench: &mut Bench) -> Vec<(i64, i64, i64)> {
    let batch = bench.out.finish();
    let row = |row| {
        (
            batch.count_low().value(row),
            batch.count().value(row),
            batch.count_high().value(row),
        )
    };
    (0..batch.len()).map(row).collect()
}

#[test]
fn a_count_has_the_range_that_its_row_tells() {
    let mut bench = Bench::of(&format!(
        "{STREET}range = {{ low = 'least', high = 'most' }}"
    ));
    bench.feed(format!(
        "site,t,n,least,most\na,{AT},5250.0,5000.0,5500.0\na,{AT},7,,\na,{AT},7,8,9\na,{AT},7,7,7\n"
    ));
    assert_eq!(
        ranges(&mut bench),
        [(5_000, 5_250, 5_500), (7, 7, 7), (7, 7, 7)]
    );
    assert_eq!(
        bench.rejections(),
        ["2 absurd_count a: count 7 is not within its range 8 to 9"]
    );
}

#[test]
fn an_empty_count_is_rejected_or_passed_over_but_never_zero() {
    let rows = format!("site,t,n\na,{AT},0\na,{AT},\n");
    let mut strict = Bench::of(STREET);
    strict.feed(&rows);
    assert_eq!(ranges(&mut strict), [(0, 0, 0)]);
    assert_eq!(strict.rejections(), ["1 missing_field a: n is empty"]);
    let mut lenient = Bench::of(&format!("{STREET}empty_count = 'pass'"));
    lenient.feed(&rows);
    // A table without the column is broken all the same.
    lenient.feed(format!("site,t\na,{AT}\n"));
    assert_eq!(ranges(&mut lenient), [(0, 0, 0)]);
    assert_eq!(lenient.rejections(), ["0 missing_field a: there is no n"]);
    let passed = lenient.decoder.passed_over().iter();
    assert_eq!(
        passed.filter(|(_, count)| *count > 0).collect::<Vec<_>>(),
        [("no_count", 1)]
    );
}

#[test]
fn vehicles_stand_for_persons_by_a_declared_factor() {
    let toml = format!(
        "{STREET}subject = 'vehicle'\nid = ['site', 't']\n\
        persons_per_vehicle = {{ value = 1.3, low = 1.0, high = 1.6 }}"
    );
    let mut bench = Bench::of(&toml);
    bench.feed(format!("site,t,n\na,{AT},657\n"));
    let batch = bench.out.finish();
    assert_eq!(
        super::lines(&batch),
        [
            format!("a {AT} {AT} through vehicle 657"),
            format!("a {AT} {AT} through person 854 estimated"),
        ]
    );
    assert_eq!(batch.count_low().value(1), 657);
    assert_eq!(batch.count_high().value(1), 1_052);
    let ids = event_ids(&batch);
    assert_ne!(ids[0], ids[1]);
    bench.feed(format!("site,t,n\na,{AT},657\n"));
    assert_eq!(event_ids(&bench.out.finish()), ids);
    let wrong = toml.replace("high = 1.6", "high = 1.1");
    assert_eq!(
        problems(&wrong)[0].to_string(),
        "mapping.persons_per_vehicle: 1, 1.3, 1.1 are not low, value and high in order, above 0 \
         and at most 1000"
    );
    let persons = toml.replace("'vehicle'", "'person'");
    assert_eq!(
        problems(&persons)[0].to_string(),
        "mapping.persons_per_vehicle: no count is of vehicles"
    );
}

#[test]
fn a_record_may_be_one_event() {
    let toml = STREET.replace("count = 'n'", "count_each = 1");
    let mut bench = Bench::of(&toml);
    bench.feed(format!("site,t\na,{AT}\n"));
    assert_eq!(bench.rows(), [format!("a {AT} {AT} through person 1")]);
    assert_eq!(
        problems(&toml.replace("count_each = 1", "count_each = 0"))[0].to_string(),
        "mapping.count_each: 0 is not within 1 to count_max 1000000"
    );
}

#[test]
fn one_time_may_stand_for_a_whole_table() {
    let toml = "format = 'csv'\ninterval_max = '600h'\n[mapping]\nsite = ['city']\ncount = 'n'\n\
        measure = 'in'\norigin = { constant = '420100' }\n\
        time = { constant = '2020-01-01', format = '%F', zone = 'Asia/Shanghai', interval = '24d' }";
    let mut bench = Bench::of(toml);
    bench.feed("city,n\nChongqing,96521\n");
    assert_eq!(
        bench.rows(),
        ["Chongqing 2019-12-31T16:00:00Z 2020-01-24T16:00:00Z in person 96521 from 420100"]
    );
    let both = toml.replace(
        "constant = '2020-01-01'",
        "constant = '2020-01-01', columns = ['t']",
    );
    assert_eq!(
        problems(&both)[0].to_string(),
        "mapping.time.columns: either columns or a constant is needed"
    );
}

#[test]
fn text_in_other_encodings_is_read_and_kept_as_it_came() {
    let check = |encoding: &str, site: &str| {
        let label = encoding_rs::Encoding::for_label(encoding.as_bytes()).unwrap();
        let toml = format!("{STREET}encoding = '{encoding}'");
        let mut bench = Bench::of(&toml);
        let text = format!("site,t,n\n{site},{AT},5\n{site},{AT},x\n");
        let bytes = label.encode(&text).0;
        assert_ne!(bytes.as_ref(), text.as_bytes());
        bench.feed(&bytes);
        assert_eq!(bench.rows(), [format!("{site} {AT} {AT} through person 5")]);
        let kept = bench.rejected[0].bytes.clone().unwrap();
        let rejections = bench.rejections();
        assert_eq!(
            rejections,
            [format!(
                "1 wrong_type {site}: n is \"x\", not a whole number"
            )]
        );
        bench.feed(&kept);
        assert_eq!(bench.rejected[0].bytes.as_ref(), Some(&kept));
        assert_eq!(bench.rejections()[0][1..], rejections[0][1..]);
        let rows = std::collections::BTreeSet::from([1]);
        assert_eq!(bench.decoder.record_bytes(&bytes, &rows)[&1], kept);
        let broken = b"site,t,n\n\xff\xff\xff,x,1\n";
        bench.feed(broken);
        assert_eq!(
            bench.rejections(),
            [format!("0 not_utf8 -: bytes that are not {}", label.name())]
        );
        // Found by fuzzing: the rejection is of the whole payload, not of its first row.
        let found = bench.decoder.record_bytes(broken, &[0, 1].into());
        assert_eq!(found, [(0, broken.to_vec())].into());
    };
    check("gbk", "汉口站");
    check("euc-kr", "서울역");
    check("big5", "羅湖");
    let wrong = problems(&format!("{STREET}encoding = 'utf-16le'"));
    assert_eq!(
        wrong[0].to_string(),
        "mapping.encoding: \"utf-16le\" is not an encoding such as gbk, big5 or euc-kr"
    );
}
