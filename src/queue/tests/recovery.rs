//! What a start makes of what it finds: the table of cases.

use super::super::storage::simulated::World;
use super::*;

/// A directory with the batches 1 to `last` in it, none settled, a run for every five of them.
fn filled(last: u64) -> Simulated {
    let store = Simulated::default();
    for first in (1..=last).step_by(5) {
        append(&mut open(&store), first..=last.min(first + 4));
    }
    store
}

fn clone_of(store: &Simulated) -> Simulated {
    let world = store.world();
    Simulated::of(World { files: world.files.clone(), names: world.names.clone(), ..World::default() })
}

/// Opens the directory, which must cost exactly these batches, and no other.
fn costs(store: &Simulated, last: u64, missing: &[u64]) -> Queue {
    let mut queue = open(store);
    let expected: Vec<u64> = (1..=last).filter(|number| !missing.contains(number)).collect();
    assert_eq!(drain(&mut queue), expected);
    assert_eq!(queue.books().left(Fate::Lost), missing.iter().sum::<u64>());
    assert_eq!(queue.books().taken(), (1..=last).sum::<u64>());
    assert_balanced(&queue);
    queue
}

fn segment(store: &Simulated, place: usize) -> String {
    segments(store)[place].clone()
}

/// Where the record of the batch in a place of a segment begins; all batches are 100 bytes.
fn place_of(place: usize) -> usize {
    segment::HEADER + place * (record::HEADER + 100)
}

#[test]
fn nothing_at_all() {
    let store = Simulated::default();
    let mut queue = open(&store);
    assert!(drain(&mut queue).is_empty());
    assert!(segments(&store).is_empty());
}

#[test]
fn several_runs_are_one_queue() {
    let store = filled(23);
    assert_eq!(segments(&store).len(), 5);
    let mut queue = costs(&store, 23, &[]);
    append(&mut queue, [99]);
    drop(queue);
    assert_eq!(drain(&mut open(&store)), [99]);
}

#[test]
fn what_was_settled_is_not_sent_again_and_stays_in_the_books() {
    let store = filled(12);
    let mut queue = open(&store);
    for _ in 0..7 {
        let entry = queue.peek(at(0)).unwrap();
        assert!(queue.settle(entry.sequence, Fate::Delivered, 1));
    }
    let books = *queue.books();
    drop(queue);
    let mut queue = open(&store);
    assert_eq!(*queue.books(), books);
    assert_eq!(books.left(Fate::Rejected), 7);
    assert_eq!(drain(&mut queue), [8, 9, 10, 11, 12]);
}

#[test]
fn a_torn_tail_is_cut_off_and_costs_nothing_that_was_promised() {
    let store = filled(7);
    let last = segment(&store, 1);
    let whole = store.world().bytes(&last).len();
    // The half of a record that a crash left behind the last whole one.
    let half = store.world().bytes(&last)[place_of(0)..place_of(0) + 90].to_vec();
    store.world().bytes(&last).extend(half);
    costs(&store, 7, &[]);
    assert!(!store.world().names.contains_key(&last) || store.world().bytes(&last).len() == whole);
}

#[test]
fn a_segment_that_is_shorter_costs_what_was_behind_its_end() {
    let store = filled(12);
    let (first, last) = (segment(&store, 0), segment(&store, 2));
    store.world().bytes(&first).truncate(place_of(3) + 10);
    store.world().bytes(&last).truncate(place_of(2) - 1);
    costs(&store, 12, &[4, 5, 12]);
}

#[test]
fn a_damaged_payload_costs_its_place_of() {
    let store = filled(12);
    for (place, at) in [(0, place_of(2) + 50), (1, place_of(4) + 139), (2, place_of(1) + 40)] {
        let name = segment(&store, place);
        store.world().bytes(&name)[at] ^= 1;
    }
    costs(&store, 12, &[3, 10, 12]);
}

#[test]
fn a_damaged_record_header_costs_its_place_of() {
    let store = filled(12);
    for (place, at) in [(0, place_of(2)), (0, place_of(4) + 8), (1, place_of(0) + 20), (2, place_of(0) + 5)] {
        let name = segment(&store, place);
        store.world().bytes(&name)[at] ^= 0x80;
    }
    costs(&store, 12, &[3, 5, 6, 11]);
}

#[test]
fn a_damaged_segment_header_costs_nothing() {
    for place in 0..3 {
        let store = filled(12);
        let name = segment(&store, place);
        for at in [3, 9, 30] {
            store.world().bytes(&name)[at] ^= 1;
            costs(&clone_of(&store), 12, &[]);
        }
    }
}

#[test]
fn a_segment_of_zeroes_is_put_aside() {
    for place in 0..3 {
        let store = filled(15);
        let name = segment(&store, place);
        store.world().bytes(&name).fill(0);
        let first = 5 * place as u64 + 1;
        costs(&store, 15, &range(first..first + 5));
        assert!(store.world().names.contains_key(&format!("{name}.corrupt")));
    }
}

#[test]
fn records_of_zeroes_behind_a_good_header_are_put_aside_as_well() {
    let store = filled(15);
    let name = segment(&store, 1);
    store.world().bytes(&name)[segment::HEADER..].fill(0);
    costs(&store, 15, &[6, 7, 8, 9, 10]);
    assert!(store.world().names.contains_key(&format!("{name}.corrupt")));
}

#[test]
fn no_more_than_two_are_kept_aside() {
    let store = filled(25);
    for name in segments(&store) {
        store.world().bytes(&name).fill(0xff);
    }
    costs(&store, 25, &range(1..=25));
    let aside: Vec<String> =
        store.world().names.keys().filter(|n| n.ends_with(".corrupt")).cloned().collect();
    assert_eq!(aside, ["00000000000000000003.log.corrupt", "00000000000000000004.log.corrupt"]);
}

#[test]
fn a_segment_that_is_gone_costs_what_was_in_it() {
    for place in 0..3 {
        let store = filled(15);
        store.remove(&segment(&store, place)).unwrap();
        let first = 5 * place as u64 + 1;
        costs(&store, 15, &range(first..first + 5));
    }
}

#[test]
fn an_empty_segment_costs_what_was_in_it() {
    let store = filled(12);
    let name = segment(&store, 1);
    store.world().bytes(&name).clear();
    costs(&store, 12, &[6, 7, 8, 9, 10]);
}

#[test]
fn segments_that_have_each_others_names_are_read_in_the_order_of_their_records() {
    let store = filled(15);
    let (a, c) = (segment(&store, 0), segment(&store, 2));
    store.rename(&a, "x").unwrap();
    store.rename(&c, &a).unwrap();
    store.rename("x", &c).unwrap();
    costs(&store, 15, &[]);
}

#[test]
fn a_segment_that_is_there_twice_is_sent_once() {
    let store = filled(12);
    let name = segment(&store, 0);
    let copy = store.world().bytes(&name).clone();
    store.create("00000000000000000077.log").unwrap().append(&copy, 0).unwrap();
    let mut queue = open(&store);
    assert_eq!(drain(&mut queue), range(1..=12));
    append(&mut queue, [13]);
    assert!(store.world().names.contains_key("00000000000000000078.log"));
}

#[test]
fn a_segment_of_another_version_is_left_to_the_program_that_knows_it() {
    let store = filled(12);
    let name = segment(&store, 1);
    store.world().bytes(&name)[..16].copy_from_slice(&segment::identity(2));
    costs(&store, 12, &[6, 7, 8, 9, 10]);
    assert!(store.world().names.contains_key(&format!("{name}.unknown")));
    costs_again(&store);
}

/// What was put aside is not looked at again.
fn costs_again(store: &Simulated) {
    let mut queue = open(store);
    let lost = queue.books().left(Fate::Lost);
    assert!(drain(&mut queue).is_empty());
    assert_eq!(queue.books().left(Fate::Lost), lost);
}

#[test]
fn a_cursor_that_is_damaged_or_gone_costs_duplicates_and_no_batch() {
    type Spoil = fn(&Simulated);
    let ways: [Spoil; 4] = [
        |store| store.remove("cursor").unwrap(),
        |store| store.world().bytes("cursor").fill(0),
        |store| store.world().bytes("cursor").truncate(7),
        |store| [8, 4096 + 8].into_iter().for_each(|at| store.world().bytes("cursor")[at] = 9),
    ];
    for spoil in ways {
        let store = filled(12);
        let mut queue = open(&store);
        for _ in 0..7 {
            let entry = queue.peek(at(0)).unwrap();
            queue.settle(entry.sequence, Fate::Delivered, 0);
        }
        queue.peek(at(0));
        drop(queue);
        spoil(&store);
        let mut queue = open(&store);
        // The first segment was done with and is gone; of the second it is not known any more.
        assert_eq!(drain(&mut queue), [6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(queue.books().taken(), (6..=12).sum::<u64>());
        append(&mut queue, [13]);
        drop(queue);
        assert_eq!(drain(&mut open(&store)), [13]);
    }
}

#[test]
fn a_cursor_from_the_past_costs_duplicates_and_one_from_the_future_nothing_new() {
    let store = filled(12);
    let past = store.world().bytes("cursor").clone();
    let mut queue = open(&store);
    assert_eq!(drain(&mut queue), range(1..=12));
    append(&mut queue, 13..=15);
    drop(queue);
    *store.world().bytes("cursor") = past;
    let mut queue = open(&store);
    assert_eq!(drain(&mut queue), [13, 14, 15]);
    // By the books of then, 78 points waited, and 42 are there.
    assert_eq!(queue.books().left(Fate::Lost), 36);
    append(&mut queue, 16..=18);
    drop(queue);
    for name in segments(&store) {
        store.remove(&name).unwrap();
    }
    let mut queue = open(&store);
    append(&mut queue, [19]);
    assert_eq!(drain(&mut queue), [19]);
    assert_eq!(queue.books().left(Fate::Lost), 36 + 16 + 17 + 18);
}

#[test]
fn what_others_have_put_there_is_left_alone() {
    let store = filled(7);
    let strange = ["notes.txt", "7.log", "00000000000000000001.log.bak", "lock", ".hidden"];
    for name in strange {
        store.create(name).unwrap().append(b"junk", 0).unwrap();
    }
    costs(&store, 7, &[]);
    assert!(strange.iter().all(|name| store.world().names.contains_key(*name)));
}

#[test]
fn a_file_that_was_never_finished_is_removed() {
    let store = filled(7);
    let unfinished = "00000000000000000009.log.new";
    store.create(unfinished).unwrap().append(&[1; 200], 0).unwrap();
    let mut queue = costs(&store, 7, &[]);
    append(&mut queue, [8]);
    assert!(!store.world().names.contains_key(unfinished));
}

#[test]
fn ages_go_on_across_runs_and_a_jump_of_the_wall_clock_expires_nothing() {
    let jumps = [0, 48, 24 * 365 * 20];
    for (same_boot, jump) in jumps.into_iter().flat_map(|jump| [(true, jump), (false, jump)]) {
        let store = Simulated::default();
        append(&mut open(&store), 1..=3);
        // Ten minutes later by the clock that nobody sets, or after a boot.
        let boot = if same_boot { at(0).boot + HOUR / 6 } else { HOUR / 60 };
        let now = Moment { boot, time: at(jump).time };
        let directory = store.clone();
        let opener: Opener = Box::new(move || Ok(Box::new(directory.clone()) as Box<dyn Storage>));
        let origin = Origin::new(if same_boot { 1 } else { 2 }, now);
        let run = Run { limits: room(64 << 20), origin, trust: DAY / 2 };
        let mut queue = Queue::open_at(limits(), opener, run, now).unwrap();
        queue.tend(now);
        assert_eq!(queue.books().left(Fate::Age), 0, "{same_boot} {jump}");
        // By a day later all of it has gone.
        queue.tend(Moment { boot: boot + DAY, time: now.time });
        assert_eq!(queue.books().left(Fate::Age), 6, "{same_boot} {jump}");
        assert_balanced(&queue);
    }
}
