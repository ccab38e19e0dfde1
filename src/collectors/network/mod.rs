//! Network interfaces and the firewall's table of connections, of the host's network namespace.
//!
//! The files are those of process 1: `/proc/net` is a link to the reader's own namespace, which in a
//! container is not the host's even where the host's `/proc` is mounted.

mod dev;

use std::collections::HashSet;
use std::sync::Arc;

use serde::Deserialize;

use crate::config::{self, Setting};
use crate::host::text::{self, Rows};
use crate::host::{Error, Host, ParseError};
use crate::metric::{Attribute, Metric, Reading, ValueType::Int};

use super::filter::{Filter, Pattern};
use super::{Collector, Spec};
use dev::Interface;

const NAME: Attribute = Attribute::open("network.interface.name");
const DEVICE: Attribute = Attribute::open("system.device");
const DIRECTION: Attribute = Attribute::of("network.io.direction", &["receive", "transmit"]);
const BY_INTERFACE: &[Attribute] = &[NAME, DIRECTION];

static IO: Metric = Metric::counter("system.network.io", "By", Int)
    .about("Bytes received and sent")
    .by(BY_INTERFACE)
    .from("/proc/1/net/dev");
static PACKETS: Metric = Metric::counter("system.network.packet.count", "{packet}", Int)
    .about("Packets received and sent")
    .by(&[DEVICE, DIRECTION])
    .from("/proc/1/net/dev");
static DROPPED: Metric = Metric::counter("system.network.packet.dropped", "{packet}", Int)
    .about("Packets left out although nothing was wrong with them, for want of room or of somebody who wants them")
    .by(BY_INTERFACE)
    .from("/proc/1/net/dev");
static ERRORS: Metric = Metric::counter("system.network.errors", "{error}", Int)
    .about("Packets that could not be received or sent")
    .by(BY_INTERFACE)
    .from("/proc/1/net/dev");
static CONNTRACK: Metric = Metric::updown("system.network.conntrack.count", "{entry}")
    .about("Connections that the firewall keeps track of")
    .from("/proc/sys/net/netfilter/nf_conntrack_count");
static CONNTRACK_LIMIT: Metric = Metric::updown("system.network.conntrack.limit", "{entry}")
    .about("Connections that the firewall can keep track of; beyond it packets are dropped")
    .from("/proc/sys/net/netfilter/nf_conntrack_max");

static SETTINGS: &[Setting] = &[
    Setting::new(
        "include",
        config::Kind::List,
        "[]",
        "Interfaces to show, as globs (`eth*`, `en[ops]*`). Empty means all.",
    ),
    Setting::new(
        "exclude",
        config::Kind::List,
        "[veth*]",
        "Interfaces to leave out; wins over `include`. By default the host's ends of container networks, which \
         come and go with each container. `lo` is shown, as by other agents: leave it out of sums.",
    ),
];

pub(super) static SPEC: Spec = Spec {
    name: "network",
    about: "Network traffic and errors",
    metrics: &[&IO, &PACKETS, &DROPPED, &ERRORS, &CONNTRACK, &CONNTRACK_LIMIT],
    settings: SETTINGS,
    build: |section, _| Ok(Box::new(Network::new(section.get()?))),
};

/// Where the files of a network namespace are: the host's, or (with `hidepid`) our own.
pub(super) const PLACES: [&str; 2] = ["proc/1/net", "proc/net"];

#[derive(Deserialize)]
struct Config {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

struct Network {
    filter: Filter,
    /// Whether the host's network namespace is the agent's own. Neither of the two leaves its own, so once is enough.
    own: Option<bool>,
}

impl Network {
    fn new(Config { include, exclude }: Config) -> Self {
        Self { filter: Filter::new(include, exclude), own: None }
    }
}

impl Collector for Network {
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error> {
        // The firewall's table is in other files, which may be read where the interfaces may not.
        let (net, interfaces) = interfaces(host, out).unwrap_or_else(|e| {
            out.problems.push(e);
            (PLACES[0], Vec::new())
        });
        let mut seen = HashSet::new();
        for interface in &interfaces {
            if self.filter.allows(&interface.name) && seen.insert(&interface.name) {
                push(interface, out);
            }
        }
        let is_own = || host.is_own(&format!("{net}/dev"), "proc/self/net/dev");
        let own = if interfaces.is_empty() { is_own() } else { *self.own.get_or_insert_with(is_own) };
        // These files tell of the reader's network namespace, whichever root they are read under.
        if own || host.is_recorded() {
            out.part(|out| conntrack(host, out));
        }
        if out.is_empty() && !out.problems.is_empty() {
            return Err(out.problems.remove(0));
        }
        Ok(())
    }

    /// Two directions of 1,024 interfaces; bridges and tunnels of a container host are some hundreds.
    fn ceiling(&self) -> usize {
        2048
    }
}

/// The interfaces, and where the other files of their network namespace are.
fn interfaces(host: &Host, out: &mut Reading) -> Result<(&'static str, Vec<Interface>), Error> {
    let mut read = |net: &'static str| {
        let path = format!("{net}/dev");
        Ok((net, host.parse(&path, dev::parse)?.told(&path, &mut out.problems)))
    };
    let [first, second] = PLACES;
    read(first).or_else(|e| read(second).map_err(|_: Error| e))
}

fn push(interface: &Interface, out: &mut Reading) {
    for (direction, counters) in [("receive", &interface.received), ("transmit", &interface.sent)] {
        let attributes =
            |name: Attribute| vec![(name.name, (&interface.name).into()), (DIRECTION.name, direction.into())];
        out.push(&IO, attributes(NAME), counters.bytes);
        out.push(&PACKETS, attributes(DEVICE), counters.packets);
        out.push(&DROPPED, attributes(NAME), counters.dropped);
        out.push(&ERRORS, attributes(NAME), counters.errors);
    }
}

fn conntrack(host: &Host, out: &mut Reading) -> Result<(), Error> {
    for (metric, file) in [(&CONNTRACK, "nf_conntrack_count"), (&CONNTRACK_LIMIT, "nf_conntrack_max")] {
        if out.wants(metric) {
            match host.parse::<u64>(&format!("proc/sys/net/netfilter/{file}"), text::single) {
                Ok(entries) => out.push(metric, vec![], entries),
                // A host without a firewall that keeps track of connections lacks nothing.
                Err(e) if e.is_unavailable() => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

/// An interface's name, and the bytes that it received and sent.
pub(super) type Traffic = (Arc<str>, [u64; 2]);

/// The interfaces of a text of `/proc/<pid>/net/dev`.
pub(super) fn interfaces_of(text: &str) -> Result<Rows<Traffic>, ParseError> {
    let Rows { rows, odd } = dev::parse(text)?;
    // Two lines of one name would be one series twice, which spoils a whole page.
    let mut seen = HashSet::new();
    let once = rows.into_iter().filter(|interface| seen.insert(Arc::clone(&interface.name)));
    Ok(Rows { rows: once.map(|i| (i.name, [i.received.bytes, i.sent.bytes])).collect(), odd })
}

/// Bytes received and sent over all interfaces in a text of `/proc/<pid>/net/dev` but the loopback.
pub(super) fn total(text: &str) -> Option<(u64, u64)> {
    // A sum without one of them is none.
    let interfaces = dev::parse(text).ok().filter(|found| found.odd.is_none())?;
    let sum = |of: fn(&Interface) -> u64| {
        interfaces.rows.iter().filter(|i| &*i.name != "lo").map(of).fold(0, u64::saturating_add)
    };
    Some((sum(|i| i.received.bytes), sum(|i| i.sent.bytes)))
}

#[cfg(test)]
mod tests {
    use super::super::Section;
    use super::super::fixture::{self, lines};
    use super::*;

    const DEV: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0
veth1a: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0
    lo: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0
";

    fn read(section: &Section, files: &[(&str, &str)]) -> Reading {
        let mut network = Network::new(section.get().unwrap());
        fixture::read(&SPEC, &mut network, files)
    }

    #[test]
    fn every_counter_has_its_place() {
        let reading = read(
            &SPEC.section("{}").unwrap(),
            &[
                ("proc/1/net/dev", DEV),
                ("proc/net/dev", "of the reader, not of the host"),
                ("proc/sys/net/netfilter/nf_conntrack_count", "12\n"),
                ("proc/sys/net/netfilter/nf_conntrack_max", "262144\n"),
            ],
        );
        let found = lines(&reading);
        assert!(reading.problems.is_empty(), "{:?}", reading.problems);
        let expected = "\
system.network.io{network.interface.name=lo,network.io.direction=receive} 1
system.network.io{network.interface.name=lo,network.io.direction=transmit} 5
system.network.packet.count{system.device=lo,network.io.direction=receive} 2
system.network.packet.count{system.device=lo,network.io.direction=transmit} 6
system.network.packet.dropped{network.interface.name=lo,network.io.direction=receive} 4
system.network.packet.dropped{network.interface.name=lo,network.io.direction=transmit} 8
system.network.errors{network.interface.name=lo,network.io.direction=receive} 3
system.network.errors{network.interface.name=lo,network.io.direction=transmit} 7
system.network.conntrack.count 12
system.network.conntrack.limit 262144";
        assert_eq!(found.join("\n"), expected);
    }

    #[test]
    fn what_is_left_out_is_left_out_and_a_host_without_a_firewall_lacks_nothing() {
        let reading = read(&SPEC.section("{exclude: [lo]}").unwrap(), &[("proc/net/dev", DEV)]);
        assert_eq!(lines(&reading).len(), 8);
        assert!(reading.problems.is_empty(), "{:?}", reading.problems);
    }
}
