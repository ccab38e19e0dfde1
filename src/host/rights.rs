//! What the agent's own process may do, and what it is confined to. Asked of `/proc/self` of the machine that the
//! program runs on, whatever root it reads.

use std::io;
use std::path::Path;

use super::{Error, Host, kernel};

/// Bits of `CapEff` (capabilities(7)).
const DAC_READ_SEARCH: u32 = 2;
const SYS_PTRACE: u32 = 19;

/// Capabilities that some metrics of other users' processes need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// To look at other users' processes: the executable.
    pub sys_ptrace: bool,
    /// To read other users' files; together with the one above, what a process reads and writes.
    pub dac_read_search: bool,
}

/// What the process has, from `proc/self/status`; none where that does not say.
pub fn capabilities(own: &Host) -> Option<Capabilities> {
    parse_capabilities(&own.read("proc/self/status").ok()?)
}

fn parse_capabilities(status: &str) -> Option<Capabilities> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let bits = u64::from_str_radix(line.trim(), 16).ok()?;
    let has = |bit: u32| bits >> bit & 1 == 1;
    Some(Capabilities { sys_ptrace: has(SYS_PTRACE), dac_read_search: has(DAC_READ_SEARCH) })
}

/// How much of the processes a mount of `/proc` hides, from `proc/self/mountinfo`: the value of its option `hidepid`,
/// none where it hides nothing or is not a mount of its own.
pub fn hidepid(own: &Host, root: &Path) -> Option<String> {
    parse_hidepid(&own.read("proc/self/mountinfo").ok()?, root.join("proc").to_str()?)
}

/// `36 35 0:5 / /proc rw,nosuid shared:1 - proc proc rw,hidepid=invisible` (proc_pid_mountinfo(5)).
fn parse_hidepid(mountinfo: &str, point: &str) -> Option<String> {
    // A mount over another one hides that.
    let line = mountinfo.lines().rfind(|line| line.split(' ').nth(4) == Some(point))?;
    let options = line.split_once(" - ")?.1.split(' ').nth(2)?;
    let value = options.split(',').find_map(|option| option.strip_prefix("hidepid="))?;
    (!matches!(value, "0" | "off")).then(|| value.to_owned())
}

/// The limits of the process's own control group; none: no limit is visible.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// CPUs, whole or in part.
    pub cpus: Option<f64>,
    /// Threads.
    pub tasks: Option<u64>,
}

/// From `memory.max`, `cpu.max` and `pids.max` of the group that `proc/self/cgroup` names (cgroup v2).
pub fn limits(own: &Host) -> Result<Limits, Error> {
    let groups = own.read("proc/self/cgroup")?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let read = |file: &str| own.read(&format!("sys/fs/cgroup{}/{file}", path.trim_end_matches('/'))).ok();
    let number = |file: &str| read(file)?.trim().parse().ok();
    Ok(Limits {
        memory: number("memory.max"),
        cpus: read("cpu.max").as_deref().and_then(parse_cpus),
        tasks: number("pids.max"),
    })
}

/// `50000 100000`: microseconds of CPU time in so many; `max 100000`: no limit.
fn parse_cpus(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0.0).then(|| quota / period)
}

/// Room for files of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Whether the directory is there; otherwise this is about the nearest one above it.
    pub exists: bool,
    /// Whether this process may make files there.
    pub writable: bool,
    /// Free bytes of its file system.
    pub free: u64,
}

/// Looks at a directory that files are to be kept in, and changes nothing.
pub fn room(directory: &Path) -> io::Result<Room> {
    let mut nearest = directory;
    while !nearest.exists() {
        nearest = nearest.parent().ok_or(io::ErrorKind::NotFound)?;
    }
    let space = kernel::space(nearest)?;
    Ok(Room {
        exists: nearest == directory,
        writable: nearest.is_dir() && kernel::may_write(nearest),
        free: space.available.saturating_mul(space.block),
    })
}

/// Other processes that run this program, by its name.
pub fn other_instances(own: &Host) -> Vec<u32> {
    let name = own.read("proc/self/comm").unwrap_or_default();
    let pids = own.list("proc").unwrap_or_default().into_iter().filter_map(|name| name.parse().ok());
    let same = |pid: &u32| {
        *pid != std::process::id() && own.read(&format!("proc/{pid}/comm")).is_ok_and(|other| other == name)
    };
    pids.filter(same).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn capabilities_are_bits() {
        let of = |bits: &str| parse_capabilities(&format!("Uid:\t0\nCapEff:\t{bits}\nCapBnd:\t0\n"));
        let both = Capabilities { sys_ptrace: true, dac_read_search: true };
        assert_eq!(of("000001ffffffffff"), Some(both));
        assert_eq!(of("0000000000080004"), Some(both));
        assert_eq!(of("0000000000080000"), Some(Capabilities { dac_read_search: false, ..both }));
        assert_eq!(of("0000000000000000"), Some(Capabilities { sys_ptrace: false, dac_read_search: false }));
        assert_eq!(parse_capabilities("Uid:\t0\n"), None);
    }

    #[test]
    fn hidepid_is_an_option_of_the_mount() {
        let of = |options| {
            let text = format!(
                "22 27 0:20 / /proc rw,nosuid - proc proc rw\n23 27 0:21 / /sys rw - sysfs sysfs rw\n\
                 99 27 0:20 / /proc rw,relatime shared:9 - proc proc {options}\n"
            );
            parse_hidepid(&text, "/proc")
        };
        assert_eq!(of("rw,hidepid=2").as_deref(), Some("2"));
        assert_eq!(of("rw,gid=4,hidepid=invisible").as_deref(), Some("invisible"));
        assert_eq!(of("rw,hidepid=0"), None);
        assert_eq!(of("rw"), None);
        assert_eq!(parse_hidepid("", "/proc"), None);
    }

    #[test]
    fn limits_are_those_of_the_own_group() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("proc/stat", "btime 1700000000\n");
        put("proc/self/cgroup", "0::/system.slice/hostmeter.service\n");
        let host = Host::at(root.path()).unwrap();
        assert_eq!(limits(&host).unwrap(), Limits::default());
        let group = "sys/fs/cgroup/system.slice/hostmeter.service";
        put(&format!("{group}/memory.max"), "67108864\n");
        put(&format!("{group}/cpu.max"), "50000 100000\n");
        put(&format!("{group}/pids.max"), "max\n");
        let expected = Limits { memory: Some(64 << 20), cpus: Some(0.5), tasks: None };
        assert_eq!(limits(&host).unwrap(), expected);
        assert_eq!(parse_cpus("max 100000"), None);
    }

    #[test]
    fn room_is_that_of_the_directory_or_of_the_nearest_above() {
        let root = tempfile::tempdir().unwrap();
        let there = room(root.path()).unwrap();
        assert!(there.exists && there.writable && there.free > 0, "{there:?}");
        let below = room(&root.path().join("a/b")).unwrap();
        assert!(!below.exists && below.writable, "{below:?}");
        std::fs::write(root.path().join("file"), "").unwrap();
        assert!(!room(&root.path().join("file/queue")).unwrap().writable);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(CapEff:)?[ -~\\t\\n]{0,80}", options in "[ -~]{0,40}") {
            let _ = parse_capabilities(&text);
            let _ = parse_cpus(&text);
            let _ = parse_hidepid(&format!("1 2 0:3 / /proc rw - proc proc {options}"), "/proc");
        }
    }
}
