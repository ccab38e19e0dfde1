//! Descriptors of the kernel's tables, kept from one reading to the next: half of what a small file costs is finding
//! it, opening it and closing it.
//!
//! Only what says the same through an old descriptor as through a new one is kept: what a procfs has of the whole
//! machine, not what it has of a process (the mounts and the namespace of a process are those of the moment of the
//! opening) but for the network of the first one, which never leaves its namespace; and nothing of a sysfs, where a
//! device and its files come and go, but for the list of CPUs.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// There are some twenty such files; a host of which more are asked opens the rest each time.
const MOST: usize = 32;

/// The CPUs that are online.
const CPUS: &str = "sys/devices/system/cpu/online";

/// The host's network namespace.
const NETWORK: &str = "proc/1/net/";

/// The descriptors, by path. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    files: Arc<Mutex<HashMap<Box<str>, File>>>,
}

impl Kept {
    /// Whether a file of the kernel's is one that may be kept.
    pub(super) fn allows(path: &str) -> bool {
        if path == CPUS || path.starts_with(NETWORK) {
            return true;
        }
        path.strip_prefix("proc/").is_some_and(|name| {
            let first = name.split('/').next().unwrap_or_default();
            // `net`, `mounts` and `self` lead into the directory of a process.
            !first.starts_with(|letter: char| letter.is_ascii_digit())
                && !["net", "mounts", "self", "thread-self"].contains(&first)
        })
    }

    /// Reads by the kept descriptor, or by one that `open` makes where there is none or it fails.
    ///
    /// It is taken out for so long: a file that does not answer holds up nobody else, and two who read the same one
    /// at the same time have a descriptor each.
    pub(super) fn read<T>(
        &self,
        path: &str,
        open: impl FnOnce() -> io::Result<File>,
        read: impl Fn(&File) -> io::Result<T>,
    ) -> io::Result<T> {
        let known = self.files().remove_entry(path);
        if let Some((path, file)) = known
            && let Ok(value) = read(&file)
        {
            self.files().insert(path, file);
            return Ok(value);
        }
        // What an unloaded module's file was fails for ever; there may be another by its name.
        let file = open()?;
        let value = read(&file)?;
        let mut files = self.files();
        if files.len() < MOST {
            files.insert(path.into(), file);
        }
        Ok(value)
    }

    fn files(&self) -> MutexGuard<'_, HashMap<Box<str>, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_the_whole_machine_may_be_kept() {
        for path in ["proc/stat", "proc/pressure/cpu", "proc/uptime", "proc/1/net/dev", CPUS] {
            assert!(Kept::allows(path), "{path}");
        }
        for path in [
            "proc/1/mountinfo",
            "proc/11/net/dev",
            "proc/self/mountinfo",
            "proc/net/tcp",
            "proc/mounts",
            "sys/block",
            "etc/passwd",
        ] {
            assert!(!Kept::allows(path), "{path}");
        }
    }

    #[test]
    fn a_file_is_opened_once_and_again_when_it_fails() {
        let kept = Kept::default();
        let opened = std::cell::Cell::new(0);
        let ask = |answer: io::Result<u8>| {
            let open = || {
                opened.set(opened.get() + 1);
                tempfile::tempfile()
            };
            let first = std::cell::Cell::new(Some(answer));
            kept.read("proc/stat", open, |_| first.take().unwrap_or(Ok(9)))
        };
        assert_eq!(ask(Ok(1)).unwrap(), 1);
        assert_eq!((ask(Ok(2)).unwrap(), opened.get()), (2, 1));
        assert_eq!((ask(Err(io::ErrorKind::Other.into())).unwrap(), opened.get()), (9, 2));
        assert_eq!((ask(Ok(3)).unwrap(), opened.get()), (3, 2));
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let kept = Kept::default();
        for number in 0..MOST + 5 {
            kept.read(&format!("proc/{number}x"), tempfile::tempfile, |_| Ok(())).unwrap();
        }
        assert_eq!(kept.files().len(), MOST);
    }
}
