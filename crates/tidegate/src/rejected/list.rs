//! `tidegate rejected list`: how many, by feed and reason, and where the first ones stand.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::cli::RejectedList;

use super::Print;
use super::select::{Place, Selection};
use super::source::{From, Next, Sight};

/// Rejected records of one feed for one reason.
#[derive(Debug, Default, PartialEq, Eq)]
struct Group {
    records: u64,
    /// Rows: a record that several runs rejected has several.
    rows: u64,
    first: Vec<Place>,
}

/// Runs the command.
pub(super) fn list(args: &RejectedList, print: Print) -> Result<()> {
    let source = &args.source;
    let from = From::new(source.data.as_deref(), source.bootstrap.as_deref())?;
    let wanted = Selection::of(&args.filter).by(args.by.as_deref());
    let mut groups: BTreeMap<(String, String), Group> = BTreeMap::new();
    let found = from.read(&wanted, |record, sight| {
        let place = record.place();
        let group = groups.entry((record.feed, record.reason)).or_default();
        group.rows += 1;
        if sight == Sight::First {
            group.records += 1;
            if group.first.len() < args.limit {
                group.first.push(place);
            }
        }
        Ok(Next::Read)
    })?;
    if args.json {
        print(&serde_json::to_string_pretty(&json(
            &groups,
            &found.notes(),
        ))?);
        return Ok(());
    }
    if groups.is_empty() {
        print(&found.nothing(&wanted, from));
    } else {
        for line in table(&groups) {
            print(&line);
        }
    }
    for note in found.notes() {
        print(&format!("note: {note}"));
    }
    Ok(())
}

type Groups = BTreeMap<(String, String), Group>;

fn json(groups: &Groups, notes: &[String]) -> serde_json::Value {
    let groups: Vec<_> = groups
        .iter()
        .map(|((feed, reason), group)| {
            let first: Vec<String> = group.first.iter().map(Place::to_string).collect();
            serde_json::json!({
                "feed": feed, "reason": reason, "records": group.records, "rows": group.rows,
                "first": first,
            })
        })
        .collect();
    serde_json::json!({ "rejected": groups, "notes": notes })
}

fn table(groups: &Groups) -> Vec<String> {
    let wide = |title: &str, pick: fn(&(String, String)) -> &String| {
        let widths = groups.keys().map(|key| pick(key).chars().count());
        widths.max().unwrap_or(0).max(title.len())
    };
    let (feeds, reasons) = (wide("feed", |key| &key.0), wide("reason", |key| &key.1));
    let mut lines = vec![format!(
        "{:<feeds$}  {:<reasons$}  {:>9}  {:>9}  first positions",
        "feed", "reason", "records", "rows"
    )];
    for ((feed, reason), group) in groups {
        let first: Vec<String> = group.first.iter().map(Place::to_string).collect();
        let more = if group.first.len() as u64 == group.records {
            ""
        } else {
            " …"
        };
        let (records, rows, first) = (group.records, group.rows, first.join(" "));
        lines.push(format!(
            "{feed:<feeds$}  {reason:<reasons$}  {records:>9}  {rows:>9}  {first}{more}"
        ));
    }
    lines
}
