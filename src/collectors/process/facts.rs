//! What is known of a process beside `stat`, each fact read when it is first asked for and not before.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::host::pids::Pids;
use crate::host::{Host, container_id};

use super::arguments::{self, Form};
use super::table::Process;

/// The names of users, by their number.
#[derive(Debug, Default)]
pub(super) struct Owners {
    users: HashMap<u32, Arc<str>>,
}

impl Owners {
    /// The users of the host's `/etc/passwd` (passwd(5)).
    pub(super) fn read(host: &Host) -> Self {
        Self { users: host.read("etc/passwd").map(|text| users(&text)).unwrap_or_default() }
    }

    /// The name of a user; the number where the host's `/etc/passwd` does not have it.
    pub(super) fn name(&self, uid: u32) -> Arc<str> {
        self.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string().into())
    }
}

/// The facts of one process.
pub(super) struct Facts<'a> {
    pids: &'a Pids,
    owners: &'a Owners,
    pid: u32,
    kernel_thread: bool,
    name: String,
    owner: OnceCell<Option<Arc<str>>>,
    executable: OnceCell<Option<String>>,
    cgroup: OnceCell<Option<String>>,
    arguments: OnceCell<Option<String>>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(process: &Process, pids: &'a Pids, owners: &'a Owners) -> Self {
        Self {
            pids,
            owners,
            pid: process.pid,
            kernel_thread: process.stat.kernel_thread,
            name: String::from_utf8_lossy(process.stat.name()).into_owned(),
            owner: OnceCell::new(),
            executable: OnceCell::new(),
            cgroup: OnceCell::new(),
            arguments: OnceCell::new(),
        }
    }

    /// The kernel's name of the process.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The owner's name.
    pub(super) fn owner(&self) -> Option<&str> {
        self.shared_owner().map(|owner| &**owner)
    }

    /// The owner's name, shared.
    pub(super) fn shared_owner(&self) -> Option<&Arc<str>> {
        self.owner.get_or_init(|| Some(self.owners.name(self.pids.owner(self.pid).ok()?))).as_ref()
    }

    /// The path of the executable; kernel threads have none, and others may not be read.
    pub(super) fn executable_path(&self) -> Option<&str> {
        let read = || {
            let path = self.pids.executable(self.pid).ok().filter(|_| !self.kernel_thread)?;
            Some(path.strip_suffix(" (deleted)").map_or(path.clone(), str::to_owned))
        };
        self.executable.get_or_init(read).as_deref()
    }

    /// The kernel's name, which is cut at 15 bytes: in full where the executable's name goes on with it.
    pub(super) fn title(&self) -> &str {
        let executable = self.executable_name();
        if self.name.len() >= 15 && executable.starts_with(&*self.name) { executable } else { &self.name }
    }

    /// The base name of the executable; the kernel's name where there is no path, and where the program is in
    /// a file of memory that has none (memfd_create(2)).
    pub(super) fn executable_name(&self) -> &str {
        let path = self.executable_path().filter(|path| !path.starts_with("/memfd:"));
        let base = path.and_then(|path| path.rsplit('/').next());
        base.filter(|base| !base.is_empty()).unwrap_or(&self.name)
    }

    /// The path of the cgroup.
    pub(super) fn cgroup(&self) -> Option<&str> {
        let read = || {
            let mut buffer = Vec::new();
            let text = self.pids.read(self.pid, "cgroup", &mut buffer).ok()?;
            cgroup(&String::from_utf8_lossy(text)).map(str::to_owned)
        };
        self.cgroup.get_or_init(read).as_deref()
    }

    /// The id of the container that the process runs in.
    pub(super) fn container(&self) -> Option<String> {
        container_id::from_cgroup(self.cgroup()?)
    }

    /// The arguments as they are, for matching only: they may hold secrets and never leave this process.
    pub(super) fn arguments(&self) -> Option<&str> {
        let read = || {
            let text = self.raw_arguments()?;
            Some(String::from_utf8_lossy(&text).replace('\0', " ").trim_end().to_owned())
        };
        self.arguments.get_or_init(read).as_deref()
    }

    /// The arguments in a form that may leave.
    pub(super) fn command_line(&self, form: Form) -> Option<String> {
        arguments::render(&self.raw_arguments()?, form)
    }

    /// The base name of the first argument, without what else a process may have written there: of
    /// `nginx: worker process` the first word.
    pub(super) fn command(&self) -> Option<String> {
        let text = self.raw_arguments()?;
        let first = text.split(|byte| *byte == 0 || *byte == b' ').next()?;
        let first = first.strip_suffix(b":").unwrap_or(first);
        let base = first.rsplit(|byte| *byte == b'/').next().filter(|base| !base.is_empty())?;
        Some(String::from_utf8_lossy(base).into_owned())
    }

    fn raw_arguments(&self) -> Option<Vec<u8>> {
        let mut buffer = Vec::new();
        let read = self.pids.read(self.pid, "cmdline", &mut buffer).ok()?.len();
        buffer.truncate(read);
        Some(buffer)
    }
}

/// The cgroup's path in `/proc/<pid>/cgroup` (cgroups(7)): that of version 2, else of systemd's hierarchy,
/// else of the first one that is not the root.
pub(super) fn cgroup(text: &str) -> Option<&str> {
    let lines = || {
        text.lines().filter_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            Some((number, controllers, path))
        })
    };
    let unified = || lines().find(|(number, _, _)| *number == "0").filter(|(_, _, path)| *path != "/");
    let systemd = || lines().find(|(_, name, _)| *name == "name=systemd").filter(|(_, _, path)| *path != "/");
    let found = unified().or_else(systemd).or_else(|| lines().find(|(_, _, path)| *path != "/"));
    found.or_else(|| lines().next()).map(|(_, _, path)| path)
}

/// `/etc/passwd`: user names by their number; the first entry of a number wins.
fn users(text: &str) -> HashMap<u32, Arc<str>> {
    let mut users = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty());
        let uid = fields.nth(1).and_then(|uid| uid.parse().ok());
        if let (Some(name), Some(uid)) = (name, uid) {
            users.entry(uid).or_insert_with(|| name.into());
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn users_are_read_from_passwd() {
        let users = users("root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbad\nx:x:n\n");
        assert_eq!(users.len(), 1);
        assert_eq!(&*users[&0], "root");
    }

    #[test]
    fn the_cgroup_is_that_of_version_2_where_there_is_one() {
        assert_eq!(cgroup("0::/system.slice/ssh.service\n"), Some("/system.slice/ssh.service"));
        let hybrid = "9:pids:/user.slice\n1:name=systemd:/user.slice/a:b.scope\n0::/\n";
        assert_eq!(cgroup(hybrid), Some("/user.slice/a:b.scope"));
        assert_eq!(cgroup("4:memory:/\n3:cpu,cpuacct:/docker/abc\n"), Some("/docker/abc"));
        assert_eq!(cgroup("0::/\n"), Some("/"));
        assert_eq!(cgroup("garbage"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = cgroup(&text);
            let _ = users(&text);
        }
    }
}
