//! The program, with a file of its own and a manager that listens.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A place for a configuration, a socket and a log.
pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) port: u16,
}

impl World {
    pub(crate) fn new() -> Self {
        // Free a moment ago; nobody else on this machine is given it again so soon.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let world = Self { directory: tempfile::tempdir().unwrap(), port };
        world.says("");
        world
    }

    /// Writes the file, with the port in it.
    pub(crate) fn says(&self, yaml: &str) {
        let text = format!("prometheus: {{bind_address: 127.0.0.1, port: {}}}\n{yaml}\n", self.port);
        self.write("hostmeter.yaml", &text);
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap()
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "what is under test is a program; hostmeter itself runs none"
    )]
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostmeter"));
        command.env_clear().current_dir(&self.directory).args(["--config", "hostmeter.yaml"]).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The agent, once it is ready.
    pub(crate) fn start(&self, environment: &[(&str, &str)]) -> Agent {
        let log = fs::File::create(self.directory.path().join("log")).unwrap();
        let mut command = self.command(&["run"]);
        let child = command.envs(environment.iter().copied()).stdout(Stdio::null()).stderr(log).spawn();
        let agent = Agent { child: child.unwrap(), port: self.port };
        until("it is ready", || {
            agent.try_ask("GET", "/-/ready", "").is_some_and(|(status, _)| status == 200)
        });
        agent
    }

    /// A process that uses a CPU.
    #[allow(clippy::disallowed_methods, reason = "hostmeter itself runs no program")]
    pub(crate) fn busy() -> Agent {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "while :; do :; done"]);
        Agent { child: command.spawn().unwrap(), port: 0 }
    }

    /// A socket as a service manager has it.
    pub(crate) fn manager(&self) -> (UnixDatagram, String) {
        let path = self.directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (socket, path.to_str().unwrap().to_owned())
    }
}

/// A running agent; dropping it kills it.
pub(crate) struct Agent {
    pub(crate) child: Child,
    pub(crate) port: u16,
}

impl Agent {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn end(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str) -> (u16, String) {
        self.try_ask(method, path, headers).expect("no answer")
    }

    pub(crate) fn try_ask(&self, method: &str, path: &str, headers: &str) -> Option<(u16, String)> {
        ask(([127, 0, 0, 1], self.port).into(), method, path, headers)
    }

    pub(crate) fn metrics(&self) -> String {
        self.ask("GET", "/metrics", "").1
    }

    /// The value of a series.
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        let text = self.metrics();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    Some((status, text.split_once("\r\n\r\n")?.1.to_owned()))
}

/// Waits until something holds, for a while.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(15), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The next datagram.
pub(crate) fn told(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}
