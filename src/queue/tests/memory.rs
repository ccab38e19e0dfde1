//! The tier in memory alone.

use super::*;

fn queue(bytes: u64) -> Queue {
    Queue::in_memory(Limits { bytes, age: DAY })
}

fn plain(size: usize, points: u64) -> Batch {
    Batch { bytes: Bytes::from(vec![0; size]), points }
}

fn push(queue: &mut Queue, size: usize, points: u64) {
    queue.append(vec![plain(size, points)], 0, at(0));
}

#[test]
fn the_oldest_is_handed_out_and_stays_until_it_is_settled() {
    let mut queue = queue(100);
    push(&mut queue, 10, 1);
    push(&mut queue, 10, 2);
    let first = queue.peek(at(0)).unwrap();
    assert_eq!(queue.peek(at(0)).unwrap().sequence, first.sequence);
    assert!(queue.settle(first.sequence, Fate::Delivered, 0));
    assert_eq!(queue.peek(at(0)).unwrap().points, 2);
    let oldest = Some(at(0).time);
    assert_eq!(queue.usage(at(1)), Usage { bytes: 10, limit: 100, batches: 1, points: 2, oldest });
}

#[test]
fn a_full_queue_drops_the_oldest_and_says_what() {
    let mut queue = queue(30);
    (1..=3).for_each(|points| push(&mut queue, 10, points));
    assert_eq!(queue.books().left(Fate::QueueFull), 0);
    push(&mut queue, 15, 4);
    assert_eq!(queue.books().left(Fate::QueueFull), 3);
    assert_eq!(queue.usage(at(0)).bytes, 25);
}

#[test]
fn an_answer_after_the_batch_was_dropped_is_harmless() {
    let mut queue = queue(10);
    push(&mut queue, 10, 1);
    let flying = queue.peek(at(0)).unwrap();
    push(&mut queue, 10, 2);
    assert!(!queue.settle(flying.sequence, Fate::Delivered, 0));
    assert_eq!((queue.usage(at(0)).points, queue.books().left(Fate::Delivered)), (2, 0));
}

#[test]
fn a_batch_larger_than_the_queue_goes_alone() {
    let mut queue = queue(10);
    push(&mut queue, 10, 1);
    push(&mut queue, 11, 5);
    assert_eq!((queue.usage(at(0)).points, queue.books().left(Fate::QueueFull)), (1, 5));
}

#[test]
fn no_step_of_the_wall_clock_makes_a_batch_old() {
    let mut queue = queue(100);
    push(&mut queue, 1, 1);
    queue.append(vec![plain(1, 2)], 0, at(12));
    let tomorrow = Moment { time: at(240_000).time, ..at(0) };
    let almost = Moment { time: UNIX_EPOCH, ..after(DAY.saturating_sub(Duration::from_millis(1))) };
    for now in [tomorrow, almost] {
        queue.tend(now);
        assert_eq!(queue.books().left(Fate::Age), 0);
    }
    queue.tend(at(24));
    assert_eq!((queue.books().left(Fate::Age), queue.peek(at(24)).unwrap().points), (1, 2));
}

#[test]
fn what_is_rejected_of_a_batch_is_not_delivered() {
    let mut queue = queue(100);
    push(&mut queue, 1, 10);
    push(&mut queue, 1, 10);
    for rejected in [3, 99] {
        let entry = queue.peek(at(0)).unwrap();
        assert!(queue.settle(entry.sequence, Fate::Delivered, rejected));
    }
    assert_eq!((queue.books().left(Fate::Delivered), queue.books().left(Fate::Rejected)), (7, 13));
}

#[test]
fn a_closed_queue_takes_nothing_and_counts_it() {
    let mut queue = queue(100);
    push(&mut queue, 10, 1);
    assert_eq!(queue.close(at(0)), 1);
    queue.append(vec![plain(10, 2)], 3, at(0));
    assert_eq!((queue.books().left(Fate::Shutdown), queue.books().left(Fate::Oversize)), (3, 3));
    assert_eq!((queue.usage(at(0)).batches, queue.books().waiting()), (0, 0));
}
