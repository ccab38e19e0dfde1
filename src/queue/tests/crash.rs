//! The power goes: at every moment of a run, with every kind of choice of what had reached the disk by then.

use std::collections::BTreeSet;

use super::super::storage::simulated::{Event, World};
use super::*;

/// What one call of a run did to the batches.
#[derive(Debug, Default)]
struct Call {
    appended: Vec<u64>,
    settled: Vec<u64>,
    dropped: Vec<u64>,
}

/// A run of a queue: what it did, and every event on its disk, among them a note when a call begins (even) and
/// when it has returned (odd).
struct History {
    calls: Vec<Call>,
    /// Each event with the place of the one that made it durable.
    journal: Vec<(Event, usize)>,
    room: DiskLimits,
}

/// Where the event was made durable, if ever.
fn durable_at(journal: &[Event], place: usize) -> usize {
    let file = match &journal[place] {
        Event::Write { file, .. } | Event::Truncate { file, .. } => Some(*file),
        _ => None,
    };
    let later = journal[place..].iter().position(|later| match later {
        Event::Sync { file: synced } => file == Some(*synced),
        Event::SyncNames => file.is_none(),
        _ => false,
    });
    later.map_or(usize::MAX, |later| place + later)
}

impl History {
    fn of(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let store = Simulated::default();
        let room = room(random.u64(90_000..140_000));
        let mut queue = open_with(&store, room, at(0));
        let (mut waiting, mut calls, mut next) = (Vec::<u64>::new(), Vec::new(), 1);
        for place in 0..random.usize(20..50) {
            let before = queue.books().left(Fate::QueueFull);
            let mut call = Call::default();
            store.note(2 * place);
            match random.u8(0..10) {
                0..=4 => {
                    let count = random.u64(1..4);
                    let sizes = [20, 500, 1_000, 4_000, 9_000];
                    let batches = (next..next + count).map(|n| batch(n, sizes[random.usize(0..5)])).collect();
                    call.appended = range(next..next + count);
                    next += count;
                    queue.append(batches, 0, at(0));
                }
                5..=8 => {
                    if let Some(entry) = queue.peek(at(0)) {
                        call.settled.push(number(&entry));
                        assert!(queue.settle(entry.sequence, Fate::Delivered, 0));
                    }
                }
                _ => {
                    // As the end of a process does it, which is to say not at all.
                    drop(queue);
                    queue = open_with(&store, room, at(0));
                }
            }
            store.note(2 * place + 1);
            waiting.extend(&call.appended);
            waiting.retain(|number| !call.settled.contains(number));
            let mut full = queue.books().left(Fate::QueueFull) - before;
            while full > 0 {
                let oldest = waiting.remove(0);
                call.dropped.push(oldest);
                full = full.checked_sub(oldest).expect("whole batches are dropped, the oldest first");
            }
            calls.push(call);
        }
        let journal = std::mem::take(&mut store.world().journal);
        let durable: Vec<usize> = (0..journal.len()).map(|place| durable_at(&journal, place)).collect();
        let journal = journal.into_iter().zip(durable).collect();
        Self { calls, journal, room }
    }

    /// The disk after a crash that came right behind the first `events` events.
    fn image(&self, events: usize, keep: &mut dyn FnMut(&Event) -> Kept) -> Simulated {
        let (mut world, mut names_end) = (World::default(), false);
        for (event, durable) in &self.journal[..events] {
            let kept = if *durable < events { Kept::All } else { keep(event) };
            match (event, kept) {
                // File systems bring changes of names to the disk in their order, so they end at some point.
                (Event::Create { .. } | Event::Rename { .. } | Event::Remove { .. }, _) => {
                    names_end |= !matches!(kept, Kept::All);
                    if !names_end {
                        world.replay(event);
                    }
                }
                (event, Kept::All) => world.replay(event),
                (Event::Write { file, offset, bytes }, Kept::Sectors(seed)) => {
                    write_some_sectors(&mut world, seed, *file, *offset, bytes);
                }
                _ => {}
            }
        }
        let named: BTreeSet<u64> = world.names.values().copied().collect();
        world.files.retain(|file, _| named.contains(file));
        Simulated::of(world)
    }

    /// Opens the image of a crash and holds what it finds against what was promised by then.
    fn judge(&self, events: usize, image: &Simulated) {
        let mut queue = open_with(image, self.room, at(0));
        assert_balanced(&queue);
        let found = drain(&mut queue);
        assert!(found.is_sorted_by(|a, b| a < b), "{found:?}");
        let noted: BTreeSet<usize> =
            self.journal[..events].iter().filter_map(|(event, _)| event.note()).collect();
        let begun = || self.calls.iter().enumerate().filter(|(place, _)| noted.contains(&(2 * place)));
        let returned = || self.calls.iter().enumerate().filter(|(place, _)| noted.contains(&(2 * place + 1)));
        // Half a record can be told from none, and is counted; it is of the call that had not returned.
        let appending = begun().next_back().map_or(0, |(_, call)| call.appended.iter().sum());
        let lost = queue.books().left(Fate::Lost);
        assert!(lost <= appending, "{lost} of {appending}, and no disk was damaged");
        let gone: BTreeSet<u64> =
            begun().flat_map(|(_, call)| call.settled.iter().chain(&call.dropped)).copied().collect();
        for number in returned().flat_map(|(_, call)| &call.appended) {
            assert!(gone.contains(number) || found.contains(number), "{number} is lost: {found:?}");
        }
        let known: BTreeSet<u64> = begun().flat_map(|(_, call)| &call.appended).copied().collect();
        assert!(found.iter().all(|number| known.contains(number)));
        let again = returned().flat_map(|(_, call)| &call.settled).filter(|number| found.contains(number));
        assert!(again.count() <= 1, "more than one is sent again: {found:?}");
        let dropped = returned().flat_map(|(_, call)| &call.dropped).find(|number| found.contains(number));
        assert_eq!(dropped, None, "was dropped and is back");
    }
}

/// What had reached the disk of something that was not synced.
#[derive(Debug, Clone, Copy)]
enum Kept {
    All,
    Nothing,
    /// Of a write, these sectors.
    Sectors(u64),
}

/// Decides it for each event.
type Way = Box<dyn FnMut(&Event) -> Kept>;

fn write_some_sectors(world: &mut World, seed: u64, file: u64, offset: u64, bytes: &[u8]) {
    let mut random = fastrand::Rng::with_seed(seed);
    // No disk tears as finely as 64 bytes, but nothing here rests on that.
    let sector = if random.bool() { 64 } else { 4096 };
    let mut at = 0;
    while at < bytes.len() {
        let end = (at + sector - (offset as usize + at) % sector).min(bytes.len());
        if random.bool() {
            let (offset, bytes) = (offset + at as u64, bytes[at..end].to_vec());
            world.replay(&Event::Write { file, offset, bytes });
        }
        at = end;
    }
}

#[test]
fn no_image_of_a_crash_breaks_a_promise() {
    let mut images = 0;
    for seed in 0.. {
        if images >= 10_000 {
            break;
        }
        let history = History::of(seed);
        let mut random = fastrand::Rng::with_seed(seed);
        for events in 0..=history.journal.len() {
            let mut ways: Vec<Way> = vec![Box::new(|_| Kept::Nothing), Box::new(|_| Kept::All)];
            for _ in 0..3 {
                let mut random = fastrand::Rng::with_seed(random.u64(..));
                ways.push(Box::new(move |_| match random.u8(0..3) {
                    0 => Kept::All,
                    1 => Kept::Nothing,
                    _ => Kept::Sectors(random.u64(..)),
                }));
            }
            for keep in &mut ways {
                history.judge(events, &history.image(events, keep));
                images += 1;
            }
        }
    }
}
