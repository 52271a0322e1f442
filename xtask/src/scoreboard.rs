//! `cargo xtask scoreboard`: every exact fact of the recorded feeds against what the product
//! computes, and below the facts what its methods are worth on recorded data. The facts are in
//! `tests/scoreboard.toml`, the result is `docs/SCOREBOARD.md`.
//!
//! Each source is a run of `tidegate backfill` over its files with the source's own pipeline; static
//! GTFS feeds are laid beside a copy of the pipeline folder, as their user would.
//! A section ([`SECTIONS`]) takes rows from such a run and calls the methods of `tidegate-risk` on
//! them; its parameters are fixed on a part of the data that it does not report.

mod product;

mod stats;

mod border;
mod hotspots;
mod outflow;

mod series;

mod events;
mod forecast;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::repo::Repo;
use product::Product;

/// Where the facts are.
const FACTS: &str = "tests/scoreboard.toml";
/// Where the result is written.
const BOARD: &str = "docs/SCOREBOARD.md";

/// What is shown below the facts, in this order: markdown that begins with a heading.
const SECTIONS: &[(&str, Section)] = &[
    ("Seoul's hotspots", hotspots::section),
    ("Wuhan's outflow", outflow::section),
    ("Hong Kong's border", border::section),
    ("forecasts and known days", series::section),
];

/// Asks the product and gives markdown.
type Section = fn(&Product) -> Result<String>;

/// The content of [`FACTS`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    source: Vec<Source>,
}

/// A recorded source and what it must give.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    name: String,
    pipeline: String,
    /// `FEED=PATH` below the folder of the data; a path may end in `*.EXTENSION`.
    inputs: Vec<String>,
    /// Static feeds by the name under which the pipeline looks for them.
    #[serde(default)]
    gtfs: BTreeMap<String, String>,
    #[serde(rename = "fact")]
    facts: Vec<Fact>,
}

#[derive(Deserialize)]
#[serde(try_from = "WrittenFact")]
struct Fact {
    what: String,
    by: String,
    expected: i64,
    found: From,
}

/// A fact as it is written: one of `summary`, `sum` and `sql` says where the product says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFact {
    what: String,
    by: String,
    expected: i64,
    summary: Option<String>,
    sum: Option<Vec<String>>,
    sql: Option<String>,
}

impl TryFrom<WrittenFact> for Fact {
    type Error = String;

    fn try_from(fact: WrittenFact) -> Result<Self, String> {
        let found = match (fact.summary, fact.sum, fact.sql) {
            (Some(pointer), None, None) => From::Summary(vec![pointer]),
            (None, Some(pointers), None) => From::Summary(pointers),
            (None, None, Some(sql)) => From::Sql(sql),
            _ => return Err(format!("{:?} needs one of summary, sum and sql", fact.what)),
        };
        Ok(Self {
            what: fact.what,
            by: fact.by,
            expected: fact.expected,
            found,
        })
    }
}

/// Where the product says it.
enum From {
    /// JSON pointers into the summary, added up.
    Summary(Vec<String>),
    /// The first column of the first row.
    Sql(String),
}

/// A fact and what the product made of it.
struct Compared<'s> {
    fact: &'s Fact,
    found: Option<i64>,
}

impl Compared<'_> {
    fn is_equal(&self) -> bool {
        self.found == Some(self.fact.expected)
    }
}

/// Compares everything, prints the tables and writes them; fails when a fact is not met.
///
/// `data` is the folder of the recorded feeds, when it is not the usual one; `binary` is a
/// `tidegate` to ask instead of building one.
pub(crate) fn run(repo: &Repo, data: Option<PathBuf>, binary: Option<PathBuf>) -> Result<()> {
    let data = data.unwrap_or_else(|| repo.recorded_data());
    ensure!(
        data.is_dir(),
        "there is no folder {}: name the recorded data with --data",
        data.display()
    );
    let product = Product {
        binary: binary.map_or_else(|| build(repo), Ok)?,
        pipelines: repo.root().join("pipelines"),
        data,
    };
    let facts = fs::read_to_string(repo.root().join(FACTS))
        .with_context(|| format!("failed to read {FACTS}"))?;
    let sources = read(&facts).with_context(|| format!("{FACTS} is not what it must be"))?;
    let mut board = Board::default();
    for source in &sources {
        let (summary, compared) =
            compare(&product, source).with_context(|| format!("source {}", source.name))?;
        board.add(source, &summary, &compared);
    }
    let mut text = board.text();
    for (name, section) in SECTIONS {
        text.push('\n');
        text.push_str(&section(&product).with_context(|| format!("section {name}"))?);
    }
    println!("{text}");
    fs::write(repo.root().join(BOARD), &text)
        .with_context(|| format!("failed to write {BOARD}"))?;
    ensure!(
        board.unequal == 0,
        "{} of {} facts are not met",
        board.unequal,
        board.equal + board.unequal
    );
    Ok(())
}

/// The product's binary, built.
fn build(repo: &Repo) -> Result<PathBuf> {
    let status = repo
        .cargo()
        .args(["build", "--quiet", "--release", "--package", "tidegate"])
        .status()?;
    ensure!(status.success(), "the binary does not build");
    let target = repo.metadata()?.target_directory;
    Ok(target.join("release/tidegate").into_std_path_buf())
}

/// What the product says of each fact of a source, and its summary.
fn compare<'s>(product: &Product, source: &'s Source) -> Result<(Value, Vec<Compared<'s>>)> {
    let backfill = product.backfill_beside(&source.pipeline, &source.inputs, &source.gtfs)?;
    let mut compared = Vec::new();
    for fact in &source.facts {
        let found = match &fact.found {
            From::Summary(pointers) => {
                let number = |pointer: &String| backfill.summary.pointer(pointer)?.as_i64();
                pointers.iter().map(number).sum()
            }
            From::Sql(sql) => first_number(&backfill.rows(sql)?),
        };
        compared.push(Compared { fact, found });
    }
    Ok((backfill.summary, compared))
}

fn first_number(rows: &[Map<String, Value>]) -> Option<i64> {
    rows.first()?.values().next()?.as_i64()
}

/// The table as it grows.
#[derive(Default)]
struct Board {
    facts: String,
    sources: String,
    equal: usize,
    unequal: usize,
}

impl Board {
    fn add(&mut self, source: &Source, summary: &Value, compared: &[Compared<'_>]) {
        for one in compared {
            let found = one
                .found
                .map_or("none".to_owned(), |found| found.to_string());
            let verdict = if one.is_equal() { "equal" } else { "NOT EQUAL" };
            let Fact {
                what, expected, by, ..
            } = one.fact;
            let name = &source.name;
            writeln!(
                self.facts,
                "| {name} | {what} | {by} | {expected} | {found} | {verdict} |"
            )
            .expect("writing to a string cannot fail");
            *(if one.is_equal() {
                &mut self.equal
            } else {
                &mut self.unequal
            }) += 1;
        }
        let number = |name: &str| summary[name].as_u64().unwrap_or_default();
        let reasons = |name: &str| {
            let feeds = summary["feeds"].as_object().into_iter().flatten();
            let counts = feeds.filter_map(|(_, feed)| feed[name].as_object());
            let all: Vec<_> = counts
                .flatten()
                .map(|(reason, count)| format!("{count} {reason}"))
                .collect();
            if all.is_empty() {
                "-".to_owned()
            } else {
                all.join(", ")
            }
        };
        writeln!(
            self.sources,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            source.name,
            number("received"),
            number("counted"),
            number("late"),
            number("duplicate"),
            number("rejected"),
            reasons("rejected"),
            reasons("passed_over"),
            reasons("counter_faults"),
        )
        .expect("writing to a string cannot fail");
    }

    fn text(&self) -> String {
        format!(
            "# Scoreboard\n\n\
             Every exact fact of the recorded feeds against what the product computes; \
             `cargo xtask scoreboard` made this page.\n\
             {} of {} facts are equal.\n\
             Below them, sections set the product's methods beside plain ones on recorded data.\n\n\
             | source | fact | known by | expected | found | |\n|---|---|---|---|---|---|\n{}\n\
             ## What became of every record\n\n\
             | source | received | counted | late | duplicate | rejected | as | passed over | counter readings |\n\
             |---|---|---|---|---|---|---|---|---|\n{}",
            self.equal,
            self.equal + self.unequal,
            self.facts,
            self.sources
        )
    }
}

fn read(text: &str) -> Result<Vec<Source>> {
    Ok(toml::from_str::<Facts>(text)?.source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_repositorys_facts_can_be_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FACTS);
        let sources = read(&fs::read_to_string(path).unwrap()).unwrap();
        assert!(sources.len() > 10);
    }

    #[test]
    fn a_fact_is_said_in_one_place() {
        let check = |places: &str, expected: bool| {
            let text = format!(
                "[[source]]\nname = 's'\npipeline = 'p'\ninputs = []\n\
                 fact = [{{ what = 'w', expected = 5, by = 'x'{places} }}]"
            );
            assert_eq!(read(&text).is_ok(), expected, "{places}");
        };
        check(", summary = '/a'", true);
        check(", sum = ['/a', '/b']", true);
        check(", sql = 'SELECT 1'", true);
        check("", false);
        check(", summary = '/a', sql = 'SELECT 1'", false);
        check(", summry = '/a'", false);
    }

    #[test]
    fn a_fact_that_is_not_met_is_shown_as_such() {
        let text = "[[source]]\nname = 's'\npipeline = 'p'\ninputs = ['a=b']\n\
            fact = [{ what = 'w', expected = 5, summary = '/received', by = 'x' }]";
        let sources = read(text).unwrap();
        let fact = &sources[0].facts[0];
        let mut board = Board::default();
        let summary = serde_json::json!({ "received": 4, "feeds": {} });
        let found = Some(4);
        board.add(&sources[0], &summary, &[Compared { fact, found }]);
        assert_eq!((board.equal, board.unequal), (0, 1));
        assert!(board.text().contains("| s | w | x | 5 | 4 | NOT EQUAL |"));
        let row = Map::from_iter([("sum(x)".to_owned(), Value::from(7))]);
        assert_eq!(first_number(&[row, Map::new()]), Some(7));
        assert_eq!(first_number(&[]), None);
    }
}
