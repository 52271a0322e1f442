//! The summary of a day or a shift for one grid unit: as mail and as a file that stands alone.
//!
//! It shows what it is given; who computes it answers for the numbers.

mod page;
mod sections;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::text::{self, Language};

/// Most rows of one table; the rest is counted.
pub const ROWS_MAX: usize = 100;

/// What a period is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A calendar or service day.
    Day,
    /// A duty shift.
    Shift,
}

/// Everything that a summary says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The grid unit's id.
    pub grid_unit: String,
    /// Its name in Chinese.
    pub name_zh: String,
    /// Its name in English.
    pub name_en: String,
    /// What the period is.
    pub period: Period,
    /// Its start.
    pub start: Timestamp,
    /// Its end, not part of it.
    pub end: Timestamp,
    /// The highest value of each venue, in the order to show.
    pub peaks: Vec<Peak>,
    /// The alerts of the period.
    pub alerts: AlertCounts,
    /// Who acknowledged what.
    pub acknowledgements: Vec<Acknowledgement>,
    /// The feeds that it all rests on.
    pub feeds: Vec<FeedHealth>,
    /// From when on there were no data at all when it was made, its start included; `None` where
    /// they reach the end of the period.
    #[serde(default)]
    pub missing_from: Option<Timestamp>,
}

/// The highest value of a venue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// The venue's id.
    pub venue: String,
    /// Its name in Chinese.
    pub name_zh: String,
    /// Its name in English.
    pub name_en: String,
    /// The value.
    pub value: f64,
    /// Lower bound of its interval.
    pub lo: Option<f64>,
    /// Upper bound of its interval.
    pub hi: Option<f64>,
    /// Unit of the three.
    pub unit: String,
    /// End of its window.
    pub at: Timestamp,
    /// What the bar is a share of, in the same unit: a capacity or a threshold.
    pub limit: Option<f64>,
}

/// How many alerts there were.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AlertCounts {
    /// By the highest severity that each had: `info`, `watch`, `warning`, `critical`.
    pub by_severity: BTreeMap<String, u32>,
    /// By rule.
    pub by_rule: BTreeMap<String, u32>,
    /// The one that lasted longest.
    pub longest: Option<AlertLine>,
    /// Those that nobody acknowledged.
    pub unacknowledged: Vec<AlertLine>,
}

/// One alert in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertLine {
    /// Its headline in Chinese.
    pub title_zh: String,
    /// Its headline in English.
    pub title_en: String,
    /// Its severity.
    pub severity: String,
    /// When it began.
    pub since: Timestamp,
    /// How long it lasted within the period, in minutes.
    pub minutes: u32,
}

/// One acknowledgement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// When.
    pub at: Timestamp,
    /// A role or a login.
    pub who: String,
    /// The alert's headline in Chinese.
    pub title_zh: String,
    /// The alert's headline in English.
    pub title_en: String,
    /// `useful`, `false` or `duplicate`, if it was said.
    pub verdict: Option<String>,
    /// What was written beside it.
    pub note: String,
}

/// How well a feed did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedHealth {
    /// The feed.
    pub feed: String,
    /// Share of its expected input that came, 0 to 1; `None` where nothing is expected.
    pub coverage: Option<f64>,
    /// Times without input.
    pub gaps: Vec<Gap>,
}

/// A time without input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// From.
    pub start: Timestamp,
    /// To.
    pub end: Timestamp,
}

/// A message that is ready to be put into a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The subject.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML, a whole document.
    pub html: String,
}

/// The summary as mail, one language after the other; with no language, both.
pub fn mail(summary: &Summary, languages: &[Language], zone: &TimeZone) -> Rendered {
    let languages = some(languages);
    let texts: Vec<String> = languages
        .iter()
        .map(|&language| {
            page::text(
                &title(summary, language, zone),
                &sections::all(summary, language, zone),
            )
        })
        .collect();
    Rendered {
        subject: title(summary, languages[0], zone),
        text: texts.join("\n\n"),
        html: html(summary, languages, zone, page::Bars::Blocks),
    }
}

/// The summary as an HTML file that stands alone: no script, nothing fetched, bars in SVG.
pub fn file(summary: &Summary, languages: &[Language], zone: &TimeZone) -> String {
    html(summary, some(languages), zone, page::Bars::Svg)
}

fn some(languages: &[Language]) -> &[Language] {
    if languages.is_empty() {
        Language::BOTH
    } else {
        languages
    }
}

fn html(summary: &Summary, languages: &[Language], zone: &TimeZone, bars: page::Bars) -> String {
    let parts: Vec<String> = languages
        .iter()
        .map(|&language| {
            let sections = sections::all(summary, language, zone);
            page::html(&title(summary, language, zone), language, &sections, bars)
        })
        .collect();
    let first = languages[0];
    super::mail::page(&title(summary, first, zone), first, &parts.join("<hr>\n"))
}

fn title(summary: &Summary, language: Language, zone: &TimeZone) -> String {
    let name = language.prefer(&summary.name_zh, &summary.name_en);
    let name = if name.trim().is_empty() {
        &summary.grid_unit
    } else {
        name
    };
    let period = match summary.period {
        Period::Day => language.of("日报", "daily summary"),
        Period::Shift => language.of("班次小结", "shift summary"),
    };
    let (start, end) = (
        text::local(summary.start, zone),
        text::local(summary.end, zone),
    );
    text::line(
        &format!("{} {period} {start} – {end}", text::line(name, 60)),
        text::TITLE_CHARS_MAX,
    )
}
