//! One broker in one folder: install, start, look, stop, kill.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::files::Node;
use super::process::{LOOK_EVERY, Toolchain};
use super::{files, kafka_dir, process};

/// Limit for the first download of the jars; about 10 s on a good line.
const INSTALL_WITHIN: Duration = Duration::from_mins(10);
/// Limit for formatting the data folder, and for the start after it; 2-5 s each on a free machine.
const START_WITHIN: Duration = Duration::from_mins(2);
/// How long a port may still be held by a node that was ended.
const PORT_FREE_WITHIN: Duration = Duration::from_secs(2);
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

    /// Writes its files and formats its data folder, which a start needs once.
    pub(crate) fn prepare(
        &self,
        toolchain: &Toolchain,
        nodes: (&Node, &[Node]),
        data: DataFolder,
    ) -> Result<()> {
        let lib = install(toolchain)?;
        let data_folder = self.folder.join("data");
        if data == DataFolder::Fresh && data_folder.exists() {
            fs::remove_dir_all(&data_folder)?;
        }
        fs::create_dir_all(&data_folder)
            .with_context(|| format!("failed to create {}", data_folder.display()))?;
        let properties = files::properties(nodes.0, nodes.1, &data_folder);
        fs::write(self.properties_file(), properties)?;
        fs::write(
            self.folder.join("log4j2.properties"),
            files::LOG4J_PROPERTIES,
        )?;
        self.format(toolchain, &lib)
    }

    /// Starts it with the files that [`Broker::prepare`] wrote; it serves when
    /// [`Starting::wait`] returns. The log of the run before is kept as `server-before.log`.
    pub(crate) fn launch(&self, toolchain: &Toolchain) -> Result<Starting<'_>> {
        let properties = fs::read_to_string(self.properties_file()).with_context(|| {
            format!(
                "{} holds no broker that was ever started",
                self.folder.display()
            )
        })?;
        let port = files::port_of(&properties).context("its server.properties name no port")?;
        // A node that was just killed may hold its port a moment longer.
        let deadline = Instant::now() + PORT_FREE_WITHIN;
        while process::is_taken(port) {
            ensure!(
                Instant::now() < deadline,
                "port {port} is in use by another program"
            );
            thread::sleep(LOOK_EVERY);
        }
        let lib = install(toolchain)?;
        if self.log().exists() {
            fs::rename(self.log(), self.folder.join("server-before.log"))?;
        }
        let child = self
            .java(toolchain, &lib)
            .args(files::JAVA_OPTIONS)
            .arg("kafka.Kafka")
            .arg(self.properties_file())
            .stdout(File::create(self.log())?)
            .stderr(File::options().append(true).open(self.log())?)
            .spawn()
            .context("failed to start java")?;
        let starting = Starting {
            broker: self,
            child: Some(child),
            port,
        };
        fs::write(self.pid_file(), starting.pid().to_string())?;
        Ok(starting)
    }

    /// Stops it in order; gives the id of the process that was stopped.
    pub(crate) fn stop(&self) -> Result<Option<i32>> {
        self.end(|pid| process::end(pid, STOP_WITHIN, || self.is_this(pid)))
    }

    /// Ends it without a chance to write anything more; gives the id of the process.
    pub(crate) fn kill(&self) -> Result<Option<i32>> {
        self.end(|pid| process::kill_now(pid, || self.is_this(pid)))
    }

    fn end(&self, how: impl FnOnce(i32) -> Result<()>) -> Result<Option<i32>> {
        let pid = self.pid();
        if let Some(pid) = pid {
            how(pid)?;
        }
        if self.pid_file().exists() {
            fs::remove_file(self.pid_file())?;
        }
        Ok(pid)
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
}

/// A broker between its start and its first answer. Dropped before it serves, it is killed:
/// nothing half-started is left behind.
#[derive(Debug)]
pub(crate) struct Starting<'a> {
    broker: &'a Broker,
    /// `None` once it serves.
    child: Option<Child>,
    port: u16,
}

impl Starting<'_> {
    fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Returns when the broker answers. One of several nodes does so only once most of them run.
    pub(crate) fn wait(mut self) -> Result<()> {
        let ready = self.wait_ready();
        if ready.is_ok() {
            // It outlives this program.
            self.child = None;
        }
        let log = self.broker.log();
        ready.with_context(|| {
            format!(
                "failed to start Kafka; the end of {} is:\n{}",
                log.display(),
                tail(&log)
            )
        })
    }

    fn wait_ready(&mut self) -> Result<()> {
        let child = self
            .child
            .as_mut()
            .expect("there is one until wait returns");
        let deadline = Instant::now() + START_WITHIN;
        while !fs::read_to_string(self.broker.log())?.contains(files::STARTED) {
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
        process::answers(self.port, super::ANSWER_WITHIN)
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // The error that led here is the one to tell.
            drop(child.kill());
            drop(child.wait());
        }
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
