//! How long a one-sided CUSUM runs until it alarms, so that an operator can ask for a limit by
//! false alarms.
//!
//! The average run length (ARL) is the expected number of windows from a sum of 0 to the alarm.
//! It is computed by the Markov chain of Brook and Evans 1972, Biometrika 59:539: the sum between 0
//! and `h` is cut into cells, and the expected time to leave them is solved for. States are
//! eliminated without a subtraction (Grassmann, Taksar and Heyman 1985), so that long runs keep
//! their digits.
//!
//! It holds for independent, normal numbers of mean 0 and variance 1. Residuals of counts are
//! neither quite: where they are dependent, false alarms are more frequent than asked for.
//! The 168 and 465 of textbooks for `h` 4 and 5 are of the two-sided CUSUM.

use super::AberrationError;
use super::normal::upper_tail;

/// Cells of the coarse and the fine chain. A cell of the coarse one is three of the fine one wide,
/// and the error falls with the square of the width, so 9/8 of the fine result less 1/8 of the
/// coarse one has next to none: below 10⁻⁵ of the run length for `h` up to 6.
const CELLS: [u16; 2] = [67, 200];

/// The largest decision limit whose run length is computed.
const LIMIT_MAX: f64 = 20.0;

/// The least limit of the search.
const LIMIT_MIN: f64 = 1e-6;

/// Halvings of the search: 20 · 2⁻⁴⁸ is below 10⁻¹².
const HALVINGS: u8 = 48;

/// The average run length, in windows, of a one-sided CUSUM with allowance `k` and decision limit
/// `h` when the numbers have mean `shift`: 1 or more. With a `shift` of 0 it is the windows
/// between false alarms.
///
/// # Errors
/// [`AberrationError::RunLengthInput`] unless `k` is 0 to 5, `h` above 0 and at most 20, and
/// `shift` -5 to 5.
///
/// ```
/// use tidegate_risk::aberration::arl::cusum_run_length;
/// assert_eq!(cusum_run_length(0.5, 5.0, 0.0)?.round(), 931.0);
/// # Ok::<(), tidegate_risk::aberration::AberrationError>(())
/// ```
pub fn cusum_run_length(k: f64, h: f64, shift: f64) -> Result<f64, AberrationError> {
    let inside = (0.0..=5.0).contains(&k) && h > 0.0 && h <= LIMIT_MAX && shift.abs() <= 5.0;
    if inside {
        Ok(run_length(h, k - shift))
    } else {
        Err(AberrationError::RunLengthInput { k, h, shift })
    }
}

/// The least decision limit at which a one-sided CUSUM with allowance `k` alarms falsely once in
/// `windows` windows on average, or less often.
///
/// # Errors
/// [`AberrationError::NoLimit`] when a limit near 0 already alarms less often, or one of 20 more
/// often, or `windows` is not a number; [`AberrationError::RunLengthInput`] for `k`.
///
/// ```
/// use tidegate_risk::aberration::arl::cusum_limit;
/// // One false alarm a month from windows of 15 minutes, 18 hours a day.
/// assert!((cusum_limit(0.5, 30.0 * 72.0)? - 5.83).abs() < 0.01);
/// # Ok::<(), tidegate_risk::aberration::AberrationError>(())
/// ```
pub fn cusum_limit(k: f64, windows: f64) -> Result<f64, AberrationError> {
    let least = cusum_run_length(k, LIMIT_MIN, 0.0)?;
    let most = cusum_run_length(k, LIMIT_MAX, 0.0)?;
    if !(windows >= least && windows <= most) {
        return Err(AberrationError::NoLimit { k, windows });
    }
    let (mut low, mut high) = (LIMIT_MIN, LIMIT_MAX);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if run_length(middle, k) < windows {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(high)
}

/// `drift` is what each step takes off on average.
fn run_length(h: f64, drift: f64) -> f64 {
    let [coarse, fine] = CELLS.map(|cells| chain(cells, h, drift));
    // Not (9 fine - coarse) / 8: the correction is small.
    (fine + (fine - coarse) / 8.0).max(1.0)
}

/// The run length of the chain with `cells` cells, centred at `i · width`, the first from 0 to half
/// a width; all sums of 0 are in it.
fn chain(cells: u16, h: f64, drift: f64) -> f64 {
    let size = usize::from(cells);
    let width = 2.0 * h / f64::from(2 * cells - 1);
    let above = |distance: f64| {
        upper_tail(distance * width + drift).expect("checked parameters are finite numbers")
    };
    // By the distance between cells alone: `crossing[d]` is the probability of a step over the
    // upper edge of the cell `d - size` cells away.
    let crossing: Vec<f64> = (0..2 * cells)
        .map(|d| above(f64::from(d) - f64::from(cells) + 0.5))
        .collect();
    let mut moves: Vec<Vec<f64>> = (0..size)
        .map(|from| {
            let beyond = |to: usize| crossing[size + to - from];
            let first = 1.0 - beyond(0);
            std::iter::once(first)
                .chain((1..size).map(|to| (beyond(to - 1) - beyond(to)).max(0.0)))
                .collect()
        })
        .collect();
    let mut alarm: Vec<f64> = (0..size)
        .map(|from| crossing[2 * size - 1 - from])
        .collect();
    let mut windows = vec![1.0; size];
    for last in (1..size).rev() {
        let row = moves[last][..last].to_vec();
        let leaving = row.iter().sum::<f64>() + alarm[last];
        for from in 0..last {
            let share = moves[from][last] / leaving;
            for (to, onward) in moves[from].iter_mut().zip(&row) {
                *to += share * onward;
            }
            alarm[from] += share * alarm[last];
            windows[from] += share * windows[last];
        }
    }
    windows[0] / alarm[0]
}
