//! The pipelines that worlds run: small, and each with every kind of part.
//!
//! There are few shapes, so that a run over many seeds loads each of them once.

use std::fmt::Write as _;

use tidegate_sim::Random;

/// How many shapes there are.
pub(crate) const SHAPES: u32 = 12;

/// Microseconds of one second.
pub(crate) const SECOND: i64 = 1_000_000;

/// Microseconds of one minute.
pub(crate) const MINUTE: i64 = 60 * SECOND;

/// One window query; times in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowShape {
    pub(crate) name: &'static str,
    pub(crate) size: i64,
    pub(crate) slide: i64,
}

/// One feed; times in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FeedShape {
    pub(crate) name: &'static str,
    pub(crate) out_of_orderness: i64,
    pub(crate) interval_max: i64,
    /// Feeds without ids have none.
    pub(crate) dedup_within: Option<i64>,
}

impl FeedShape {
    /// How far a partition's watermark stays behind its newest record.
    pub(crate) fn delay(&self) -> i64 {
        self.out_of_orderness + self.interval_max
    }
}

/// One alert rule; times in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RuleShape {
    pub(crate) name: &'static str,
    pub(crate) layer: &'static str,
    pub(crate) fire_above: i64,
    pub(crate) clear_below: i64,
    pub(crate) hold_for: i64,
    pub(crate) keep_firing_for: i64,
}

/// One pipeline; times in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// Tumbling: persons into and out of each venue, by the feed `gate`.
    pub(crate) flow: WindowShape,
    /// Sliding: everything, by site.
    pub(crate) wide: WindowShape,
    pub(crate) allowed_lateness: i64,
    pub(crate) idle_after: i64,
    pub(crate) max_future: i64,
    /// `gate`: flows over intervals, with ids. `hall`: snapshots, without. `meter`: readings of
    /// cumulative counters in a city's own JSON.
    pub(crate) feeds: [FeedShape; 3],
    pub(crate) rules: Vec<RuleShape>,
}

/// Registered sites of the feed `gate`, with the venue of each.
pub(crate) const GATES: [(&str, &str); 4] = [
    ("e1", "east"),
    ("e2", "east"),
    ("w1", "west"),
    ("w2", "west"),
];

/// Sites of the feed `hall`, which registers none.
pub(crate) const HALLS: [&str; 2] = ["h1", "h2"];

/// Counters of the feed `meter`, which are sites too.
pub(crate) const METERS: [&str; 2] = ["m1", "m2"];

/// The largest step of a counter that is believed.
pub(crate) const STEP_MAX: i64 = 50;

/// A counter that goes down to a reading below this has started anew.
pub(crate) const RESET_BELOW: i64 = 10;

impl Shape {
    /// Shape number `index`, of [`SHAPES`].
    pub(crate) fn new(index: u32) -> Self {
        let mut random = Random::new(u64::from(index), 100);
        let mut pick = |choices: &[i64]| choices[random.weighted(&vec![1; choices.len()])];
        let slide = pick(&[2, 5]) * MINUTE;
        let hold = |name, layer, fire_above, clear_below| RuleShape {
            name,
            layer,
            fire_above,
            clear_below,
            hold_for: 0,
            keep_firing_for: 0,
        };
        let mut rules = vec![
            hold("busy-rule", "busy", 60, 30),
            hold("total-rule", "total", 90, 50),
            hold("inside-rule", "inside", 70, 70),
        ];
        for rule in &mut rules {
            rule.hold_for = pick(&[0, 5, 10]) * MINUTE;
            rule.keep_firing_for = pick(&[0, 5, 10]) * MINUTE;
        }
        Self {
            flow: WindowShape {
                name: "flow",
                size: 5 * MINUTE,
                slide: 5 * MINUTE,
            },
            wide: WindowShape {
                name: "wide",
                size: slide * pick(&[2, 3]),
                slide,
            },
            allowed_lateness: pick(&[0, 4, 10, 10]) * MINUTE,
            // Every third shape has no idleness: then nothing rests on how partitions interleave.
            idle_after: if index.is_multiple_of(3) {
                3_600 * SECOND
            } else {
                pick(&[2, 4]) * SECOND
            },
            max_future: 10 * MINUTE,
            feeds: [
                FeedShape {
                    name: "gate",
                    out_of_orderness: pick(&[30, 60, 120]) * SECOND,
                    interval_max: pick(&[5, 12]) * MINUTE,
                    dedup_within: Some(30 * MINUTE),
                },
                FeedShape {
                    name: "hall",
                    out_of_orderness: 60 * SECOND,
                    interval_max: MINUTE,
                    dedup_within: None,
                },
                FeedShape {
                    name: "meter",
                    out_of_orderness: 30 * SECOND,
                    interval_max: 5 * MINUTE,
                    dedup_within: None,
                },
            ],
            rules,
        }
    }

    /// Both window queries, in the order of the pipeline.
    pub(crate) fn windows(&self) -> [WindowShape; 2] {
        [self.flow, self.wide]
    }

    /// The feed called `name`.
    pub(crate) fn feed(&self, name: &str) -> &FeedShape {
        let found = self.feeds.iter().find(|feed| feed.name == name);
        found.expect("only feeds of the shape are read")
    }

    /// The files of its pipeline folder.
    pub(crate) fn files(&self) -> Vec<(String, String)> {
        let seconds = |micros: i64| micros / SECOND;
        let mut files = vec![
            ("pipeline.toml".to_owned(), self.pipeline_toml()),
            ("rules.toml".to_owned(), self.rules_toml()),
            ("sites.geojson".to_owned(), sites()),
            ("venues.geojson".to_owned(), venues()),
        ];
        for (path, text) in QUERIES {
            files.push(((*path).to_owned(), (*text).to_owned()));
        }
        for feed in &self.feeds {
            let mut text = format!(
                // The oracle knows of no silence.
                "format = \"{}\"\nsilent_after = \"9000h\"\n\
                 out_of_orderness = \"{}s\"\ninterval_max = \"{}s\"\n",
                if feed.name == "meter" {
                    "mapped_json"
                } else {
                    "json"
                },
                seconds(feed.out_of_orderness),
                seconds(feed.interval_max)
            );
            text += match feed.name {
                "gate" => "unknown_site = \"reject\"\n",
                _ => "unknown_site = \"accept\"\n",
            };
            if let Some(within) = feed.dedup_within {
                push(
                    &mut text,
                    format_args!("dedup_within = \"{}s\"\n", seconds(within)),
                );
            }
            if feed.name == "meter" {
                push(
                    &mut text,
                    format_args!(
                        "[mapping]\nsite = [\"meter\"]\ncount = \"reading\"\nmeasure = \"in\"\n\
                     [mapping.time]\ncolumns = [\"at\"]\nformat = \"rfc3339\"\n\
                     [mapping.cumulative]\ncounter = [\"meter\"]\nstep_max = {STEP_MAX}\n\
                     reset_below = {RESET_BELOW}\n"
                    ),
                );
            }
            files.push((format!("feeds/{}.toml", feed.name), text));
        }
        files
    }

    fn pipeline_toml(&self) -> String {
        let seconds = |micros: i64| micros / SECOND;
        let mut text = format!(
            "name = \"sim\"\nallowed_lateness = \"{}s\"\nidle_after = \"{}s\"\n\
             max_future = \"{}s\"\n\
             [reference]\nsites = \"sites.geojson\"\nvenues = \"venues.geojson\"\n\
             [occupancy]\nwindow = \"flow\"\narrivals = \"persons_in\"\n\
             departures = \"persons_out\"\n",
            seconds(self.allowed_lateness),
            seconds(self.idle_after),
            seconds(self.max_future)
        );
        for window in self.windows() {
            push(
                &mut text,
                format_args!(
                    "[[window]]\nname = \"{}\"\nsize = \"{}s\"\nslide = \"{}s\"\n",
                    window.name,
                    seconds(window.size),
                    seconds(window.slide)
                ),
            );
        }
        for (layer, on) in [
            ("busy", "flow"),
            ("total", "flow"),
            ("inside", "flow"),
            ("crowd", "flow"),
            ("trend", "wide"),
            ("recent", "wide"),
        ] {
            push(
                &mut text,
                format_args!("[[layer]]\nname = \"{layer}\"\non = \"{on}\"\n"),
            );
        }
        text += "[[forecast]]\nlayer = \"inside\"\nevery = \"15m\"\n\
                 horizons = [\"15m\", \"30m\"]\nmodel = \"last_value\"\n\
                 [[aberration]]\nlayer = \"inside\"\nevery = \"15m\"\n\
                 baseline = \"residual\"\n\
                 [[aberration]]\nlayer = \"busy\"\nevery = \"15m\"\n\
                 baseline_length = 2\nn = 2\n";
        text
    }

    fn rules_toml(&self) -> String {
        let mut text = String::new();
        for rule in &self.rules {
            push(
                &mut text,
                format_args!(
                    "[[rule]]\nname = \"{}\"\nlayer = \"{}\"\nfire_above = {}.0\nclear_below = {}.0\n\
                 for = \"{}s\"\nkeep_firing_for = \"{}s\"\nseverity = \"warning\"\n\
                 flap_max = 0\nowner = \"duty\"\ntitle = {{ zh-CN = \"{{name}}\", en = \"{{name}}\" }}\n\
                 do = {{ zh-CN = \"看\", en = \"Look.\" }}\n",
                    rule.name,
                    rule.layer,
                    rule.fire_above,
                    rule.clear_below,
                    rule.hold_for / SECOND,
                    rule.keep_firing_for / SECOND
                ),
            );
        }
        text
    }
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more)
        .expect("writing to a String cannot fail");
}

const QUERIES: &[(&str, &str)] = &[
    (
        "windows/flow.sql",
        "SELECT venue_id, sum(count) FILTER (WHERE measure = 'in') AS persons_in, \
         sum(count) FILTER (WHERE measure = 'out') AS persons_out, sum(count) AS persons, \
         count(*) AS n, max(count) AS largest, max(interval_end) AS newest, \
         min(interval_start) AS oldest \
         FROM observation WHERE feed = 'gate' AND venue_id IS NOT NULL GROUP BY venue_id",
    ),
    (
        "windows/wide.sql",
        "SELECT site_id, sum(count) FILTER (WHERE measure = 'in') AS persons_in, \
         sum(count) FILTER (WHERE measure = 'out') AS persons_out, sum(count) AS persons, \
         count(*) AS n, max(count) AS largest, max(interval_end) AS newest, \
         min(interval_start) AS oldest \
         FROM observation GROUP BY site_id",
    ),
    (
        "layers/busy.sql",
        "SELECT 'venue' AS subject_kind, venue_id AS subject, \
         CAST(persons AS DOUBLE) AS value, \
         'persons' AS unit, 'sim/busy@1' AS method FROM flow",
    ),
    (
        "layers/total.sql",
        "SELECT 'city' AS subject_kind, 'city' AS subject, sum(value) AS value, \
         'persons' AS unit, 'sim/total@1' AS method FROM busy HAVING count(*) > 0",
    ),
    (
        "layers/inside.sql",
        "SELECT 'venue' AS subject_kind, venue_id AS subject, \
         CAST(persons AS DOUBLE) AS value, lo, hi, data_age, \
         'persons' AS unit, 'sim/inside@1' AS method FROM occupancy",
    ),
    (
        "layers/crowd.sql",
        "SELECT 'city' AS subject_kind, 'city' AS subject, sum(value) AS value, \
         'persons' AS unit, 'sim/crowd@1' AS method FROM inside",
    ),
    (
        "layers/recent.sql",
        // Twice the same, by the panes and by the layer of another window.
        "SELECT 'city' AS subject_kind, 'city' AS subject, p.persons + l.persons AS value, \
         'persons' AS unit, 'sim/recent@1' AS method \
         FROM (SELECT CAST(sum(persons) AS DOUBLE) AS persons FROM flow) p \
         CROSS JOIN (SELECT sum(value) AS persons FROM busy) l WHERE l.persons IS NOT NULL",
    ),
    (
        "layers/trend.sql",
        "SELECT 'site' AS subject_kind, site_id AS subject, CAST(persons AS DOUBLE) AS value, \
         'persons' AS unit, 'sim/trend@1' AS method FROM wide",
    ),
];

fn sites() -> String {
    let features: Vec<String> = (0_u32..)
        .zip(GATES)
        .map(|(index, (site, venue))| {
            let lng = 114.25 + f64::from(index) * 0.01;
            format!(
                r#"{{"type":"Feature","properties":{{"id":"{site}","kind":"gate","name":"{site}","venue_id":"{venue}","cordon":false}},"geometry":{{"type":"Point","coordinates":[{lng},30.6]}}}}"#
            )
        })
        .collect();
    collection(&features)
}

fn venues() -> String {
    let features: Vec<String> = [("east", 114.25), ("west", 114.27)]
        .into_iter()
        .map(|(venue, west)| {
            let (east, south, north) = (west + 0.002, 30.599, 30.601);
            format!(
                r#"{{"type":"Feature","properties":{{"id":"{venue}","kind":"market","name_zh":"{venue}","name_en":"{venue}","usable_area_m2":900,"capacity":400,"capacity_basis":"licensed","grid_unit":null}},"geometry":{{"type":"Polygon","coordinates":[[[{west},{south}],[{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]]}}}}"#
            )
        })
        .collect();
    collection(&features)
}

fn collection(features: &[String]) -> String {
    format!(
        r#"{{"type":"FeatureCollection","features":[{}]}}"#,
        features.join(",")
    )
}
