//! Many segments, the oldest first: the first is read, the last is written.
//!
//! A segment gets its name when its first records are synced, and is never written again by another run. So a
//! file with a name is whole but for real damage, and what a crash leaves of a write lies behind the last whole
//! record of the last file.

mod name;
mod read;
mod recover;
mod write;

use std::collections::VecDeque;
use std::io;

use super::books::{Books, Fate};
use super::clock::Origin;
use super::segment::Tally;
use super::storage::{File, Storage};

pub(super) use write::Group;

use name::{CORRUPT, Name};
use read::Reader;

/// How many segments that could not be read are kept for somebody to look at.
const KEPT: usize = 2;

/// What is known of a segment without reading it.
#[derive(Debug)]
pub(super) struct Segment {
    number: u64,
    /// The sequence of its first record.
    first: u64,
    /// None where its header is damaged.
    origin: Option<Origin>,
    /// Where its last synced record ends.
    length: u64,
    allocated: u64,
    waiting: Tally,
    /// Up to where it is settled, as far as this run has seen.
    read_to: u64,
    /// Whether this run has got a whole batch out of it.
    fruitful: bool,
}

/// A file of ours and the bytes that it takes.
type Leftover = (String, u64);

/// The log.
#[derive(Default)]
pub(super) struct Log {
    segments: VecDeque<Segment>,
    reader: Option<Reader>,
    /// The file of the last segment, while it may be written.
    writer: Option<Box<dyn File>>,
    /// A sync of the last segment failed: what it holds may not be there after a crash.
    doubtful: bool,
    /// Every record up to this sequence is settled.
    settled: u64,
    /// The last sequence that was written.
    last: u64,
    /// Everything that was ever taken in.
    total: Tally,
    next_number: u64,
    /// Files that were put aside.
    aside: VecDeque<Leftover>,
    /// Files to be removed: all that is in them is settled.
    litter: Vec<Leftover>,
}

impl Log {
    /// Every record up to this sequence is settled.
    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// The last sequence that is in the log, or was.
    pub(super) fn last(&self) -> u64 {
        self.last.max(self.settled)
    }

    /// Notes that what is not in the log is settled up to this sequence.
    pub(super) fn settle_others(&mut self, sequence: u64) {
        if self.waiting().batches == 0 {
            self.settled = self.settled.max(sequence);
        }
    }

    /// What waits.
    pub(super) fn waiting(&self) -> Tally {
        self.segments.iter().fold(Tally::default(), |sum, segment| sum.plus(segment.waiting))
    }

    /// The bytes of what waits.
    pub(super) fn bytes(&self) -> u64 {
        let waiting = self.segments.iter().filter(|segment| segment.waiting.batches > 0);
        waiting.map(|segment| segment.length.saturating_sub(segment.read_to)).sum()
    }

    /// When the oldest record was appended, by the clock that its segment names; when its segment was begun,
    /// while nothing of it was read.
    pub(super) fn oldest(&self) -> Option<(Option<Origin>, u64)> {
        let segment = self.segments.iter().find(|segment| segment.waiting.batches > 0)?;
        let head = self.reader.as_ref().and_then(Reader::head);
        let begun = segment.origin.map_or(0, |origin| origin.boot);
        Some((segment.origin, head.map_or(begun, |head| head.appended)))
    }

    /// The bytes that all files of the log take.
    pub(super) fn allocated(&self) -> u64 {
        let segments = self.segments.iter().map(|segment| segment.allocated);
        let leftovers = self.aside.iter().chain(&self.litter).map(|(_, allocated)| *allocated);
        segments.chain(leftovers).sum()
    }

    /// Makes room: what was put aside goes first, then the oldest segment. Returns the bytes that are free after
    /// the next [`Log::sweep`]; none when there is nothing left to drop.
    pub(super) fn drop_oldest(&mut self, books: &mut Books) -> Option<u64> {
        if let Some(leftover) = self.aside.pop_front() {
            let allocated = leftover.1;
            self.litter.push(leftover);
            return Some(allocated);
        }
        let segment = self.segments.pop_front()?;
        self.reader = None;
        if self.segments.is_empty() {
            (self.writer, self.doubtful) = (None, false);
        }
        books.leave(Fate::QueueFull, segment.waiting.points);
        let end = self.segments.front().map_or(self.last, |next| next.first.saturating_sub(1));
        self.settled = self.settled.max(end);
        self.litter.push((Name::segment(segment.number), segment.allocated));
        Some(segment.allocated)
    }

    /// Ends the first segment, in which nothing waits.
    fn finish(&mut self, store: &dyn Storage, damaged: bool) {
        let Some(segment) = self.segments.pop_front() else { return };
        self.reader = None;
        if self.segments.is_empty() {
            self.doubtful = false;
        }
        let leftover = (Name::segment(segment.number), segment.allocated);
        if damaged && !segment.fruitful {
            self.put_aside(store, leftover, CORRUPT);
        } else {
            self.litter.push(leftover);
        }
    }

    /// Renames a file that nothing can be read from, and keeps the latest of them.
    fn put_aside(&mut self, store: &dyn Storage, (name, allocated): Leftover, ending: &str) {
        let aside = format!("{name}{ending}");
        match store.rename(&name, &aside) {
            Ok(()) => self.aside.push_back((aside, allocated)),
            Err(_) => self.litter.push((name, allocated)),
        }
        self.keep_few();
    }

    fn keep_few(&mut self) {
        let is_corrupt = |file: &Leftover| file.0.ends_with(CORRUPT);
        while self.aside.iter().filter(|file| is_corrupt(file)).count() > KEPT {
            let oldest = self.aside.iter().position(is_corrupt).and_then(|place| self.aside.remove(place));
            self.litter.extend(oldest);
        }
    }

    /// Whether there is something to remove.
    pub(super) fn is_littered(&self) -> bool {
        !self.litter.is_empty()
    }

    /// Removes what is done with; the cursor that says so must be synced. What cannot be removed is tried again.
    pub(super) fn sweep(&mut self, store: &dyn Storage) {
        self.litter.retain(|(name, _)| match store.remove(name) {
            Ok(()) => false,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        });
    }
}
