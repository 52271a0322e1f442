//! A TCP connection that can be cut, stalled and slowed while it is used.
//!
//! It listens on one port of 127.0.0.1 and passes every connection on to another. Its threads look
//! at the mode before each piece of data, and at most [`LOOK_EVERY`] late. When it is dropped all
//! connections are closed and all threads are over.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// How a link behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As a good link does.
    Pass,
    /// Connections are closed, and new ones refused.
    Cut,
    /// Connections are accepted and held, and nothing goes through: data waits and is not lost.
    Stall,
    /// Every piece of data arrives later, and only so much fits through each connection and
    /// direction.
    Slow {
        /// Above 0.
        bytes_per_second: u32,
        /// How much later; pieces follow each other, so it bounds the throughput too.
        latency: Duration,
    },
}

/// How late a thread may notice something, at most.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Largest piece of data passed on at a time.
const PIECE_BYTES_MAX: usize = 64 << 10;
/// Most connections at a time; more are closed at once.
const CONNECTIONS_MAX: usize = 256;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct FaultyLink {
    gate: Arc<Gate>,
    acceptor: Option<JoinHandle<()>>,
}

impl FaultyLink {
    /// A link from port `listen` to port `target`, passing. It listens when this returns.
    pub(crate) fn start(listen: u16, target: u16) -> Self {
        let listener = bind(listen);
        let gate = Arc::new(Gate::default());
        let acceptor = Acceptor {
            gate: Arc::clone(&gate),
            listen,
            target,
        };
        Self {
            gate,
            acceptor: Some(std::thread::spawn(move || acceptor.run(listener))),
        }
    }

    /// Behaves so from now on.
    pub(crate) fn set(&self, mode: Mode) {
        let mut state = self.gate.lock();
        state.mode = mode;
        if mode == Mode::Cut {
            state.close_all();
        }
        self.gate.changed.notify_all();
    }
}

impl Drop for FaultyLink {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.over = true;
        state.close_all();
        self.gate.changed.notify_all();
        drop(state);
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().unwrap();
        }
    }
}

/// What all threads of a link look at.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    over: bool,
    next: u64,
    open: BTreeMap<u64, [TcpStream; 2]>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            mode: Mode::Pass,
            over: false,
            next: 0,
            open: BTreeMap::new(),
        }
    }
}

impl State {
    fn close_all(&mut self) {
        for stream in std::mem::take(&mut self.open).values().flatten() {
            // The other side may have been faster.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The mode, for a connection that is open.
    fn mode_of(&self, id: u64) -> Option<Mode> {
        let state = self.lock();
        state.open.contains_key(&id).then_some(state.mode)
    }

    /// Waits so long, or until something changes.
    fn wait(&self, most: Duration) {
        let state = self.lock();
        if !state.over {
            drop(self.changed.wait_timeout(state, most).unwrap());
        }
    }

    /// Waits so long while the mode stays `mode`.
    fn hold(&self, mode: Mode, time: Duration) {
        let state = self.lock();
        let same = |state: &mut State| state.mode == mode && !state.over;
        drop(self.changed.wait_timeout_while(state, time, same).unwrap());
    }
}

/// `port` of 127.0.0.1; connections of before that linger do not hinder.
fn bind(port: u16) -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .unwrap_or_else(|error| panic!("port {port}: {error}"));
    listener.set_nonblocking(true).unwrap();
    listener
}

/// The thread that takes connections.
struct Acceptor {
    gate: Arc<Gate>,
    listen: u16,
    target: u16,
}

impl Acceptor {
    fn run(self, listener: TcpListener) {
        let mut listener = Some(listener);
        let mut pumps: Vec<JoinHandle<()>> = Vec::new();
        loop {
            let (mode, over) = {
                let state = self.gate.lock();
                (state.mode, state.over)
            };
            if over {
                break;
            }
            if mode == Mode::Cut {
                // Nobody listens: the system refuses.
                listener = None;
            } else {
                let listener = listener.get_or_insert_with(|| bind(self.listen));
                if let Ok((stream, _)) = listener.accept() {
                    pumps.extend(self.connect(stream));
                    continue;
                }
            }
            pumps.retain(|pump| !pump.is_finished());
            self.gate.wait(LOOK_EVERY);
        }
        for pump in pumps {
            pump.join().unwrap();
        }
    }

    /// Both directions of one connection; none when the target does not answer.
    fn connect(&self, near: TcpStream) -> Vec<JoinHandle<()>> {
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, self.target));
        let Ok(far) = TcpStream::connect_timeout(&target, Duration::from_secs(1)) else {
            return Vec::new();
        };
        for stream in [&near, &far] {
            stream.set_nonblocking(false).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(LOOK_EVERY)).unwrap();
        }
        let copy = |stream: &TcpStream| stream.try_clone().unwrap();
        let id = {
            let mut state = self.gate.lock();
            // It may have been cut just now.
            if state.over || state.mode == Mode::Cut || state.open.len() >= CONNECTIONS_MAX {
                return Vec::new();
            }
            state.next += 1;
            let id = state.next;
            state.open.insert(id, [copy(&near), copy(&far)]);
            id
        };
        [(copy(&near), copy(&far)), (far, near)]
            .map(|(from, to)| {
                let gate = Arc::clone(&self.gate);
                std::thread::spawn(move || pump(&gate, id, from, to))
            })
            .into()
    }
}

/// Passes on what `from` says to `to`, until one of them or the link ends.
fn pump(gate: &Gate, id: u64, mut from: TcpStream, mut to: TcpStream) {
    let mut piece = vec![0; PIECE_BYTES_MAX];
    loop {
        let Some(mode) = gate.mode_of(id) else { return };
        if mode == Mode::Stall {
            gate.wait(LOOK_EVERY);
            continue;
        }
        let read = match from.read(&mut piece[..piece_bytes(mode)]) {
            Ok(read) if read > 0 => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Ok(_) | Err(_) => break,
        };
        // It may be another one since the last look.
        if let Some(
            mode @ Mode::Slow {
                bytes_per_second,
                latency,
            },
        ) = gate.mode_of(id)
        {
            let read = f64::from(u32::try_from(read).unwrap());
            let sending = Duration::from_secs_f64(read / f64::from(bytes_per_second));
            gate.hold(mode, latency + sending);
        }
        while gate.mode_of(id) == Some(Mode::Stall) {
            gate.wait(LOOK_EVERY);
        }
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    if let Some(streams) = gate.lock().open.remove(&id) {
        for stream in streams {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

/// A slow link passes about twenty pieces a second.
fn piece_bytes(mode: Mode) -> usize {
    match mode {
        Mode::Slow {
            bytes_per_second, ..
        } => usize::try_from(bytes_per_second / 20)
            .unwrap()
            .clamp(1, PIECE_BYTES_MAX),
        Mode::Pass | Mode::Cut | Mode::Stall => PIECE_BYTES_MAX,
    }
}

/// A server that says back what it is told, and a link to it.
#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// Long enough that only a hang exceeds it.
    const LONG: Duration = Duration::from_secs(20);
    /// Long enough for what goes through a good link, which takes microseconds.
    const MOMENT: Duration = Duration::from_millis(200);

    struct Echo {
        link: FaultyLink,
        port: u16,
    }

    /// Serves until its test is over: the threads end with the process.
    fn echo() -> Echo {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let target = server.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in server.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut back = stream.try_clone().unwrap();
                    std::io::copy(&mut stream, &mut back)
                });
            }
        });
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        Echo {
            link: FaultyLink::start(port, target),
            port,
        }
    }

    impl Echo {
        fn connect(&self) -> std::io::Result<TcpStream> {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(LONG))?;
            Ok(stream)
        }
    }

    fn answer(stream: &mut TcpStream, bytes: usize) -> std::io::Result<Vec<u8>> {
        let mut answer = vec![0; bytes];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn it_passes_everything_until_it_is_dropped() {
        let echo = echo();
        let mut stream = echo.connect().unwrap();
        let sent: Vec<u8> = (0..=u8::MAX).cycle().take(3_000_000).collect();
        let mut writer = stream.try_clone().unwrap();
        let told = sent.clone();
        let writing = std::thread::spawn(move || writer.write_all(&told));
        assert!(answer(&mut stream, sent.len()).unwrap() == sent);
        writing.join().unwrap().unwrap();
        drop(echo.link);
        assert!(answer(&mut stream, 1).is_err(), "the connection is closed");
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, echo.port)).is_err());
    }

    #[test]
    fn a_cut_closes_and_refuses_until_it_is_mended() {
        let echo = echo();
        let mut stream = echo.connect().unwrap();
        stream.write_all(b"a").unwrap();
        assert_eq!(answer(&mut stream, 1).unwrap(), b"a");
        echo.link.set(Mode::Cut);
        assert!(answer(&mut stream, 1).is_err());
        let started = Instant::now();
        while echo.connect().is_ok() {
            assert!(started.elapsed() < LONG, "it still takes connections");
        }
        echo.link.set(Mode::Pass);
        let mut stream = loop {
            match echo.connect() {
                Ok(stream) => break stream,
                Err(error) => assert!(started.elapsed() < LONG, "{error}"),
            }
        };
        stream.write_all(b"b").unwrap();
        assert_eq!(answer(&mut stream, 1).unwrap(), b"b");
    }

    #[test]
    fn a_stall_holds_what_is_said_and_then_gives_it() {
        let echo = echo();
        let mut stream = echo.connect().unwrap();
        echo.link.set(Mode::Stall);
        let mut other = echo.connect().unwrap();
        for stream in [&mut stream, &mut other] {
            stream.set_read_timeout(Some(MOMENT)).unwrap();
            stream.write_all(b"held").unwrap();
            let error = answer(stream, 1).unwrap_err().kind();
            assert!(
                matches!(error, ErrorKind::WouldBlock | ErrorKind::TimedOut),
                "{error}"
            );
        }
        echo.link.set(Mode::Pass);
        for stream in [&mut stream, &mut other] {
            stream.set_read_timeout(Some(LONG)).unwrap();
            assert_eq!(answer(stream, 4).unwrap(), b"held");
        }
    }

    #[test]
    fn a_slow_link_takes_its_time_until_it_is_fast_again() {
        let echo = echo();
        let mut stream = echo.connect().unwrap();
        let slow = |bytes_per_second, latency| {
            echo.link.set(Mode::Slow {
                bytes_per_second,
                latency,
            });
        };
        slow(1_000_000, MOMENT);
        let started = Instant::now();
        stream.write_all(b"there and back").unwrap();
        answer(&mut stream, 14).unwrap();
        assert!(started.elapsed() >= MOMENT * 2);

        slow(10_000, Duration::ZERO);
        let started = Instant::now();
        stream.write_all(&[7; 2_000]).unwrap();
        answer(&mut stream, 2_000).unwrap();
        // A fifth of a second there, and the last piece back.
        assert!(started.elapsed() >= MOMENT, "{:?}", started.elapsed());

        slow(1, Duration::ZERO);
        stream.write_all(b"a minute").unwrap();
        echo.link.set(Mode::Pass);
        assert_eq!(answer(&mut stream, 8).unwrap(), b"a minute");
    }
}
