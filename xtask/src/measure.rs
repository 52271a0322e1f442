//! CPU seconds and peak memory of another program, by the kernel's own account.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde_json::{Value, json};

/// What a run cost, the program and the children it waited for together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CpuSeconds {
    /// Time in the program's own code, on all cores.
    pub(crate) user: f64,
    /// Time in the kernel on its behalf.
    pub(crate) system: f64,
    /// Time on the clock.
    pub(crate) elapsed: f64,
    /// Largest resident set of any one process of the run, in bytes.
    pub(crate) rss_bytes_max: u64,
}

impl CpuSeconds {
    /// As written to reports.
    pub(crate) fn to_json(self) -> Value {
        json!({
            "user_s": self.user,
            "system_s": self.system,
            "cpu_s": self.user + self.system,
            "elapsed_s": self.elapsed,
            "rss_bytes_max": self.rss_bytes_max,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            user: value["user_s"].as_f64()?,
            system: value["system_s"].as_f64()?,
            elapsed: value["elapsed_s"].as_f64()?,
            rss_bytes_max: value["rss_bytes_max"].as_u64()?,
        })
    }
}

/// Runs `command` (program, arguments, folder and added variables) to its end and measures it.
/// Its output goes where this program's output goes, or to `stdout` when given.
///
/// The kernel keeps one account of all children a process ever had. So the command runs under a
/// fresh copy of this program, whose only child it is.
///
/// # Errors
/// When it cannot start, or ends with a failure.
pub(crate) fn measure_run(command: &Command, stdout: Option<Stdio>) -> Result<CpuSeconds> {
    let report = tempfile::NamedTempFile::new()?;
    let program = std::env::current_exe().context("failed to find this program")?;
    let mut copy = Command::new(program);
    copy.arg("measure").arg("--json").arg(report.path());
    copy.arg("--").arg(command.get_program());
    copy.args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        copy.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    if let Some(stdout) = stdout {
        copy.stdout(stdout);
    }
    let status = copy.status().context("failed to start the measurement")?;
    ensure!(status.success(), "the measured run ended with {status}");
    let report = fs::read_to_string(report.path())?;
    CpuSeconds::from_json(&serde_json::from_str(&report)?)
        .context("the measurement wrote an incomplete report")
}

/// The command `measure`: runs the program, reports on it, and ends as it ended.
pub(crate) fn run(command: &[String], json: Option<&Path>) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no program to run")?;
    let mut command = Command::new(program);
    command.args(arguments);
    let (status, cost) = measure_only_child(&mut command)?;
    let text = format!("{:#}\n", cost.to_json());
    match json {
        Some(path) => {
            fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
        }
        None => eprint!("{text}"),
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Measures `command`; exact in memory only when no bigger child was waited for before.
fn measure_only_child(command: &mut Command) -> Result<(ExitStatus, CpuSeconds)> {
    let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let start = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("failed to start {}", command.get_program().display()))?;
    let elapsed = start.elapsed().as_secs_f64();
    let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cost = CpuSeconds {
        user: seconds(after.user_time()) - seconds(before.user_time()),
        system: seconds(after.system_time()) - seconds(before.system_time()),
        elapsed,
        rss_bytes_max: rss_bytes_max(&after),
    };
    Ok((status, cost))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of a run that ends are far below 2^53"
)]
fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 * 1e-6
}

/// Linux counts kibibytes, macOS bytes.
fn rss_bytes_max(usage: &Usage) -> u64 {
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    u64::try_from(usage.max_rss()).unwrap_or(0) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_child_costs_cpu_and_memory_and_its_failure_is_seen() {
        let mut busy = Command::new("sh");
        busy.args([
            "-c",
            "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 3",
        ]);
        let (status, cost) = measure_only_child(&mut busy).unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(cost.user > 0.0 && cost.elapsed > 0.0, "{cost:?}");
        assert!(cost.rss_bytes_max > 100_000, "{cost:?}");
        assert_eq!(CpuSeconds::from_json(&cost.to_json()), Some(cost));
    }
}
