//! The queue against a list.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Call {
    /// The sizes of the batches.
    Append(Vec<usize>),
    Oversize(u64),
    Peek,
    /// How many points of the batch in flight are rejected.
    Settle(u64),
    Refuse,
    Pass(u64),
    /// The process ends, as it should or by a kill.
    Restart(bool),
}

fn call() -> impl Strategy<Value = Call> {
    let sizes = prop_oneof![3 => 8..400_usize, 1 => 400..20_000_usize];
    prop_oneof![
        5 => prop::collection::vec(sizes, 1..4).prop_map(Call::Append),
        1 => (0..9_u64).prop_map(Call::Oversize),
        4 => Just(Call::Peek),
        4 => (0..3_u64).prop_map(Call::Settle),
        1 => Just(Call::Refuse),
        1 => (0..12_u64).prop_map(Call::Pass),
        1 => any::<bool>().prop_map(Call::Restart),
    ]
}

/// What waits, as (number, hour), and what became of the rest.
#[derive(Default)]
struct Model {
    waiting: VecDeque<(u64, u64)>,
    flying: Option<(u64, u64)>,
    taken: u64,
    fates: [u64; 8],
    next: u64,
    hour: u64,
}

impl Model {
    fn settle(&mut self, number: u64, fate: Fate, rejected: u64) -> bool {
        let place = self.waiting.iter().position(|(waiting, _)| *waiting == number);
        let Some(place) = place else { return false };
        self.waiting.remove(place);
        self.fates[fate as usize] += number - rejected.min(number);
        self.fates[Fate::Rejected as usize] += rejected.min(number);
        true
    }

    fn expire(&mut self) {
        while let Some((number, hour)) = self.waiting.front().filter(|(_, hour)| self.hour - hour >= 24) {
            self.fates[Fate::Age as usize] += number;
            let _ = hour;
            self.waiting.pop_front();
        }
    }

    /// The oldest go, as many as the queue says; that they are whole batches is what is checked.
    fn make_room(&mut self, points: u64) {
        while self.fates[Fate::QueueFull as usize] < points {
            let Some((number, _)) = self.waiting.pop_front() else { break };
            self.fates[Fate::QueueFull as usize] += number;
        }
    }
}

/// Runs the calls on both, with this cap on disk.
fn compare(calls: Vec<Call>, disk: DiskLimits) -> Result<(), TestCaseError> {
    let store = Simulated::default();
    let mut queue = open_with(&store, disk, at(0));
    let mut model = Model { next: 1, ..Model::default() };
    for call in calls {
        let now = at(model.hour);
        match call {
            Call::Append(sizes) => {
                model.expire();
                let numbers = model.next..model.next + sizes.len() as u64;
                model.next = numbers.end;
                model.taken += numbers.clone().sum::<u64>();
                model.waiting.extend(numbers.clone().map(|number| (number, model.hour)));
                queue.append(numbers.zip(sizes).map(|(number, size)| batch(number, size)).collect(), 0, now);
            }
            Call::Oversize(points) => {
                model.expire();
                model.taken += points;
                model.fates[Fate::Oversize as usize] += points;
                queue.append(vec![], points, now);
            }
            Call::Peek => {
                model.expire();
                let entry = queue.peek(now);
                model.flying = entry.as_ref().map(|entry| (number(entry), entry.sequence));
                prop_assert_eq!(model.flying.map(|(n, _)| n), model.waiting.front().map(|(n, _)| *n));
            }
            Call::Settle(rejected) => {
                if let Some((number, sequence)) = model.flying.take() {
                    let settled = model.settle(number, Fate::Delivered, rejected);
                    prop_assert_eq!(queue.settle(sequence, Fate::Delivered, rejected), settled);
                }
            }
            Call::Refuse => {
                if let Some((number, sequence)) = model.flying.take() {
                    let settled = model.settle(number, Fate::NonRetryable, 0);
                    prop_assert_eq!(queue.settle(sequence, Fate::NonRetryable, 0), settled);
                }
            }
            Call::Pass(hours) => model.hour += hours,
            Call::Restart(orderly) => {
                if orderly {
                    prop_assert_eq!(queue.close(now), 0);
                }
                drop(queue);
                model.flying = None;
                queue = open_with(&store, disk, now);
            }
        }
        let (books, usage) = (*queue.books(), queue.usage(now));
        model.make_room(books.left(Fate::QueueFull));
        prop_assert_eq!(Fate::ALL.map(|fate| books.left(fate)), model.fates);
        prop_assert_eq!(books.taken(), model.taken);
        prop_assert_eq!(usage.points, model.waiting.iter().map(|(number, _)| number).sum::<u64>());
        prop_assert_eq!(usage.batches, model.waiting.len() as u64);
        prop_assert_eq!(books.waiting(), usage.points);
        prop_assert!(store.world().allocated() <= disk.bytes && store.world().peak <= disk.bytes);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_roomy_queue_equals_a_list(calls in prop::collection::vec(call(), 0..120)) {
        compare(calls, room(64 << 20))?;
    }

    #[test]
    fn a_narrow_queue_equals_a_list_that_loses_its_oldest(calls in prop::collection::vec(call(), 0..120)) {
        compare(calls, room(180_000))?;
    }
}
