//! The program itself, told to stop while its peer is of no use.

use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpListener;

use super::agent::until;
use super::server::{Manner, Villain};

/// What README promises: five seconds for what waits, and half of one for the rest.
const PROMISE: Duration = Duration::from_millis(5500);

/// How long a peer may hold the end up that cannot be reached: a second to connect, and what the machine needs
/// for a last reading of the host while it runs other tests.
const UNREACHABLE: Duration = Duration::from_secs(4);

struct Program(Child);

impl Program {
    /// Starts it without the environment of this test, pushing each second.
    #[allow(
        clippy::disallowed_methods,
        reason = "what is under test is a program; hostmeter itself runs none"
    )]
    fn start(endpoint: &str, more: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostmeter"));
        command.env_clear().env("OTEL_METRIC_EXPORT_INTERVAL", "1000");
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("HOSTMETER_PROMETHEUS__ENABLED", "false");
        command.envs(more.iter().copied()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn signal(&self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
    }

    /// Waits for the end, and returns how it ended and how long that took.
    async fn end(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return (status, began.elapsed());
            }
            assert!(began.elapsed() < Duration::from_secs(20), "it does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops it, and judges how it ends.
    async fn ends_well(mut self, within: Duration) {
        self.signal();
        let (status, took) = self.end().await;
        assert_eq!(status.code(), Some(0));
        assert!(took <= within, "it took {took:?}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A peer that accepts and says nothing, once it has been spoken to.
async fn silent(scheme: &str, more: &[(&str, &str)]) -> (Villain, Program) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("{scheme}://{}", listener.local_addr().unwrap());
    let villain = Villain::serve_at(listener, Manner::Silent);
    let program = Program::start(&endpoint, more);
    until("it was tried", || !villain.connections.lock().unwrap().is_empty()).await;
    (villain, program)
}

#[tokio::test]
async fn it_ends_in_time_although_the_peer_says_nothing() {
    for (scheme, more) in [("http", ("", "")), ("http", ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"))] {
        let more: Vec<_> = Some(more).into_iter().filter(|(name, _)| !name.is_empty()).collect();
        let (_villain, program) = silent(scheme, &more).await;
        program.ends_well(PROMISE).await;
    }
}

#[tokio::test]
async fn it_ends_soon_although_a_tls_handshake_has_no_end() {
    let (_villain, program) = silent("https", &[]).await;
    program.ends_well(UNREACHABLE).await;
}

#[tokio::test]
async fn it_ends_soon_when_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let program = Program::start(&endpoint, &[]);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    program.ends_well(UNREACHABLE).await;
}

#[tokio::test]
async fn it_ends_soon_although_connecting_hangs() {
    // A queue of one that is full: the kernel answers no more, as a firewall that drops does.
    let full = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&full, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listen(&full, 0).unwrap();
    let address = std::net::SocketAddr::try_from(getsockname(&full).unwrap()).unwrap();
    let _first = TcpStream::connect(address).unwrap();
    let second = TcpStream::connect_timeout(&address, Duration::from_millis(300));
    assert!(second.is_err(), "the black hole answers");
    let program = Program::start(&format!("http://{address}"), &[]);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    program.ends_well(UNREACHABLE).await;
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let (_villain, mut program) = silent("http", &[]).await;
    program.signal();
    tokio::time::sleep(Duration::from_millis(500)).await;
    program.signal();
    let (status, took) = program.end().await;
    assert_eq!(status.code(), Some(143));
    // The promise is a tenth of a second; the rest is for a machine that runs other tests.
    assert!(took <= Duration::from_millis(500), "it took {took:?}");
}
