//! An agent as far as this way out needs one, and a client that says what it wants byte by byte.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hostmeter::collectors::{ALL, Spec};
use hostmeter::export::prometheus::{Door, Page, Server, Settings, Site};
use hostmeter::host::Host;
use hostmeter::resource::{Given, Resource};
use hostmeter::sampler::{Sampler, Source};
use hostmeter::stats::Stats;
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};

/// What an agent is started with.
pub(crate) struct Plan {
    pub(crate) specs: Vec<&'static Spec>,
    pub(crate) settings: Settings,
    pub(crate) door: Arc<Door>,
    pub(crate) given: Given,
    /// Metrics that are off by default, too.
    pub(crate) everything: bool,
}

impl Plan {
    /// The collector `load` and one more, on a free port.
    pub(crate) fn with(spec: &'static Spec) -> Self {
        let specs = vec![ALL.iter().find(|spec| spec.name == "load").unwrap(), spec];
        Self { specs, ..Self::default() }
    }

    pub(crate) fn site(&self) -> (TempDir, Arc<Site>) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("proc/stat", "btime 1700000000\n"),
            ("proc/loadavg", "0.25 0.50 12.00 1/80 11206\n"),
            ("etc/hostname", "web-1\n"),
            ("etc/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n"),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let host = Arc::new(Host::at(root.path()).unwrap());
        let stats = Arc::new(Stats::default());
        let resource = Resource::detect(&host, &self.given, |_| None);
        let source = |spec: &'static Spec| {
            let on = spec.metrics.iter().filter(|_| self.everything).map(|m| (m.name.to_owned(), true));
            Source { metrics: on.collect(), ..Source::new(spec) }
        };
        let sources = self.specs.iter().map(|&spec| source(spec)).collect();
        let sampler = Arc::new(Sampler::start(host, sources, Arc::clone(&stats)).unwrap());
        let page = Page::new(sampler, &resource, &self.settings);
        (
            root,
            Arc::new(
                Site::new(Arc::new(page), stats, resource, self.settings.budget)
                    .behind(Arc::clone(&self.door)),
            ),
        )
    }

    pub(crate) fn start(self) -> Agent {
        let (root, site) = self.site();
        let server = Server::bind(&self.settings).unwrap();
        let addresses = server.local_addrs().to_vec();
        let (site, sites) = watch::channel(site);
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let shutdown = async { drop(stopped.await) };
            runtime.block_on(server.run(sites, shutdown)).unwrap();
            runtime.shutdown_timeout(Duration::from_millis(10));
        });
        Agent { addresses, site, stop: Some(stop), thread: Some(thread), _root: root }
    }
}

impl Default for Plan {
    fn default() -> Self {
        let settings = Settings { port: 0, ..Settings::default() };
        let door = Arc::new(Door::open());
        Self { specs: ALL.to_vec(), settings, door, given: Given::default(), everything: false }
    }
}

/// A running server; dropping it ends it.
pub(crate) struct Agent {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) site: watch::Sender<Arc<Site>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _root: TempDir,
}

impl Agent {
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addresses[0]).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// One request with its own connection.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let mut stream = self.connect();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        Answer::read(&to_end(&mut stream))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// The text of `/metrics`.
    pub(crate) fn metrics(&self) -> String {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200);
        String::from_utf8(answer.body).unwrap()
    }

    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) fn wait_for_the_end(&mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.tell_to_stop();
    }
}

/// Everything until the server closes or resets the connection.
pub(crate) fn to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut piece = [0; 8192];
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        bytes.extend_from_slice(&piece[..read]);
    }
    bytes
}

/// An answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        let headers = headers.lines().map(|line| line.split_once(": ").unwrap());
        Self {
            status: line.split(' ').nth(1).unwrap().parse().unwrap(),
            headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}
