//! Damage of every kind at random: it costs what it touches, and nothing else.

use std::collections::BTreeSet;

use super::super::storage::simulated::World;
use super::*;

/// A directory with some batches in it, of which the first few may be settled.
struct Original {
    files: Vec<(String, Vec<u8>)>,
    waiting: BTreeSet<u64>,
    taken: u64,
}

impl Original {
    fn of(random: &mut fastrand::Rng) -> Self {
        let store = Simulated::default();
        let mut next = 1;
        let mut waiting = BTreeSet::new();
        for _ in 0..random.usize(1..5) {
            let mut queue = open(&store);
            for _ in 0..random.usize(1..6) {
                let count = random.u64(1..4);
                let sizes = [8, 60, 300, 5_000];
                let batches = (next..next + count).map(|n| batch(n, sizes[random.usize(0..4)])).collect();
                queue.append(batches, 0, at(0));
                waiting.extend(next..next + count);
                next += count;
            }
            for _ in 0..random.usize(0..4) {
                if let Some(entry) = queue.peek(at(0)) {
                    waiting.remove(&number(&entry));
                    queue.settle(entry.sequence, Fate::Delivered, 0);
                }
            }
        }
        let world = store.world();
        let files =
            world.names.iter().map(|(name, file)| (name.clone(), world.files[file].clone())).collect();
        Self { files, waiting, taken: (1..next).sum() }
    }

    /// The batches that have a byte in a range of a file, and whether the file is the cursor.
    fn touched(&self, place: usize, from: usize, to: usize) -> BTreeSet<u64> {
        let bytes = &self.files[place].1;
        let (mut touched, mut at) = (BTreeSet::new(), segment::HEADER);
        while let Some(header) = bytes.get(at..).and_then(record::Header::decode) {
            let end = at + header.size() as usize;
            if from < end && to > at {
                touched.insert(header.points);
            }
            at = end;
        }
        touched
    }
}

/// What was done to a directory.
struct Damage {
    files: Vec<(String, Vec<u8>)>,
    /// What that may cost.
    touched: BTreeSet<u64>,
    /// It is no longer known what was settled.
    cursor: bool,
}

impl Damage {
    fn to(original: &Original, random: &mut fastrand::Rng) -> Self {
        let mut damage = Self { files: original.files.clone(), touched: BTreeSet::new(), cursor: false };
        let place = random.usize(0..damage.files.len());
        let (name, bytes) = &mut damage.files[place];
        damage.cursor = name == "cursor";
        let length = bytes.len();
        let at = random.usize(0..length.max(1));
        match random.u8(0..8) {
            0..=2 => {
                let many = random.usize(1..4);
                for _ in 0..many {
                    let at = random.usize(0..length);
                    bytes[at] ^= 1 << random.u8(0..8);
                    damage.touched.extend(original.touched(place, at, at + 1));
                }
            }
            3 => {
                bytes.truncate(at);
                damage.touched = original.touched(place, at, length);
            }
            4 => {
                let (from, to) = (at / 4096 * 4096, (at / 4096 * 4096 + 4096).min(length));
                bytes[from..to].fill(0);
                damage.touched = original.touched(place, from, to);
            }
            5 => {
                let to = (at + random.usize(1..3_000)).min(length);
                bytes[at..to].fill_with(|| random.u8(..));
                damage.touched = original.touched(place, at, to);
            }
            6 => {
                let junk = random.usize(0..6_000);
                bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(junk));
            }
            _ => {
                let other = random.usize(0..damage.files.len());
                let name = damage.files[place].0.clone();
                damage.files[place].0 = std::mem::replace(&mut damage.files[other].0, name);
                let cursor = |place: usize| original.files[place].0 == "cursor";
                damage.cursor = place != other && (cursor(place) || cursor(other));
                if damage.cursor {
                    // The other one is no longer seen as what it is, and may be written over.
                    damage.touched = original.touched(place, 0, usize::MAX);
                    damage.touched.extend(original.touched(other, 0, usize::MAX));
                }
            }
        }
        damage
    }
}

#[test]
fn damage_costs_what_it_touches_and_never_the_start() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut original = Original::of(&mut random);
    for case in 0..10_000 {
        if case % 20 == 0 {
            original = Original::of(&mut random);
        }
        let damage = Damage::to(&original, &mut random);
        let mut world = World::default();
        for (file, (name, bytes)) in damage.files.iter().enumerate() {
            world.names.insert(name.clone(), file as u64);
            world.files.insert(file as u64, bytes.clone());
        }
        let mut queue = open(&Simulated::of(world));
        assert_balanced(&queue);
        let found = drain(&mut queue);
        assert!(found.is_sorted_by(|a, b| a < b), "case {case}: {found:?}");
        let found = BTreeSet::from_iter(found);
        let missing: Vec<_> = original.waiting.difference(&found).collect();
        assert!(
            missing.iter().all(|number| damage.touched.contains(number)),
            "case {case}: {missing:?} are lost"
        );
        let again: Vec<_> = found.difference(&original.waiting).collect();
        assert!(damage.cursor || again.is_empty(), "case {case}: {again:?} again");
        if !damage.cursor {
            assert_eq!(queue.books().taken(), original.taken, "case {case}");
            assert_eq!(queue.books().left(Fate::Lost), missing.into_iter().sum::<u64>(), "case {case}");
        }
        // It goes on as if nothing had been.
        queue.append(vec![batch(1_000, 50)], 0, at(0));
        assert_eq!(drain(&mut queue), [1_000], "case {case}");
    }
}
