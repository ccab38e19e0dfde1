//! The queue on a real file system.

// Clippy's leave for tests does not reach the helpers of an integration test.
#![allow(clippy::unwrap_used)]

mod files;
mod size;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use hostmeter::queue::{Batch, DiskLimits, Fate, InUse, Limits, Moment, Place, Queue};

fn limits() -> Limits {
    Limits { bytes: 8 << 20, age: Duration::from_hours(24) }
}

/// A directory that may take so many bytes, whatever the file system around it is like.
fn place(directory: &Path, bytes: u64) -> Place {
    let limits = DiskLimits { bytes, free: 0, share: 100, reserve: 0 };
    Place { directory: directory.to_path_buf(), limits, boot_id: 7 }
}

fn try_open(directory: &Path) -> Result<Queue, InUse> {
    Queue::open(limits(), &place(directory, 64 << 20), Moment::now())
}

fn open(directory: &Path) -> Queue {
    try_open(directory).unwrap()
}

fn append(queue: &mut Queue, sizes: &[usize]) {
    let batches = sizes.iter().map(|size| Batch { bytes: Bytes::from(vec![b'x'; *size]), points: 1 });
    queue.append(batches.collect(), 0, Moment::now());
}

/// Delivers everything, and returns how many batches that were.
fn drain(queue: &mut Queue) -> usize {
    let mut count = 0;
    while let Some(entry) = queue.peek(Moment::now()) {
        assert!(queue.settle(entry.sequence, Fate::Delivered, 0));
        count += 1;
    }
    count
}

fn texts(queue: &mut Queue) -> Vec<String> {
    queue.news().into_iter().map(|news| news.text).collect()
}
