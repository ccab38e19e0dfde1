//! Disks, file systems and the network.

use std::collections::BTreeMap;

use crate::metric::{Attribute, Metric, Reading, Text, ValueType::Double, ValueType::Int};

use super::super::{Table, Told};
use super::{attribute, by, is};

const DEVICE: Attribute = Attribute::open("device");
const MOUNT_POINT: Attribute = Attribute::open("mount_point");
const TYPE: Attribute = Attribute::of("type", &["total", "used", "free"]);
const INTERFACE: Attribute = Attribute::open("interface");
const STATE: Attribute = Attribute::open("state");

static USAGE: Metric = Metric::updown("disk_usage_bytes", "")
    .about("Size of the file system, and what of it is used and free")
    .by(&[MOUNT_POINT, TYPE])
    .from("psutil.disk_usage");
static USAGE_PERCENT: Metric = Metric::gauge("disk_usage_percent", "", Double)
    .about("Share of the space for users that is used, in percent")
    .by(&[MOUNT_POINT])
    .from("psutil.disk_usage().percent");

/// A counter of each device.
const fn of_device(name: &'static str, about: &'static str) -> Metric {
    Metric::counter(name, "", Int).about(about).by(&[DEVICE]).from("psutil.disk_io_counters(perdisk=True)")
}

static READ: Metric = of_device("disk_io_read_bytes_total", "Bytes read from the disk");
static WRITTEN: Metric = of_device("disk_io_write_bytes_total", "Bytes written to the disk");
static READS: Metric = of_device("disk_io_read_operations_total", "Reads that the disk has done");
static WRITES: Metric = of_device("disk_io_write_operations_total", "Writes that the disk has done");

/// A counter of each interface.
const fn of_interface(name: &'static str, about: &'static str) -> Metric {
    Metric::counter(name, "", Int).about(about).by(&[INTERFACE]).from("psutil.net_io_counters(pernic=True)")
}

static RECEIVED: Metric = of_interface("network_receive_bytes_total", "Bytes received");
static SENT: Metric = of_interface("network_transmit_bytes_total", "Bytes sent");
static PACKETS_IN: Metric = of_interface("network_receive_packets_total", "Packets received");
static PACKETS_OUT: Metric = of_interface("network_transmit_packets_total", "Packets sent");
static ERRORS_IN: Metric = of_interface("network_receive_errors_total", "Packets that could not be received");
static ERRORS_OUT: Metric = of_interface("network_transmit_errors_total", "Packets that could not be sent");
static CONNECTIONS: Metric = Metric::updown("network_connections", "")
    .about("Sockets: of TCP by state, of UDP as NONE")
    .by(&[STATE])
    .from("psutil.net_connections");

pub(super) static DISK: Table = Table {
    collector: "disk",
    name: "classic/disk",
    metrics: &[&READ, &WRITTEN, &READS, &WRITES],
    sources: &["system.disk.io", "system.disk.operations"],
    tell: |told, out| {
        for (from, way, to) in [
            ("system.disk.io", "read", &READ),
            ("system.disk.io", "write", &WRITTEN),
            ("system.disk.operations", "read", &READS),
            ("system.disk.operations", "write", &WRITES),
        ] {
            told.copy(from, ("disk.io.direction", way), to, ("system.device", DEVICE.name), out);
        }
    },
};

pub(super) static FILESYSTEM: Table = Table {
    collector: "filesystem",
    name: "classic/filesystem",
    metrics: &[&USAGE, &USAGE_PERCENT],
    sources: &["system.filesystem.usage"],
    tell: filesystem,
};

pub(super) static NETWORK: Table = Table {
    collector: "network",
    name: "classic/network",
    metrics: &[&RECEIVED, &SENT, &PACKETS_IN, &PACKETS_OUT, &ERRORS_IN, &ERRORS_OUT],
    sources: &["system.network.io", "system.network.packet.count", "system.network.errors"],
    tell: network,
};

pub(super) static SOCKETS: Table = Table {
    collector: "connections",
    name: "classic/connections",
    metrics: &[&CONNECTIONS],
    sources: &["system.network.connection.count"],
    tell: |told, out| {
        for (state, count) in by(told.points("system.network.connection.count"), "network.connection.state") {
            out.push(&CONNECTIONS, vec![(STATE.name, constant(state).into())], count as u64);
        }
    },
};

fn filesystem(told: &Told<'_>, out: &mut Reading) {
    let mut of_mount = BTreeMap::<&Text, [f64; 3]>::new();
    for point in told.points("system.filesystem.usage") {
        let Some(mount) = attribute(&point.attributes, "system.filesystem.mountpoint") else { continue };
        let states = ["used", "free", "reserved"];
        if let Some(at) = states.iter().position(|state| is(point, "system.filesystem.state", state)) {
            of_mount.entry(mount).or_default()[at] += point.value.as_f64();
        }
    }
    for (mount, [used, free, reserved]) in of_mount {
        for (kind, bytes) in TYPE.values.iter().zip([used + free + reserved, used, free]) {
            out.push(
                &USAGE,
                vec![(MOUNT_POINT.name, mount.clone()), (TYPE.name, (*kind).into())],
                bytes as u64,
            );
        }
        if used + free > 0.0 {
            out.push(&USAGE_PERCENT, vec![(MOUNT_POINT.name, mount.clone())], 100.0 * used / (used + free));
        }
    }
}

fn network(told: &Told<'_>, out: &mut Reading) {
    for (from, label, [received, sent]) in [
        ("system.network.io", "network.interface.name", [&RECEIVED, &SENT]),
        ("system.network.packet.count", "system.device", [&PACKETS_IN, &PACKETS_OUT]),
        ("system.network.errors", "network.interface.name", [&ERRORS_IN, &ERRORS_OUT]),
    ] {
        told.copy(from, ("network.io.direction", "receive"), received, (label, INTERFACE.name), out);
        told.copy(from, ("network.io.direction", "transmit"), sent, (label, INTERFACE.name), out);
    }
}

/// What psutil calls a state of TCP, and a socket without one.
fn constant(state: Option<&Text>) -> &'static str {
    match state.map(ToString::to_string).as_deref() {
        Some("closed") => "CLOSE",
        Some("close_wait") => "CLOSE_WAIT",
        Some("closing") => "CLOSING",
        Some("established") => "ESTABLISHED",
        Some("fin_wait_1") => "FIN_WAIT1",
        Some("fin_wait_2") => "FIN_WAIT2",
        Some("last_ack") => "LAST_ACK",
        Some("listen") => "LISTEN",
        Some("syn_received") => "SYN_RECV",
        Some("syn_sent") => "SYN_SENT",
        Some("time_wait") => "TIME_WAIT",
        _ => "NONE",
    }
}
