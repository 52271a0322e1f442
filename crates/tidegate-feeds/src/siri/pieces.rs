//! Cutting a delivery into its records, so that each is read or rejected on its own.
//!
//! A record is cut out by its tags alone: it goes from its start tag to the next end tag of the same
//! name, to the start tag of the next record, to the end tag of an element that holds records or to
//! the document's end, whichever comes first. What is broken inside of a record therefore never
//! reaches the next one: a comment, a CDATA section or a quoted value that is not closed ends with
//! its record. (A record with a comment that holds such tags is broken too.) Every byte is looked at
//! a fixed number of times, whatever it is.
//!
//! What stands around the records is read as XML until something is wrong with it; from there on
//! only records are looked for, and what is wrong is told once.

use memchr::{memchr, memchr_iter};
use tidegate_model::Reason;

use crate::check::{Fault, shown};
use crate::decoder::BOM;
use crate::personal::PersonalFields;
use crate::xml::{Name, Token, Tokens};

/// The longest prefix and name of an element that can be a record, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// The longest `ResponseTimestamp` that goes with the bytes of a record.
const TIME_BYTES_MAX: usize = 64;

/// The longest start tag of the root that goes with the bytes of a record: there may be many.
const ROOT_BYTES_MAX: usize = 2_048;

/// What a piece of a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `EstimatedVehicleJourney`.
    Journey,
    /// `VehicleActivity`.
    Activity,
    /// `VehicleActivityCancellation`.
    Withdrawn,
    /// A whole delivery of messages for people.
    Notices,
    /// A whole delivery of another service.
    Foreign,
}

impl Kind {
    fn of(element: &str) -> Option<Self> {
        match element {
            "EstimatedVehicleJourney" => Some(Self::Journey),
            "VehicleActivity" => Some(Self::Activity),
            "VehicleActivityCancellation" => Some(Self::Withdrawn),
            _ => None,
        }
    }

    /// What an element is whose records are not read one by one.
    fn of_delivery(element: &str) -> Option<Self> {
        match element {
            "ServiceDelivery" | "EstimatedTimetableDelivery" | "VehicleMonitoringDelivery" => None,
            "SituationExchangeDelivery" | "GeneralMessageDelivery" => Some(Self::Notices),
            _ => element.ends_with("Delivery").then_some(Self::Foreign),
        }
    }

    /// The elements between `ServiceDelivery` and the record.
    fn frames(self) -> &'static [&'static str] {
        match self {
            Self::Journey => &["EstimatedTimetableDelivery", "EstimatedJourneyVersionFrame"],
            Self::Activity | Self::Withdrawn => &["VehicleMonitoringDelivery"],
            Self::Notices | Self::Foreign => &[],
        }
    }
}

/// Whether records can be in an element.
fn is_frame(element: &str) -> bool {
    matches!(
        element,
        "Siri"
            | "ServiceDelivery"
            | "EstimatedTimetableDelivery"
            | "EstimatedJourneyVersionFrame"
            | "VehicleMonitoringDelivery"
    )
}

/// A record of a delivery, or something wrong between records; each is a row.
#[derive(Debug)]
pub(super) struct Piece<'b> {
    /// Its element, or what is wrong.
    pub(super) what: Result<(Kind, Name<'b>), Fault>,
    /// Its own bytes.
    pub(super) bytes: &'b [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// What stands around the records is XML so far.
    Framed,
    /// It is not: records are looked for from this byte on.
    Loose(usize),
    Done,
}

/// Cuts one delivery.
pub(super) struct Pieces<'b, 'p> {
    bytes: &'b [u8],
    tokens: Tokens<'b, 'p>,
    mode: Mode,
    /// Where the last piece ended.
    from: usize,
    count: usize,
    root: Option<Name<'b>>,
    /// The root's start tag, unless it must not be kept or is too long.
    root_tag: Option<&'b str>,
    response: Option<&'b str>,
    /// The last piece was cut by the end of the document.
    cut: bool,
    /// Something personal outside of records was told.
    personal_told: bool,
}

impl<'b, 'p> Pieces<'b, 'p> {
    pub(super) fn new(bytes: &'b [u8], personal: &'p PersonalFields) -> Self {
        let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
        Self {
            bytes,
            tokens: Tokens::new(bytes, Some(personal)),
            mode: Mode::Framed,
            from: 0,
            count: 0,
            root: None,
            root_tag: None,
            response: None,
            cut: false,
            personal_told: false,
        }
    }

    /// The next piece, in the order of the document.
    pub(super) fn next(&mut self) -> Option<Piece<'b>> {
        let piece = match self.mode {
            Mode::Framed if self.count == 0 && is_utf16(self.bytes) => {
                self.mode = Mode::Done;
                let detail = "bytes that look like UTF-16; only UTF-8 is read";
                Some(self.fault(Fault::new(Reason::NotUtf8, detail), self.bytes.len()))
            }
            Mode::Framed => self.next_framed(),
            Mode::Loose(at) => self.next_loose(at),
            Mode::Done => None,
        };
        self.count += usize::from(piece.is_some());
        piece
    }

    fn next_framed(&mut self) -> Option<Piece<'b>> {
        let mut in_response = false;
        loop {
            let at = self.tokens.position();
            if !self.tokens.is_within()
                && let Some(name) = tag_at(self.bytes, at, "<")
                && let Some(kind) =
                    Kind::of(name.local()).or_else(|| Kind::of_delivery(name.local()))
            {
                let piece = self.record(kind, name, at);
                self.tokens.jump(self.from);
                return Some(piece);
            }
            match self.tokens.next() {
                Ok(Token::Open(tag)) => {
                    if self.root.is_none() {
                        self.root = Some(tag.name);
                        let kept = !tag.empty && tag.raw.len() <= ROOT_BYTES_MAX;
                        self.root_tag = kept.then_some(tag.raw);
                    }
                    in_response = tag.name.local() == "ResponseTimestamp";
                }
                Ok(Token::Text(text)) if in_response && text.len() <= TIME_BYTES_MAX => {
                    self.response = Some(text);
                }
                Ok(Token::Text(_) | Token::Char(_)) => {}
                Ok(Token::Close) => in_response = false,
                Ok(Token::End) => return self.end(),
                Err(fault) if fault.reason == Reason::PersonalData => {
                    self.root.get_or_insert(Name::new(""));
                    if !self.personal_told {
                        self.personal_told = true;
                        return Some(self.fault(fault, self.tokens.position()));
                    }
                }
                Err(fault) => return self.give_up(fault, at),
            }
        }
    }

    /// The end of a document without faults.
    fn end(&mut self) -> Option<Piece<'b>> {
        self.mode = Mode::Done;
        let root = self.root.map_or("", Name::local);
        if self.count > 0 || root == "Siri" {
            return None;
        }
        let detail = format!("the root element is {}, not Siri", shown(root));
        Some(self.fault(Fault::new(Reason::Malformed, detail), self.bytes.len()))
    }

    /// Tells what is wrong around the records at `at`, up to where the next record begins; one whose
    /// start tag is broken is part of what is wrong.
    fn give_up(&mut self, fault: Fault, at: usize) -> Option<Piece<'b>> {
        if self.tokens.is_refused() {
            self.mode = Mode::Done;
            return Some(self.fault(fault, self.bytes.len()));
        }
        if self.cut {
            // The record that was cut tells it.
            self.mode = Mode::Done;
            return None;
        }
        let (end, mode) = match find_record(self.bytes, at) {
            Some(Found::Start(start, kind, name)) if is_one_tag(&self.bytes[at..start]) => {
                let piece = self.record(kind, name, start);
                self.mode = Mode::Loose(self.from);
                let bytes = &self.bytes[at..self.from];
                return Some(Piece { bytes, ..piece });
            }
            Some(Found::Start(start, _, _)) => (start, Mode::Loose(start)),
            Some(Found::End(end, _)) => (end, Mode::Loose(end)),
            None => (self.bytes.len(), Mode::Done),
        };
        self.mode = mode;
        Some(self.fault(fault, end))
    }

    fn next_loose(&mut self, at: usize) -> Option<Piece<'b>> {
        let piece = match find_record(self.bytes, at) {
            Some(Found::Start(start, kind, name)) => self.record(kind, name, start),
            Some(Found::End(end, name)) => {
                let detail = format!("the end of {} without its start", name.local());
                self.fault(Fault::new(Reason::Malformed, detail), end)
            }
            None => {
                self.mode = Mode::Done;
                return None;
            }
        };
        self.mode = Mode::Loose(self.from);
        Some(piece)
    }

    /// The record whose start tag is at `start`.
    fn record(&mut self, kind: Kind, name: Name<'b>, start: usize) -> Piece<'b> {
        let (end, cut) = record_end(self.bytes, start, name);
        self.cut = cut;
        self.from = end;
        Piece {
            what: Ok((kind, name)),
            bytes: &self.bytes[start..end],
        }
    }

    /// Something wrong in the bytes behind the last piece, up to `end`.
    fn fault(&mut self, fault: Fault, end: usize) -> Piece<'b> {
        let bytes = &self.bytes[self.from..end];
        self.from = end;
        Piece {
            what: Err(fault),
            bytes,
        }
    }

    /// The bytes of a piece as they can be sent and read alone: a record in a delivery of its own
    /// with the root and the `ResponseTimestamp` of this one.
    pub(super) fn alone(&self, piece: &Piece<'b>) -> Vec<u8> {
        let Ok((kind, name)) = &piece.what else {
            // What is wrong stays so below the root; at the document's start it needs none.
            let root = match self.root_tag {
                Some(root) if !is_start(self.bytes, piece.bytes) => root,
                _ => "",
            };
            return [root.as_bytes(), piece.bytes].concat();
        };
        let prefix = name.prefix();
        let (root_tag, root) = match (self.root_tag, self.root) {
            (Some(tag), Some(root)) if root.local() == "Siri" => (tag, root.full()),
            _ => (DEFAULT_ROOT, "Siri"),
        };
        let tag = |opening: &str, element: &str| format!("{opening}{prefix}{element}>");
        let mut bytes = [root_tag, &tag("<", "ServiceDelivery")].concat();
        if let Some(time) = self.response {
            let element = "ResponseTimestamp";
            bytes += &[&tag("<", element), time, &tag("</", element)].concat();
        }
        bytes.extend(kind.frames().iter().map(|frame| tag("<", frame)));
        let mut bytes = [bytes.as_bytes(), piece.bytes].concat();
        for frame in kind.frames().iter().rev() {
            bytes.extend_from_slice(tag("</", frame).as_bytes());
        }
        bytes.extend_from_slice(tag("</", "ServiceDelivery").as_bytes());
        bytes.extend_from_slice(format!("</{root}>").as_bytes());
        bytes
    }
}

const DEFAULT_ROOT: &str = r#"<Siri xmlns="http://www.siri.org.uk/siri" version="2.0">"#;

/// Whether `part` is the start of `whole`, of which it is a part.
fn is_start(whole: &[u8], part: &[u8]) -> bool {
    std::ptr::eq(whole.as_ptr(), part.as_ptr())
}

/// Whether the bytes begin like ASCII in UTF-16.
fn is_utf16(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]
    )
}

/// Whether `broken`, which stands before the start tag of a record, is of the same tag.
fn is_one_tag(broken: &[u8]) -> bool {
    broken.first() == Some(&b'<') && memchr(b'>', broken).is_none()
}

/// The name in the tag at `at` that begins with `opening`, which is `<` or `</`.
fn tag_at<'b>(bytes: &'b [u8], at: usize, opening: &str) -> Option<Name<'b>> {
    let rest = bytes.get(at..)?.strip_prefix(opening.as_bytes())?;
    let head = &rest[..rest.len().min(NAME_BYTES_MAX)];
    let len = head.iter().position(|byte| {
        !byte.is_ascii_alphanumeric() && !matches!(byte, b':' | b'_' | b'-' | b'.')
    })?;
    let ended = matches!(head[len], b'>' | b'/') || head[len].is_ascii_whitespace();
    if !head[0].is_ascii_alphabetic() && head[0] != b'_' {
        return None;
    }
    let name = std::str::from_utf8(&head[..len]).ok()?;
    ended.then(|| Name::new(name))
}

enum Found<'b> {
    /// The start tag of a record begins here.
    Start(usize, Kind, Name<'b>),
    /// The end tag of a record ends here.
    End(usize, Name<'b>),
}

/// The first tag of a record from `at` on.
fn find_record(bytes: &[u8], at: usize) -> Option<Found<'_>> {
    memchr_iter(b'<', bytes.get(at..)?).find_map(|tag| {
        let tag = at + tag;
        if let Some(name) = tag_at(bytes, tag, "<") {
            return Some(Found::Start(tag, Kind::of(name.local())?, name));
        }
        let (end, name) = end_tag_at(bytes, tag)?;
        Kind::of(name.local())?;
        Some(Found::End(end, name))
    })
}

/// The end of the end tag at `at`, and its name.
fn end_tag_at(bytes: &[u8], at: usize) -> Option<(usize, Name<'_>)> {
    let name = tag_at(bytes, at, "</")?;
    let behind = at + "</".len() + name.full().len();
    let space = bytes[behind..]
        .iter()
        .take(NAME_BYTES_MAX)
        .position(|byte| !byte.is_ascii_whitespace())?;
    let end = behind + space;
    (bytes[end] == b'>').then_some((end + 1, name))
}

/// Where the record ends whose start tag is at `start`, and whether the document's end cut it.
fn record_end(bytes: &[u8], start: usize, name: Name<'_>) -> (usize, bool) {
    let inner = start + "<".len() + name.full().len();
    // An empty delivery has no end tag. An empty record has nothing to count: it need not be told
    // from one whose start tag is broken, and ends where the next one begins.
    if Kind::of(name.local()).is_none() {
        let tag = &bytes[inner..];
        let tag = &tag[..memchr(b'<', tag).unwrap_or(tag.len())];
        if let Some(close) = memchr(b'>', tag)
            && bytes[inner + close - 1] == b'/'
        {
            return (inner + close + 1, false);
        }
    }
    for tag in memchr_iter(b'<', &bytes[inner..]) {
        let tag = inner + tag;
        if let Some((end, found)) = end_tag_at(bytes, tag) {
            if found.local() == name.local() {
                return (end, false);
            }
            if is_frame(found.local()) {
                return (tag, false);
            }
        }
        // Of the same prefix and not behind another `<`: an end tag whose slash is broken looks like
        // the start of another record.
        if bytes[tag - 1] != b'<'
            && let Some(found) = tag_at(bytes, tag, "<")
            && found.prefix() == name.prefix()
            && Kind::of(found.local()).is_some()
        {
            return (tag, false);
        }
    }
    (bytes.len(), true)
}
