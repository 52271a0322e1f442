//! What is remembered of a subject's last row with a value.

use tidegate_model::{EventTime, Span};

use crate::measurement::Measurement;

/// What is told of a subject whose row is missing.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) end: EventTime,
    pub(super) size: Span,
    texts: Packed,
}

/// Texts one after another, each behind its length (four bytes, little endian): one piece of memory
/// for all, since they are compared in every window. The names in Chinese and English, the unit,
/// the method, then the tags, each a key and a value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Packed(Box<[u8]>);

const LENGTH_BYTES: usize = size_of::<u32>();

impl Seen {
    pub(super) fn of(row: &Measurement<'_>) -> Self {
        Self::new(row.window_end, span(row), texts(row))
    }

    /// Remembers these texts, in the order of [`Seen::texts`].
    pub(super) fn new<'a>(
        end: EventTime,
        size: Span,
        texts: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut packed = Vec::new();
        for text in texts {
            let length = u32::try_from(text.len()).expect("a name is shorter than 4 GiB");
            packed.extend(length.to_le_bytes());
            packed.extend(text.as_bytes());
        }
        Self {
            end,
            size,
            texts: Packed(packed.into()),
        }
    }

    /// Remembers `row` in place of what was seen before; texts that stay cost nothing.
    pub(super) fn renew(&mut self, row: &Measurement<'_>) {
        if self.texts.are(texts(row)) {
            self.end = row.window_end;
            self.size = span(row);
        } else {
            *self = Self::of(row);
        }
    }

    /// The names in Chinese and English, the unit and the method.
    pub(super) fn texts(&self) -> [&str; 4] {
        let mut texts = self.texts.iter();
        std::array::from_fn(|_| texts.next().unwrap_or_default())
    }

    /// The tags, in the order of the row.
    pub(super) fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = self.texts.iter().skip(4);
        std::iter::from_fn(move || Some((rest.next()?, rest.next()?)))
    }
}

impl Packed {
    /// Whether these are the texts.
    fn are<'a>(&self, texts: impl Iterator<Item = &'a str>) -> bool {
        let mut rest = &*self.0;
        for text in texts {
            let Some((length, after)) = rest.split_first_chunk::<LENGTH_BYTES>() else {
                return false;
            };
            let is_same = u32::from_le_bytes(*length) as usize == text.len()
                && after.get(..text.len()) == Some(text.as_bytes());
            if !is_same {
                return false;
            }
            rest = &after[text.len()..];
        }
        rest.is_empty()
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<LENGTH_BYTES>()?;
            let (text, after) = after.split_at(u32::from_le_bytes(*length) as usize);
            rest = after;
            Some(str::from_utf8(text).expect("it was packed as text"))
        })
    }
}

fn span(row: &Measurement<'_>) -> Span {
    row.window_end.since(row.window_start)
}

/// What is remembered of `row`, in the order in which it is packed.
fn texts<'a>(row: &Measurement<'a>) -> impl Iterator<Item = &'a str> {
    let tags = row
        .tags
        .iter()
        .flat_map(|(key, value)| [*key, value.as_ref()]);
    let texts = [row.name_zh, row.name_en, row.unit, row.method];
    texts.into_iter().chain(tags)
}
