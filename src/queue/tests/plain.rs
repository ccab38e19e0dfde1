//! The queue on the directory of macOS and Windows, on Linux.

use std::path::Path;

use super::super::storage::Storage;
use super::super::storage::plain::Directory;
use super::*;

fn open(path: &Path) -> Result<Queue, Option<u32>> {
    let path = path.to_path_buf();
    let opener: Opener =
        Box::new(move || Directory::open(&path).map(|directory| Box::new(directory) as Box<dyn Storage>));
    let run = Run { limits: room(64 << 20), origin: Origin::new(1, at(0)), trust: DAY / 2 };
    Queue::open_at(limits(), opener, run, at(0))
}

#[test]
fn what_waits_survives_the_agent() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("deep/down/queue");
    let mut queue = open(&directory).unwrap();
    // More than one segment of 4 MiB.
    for number in 0..12 {
        queue.append(vec![batch(number, 1 << 20)], 0, at(0));
    }
    let settled = queue.peek(at(0)).unwrap().sequence;
    assert!(queue.settle(settled, Fate::Delivered, 0));
    drop(queue);
    let mut queue = open(&directory).unwrap();
    for expected in 1..12 {
        let entry = queue.peek(at(0)).unwrap();
        assert_eq!(number(&entry), expected);
        assert!(queue.settle(entry.sequence, Fate::Delivered, 0));
    }
    assert!(queue.peek(at(0)).is_none());
    drop(queue);
    assert!(open(&directory).unwrap().peek(at(0)).is_none(), "what was delivered stays delivered");
}

#[test]
fn a_second_agent_is_told_who_the_first_is() {
    let parent = tempfile::tempdir().unwrap();
    let _first = open(parent.path()).unwrap();
    assert_eq!(open(parent.path()).err(), Some(Some(std::process::id())));
}
