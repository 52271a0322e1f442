//! Layer rows as the alert machine reads them: with the names and tags of their subjects.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use tidegate_alerts::Measurement;
use tidegate_model::{EventTime, Span, VenueKind};

use crate::Reference;

/// Names and tags of the subjects that a pipeline knows.
#[derive(Debug)]
pub(crate) struct Directory {
    /// By kind of subject and id.
    entries: BTreeMap<(&'static str, String), Entry>,
}

#[derive(Debug)]
struct Entry {
    name_zh: String,
    name_en: String,
    tags: Vec<(&'static str, &'static str)>,
}

impl Directory {
    pub(crate) fn new(reference: &Reference) -> Self {
        let mut entries = BTreeMap::new();
        let mut venue_kinds: BTreeMap<&str, VenueKind> = BTreeMap::new();
        for venue in &reference.venues {
            venue_kinds.insert(&venue.id, venue.kind);
            let tags = vec![("kind", venue.kind.as_str())];
            let (name_zh, name_en) = (venue.name_zh.clone(), venue.name_en.clone());
            entries.insert(
                ("venue", venue.id.clone()),
                Entry {
                    name_zh,
                    name_en,
                    tags,
                },
            );
        }
        for site in &reference.sites {
            let mut tags = vec![("kind", site.kind.as_str())];
            tags.push(("cordon", if site.cordon { "true" } else { "false" }));
            let venue = site.venue_id.as_deref().and_then(|id| venue_kinds.get(id));
            tags.extend(venue.map(|kind| ("venue_kind", kind.as_str())));
            let (name_zh, name_en) = (site.name.clone(), site.name.clone());
            entries.insert(
                ("site", site.id.clone()),
                Entry {
                    name_zh,
                    name_en,
                    tags,
                },
            );
        }
        for unit in &reference.grid_units {
            let (name_zh, name_en) = (unit.name_zh.clone(), unit.name_en.clone());
            let tags = Vec::new();
            entries.insert(
                ("grid_unit", unit.id.clone()),
                Entry {
                    name_zh,
                    name_en,
                    tags,
                },
            );
        }
        Self { entries }
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

    fn entry(&self, kind: &str, subject: &str) -> Option<&Entry> {
        let kind = ["venue", "site", "grid_unit"]
            .into_iter()
            .find(|known| *known == kind)?;
        self.entries.get(&(kind, subject.to_owned()))
    }
}
