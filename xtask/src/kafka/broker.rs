//! One broker in one folder: install, start, look, stop.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::process::{LOOK_EVERY, Toolchain};
use super::{files, kafka_dir, process};

/// Limit for the first download of the jars; about 10 s on a good line.
const INSTALL_WITHIN: Duration = Duration::from_mins(10);
/// Limit for formatting the data folder, and for the start after it; 2-5 s each on a free machine.
const START_WITHIN: Duration = Duration::from_mins(2);
/// How long a broker may take to close its logs before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// Lines of a log shown with a failure.
const LOG_LINES_SHOWN: usize = 20;

/// Whether topics of an earlier run are still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataFolder {
    /// Start empty.
    Fresh,
    /// Go on with what is there.
    Kept,
}

/// The folder of one broker, running or not.
#[derive(Debug)]
pub(crate) struct Broker {
    folder: PathBuf,
}

impl Broker {
    /// The broker whose files are in `folder`, which need not exist.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The log of the current or last run.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// The process, if it runs: the recorded id, and a command line that names this folder.
    pub(crate) fn pid(&self) -> Option<i32> {
        let pid = fs::read_to_string(self.pid_file()).ok()?;
        let pid = pid.trim().parse().ok()?;
        self.is_this(pid).then_some(pid)
    }

    /// Starts it on `port` of 127.0.0.1 and returns when it answers.
    pub(crate) fn start(&self, toolchain: &Toolchain, port: u16, data: DataFolder) -> Result<()> {
        ensure!(
            !process::is_taken(port),
            "port {port} is in use by another program"
        );
        let lib = install(toolchain)?;
        let data_folder = self.folder.join("data");
        if data == DataFolder::Fresh && data_folder.exists() {
            fs::remove_dir_all(&data_folder)?;
        }
        fs::create_dir_all(&data_folder)
            .with_context(|| format!("failed to create {}", data_folder.display()))?;
        let controller = process::free_port()?;
        let properties = files::properties(port, controller, &data_folder);
        fs::write(self.properties_file(), properties)?;
        fs::write(
            self.folder.join("log4j2.properties"),
            files::LOG4J_PROPERTIES,
        )?;

        self.format(toolchain, &lib)?;
        let mut child = self
            .java(toolchain, &lib)
            .args(["-Xms512m", "-Xmx512m", "kafka.Kafka"])
            .arg(self.properties_file())
            .stdout(File::create(self.log())?)
            .stderr(File::options().append(true).open(self.log())?)
            .spawn()
            .context("failed to start java")?;
        fs::write(self.pid_file(), child.id().to_string())?;
        let ready = self.wait_ready(&mut child, port);
        if ready.is_err() {
            // Nothing half-started is left behind; the first error is the one to tell.
            drop(child.kill());
            drop(child.wait());
        }
        ready.with_context(|| {
            format!(
                "failed to start Kafka; the end of {} is:\n{}",
                self.log().display(),
                tail(&self.log())
            )
        })
    }

    /// Stops it; gives the id of the process that was stopped.
    pub(crate) fn stop(&self) -> Result<Option<i32>> {
        let pid = self.pid();
        if let Some(pid) = pid {
            process::end(pid, STOP_WITHIN, || self.is_this(pid))?;
        }
        if self.pid_file().exists() {
            fs::remove_file(self.pid_file())?;
        }
        Ok(pid)
    }

    /// Stops it and removes its folder.
    pub(crate) fn remove(&self) -> Result<()> {
        self.stop()?;
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)
                .with_context(|| format!("failed to remove {}", self.folder.display()))?;
        }
        Ok(())
    }

    fn is_this(&self, pid: i32) -> bool {
        let properties = self.properties_file();
        process::command_line(pid).contains(&*properties.to_string_lossy())
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("pid")
    }

    fn properties_file(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    /// Java with the broker's classes, in a process group of its own: an interrupt typed into the
    /// terminal is for this program, which then stops the broker in order.
    fn java(&self, toolchain: &Toolchain, lib: &Path) -> Command {
        let mut java = Command::new(&toolchain.java);
        java.process_group(0)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .arg(format!("-Dkafka.logs.dir={}", self.folder.display()))
            .arg("-Dlog4j2.configurationFile=log4j2.properties")
            .arg("-cp")
            .arg(lib.join("*"));
        java
    }

    fn format(&self, toolchain: &Toolchain, lib: &Path) -> Result<()> {
        let log = self.folder.join("format.log");
        let mut child = self
            .java(toolchain, lib)
            .args(["kafka.tools.StorageTool", "format", "--ignore-formatted"])
            .args(["-t", files::CLUSTER_ID, "-c"])
            .arg(self.properties_file())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?)
            .spawn()
            .context("failed to start java")?;
        let status = process::wait_until(&mut child, Instant::now() + START_WITHIN)?;
        ensure!(
            status.success(),
            "failed to format the data folder; the end of {} is:\n{}",
            log.display(),
            tail(&log)
        );
        Ok(())
    }

    fn wait_ready(&self, child: &mut Child, port: u16) -> Result<()> {
        let deadline = Instant::now() + START_WITHIN;
        while !fs::read_to_string(self.log())?.contains(files::STARTED) {
            if let Some(status) = child.try_wait()? {
                bail!("it ended at once with {status}");
            }
            ensure!(
                Instant::now() < deadline,
                "it did not say \"{}\" within {START_WITHIN:?}",
                files::STARTED
            );
            thread::sleep(LOOK_EVERY);
        }
        process::answers(port, super::ANSWER_WITHIN)
    }
}

/// The folder of jars, downloaded once per user and version.
fn install(toolchain: &Toolchain) -> Result<PathBuf> {
    let cache = kafka_dir()?;
    let lib = cache.join(format!("lib-{}", files::VERSION));
    if lib.is_dir() {
        return Ok(lib);
    }
    fs::create_dir_all(&cache).with_context(|| format!("failed to create {}", cache.display()))?;
    eprintln!(
        "Fetching Apache Kafka {} from Maven Central ...",
        files::VERSION
    );
    // Another run may do the same now: work aside, and let one atomic rename decide.
    let work = tempfile::Builder::new()
        .prefix("install-")
        .tempdir_in(&cache)?;
    let pom = work.path().join("pom.xml");
    let jars = work.path().join("lib");
    let log = cache.join("install.log");
    fs::write(&pom, files::pom())?;
    let mut child = Command::new(&toolchain.maven)
        .args(files::maven_arguments(&pom, &jars))
        .stdin(Stdio::null())
        .stdout(File::create(&log)?)
        .stderr(File::options().append(true).open(&log)?)
        .spawn()
        .context("failed to start mvn")?;
    let status = process::wait_until(&mut child, Instant::now() + INSTALL_WITHIN)?;
    ensure!(
        status.success(),
        "failed to fetch Kafka from Maven Central; the end of {} is:\n{}",
        log.display(),
        tail(&log)
    );
    if let Err(error) = fs::rename(&jars, &lib) {
        ensure!(lib.is_dir(), "failed to install the jars: {error}");
    }
    Ok(lib)
}

/// The last lines of a log, for a message.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_else(|error| error.to_string());
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
    lines[from..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_id_of_another_process_is_not_the_broker() {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::new(folder.path().to_path_buf());
        assert_eq!(broker.pid(), None, "no file");
        fs::write(broker.pid_file(), std::process::id().to_string()).unwrap();
        assert_eq!(broker.pid(), None, "this test is not a broker");
        assert_eq!(broker.stop().unwrap(), None);
        assert!(!broker.pid_file().exists(), "a stale file is cleared");
    }

    #[test]
    fn a_failure_shows_the_end_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let text: Vec<_> = (0..100).map(|line| line.to_string()).collect();
        fs::write(&log, text.join("\n")).unwrap();
        assert!(tail(&log).starts_with("80\n") && tail(&log).ends_with("\n99"));
    }
}
