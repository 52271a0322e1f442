//! What the tests share.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// A program that runs as in a user's shell: without what cargo sets for the tests that it runs.
/// Build scripts of dependencies look at these variables, so a nested cargo that saw them would
/// build DataFusion anew.
pub(crate) fn shell(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    let set_by_cargo = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_CRATE_",
        "CARGO_BIN_",
    ];
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if set_by_cargo.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name.as_ref());
        }
    }
    command
}

/// The release binary, built once with the command of the README.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let status = shell(env!("CARGO"))
            .args(["build", "--quiet", "--release", "--package", "tidegate"])
            .status()
            .unwrap();
        assert!(status.success(), "the binary does not build");
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root().join("target"), PathBuf::from);
        target.join("release/tidegate")
    })
}

/// Runs `tidegate` in the repository's root.
pub(crate) fn tidegate<'a>(args: impl IntoIterator<Item = &'a str>) -> Output {
    Command::new(binary())
        .args(args)
        .current_dir(root())
        .output()
        .unwrap()
}

/// Standard output of a run that must succeed.
pub(crate) fn stdout<const N: usize>(args: [&str; N]) -> String {
    let output = tidegate(args);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "tidegate {args:?} failed\n{out}\n{err}"
    );
    out.into_owned()
}

/// Writes a file of `folder`, and the folders above it.
pub(crate) fn write_file(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The city in a folder of its own, with these texts in place of its files.
pub(crate) fn city(folder: &Path, changed: &[(&str, &str)]) -> String {
    let to = folder.join("city");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(root().join("pipelines/city"))
        .arg(&to)
        .status();
    assert!(copied.unwrap().success());
    for (path, text) in changed {
        write_file(&to, path, text);
    }
    to.to_str().unwrap().to_owned()
}

/// One request such as `GET /metrics` to a port of loopback: the status and the body; `None` where
/// nobody answers.
pub(crate) fn http(port: u16, request: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_mins(1))).ok()?;
    let request = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// A port of loopback on which nothing listens now.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The recorded real feeds; `None`, said aloud, where they are not there.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let shared =
        std::env::var_os("TIDEGATE_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let data = shared.join("data");
    if data.is_dir() {
        return Some(data);
    }
    eprintln!(
        "SKIPPED: recorded real feeds are not at ../shared/data nor at $TIDEGATE_SHARED/data"
    );
    None
}

/// A real Apache Kafka, started by `cargo ci`; `None`, said aloud, without one.
pub(crate) fn real_kafka() -> Option<String> {
    let bootstrap = std::env::var("TIDEGATE_TEST_KAFKA").ok();
    if bootstrap.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "in CI a real Kafka must be there"
        );
        eprintln!("SKIPPED: no real Kafka; `cargo ci` starts one, or set TIDEGATE_TEST_KAFKA");
    }
    bootstrap
}

/// Drives a future on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Looks again and again until there is something, at most so long: the one place where a test
/// waits for another process.
pub(crate) fn wait_until<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        let found = look();
        if found.is_some() || started.elapsed() >= within {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
