//! Typed views of the columns of a batch, over the bytes of its body: every length and offset is
//! checked when a view is made, nothing is copied but dictionaries.

use std::ops::Range;
use std::rc::Rc;

use arrow::ipc::TimeUnit;
use tidegate_model::EventTime;

use super::plan::{BytesType, IntType, Lengths};
use super::stream::malformed;
use crate::check::Fault;

/// How many times their bytes the views of a column may read: values are looked through, and many
/// views may be of one value.
const READ_MAX: usize = 64;

/// A value of a column of text or bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'p> {
    Null,
    Text(&'p str),
    /// Not text, or text that is not UTF-8.
    Bytes(&'p [u8]),
}

/// The values of a dictionary: 24 bytes for each, which has at least 1 in the payload.
pub(super) type Dictionary<'p> = Rc<[Value<'p>]>;

/// Which rows have a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validity<'p>(Option<&'p [u8]>);

impl<'p> Validity<'p> {
    /// Of `rows` rows, `nulls` of them without a value, one bit a row.
    pub(super) fn try_new(bits: &'p [u8], rows: usize, nulls: i64) -> Result<Self, Fault> {
        match usize::try_from(nulls) {
            Ok(0) => Ok(Self(None)),
            Ok(nulls) if nulls <= rows && bits.len() >= rows.div_ceil(8) => Ok(Self(Some(bits))),
            _ => Err(malformed(format!(
                "{nulls} nulls of {rows} rows, with {} bytes of validity",
                bits.len()
            ))),
        }
    }

    pub(super) fn has(self, row: usize) -> bool {
        self.0
            .is_none_or(|bits| bits[row / 8] >> (row % 8) & 1 == 1)
    }

    /// Whether all of `rows` have a value, or none, or some.
    pub(super) fn of(self, rows: Range<usize>) -> Presence {
        let Some(_) = self.0 else {
            return Presence::All;
        };
        let len = rows.len();
        match rows.filter(|row| self.has(*row)).count() {
            0 => Presence::None,
            n if n == len => Presence::All,
            _ => Presence::Some,
        }
    }
}

/// How many rows of a range have a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    All,
    Some,
    None,
}

/// The bytes of `rows` values of `width` bytes each.
fn sized(buffer: &[u8], rows: usize, width: usize) -> Result<&[u8], Fault> {
    let wanted = rows.checked_mul(width);
    wanted
        .and_then(|wanted| buffer.get(..wanted))
        .ok_or_else(|| {
            let len = buffer.len();
            malformed(format!(
                "a buffer of {len} bytes for {rows} rows of {width}"
            ))
        })
}

/// Text or bytes.
#[derive(Debug, Clone)]
pub(super) struct Values<'p> {
    validity: Validity<'p>,
    is_text: bool,
    store: Store<'p>,
}

#[derive(Debug, Clone)]
enum Store<'p> {
    /// `rows + 1` offsets, ascending, the last within the data.
    Offsets32(&'p [u8], Data<'p>),
    Offsets64(&'p [u8], Data<'p>),
    /// Views whose lengths and places were checked, and the buffers they point into.
    Views(&'p [u8], Vec<&'p [u8]>),
    Fixed(&'p [u8], usize),
    /// Keys that were checked against the dictionary where they are valid.
    Dictionary(Ints<'p>, Dictionary<'p>),
}

/// The bytes of all values one after the other.
#[derive(Debug, Clone, Copy)]
struct Data<'p> {
    bytes: &'p [u8],
    /// The same where all of it is UTF-8: then no value needs to be looked through again.
    text: Option<&'p str>,
}

impl<'p> Data<'p> {
    fn new(bytes: &'p [u8], is_text: bool) -> Self {
        let text = std::str::from_utf8(bytes).ok().filter(|_| is_text);
        Self { bytes, text }
    }

    #[inline]
    fn value(self, range: Range<usize>, is_text: bool) -> Value<'p> {
        if let Some(text) = self.text.and_then(|text| text.get(range.clone())) {
            return Value::Text(text);
        }
        let bytes = self.bytes.get(range);
        bytes.map_or(Value::Null, |bytes| as_value(bytes, is_text))
    }
}

impl<'p> Values<'p> {
    /// A column of `rows` values; `buffers` are those behind the validity.
    pub(super) fn try_new(
        bytes_type: BytesType,
        rows: usize,
        validity: Validity<'p>,
        buffers: &[&'p [u8]],
    ) -> Result<Self, Fault> {
        let store = match (bytes_type.lengths, buffers) {
            (Lengths::Offsets32, [offsets, data]) => {
                let offsets = checked_offsets::<4>(offsets, data.len(), rows)?;
                Store::Offsets32(offsets, Data::new(data, bytes_type.is_text))
            }
            (Lengths::Offsets64, [offsets, data]) => {
                let offsets = checked_offsets::<8>(offsets, data.len(), rows)?;
                Store::Offsets64(offsets, Data::new(data, bytes_type.is_text))
            }
            (Lengths::Views, [views, data @ ..]) => {
                let views = sized(views, rows, 16)?;
                check_views(views, data, validity)?;
                Store::Views(views, data.to_vec())
            }
            (Lengths::Fixed(width), [data]) => Store::Fixed(sized(data, rows, width)?, width),
            _ => unreachable!("a column gets as many buffers as its type has"),
        };
        Ok(Self {
            validity,
            is_text: bytes_type.is_text,
            store,
        })
    }

    /// A column of keys into `dictionary`.
    pub(super) fn of_dictionary(
        keys: Ints<'p>,
        rows: usize,
        dictionary: Dictionary<'p>,
        is_text: bool,
    ) -> Result<Self, Fault> {
        for row in (0..rows).filter(|row| keys.validity.has(*row)) {
            let key = keys.get(row).and_then(|key| usize::try_from(key).ok());
            if key.is_none_or(|key| key >= dictionary.len()) {
                let len = dictionary.len();
                return Err(malformed(format!(
                    "row {row} is not one of {len} dictionary values"
                )));
            }
        }
        Ok(Self {
            validity: keys.validity,
            is_text,
            store: Store::Dictionary(keys, dictionary),
        })
    }

    /// Hands the value of every row to `take`, until it refuses one; whether it took all.
    #[inline]
    pub(super) fn all(&self, rows: Range<usize>, mut take: impl FnMut(Value<'p>) -> bool) -> bool {
        let validity = self.validity;
        let is_text = self.is_text;
        let mut give = |row: usize, value: Value<'p>| {
            take(if validity.has(row) {
                value
            } else {
                Value::Null
            })
        };
        match &self.store {
            Store::Offsets32(offsets, data) => {
                let ends = &offsets[rows.start * 4..(rows.end + 1) * 4];
                let ends = ends.as_chunks::<4>().0;
                let place = |end: &[u8; 4]| u32::from_le_bytes(*end) as usize;
                rows.zip(ends.windows(2)).all(|(row, ends)| {
                    give(row, data.value(place(&ends[0])..place(&ends[1]), is_text))
                })
            }
            Store::Offsets64(offsets, data) => {
                let ends = &offsets[rows.start * 8..(rows.end + 1) * 8];
                let ends = ends.as_chunks::<8>().0;
                let place =
                    |end: &[u8; 8]| usize::try_from(u64::from_le_bytes(*end)).unwrap_or(usize::MAX);
                rows.zip(ends.windows(2)).all(|(row, ends)| {
                    give(row, data.value(place(&ends[0])..place(&ends[1]), is_text))
                })
            }
            Store::Views(views, data) => rows
                .clone()
                .zip(views[rows.start * 16..rows.end * 16].chunks_exact(16))
                .all(|(row, view)| {
                    let bytes = of_view(view, data);
                    give(
                        row,
                        bytes.map_or(Value::Null, |bytes| as_value(bytes, is_text)),
                    )
                }),
            Store::Fixed(data, width) => rows
                .clone()
                .zip(data[rows.start * width..rows.end * width].chunks_exact(*width))
                .all(|(row, value)| give(row, Value::Bytes(value))),
            Store::Dictionary(keys, dictionary) => {
                let mut taken = true;
                keys.each(rows.clone(), |row, key| {
                    taken = taken
                        && take(match usize::try_from(key) {
                            Ok(key) if validity.has(row) => {
                                dictionary.get(key).copied().unwrap_or(Value::Null)
                            }
                            _ => Value::Null,
                        });
                }) && taken
            }
        }
    }

    /// Whether a value that is not UTF-8 is wrong.
    pub(super) const fn is_text(&self) -> bool {
        self.is_text
    }

    /// How wide every value is, where all are of one width.
    pub(super) const fn width(&self) -> Option<usize> {
        match self.store {
            Store::Fixed(_, width) => Some(width),
            _ => None,
        }
    }

    pub(super) fn get(&self, row: usize) -> Value<'p> {
        let mut found = Value::Null;
        self.all(row..row + 1, |value| {
            found = value;
            true
        });
        found
    }
}

fn as_value(bytes: &[u8], is_text: bool) -> Value<'_> {
    if !is_text {
        return Value::Bytes(bytes);
    }
    std::str::from_utf8(bytes).map_or(Value::Bytes(bytes), Value::Text)
}

fn checked_offsets<const WIDTH: usize>(
    buffer: &[u8],
    data: usize,
    rows: usize,
) -> Result<&[u8], Fault> {
    if rows == 0 {
        // A column without rows may come without its one offset.
        return Ok(&[0; 8][..WIDTH]);
    }
    let wanted = rows.saturating_add(1);
    let offsets = sized(buffer, wanted, WIDTH)?;
    let place = |offset: &[u8; WIDTH]| {
        let mut wide = [0; 8];
        wide[..WIDTH].copy_from_slice(offset);
        // A negative offset is a huge one, and so outside.
        u64::from_le_bytes(wide)
    };
    let offsets_of = offsets.as_chunks::<WIDTH>().0;
    let ascending = offsets_of.windows(2).fold(true, |ascending, pair| {
        ascending & (place(&pair[0]) <= place(&pair[1]))
    });
    let last = offsets_of.last().map_or(0, place);
    if !ascending || last > data as u64 {
        return Err(malformed(format!(
            "offsets that do not ascend, or end at {last} of {data} bytes"
        )));
    }
    Ok(offsets)
}

/// Every view of a row with a value is within its data, and they do not read it again and again.
fn check_views(views: &[u8], data: &[&[u8]], validity: Validity<'_>) -> Result<(), Fault> {
    let mut read = 0;
    for (row, view) in views.chunks_exact(16).enumerate() {
        if validity.has(row) {
            let value = of_view(view, data)
                .ok_or_else(|| malformed(format!("the view of row {row} is outside its data")))?;
            read += value.len();
        }
    }
    let stored = views.len() + data.iter().map(|buffer| buffer.len()).sum::<usize>();
    if read > READ_MAX * stored {
        return Err(malformed(format!(
            "views of {read} bytes into {stored}, more than {READ_MAX} times as many"
        )));
    }
    Ok(())
}

/// The value of a 16-byte view: its length, then the bytes themselves up to 12, else their first 4,
/// the number of their buffer, and their place in it.
#[inline]
fn of_view<'p>(view: &'p [u8], data: &[&'p [u8]]) -> Option<&'p [u8]> {
    let part = |at: usize| -> Option<usize> {
        let number = u32::from_le_bytes(view.get(at..at + 4)?.try_into().ok()?);
        usize::try_from(number).ok()
    };
    let len = part(0)?;
    if len <= 12 {
        return view.get(4..4 + len);
    }
    let (buffer, start) = (data.get(part(8)?)?, part(12)?);
    buffer.get(start..start.checked_add(len)?)
}

/// Whole numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ints<'p> {
    pub(super) validity: Validity<'p>,
    int_type: IntType,
    data: &'p [u8],
}

impl<'p> Ints<'p> {
    pub(super) fn try_new(
        int_type: IntType,
        rows: usize,
        validity: Validity<'p>,
        data: &'p [u8],
    ) -> Result<Self, Fault> {
        Ok(Self {
            validity,
            int_type,
            data: sized(data, rows, int_type.width)?,
        })
    }

    /// Hands the number of every row to `take`, also where it has no value; `false` when one is
    /// beyond `i64`, which it then does not hand over.
    #[inline]
    pub(super) fn each(&self, rows: Range<usize>, mut take: impl FnMut(usize, i64)) -> bool {
        let width = self.int_type.width;
        let data = &self.data[rows.start * width..rows.end * width];
        macro_rules! read {
            ($number:ty, $width:literal) => {
                for (row, bytes) in rows.zip(data.as_chunks::<$width>().0) {
                    take(row, i64::from(<$number>::from_le_bytes(*bytes)));
                }
            };
        }
        match (width, self.int_type.signed) {
            (1, true) => read!(i8, 1),
            (1, false) => read!(u8, 1),
            (2, true) => read!(i16, 2),
            (2, false) => read!(u16, 2),
            (4, true) => read!(i32, 4),
            (4, false) => read!(u32, 4),
            (_, true) => read!(i64, 8),
            (_, false) => {
                let mut fits = true;
                for (row, bytes) in rows.zip(data.as_chunks::<8>().0) {
                    match i64::try_from(u64::from_le_bytes(*bytes)) {
                        Ok(number) => take(row, number),
                        Err(_) => fits = false,
                    }
                }
                return fits;
            }
        }
        true
    }

    /// The number of a row as it stands there; `None` beyond `i64`.
    pub(super) fn get(&self, row: usize) -> Option<i64> {
        let mut found = None;
        self.each(row..row + 1, |_, number| found = Some(number));
        found
    }

    /// The bytes of a row.
    pub(super) fn raw(&self, row: usize) -> &'p [u8] {
        let width = self.int_type.width;
        &self.data[row * width..(row + 1) * width]
    }
}

/// Instants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times<'p> {
    pub(super) ints: Ints<'p>,
    unit: TimeUnit,
}

impl<'p> Times<'p> {
    pub(super) fn try_new(
        unit: TimeUnit,
        rows: usize,
        validity: Validity<'p>,
        data: &'p [u8],
    ) -> Result<Self, Fault> {
        let int_type = IntType {
            width: 8,
            signed: true,
        };
        Ok(Self {
            ints: Ints::try_new(int_type, rows, validity, data)?,
            unit,
        })
    }

    /// Appends the time of every row; whether all are within the range of event times. Rows without
    /// a value have any.
    #[inline]
    pub(super) fn append(&self, rows: Range<usize>, times: &mut Vec<EventTime>) -> bool {
        let mut fits = true;
        let mut by = |micros: fn(i64) -> Option<i64>| {
            self.ints.each(rows.clone(), |_, number| {
                let micros = micros(number);
                fits &= micros.is_some();
                times.push(EventTime::from_micros(micros.unwrap_or_default()));
            });
        };
        match self.unit {
            TimeUnit::SECOND => by(|number| number.checked_mul(1_000_000)),
            TimeUnit::MILLISECOND => by(|number| number.checked_mul(1_000)),
            TimeUnit::NANOSECOND => by(|number| Some(number.div_euclid(1_000))),
            _ => by(Some),
        }
        fits
    }

    /// The time of a row; `None` beyond the range of event times.
    pub(super) fn get(&self, row: usize) -> Option<EventTime> {
        let mut times = Vec::with_capacity(1);
        let fits = self.append(row..row + 1, &mut times);
        times.pop().filter(|_| fits)
    }
}

/// Numbers with a fraction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floats<'p> {
    pub(super) validity: Validity<'p>,
    width: usize,
    data: &'p [u8],
}

impl<'p> Floats<'p> {
    pub(super) fn try_new(
        width: usize,
        rows: usize,
        validity: Validity<'p>,
        data: &'p [u8],
    ) -> Result<Self, Fault> {
        Ok(Self {
            validity,
            width,
            data: sized(data, rows, width)?,
        })
    }

    #[inline]
    pub(super) fn append(&self, rows: Range<usize>, numbers: &mut Vec<f64>) {
        let data = &self.data[rows.start * self.width..rows.end * self.width];
        if self.width == 8 {
            numbers.extend(
                data.as_chunks()
                    .0
                    .iter()
                    .map(|bytes| f64::from_le_bytes(*bytes)),
            );
        } else {
            let numbers_32 = data.as_chunks().0.iter();
            numbers.extend(numbers_32.map(|bytes| f64::from(f32::from_le_bytes(*bytes))));
        }
    }

    pub(super) fn get(&self, row: usize) -> Option<f64> {
        let mut number = Vec::with_capacity(1);
        self.append(row..row + 1, &mut number);
        number.pop().filter(|_| self.validity.has(row))
    }

    /// The bytes of a row.
    pub(super) fn raw(&self, row: usize) -> &'p [u8] {
        &self.data[row * self.width..(row + 1) * self.width]
    }
}
