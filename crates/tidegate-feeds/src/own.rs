//! The product's own observation in all its forms: what was read of it, the checks that all forms
//! share, and the decoding of the JSON form.

use tidegate_model::{
    CountRange, EventTime, Measure, ORIGIN_UNKNOWN, Observation, ObservationBuilder, Quality,
    Reason, Subject,
};

use crate::check::{Fault, check_coordinate, check_name};
use crate::decoder::{Rejects, not_utf8};
use crate::json::{self, Object, OwnNames};
use crate::mapped::Context;

/// The fields of the product's own observation, in the order of
/// [`tidegate_model::ObservationRecord`].
pub(crate) const OWN_FIELDS: [&str; 10] = [
    "id", "site", "start", "end", "measure", "subject", "count", "origin", "lat", "lng",
];

/// An observation in the product's own form, its words understood but its limits not checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Parsed<'a> {
    pub(crate) id: Option<&'a [u8]>,
    pub(crate) site: &'a str,
    pub(crate) start: EventTime,
    pub(crate) end: Option<EventTime>,
    pub(crate) measure: Measure,
    pub(crate) subject: Subject,
    pub(crate) count: i64,
    pub(crate) origin: Option<&'a str>,
    pub(crate) lat: Option<f64>,
    pub(crate) lng: Option<f64>,
}

/// Decodes one JSON object: one observation or one rejection.
pub(crate) fn decode(
    bytes: &[u8],
    context: Context<'_>,
    out: &mut ObservationBuilder,
    rejects: &mut Rejects<'_>,
) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return rejects.add(not_utf8(), context.position, None, Some(bytes));
    };
    let (fault, site) = match json::scan(text, rejects.personal) {
        Some(parsed) => match push(&parsed, context, out) {
            Ok(()) => return,
            Err(fault) => (fault, Some(parsed.site.to_owned())),
        },
        None => match Object::read(text, &OwnNames, rejects.personal) {
            Err(fault) => (fault, None),
            Ok(object) => {
                let pushed =
                    json::interpret(&object).and_then(|parsed| push(&parsed, context, out));
                match pushed {
                    Ok(()) => return,
                    Err(fault) => (fault, json::site_of(&object)),
                }
            }
        },
    };
    let site = site.filter(|site| check_name("site", site).is_ok());
    rejects.add(fault, context.position, site, Some(bytes));
}

/// Checks an observation, and appends it when nothing is wrong with it.
pub(crate) fn push(
    parsed: &Parsed<'_>,
    context: Context<'_>,
    out: &mut ObservationBuilder,
) -> Result<(), Fault> {
    let Context {
        position,
        limits,
        ids,
    } = context;
    check_name("site", parsed.site)?;
    let end = parsed.end.unwrap_or(parsed.start);
    limits.check_interval(parsed.start, end)?;
    limits.check_count("count", parsed.count)?;
    let coordinate = check_coordinate(parsed.lat, parsed.lng)?;
    let origin = origin_or_unknown(parsed.origin);
    if let Some(origin) = origin {
        check_name("origin", origin)?;
    }
    let event_id = match parsed.id {
        // An empty id would make every count of the feed a duplicate of the first.
        Some([]) => return Err(Fault::new(Reason::MissingField, "id is empty")),
        Some(id) => ids.produced(id),
        None => ids.placed(position, 0),
    };
    out.push(&Observation {
        event_id,
        site_id: parsed.site,
        interval_start: parsed.start,
        interval_end: end,
        measure: parsed.measure,
        subject: parsed.subject,
        count: parsed.count,
        range: CountRange::exact(parsed.count),
        origin,
        coordinate,
        quality: Quality::GOOD,
        position,
    });
    Ok(())
}

/// An origin that is given and empty is one that nobody knows.
pub(crate) fn origin_or_unknown(origin: Option<&str>) -> Option<&str> {
    match origin {
        Some("") => Some(ORIGIN_UNKNOWN),
        origin => origin,
    }
}
