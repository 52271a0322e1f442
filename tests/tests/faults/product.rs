//! The product as a process that a test starts, breaks and watches.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{binary, root, wait_until};

/// A running program whose output goes to files. It never outlives its value: dropping kills it,
/// paused or not.
#[derive(Debug)]
pub(crate) struct Product {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

/// A fail point of the product, as it lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// For `TIDEGATE_FAILPOINT`.
    pub(crate) name: String,
    /// Whether it is reached only by a recovery.
    pub(crate) in_recovery: bool,
}

impl Product {
    /// Every fail point of the product.
    pub(crate) fn steps() -> Vec<Step> {
        let output = Command::new(binary())
            .env("TIDEGATE_FAILPOINT", "list")
            .arg("version")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let step = |line: &str| {
            let (name, phase) = line.split_once(' ')?;
            matches!(phase, "epoch" | "recovery").then(|| Step {
                name: name.to_owned(),
                in_recovery: phase == "recovery",
            })
        };
        text.lines()
            .map(|line| step(line).unwrap_or_else(|| panic!("not a fail point: {line}")))
            .collect()
    }

    /// Starts `program` in the repository's root; its output goes to `NAME.out` and `NAME.err` in
    /// `folder`.
    pub(crate) fn start(
        program: &Path,
        args: &[String],
        env: &[(&str, &str)],
        (folder, name): (&Path, &str),
    ) -> Self {
        let out = folder.join(format!("{name}.out"));
        let err = folder.join(format!("{name}.err"));
        let child = Command::new(program)
            .args(args)
            .envs(env.iter().copied())
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self { child, out, err }
    }

    /// Standard output and standard error so far.
    pub(crate) fn output(&self) -> String {
        let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        read(&self.out) + &read(&self.err)
    }

    /// Waits until it has said `text`; panics with what it said instead.
    pub(crate) fn wait_for(&mut self, text: &str, within: Duration) {
        let said = wait_until(within, || {
            let over = self.child.try_wait().unwrap().is_some();
            (over || self.output().contains(text)).then_some(())
        });
        let output = self.output();
        assert!(
            said.is_some() && output.contains(text),
            "it did not say {text:?} within {within:?} but\n{output}"
        );
    }

    /// How it ended, if it did within this time.
    pub(crate) fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        wait_until(within, || self.child.try_wait().unwrap())
    }

    /// How it ended; panics when it still runs after this time.
    pub(crate) fn must_end(&mut self, within: Duration) -> ExitStatus {
        let ended = self.wait(within);
        ended.unwrap_or_else(|| panic!("it runs after {within:?}\n{}", self.output()))
    }

    /// Whether it was ended by SIGKILL, by a fail point for one.
    pub(crate) fn was_killed(status: ExitStatus) -> bool {
        status.signal() == Some(Signal::SIGKILL as i32)
    }

    /// `kill -9`; nothing when it ended before.
    pub(crate) fn kill(&mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }

    /// Stops its clock, as it looks to it: SIGSTOP.
    pub(crate) fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on: SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Lifts the limit on the size of its files.
    pub(crate) fn allow_large_files(&self) {
        let pid = self.child.id().to_string();
        let lifted = Command::new("prlimit")
            .args(["--pid", &pid, "--fsize=unlimited"])
            .status();
        assert!(lifted.unwrap().success());
    }

    /// Asks it to end: SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    fn signal(&self, signal: Signal) {
        // A child that was not waited for keeps its id, so that nobody else is meant.
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            signal,
        )
        .unwrap();
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        // Both are without effect when it was waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> (Product, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let args = ["-c".to_owned(), script.to_owned()];
        let env = [("GREETING", "hello")];
        let product = Product::start(Path::new("sh"), &args, &env, (folder.path(), "it"));
        (product, folder)
    }

    #[test]
    fn what_it_says_is_waited_for_and_how_it_ends_is_told() {
        let (mut product, _folder) = shell("echo $GREETING; echo careful >&2; exit 7");
        product.wait_for("hello", LONG);
        product.wait_for("careful", LONG);
        assert_eq!(product.must_end(LONG).code(), Some(7));
        let failed = std::panic::catch_unwind(move || product.wait_for("no", LONG));
        assert!(failed.is_err());
    }

    #[test]
    fn it_is_paused_resumed_and_ended() {
        let script = "trap 'echo asked; exit 3' TERM; echo ready; while :; do :; done";
        let (mut product, _folder) = shell(script);
        product.wait_for("ready", LONG);
        product.pause();
        product.terminate();
        let moment = Duration::from_millis(200);
        assert_eq!(product.wait(moment), None, "it is paused");
        product.resume();
        assert_eq!(product.must_end(LONG).code(), Some(3));

        let (mut product, _folder) = shell(script);
        product.pause();
        assert!(Product::was_killed(product.kill()));
    }

    #[test]
    fn dropping_ends_it_even_when_it_is_paused() {
        let (product, _folder) = shell("while :; do :; done");
        let pid = Pid::from_raw(i32::try_from(product.child.id()).unwrap());
        product.pause();
        assert!(kill(pid, None).is_ok());
        drop(product);
        assert!(kill(pid, None).is_err());
    }
}
