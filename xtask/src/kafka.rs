//! A real Apache Kafka on loopback: one KRaft broker from Maven Central artifacts.
//!
//! The cache folder `kafka/` holds one folder of jars per version, and under `run/` one folder per
//! broker: its configuration, data, log and pid. A broker is stopped by the pid in its own folder,
//! after a look that this pid still is that broker; nothing is ever stopped by name.

mod broker;
mod files;
mod process;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};

pub(crate) use broker::{Broker, DataFolder};
pub(crate) use process::{Toolchain, answers};

/// Where clients find a broker unless told otherwise.
pub(crate) const DEFAULT_PORT: u16 = 9092;

/// How long a broker may take to answer one request before it counts as not answering.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Starts a broker on `port` that outlives this program.
pub(crate) fn up(port: u16, keep: bool) -> Result<()> {
    let broker = at(port)?;
    if broker.pid().is_some() {
        ensure!(
            answers(port, ANSWER_WITHIN).is_ok(),
            "failed to reach the broker that runs on port {port}; stop it with `cargo xtask kafka \
             down --port {port}`, its log is {}",
            broker.log().display()
        );
        eprintln!("A broker already runs on port {port}; it was left as it is.");
    } else {
        let toolchain = Toolchain::find()?;
        let data = if keep {
            DataFolder::Kept
        } else {
            DataFolder::Fresh
        };
        broker.start(&toolchain, port, data)?;
        eprintln!("Stop it with: cargo xtask kafka down --port {port}");
    }
    println!("{}", bootstrap(port));
    Ok(())
}

/// Stops the broker that [`up`] started on `port`.
pub(crate) fn down(port: u16) -> Result<()> {
    match at(port)?.stop()? {
        Some(pid) => eprintln!("Stopped the broker on port {port} (process {pid})."),
        None => eprintln!("No broker of this tool runs on port {port}."),
    }
    Ok(())
}

/// Lists the running brokers, and says by exit code whether the one on `port` answers.
pub(crate) fn status(port: u16) -> Result<ExitCode> {
    let runs = run_dir()?;
    let mut names: Vec<_> = fs::read_dir(&runs)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    names.sort();
    for broker in names.into_iter().map(Broker::new) {
        if let Some(pid) = broker.pid() {
            println!("running {} (process {pid})", broker.folder().display());
        }
    }
    Ok(match answers(port, ANSWER_WITHIN) {
        Ok(()) => {
            println!("{} answers", bootstrap(port));
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{} does not answer: {error:#}", bootstrap(port));
            ExitCode::FAILURE
        }
    })
}

/// A broker on a free port for the time of one test run: stopped when dropped, and on an interrupt
/// if [`TestBroker::stop_on_interrupt`] was asked for. Its files are removed with it.
#[derive(Debug)]
pub(crate) struct TestBroker {
    broker: Broker,
    port: u16,
}

impl TestBroker {
    /// Starts an empty broker. Brokers that a killed run left behind are stopped first.
    pub(crate) fn start(toolchain: &Toolchain) -> Result<Self> {
        sweep()?;
        let folder = run_dir()?.join(format!("ci-{}", std::process::id()));
        let port = process::free_port()?;
        let test = Self {
            broker: Broker::new(folder),
            port,
        };
        test.broker.start(toolchain, port, DataFolder::Fresh)?;
        Ok(test)
    }

    /// Address for clients.
    pub(crate) fn bootstrap(&self) -> String {
        bootstrap(self.port)
    }

    /// On an interrupt, a hang-up or a request to end: stop the broker, then end with code 130.
    pub(crate) fn stop_on_interrupt(&self) -> Result<()> {
        let broker = Broker::new(self.broker.folder().to_path_buf());
        ctrlc::set_handler(move || {
            report(broker.remove());
            // The main thread waits for a child meanwhile and cannot be told.
            std::process::exit(130);
        })?;
        Ok(())
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        report(self.broker.remove());
    }
}

fn report(outcome: Result<()>) {
    if let Err(error) = outcome {
        eprintln!("failed to stop the test broker: {error:#}");
    }
}

/// Stops and removes test brokers whose owner is gone; owners are in the folder's name.
fn sweep() -> Result<()> {
    let Ok(entries) = fs::read_dir(run_dir()?) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix("ci-"))
            .and_then(|owner| owner.parse().ok());
        if owner.is_some_and(|owner| !process::is_alive(owner)) {
            Broker::new(entry.path()).remove()?;
        }
    }
    Ok(())
}

fn bootstrap(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn at(port: u16) -> Result<Broker> {
    Ok(Broker::new(run_dir()?.join(format!("port-{port}"))))
}

fn run_dir() -> Result<PathBuf> {
    Ok(kafka_dir()?.join("run"))
}

fn kafka_dir() -> Result<PathBuf> {
    Ok(crate::repo::cache_dir()?.join("kafka"))
}

/// Whether this is a build server, where missing tools are a failure and not a reason to skip.
pub(crate) fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}
