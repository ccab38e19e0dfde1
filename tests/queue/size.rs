//! What the file system says of the directory, and how long the directory takes to open.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Instant;

use super::*;

/// What `du` says of a directory.
fn du(directory: &Path) -> u64 {
    let blocks = |path: &Path| fs::symlink_metadata(path).map_or(0, |metadata| metadata.blocks() * 512);
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    blocks(directory) + entries.map(|entry| blocks(&entry.path())).sum::<u64>()
}

#[test]
fn the_cap_holds_at_every_moment_that_somebody_looks() {
    const MOST: u64 = 2_000_000;
    let directory = tempfile::tempdir().unwrap();
    let mut peak = 0;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut queue = Queue::open(limits(), &place(directory.path(), MOST), Moment::now()).unwrap();
            let (mut bytes, mut random) = (0, fastrand::Rng::with_seed(1));
            while bytes < 3 * MOST {
                let size = random.usize(100..40_000);
                append(&mut queue, &[size, size]);
                bytes += 2 * size as u64;
                assert_eq!(queue.allocated(), du(directory.path()));
            }
            assert!(queue.books().left(Fate::QueueFull) > 0);
            assert_eq!(queue.books().waiting(), drain(&mut queue) as u64);
        });
        while !writer.is_finished() {
            peak = peak.max(du(directory.path()));
        }
    });
    assert!(peak > MOST / 2 && peak <= MOST, "{peak} of {MOST}");
}

/// A day of an ordinary host is 5,760 batches of 35 kB; this is a little more.
#[test]
fn a_full_directory_opens_in_a_moment() {
    const MOST: u64 = 256 << 20;
    let directory = tempfile::tempdir().unwrap();
    let mut queue = Queue::open(limits(), &place(directory.path(), MOST), Moment::now()).unwrap();
    let mut batches = 0;
    while queue.books().left(Fate::QueueFull) == 0 {
        append(&mut queue, &[35_000; 100]);
        batches += 100;
    }
    let usage = queue.usage(Moment::now());
    assert!(batches > 7_000 && usage.bytes > MOST * 95 / 100, "{batches} {usage:?}");
    drop(queue);
    let began = Instant::now();
    let mut queue = Queue::open(limits(), &place(directory.path(), MOST), Moment::now()).unwrap();
    assert!(queue.peek(Moment::now()).is_some());
    let took = began.elapsed();
    assert_eq!(queue.usage(Moment::now()).batches, usage.batches);
    // 200 ms are promised; a busy machine that builds without optimization gets some more.
    assert!(took < Duration::from_millis(600), "{took:?}");
    println!("{} batches, {} bytes: open in {took:?}", usage.batches, usage.bytes);
}
