//! The queue against a model of ten lines, and its promises one by one.

use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_hours(24);

fn queue(bytes: u64) -> Queue {
    Queue::new(Limits { bytes, age: DAY })
}

fn batch(size: usize, points: u64, appended: Moment) -> Batch {
    Batch { bytes: Bytes::from(vec![0; size]), points, appended }
}

#[test]
fn the_oldest_is_handed_out_and_stays_until_it_is_acknowledged() {
    let now = Moment::now();
    let mut queue = queue(100);
    queue.push(batch(10, 1, now));
    queue.push(batch(10, 2, now));
    let first = queue.peek().unwrap();
    assert_eq!(queue.peek().unwrap().sequence, first.sequence);
    assert_eq!(queue.ack(first.sequence), Some(1));
    assert_eq!(queue.peek().unwrap().points, 2);
    assert_eq!(queue.usage(), Usage { bytes: 10, batches: 1, points: 2, oldest: Some(now.time) });
}

#[test]
fn a_full_queue_drops_the_oldest_and_says_what() {
    let now = Moment::now();
    let mut queue = queue(30);
    for points in 1..=3 {
        assert_eq!(queue.push(batch(10, points, now)).batches, 0);
    }
    let dropped = queue.push(batch(15, 4, now));
    assert_eq!(dropped, Dropped { reason: Reason::QueueFull, batches: 2, points: 3 });
    assert_eq!(queue.usage().bytes, 25);
}

#[test]
fn an_acknowledgement_after_the_batch_was_dropped_is_harmless() {
    let now = Moment::now();
    let mut queue = queue(10);
    queue.push(batch(10, 1, now));
    let flying = queue.peek().unwrap();
    queue.push(batch(10, 2, now));
    assert_eq!(queue.ack(flying.sequence), None);
    assert_eq!(queue.usage().points, 2);
}

#[test]
fn a_batch_larger_than_the_queue_goes_alone() {
    let now = Moment::now();
    let mut queue = queue(10);
    queue.push(batch(10, 1, now));
    assert_eq!(queue.push(batch(11, 5, now)).points, 5);
    assert_eq!(queue.usage().points, 1);
}

#[test]
fn age_is_counted_on_the_monotonic_clock() {
    let then = Moment { instant: Instant::now(), time: SystemTime::UNIX_EPOCH };
    let mut queue = queue(100);
    queue.push(batch(1, 1, then));
    let later = Moment { instant: then.instant + DAY / 2, time: SystemTime::now() };
    queue.push(batch(1, 2, later));
    assert_eq!(queue.expire((then.instant + DAY).checked_sub(Duration::from_nanos(1)).unwrap()).points, 0);
    let dropped = queue.expire(then.instant + DAY);
    assert_eq!(dropped, Dropped { reason: Reason::Age, batches: 1, points: 1 });
    assert_eq!(queue.peek().unwrap().points, 2);
}

#[derive(Debug, Clone)]
enum Op {
    Push { size: usize, points: u64 },
    Peek,
    Ack,
    Pass { hours: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..40_usize, 0..9_u64).prop_map(|(size, points)| Op::Push { size, points }),
        2 => Just(Op::Peek),
        2 => Just(Op::Ack),
        1 => (0..20_u64).prop_map(|hours| Op::Pass { hours }),
    ]
}

proptest! {
    /// The model is a list of (size, points, hour); the batch in flight is remembered by its place in history.
    #[test]
    fn it_equals_its_model(ops in prop::collection::vec(op(), 0..200)) {
        let began = Moment::now();
        let mut queue = queue(100);
        let mut model: Vec<(u64, usize, u64, u64)> = Vec::new();
        let (mut pushed, mut hour) = (0, 0);
        let (mut taken, mut settled, mut lost) = (0, 0, 0);
        let mut flying: Option<u64> = None;
        for op in ops {
            let now = Moment { instant: began.instant + Duration::from_secs(hour * 3600), ..began };
            match op {
                Op::Push { size, points } => {
                    lost += queue.push(batch(size, points, now)).points;
                    taken += points;
                    while model.iter().map(|b| b.1).sum::<usize>() + size > 100 {
                        model.remove(0);
                    }
                    model.push((pushed, size, points, hour));
                    pushed += 1;
                }
                Op::Peek => flying = queue.peek().map(|entry| entry.sequence),
                Op::Ack => if let Some(sequence) = flying.take() {
                    let place = model.iter().position(|b| b.0 == sequence);
                    let expected = place.map(|place| model.remove(place).2);
                    prop_assert_eq!(queue.ack(sequence), expected);
                    settled += expected.unwrap_or(0);
                },
                Op::Pass { hours } => {
                    hour += hours;
                    lost += queue.expire(began.instant + Duration::from_secs(hour * 3600)).points;
                    model.retain(|b| hour - b.3 < 24);
                }
            }
            let usage = queue.usage();
            prop_assert!(usage.bytes <= 100);
            prop_assert_eq!(usage.bytes, model.iter().map(|b| b.1 as u64).sum::<u64>());
            prop_assert_eq!(usage.batches, model.len() as u64);
            prop_assert_eq!(queue.peek().map(|entry| entry.sequence), model.first().map(|b| b.0));
            prop_assert_eq!(taken, settled + usage.points + lost);
        }
    }
}
