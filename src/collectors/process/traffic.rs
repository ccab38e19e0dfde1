//! Network traffic of a process that has a network namespace of its own, such as one in a container.
//!
//! The kernel counts traffic by namespace and not by process, so in the host's own namespace there is nothing
//! to tell, and processes that share another one all have its sum.

use crate::collectors::network;
use crate::host::pids::Pids;

const FILE: &str = "net/dev";

/// Bytes that went over the interfaces of one namespace, the loopback's not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traffic {
    pub received: u64,
    pub sent: u64,
}

/// The traffic of a process's namespace; none where it is that of the first process.
pub(super) fn read(pids: &Pids, pid: u32) -> Option<Traffic> {
    let own = pids.inode(pid, FILE).ok()?;
    if pids.inode(1, FILE).ok()? == own {
        return None;
    }
    let mut buffer = Vec::new();
    let text = pids.read(pid, FILE, &mut buffer).ok()?;
    let (received, sent) = network::total(&String::from_utf8_lossy(text))?;
    Some(Traffic { received, sent })
}
