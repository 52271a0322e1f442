//! Places of stops out of `NeTEx` (CEN/TS 16614): what a SIRI feed's `StopPointRef` stands for.
//!
//! Reads `StopPlace`, `Quay` and `ScheduledStopPoint` wherever they are in the document, by their
//! `id`, `Name` and `Centroid/Location` (or `Location`) of WGS 84. The file is reference data of an
//! operator, so names are wanted here, and one broken stop refuses the whole file.

use crate::check::{Fault, check_coordinate, check_name, shown};
use crate::decoder::BOM;
use crate::stop::Stop;
use crate::xml::{Name, Tag, Token, Tokens};

/// The most stops of one file: a whole country has about 100,000.
const STOPS_MAX: usize = 1_000_000;

/// The longest name or coordinate, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// Why a `NeTEx` file gives no stops.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("NeTEx stops: {detail}")]
pub struct NetexError {
    detail: String,
}

impl From<Fault> for NetexError {
    fn from(fault: Fault) -> Self {
        Self {
            detail: fault.detail,
        }
    }
}

/// A stop whose element is open.
struct Open {
    /// How many elements were open when it began, itself included.
    depth: usize,
    id: String,
    name: Option<String>,
    lat: Option<f64>,
    lng: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Name,
    Latitude,
    Longitude,
}

/// The stops of a `NeTEx` document, in the order in which their elements end: the quays of a stop
/// place come before it. An id is as `StopPointRef` gives it; the name of a stop without one is that
/// of the stop that it is part of. An id that comes again, such as a later version, is there again.
///
/// # Errors
/// [`NetexError`] when `document` is not UTF-8 XML, has a DOCTYPE or entities of its own, or more
/// than a million stops; when a stop has no id, or coordinates that are none.
///
/// ```
/// let document = br#"<SiteFrame><StopPlace id="S:1"><Name>Asker</Name>
///     <Centroid><Location><Longitude>10.43</Longitude><Latitude>59.83</Latitude></Location></Centroid>
/// </StopPlace></SiteFrame>"#;
/// let stops = tidegate_feeds::netex_stops(document).unwrap();
/// assert_eq!((stops[0].id.as_str(), stops[0].name.as_str()), ("S:1", "Asker"));
/// ```
pub fn netex_stops(document: &[u8]) -> Result<Vec<Stop>, NetexError> {
    let document = document.strip_prefix(BOM).unwrap_or(document);
    let mut tokens = Tokens::new(document, None);
    let mut path: Vec<Name<'_>> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut wanted = None;
    let mut text = String::new();
    let mut stops = Vec::new();
    loop {
        match tokens.next()? {
            Token::Open(tag) => {
                path.push(tag.name);
                if is_stop(tag.name) {
                    open.push(begin(&tag, path.len())?);
                }
                wanted = open.last().and_then(|stop| want(&path[stop.depth..]));
                text.clear();
            }
            Token::Text(part) if wanted.is_some() => append(&mut text, part, open.last())?,
            Token::Char(c) if wanted.is_some() => {
                append(&mut text, c.encode_utf8(&mut [0; 4]), open.last())?;
            }
            Token::Text(_) | Token::Char(_) => {}
            Token::Close => {
                if let (Some(field), Some(stop)) = (wanted.take(), open.last_mut()) {
                    stop.set(field, text.trim())?;
                }
                let ended = open.pop_if(|stop| stop.depth == path.len());
                if let Some(stop) = ended {
                    stops.push(stop.end(&open)?);
                }
                if stops.len() > STOPS_MAX {
                    return Err(bad(format!("more than {STOPS_MAX} stops")));
                }
                path.pop();
            }
            Token::End => return Ok(stops),
        }
    }
}

fn bad(detail: String) -> NetexError {
    NetexError { detail }
}

fn is_stop(name: Name<'_>) -> bool {
    matches!(name.local(), "StopPlace" | "Quay" | "ScheduledStopPoint")
}

fn begin(tag: &Tag<'_>, depth: usize) -> Result<Open, NetexError> {
    let element = tag.name.local();
    let Some(id) = tag.attribute("id") else {
        return Err(bad(format!("a {element} without an id")));
    };
    check_name("id", id)?;
    Ok(Open {
        depth,
        id: id.to_owned(),
        name: None,
        lat: None,
        lng: None,
    })
}

/// What the element at the end of `path`, which starts below a stop, says of it.
fn want(path: &[Name<'_>]) -> Option<Wanted> {
    let field = match path.last()?.local() {
        "Name" => Wanted::Name,
        "Latitude" => Wanted::Latitude,
        "Longitude" => Wanted::Longitude,
        _ => return None,
    };
    let above: [&str; 2] = match path {
        [_] => ["", ""],
        [one, _] => ["", one.local()],
        [two, one, _] => [two.local(), one.local()],
        _ => return None,
    };
    let right = match (field, above) {
        (Wanted::Name, place) => place == ["", ""],
        (_, place) => place == ["Centroid", "Location"] || place == ["", "Location"],
    };
    right.then_some(field)
}

fn append(text: &mut String, part: &str, stop: Option<&Open>) -> Result<(), NetexError> {
    if text.len() + part.len() > TEXT_BYTES_MAX {
        let stop = stop.map_or("", |stop| &stop.id);
        let detail = format!(
            "stop {}: a text of more than {TEXT_BYTES_MAX} bytes",
            shown(stop)
        );
        return Err(bad(detail));
    }
    text.push_str(part);
    Ok(())
}

impl Open {
    fn set(&mut self, field: Wanted, text: &str) -> Result<(), NetexError> {
        let degrees = |field: &str| -> Result<Option<f64>, NetexError> {
            text.parse().map(Some).map_err(|_| {
                let stop = shown(&self.id);
                bad(format!(
                    "stop {stop}: {field} {} is not a number",
                    shown(text)
                ))
            })
        };
        match field {
            Wanted::Name => self.name = Some(text.to_owned()),
            Wanted::Latitude => self.lat = degrees("Latitude")?,
            Wanted::Longitude => self.lng = degrees("Longitude")?,
        }
        Ok(())
    }

    /// The stop, which is part of those in `around`.
    fn end(self, around: &[Self]) -> Result<Stop, NetexError> {
        let place = check_coordinate(self.lat, self.lng)
            .map_err(|fault| bad(format!("stop {}: {}", shown(&self.id), fault.detail)))?;
        let inherited = || around.iter().rev().find_map(|stop| stop.name.clone());
        Ok(Stop {
            name: self.name.or_else(inherited).unwrap_or_default(),
            id: self.id,
            place,
        })
    }
}
