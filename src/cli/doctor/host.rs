//! The host, and what this process may see of it.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytesize::ByteSize;

use crate::agent::Measuring;
use crate::host::rights::{Capabilities, Limits};
use crate::host::{Host, rights};

use super::report::{Finding, Report};

/// Longer than a cycle of the sampler may take.
const BUDGET: Duration = Duration::from_secs(3);

/// This program was not there before 2025, and a clock past 2100 is one whose battery is empty.
const YEARS: (u64, u64) = (1_735_689_600, 4_102_444_800);

/// What the agent needs at 10,000 processes, with room for a full queue.
const MEMORY: u64 = 64 << 20;

/// Threads that it may have at its worst.
const TASKS: u64 = 24;

pub(super) fn clock(now: SystemTime) -> Finding {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let shown = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    if (YEARS.0..YEARS.1).contains(&seconds) {
        return Finding::ok("clock", shown);
    }
    Finding::problem("clock", shown, "set the clock (NTP): receivers refuse points of another time")
}

pub(super) fn user(root: bool, capabilities: Option<Capabilities>) -> Finding {
    if root {
        return Finding::warning(
            "user",
            "root, which the agent does not need",
            "run it as another user; for all metrics of other users' processes, that user needs CAP_SYS_PTRACE and \
             CAP_DAC_READ_SEARCH",
        );
    }
    let remedy = "give the capability to the service (AmbientCapabilities=), if you want these metrics";
    match capabilities {
        Some(Capabilities { sys_ptrace: true, dac_read_search: true }) => {
            Finding::ok("user", "not root, with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH")
        }
        Some(Capabilities { sys_ptrace: true, .. }) => Finding::warning(
            "user",
            "without CAP_DAC_READ_SEARCH: no process.disk.io and process.disk.operations of other users' processes",
            remedy,
        ),
        Some(Capabilities { dac_read_search: true, .. }) => Finding::warning(
            "user",
            "without CAP_SYS_PTRACE: no process.disk.io, process.disk.operations and path of the executable of other \
             users' processes",
            remedy,
        ),
        _ => Finding::warning(
            "user",
            "without CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH: no process.disk.io, process.disk.operations and path of \
             the executable of other users' processes; on older kernels no count of their files",
            remedy,
        ),
    }
}

pub(super) fn limits(limits: Limits) -> Finding {
    let Limits { memory, cpus, tasks } = limits;
    let shown = [
        memory.map(|bytes| format!("memory {}", ByteSize(bytes))),
        cpus.map(|cpus| format!("{cpus:.2} CPUs")),
        tasks.map(|tasks| format!("{tasks} tasks")),
    ];
    let shown = shown.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if memory.is_some_and(|bytes| bytes < MEMORY) {
        let remedy = "give it 64 MiB, or lower queue.memory_limit and collectors.process.top_n";
        return Finding::warning("limits", shown, remedy);
    }
    if tasks.is_some_and(|tasks| tasks < TASKS) {
        let remedy = "give it 64 tasks: threads that hang in the kernel are replaced by others";
        return Finding::warning("limits", shown, remedy);
    }
    Finding::ok("limits", if shown.is_empty() { "none".to_owned() } else { shown })
}

pub(super) fn examine(measuring: &Measuring, own: Option<&Host>, report: &mut Report) {
    let host = &measuring.host;
    report.add(boot(host.boot_time, SystemTime::now()));
    if host.tells_by_files() {
        report.add(root(host));
        linux(measuring, own, report);
    }
    collectors(measuring, report);
}

fn linux(measuring: &Measuring, own: Option<&Host>, report: &mut Report) {
    let host = &measuring.host;
    let hidden = own.and_then(|own| rights::hidepid(own, host.root()));
    let sees = own.and_then(rights::capabilities).is_some_and(|capabilities| capabilities.sys_ptrace);
    report.add(hidepid(hidden.as_deref(), sees));
    let contained = measuring.resource.get("container.id").is_some();
    report.add(container(contained, host.root()));
}

fn root(host: &Host) -> Finding {
    let shown = host.root().display().to_string();
    let missing: Vec<_> = ["proc/meminfo", "proc/loadavg", "proc/self/stat"]
        .into_iter()
        .filter(|path| host.read(path).is_err())
        .collect();
    if missing.is_empty() {
        return Finding::ok("root", shown);
    }
    let found = format!("{shown} has no {}", missing.join(", "));
    Finding::problem("root", found, "what is at proc is not a kernel's: mount the host's / there")
}

fn boot(boot: SystemTime, now: SystemTime) -> Finding {
    if now >= boot {
        return Finding::ok("boot", humantime::format_rfc3339_seconds(boot).to_string());
    }
    let found = "the host started in the future, by its clock";
    Finding::problem("boot", found, "set the clock (NTP), and restart the agent afterwards")
}

fn hidepid(hidden: Option<&str>, sees_all: bool) -> Finding {
    match hidden {
        None => Finding::ok("hidepid", "other users' processes are visible"),
        Some(value) if sees_all => {
            Finding::ok("hidepid", format!("{value}, which CAP_SYS_PTRACE sees through"))
        }
        Some(value) => Finding::warning(
            "hidepid",
            format!("{value}: other users' processes are invisible"),
            "give the capability CAP_SYS_PTRACE, or the group of the mount option gid=",
        ),
    }
}

fn container(contained: bool, root: &Path) -> Finding {
    match (contained, root == Path::new("/")) {
        (false, _) => Finding::ok("container", "not in one"),
        (true, false) => Finding::ok("container", format!("in one, with the host at {}", root.display())),
        (true, true) => Finding::warning(
            "container",
            "in one, without the host: what is measured is what the container sees",
            "for the host, mount its / read-only at /host and share its PID namespace",
        ),
    }
}

fn collectors(measuring: &Measuring, report: &mut Report) {
    measuring.sampler.snapshot(BUDGET);
    let counts = measuring.stats.read().collectors;
    let bad: Vec<String> = counts
        .iter()
        .filter(|(_, stats)| stats.errors.keys().any(|kind| !matches!(*kind, "unavailable" | "permission")))
        .map(|(name, stats)| format!("{name} ({})", stats.problem.as_deref().unwrap_or("late")))
        .collect();
    let points: usize = counts.values().map(|stats| stats.points).sum();
    if bad.is_empty() {
        report.add(Finding::ok("collectors", format!("{} give {points} points", counts.len())));
    } else {
        let remedy = "hostmeter check tells more of each";
        report.add(Finding::warning("collectors", format!("trouble with {}", bad.join(", ")), remedy));
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict::{self, Ok, Problem, Warning};
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_clock_is_right_or_to_be_set() {
        assert_eq!(clock(at(1_795_182_585)).verdict, Ok);
        assert_eq!(clock(at(0)).verdict, Problem);
        assert_eq!(clock(UNIX_EPOCH - Duration::from_secs(9)).verdict, Problem);
        assert_eq!(clock(at(5_000_000_000)).verdict, Problem);
        assert_eq!((boot(at(1), at(2)).verdict, boot(at(2), at(1)).verdict), (Ok, Problem));
    }

    #[test]
    fn what_is_missing_without_a_capability_is_named() {
        let user = |root, sys_ptrace, dac_read_search| {
            user(root, Some(Capabilities { sys_ptrace, dac_read_search }))
        };
        assert_eq!(user(true, true, true).verdict, Warning);
        assert_eq!(user(false, true, true).verdict, Ok);
        for (finding, missing) in [
            (user(false, true, false), "CAP_DAC_READ_SEARCH"),
            (user(false, false, true), "CAP_SYS_PTRACE"),
            (user(false, false, false), "CAP_SYS_PTRACE and"),
        ] {
            assert_eq!(finding.verdict, Warning);
            assert!(
                finding.found.contains(missing) && finding.found.contains("process.disk.io"),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn limits_are_shown_and_small_ones_are_warned_of() {
        assert_eq!(limits(Limits::default()), Finding::ok("limits", "none"));
        let small = limits(Limits { memory: Some(32 << 20), cpus: Some(0.5), tasks: Some(64) });
        assert_eq!((small.verdict, small.found.as_str()), (Warning, "memory 32.0 MiB, 0.50 CPUs, 64 tasks"));
        assert_eq!(limits(Limits { tasks: Some(8), ..Limits::default() }).verdict, Warning);
        assert_eq!(limits(Limits { memory: Some(64 << 20), ..Limits::default() }).verdict, Ok);
    }

    #[test]
    fn hidden_processes_and_a_container_alone_are_warned_of() {
        let verdict = |finding: Finding| -> Verdict { finding.verdict };
        assert_eq!(verdict(hidepid(None, false)), Ok);
        assert_eq!(verdict(hidepid(Some("2"), true)), Ok);
        assert_eq!(verdict(hidepid(Some("invisible"), false)), Warning);
        assert_eq!(verdict(container(false, Path::new("/"))), Ok);
        assert_eq!(verdict(container(true, Path::new("/host"))), Ok);
        assert_eq!(verdict(container(true, Path::new("/"))), Warning);
    }

    #[test]
    fn a_root_that_is_no_kernels_is_a_problem() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("proc")).unwrap();
        std::fs::write(directory.path().join("proc/stat"), "btime 1700000000\n").unwrap();
        let finding = root(&Host::at(directory.path()).unwrap());
        assert_eq!(finding.verdict, Problem);
        assert!(finding.found.contains("proc/meminfo"), "{finding:?}");
        assert_eq!(root(&Host::at("/").unwrap()).verdict, Ok);
    }
}
