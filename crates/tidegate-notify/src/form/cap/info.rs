//! The `info` block of one language.

use jiff::Timestamp;
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::{Notice, NoticeAlert};

use super::area::{Drawn, polygon_text};
use super::{CapConfig, Category, time};
use crate::form::text::{self, Language};
use crate::form::xml::Xml;

/// What one block says.
pub(super) struct Info<'a> {
    pub(super) alert: &'a NoticeAlert,
    pub(super) language: Language,
    pub(super) sent: Timestamp,
    pub(super) expires: Timestamp,
}

/// Urgency, certainty and what to do.
struct Judgement {
    response: &'static str,
    urgency: &'static str,
    certainty: &'static str,
}

impl Info<'_> {
    pub(super) fn write(&self, xml: &mut Xml, config: &CapConfig, drawn: &Drawn) {
        let record = &self.alert.record;
        let judgement = judge(record, config);
        xml.open("info", &[]);
        write_begin(xml, config, self.language, &event(record, self.language));
        xml.leaf("responseType", judgement.response);
        xml.leaf("urgency", judgement.urgency);
        xml.leaf("severity", severity(&record.severity));
        xml.leaf("certainty", judgement.certainty);
        let onset = text::instant(&record.since).unwrap_or(self.sent);
        write_times(xml, config, self.sent, Some(onset), self.expires);
        write_sender(xml, config, self.language);
        xml.leaf("headline", &headline(record, self.language));
        xml.leaf("description", &self.description(config));
        xml.leaf_if("instruction", &text::alert_text(record, self.language));
        let runbook = record.runbook.as_deref().filter(|link| is_link(link));
        write_web(xml, runbook.or(config.web.as_deref()));
        write_contact(xml, config);
        for (name, value) in parameters(record) {
            xml.open("parameter", &[]);
            xml.leaf("valueName", name);
            xml.leaf("value", &value);
            xml.close("parameter");
        }
        self.write_area(xml, drawn);
        xml.close("info");
    }

    fn description(&self, config: &CapConfig) -> String {
        let record = &self.alert.record;
        let mut lines = vec![format!(
            "{} · {}",
            text::line(text::severity(&record.severity, self.language), 40),
            text::line(text::state(&record.state, self.language), 40)
        )];
        let facts = text::facts(record, self.language, &config.zone);
        lines.extend(facts.iter().map(|(word, value)| format!("{word}: {value}")));
        lines.join("\n")
    }

    fn write_area(&self, xml: &mut Xml, drawn: &Drawn) {
        let record = &self.alert.record;
        let mut place = text::subject_name(record, self.language);
        let units: Vec<String> = self
            .alert
            .grid_units
            .iter()
            .take(10)
            .map(|unit| text::line(unit, 80))
            .collect();
        if !units.is_empty() {
            place = format!("{place} ({})", units.join(" / "));
        }
        xml.open("area", &[]);
        xml.leaf("areaDesc", &place);
        for ring in &drawn.polygons {
            xml.leaf("polygon", &polygon_text(ring));
        }
        for cell in &drawn.cells {
            write_geocode(xml, "H3", &cell.to_string());
        }
        if let Some(unit) = &record.grid_unit {
            write_geocode(xml, "grid_unit", &text::line(unit, 200));
        }
        xml.close("area");
    }
}

/// The block of a test of the channel.
pub(super) fn write_test(
    xml: &mut Xml,
    notice: &Notice,
    config: &CapConfig,
    (language, sent, expires): (Language, Timestamp, Timestamp),
) {
    xml.open("info", &[]);
    write_begin(
        xml,
        config,
        language,
        language.of("通道测试", "Channel test"),
    );
    xml.leaf("responseType", "None");
    xml.leaf("urgency", "Unknown");
    xml.leaf("severity", "Minor");
    xml.leaf("certainty", "Unknown");
    write_times(xml, config, sent, None, expires);
    write_sender(xml, config, language);
    xml.leaf("headline", &text::notice_title(notice, language));
    let words = text::notice_text(notice, language);
    let default = language.of(
        "这是一次测试，请勿采取行动。",
        "This is a test. Do nothing.",
    );
    xml.leaf("description", words.as_deref().unwrap_or(default));
    write_web(xml, config.web.as_deref());
    write_contact(xml, config);
    xml.open("area", &[]);
    xml.leaf("areaDesc", language.of("无", "None"));
    xml.close("area");
    xml.close("info");
}

fn write_begin(xml: &mut Xml, config: &CapConfig, language: Language, event: &str) {
    xml.leaf("language", language.tag());
    let categories = match config.categories.as_slice() {
        [] => &[Category::Safety][..],
        some => some,
    };
    for category in categories {
        xml.leaf("category", category.as_str());
    }
    xml.leaf("event", event);
}

fn write_times(
    xml: &mut Xml,
    config: &CapConfig,
    effective: Timestamp,
    onset: Option<Timestamp>,
    expires: Timestamp,
) {
    xml.leaf("effective", &time(effective, &config.zone));
    xml.leaf("onset", &time(onset.unwrap_or(effective), &config.zone));
    xml.leaf("expires", &time(expires, &config.zone));
}

fn write_sender(xml: &mut Xml, config: &CapConfig, language: Language) {
    let name = language.prefer(&config.sender_name_zh, &config.sender_name_en);
    xml.leaf_if("senderName", &text::line(name, text::TITLE_CHARS_MAX));
}

/// Nothing that the schema would not take.
fn write_web(xml: &mut Xml, page: Option<&str>) {
    if let Some(page) = page.filter(|page| is_link(page)) {
        xml.leaf("web", page);
    }
}

fn write_contact(xml: &mut Xml, config: &CapConfig) {
    let contact = config.contact.as_deref().unwrap_or_default();
    xml.leaf_if("contact", &text::line(contact, text::TITLE_CHARS_MAX));
}

fn write_geocode(xml: &mut Xml, name: &str, value: &str) {
    xml.open("geocode", &[]);
    xml.leaf("valueName", name);
    xml.leaf("value", value);
    xml.close("geocode");
}

pub(super) fn headline(record: &AlertRecord, language: Language) -> String {
    let title = text::alert_title(record, language);
    match record.state.as_str() {
        "firing" => title,
        other => text::line(
            &format!("[{}] {title}", text::state(other, language)),
            text::TITLE_CHARS_MAX,
        ),
    }
}

/// What the alert is about: the rule's label `event_zh` or `event_en`, else `event`, else its name.
fn event(record: &AlertRecord, language: Language) -> String {
    let own = record.labels.get(language.of("event_zh", "event_en"));
    let any = own.or_else(|| record.labels.get("event"));
    let event = text::line(any.unwrap_or(&record.rule), 80);
    if event.is_empty() {
        language.of("告警", "Alert").to_owned()
    } else {
        event
    }
}

/// CAP's severity of ours.
fn severity(severity: &str) -> &'static str {
    match severity {
        "critical" => "Extreme",
        "warning" => "Severe",
        "watch" => "Moderate",
        "info" => "Minor",
        _ => "Unknown",
    }
}

fn judge(record: &AlertRecord, config: &CapConfig) -> Judgement {
    let (response, urgency, certainty) = match record.state.as_str() {
        "resolved" => ("AllClear", "Past", "Observed"),
        "no_data" | "stale" => ("Monitor", "Unknown", "Unknown"),
        _ if is_forecast(record, config) => (response(record), "Expected", "Likely"),
        _ => (response(record), "Immediate", certainty(record)),
    };
    Judgement {
        response,
        urgency,
        certainty,
    }
}

fn response(record: &AlertRecord) -> &'static str {
    match record.severity.as_str() {
        "critical" | "warning" => "Avoid",
        _ => "Monitor",
    }
}

/// Observed, unless part of the value's interval lies on the other side of the threshold.
fn certainty(record: &AlertRecord) -> &'static str {
    let (Some(lo), Some(hi), Some(threshold)) = (record.lo, record.hi, record.threshold) else {
        return "Observed";
    };
    if lo < threshold && threshold <= hi {
        "Likely"
    } else {
        "Observed"
    }
}

fn is_forecast(record: &AlertRecord, config: &CapConfig) -> bool {
    match record.labels.get("nature").map(String::as_str) {
        Some("forecast") => true,
        Some("observed") => false,
        _ => config
            .forecast_methods
            .iter()
            .any(|begin| record.method.starts_with(begin.as_str())),
    }
}

/// Whether the schema's `anyURI` takes it, and it is of the web.
pub(crate) fn is_link(link: &str) -> bool {
    let has_scheme = link.starts_with("https://") || link.starts_with("http://");
    let is_plain = |b: u8| b.is_ascii_graphic() && !b"<>\"{}|\\^`[]".contains(&b);
    // A `%` begins an escape, or it is no URI.
    let are_escapes = link.split('%').skip(1).all(|after| {
        let escape = after.as_bytes().first_chunk::<2>();
        escape.is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    });
    has_scheme && link.len() <= 2_000 && link.bytes().all(is_plain) && are_escapes
}

/// What a program reads.
fn parameters(record: &AlertRecord) -> Vec<(&'static str, String)> {
    let number = |value: Option<f64>| value.map(text::number);
    let short = |value: &str| Some(text::line(value, 200));
    let window = format!("{}/{}", record.window_start, record.window_end);
    let interval = record
        .lo
        .zip(record.hi)
        .map(|(lo, hi)| format!("{}/{}", text::number(lo), text::number(hi)));
    [
        ("value", number(record.value)),
        ("interval", interval),
        ("unit", short(&record.unit)),
        ("threshold", number(record.threshold)),
        ("level", record.level.as_deref().and_then(short)),
        ("rule", short(&record.rule)),
        ("rule_hash", short(&record.rule_hash)),
        ("layer", short(&record.layer)),
        (
            "subject",
            short(&format!("{}/{}", record.subject_kind, record.subject)),
        ),
        ("window", short(&window)),
        ("method", short(&record.method)),
        ("coverage", number(record.coverage)),
        ("data_age_s", number(record.data_age_s)),
        ("state", short(&record.state)),
        ("severity", short(&record.severity)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
    .collect()
}
