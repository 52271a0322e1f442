//! Layer rows as the alert machine reads them: with the names and tags of their subjects.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use tidegate_alerts::Measurement;
use tidegate_alerts::backtest::Described;
use tidegate_model::{Cell, EventTime, Span, Venue};

use crate::Reference;

/// Names and tags of the subjects that a pipeline knows.
///
/// Tags: `kind` of venues and sites, `cordon` and `venue_kind` of sites, `grid_unit` of all that
/// lies in one and of the unit itself, and `venue` of a venue, of its sites, and of the cells of
/// which it has the largest part.
#[derive(Debug)]
pub struct Directory {
    /// By kind of subject and id.
    entries: BTreeMap<(&'static str, String), Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    name_zh: String,
    name_en: String,
    tags: Vec<Tag>,
}

type Tag = (&'static str, Cow<'static, str>);

impl Directory {
    pub(crate) fn new(reference: &Reference) -> Self {
        let mut entries = BTreeMap::new();
        let venues: BTreeMap<&str, &Venue> = reference
            .venues
            .iter()
            .map(|venue| (venue.id.as_str(), venue))
            .collect();
        for venue in &reference.venues {
            let mut tags: Vec<Tag> = vec![("kind", venue.kind.as_str().into())];
            tags.extend(of_venue(venue));
            let entry = Entry {
                name_zh: venue.name_zh.clone(),
                name_en: venue.name_en.clone(),
                tags,
            };
            entries.insert(("venue", venue.id.clone()), entry);
        }
        for site in &reference.sites {
            let cordon = if site.cordon { "true" } else { "false" };
            let mut tags: Vec<Tag> = vec![
                ("kind", site.kind.as_str().into()),
                ("cordon", cordon.into()),
            ];
            let venue = site.venue_id.as_deref().and_then(|id| venues.get(id));
            if let Some(venue) = venue {
                tags.push(("venue_kind", venue.kind.as_str().into()));
                tags.extend(of_venue(venue));
            }
            let entry = Entry {
                name_zh: site.name.clone(),
                name_en: site.name.clone(),
                tags,
            };
            entries.insert(("site", site.id.clone()), entry);
        }
        for unit in &reference.grid_units {
            let entry = Entry {
                name_zh: unit.name_zh.clone(),
                name_en: unit.name_en.clone(),
                tags: vec![("grid_unit", unit.id.clone().into())],
            };
            entries.insert(("grid_unit", unit.id.clone()), entry);
        }
        for (cell, venue) in largest_venues(&reference.venues) {
            let entry = Entry {
                tags: of_venue(venue),
                ..Entry::default()
            };
            entries.insert(("cell", cell.to_string()), entry);
        }
        Self { entries }
    }

    /// A subject with its names and tags; without any where it is not known.
    pub fn describe(&self, kind: &str, subject: &str) -> Described {
        let entry = self.entry(kind, subject);
        Described {
            kind: kind.to_owned(),
            id: subject.to_owned(),
            name_zh: entry.map_or_else(String::new, |entry| entry.name_zh.clone()),
            name_en: entry.map_or_else(String::new, |entry| entry.name_en.clone()),
            tags: entry.map_or_else(Vec::new, |entry| entry.tags.clone()),
        }
    }

    /// The rows of a layer batch, borrowed.
    pub(crate) fn measurements<'a>(
        &'a self,
        layer: &'a str,
        window_start: EventTime,
        window_end: EventTime,
        rows: &'a RecordBatch,
    ) -> Vec<Measurement<'a>> {
        let text = |name: &str| {
            rows.column_by_name(name)
                .expect("a layer column")
                .as_string::<i32>()
        };
        let number = |name: &str, row: usize| {
            let column = rows.column_by_name(name).expect("a layer column");
            let column = column.as_primitive::<Float64Type>();
            column.is_valid(row).then(|| column.value(row))
        };
        let (kinds, subjects) = (text("subject_kind"), text("subject"));
        let (units, methods, levels) = (text("unit"), text("method"), text("level"));
        (0..rows.num_rows())
            .map(|row| {
                let kind = kinds.value(row);
                let entry = self.entry(kind, subjects.value(row));
                Measurement {
                    layer,
                    window_start,
                    window_end,
                    subject_kind: kind,
                    subject: subjects.value(row),
                    name_zh: entry.map_or("", |entry| &entry.name_zh),
                    name_en: entry.map_or("", |entry| &entry.name_en),
                    tags: entry.map_or(&[], |entry| &entry.tags),
                    value: number("value", row),
                    lo: number("lo", row),
                    hi: number("hi", row),
                    unit: units.value(row),
                    level: levels.is_valid(row).then(|| levels.value(row)),
                    coverage: number("coverage", row),
                    #[expect(clippy::cast_possible_truncation, reason = "an age in seconds")]
                    data_age: number("data_age", row).map(|age| Span::seconds(age as i64)),
                    method: methods.value(row),
                }
            })
            .collect()
    }

    /// The tags of a subject; none of one that is not known.
    pub(crate) fn tags(&self, kind: &str, subject: &str) -> BTreeMap<String, String> {
        let tags = self
            .entry(kind, subject)
            .map_or(&[][..], |entry| &entry.tags);
        let tags = tags.iter();
        tags.map(|(key, value)| ((*key).to_owned(), value.to_string()))
            .collect()
    }

    fn entry(&self, kind: &str, subject: &str) -> Option<&Entry> {
        let kind = ["venue", "site", "grid_unit", "cell"]
            .into_iter()
            .find(|known| *known == kind)?;
        self.entries.get(&(kind, subject.to_owned()))
    }
}

/// The tags that everything of a venue has.
fn of_venue(venue: &Venue) -> Vec<Tag> {
    let mut tags: Vec<Tag> = vec![("venue", venue.id.clone().into())];
    let unit = venue.grid_unit.clone();
    tags.extend(unit.map(|unit| ("grid_unit", unit.into())));
    tags
}

/// For each cell that venues overlap, the one with the largest area in it; of equal ones the first.
fn largest_venues(venues: &[Venue]) -> BTreeMap<Cell, &Venue> {
    let mut largest: BTreeMap<Cell, (f64, &Venue)> = BTreeMap::new();
    for venue in venues {
        for part in &venue.footprint {
            let area = part.share * venue.usable_area_m2;
            let entry = largest.entry(part.cell).or_insert((area, venue));
            if area > entry.0 {
                *entry = (area, venue);
            }
        }
    }
    let venues = largest.into_iter();
    venues.map(|(cell, (_, venue))| (cell, venue)).collect()
}
