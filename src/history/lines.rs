//! Which values are kept, and what of a snapshot they are.

/// One value.
#[derive(Debug)]
pub struct Line {
    /// What it is called on the status page's data, such as `cpu.user`.
    pub key: &'static str,
    /// The metric that it is computed from; empty for what the agent knows by itself.
    pub metric: &'static str,
    /// The value of one of the point's attributes; empty where there is one point.
    pub value: &'static str,
    pub(super) how: How,
}

/// How a value is computed from the points of its metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// As it is.
    Amount,
    /// What the counters grew by in a second.
    Rate,
    /// The same as a share of what all counters of the metric grew by.
    Share,
    /// Not by a metric.
    Own,
}

use How::{Amount, Own, Rate, Share};

const fn line(key: &'static str, metric: &'static str, value: &'static str, how: How) -> Line {
    Line { key, metric, value, how }
}

/// Everything that is kept; lines of one metric stand together.
pub const LINES: [Line; 21] = [
    line("cpu.user", "system.cpu.time", "user", Share),
    line("cpu.system", "system.cpu.time", "system", Share),
    line("cpu.nice", "system.cpu.time", "nice", Share),
    line("cpu.iowait", "system.cpu.time", "iowait", Share),
    line("cpu.interrupt", "system.cpu.time", "interrupt", Share),
    line("cpu.steal", "system.cpu.time", "steal", Share),
    line("memory.used", "system.memory.usage", "used", Amount),
    line("memory.buffers", "system.memory.usage", "buffers", Amount),
    line("memory.cached", "system.memory.usage", "cached", Amount),
    line("memory.free", "system.memory.usage", "free", Amount),
    line("memory.limit", "system.memory.limit", "", Amount),
    line("disk.read", "system.disk.io", "read", Rate),
    line("disk.write", "system.disk.io", "write", Rate),
    line("network.receive", "system.network.io", "receive", Rate),
    line("network.transmit", "system.network.io", "transmit", Rate),
    line("pressure.cpu", "system.cpu.linux.pressure.total", "some", Rate),
    line("pressure.memory", "system.memory.linux.pressure.total", "some", Rate),
    line("pressure.io", "system.io.linux.pressure.total", "some", Rate),
    line("host.uptime", "system.uptime", "", Amount),
    line("own.cpu", "", "", Own),
    line("own.memory", "", "", Own),
];

/// Devices that lie on others, whose traffic would count twice.
const UPON_OTHERS: [(&str, &[&str]); 2] = [
    ("system.device", &["dm-", "md", "loop", "ram", "zram"]),
    (
        "network.interface.name",
        &[
            "lo", "veth", "docker", "br", "virbr", "cni", "flannel", "cali", "vxlan", "bond", "team", "tun",
            "tap", "wg", "dummy", "ifb",
        ],
    ),
];

/// Whether a device is left out of the sums, by the name and the value of the attribute that names it.
pub(super) fn lies_upon_others(attribute: &str, device: &str) -> bool {
    let families = UPON_OTHERS.iter().filter(|(name, _)| *name == attribute);
    let mut names = families.flat_map(|(_, families)| families.iter());
    // A VLAN has a dot in its name by default.
    names.any(|family| device.starts_with(family))
        || (attribute == "network.interface.name" && device.contains('.'))
}
