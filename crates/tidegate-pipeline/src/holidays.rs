//! Public holidays, a table of the pipeline folder.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::Problem;

/// A row of the file.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct HolidayRow {
    date: String,
    name: String,
}

/// The holidays of a CSV file by their local date; what is wrong with it goes to `problems`.
pub(crate) fn read_holidays(
    file: &str,
    text: &str,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Date, String> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let mut holidays = BTreeMap::new();
    for (index, row) in reader.deserialize::<HolidayRow>().enumerate() {
        let key = format!("row {}", index + 1);
        let mut problem = |key: &str, message: String| {
            problems.push(Problem::new(file, key, message));
        };
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                problem(&key, error.to_string());
                continue;
            }
        };
        // A date alone: the parser would take one with a time too.
        let date = row.date.parse::<Date>().ok();
        let Some(date) = date.filter(|date| date.to_string() == row.date) else {
            let message = format!("{:?} is not a date YYYY-MM-DD", row.date);
            problem(&format!("{key}.date"), message);
            continue;
        };
        if row.name.is_empty() {
            problem(&format!("{key}.name"), "is empty".to_owned());
        }
        if let Some(earlier) = holidays.insert(date, row.name) {
            let message = format!("{date} is there twice, first as {earlier:?}");
            problem(&format!("{key}.date"), message);
        }
    }
    holidays
}

#[cfg(test)]
mod tests {
    //! Tries to have a table read as other days than it says.

    use super::*;

    fn check(text: &str, expected: &[&str], wrong: &[&str]) {
        let mut problems = Vec::new();
        let holidays = read_holidays("h.csv", text, &mut problems);
        let holidays = holidays.iter().map(|(date, name)| format!("{date} {name}"));
        assert_eq!(holidays.collect::<Vec<_>>(), expected, "{text}");
        let problems: Vec<_> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(problems, wrong, "{text}");
    }

    #[test]
    fn dates_with_names() {
        check("date,name\n", &[], &[]);
        check(
            "\u{feff}name, date\n春节,2026-02-17\nLabour Day ,2026-05-01\n",
            &["2026-02-17 春节", "2026-05-01 Labour Day"],
            &[],
        );
    }

    #[test]
    fn every_bad_row_is_named() {
        check(
            "date,name\n2026-02-30,a\n17.2.2026,b\n2026-02-17,\n2026-02-17,c\n",
            &["2026-02-17 c"],
            &[
                "h.csv: row 1.date: \"2026-02-30\" is not a date YYYY-MM-DD",
                "h.csv: row 2.date: \"17.2.2026\" is not a date YYYY-MM-DD",
                "h.csv: row 3.name: is empty",
                "h.csv: row 4.date: 2026-02-17 is there twice, first as \"\"",
            ],
        );
        let mut problems = Vec::new();
        read_holidays("h.csv", "day,name\n2026-02-17,a\n", &mut problems);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.contains("day"), "{problems:?}");
    }
}
