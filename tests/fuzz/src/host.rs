//! The machine that the collectors read: the fixture `vm` in memory, of which one file at a time is replaced.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use hostmeter::host::Host;

use super::txtar;

const VM: &str = include_str!("../../hosts/vm.txtar");

/// The files that each collector reads.
pub const FILES: &[(&str, &[&str])] = &[
    (
        "cpu",
        &[
            "proc/stat",
            "proc/cpuinfo",
            "sys/devices/system/cpu/possible",
            "sys/devices/system/cpu/cpu0/topology/thread_siblings_list",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq",
        ],
    ),
    ("load", &["proc/loadavg"]),
    ("memory", &["proc/meminfo"]),
    ("paging", &["proc/swaps", "proc/vmstat"]),
    ("disk", &["proc/diskstats", "sys/block/vda/size"]),
    ("filesystem", &["proc/1/mountinfo", "statfs"]),
    ("network", &["proc/1/net/dev", "proc/sys/net/netfilter/nf_conntrack_count"]),
    ("connections", &["proc/1/net/sockstat", "proc/1/net/sockstat6", "proc/1/net/tcp", "proc/1/net/tcp6"]),
    ("system", &["proc/stat", "proc/uptime", "proc/sys/kernel/threads-max", "proc/sys/fs/file-nr"]),
    ("pressure", &["proc/pressure/cpu", "proc/pressure/memory", "proc/pressure/io", "proc/pressure/irq"]),
    (
        "process",
        &[
            "proc/731/stat",
            "proc/731/io",
            "proc/731/task/731/status",
            "proc/731/cmdline",
            "proc/731/cgroup",
            "proc/1403/net/dev",
            "proc/uptime",
            "proc/meminfo",
            "etc/passwd",
            "proc/9/stat",
        ],
    ),
    (
        "container",
        &[
            "proc/self/cgroup",
            "proc/self/mountinfo",
            "sys/fs/cgroup/init.scope/cgroup.procs",
            "sys/fs/cgroup/init.scope/cpu.stat",
            "sys/fs/cgroup/init.scope/cpu.max",
            "sys/fs/cgroup/init.scope/memory.current",
            "sys/fs/cgroup/init.scope/memory.max",
            "sys/fs/cgroup/init.scope/memory.stat",
            "sys/fs/cgroup/init.scope/memory.events",
            "sys/fs/cgroup/init.scope/io.stat",
            "sys/fs/cgroup/init.scope/memory.pressure",
        ],
    ),
];

/// The files that say who a machine is.
pub const IDENTITY: &[&str] = &[
    "etc/hostname",
    "etc/machine-id",
    "etc/os-release",
    "proc/self/cgroup",
    "proc/self/mountinfo",
    "proc/sys/kernel/hostname",
    "proc/sys/kernel/osrelease",
    "proc/sys/kernel/random/boot_id",
    "sys/class/dmi/id/product_uuid",
    "var/lib/dbus/machine-id",
];

/// The files of a collector.
pub fn files(collector: &str) -> &'static [&'static str] {
    FILES.iter().find(|(name, _)| *name == collector).map(|(_, files)| *files).expect("a collector")
}

thread_local! {
    static MACHINE: RefCell<Option<Machine>> = const { RefCell::new(None) };
}

/// A machine of files.
pub struct Machine {
    root: tempfile::TempDir,
    /// What a file held before it was replaced; none where there was none.
    before: Option<Vec<u8>>,
}

impl Machine {
    /// Runs `body` with this thread's machine. One that a panic left changed is made anew.
    pub fn with(body: impl FnOnce(&mut Machine)) {
        let mut machine = MACHINE.take().unwrap_or_else(Machine::new);
        body(&mut machine);
        MACHINE.set(Some(machine));
    }

    fn new() -> Self {
        // In memory where there is such a place, because every input is a file.
        let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let root = root.expect("a temporary directory");
        txtar::apply(root.path(), "vm", VM);
        Self { root, before: None }
    }

    /// The host as the collectors see it.
    pub fn host(&self) -> Host {
        let mut host = Host::at(self.root.path()).expect("proc/stat");
        host.ticks = 100;
        host.page_size = 4096;
        host
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// Replaces a file, or makes one.
    pub fn write(&mut self, path: &str, content: &[u8]) {
        let path = self.path(path);
        self.before = std::fs::read(&path).ok();
        let directory = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&path, content)).expect("a file");
    }

    /// Takes that back.
    pub fn restore(&mut self, path: &str) {
        let path = self.path(path);
        match self.before.take() {
            Some(content) => std::fs::write(path, content),
            None => std::fs::remove_file(path),
        }
        .expect("the file that was there");
    }

    /// What a file of the untouched machine holds; nothing where there is none.
    pub fn content(path: &str) -> Vec<u8> {
        let mut content = Vec::new();
        Self::with(|machine| content = std::fs::read(machine.path(path)).unwrap_or_default());
        content
    }
}
