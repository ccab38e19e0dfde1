//! The cap on the disk, to the byte, and what it costs to the point.

use super::*;

#[test]
fn three_times_the_cap_never_takes_more_than_the_cap() {
    for most in [400_000, 1 << 20, 3_000_001] {
        let store = Simulated::default();
        let mut queue = open_with(&store, room(most), at(0));
        let (mut random, mut bytes, mut last) = (fastrand::Rng::with_seed(most), 0, 0);
        while bytes < 3 * most {
            last += 1;
            let size = random.usize(10..60_000);
            bytes += size as u64;
            queue.append(vec![batch(last, size)], 0, at(0));
            assert!(queue.allocated() <= most);
            assert_balanced(&queue);
        }
        assert!(store.world().peak <= most, "{} of {most}", store.world().peak);
        let delivered = drain(&mut queue);
        assert!(delivered.len() > 2, "{delivered:?}");
        let first = last + 1 - delivered.len() as u64;
        assert_eq!(delivered, range(first..=last));
        assert_eq!(queue.books().left(Fate::QueueFull), (1..first).sum::<u64>());
        assert_eq!(queue.news(), []);
    }
}

#[test]
fn a_cap_that_was_lowered_holds_from_the_next_batch_on() {
    let store = Simulated::default();
    let mut queue = open(&store);
    (1..=40).for_each(|number| queue.append(vec![batch(number, 50_000)], 0, at(0)));
    drop(queue);
    let mut queue = open_with(&store, room(1 << 20), at(0));
    queue.append(vec![batch(41, 50_000)], 0, at(0));
    assert!(queue.allocated() <= 1 << 20);
    let delivered = drain(&mut queue);
    assert_eq!(delivered.last(), Some(&41));
    assert_eq!(queue.books().left(Fate::QueueFull), (1..delivered[0]).sum::<u64>());
}

#[test]
fn what_was_put_aside_is_the_first_to_go() {
    let store = Simulated::default();
    append(&mut open(&store), 1..=3);
    let first = segments(&store)[0].clone();
    store.world().bytes(&first).resize(300_000, 7);
    store.world().bytes(&first)[..16].copy_from_slice(&segment::identity(2));
    let mut queue = open_with(&store, room(600_000), at(0));
    (4..=7).for_each(|number| queue.append(vec![batch(number, 100_000)], 0, at(0)));
    assert_eq!((drain(&mut queue), queue.books().left(Fate::QueueFull)), (vec![4, 5, 6, 7], 0));
    assert!(store.world().peak <= 600_000);
    assert!(!store.world().names.keys().any(|name| name.ends_with(".unknown")));
}

#[test]
fn a_batch_that_is_larger_than_the_share_costs_no_other() {
    let store = Simulated::default();
    let mut queue = open_with(&store, room(300_000), at(0));
    append(&mut queue, 1..=3);
    queue.append(vec![batch(4, 400_000)], 0, at(0));
    assert_eq!(queue.news().len(), 1);
    append(&mut queue, [5]);
    assert_eq!(drain(&mut queue), [1, 2, 3, 4, 5]);
    queue.append(vec![batch(6, 100)], 0, at(1));
    assert_eq!(queue.news()[0].text, "the queue is on disk again after 3600 s");
    assert!(store.world().peak <= 300_000);
}

#[test]
fn what_others_need_is_left_to_them() {
    let store = Simulated::default();
    store.world().total = 20 << 20;
    let disk = DiskLimits { bytes: 256 << 20, free: 2 << 20, share: 100, reserve: 50 };
    let mut queue = open_with(&store, disk, at(0));
    append(&mut queue, 1..=3);
    let left = (20 << 20) - store.world().allocated();
    store.world().others = left - (10 << 20) + 1;
    append(&mut queue, 4..=6);
    assert_eq!(queue.usage(at(0)).batches, 6);
    assert_eq!(segments(&store).len(), 1);
    assert!(queue.news()[0].text.contains("too little would be left free"));
    store.world().others = 0;
    queue.tend(at(1));
    assert!(queue.news()[0].good);
    drop(queue);
    assert_eq!(drain(&mut open_with(&store, disk, at(1))), [1, 2, 3, 4, 5, 6]);
}
