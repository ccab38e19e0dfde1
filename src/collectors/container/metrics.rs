//! The metrics of a container.

use crate::metric::{Attribute, Metric, ValueType::Double, ValueType::Int};

use super::super::pressure::STALL_TYPE;

pub(super) const CPU_MODE: Attribute = Attribute::of("cpu.mode", &["user", "system"]);
pub(super) const FAULT_TYPE: Attribute = Attribute::of("system.paging.fault.type", &["major", "minor"]);
pub(super) const DEVICE: Attribute = Attribute::open("system.device");
pub(super) const DISK_DIRECTION: Attribute = Attribute::of("disk.io.direction", &["read", "write"]);
pub(super) const INTERFACE: Attribute = Attribute::open("network.interface.name");
pub(super) const NETWORK_DIRECTION: Attribute =
    Attribute::of("network.io.direction", &["receive", "transmit"]);

pub(super) static CPU_TIME: Metric = Metric::counter("container.cpu.time", "s", Double)
    .about("CPU time that the container consumed")
    .by(&[CPU_MODE])
    .from("cgroup cpu.stat, cpuacct.usage_user, cpuacct.usage_sys");
pub(super) static CPU_USAGE: Metric = Metric::gauge("container.cpu.usage", "{cpu}", Double)
    .about("CPUs that the container used since the last reading")
    .from("container.cpu.time, between two readings")
    .opt_in();
pub(super) static CPU_LIMIT: Metric = Metric::gauge("container.cpu.limit", "{cpu}", Double)
    .about("CPUs that the container may use; absent where there is no limit")
    .from("cgroup cpu.max, cpu.cfs_quota_us");
pub(super) static CPU_THROTTLED: Metric = Metric::counter("container.cpu.throttled.time", "s", Double)
    .about("Time that the container had to wait because it had used up its CPU limit")
    .from("cgroup cpu.stat");
pub(super) static MEMORY_USAGE: Metric = Metric::updown("container.memory.usage", "By")
    .about("Memory of the container, with what it has cached of files")
    .from("cgroup memory.current, memory.usage_in_bytes");
pub(super) static MEMORY_AVAILABLE: Metric = Metric::updown("container.memory.available", "By")
    .about("Memory limit minus the working set; absent where there is no limit")
    .from("cgroup memory.max, memory.limit_in_bytes, memory.stat");
pub(super) static MEMORY_RSS: Metric = Metric::updown("container.memory.rss", "By")
    .about("Memory of the container's processes that belongs to no file")
    .from("cgroup memory.stat");
pub(super) static MEMORY_WORKING_SET: Metric = Metric::updown("container.memory.working_set", "By")
    .about("Memory usage without the files that were not used lately")
    .from("cgroup memory.current, memory.usage_in_bytes, memory.stat");
pub(super) static MEMORY_LIMIT: Metric = Metric::updown("container.memory.limit", "By")
    .about("Memory that the container may have; absent where there is no limit")
    .from("cgroup memory.max, memory.limit_in_bytes");
pub(super) static OOM_KILL: Metric = Metric::counter("container.memory.oom_kill", "{event}", Int)
    .about("Processes of the container that were killed for want of memory")
    .from("cgroup memory.events, memory.oom_control");
pub(super) static FAULTS: Metric = Metric::counter("container.paging.faults", "{fault}", Int)
    .about("Page faults of the container")
    .by(&[FAULT_TYPE])
    .from("cgroup memory.stat");
pub(super) static DISK_IO: Metric = Metric::counter("container.disk.io", "By", Int)
    .about("Bytes that the container read from disks and wrote to them")
    .by(&[DEVICE, DISK_DIRECTION])
    .from("cgroup io.stat, blkio.throttle.io_service_bytes");
pub(super) static NETWORK_IO: Metric = Metric::counter("container.network.io", "By", Int)
    .about("Bytes over the container's own interfaces without the loopback; absent where they are the host's")
    .by(&[INTERFACE, NETWORK_DIRECTION])
    .from("/proc/self/net/dev");
pub(super) static UPTIME: Metric = Metric::gauge("container.uptime", "s", Double)
    .about("Time since the container's oldest process started")
    .from("cgroup cgroup.procs, /proc/<pid>/stat, /proc/uptime");

macro_rules! pressure {
    ($name:literal) => {
        Metric::counter(concat!("container.", $name, ".linux.pressure.total"), "s", Double)
            .about(concat!("Time that some tasks of the container, or all at once, were stalled on ", $name))
            .by(&[STALL_TYPE])
            .from(concat!("cgroup ", $name, ".pressure"))
    };
}

static CPU_PRESSURE: Metric = pressure!("cpu");
static MEMORY_PRESSURE: Metric = pressure!("memory");
static IO_PRESSURE: Metric = pressure!("io");

/// What can be short, as its file has it.
pub(super) static PRESSURE: [(&str, &Metric); 3] =
    [("cpu", &CPU_PRESSURE), ("memory", &MEMORY_PRESSURE), ("io", &IO_PRESSURE)];

pub(super) static METRICS: &[&Metric] = &[
    &CPU_TIME,
    &CPU_USAGE,
    &CPU_LIMIT,
    &CPU_THROTTLED,
    &MEMORY_USAGE,
    &MEMORY_AVAILABLE,
    &MEMORY_RSS,
    &MEMORY_WORKING_SET,
    &MEMORY_LIMIT,
    &OOM_KILL,
    &FAULTS,
    &DISK_IO,
    &NETWORK_IO,
    &UPTIME,
    &CPU_PRESSURE,
    &MEMORY_PRESSURE,
    &IO_PRESSURE,
];
