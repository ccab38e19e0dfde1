//! The queue against its promises, a model, crashes, damage and a disk that fails.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;

use super::storage::simulated::Simulated;
use super::*;

mod cap;
mod corruption;
mod crash;
mod memory;
mod model;
mod plain;
mod recovery;
mod trouble;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Some moment of the first boot, `hours` after another.
fn at(hours: u64) -> Moment {
    after(HOUR * u32::try_from(hours).unwrap())
}

fn after(duration: Duration) -> Moment {
    Moment { boot: HOUR + duration, time: UNIX_EPOCH + Duration::from_secs(1_700_000_000) + duration }
}

/// A disk on which we may take so many bytes.
fn room(bytes: u64) -> DiskLimits {
    DiskLimits { bytes, free: 0, share: 100, reserve: 0 }
}

fn limits() -> Limits {
    Limits { bytes: 1 << 20, age: DAY }
}

fn open_with(store: &Simulated, disk: DiskLimits, now: Moment) -> Queue {
    let directory = store.clone();
    let opener: Opener = Box::new(move || Ok(Box::new(directory.clone()) as Box<dyn Storage>));
    let run = Run { limits: disk, origin: Origin::new(1, now), trust: DAY / 2 };
    Queue::open_at(limits(), opener, run, now).unwrap()
}

fn open(store: &Simulated) -> Queue {
    open_with(store, room(64 << 20), at(0))
}

/// The batch with a number, which is in its bytes and in its points.
fn batch(number: u64, size: usize) -> Batch {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(size.max(8), number as u8);
    Batch { bytes: Bytes::from(bytes), points: number }
}

/// Which batch the bytes are of; the bytes must be whole.
fn number(entry: &Entry) -> u64 {
    let number = u64::from_le_bytes(entry.bytes[..8].try_into().unwrap());
    assert_eq!(entry.bytes, batch(number, entry.bytes.len()).bytes);
    assert_eq!(entry.points, number);
    number
}

fn append(queue: &mut Queue, numbers: impl IntoIterator<Item = u64>) {
    numbers.into_iter().for_each(|number| queue.append(vec![batch(number, 100)], 0, at(0)));
}

fn range(numbers: impl Iterator<Item = u64>) -> Vec<u64> {
    numbers.collect()
}

/// Delivers everything, and returns what it was.
fn drain(queue: &mut Queue) -> Vec<u64> {
    let mut delivered = Vec::new();
    while let Some(entry) = queue.peek(at(0)) {
        delivered.push(number(&entry));
        assert!(queue.settle(entry.sequence, Fate::Delivered, 0));
        assert_balanced(queue);
    }
    delivered
}

fn assert_balanced(queue: &Queue) {
    assert_eq!(queue.usage(at(0)).points, queue.books().waiting(), "{:?}", queue.books());
}

fn segments(store: &Simulated) -> Vec<String> {
    store.world().names.keys().filter(|name| name.strip_suffix(".log").is_some()).cloned().collect()
}
