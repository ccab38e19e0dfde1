//! Which mounts are shown: those that hold data, that the filters allow, and one for each filesystem.

use std::collections::HashMap;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::collectors::filter::Filter;
use crate::host::statfs::Place;
use crate::host::{Error, Host};

use super::mountinfo::{self, Mount};

/// Kinds that hold no data of a user: interfaces of the kernel. They are never asked, because some answer
/// with numbers that mean nothing, and autofs would mount what it stands for.
const PSEUDO: [&str; 29] = [
    "autofs",
    "binder",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "debugfs",
    "devfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nfsd",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "resctrl",
    "rootfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "sysfs",
    "tracefs",
];

/// Kinds without a block device of their own that nevertheless answer from this machine.
const LOCAL: [&str; 6] = ["bcachefs", "btrfs", "overlay", "tmpfs", "ubifs", "zfs"];

/// The mount table of the host: that of its first process.
const OF_HOST: &str = "proc/1/mountinfo";

/// The agent's own.
const OWN: &str = "proc/self/mountinfo";

/// The two filters of the collector.
#[derive(Debug)]
pub(super) struct Filters {
    pub(super) types: Filter,
    pub(super) points: Filter,
}

/// A filesystem to show.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filesystem {
    pub(super) device: Arc<str>,
    pub(super) kind: Arc<str>,
    pub(super) mode: &'static str,
    pub(super) point: Arc<str>,
    pub(super) place: Place,
}

/// A mount, where the host sees it, and where we do.
struct Candidate<'a> {
    mount: Mount<'a>,
    point: String,
    path: PathBuf,
    read_only: bool,
}

/// The filesystems of the host, in the order in which they were mounted; what is odd in the table becomes a
/// problem. That the agent shares the mounts of the host's first process is remembered in `shared`.
pub(super) fn read(
    host: &Host,
    filters: &Filters,
    shared: &mut bool,
    problems: &mut Vec<Error>,
) -> Result<Vec<Filesystem>, Error> {
    let own = || host.read_escaped(OWN);
    let recorded = host.is_recorded();
    // Who may not ask for the first process's namespace compares the tables: each mount of each namespace has a number
    // of its own there, so they are the same in the same namespace only, and neither of the two leaves its own.
    let known = *shared;
    let is_ours = || known || host.is_own("proc/1/ns/mnt", "proc/self/ns/mnt");
    match host.read_escaped(OF_HOST) {
        Ok(table) if recorded || is_ours() => {
            Ok(choose(of_host(host, &parse(OF_HOST, &table, problems)?), filters))
        }
        Ok(table) => {
            let own = own()?;
            let mut mounts = of_host(host, &parse(OF_HOST, &table, problems)?);
            *shared = own == table;
            if !*shared {
                keep_reachable(&mut mounts, &parse(OWN, &own, problems)?);
            }
            Ok(choose(mounts, filters))
        }
        Err(denied) => {
            let own = own().map_err(|_| denied)?;
            let mounts = parse(OWN, &own, problems)?;
            Ok(choose(if recorded { of_host(host, &mounts) } else { of_agent(host, &mounts) }, filters))
        }
    }
}

fn parse<'a>(path: &str, table: &'a str, problems: &mut Vec<Error>) -> Result<Vec<Mount<'a>>, Error> {
    let mounts = mountinfo::parse(table).map_err(|e| e.at(path))?.told(path, problems);
    Ok(mountinfo::visible(&mounts).into_iter().filter(|mount| !PSEUDO.contains(&mount.kind)).collect())
}

/// Mounts as the host's first process has them; ours are below the root.
fn of_host<'a>(host: &Host, mounts: &[Mount<'a>]) -> Vec<Candidate<'a>> {
    let candidate = |mount: &Mount<'a>| {
        let point = mount.point();
        let path = host.path_of(&mount.path());
        let read_only = mount.read_only || mount.read_only_everywhere;
        Candidate { mount: *mount, point, path, read_only }
    };
    mounts.iter().map(candidate).collect()
}

/// Mounts as the agent has them. In a container whose host is below a root, only what is there is the
/// host's, and that it is read-only there says nothing of the host.
fn of_agent<'a>(host: &Host, mounts: &[Mount<'a>]) -> Vec<Candidate<'a>> {
    let whole = host.root() == "/";
    let candidate = |mount: &Mount<'a>| {
        let path = mount.path();
        let below = path.strip_prefix(host.root()).ok()?;
        let point = format!("/{}", below.to_string_lossy());
        let read_only = mount.read_only_everywhere || (whole && mount.read_only);
        Some(Candidate { mount: *mount, point, path, read_only })
    };
    mounts.iter().filter_map(candidate).collect()
}

/// Leaves out mounts of the host that are not in the agent's own view: statfs there would answer for
/// whatever else lies at that path, such as the container's image under the name of the host's `/`.
fn keep_reachable(candidates: &mut Vec<Candidate<'_>>, own: &[Mount<'_>]) {
    let own: HashSet<(&str, PathBuf)> = own.iter().map(|m| (m.device, m.path())).collect();
    candidates.retain_mut(|candidate| {
        let key = (candidate.mount.device, std::mem::take(&mut candidate.path));
        let reachable = own.contains(&key);
        candidate.path = key.1;
        reachable
    });
}

/// What the filters allow, one for each filesystem.
fn choose(candidates: Vec<Candidate<'_>>, filters: &Filters) -> Vec<Filesystem> {
    let mut chosen: Vec<Candidate<'_>> = Vec::new();
    let mut by_device: HashMap<&str, usize> = HashMap::new();
    for candidate in candidates {
        if !filters.types.allows(candidate.mount.kind) || !filters.points.allows(&candidate.point) {
            continue;
        }
        match by_device.get(candidate.mount.device) {
            None => {
                by_device.insert(candidate.mount.device, chosen.len());
                chosen.push(candidate);
            }
            Some(&place) if rank(&candidate) < rank(&chosen[place]) => chosen[place] = candidate,
            Some(_) => {}
        }
    }
    // At a place there is one filesystem, the one that was mounted last; a table that says otherwise is odd.
    let mut points = HashSet::new();
    let last: Vec<_> = chosen.iter().rev().map(|candidate| points.insert(&candidate.point)).collect();
    let last = last.into_iter().rev();
    chosen.into_iter().zip(last).filter(|(_, last)| *last).map(|(one, _)| one.into()).collect()
}

/// Of several mounts of one filesystem the whole one is shown rather than a bind mount of a directory in
/// it, then the one with the shortest path, then the first.
fn rank(candidate: &Candidate<'_>) -> (bool, usize) {
    (candidate.mount.root != "/", candidate.point.len())
}

impl From<Candidate<'_>> for Filesystem {
    fn from(candidate: Candidate<'_>) -> Self {
        let Candidate { mount, point, path, read_only } = candidate;
        // A device with the major number 0 is made up by the kernel: a network filesystem's, or FUSE.
        let remote = mount.kind.starts_with("fuse")
            || (mount.device.starts_with("0:") && !LOCAL.contains(&mount.kind));
        Self {
            device: mount.source().into(),
            kind: mount.kind.into(),
            mode: if read_only { "ro" } else { "rw" },
            point: point.into(),
            place: Place { path, remote },
        }
    }
}
