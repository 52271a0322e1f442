//! CPU seconds and peak memory of another program, by the kernel's own account.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use wait4::Wait4;

/// What a run cost, the program and the children it waited for together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CpuSeconds {
    /// Time in the program's own code, on all cores.
    pub(crate) user: f64,
    /// Time in the kernel on its behalf.
    pub(crate) system: f64,
    /// Time on the clock.
    pub(crate) elapsed: f64,
    /// Largest resident set of any one process of the run, in bytes; Linux starts this account
    /// with the size of the starting program, which is small here.
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
}

/// Runs `command` to its end and says how it ended and what it cost.
///
/// # Errors
/// When it cannot start.
pub(crate) fn measure_run(command: &mut Command) -> Result<(ExitStatus, CpuSeconds)> {
    let start = Instant::now();
    let child = command
        .spawn()
        .with_context(|| format!("failed to start {}", command.get_program().display()))?;
    let end = child.wait4()?;
    let cost = CpuSeconds {
        user: end.rusage.utime.as_secs_f64(),
        system: end.rusage.stime.as_secs_f64(),
        elapsed: start.elapsed().as_secs_f64(),
        rss_bytes_max: end.rusage.maxrss,
    };
    Ok((end.status, cost))
}

/// The command `measure`: runs the program, reports on it, and ends as it ended.
pub(crate) fn run(command: &[String], json: Option<&Path>) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no program to run")?;
    let (status, cost) = measure_run(Command::new(program).args(arguments))?;
    let text = format!("{:#}\n", cost.to_json());
    if let Some(path) = json {
        fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
    } else {
        eprint!("{text}");
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_has_its_own_account() {
        let shell = |script: &str| measure_run(Command::new("sh").args(["-c", script])).unwrap();
        let (status, busy) = shell("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 3");
        assert_eq!(status.code(), Some(3));
        assert!(busy.user > 0.0 && busy.elapsed > 0.0, "{busy:?}");
        assert!(busy.rss_bytes_max > 100_000, "{busy:?}");
        let (status, idle) = shell("exit 0");
        assert!(status.success());
        assert!(idle.user < busy.user, "{idle:?} and {busy:?}");
        assert!(measure_run(&mut Command::new("no-such-program")).is_err());
    }
}
