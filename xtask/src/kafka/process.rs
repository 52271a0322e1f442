//! Java, Maven, ports, processes: what the broker needs from the machine.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::repo::find_program;

/// The oldest Java that runs a 4.x broker.
const JAVA_MIN: u32 = 17;

/// How often a wait looks again.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a killed process may take to be gone.
const KILL_WITHIN: Duration = Duration::from_secs(5);

/// Java and Maven, both present.
#[derive(Debug)]
pub(crate) struct Toolchain {
    pub(super) java: PathBuf,
    pub(super) maven: PathBuf,
}

impl Toolchain {
    /// Looks for `java` (in `JAVA_HOME`, else on the search path) and `mvn`.
    ///
    /// # Errors
    /// A message that names what is missing and how to get it.
    pub(crate) fn find() -> Result<Self> {
        const HINT: &str = "a real Kafka needs Java 17 or newer and Maven; on Debian and Ubuntu: \
                            apt-get install openjdk-17-jre-headless maven";
        let java = std::env::var_os("JAVA_HOME")
            .map(|home| Path::new(&home).join("bin/java"))
            .filter(|java| java.is_file())
            .or_else(|| find_program("java"))
            .with_context(|| format!("java is not installed; {HINT}"))?;
        let maven = find_program("mvn").with_context(|| format!("mvn is not installed; {HINT}"))?;
        let output = Command::new(&java)
            .arg("-version")
            .output()
            .with_context(|| format!("failed to start {}", java.display()))?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        match java_major(&text) {
            Some(major) if major >= JAVA_MIN => Ok(Self { java, maven }),
            Some(major) => bail!("{} is version {major}; {HINT}", java.display()),
            None => bail!("{} did not say its version: {text}", java.display()),
        }
    }
}

/// The major version in the output of `java -version`; 8 for the old style `1.8.0_292`.
fn java_major(text: &str) -> Option<u32> {
    let version = text.split('"').nth(1)?;
    let mut parts = version.split(['.', '-', '+', '_']);
    match parts.next()?.parse().ok()? {
        1 => parts.next()?.parse().ok(),
        major => Some(major),
    }
}

/// Different ports of 127.0.0.1 that nobody listens on now and that no earlier call gave. They are
/// below those that systems give to outgoing connections, so that one that is to be listened on
/// later is still free then.
pub(super) fn free_ports(count: usize) -> Result<Vec<u16>> {
    const FROM: u16 = 20_000;
    const MANY: u16 = 12_000;
    static LOOKED_AT: AtomicU16 = AtomicU16::new(0);
    // Runs beside each other begin at different places.
    let start = u16::try_from(std::process::id() * 37 % u32::from(MANY)).expect("below a u16");
    let mut free = Vec::with_capacity(count);
    while free.len() < count {
        let step = LOOKED_AT.fetch_add(1, Ordering::Relaxed);
        ensure!(step < MANY, "no {count} free ports");
        let port = FROM + (start + step) % MANY;
        if !is_taken(port) {
            free.push(port);
        }
    }
    Ok(free)
}

/// Whether somebody listens on `port` of 127.0.0.1.
pub(super) fn is_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err()
}

/// Whether a Kafka broker answers on `port`: one `ApiVersions` request, the first thing every
/// client sends, must come back with its correlation id and no error.
pub(crate) fn answers(port: u16, within: Duration) -> Result<()> {
    const CORRELATION_ID: [u8; 4] = *b"tide";
    // Key 18, version 0, correlation id, and a null client id.
    let mut request = vec![0, 18, 0, 0];
    request.extend(CORRELATION_ID);
    request.extend((-1_i16).to_be_bytes());
    let length = u32::try_from(request.len()).expect("a few bytes");

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, within).context("failed to connect")?;
    stream.set_read_timeout(Some(within))?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&request)?;
    let mut answer = [0; 10];
    stream
        .read_exact(&mut answer)
        .context("connected, but what listens there does not answer as Kafka does")?;
    ensure!(
        answer[4..8] == CORRELATION_ID && answer[8..10] == [0, 0],
        "what listens there does not answer as Kafka does"
    );
    Ok(())
}

/// Waits for `child` until `deadline`; kills it then.
pub(super) fn wait_until(child: &mut Child, deadline: Instant) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            bail!("it did not end in time and was stopped");
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Whether a process with this id exists.
pub(super) fn is_alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
}

/// The command line of process `pid`, empty for one that is gone or ended but not yet reaped.
pub(super) fn command_line(pid: i32) -> String {
    if Path::new("/proc/self/cmdline").exists() {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        return String::from_utf8_lossy(&bytes).replace('\0', " ");
    }
    let output = Command::new("ps")
        .args(["-ww", "-o", "args=", "-p", &pid.to_string()])
        .output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// Asks process `pid` to end, and insists after `patience`. `is_it` says whether the process with
/// that id still is the one meant.
pub(super) fn end(pid: i32, patience: Duration, is_it: impl Fn() -> bool) -> Result<()> {
    strike(pid, Signal::SIGTERM, patience, &is_it)?;
    kill_now(pid, is_it)
}

/// Ends process `pid` without a chance to do anything more; `is_it` as for [`end`].
pub(super) fn kill_now(pid: i32, is_it: impl Fn() -> bool) -> Result<()> {
    strike(pid, Signal::SIGKILL, KILL_WITHIN, &is_it)?;
    ensure!(!is_it(), "process {pid} does not end");
    Ok(())
}

fn strike(pid: i32, signal: Signal, patience: Duration, is_it: &impl Fn() -> bool) -> Result<()> {
    if !is_it() {
        return Ok(());
    }
    match kill(Pid::from_raw(pid), signal) {
        // It ended by itself just now.
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => return Err(error).with_context(|| format!("failed to send {signal}")),
    }
    let deadline = Instant::now() + patience;
    while is_it() && Instant::now() < deadline {
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn java_versions_old_and_new() {
        for (text, major) in [
            ("openjdk version \"17.0.15\" 2025-04-15\n", Some(17)),
            ("openjdk version \"21\" 2023-09-19\n", Some(21)),
            ("openjdk version \"25-ea\" 2025-09-16\n", Some(25)),
            ("java version \"1.8.0_292\"\n", Some(8)),
            ("no java here", None),
        ] {
            assert_eq!(java_major(text), major, "{text}");
        }
    }

    #[test]
    fn a_listener_that_is_not_kafka_does_not_answer() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_taken(port));
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .unwrap();
        });
        assert!(answers(port, Duration::from_secs(5)).is_err());
        server.join().unwrap();
    }

    /// A process that does nothing for a minute.
    fn sleeper() -> (Child, i32) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        // The new command line appears a moment after the process.
        let deadline = Instant::now() + Duration::from_secs(20);
        while !command_line(pid).contains("sleep") && Instant::now() < deadline {
            thread::yield_now();
        }
        (child, pid)
    }

    #[test]
    fn ends_only_the_process_that_is_meant() {
        type End = fn(i32, bool) -> Result<()>;
        let ask: End = |pid, meant| {
            let is_it = || meant && command_line(pid).contains("sleep");
            end(pid, Duration::from_secs(5), is_it)
        };
        let kill: End = |pid, meant| kill_now(pid, || meant && command_line(pid).contains("sleep"));
        for (end, signal) in [(ask, 15), (kill, 9)] {
            let (mut child, pid) = sleeper();
            end(pid, false).unwrap();
            assert!(child.try_wait().unwrap().is_none(), "it was not meant");
            end(pid, true).unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(signal));
        }
    }
}
