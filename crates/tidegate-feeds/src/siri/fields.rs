//! Reading one journey or activity: the few elements whose text is wanted, out of many.

use std::borrow::Cow;

use tidegate_model::Reason;

use crate::check::{Fault, shown};
use crate::decoder::not_utf8;
use crate::personal::PersonalFields;
use crate::xml::{Name, Token, Tokens, is_xml_char};

/// The longest text of an element that is read, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// What a record wants of its elements.
pub(super) trait Record<'b> {
    /// Tells a wanted element from others.
    type Field;

    /// An element begins, the last of `path`; the first is the record itself. Gives the field that
    /// its text is.
    fn open(&mut self, path: &[Name<'b>]) -> Result<Option<Self::Field>, Fault>;

    /// The whole text of a field.
    fn set(&mut self, field: Self::Field, text: Cow<'b, str>) -> Result<(), Fault>;

    /// An element that is no field ends, the last of `path`.
    fn close(&mut self, path: &[Name<'b>]) -> Result<(), Fault>;
}

/// Reads the one element in `bytes` into `record`.
pub(super) fn read<'b, R: Record<'b>>(
    bytes: &'b [u8],
    personal: &PersonalFields,
    record: &mut R,
) -> Result<(), Fault> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(not_utf8());
    }
    let mut tokens = Tokens::new(bytes, Some(personal));
    let mut wanted: Option<(R::Field, Cow<'b, str>)> = None;
    let mut path: Vec<Name<'b>> = Vec::new();
    loop {
        match tokens.next()? {
            Token::Open(tag) => {
                if wanted.is_some() {
                    let parent = path.last().map_or("", |name| name.local());
                    return Err(Fault::new(
                        Reason::WrongType,
                        format!(
                            "{parent} holds the element {}, not text",
                            shown(tag.name.local())
                        ),
                    ));
                }
                path.push(tag.name);
                wanted = record.open(&path)?.map(|field| (field, Cow::Borrowed("")));
            }
            Token::Text(part) => {
                if let Some((_, text)) = &mut wanted {
                    append(text, part, &path)?;
                }
            }
            Token::Char(c) => {
                if let Some((_, text)) = &mut wanted {
                    check_len(text.len() + c.len_utf8(), &path)?;
                    text.to_mut().push(c);
                }
            }
            Token::Close => {
                match wanted.take() {
                    Some((field, text)) => record.set(field, trimmed(text, &path)?)?,
                    None => record.close(&path)?,
                }
                path.pop();
            }
            Token::End => return Ok(()),
        }
    }
}

/// Adds a part of a text; a text in one part stays borrowed.
fn append<'b>(text: &mut Cow<'b, str>, part: &'b str, path: &[Name<'_>]) -> Result<(), Fault> {
    check_len(text.len() + part.len(), path)?;
    if text.is_empty() {
        *text = Cow::Borrowed(part);
    } else {
        text.to_mut().push_str(part);
    }
    Ok(())
}

fn check_len(bytes: usize, path: &[Name<'_>]) -> Result<(), Fault> {
    if bytes <= TEXT_BYTES_MAX {
        return Ok(());
    }
    let element = path.last().map_or("", |name| name.local());
    Err(Fault::new(
        Reason::WrongType,
        format!("{element} has a text of more than {TEXT_BYTES_MAX} bytes"),
    ))
}

/// A text without the white space around it.
fn trimmed<'b>(text: Cow<'b, str>, path: &[Name<'_>]) -> Result<Cow<'b, str>, Fault> {
    if let Some(odd) = text.chars().find(|&c| !is_xml_char(c)) {
        let element = path.last().map_or("", |name| name.local());
        return Err(Fault::new(
            Reason::Malformed,
            format!("{element} holds the character {odd:?}, which XML does not know"),
        ));
    }
    Ok(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii()),
        Cow::Owned(text) => Cow::Owned(text.trim_ascii().to_owned()),
    })
}

/// The texts of `N` fields, each of which comes once at most.
#[derive(Debug, Clone)]
pub(super) struct Texts<'b, const N: usize> {
    names: &'static [&'static str; N],
    texts: [Option<Cow<'b, str>>; N],
}

impl<'b, const N: usize> Texts<'b, N> {
    pub(super) fn new(names: &'static [&'static str; N]) -> Self {
        Self {
            names,
            texts: [const { None }; N],
        }
    }

    /// The field of an element.
    pub(super) fn find(&self, element: &str) -> Option<usize> {
        self.names.iter().position(|name| *name == element)
    }

    pub(super) fn set(&mut self, field: usize, text: Cow<'b, str>) -> Result<(), Fault> {
        if self.texts[field].is_some() {
            return Err(Fault::new(
                Reason::Malformed,
                format!("element {} is there twice", self.names[field]),
            ));
        }
        self.texts[field] = Some(text);
        Ok(())
    }

    /// The text of a field, also an empty one.
    pub(super) fn given(&self, field: usize) -> Option<&str> {
        self.texts[field].as_deref()
    }

    /// The text of a field, where there is any: an empty element is no reference.
    pub(super) fn get(&self, field: usize) -> Option<&str> {
        self.given(field).filter(|text| !text.is_empty())
    }

    /// As [`Self::get`], borrowed from the document where it can be.
    pub(super) fn shared(&self, field: usize) -> Option<Cow<'b, str>> {
        let text = self.texts[field].as_ref()?;
        (!text.is_empty()).then(|| text.clone())
    }

    /// Whether a field says yes; `xsd:boolean` knows four words.
    pub(super) fn is_true(&self, field: usize) -> Result<bool, Fault> {
        match self.given(field) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(word) => Err(Fault::new(
                Reason::WrongType,
                format!(
                    "{} {} is neither true nor false",
                    self.names[field],
                    shown(word)
                ),
            )),
        }
    }
}

/// A record of which nothing is wanted but that it is XML without personal data.
pub(super) struct Unread;

impl<'b> Record<'b> for Unread {
    type Field = ();

    fn open(&mut self, _: &[Name<'b>]) -> Result<Option<()>, Fault> {
        Ok(None)
    }

    fn set(&mut self, (): (), _: Cow<'b, str>) -> Result<(), Fault> {
        Ok(())
    }

    fn close(&mut self, _: &[Name<'b>]) -> Result<(), Fault> {
        Ok(())
    }
}
