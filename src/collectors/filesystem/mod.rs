//! Filesystems, from the host's mount table and statfs(2).
//!
//! A filesystem is shown once, however often it is mounted. One that does not answer in time is left out and
//! told as `timeout`; see [`crate::host::statfs`].

mod mountinfo;
mod mounts;

use serde::Deserialize;

use crate::config::{self, Setting};
use crate::host::statfs::{Place, Pool, Space};
use crate::host::{Error, Host};
use crate::metric::{Attribute, Attributes, Metric, Reading, ValueType::Double, ratio};

use super::filter::{Filter, Pattern};
use super::{Collector, Spec, Turn};
use mounts::{Filesystem, Filters};

const DEVICE: Attribute = Attribute::open("system.device");
const USAGE_STATE: Attribute = Attribute::of("system.filesystem.state", &["used", "free", "reserved"]);
const INODE_STATE: Attribute = Attribute::of("system.filesystem.state", &["used", "free"]);
const TYPE: Attribute = Attribute::open("system.filesystem.type");
const MODE: Attribute = Attribute::of("system.filesystem.mode", &["ro", "rw"]);
const POINT: Attribute = Attribute::open("system.filesystem.mountpoint");

static USAGE: Metric = Metric::updown("system.filesystem.usage", "By")
    .about("Space that is used, free for every user, and reserved for root; the sum is the limit")
    .by(&[DEVICE, USAGE_STATE, TYPE, MODE, POINT])
    .from("statfs: used = blocks - bfree, free = bavail, reserved = bfree - bavail");
static UTILIZATION: Metric = Metric::gauge("system.filesystem.utilization", "1", Double)
    .about(
        "Share of the space that users have which is used, as df shows it: 1 means nobody but root can write",
    )
    .by(&[DEVICE, TYPE, MODE, POINT])
    .from("statfs: used / (used + free)");
static LIMIT: Metric = Metric::updown("system.filesystem.limit", "By")
    .about("Size of the filesystem")
    .by(&[DEVICE, TYPE, MODE, POINT])
    .from("statfs: blocks");
static INODES: Metric = Metric::updown("system.filesystem.inodes.usage", "{inode}")
    .about("Inodes that are used and free; absent where the filesystem makes them as it needs them")
    .by(&[DEVICE, INODE_STATE, TYPE, MODE, POINT])
    .from("statfs: files, ffree");

static SETTINGS: &[Setting] = &[
    Setting::new(
        "include_types",
        config::Kind::List,
        "[]",
        "Types of filesystems to show, as globs (`ext?`, `nfs*`). Empty means all that hold data; the \
         kernel's interfaces (proc, sysfs, cgroup2 and so on) are never shown.",
    ),
    Setting::new(
        "exclude_types",
        config::Kind::List,
        "[tmpfs, overlay, aufs, squashfs, erofs, cramfs, iso9660, fuse.gvfsd-fuse, fuse.lxcfs, fuse.portal, \
         fuse.snapfuse, fuse.squashfuse]",
        "Types to leave out; wins over `include_types`. By default memory (tmpfs), what lies on another \
         filesystem that is shown itself (overlay), and images, which are always full. To see tmpfs, give \
         the list without it.",
    ),
    Setting::new(
        "include_mounts",
        config::Kind::List,
        "[]",
        "Mount points to show, as globs; `**` is any path. Empty means all.",
    ),
    Setting::new(
        "exclude_mounts",
        config::Kind::List,
        "[/proc/**, /sys/**, /run/containerd/**, /run/credentials/**, /run/docker/**, /run/k3s/**, \
         /run/netns/**, /run/user/**, /snap/**, /var/lib/containerd/**, /var/lib/containers/storage/**, \
         /var/lib/docker/**, /var/lib/kubelet/pods/**]",
        "Mount points to leave out; wins over `include_mounts`. By default those that container engines and \
         sessions make. `/var/lib/docker/**` is what lies below, so a disk at /var/lib/docker itself is shown.",
    ),
];

pub(super) static SPEC: Spec = Spec {
    name: "filesystem",
    about: "Space and inodes of mounted filesystems",
    metrics: &[&USAGE, &UTILIZATION, &LIMIT, &INODES],
    settings: SETTINGS,
    build: |section, _| Ok(Box::new(Filesystems::new(section.get()?))),
};

#[derive(Deserialize)]
struct Config {
    include_types: Vec<Pattern>,
    exclude_types: Vec<Pattern>,
    include_mounts: Vec<Pattern>,
    exclude_mounts: Vec<Pattern>,
}

struct Filesystems {
    filters: Filters,
    /// Made at the first reading, because only then the host is known.
    pool: Option<Pool>,
    /// The agent and the host's first process are known to have the same mounts.
    shared: bool,
}

impl Filesystems {
    fn new(config: Config) -> Self {
        let types = Filter::new(config.include_types, config.exclude_types);
        let points = Filter::new(config.include_mounts, config.exclude_mounts);
        Self { filters: Filters { types, points }, pool: None, shared: false }
    }
}

impl Collector for Filesystems {
    fn collect(&mut self, host: &Host, out: &mut Reading) -> Result<(), Error> {
        let filesystems = mounts::read(host, &self.filters, &mut self.shared, &mut out.problems)?;
        let pool = match &mut self.pool {
            Some(pool) => pool,
            none => none.insert(Pool::of(host)?),
        };
        let places: Vec<Place> = filesystems.iter().map(|fs| fs.place.clone()).collect();
        for (filesystem, answer) in filesystems.iter().zip(pool.ask(&places)) {
            out.part(|out| {
                filesystem.push(&answer?, out);
                Ok(())
            });
        }
        Ok(())
    }

    /// Three states of 1,024 filesystems: a Kubernetes node has a volume for each pod, at most some hundreds.
    fn ceiling(&self) -> usize {
        3072
    }

    fn turn(&self) -> Turn {
        Turn::Late
    }
}

impl Filesystem {
    fn push(&self, space: &Space, out: &mut Reading) {
        // Without a size it is no store, or its size is beyond what a number can say.
        let Some(bytes) = Bytes::of(space) else { return };
        let states = [("used", bytes.used), ("free", bytes.free), ("reserved", bytes.reserved)];
        for (state, bytes) in states {
            out.push(&USAGE, self.attributes(Some(state)), bytes);
        }
        if let Some(share) = ratio(bytes.used as f64, (bytes.used + bytes.free) as f64) {
            out.push(&UTILIZATION, self.attributes(None), share);
        }
        out.push(&LIMIT, self.attributes(None), bytes.limit);
        if space.inodes > 0 {
            let free = space.inodes_free.min(space.inodes);
            for (state, inodes) in [("used", space.inodes - free), ("free", free)] {
                out.push(&INODES, self.attributes(Some(state)), inodes);
            }
        }
    }

    fn attributes(&self, state: Option<&'static str>) -> Attributes {
        let mut attributes = Vec::with_capacity(5);
        attributes.push((DEVICE.name, (&self.device).into()));
        attributes.extend(state.map(|state| (USAGE_STATE.name, state.into())));
        attributes.push((TYPE.name, (&self.kind).into()));
        attributes.push((MODE.name, self.mode.into()));
        attributes.push((POINT.name, (&self.point).into()));
        attributes
    }
}

/// The space of a filesystem in bytes, in states that do not overlap and sum to the limit.
#[derive(Debug, PartialEq, Eq)]
struct Bytes {
    limit: u64,
    used: u64,
    free: u64,
    reserved: u64,
}

impl Bytes {
    /// None where there is no size, or one past `i64`. A server that promises more than there is free
    /// (quotas, or a negative number taken for a positive one) is cut to what there is.
    fn of(space: &Space) -> Option<Self> {
        let limit = space.blocks.checked_mul(space.block).filter(|limit| i64::try_from(*limit).is_ok())?;
        let empty = space.free.min(space.blocks);
        let available = space.available.min(empty);
        let (used, reserved) = (space.blocks - empty, empty - available);
        let bytes = |blocks| blocks * space.block;
        (limit > 0).then(|| Self {
            limit,
            used: bytes(used),
            free: bytes(available),
            reserved: bytes(reserved),
        })
    }
}

#[cfg(test)]
mod tests;
