//! A sketch of a set of values that knows how many distinct ones it has seen.
//!
//! Up to [`EXACT_MAX`] distinct values the sketch is the sorted list of their 64-bit hashes, and
//! its count is exact but for colliding hashes, of which 2,048 values have one in nine trillion
//! sets. Beyond, it is a `HyperLogLog` of 2¹⁴ registers of one byte (Flajolet and others, 2007),
//! whose standard error is `1.04 / √2¹⁴`, 0.81 %.
//! A sketch never costs more than eight bytes for each distinct value.
//!
//! It is a function of the set of hashes alone: merging is the union of lists or the maximum of
//! registers, so it is associative, commutative and idempotent, and equal sets have equal bytes
//! whatever the order and the batches in which their values came.
//!
//! # Bytes
//!
//! | at | what |
//! |---|---|
//! | 0 | the letter `D` |
//! | 1 | the version, 1 |
//! | 2 | the precision, 14 |
//! | 3 | the form: 0 for hashes, 1 for registers |
//! | 4 | hashes: 64 bits each, little-endian, ascending; registers: one byte each, by index |
//!
//! The hash is XXH3-64 with a fixed seed over bytes that `hash` defines.
//! A change of any of this is a new version.

mod function;
mod hash;
#[cfg(test)]
mod tests;

pub(crate) use function::NAME;
pub use function::count_distinct_sketch;

/// Bits of a hash that choose its register.
const PRECISION: u8 = 14;
/// Registers of a sketch.
const REGISTERS: usize = 1 << PRECISION;
/// The most distinct hashes that are kept as a list, which is then as long as the registers.
const EXACT_MAX: usize = REGISTERS / size_of::<u64>();
/// The highest rank: that of a hash whose other bits are all zero.
const RANK_MAX: u8 = 64 - PRECISION + 1;
/// A list is not sorted for fewer hashes than this.
const PENDING_MIN: usize = 16;

const MAGIC: u8 = b'D';
const VERSION: u8 = 1;
const HASHES: u8 = 0;
const DENSE: u8 = 1;
const HEADER: [u8; 3] = [MAGIC, VERSION, PRECISION];
const HEADER_BYTES: usize = HEADER.len() + 1;

/// Why bytes are not a sketch that can be merged.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum SketchError {
    /// Another version of the product wrote them.
    #[error(
        "distinct-count sketch of version {0} cannot be read, only version {VERSION}: run the \
         build that wrote it, or start without its state"
    )]
    Version(u8),
    /// They have another number of registers.
    #[error("distinct-count sketch of precision {0} cannot be merged with precision {PRECISION}")]
    Precision(u8),
    /// They break a rule of the format.
    #[error("distinct-count sketch is damaged: {0}")]
    Damaged(&'static str),
}

/// See the module documentation.
#[derive(Debug, Clone)]
enum Sketch {
    /// The hashes themselves; the first `sorted` are ascending and distinct.
    Hashes { hashes: Vec<u64>, sorted: usize },
    /// The highest rank of each register.
    Registers(Box<[u8]>),
}

impl Default for Sketch {
    fn default() -> Self {
        Self::Hashes {
            hashes: Vec::new(),
            sorted: 0,
        }
    }
}

impl Sketch {
    /// Adds one value by its hash.
    fn add(&mut self, hash: u64) {
        match self {
            Self::Registers(registers) => raise(registers, hash),
            Self::Hashes { hashes, sorted } => {
                // Streams repeat: the same trip, site or vehicle in a row.
                if hashes.last() == Some(&hash) {
                    return;
                }
                hashes.push(hash);
                if hashes.len() >= PENDING_MIN.max(2 * *sorted) {
                    self.settle();
                }
            }
        }
    }

    /// Sorts a list, drops what is twice in it, and turns it into registers if it is too long.
    fn settle(&mut self) {
        let Self::Hashes { hashes, sorted } = self else {
            return;
        };
        if hashes.len() == *sorted {
            return;
        }
        hashes.sort_unstable();
        hashes.dedup();
        *sorted = hashes.len();
        if hashes.len() > EXACT_MAX {
            let mut registers = vec![0; REGISTERS].into_boxed_slice();
            for hash in hashes {
                raise(&mut registers, *hash);
            }
            *self = Self::Registers(registers);
        }
    }

    /// Adds all values of the sketch that was written as `bytes`.
    fn merge(&mut self, bytes: &[u8]) -> Result<(), SketchError> {
        match checked(bytes)? {
            (HASHES, body) => {
                for hash in read_hashes(body) {
                    self.add(hash);
                }
            }
            (_, body) => {
                if let Self::Hashes { hashes, .. } = self {
                    let mut registers: Box<[u8]> = body.into();
                    for hash in hashes {
                        raise(&mut registers, *hash);
                    }
                    *self = Self::Registers(registers);
                } else if let Self::Registers(registers) = self {
                    for (mine, other) in registers.iter_mut().zip(body) {
                        *mine = (*mine).max(*other);
                    }
                }
            }
        }
        Ok(())
    }

    /// Appends the sketch's bytes to `out`.
    fn write(&mut self, out: &mut Vec<u8>) {
        self.settle();
        out.extend(HEADER);
        match self {
            Self::Hashes { hashes, .. } => {
                out.push(HASHES);
                out.extend(hashes.iter().flat_map(|hash| hash.to_le_bytes()));
            }
            Self::Registers(registers) => {
                out.push(DENSE);
                out.extend_from_slice(registers);
            }
        }
    }

    /// How many bytes [`Sketch::write`] appends.
    fn written_bytes(&mut self) -> usize {
        self.settle();
        HEADER_BYTES
            + match self {
                Self::Hashes { hashes, .. } => size_of_val(hashes.as_slice()),
                Self::Registers(registers) => registers.len(),
            }
    }

    /// How many distinct values there are: exact for a list, else estimated.
    fn count(&mut self) -> i64 {
        self.settle();
        match self {
            Self::Hashes { hashes, .. } => i64::try_from(hashes.len()).expect("a short list"),
            Self::Registers(registers) => {
                // Registers say that there are more than a list may hold.
                let least = i64::try_from(EXACT_MAX + 1).expect("a small constant");
                estimate(registers).max(least)
            }
        }
    }

    /// Bytes that the sketch holds beside its own size.
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Hashes { hashes, .. } => hashes.capacity() * size_of::<u64>(),
            Self::Registers(registers) => registers.len(),
        }
    }
}

/// Raises the register that `hash` chooses to its rank: the place of the first one in the bits
/// that do not choose.
fn raise(registers: &mut [u8], hash: u64) {
    let index = usize::try_from(hash >> (64 - PRECISION)).expect("14 bits");
    let zeros = (hash << PRECISION).leading_zeros();
    let rank = u8::try_from(zeros + 1).expect("at most 65").min(RANK_MAX);
    registers[index] = registers[index].max(rank);
}

/// The form and the body of a sketch's bytes, after all rules of the format have been checked.
fn checked(bytes: &[u8]) -> Result<(u8, &[u8]), SketchError> {
    let Some((&[magic, version, precision, form], body)) = bytes.split_first_chunk() else {
        return Err(SketchError::Damaged("it has no header"));
    };
    if magic != MAGIC {
        return Err(SketchError::Damaged("its first letter is not D"));
    }
    if version != VERSION {
        return Err(SketchError::Version(version));
    }
    if precision != PRECISION {
        return Err(SketchError::Precision(precision));
    }
    match form {
        HASHES => {
            if !body.len().is_multiple_of(size_of::<u64>()) {
                return Err(SketchError::Damaged("a hash is cut off"));
            }
            if body.len() > EXACT_MAX * size_of::<u64>() {
                return Err(SketchError::Damaged("it lists too many hashes"));
            }
            if !read_hashes(body).is_sorted_by(|one, next| one < next) {
                return Err(SketchError::Damaged("its hashes are not ascending"));
            }
        }
        DENSE => {
            if body.len() != REGISTERS {
                return Err(SketchError::Damaged("its registers are not 16,384"));
            }
            if body.iter().any(|rank| *rank > RANK_MAX) {
                return Err(SketchError::Damaged("a register is above 51"));
            }
        }
        _ => return Err(SketchError::Damaged("its form is neither 0 nor 1")),
    }
    Ok((form, body))
}

fn read_hashes(body: &[u8]) -> impl Iterator<Item = u64> {
    let (hashes, _) = body.as_chunks();
    hashes.iter().map(|hash| u64::from_le_bytes(*hash))
}

/// The number of distinct hashes behind `registers`, by the improved raw estimator: algorithm 6 of
/// Ertl, "New cardinality estimation algorithms for `HyperLogLog` sketches" (2017),
/// [arXiv:1702.01284](https://arxiv.org/abs/1702.01284). It is unbiased over the whole range
/// without tables, and uses only operations that IEEE 754 rounds alike on every platform.
#[expect(
    clippy::cast_possible_truncation,
    reason = "registers of all ones estimate 2^64, where the conversion stops at the highest i64"
)]
fn estimate(registers: &[u8]) -> i64 {
    let mut histogram = [0_u32; RANK_MAX as usize + 1];
    for rank in registers {
        histogram[usize::from(*rank)] += 1;
    }
    let m = f64::from(1_u32 << PRECISION);
    let [empty, ranks @ .., full] = histogram;
    let mut z = m * tau(1.0 - f64::from(full) / m);
    for count in ranks.into_iter().rev() {
        z = 0.5 * (z + f64::from(count));
    }
    z += m * sigma(f64::from(empty) / m);
    let alpha = 0.5 / std::f64::consts::LN_2;
    (alpha * m * m / z).round() as i64
}

/// `x + Σ x^(2^k) 2^(k−1)` over k ≥ 1: Ertl's σ, the correction for empty registers; `x` in [0, 1).
fn sigma(mut x: f64) -> f64 {
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        // The sum only grows, until its terms are too small to change it.
        if z <= before || z.is_infinite() {
            return z;
        }
    }
}

/// `(1 − x − Σ (1 − x^(2^−k))² 2^−k) / 3` over k ≥ 1: Ertl's τ, the correction for full registers;
/// `x` in [0, 1].
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}
