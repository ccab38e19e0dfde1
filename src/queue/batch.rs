//! The nouns of the queue.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::room::DiskLimits;
use super::tier::held;

/// How much may wait, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all batches in memory together.
    pub bytes: u64,
    /// The age at which a batch is dropped.
    pub age: Duration,
}

impl Default for Limits {
    /// 8 MiB hold an hour of a host with 300 processes; who must bridge a day gives the queue a disk.
    fn default() -> Self {
        Self { bytes: 8 << 20, age: Duration::from_hours(24) }
    }
}

/// Where batches wait that are to survive the process.
#[derive(Debug, Clone)]
pub struct Place {
    /// The directory. It is made where it is missing, and belongs to one process at a time.
    pub directory: PathBuf,
    /// How much of the disk it may take.
    pub limits: DiskLimits,
    /// Names the boot, whose clock tells ages; 0 where the host does not say.
    pub boot_id: u128,
}

/// Another process has the directory.
#[derive(Debug, thiserror::Error)]
#[error("queue.directory: {} is in use: {}", .directory.display(), held(*.holder))]
pub struct InUse {
    pub(super) directory: PathBuf,
    pub(super) holder: Option<u32>,
}

/// What waits: bytes that are sent as they are.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The bytes.
    pub bytes: Bytes,
    /// How many points they hold.
    pub points: u64,
}

/// The oldest batch, as [`Queue::peek`](super::Queue::peek) hands it out.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Names the batch in [`Queue::settle`](super::Queue::settle). Never given twice.
    pub sequence: u64,
    /// The bytes.
    pub bytes: Bytes,
    /// How many points they hold.
    pub points: u64,
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes of all batches together.
    pub bytes: u64,
    /// Bytes that may wait as things are: a disk that takes nothing counts with what it has.
    pub limit: u64,
    /// How many batches.
    pub batches: u64,
    /// How many points they hold.
    pub points: u64,
    /// When the oldest was taken in, as the wall clock stands now.
    pub oldest: Option<SystemTime>,
}
