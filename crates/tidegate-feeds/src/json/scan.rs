//! The fast path of the product's own JSON: one pass, no allocation, nothing unusual.

use tidegate_model::{EventTime, Measure, Subject, parse_rfc3339};

use crate::own::Parsed;
use crate::personal::PersonalFields;

/// Reads the common shape: one flat object, no escapes, no nesting, no field twice, no exponents.
/// `None` means "not this shape", never "wrong".
pub(crate) fn scan<'a>(text: &'a str, personal: &PersonalFields) -> Option<Parsed<'a>> {
    let mut cursor = Cursor { text, at: 0 };
    let mut fields = ScannedFields::default();
    cursor.expect(b'{')?;
    loop {
        let key = cursor.string()?;
        cursor.expect(b':')?;
        cursor.skip_space();
        fields.take(key, &mut cursor, personal)?;
        cursor.skip_space();
        match cursor.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    cursor.skip_space();
    if cursor.at != text.len() {
        return None;
    }
    fields.finish()
}

#[derive(Default)]
struct ScannedFields<'a> {
    id: Option<&'a str>,
    site: Option<&'a str>,
    start: Option<EventTime>,
    end: Option<EventTime>,
    measure: Option<Measure>,
    subject: Option<Subject>,
    count: Option<i64>,
    origin: Option<&'a str>,
    lat: Option<f64>,
    lng: Option<f64>,
}

impl<'a> ScannedFields<'a> {
    fn take(
        &mut self,
        key: &'a str,
        cursor: &mut Cursor<'a>,
        personal: &PersonalFields,
    ) -> Option<()> {
        match key.as_bytes() {
            b"site" => put(&mut self.site, cursor.string()?),
            b"start" => put(&mut self.start, parse_rfc3339(cursor.string()?).ok()?),
            b"end" => put(&mut self.end, parse_rfc3339(cursor.string()?).ok()?),
            b"measure" => put(&mut self.measure, Measure::from_word(cursor.string()?)?),
            b"count" => put(&mut self.count, cursor.integer()?),
            b"id" => put(&mut self.id, cursor.string()?),
            b"origin" => put(&mut self.origin, cursor.string()?),
            b"lat" => put(&mut self.lat, cursor.decimal()?),
            b"lng" => put(&mut self.lng, cursor.decimal()?),
            b"subject" => put(&mut self.subject, Subject::from_word(cursor.string()?)?),
            _ if personal.denies(key) => None,
            _ => cursor.skip_scalar(),
        }
    }

    fn finish(self) -> Option<Parsed<'a>> {
        Some(Parsed {
            id: self.id.map(str::as_bytes),
            site: self.site?,
            start: self.start?,
            end: self.end,
            measure: self.measure?,
            subject: self.subject.unwrap_or_default(),
            count: self.count?,
            origin: self.origin,
            lat: self.lat,
            lng: self.lng,
        })
    }
}

/// Sets a field once; a second time is not the common shape.
fn put<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    if slot.is_some() {
        return None;
    }
    *slot = Some(value);
    Some(())
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        (self.next()? == byte).then_some(())
    }

    /// A string without escapes or control characters.
    fn string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let start = self.at;
        let end = string_end(self.text.as_bytes(), start)?;
        if self.text.as_bytes()[end] != b'"' {
            return None;
        }
        self.at = end + 1;
        Some(&self.text[start..end])
    }

    /// Decimal digits: their value, and how many. More than 18 are not the common shape, and
    /// neither is a leading zero where `leading_zero` is not allowed.
    fn digits(&mut self) -> Option<(i64, usize)> {
        let start = self.at;
        let mut value = 0_i64;
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            if self.at - start == 18 {
                return None;
            }
            value = value * 10 + i64::from(byte - b'0');
            self.at += 1;
        }
        let len = self.at - start;
        (len > 0).then_some((value, len))
    }

    /// A whole number of 0 or more; what is below or has a fraction is told by the exact path.
    fn integer(&mut self) -> Option<i64> {
        let leading_zero = self.peek()? == b'0';
        let (value, len) = self.digits()?;
        if leading_zero && len > 1 {
            return None;
        }
        // A number goes on with one of these, which the exact path reads.
        match self.peek()? {
            b'.' | b'e' | b'E' => None,
            _ => Some(value),
        }
    }

    /// A number without exponent, exactly rounded: its digits and the power of ten are exact as
    /// f64, so their quotient is the nearest f64 (W. D. Clinger, "How to Read Floating Point
    /// Numbers Accurately", 1990).
    fn decimal(&mut self) -> Option<f64> {
        const POWERS: [f64; 16] = [
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
        ];
        const EXACT_MAX: i64 = 1 << 53;
        let negative = self.peek()? == b'-';
        if negative {
            self.at += 1;
        }
        let start = self.at;
        let leading_zero = self.peek()? == b'0';
        let (mut value, len) = self.digits()?;
        if leading_zero && len > 1 {
            return None;
        }
        let mut places = 0;
        if self.peek()? == b'.' {
            self.at += 1;
            let (fraction, len) = self.digits()?;
            if len > 15 || self.at - start > 18 {
                let text = &self.text[start..self.at];
                return self.long_decimal(text, negative);
            }
            places = len;
            value = value * 10_i64.pow(u32::try_from(places).ok()?) + fraction;
        }
        if let b'e' | b'E' = self.peek()? {
            return None;
        }
        if value > EXACT_MAX {
            let text = &self.text[start..self.at];
            return self.long_decimal(text, negative);
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 2^53, checked above")]
        let magnitude = value as f64 / POWERS[places];
        Some(if negative { -magnitude } else { magnitude })
    }

    /// A decimal with more digits than f64 holds; `text` is digits with at most one point.
    fn long_decimal(&self, text: &str, negative: bool) -> Option<f64> {
        if let b'e' | b'E' = self.peek()? {
            return None;
        }
        let magnitude: f64 = text.parse().ok()?;
        Some(if negative { -magnitude } else { magnitude })
    }

    /// Passes over the value of a field that means nothing to us.
    fn skip_scalar(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'-' | b'0'..=b'9' => self.decimal().map(|_| ()),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => None,
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        if !rest.starts_with(word.as_bytes()) {
            return None;
        }
        self.at += word.len();
        Some(())
    }
}

/// The first quote, backslash or control character at or after `from`, eight bytes at a time.
///
/// "Determine if a word has a byte less than n", Bit Twiddling Hacks (S. E. Anderson): the lowest
/// byte found is exact, which is the one used.
fn string_end(bytes: &[u8], mut from: usize) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
    const SLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);
    while let Some(chunk) = bytes.get(from..from + 8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes were taken"));
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = zero(word ^ QUOTES) | zero(word ^ SLASHES) | control;
        if found != 0 {
            return Some(from + (found.trailing_zeros() / 8) as usize);
        }
        from += 8;
    }
    bytes[from..]
        .iter()
        .position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)
        .map(|at| from + at)
}
