//! Where the container's own cgroups are: from `/proc/self/cgroup` (cgroups(7)) and `/proc/self/mountinfo`
//! (proc_pid_mountinfo(5)).
//!
//! The agent is in a container where the cgroup file system that it sees begins below the real root, because of a
//! cgroup namespace or of a mount of a part only: then the container is what it begins with. Or where the path of
//! its cgroup holds the id of a container. A service of systemd is neither.

use serde::Deserialize;

use crate::host::container_id;
use crate::host::{Host, text};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scope {
    /// The container in which the agent runs.
    Container,
    /// What that container is in, where it can be seen.
    Pod,
    /// The agent's own cgroup, in a container or not.
    Cgroup,
}

/// The version of the interface of a cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// The directory of a cgroup in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) version: Version,
    pub(super) path: String,
}

/// The directories of a container, by what their files tell of. A controller is in one hierarchy only; that of
/// version 2, which has files without a controller too, is asked where version 1 has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) time: Option<Place>,
    pub(super) quota: Option<Place>,
    pub(super) memory: Option<Place>,
    pub(super) io: Option<Place>,
    pub(super) pressure: Option<Place>,
}

impl Places {
    /// Finds them; none where there is no container, or what is asked for cannot be seen.
    pub(super) fn find(host: &Host, scope: Scope) -> Option<Self> {
        let cgroups = host.read("proc/self/cgroup").ok()?;
        let mounts = host.read_escaped("proc/self/mountinfo").ok()?;
        let v2 = place(host, scope, &cgroups, &mounts, "");
        let of = |controller| place(host, scope, &cgroups, &mounts, controller).or_else(|| v2.clone());
        let (time, quota, memory, io) = (of("cpuacct"), of("cpu"), of("memory"), of("blkio"));
        let found = [&time, &quota, &memory, &io].iter().any(|place| place.is_some());
        found.then_some(Self { time, quota, memory, io, pressure: v2 })
    }

    /// The directories, each once.
    pub(super) fn all(&self) -> Vec<&Place> {
        let mut all: Vec<&Place> =
            [&self.time, &self.quota, &self.memory, &self.io].into_iter().flatten().collect();
        all.dedup();
        all
    }
}

/// The directory in the hierarchy of a controller of version 1, or (`""`) in that of version 2.
fn place(host: &Host, scope: Scope, cgroups: &str, mounts: &str, controller: &str) -> Option<Place> {
    let version = if controller.is_empty() { Version::V2 } else { Version::V1 };
    let own = own_path(cgroups, controller)?;
    mounts.lines().filter_map(|line| mount(line, controller)).find_map(|mount| {
        let below = mount.below(own)?;
        let is_root = mount.root == "/" && host_root(host, version, &mount.point);
        let directory = choose(scope, below, is_root)?;
        let path = format!("{}{directory}", mount.point);
        host.exists(&format!("{path}/cgroup.procs")).then_some(Place { version, path })
    })
}

/// The cgroup of `scope` relative to the mount, where the agent's own is `below` it: empty or `/a/b`.
fn choose(scope: Scope, below: &str, is_root: bool) -> Option<&str> {
    let container = || {
        let named = below.match_indices('/').map(|(at, _)| at).chain([below.len()]).skip(1);
        let of_id = |end: &usize| {
            let part = below[..*end].rsplit('/').next();
            part.is_some_and(|part| container_id::of_cgroup(part).is_some())
        };
        // The container is the innermost one that is named.
        named.filter(of_id).last().map(|end| &below[..end])
    };
    let chosen = match scope {
        Scope::Cgroup => below,
        Scope::Container if is_root => container()?,
        Scope::Container => container().unwrap_or(""),
        Scope::Pod => container()?.rsplit_once('/')?.0,
    };
    (!is_root || !chosen.is_empty()).then_some(chosen)
}

/// Whether a cgroup that a mount begins with is the root of all: it lacks the file that only others have, or has
/// the one that others lack.
fn host_root(host: &Host, version: Version, point: &str) -> bool {
    match version {
        Version::V1 => host.exists(&format!("{point}/release_agent")),
        Version::V2 => !host.exists(&format!("{point}/cgroup.events")),
    }
}

/// The path of `hierarchy:controllers:path` that has the controller.
fn own_path<'a>(cgroups: &'a str, controller: &str) -> Option<&'a str> {
    cgroups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (hierarchy, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let is_it = if controller.is_empty() { hierarchy == "0" } else { has(controllers, controller) };
        // A directory that is gone is none.
        is_it.then_some(path).filter(|path| !path.ends_with(" (deleted)"))
    })
}

fn has(list: &str, word: &str) -> bool {
    list.split(',').any(|one| one == word)
}

/// A mount of a cgroup file system.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    /// The cgroup with which it begins, as the agent's namespace has it.
    root: String,
    /// Where it is.
    point: String,
}

impl Mount {
    /// What is left of a path of a cgroup below the mount; none where it is not there.
    fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        // In a namespace, what is above it begins with `/..`.
        if self.root.starts_with("/..") || path.starts_with("/..") {
            return None;
        }
        let rest = path.strip_prefix(self.root.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_end_matches('/'))
    }
}

/// The mount of a line of mountinfo, where it is one of the controller's hierarchy.
fn mount(line: &str, controller: &str) -> Option<Mount> {
    let (front, back) = line.split_once(" - ")?;
    let mut front = front.split(' ').skip(3);
    let (root, point) = (front.next()?, front.next()?);
    let mut back = back.split(' ');
    let (kind, _source, options) = (back.next()?, back.next()?, back.next()?);
    let is_it = match controller {
        "" => kind == "cgroup2",
        controller => kind == "cgroup" && has(options, controller),
    };
    is_it.then(|| Mount { root: text::unescape_octal(root), point: text::unescape_octal(point) })
}

/// When the oldest process of a cgroup started, in clock ticks since boot: the best there is for the start of a
/// container, since the kernel keeps no time for a cgroup. The agent's own where it sees no other.
pub(super) fn started(host: &Host, places: &Places) -> Option<u64> {
    let listed =
        places.all().first().and_then(|place| host.read(&format!("{}/cgroup.procs", place.path)).ok());
    // 0 is a process that the agent's namespace has no number for. In a crowd, the first ones are the oldest.
    let numbers: Vec<u32> =
        listed.iter().flat_map(|list| list.lines()).filter_map(|pid| pid.parse().ok()).collect();
    let own = host.read("proc/self/stat").ok();
    let others = numbers.into_iter().filter(|pid| *pid > 0).take(256);
    let others = others.filter_map(|pid| host.read(&format!("proc/{pid}/stat")).ok());
    others.chain(own).filter_map(|stat| start(&stat)).min()
}

/// Field 22 of proc_pid_stat(5), counted from the name, which ends at the last bracket.
fn start(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture;
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "4b7d6f1c0e9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c";

    /// Where the memory of the container is told, on a host where these directories and files are.
    fn memory(scope: Scope, cgroup: &str, mountinfo: &str, files: &[&str]) -> Option<String> {
        let mut all = vec![("proc/self/cgroup", cgroup), ("proc/self/mountinfo", mountinfo)];
        all.extend(files.iter().map(|path| (*path, "")));
        let (_root, host) = fixture::host(&all);
        Some(Places::find(&host, scope)?.memory?.path)
    }

    const V2: &str = "517 516 0:27 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n";

    #[test]
    fn a_namespace_begins_with_the_container() {
        let files =
            ["sys/fs/cgroup/cgroup.procs", "sys/fs/cgroup/cgroup.events", "sys/fs/cgroup/a/cgroup.procs"];
        assert_eq!(memory(Scope::Container, "0::/\n", V2, &files).as_deref(), Some("/sys/fs/cgroup"));
        // As in LXC, where the container has services of its own.
        assert_eq!(memory(Scope::Container, "0::/a\n", V2, &files).as_deref(), Some("/sys/fs/cgroup"));
        assert_eq!(memory(Scope::Cgroup, "0::/a\n", V2, &files).as_deref(), Some("/sys/fs/cgroup/a"));
        assert_eq!(memory(Scope::Pod, "0::/\n", V2, &files), None);
    }

    #[test]
    fn outside_of_a_container_there_is_none() {
        let files = ["sys/fs/cgroup/cgroup.procs", "sys/fs/cgroup/a.service/cgroup.procs"];
        for scope in [Scope::Container, Scope::Pod, Scope::Cgroup] {
            assert_eq!(memory(scope, "0::/\n", V2, &files), None, "{scope:?}");
        }
        assert_eq!(memory(Scope::Container, "0::/a.service\n", V2, &files), None);
        let own = memory(Scope::Cgroup, "0::/a.service\n", V2, &files);
        assert_eq!(own.as_deref(), Some("/sys/fs/cgroup/a.service"));
    }

    #[test]
    fn without_a_namespace_the_path_names_the_container_and_its_pod() {
        let pod = "/kubepods.slice/kubepods-pod0f6ad40b_9b1b.slice";
        let cgroup = format!("0::{pod}/cri-containerd-{ID}.scope/inner\n");
        let container = format!("sys/fs/cgroup{pod}/cri-containerd-{ID}.scope");
        let files = [format!("{container}/cgroup.procs"), format!("sys/fs/cgroup{pod}/cgroup.procs")];
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let of = |scope| memory(scope, &cgroup, V2, &files).unwrap();
        assert_eq!(of(Scope::Container), format!("/{container}"));
        assert_eq!(of(Scope::Pod), format!("/sys/fs/cgroup{pod}"));
    }

    #[test]
    fn version_1_is_mounted_from_the_container_on() {
        let cgroup = format!("4:memory:/docker/{ID}\n2:cpu,cpuacct:/docker/{ID}\n0::/\n");
        let mounts = format!(
            "9 8 0:31 /docker/{ID} /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n\
             9 8 0:32 /docker/{ID} /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
        );
        let files = ["sys/fs/cgroup/memory/cgroup.procs", "sys/fs/cgroup/cpu,cpuacct/cgroup.procs"];
        let found = memory(Scope::Container, &cgroup, &mounts, &files);
        assert_eq!(found.as_deref(), Some("/sys/fs/cgroup/memory"));
        assert_eq!(memory(Scope::Pod, &cgroup, &mounts, &files), None);
        // The machine's own root has a file that no other cgroup has.
        let root = "9 8 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let files = ["sys/fs/cgroup/memory/cgroup.procs", "sys/fs/cgroup/memory/release_agent"];
        assert_eq!(memory(Scope::Container, "4:memory:/\n", root, &files), None);
        assert_eq!(memory(Scope::Container, "4:memory:/\n", root, &files[..1]).as_deref(), found.as_deref());
    }

    #[test]
    fn what_is_mounted_of_the_host_is_not_the_container() {
        let mounts = format!("9 8 0:27 /../../.. /host/sys/fs/cgroup ro - cgroup2 cgroup rw\n{V2}");
        let files =
            ["host/sys/fs/cgroup/cgroup.procs", "sys/fs/cgroup/cgroup.procs", "sys/fs/cgroup/cgroup.events"];
        assert_eq!(memory(Scope::Container, "0::/\n", &mounts, &files).as_deref(), Some("/sys/fs/cgroup"));
    }

    #[test]
    fn the_oldest_process_is_the_start() {
        let stat = |name: &str, start: u64| format!("1 ({name}) S {}{start} 0", "0 ".repeat(18));
        let young = stat("young", 900);
        let old = stat("o) d", 700);
        assert_eq!(start(&young), Some(900), "{young}");
        let (_root, host) = fixture::host(&[
            ("proc/self/stat", &young),
            ("proc/7/stat", &old),
            ("c/cgroup.procs", "0\n9\n7\n"),
        ]);
        let place = Some(Place { version: Version::V2, path: "/c".into() });
        let places = Places { time: place, quota: None, memory: None, io: None, pressure: None };
        assert_eq!(started(&host, &places), Some(700));
    }

    proptest! {
        #[test]
        fn no_text_panics(cgroup in "([0-9]:[a-z,]*:/[a-f0-9/.-]*\n|\\PC*\n){0,4}", mounts in "([0-9] ){3}/[a-z/.]* /[a-z] - cgroup2? c [a-z,]*|\\PC*", path in "(/[a-f0-9é]{0,66}){0,4}") {
            for controller in ["", "memory"] {
                let own = own_path(&cgroup, controller).unwrap_or(&path);
                let _ = mount(&mounts, controller).and_then(|mount| mount.below(own).map(str::len));
            }
            for scope in [Scope::Container, Scope::Pod, Scope::Cgroup] {
                let _ = choose(scope, &path, true);
            }
            let _ = start(&mounts);
        }
    }
}
