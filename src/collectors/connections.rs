//! Sockets by state: TCP by netlink or `/proc/net/tcp`, and their sums from `/proc/net/sockstat`.
//!
//! A collector of its own, because of its cost: the kernel counts no sockets by state, so whoever asks has it walk the
//! whole hash table of connections, which has as many places as the machine has memory (262,144 at 24 GiB), whatever is
//! in it. That is a third of what a scrape of everything costs, so it is done once a minute unless told otherwise.

use std::io;
use std::time::{Duration, Instant};

use crate::config::{self, Setting};
use crate::host::netlink::{self, TcpStates};
use crate::host::{Error, Host, ParseError};
use crate::metric::{Attribute, Metric, Reading};

use super::network::PLACES;
use super::{Collector, Spec, Turn};

const TRANSPORT: Attribute = Attribute::of("network.transport", &["tcp", "udp"]);
const STATE: Attribute = Attribute::of(
    "network.connection.state",
    &[
        "closed",
        "close_wait",
        "closing",
        "established",
        "fin_wait_1",
        "fin_wait_2",
        "last_ack",
        "listen",
        "syn_received",
        "syn_sent",
        "time_wait",
    ],
);

static CONNECTIONS: Metric = Metric::updown("system.network.connection.count", "{connection}")
    .about("Sockets: of TCP by state, of UDP (which has no states) in all")
    .by(&[TRANSPORT, STATE])
    .from("NETLINK_SOCK_DIAG or /proc/1/net/{tcp,tcp6}; /proc/1/net/{sockstat,sockstat6}");

static SETTINGS: &[Setting] = &[Setting::new(
    "interval",
    config::Kind::Duration(Duration::ZERO, Duration::from_hours(24)),
    "1m",
    "The least time between two readings; those who ask sooner get the last one again. The kernel goes through \
     its whole table of connections for each, which costs half as much as all other collectors together.",
)];

pub(super) static SPEC: Spec = Spec {
    name: "connections",
    about: "Sockets by state",
    metrics: &[&CONNECTIONS],
    settings: SETTINGS,
    build: |_, _| Ok(Box::new(Connections::default())),
};

/// The collector.
#[derive(Debug, Default)]
struct Connections(Counter);

impl Collector for Connections {
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error> {
        if !out.wants(&CONNECTIONS) {
            return Ok(());
        }
        let [first, second] = PLACES;
        let read = |net| Sums::read(host, net).map(|sums| (net, sums));
        let (net, sums) = read(first).or_else(|e| read(second).map_err(|_: Error| e))?;
        if let Some(udp) = sums.udp {
            out.push(&CONNECTIONS, vec![(TRANSPORT.name, "udp".into())], udp);
        }
        let own = host.is_own(&format!("{net}/sockstat"), "proc/self/net/sockstat");
        out.part(|out| {
            if let Some(states) = self.0.count(host, net, own, sums)? {
                for (number, state) in STATES {
                    let attributes = vec![(TRANSPORT.name, "tcp".into()), (STATE.name, state.into())];
                    out.push(&CONNECTIONS, attributes, states.of(number));
                }
            }
            Ok(())
        });
        if out.is_empty() && !out.problems.is_empty() {
            return Err(out.problems.remove(0));
        }
        Ok(())
    }

    fn turn(&self) -> Turn {
        Turn::Aside
    }
}

/// The states of `network.connection.state` by the kernel's number (`include/net/tcp_states.h`). Number 12
/// is a request on its way to `syn_received`, which netlink and `/proc/net/tcp` show as 3.
const STATES: [(u8, &str); 11] = [
    (7, "closed"),
    (8, "close_wait"),
    (11, "closing"),
    (1, "established"),
    (4, "fin_wait_1"),
    (5, "fin_wait_2"),
    (9, "last_ack"),
    (10, "listen"),
    (3, "syn_received"),
    (2, "syn_sent"),
    (6, "time_wait"),
];

/// The same as bits, for netlink.
const WANTED: u32 = 0b1111_1111_1110;

/// More sockets than this are not counted by state. Netlink takes about 0.5 µs for each, the files 1 µs, and
/// a collector has a second.
const MAX_BY_NETLINK: u64 = 250_000;
const MAX_BY_FILES: u64 = 100_000;

/// A count that took no longer may be repeated as often as somebody asks.
const CHEAP: Duration = Duration::from_millis(10);

/// A count that took longer is repeated only after this many times what it took: at most 5 % of a CPU, and
/// with 100,000 sockets (40 ms) still every second.
const REST: u32 = 20;

/// Sums of `/proc/net/sockstat` and `/proc/net/sockstat6`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    /// TCP sockets but for those in `time_wait`.
    tcp: u64,
    /// TCP sockets in `time_wait`.
    time_wait: u64,
    /// UDP sockets, where they are told.
    udp: Option<u64>,
}

impl Sums {
    /// Reads them of the network namespace whose files are in `net`.
    fn read(host: &Host, net: &str) -> Result<Self, Error> {
        let four = host.parse(&format!("{net}/sockstat"), parse)?;
        let six = match host.parse(&format!("{net}/sockstat6"), parse) {
            // A kernel without IPv6.
            Err(e) if e.is_unavailable() => Self::default(),
            six => six?,
        };
        let add = u64::saturating_add;
        let udp = four.udp.map(|udp| add(udp, six.udp.unwrap_or_default()));
        Ok(Self { tcp: add(four.tcp, six.tcp), time_wait: add(four.time_wait, six.time_wait), udp })
    }
}

/// Counts TCP sockets by state, within bounds.
#[derive(Debug, Default)]
struct Counter {
    not_before: Option<Instant>,
}

impl Counter {
    /// The states of the network namespace whose files are in `net`, which may be the agent's `own`; none
    /// where it is too early to count again.
    fn count(&mut self, host: &Host, net: &str, own: bool, sums: Sums) -> Result<Option<TcpStates>, Error> {
        let began = Instant::now();
        if self.not_before.is_some_and(|then| began < then) {
            return Ok(None);
        }
        let most = if own { MAX_BY_NETLINK } else { MAX_BY_FILES };
        if sums.tcp.saturating_add(sums.time_wait) > most {
            let why = format!("more than {most} sockets, too many to count by state");
            return Err(Error::io(format!("{net}/sockstat"), io::Error::other(why)));
        }
        // Netlink answers for the agent's own network namespace only. Where it does not answer (a sandbox
        // without `AF_NETLINK`, a kernel without `tcp_diag`) the files do.
        let by_netlink = own.then(|| netlink::tcp_states(WANTED).ok()).flatten();
        let states = by_netlink.map_or_else(|| from_files(host, net), Ok)?;
        self.not_before = rest_after(began.elapsed()).and_then(|rest| began.checked_add(rest));
        Ok(Some(states))
    }
}

/// How long after its beginning a count that took so long may be repeated.
fn rest_after(took: Duration) -> Option<Duration> {
    (took > CHEAP).then(|| took.saturating_mul(REST))
}

/// Counts the lines of `/proc/net/tcp` and `/proc/net/tcp6`.
fn from_files(host: &Host, net: &str) -> Result<TcpStates, Error> {
    let mut states = TcpStates::default();
    let mut add = |number, line: &str| match number {
        1 => Ok(()),
        _ => state(number, line).map(|state| states.add(state)),
    };
    host.each_line(&format!("{net}/tcp"), &mut add)?;
    match host.each_line(&format!("{net}/tcp6"), &mut add) {
        Err(e) if !e.is_unavailable() => Err(e),
        _ => Ok(states),
    }
}

/// The state in a line of `/proc/net/tcp`: number, local address, remote address, state in hexadecimal.
fn state(number: usize, line: &str) -> Result<u8, ParseError> {
    let field = line.split_ascii_whitespace().nth(3);
    field
        .and_then(|field| u8::from_str_radix(field, 16).ok())
        .ok_or_else(|| ParseError::new(number, line, "a socket with its state in the fourth column"))
}

/// `TCP: inuse 6 orphan 0 tw 3 alloc 9 mem 268` and `UDP: inuse 2 mem 0`; with a 6 after the name in sockstat6.
fn parse(text: &str) -> Result<Sums, ParseError> {
    let mut sums = Sums::default();
    for (index, line) in text.lines().enumerate() {
        let mut fields = line.split_ascii_whitespace();
        let protocol = fields.next().unwrap_or_default().trim_end_matches(':');
        while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
            let sum = match (protocol, key) {
                ("TCP" | "TCP6", "inuse") => &mut sums.tcp,
                ("TCP", "tw") => &mut sums.time_wait,
                ("UDP" | "UDP6", "inuse") => sums.udp.insert(0),
                _ => continue,
            };
            *sum = value.parse().map_err(|_| ParseError::new(index + 1, line, "a number after each name"))?;
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use proptest::prelude::*;

    const SOCKSTAT: &str = "\
sockets: used 1015
TCP: inuse 7 orphan 0 tw 6200 alloc 1002 mem 268
UDP: inuse 3 mem 0
UDPLITE: inuse 9
RAW: inuse 0
FRAG: inuse 0 memory 0
";
    const SOCKSTAT6: &str =
        "TCP6: inuse 2\nUDP6: inuse 1\nUDPLITE6: inuse 9\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n";

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:A5B1 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:8000 0100007F:A5B1 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 20 4 30 10 -1
10002: 0100007F:8001 0100007F:A5B1 06 00000000:00000000 03:0000176F 00000000     0        0 0 3 0
";
    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000
";

    #[test]
    fn sockets_are_told_of_the_first_process_s_namespace() {
        let files = [
            ("proc/1/net/sockstat", "TCP: inuse 1 orphan 0 tw 0 alloc 1 mem 268\nUDP: inuse 3 mem 0\n"),
            ("proc/1/net/tcp", "heading\n0: 0100007F:A5B1 00000000:0000 0A 0\n"),
            ("proc/net/sockstat", "of the reader, not of the host"),
        ];
        let reading = fixture::read(&SPEC, &mut Connections::default(), &files);
        let found = fixture::lines(&reading);
        assert!(reading.problems.is_empty() && found.len() == 12, "{found:?} {:?}", reading.problems);
        assert_eq!(found[0], "system.network.connection.count{network.transport=udp} 3");
        let of = |state| format!("network.transport=tcp,network.connection.state={state}");
        assert_eq!(found[1], format!("system.network.connection.count{{{}}} 0", of("closed")));
        assert!(found.contains(&format!("system.network.connection.count{{{}}} 1", of("listen"))));
    }

    #[test]
    fn the_sums_are_told_where_the_states_are_not() {
        let reading = fixture::read(&SPEC, &mut Connections::default(), &[("proc/net/sockstat", SOCKSTAT)]);
        assert_eq!(fixture::lines(&reading), ["system.network.connection.count{network.transport=udp} 3"]);
        let problems: Vec<_> = reading.problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, ["proc/net/tcp: not on this host"]);
    }

    #[test]
    fn states_are_those_of_the_table() {
        assert!(STATES.iter().map(|(_, name)| name).eq(STATE.values));
    }

    #[test]
    fn sums_are_of_both_families() {
        let (_root, host) =
            fixture::host(&[("proc/net/sockstat", SOCKSTAT), ("proc/net/sockstat6", SOCKSTAT6)]);
        assert_eq!(Sums::read(&host, "proc/net").unwrap(), Sums { tcp: 9, time_wait: 6200, udp: Some(4) });
    }

    #[test]
    fn the_files_of_a_host_without_ipv6_are_enough() {
        let (_root, host) = fixture::host(&[("proc/net/sockstat", SOCKSTAT), ("proc/net/tcp", TCP)]);
        let sums = Sums::read(&host, "proc/net").unwrap();
        let states = Counter::default().count(&host, "proc/net", false, sums).unwrap().unwrap();
        assert_eq!((states.of(1), states.of(6), states.of(10)), (1, 1, 1));
    }

    #[test]
    fn both_families_are_counted_by_state() {
        let (_root, host) = fixture::host(&[("proc/net/tcp", TCP), ("proc/net/tcp6", TCP6)]);
        let states = Counter::default().count(&host, "proc/net", false, Sums::default()).unwrap().unwrap();
        assert_eq!((states.of(1), states.of(10), states.of(7)), (1, 2, 0));
    }

    #[test]
    fn too_many_sockets_are_not_counted() {
        let (_root, host) = fixture::host(&[("proc/net/tcp", TCP)]);
        let sums = Sums { tcp: MAX_BY_FILES, time_wait: 1, udp: None };
        let error = Counter::default().count(&host, "proc/net", false, sums).unwrap_err();
        assert!(error.to_string().contains("too many to count"), "{error}");
    }

    #[test]
    fn a_dear_count_rests() {
        assert_eq!(rest_after(CHEAP), None);
        assert_eq!(rest_after(CHEAP * 5), Some(Duration::from_secs(1)));
        let (_root, host) = fixture::host(&[("proc/net/tcp", TCP)]);
        let mut counter = Counter { not_before: Instant::now().checked_add(Duration::from_mins(1)) };
        assert_eq!(counter.count(&host, "proc/net", false, Sums::default()).unwrap(), None);
    }

    #[test]
    fn every_state_of_the_kernel_has_a_name() {
        assert_eq!(STATES.iter().fold(0, |bits, (number, _)| bits | 1 << number), WANTED);
    }

    #[test]
    fn netlink_and_the_files_both_see_a_socket_that_listens() {
        let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let host = Host::at("/").unwrap();
        let listening = |own| {
            let states = Counter::default().count(&host, "proc/self/net", own, Sums::default());
            states.unwrap().unwrap().of(10)
        };
        assert!(listening(true) > 0 && listening(false) > 0);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r"((TCP|UDP6): (inuse|tw) [0-9-]{0,22}\n?){0,4}", any in ".*") {
            let _ = parse(&text);
            let _ = parse(&any);
            let _ = state(1, &any);
        }
    }
}
