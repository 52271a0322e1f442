//! The time that a thread spends on a core, for benches on machines with other work.
//!
//! Linux only. The kernel brings the account up to date at every tick (4 ms at 250 Hz), so what is
//! measured at once should take longer than that.

use std::fs;
use std::time::Duration;

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};

/// Measures the running thread by the kernel's account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuTime;

impl CpuTime {
    /// What the thread has used so far.
    #[expect(
        clippy::disallowed_methods,
        reason = "a bench may ask the machine; what it measures may not"
    )]
    fn now() -> Duration {
        let account = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
        let nanos = account
            .split_whitespace()
            .next()
            .expect("a line of numbers");
        Duration::from_nanos(nanos.parse().expect("a number of nanoseconds"))
    }
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        Self::now()
    }

    fn end(&self, start: Duration) -> Duration {
        Self::now().saturating_sub(start)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    #[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days")]
    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &Nanos
    }
}

/// Formats as wall time is formatted.
struct Nanos;

impl ValueFormatter for Nanos {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_values(typical, values)
    }

    fn scale_throughputs(
        &self,
        typical: f64,
        throughput: &Throughput,
        values: &mut [f64],
    ) -> &'static str {
        WallTime
            .formatter()
            .scale_throughputs(typical, throughput, values)
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_for_machines(values)
    }
}
