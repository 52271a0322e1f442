//! A body within its limits, as sent and after decompression, and whether it is data.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

use crate::counts::{Refusal, Trouble};

/// Why there is no body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// It is not to be stored.
    Refused(Refusal, String),
    /// It did not come whole.
    Broken(Trouble, String),
}

/// Takes a body piece by piece.
pub(crate) struct BodyReader {
    received: usize,
    bytes_max: usize,
    kind: Kind,
}

enum Kind {
    Plain(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

/// A buffer that takes so much and no more.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if piece.len() > self.bytes_max - self.bytes.len() {
            self.full = true;
            return Err(io::Error::other("full"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BodyReader {
    /// For a body with this `Content-Encoding`.
    pub(crate) fn new(encoding: Option<&[u8]>, bytes_max: usize) -> Result<Self, BodyFault> {
        let buffer = Bounded {
            bytes: Vec::new(),
            bytes_max,
            full: false,
        };
        let encoding = encoding.map(|name| name.trim_ascii().to_ascii_lowercase());
        let kind = match encoding.as_deref() {
            None | Some(b"" | b"identity") => Kind::Plain(buffer),
            Some(b"gzip" | b"x-gzip") => Kind::Gzip(Box::new(MultiGzDecoder::new(buffer))),
            Some(other) => {
                let name = String::from_utf8_lossy(other).into_owned();
                let detail = format!("the content encoding {name:?} was not asked for");
                return Err(BodyFault::Broken(Trouble::BrokenBody, detail));
            }
        };
        Ok(Self {
            received: 0,
            bytes_max,
            kind,
        })
    }

    /// Takes the next piece as it was sent.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), BodyFault> {
        self.received = self.received.saturating_add(piece.len());
        if self.received > self.bytes_max {
            return Err(too_large(self.bytes_max));
        }
        match &mut self.kind {
            Kind::Plain(buffer) => buffer
                .write_all(piece)
                .map_err(|_| too_large(self.bytes_max)),
            Kind::Gzip(decoder) => decoder
                .write_all(piece)
                .map_err(|error| gzip_fault(decoder, &error)),
        }
    }

    /// All of it.
    pub(crate) fn finish(self) -> Result<Vec<u8>, BodyFault> {
        match self.kind {
            Kind::Plain(buffer) => Ok(buffer.bytes),
            // No bytes at all are no gzip, and no body.
            Kind::Gzip(_) if self.received == 0 => Ok(Vec::new()),
            Kind::Gzip(mut decoder) => {
                if let Err(error) = decoder.try_finish() {
                    return Err(gzip_fault(&decoder, &error));
                }
                Ok(std::mem::take(&mut decoder.get_mut().bytes))
            }
        }
    }
}

fn gzip_fault(decoder: &MultiGzDecoder<Bounded>, error: &io::Error) -> BodyFault {
    let buffer = decoder.get_ref();
    if buffer.full {
        return too_large(buffer.bytes_max);
    }
    BodyFault::Broken(
        Trouble::BrokenBody,
        format!("the gzip data is broken: {error}"),
    )
}

pub(crate) fn too_large(bytes_max: usize) -> BodyFault {
    let detail = format!("the body has more than {bytes_max} bytes (bytes_max)");
    BodyFault::Refused(Refusal::TooLarge, detail)
}

/// Whether the body of this type is something to store.
pub(crate) fn judge(
    content_type: Option<&str>,
    bytes: &[u8],
    allowed: &[String],
) -> Result<(), BodyFault> {
    let media = content_type.unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default();
    let media = media.trim().to_ascii_lowercase();
    let refused = |refusal, detail: String| Err(BodyFault::Refused(refusal, detail));
    if bytes.is_empty() {
        return refused(Refusal::Empty, "the body is empty".to_owned());
    }
    if media == "text/html" || media == "application/xhtml+xml" || is_html(bytes) {
        let detail = "the body is a web page, such as an error or login page".to_owned();
        return refused(Refusal::HtmlPage, detail);
    }
    if !allowed.is_empty() && !allowed.contains(&media) {
        let detail = format!("the type {media:?} is not one of content_types");
        return refused(Refusal::ContentType, detail);
    }
    Ok(())
}

fn is_html(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let bytes = bytes.trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"].iter().any(|tag| {
        bytes
            .get(..tag.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(tag))
    })
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Reads `sent` in pieces of every size that matters; says what came of it.
    fn check(encoding: Option<&str>, sent: &[u8], expected: &str) {
        for size in [1, 7, sent.len().max(1)] {
            let read = || {
                let mut reader = BodyReader::new(encoding.map(str::as_bytes), 1000)?;
                for piece in sent.chunks(size) {
                    reader.push(piece)?;
                }
                reader.finish()
            };
            let came = match read() {
                Ok(bytes) => format!("{} bytes", bytes.len()),
                Err(BodyFault::Refused(refusal, _)) => format!("refused: {refusal}"),
                Err(BodyFault::Broken(trouble, _)) => format!("error: {trouble}"),
            };
            assert_eq!(
                came,
                expected,
                "{encoding:?}, {} bytes by {size}",
                sent.len()
            );
        }
    }

    #[test]
    fn bodies_are_bounded_as_sent_and_as_decompressed() {
        let noise: Vec<u8> = (0..3000_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        check(None, &[], "0 bytes");
        check(None, &[0; 1000], "1000 bytes");
        check(None, &[0; 1001], "refused: too_large");
        check(Some("identity"), &[0; 10], "10 bytes");
        check(Some("gzip"), &[], "0 bytes");
        check(Some("GZIP"), &gzip(&[0; 1000]), "1000 bytes");
        check(Some("x-gzip"), &gzip(&[]), "0 bytes");
        // A thousand times as large inside as outside.
        check(Some("gzip"), &gzip(&vec![0; 100_000]), "refused: too_large");
        check(Some("gzip"), &gzip(&[0; 1001]), "refused: too_large");
        check(Some("gzip"), &gzip(&noise), "refused: too_large");
        let two = [gzip(&[0; 500]), gzip(&[0; 500])].concat();
        check(Some("gzip"), &two, "1000 bytes");
        let two = [gzip(&[0; 500]), gzip(&[0; 501])].concat();
        check(Some("gzip"), &two, "refused: too_large");
        // Members of nothing never fill the buffer; they are bounded as sent.
        check(Some("gzip"), &gzip(&[]).repeat(100), "refused: too_large");
        let whole = gzip(b"some data that is cut");
        for cut in [1, 5, 12, whole.len() - 1] {
            check(Some("gzip"), &whole[..cut], "error: broken_body");
        }
        check(Some("gzip"), b"not gzip at all", "error: broken_body");
        check(Some("br"), b"x", "error: broken_body");
    }

    #[test]
    fn web_pages_and_empty_bodies_are_no_data() {
        let json = &["application/json".to_owned()][..];
        for (media, body, allowed, expected) in [
            (None, "{}", &[][..], None),
            (Some("application/json"), "{}", json, None),
            (Some("Application/JSON; charset=utf-8"), "{}", json, None),
            (Some("text/csv"), "a,b", json, Some(Refusal::ContentType)),
            (None, "{}", json, Some(Refusal::ContentType)),
            (
                Some("text/html; charset=utf-8"),
                "{}",
                json,
                Some(Refusal::HtmlPage),
            ),
            (
                Some("application/json"),
                "<!DOCTYPE html><p>",
                json,
                Some(Refusal::HtmlPage),
            ),
            (
                None,
                "\u{feff}\n <HTML lang=zh>",
                &[][..],
                Some(Refusal::HtmlPage),
            ),
            (None, "<?xml version='1.0'?><counts/>", &[][..], None),
            (None, "<!doc", &[][..], None),
            (Some("text/html"), "", &[][..], Some(Refusal::Empty)),
        ] {
            let found = match judge(media, body.as_bytes(), allowed) {
                Ok(()) => None,
                Err(BodyFault::Refused(refusal, _)) => Some(refusal),
                Err(BodyFault::Broken(..)) => panic!("{media:?} {body:?}"),
            };
            assert_eq!(found, expected, "{media:?} {body:?}");
        }
    }
}
