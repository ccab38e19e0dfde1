//! A disk that fails while the agent runs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use rustix::io::Errno;

use super::super::storage::Refused;
use super::super::storage::simulated::{Event, Op};
use super::*;

fn texts(queue: &mut Queue) -> Vec<String> {
    queue.news().into_iter().map(|news| news.text).collect()
}

#[test]
fn a_full_disk_costs_nothing_while_there_is_memory() {
    let store = Simulated::default();
    let mut queue = open(&store);
    append(&mut queue, 1..=3);
    store.fail(|op, _| (op == Op::Write).then_some(Errno::NOSPC));
    append(&mut queue, 4..=6);
    assert_eq!(queue.usage(at(0)).batches, 6);
    let limit = limits().bytes + queue.usage(at(0)).bytes - 3 * 100;
    assert_eq!(queue.usage(at(0)).limit, limit, "the memory, and what is on disk");
    let said = "the queue's disk takes nothing: No space left on device (os error 28); batches wait in memory meanwhile";
    assert_eq!(texts(&mut queue), [said]);
    store.heal();
    // It is not asked again at once, but within half a minute by one who comes every ten seconds.
    queue.tend(after(Duration::from_secs(10)));
    assert_eq!((queue.news(), segments(&store).len()), (vec![], 1));
    queue.tend(after(Duration::from_secs(20)));
    assert_eq!(texts(&mut queue), ["the queue is on disk again after 20 s"]);
    drop(queue);
    assert_eq!(drain(&mut open(&store)), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn what_was_delivered_while_the_disk_was_full_is_not_sent_again() {
    let store = Simulated::default();
    let mut queue = open(&store);
    append(&mut queue, 1..=3);
    // A cursor is written in its place, which takes no room.
    store.fail(|op, name| (op == Op::Write && !name.starts_with("cursor")).then_some(Errno::NOSPC));
    append(&mut queue, 4..=6);
    assert_eq!(drain(&mut queue), [1, 2, 3, 4, 5, 6]);
    store.heal();
    append(&mut queue, [7]);
    drop(queue);
    let mut queue = open(&store);
    assert!(drain(&mut queue).is_empty());
    assert_eq!(queue.books().left(Fate::Lost), 7, "it was in memory when the process was killed");
}

#[test]
fn after_a_failed_sync_the_file_is_not_trusted_again() {
    let store = Simulated::default();
    let mut queue = open(&store);
    append(&mut queue, 1..=4);
    let entry = queue.peek(at(0)).unwrap();
    queue.settle(entry.sequence, Fate::Delivered, 0);
    let old = segments(&store)[0].clone();
    let file = store.world().names[&old];
    store.fail(|op, name| (op == Op::Sync && !name.starts_with("cursor")).then_some(Errno::IO));
    append(&mut queue, [5]);
    store.heal();
    let healed = store.world().journal.len();
    // What failed to be synced may be gone from the disk at any time.
    let length = store.world().bytes(&old).len();
    store.world().bytes(&old)[length - 100..].fill(0);
    queue.tend(at(1));
    let touched = store.world().journal[healed..]
        .iter()
        .any(|event| matches!(event, Event::Sync { file: f } | Event::Write { file: f, .. } if *f == file));
    assert!(!touched, "the file of the failed sync was used again");
    append(&mut queue, [6]);
    queue.peek(at(1));
    assert!(!segments(&store).contains(&old));
    drop(queue);
    assert_eq!(drain(&mut open(&store)), [2, 3, 4, 5, 6]);
}

#[test]
fn a_batch_in_flight_survives_that_its_segment_is_written_anew() {
    let store = Simulated::default();
    let mut queue = open(&store);
    append(&mut queue, 1..=3);
    let flying = queue.peek(at(0)).unwrap();
    store.fail(|op, name| (op == Op::Sync && !name.starts_with("cursor")).then_some(Errno::IO));
    append(&mut queue, [4]);
    store.heal();
    queue.tend(at(1));
    assert!(queue.settle(flying.sequence, Fate::Delivered, 0));
    assert_eq!(drain(&mut queue), [2, 3, 4]);
}

#[test]
fn a_cursor_that_cannot_be_written_is_made_anew() {
    let store = Simulated::default();
    let mut queue = open(&store);
    append(&mut queue, 1..=3);
    store.fail(|op, name| (op == Op::Write && name.starts_with("cursor")).then_some(Errno::IO));
    let entry = queue.peek(at(0)).unwrap();
    queue.settle(entry.sequence, Fate::Delivered, 0);
    store.heal();
    append(&mut queue, [4]);
    drop(queue);
    assert_eq!(drain(&mut open(&store)), [2, 3, 4]);
}

/// A directory that can be opened only when the switch is on.
fn sometimes(store: &Simulated) -> (Queue, Arc<AtomicBool>) {
    let there = Arc::new(AtomicBool::new(false));
    let (directory, switch) = (store.clone(), Arc::clone(&there));
    let opener: Opener = Box::new(move || {
        let there = switch.load(Ordering::Relaxed);
        there.then(|| Box::new(directory.clone()) as _).ok_or(Refused::Unusable(Errno::ROFS.into()))
    });
    let run = Run { limits: room(64 << 20), origin: Origin::new(1, at(0)), trust: DAY / 2 };
    (Queue::open_at(limits(), opener, run, at(0)).unwrap(), there)
}

#[test]
fn a_directory_that_is_not_there_at_the_start_is_used_when_it_comes() {
    let store = Simulated::default();
    append(&mut open(&store), 1..=9);
    let (mut queue, there) = sometimes(&store);
    let said = "the queue's disk takes nothing: Read-only file system (os error 30); batches wait in memory meanwhile";
    assert_eq!(texts(&mut queue), [said]);
    append(&mut queue, 10..=12);
    assert_eq!(queue.peek(at(0)).unwrap().points, 10);
    there.store(true, Ordering::Relaxed);
    queue.tend(at(1));
    assert_balanced(&queue);
    assert_eq!(queue.books().taken(), (1..=12).sum::<u64>());
    append(&mut queue, 13..=14);
    assert_eq!(drain(&mut queue), range(1..=14));
    drop(queue);
    assert!(drain(&mut open(&store)).is_empty());
}

#[test]
fn a_directory_that_another_process_has_is_an_error_at_the_start_only() {
    let opener: Opener = Box::new(|| Err(Refused::Held(Some(4711))));
    let run = Run { limits: room(64 << 20), origin: Origin::new(1, at(0)), trust: DAY / 2 };
    assert_eq!(Queue::open_at(limits(), opener, run, at(0)).err(), Some(Some(4711)));
    let directory = "/var/lib/hostmeter".into();
    let error = InUse { directory, holder: Some(4711) }.to_string();
    assert_eq!(error, "queue.directory: /var/lib/hostmeter is in use: the process 4711 has it");
}

#[test]
fn a_directory_that_was_moved_away_is_read_and_not_written() {
    let store = Simulated::default();
    let mut queue = open(&store);
    append(&mut queue, 1..=3);
    store.world().moved = true;
    append(&mut queue, 4..=6);
    assert_eq!(texts(&mut queue).len(), 1);
    for expected in 1..=4 {
        let entry = queue.peek(at(0)).unwrap();
        assert_eq!(number(&entry), expected);
        queue.settle(entry.sequence, Fate::Delivered, 0);
    }
    store.world().moved = false;
    queue.tend(at(1));
    assert_eq!(drain(&mut queue), [5, 6]);
}

#[test]
fn a_directory_that_was_removed_is_made_anew() {
    let (store, other) = (Simulated::default(), Simulated::default());
    let directories = [store.clone(), other.clone()];
    let mut directories = directories.into_iter();
    let next = std::sync::Mutex::new(move || directories.next());
    let opener: Opener = Box::new(move || {
        let directory = next.lock().unwrap()().ok_or(Refused::Unusable(io::ErrorKind::NotFound.into()))?;
        Ok(Box::new(directory))
    });
    let run = Run { limits: room(64 << 20), origin: Origin::new(1, at(0)), trust: DAY / 2 };
    let mut queue = Queue::open_at(limits(), opener, run, at(0)).unwrap();
    append(&mut queue, 1..=3);
    store.world().moved = true;
    append(&mut queue, 4..=6);
    queue.tend(at(1));
    assert_balanced(&queue);
    assert_eq!(queue.books().left(Fate::Lost), 1 + 2 + 3);
    drop(queue);
    let mut queue = open(&other);
    assert_eq!(drain(&mut queue), [4, 5, 6]);
    assert_eq!(queue.books().taken(), (1..=6).sum::<u64>());
}

#[test]
fn a_record_that_the_disk_has_lost_is_given_up_after_the_third_time() {
    let store = Simulated::default();
    append(&mut open(&store), 1..=3);
    let mut queue = open(&store);
    let mut reads = 0;
    // The header of the first record can be read, and its payload cannot.
    store.fail(move |op, name| {
        reads += u32::from(op == Op::Read && name.strip_suffix(".log").is_some());
        (op == Op::Read && [2, 3, 4].contains(&reads)).then_some(Errno::IO)
    });
    for minutes in 0..2 {
        assert!(queue.peek(after(Duration::from_mins(minutes))).is_none());
    }
    assert_eq!(texts(&mut queue).len(), 1);
    assert_eq!(number(&queue.peek(after(Duration::from_mins(2))).unwrap()), 2);
    assert_eq!(queue.books().left(Fate::Lost), 1);
    assert_eq!(texts(&mut queue), ["what waits on disk can be read again"]);
    assert_eq!(drain(&mut queue), [2, 3]);
}

#[test]
fn while_the_disk_cannot_be_read_newer_batches_go_first_and_none_is_lost() {
    let store = Simulated::default();
    append(&mut open(&store), 1..=3);
    let mut queue = open(&store);
    store.fail(|op, _| [Op::Open, Op::Write, Op::Create].contains(&op).then_some(Errno::ACCESS));
    append(&mut queue, 4..=6);
    let entry = queue.peek(at(0)).unwrap();
    assert_eq!(number(&entry), 4);
    assert!(queue.settle(entry.sequence, Fate::Delivered, 0));
    store.heal();
    queue.tend(at(1));
    assert_eq!(number(&queue.peek(at(1)).unwrap()), 1);
    assert_eq!(drain(&mut queue), [1, 2, 3, 5, 6]);
}

#[test]
fn the_end_of_the_program_brings_to_the_disk_what_is_in_memory() {
    let store = Simulated::default();
    let mut queue = open(&store);
    store.fail(|op, _| (op == Op::Write).then_some(Errno::IO));
    append(&mut queue, 1..=3);
    store.heal();
    assert_eq!(queue.close(at(0)), 0);
    append(&mut queue, [4]);
    let mut queue = open(&store);
    assert_eq!(queue.books().left(Fate::Shutdown), 4);
    store.fail(|op, _| (op == Op::Write).then_some(Errno::IO));
    append(&mut queue, 5..=6);
    assert_eq!(queue.close(at(0)), 11);
    assert_eq!(queue.books().left(Fate::Shutdown), 15);
    assert_balanced(&queue);
    store.heal();
    assert_eq!(drain(&mut open(&store)), [1, 2, 3]);
}

#[test]
fn where_disk_and_memory_are_full_the_oldest_on_disk_makes_way() {
    let store = Simulated::default();
    store.world().total = 64 << 20;
    let disk = DiskLimits { bytes: 2 << 20, free: 0, share: 100, reserve: 0 };
    let mut queue = open_with(&store, disk, at(0));
    (1..=16).for_each(|number| queue.append(vec![batch(number, 100_000)], 0, at(0)));
    // Others take all that is left.
    let ours = store.world().allocated();
    store.world().others = (64 << 20) - ours;
    let mut dropped = 0;
    for number in 17..=60 {
        queue.append(vec![batch(number, 100_000)], 0, at(0));
        assert_balanced(&queue);
        let full = queue.books().left(Fate::QueueFull);
        assert!(number > 26 || full == 0, "memory was not full yet");
        dropped = full;
    }
    let delivered = drain(&mut queue);
    assert_eq!(delivered, range(61 - delivered.len() as u64..=60));
    assert_eq!((1..delivered[0]).sum::<u64>(), dropped);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever fails at random but reading: the order holds, nothing is lost and nothing sent twice.
    #[test]
    fn random_faults_cost_nothing(seed in any::<u64>(), rate in 1..60_u8) {
        let store = Simulated::default();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut faults = random.fork();
        let mut queue = open(&store);
        store.fail(move |op, _| {
            let strikes = faults.u8(0..100) < rate && ![Op::Read, Op::Open, Op::List].contains(&op);
            strikes.then(|| [Errno::IO, Errno::NOSPC, Errno::ROFS][faults.usize(0..3)])
        });
        let (mut delivered, mut next) = (Vec::new(), 1);
        for second in 0..120 {
            let now = after(Duration::from_secs(second * 7));
            if random.bool() {
                queue.append(vec![batch(next, random.usize(8..3_000))], 0, now);
                next += 1;
            } else if let Some(entry) = queue.peek(now) {
                delivered.push(number(&entry));
                prop_assert!(queue.settle(entry.sequence, Fate::Delivered, 0));
            }
            assert_balanced(&queue);
        }
        store.heal();
        prop_assert_eq!(queue.close(at(9)), 0);
        drop(queue);
        delivered.extend(drain(&mut open(&store)));
        prop_assert_eq!(delivered, range(1..next));
    }
}
