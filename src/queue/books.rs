//! What became of every point: the law of conservation as a type.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf, BufMut};

use super::clock::millis;

/// What became of points that no longer wait: a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The peer has them.
    Delivered,
    /// The peer took their batch and refused them.
    Rejected,
    /// Dropped to make room for newer ones.
    QueueFull,
    /// Dropped because they had waited too long.
    Age,
    /// The peer refused their batch for good.
    NonRetryable,
    /// Never queued: larger than a request may be.
    Oversize,
    /// The program ended, and they were in memory.
    Shutdown,
    /// The disk no longer had them: it was damaged, or they were in memory when the program was killed.
    Lost,
}

impl Fate {
    /// All of them. Their order is part of the format on disk: new ones go to the end.
    pub const ALL: [Fate; 8] = [
        Fate::Delivered,
        Fate::Rejected,
        Fate::QueueFull,
        Fate::Age,
        Fate::NonRetryable,
        Fate::Oversize,
        Fate::Shutdown,
        Fate::Lost,
    ];
}

/// The points that were ever taken in, and what became of those that do not wait: at every moment
/// `taken = waiting + everything that left`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    since: SystemTime,
    taken: u64,
    left: [u64; Fate::ALL.len()],
}

impl Books {
    /// Books without an entry. The time is rounded as it is kept.
    pub(super) fn new(since: SystemTime) -> Self {
        let since = millis(since.duration_since(UNIX_EPOCH).unwrap_or_default());
        Self { since: UNIX_EPOCH + Duration::from_millis(since), taken: 0, left: [0; Fate::ALL.len()] }
    }

    /// When the first entry was made, runs before this one included.
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// The points that were ever taken in.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The points that left in one way.
    pub fn left(&self, fate: Fate) -> u64 {
        self.left[fate as usize]
    }

    /// The points that wait.
    pub fn waiting(&self) -> u64 {
        self.taken.saturating_sub(self.left.iter().sum())
    }

    pub(super) fn take(&mut self, points: u64) {
        self.taken = self.taken.saturating_add(points);
    }

    pub(super) fn leave(&mut self, fate: Fate, points: u64) {
        let left = &mut self.left[fate as usize];
        *left = left.saturating_add(points);
    }

    /// Adds what an earlier run wrote.
    pub(super) fn add(&mut self, earlier: &Books) {
        self.since = self.since.min(earlier.since);
        self.taken = self.taken.saturating_add(earlier.taken);
        for (ours, theirs) in self.left.iter_mut().zip(earlier.left) {
            *ours = ours.saturating_add(theirs);
        }
    }

    /// Makes the books say what is there: what they did not know of was taken in, what is missing was lost.
    pub(super) fn reconcile(&mut self, found: u64) -> u64 {
        let lost = self.waiting().saturating_sub(found);
        self.leave(Fate::Lost, lost);
        self.take(found.saturating_sub(self.waiting()));
        lost
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64_le(millis(self.since.duration_since(UNIX_EPOCH).unwrap_or_default()));
        out.put_u64_le(self.taken);
        self.left.iter().for_each(|points| out.put_u64_le(*points));
    }

    /// None where the bytes are too few or the numbers do not add up.
    pub(super) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let mut number = || bytes.try_get_u64_le().ok();
        let mut books = Self::new(UNIX_EPOCH.checked_add(Duration::from_millis(number()?))?);
        books.taken = number()?;
        for points in &mut books.left {
            *points = number()?;
        }
        let left = books.left.iter().try_fold(0_u64, |sum, points| sum.checked_add(*points))?;
        (left <= books.taken).then_some(books)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_found_settles_the_books_either_way() {
        let mut books = Books::new(SystemTime::now());
        books.take(10);
        books.leave(Fate::Delivered, 3);
        assert_eq!((books.reconcile(5), books.left(Fate::Lost), books.waiting()), (2, 2, 5));
        assert_eq!((books.reconcile(9), books.taken(), books.waiting()), (0, 14, 9));
    }

    proptest! {
        #[test]
        fn they_come_back_as_they_were_written(taken in any::<u32>(), parts in prop::array::uniform8(0..1_000_u64)) {
            let mut books = Books::new(SystemTime::now());
            books.take(u64::from(taken) + 8_000);
            for (fate, points) in Fate::ALL.into_iter().zip(parts) {
                books.leave(fate, points);
            }
            let mut bytes = Vec::new();
            books.encode(&mut bytes);
            prop_assert_eq!(Books::decode(&mut bytes.as_slice()), Some(books));
            prop_assert_eq!(Books::decode(&mut &bytes[1..]), None);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(books) = Books::decode(&mut bytes.as_slice()) {
                prop_assert!(books.waiting() <= books.taken());
            }
        }
    }
}
