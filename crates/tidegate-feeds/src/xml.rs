//! XML as SIRI and `NeTEx` need it: the tags and texts of a document, one after the other.
//!
//! Promises: what comes out is borrowed from the document, so nothing grows with it; at most
//! [`DEPTH_MAX`] elements are open at once; a tag has at most 16 KiB and 64 attributes. A DOCTYPE is
//! refused before it is read, and so is every entity but the five predefined ones and references to
//! characters: no document can be longer than its bytes. Only UTF-8 is read.
//!
//! Namespaces are not resolved: names are compared without their prefix.

use memchr::memchr;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesDecl, Event, attributes::Attributes};
use tidegate_model::Reason;

use crate::check::{Fault, shown};
use crate::decoder::not_utf8;
use crate::personal::PersonalFields;

/// How many elements may be open at once; a SIRI delivery has about 12.
pub(crate) const DEPTH_MAX: usize = 64;

/// The longest name of an element, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// The longest tag, in bytes: a root element with all its namespaces has about 1 KiB.
const TAG_BYTES_MAX: usize = 16 << 10;

/// The most attributes of a tag.
const ATTRIBUTES_MAX: usize = 64;

/// The name of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<'b> {
    full: &'b str,
    local_at: usize,
}

impl<'b> Name<'b> {
    pub(crate) fn new(full: &'b str) -> Self {
        let local_at = full.find(':').map_or(0, |colon| colon + 1);
        Self { full, local_at }
    }

    /// The name as it stands in the document.
    pub(crate) fn full(self) -> &'b str {
        self.full
    }

    /// The prefix with its colon; empty where there is none.
    pub(crate) fn prefix(self) -> &'b str {
        &self.full[..self.local_at]
    }

    /// The name without its prefix.
    pub(crate) fn local(self) -> &'b str {
        &self.full[self.local_at..]
    }
}

/// What stands next in a document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Token<'b> {
    /// An element begins.
    Open(Tag<'b>),
    /// Text between tags, which may come in several parts.
    Text(&'b str),
    /// A character that was written as a reference.
    Char(char),
    /// The element that began last, of those that have not ended, ends.
    Close,
    /// The document is over and all its elements are closed.
    End,
}

/// A start tag.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tag<'b> {
    pub(crate) name: Name<'b>,
    /// As it stands in the document, from `<` to `>`.
    pub(crate) raw: &'b str,
    pub(crate) empty: bool,
}

impl<'b> Tag<'b> {
    /// The value of the attribute called `key`, where it needs no unescaping.
    pub(crate) fn attribute(&self, key: &str) -> Option<&'b str> {
        let attributes = attributes_of(self.raw, self.name.full.len());
        // The checks of `Tokens::next` have been passed.
        let found = Attributes::new(attributes, 0)
            .flatten()
            .find(|attribute| attribute.key.as_ref() == key.as_bytes())?;
        match found.value {
            std::borrow::Cow::Borrowed(value) => std::str::from_utf8(value).ok(),
            std::borrow::Cow::Owned(_) => None,
        }
    }
}

fn attributes_of(raw: &str, name_len: usize) -> &str {
    let inner = raw.strip_suffix('>').unwrap_or(raw);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    inner.get(1 + name_len..).unwrap_or_default()
}

/// Reads a document token by token.
pub(crate) struct Tokens<'b, 'p> {
    bytes: &'b [u8],
    reader: Reader<&'b [u8]>,
    open: Vec<Name<'b>>,
    /// The names that no element and no attribute may have.
    personal: Option<&'p PersonalFields>,
    /// The last tag was empty: its element ends at once.
    pending_close: bool,
    root_seen: bool,
    refused: bool,
}

impl<'b, 'p> Tokens<'b, 'p> {
    pub(crate) fn new(bytes: &'b [u8], personal: Option<&'p PersonalFields>) -> Self {
        Self {
            bytes,
            reader: reader_of(bytes),
            open: Vec::new(),
            personal,
            pending_close: false,
            root_seen: false,
            refused: false,
        }
    }

    /// Whether the next token is within the last tag, which was empty.
    pub(crate) fn is_within(&self) -> bool {
        self.pending_close
    }

    /// Where the next token begins.
    pub(crate) fn position(&self) -> usize {
        self.bytes.len() - self.reader.get_ref().len()
    }

    /// Whether the last fault was one after which nothing in the document can be trusted.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Goes on at byte `position`, as if what lies between had been one element.
    pub(crate) fn jump(&mut self, position: usize) {
        self.reader = reader_of(&self.bytes[position..]);
        self.pending_close = false;
    }

    /// The next token. After a fault of [`Reason::PersonalData`] reading can go on, after another
    /// it cannot.
    pub(crate) fn next(&mut self) -> Result<Token<'b>, Fault> {
        if self.pending_close {
            self.pending_close = false;
            self.open.pop();
            return Ok(Token::Close);
        }
        loop {
            let rest: &'b [u8] = self.reader.get_ref();
            let at = self.position();
            self.look_ahead(rest)?;
            let event = self.reader.read_event();
            let raw = &rest[..rest.len() - self.reader.get_ref().len()];
            match event {
                Ok(Event::Start(_)) => return self.open(raw, at),
                Ok(Event::Empty(_)) => {
                    self.pending_close = true;
                    return self.open(raw, at);
                }
                Ok(Event::End(_)) => return self.close(raw, at),
                Ok(Event::Text(_)) if self.open.is_empty() && raw.trim_ascii().is_empty() => {}
                Ok(Event::Text(_) | Event::CData(_) | Event::GeneralRef(_))
                    if self.open.is_empty() =>
                {
                    return Err(malformed(at, "text outside of the root element"));
                }
                Ok(Event::Text(_)) => return text(raw),
                Ok(Event::CData(_)) => return text(&raw[9..raw.len() - 3]),
                Ok(Event::GeneralRef(_)) => return resolve(raw, at).map(Token::Char),
                Ok(Event::Decl(declaration)) => self.check_declaration(&declaration, at)?,
                Ok(Event::Comment(_) | Event::PI(_)) => {}
                Ok(Event::DocType(_)) => return Err(self.refuse_doctype(at)),
                Ok(Event::Eof) => return self.end(at),
                Err(error) => return Err(malformed(at, &error.to_string())),
            }
        }
    }

    /// Refuses what must not even be taken apart.
    fn look_ahead(&mut self, rest: &[u8]) -> Result<(), Fault> {
        let Some(markup) = rest.strip_prefix(b"<") else {
            return Ok(());
        };
        let at = self.position();
        match markup {
            [b'!', b'D' | b'd', ..] => Err(self.refuse_doctype(at)),
            [b'!' | b'?', ..] => Ok(()),
            _ => {
                let head = &markup[..markup.len().min(NAME_BYTES_MAX + 1)];
                let ends = |byte: &u8| matches!(byte, b'>' | b'<') || byte.is_ascii_whitespace();
                if head.len() > NAME_BYTES_MAX && !head.iter().any(ends) {
                    let detail = format!("a name of more than {NAME_BYTES_MAX} bytes");
                    return Err(malformed(at, &detail));
                }
                Ok(())
            }
        }
    }

    /// What follows a DOCTYPE at its place means whatever that says; elsewhere it is garbage.
    fn refuse_doctype(&mut self, at: usize) -> Fault {
        self.refused = !self.root_seen;
        malformed(at, "a DOCTYPE: it could define entities and is not read")
    }

    fn check_declaration(&mut self, declaration: &BytesDecl<'_>, at: usize) -> Result<(), Fault> {
        if at != 0 {
            return Err(malformed(at, "an XML declaration within the document"));
        }
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(name))
                if name.eq_ignore_ascii_case(b"utf-8") || name.eq_ignore_ascii_case(b"utf8") =>
            {
                Ok(())
            }
            Some(Ok(name)) => {
                self.refused = true;
                let name = String::from_utf8_lossy(&name);
                let detail = format!(
                    "the XML declaration says encoding {}; only UTF-8 is read",
                    shown(&name)
                );
                Err(Fault::new(Reason::NotUtf8, detail))
            }
            Some(Err(error)) => Err(malformed(at, &format!("XML declaration: {error}"))),
        }
    }

    fn open(&mut self, raw: &'b [u8], at: usize) -> Result<Token<'b>, Fault> {
        if raw.len() > TAG_BYTES_MAX {
            let detail = format!(
                "a tag of {} bytes, more than {TAG_BYTES_MAX}, or one not closed",
                raw.len()
            );
            return Err(malformed(at, &detail));
        }
        let raw = std::str::from_utf8(raw).map_err(|_| not_utf8())?;
        let inner = &raw[1..raw.len() - 1];
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let len = inner
            .find(|c: char| c.is_ascii_whitespace())
            .unwrap_or(inner.len());
        let name = Name::new(&inner[..len]);
        check_name(name.full, at)?;
        if self.open.is_empty() && self.root_seen {
            return Err(malformed(at, "a second root element"));
        }
        if self.open.len() >= DEPTH_MAX {
            let detail = format!("elements nested deeper than {DEPTH_MAX}");
            return Err(malformed(at, &detail));
        }
        self.root_seen = true;
        self.open.push(name);
        let empty = self.pending_close;
        if self.denies(name.local()) {
            return Err(personal("element", name.local()));
        }
        if len < inner.len() {
            self.check_attributes(&inner[len..], at)?;
        }
        Ok(Token::Open(Tag { name, raw, empty }))
    }

    fn denies(&self, name: &str) -> bool {
        self.personal.is_some_and(|personal| personal.denies(name))
    }

    fn check_attributes(&self, text: &str, at: usize) -> Result<(), Fault> {
        if memchr(b'<', text.as_bytes()).is_some() {
            return Err(malformed(at, "a < within a tag"));
        }
        for (count, attribute) in Attributes::new(text, 0).enumerate() {
            let attribute = attribute.map_err(|error| malformed(at, &error.to_string()))?;
            if count == ATTRIBUTES_MAX {
                let detail = format!("a tag with more than {ATTRIBUTES_MAX} attributes");
                return Err(malformed(at, &detail));
            }
            let value = String::from_utf8_lossy(&attribute.value);
            if value.contains('&') {
                unescape(&value).map_err(|error| malformed(at, &error.to_string()))?;
            }
            let key = String::from_utf8_lossy(attribute.key.as_ref());
            let key = Name::new(&key);
            if !key.full.starts_with("xmlns") && self.denies(key.local()) {
                return Err(personal("attribute", key.local()));
            }
        }
        Ok(())
    }

    fn close(&mut self, raw: &'b [u8], at: usize) -> Result<Token<'b>, Fault> {
        let name = raw[2..raw.len() - 1].trim_ascii_end();
        match self.open.last() {
            Some(open) if open.full.as_bytes() == name => {
                self.open.pop();
                Ok(Token::Close)
            }
            open => {
                let name = String::from_utf8_lossy(&name[..name.len().min(NAME_BYTES_MAX)]);
                let open = open.map_or_else(
                    || "no element is".to_owned(),
                    |open| format!("{} is", shown(open.full)),
                );
                let detail = format!("the end of {} where {open} open", shown(&name));
                Err(malformed(at, &detail))
            }
        }
    }

    fn end(&self, at: usize) -> Result<Token<'b>, Fault> {
        match self.open.last() {
            Some(open) => {
                let detail = format!("cut short within element {}", shown(open.full));
                Err(malformed(at, &detail))
            }
            None if self.root_seen => Ok(Token::End),
            None => Err(malformed(at, "no XML element")),
        }
    }
}

fn reader_of(bytes: &[u8]) -> Reader<&[u8]> {
    let mut reader = Reader::from_reader(bytes);
    let config = reader.config_mut();
    // Names are compared in `Tokens::close`, without copies and across jumps.
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    reader
}

fn text(bytes: &[u8]) -> Result<Token<'_>, Fault> {
    std::str::from_utf8(bytes)
        .map(Token::Text)
        .map_err(|_| not_utf8())
}

pub(crate) fn malformed(at: usize, detail: &str) -> Fault {
    Fault::new(Reason::Malformed, format!("byte {at}: {detail}"))
}

fn personal(what: &str, name: &str) -> Fault {
    let detail = format!("{what} {} could identify a person", shown(name));
    Fault::new(Reason::PersonalData, detail)
}

fn check_name(name: &str, at: usize) -> Result<(), Fault> {
    let mut bytes = name.bytes();
    let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80;
    let later =
        |byte: u8| first(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b':');
    if bytes.next().is_some_and(first) && bytes.all(later) {
        return Ok(());
    }
    let detail = format!("{} is not the name of an element", shown(name));
    Err(malformed(at, &detail))
}

/// The character that `&…;` stands for.
fn resolve(raw: &[u8], at: usize) -> Result<char, Fault> {
    let entity = raw
        .strip_prefix(b"&")
        .and_then(|raw| raw.strip_suffix(b";"));
    let entity = entity.and_then(|entity| std::str::from_utf8(entity).ok());
    let found = match entity {
        Some("lt") => Some('<'),
        Some("gt") => Some('>'),
        Some("amp") => Some('&'),
        Some("quot") => Some('"'),
        Some("apos") => Some('\''),
        Some(entity) => entity.strip_prefix('#').and_then(numbered),
        None => None,
    };
    found.ok_or_else(|| {
        let entity = String::from_utf8_lossy(&raw[..raw.len().min(NAME_BYTES_MAX)]);
        let detail = format!(
            "entity {} is neither a character of XML nor one of lt, gt, amp, quot, apos",
            shown(&entity)
        );
        malformed(at, &detail)
    })
}

fn numbered(number: &str) -> Option<char> {
    let code = match number.strip_prefix('x') {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(hex, 16).ok()?
        }
        None if number.bytes().all(|byte| byte.is_ascii_digit()) => number.parse().ok()?,
        _ => return None,
    };
    char::from_u32(code).filter(|&c| is_xml_char(c))
}

/// Whether XML 1.0 knows the character (section 2.2, `Char`).
pub(crate) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}
