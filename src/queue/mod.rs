//! Bytes that wait to be sent: bounded, first in first out, the oldest dropped first; on disk, where a directory
//! is given.
//!
//! Constraints
//! - The caps on bytes are held exactly. On disk that is what the file system counts, everything in the
//!   directory included, and room is made before a byte is written.
//! - Nothing vanishes without a word: [`Books`] say what became of every point, across restarts, so that
//!   `taken = waiting + everything that left` adds up whenever somebody looks.
//! - A batch stays until it is settled. [`Queue::peek`] hands out the oldest and keeps it; [`Queue::settle`]
//!   names it by its sequence number, so an answer that comes after the batch was dropped is harmless.
//! - With a disk, a batch survives the process and the host when [`Queue::append`] returns: one write and one
//!   sync for all batches of a cycle. What is settled is written down at once and synced before the next batch
//!   is handed out, so that a crash costs one duplicate at most.
//! - The disk may fail in any way at any time. What it does not take waits in memory, and it is tried again. What
//!   it spoils is lost, counted, and costs no other record. No state of the directory keeps the agent from
//!   starting, except another agent that has it.
//! - Age is counted on the clock since the boot: a step of the wall clock expires nothing.
//!
//! Non-goals
//! - It does not look into the bytes. "Points" are a weight that it adds up and never interprets.
//! - It does not send, retry, log or wait for anything but the disk; who shares it brings the lock, the thread on
//!   which the disk may take its time, and the alarm.
//! - No order but first in first out, one writer and one reader, one process.
//! - The memory is no cache before the disk, and what it holds in a disk's bad hour is not durable.
//!
//! ```text
//! append ─▶ memory ─▶ tier ─▶ disk ─┬▶ log ─▶ segment ─▶ record ─┐
//! peek  ◀─────┴────────┘            ├▶ cursor (position, books) ──┴▶ storage
//!                                   └▶ room                        (directory, lock)
//! ```
//!
//! The directory holds `lock`, `cursor` (how far all is settled, and the books) and segments of 4 MiB,
//! `00000000000000000001.log` and so on; the formats are written down in `record`, `segment` and `cursor`.
//!
//! Why not a library? What is needed is a log of opaque batches that is read once, in order, and forgotten: with
//! a hard cap that drops the oldest, with an exact account of what a damaged file has cost, and with an answer
//! to a full disk that is not the end of the program.
//!
//! | library | why not |
//! |---|---|
//! | mrecordlog | Keeps everything in memory, which is what the disk is for; takes I/O errors for damage |
//! | redb | A B-tree with transactions where a log is enough, and no cap |
//! | yaque | No cap; where it stands is saved when it is dropped, which a kill does not do |
//! | queue-file | One ring in one file that grows by doubling, so that no cap is held to the byte |
//! | qwal | Caps that count as reached when they are passed; acknowledgements wait for the next push |
//! | okaywal | Calls its format unstable and itself not for production; a log to replay, not to consume |
//!
//! A log is a few hundred lines, and the tests that it needs, crash images and damage, would be needed around a
//! library as well.

mod batch;
mod books;
mod clock;
mod cursor;
mod disk;
mod log;
mod memory;
mod record;
mod room;
mod segment;
mod storage;
mod tier;

pub use batch::{Batch, Entry, InUse, Limits, Place, Usage};
pub use books::{Books, Fate};
pub use clock::Moment;
pub use room::DiskLimits;
pub use tier::News;

use clock::{Origin, Taken};
use disk::Run;
use memory::{Memory, Waiting};
use storage::{Directory, Storage};
use tier::{Opener, Tier};

/// The queue.
pub struct Queue {
    limits: Limits,
    memory: Memory,
    tier: Option<Tier>,
    books: Books,
    next: u64,
    closed: bool,
}

impl Queue {
    /// An empty queue in memory.
    pub fn in_memory(limits: Limits) -> Self {
        let books = Books::new(Moment::now().time);
        Self { limits, memory: Memory::default(), tier: None, books, next: 1, closed: false }
    }

    /// The queue that waits in a directory. Where the directory cannot be used now, the queue is in memory until
    /// it can. An error says that another process has it.
    pub fn open(limits: Limits, place: &Place, now: Moment) -> Result<Self, InUse> {
        let directory = place.directory.clone();
        let opener: Opener = Box::new({
            let directory = directory.clone();
            move || Directory::open(&directory).map(|directory| Box::new(directory) as Box<dyn Storage>)
        });
        let run =
            Run { limits: place.limits, origin: Origin::new(place.boot_id, now), trust: limits.age / 2 };
        Self::open_at(limits, opener, run, now).map_err(|holder| InUse { directory, holder })
    }

    fn open_at(limits: Limits, opener: Opener, run: Run, now: Moment) -> Result<Self, Option<u32>> {
        let mut queue = Self { books: Books::new(now.time), ..Self::in_memory(limits) };
        let mut tier = Tier::new(opener, run);
        tier.open(&mut queue.memory, &mut queue.books, now)?;
        queue.tier = Some(tier);
        queue.number_on();
        Ok(queue)
    }

    /// Takes in the batches of one cycle, and counts points that were too large to become one. What cannot be
    /// kept is dropped, the oldest first.
    pub fn append(&mut self, batches: Vec<Batch>, oversize: u64, now: Moment) {
        self.expire(now);
        self.books.take(oversize);
        self.books.leave(Fate::Oversize, oversize);
        for Batch { bytes, points } in batches {
            self.books.take(points);
            if self.closed {
                self.books.leave(Fate::Shutdown, points);
                continue;
            }
            self.memory.push(Waiting { sequence: self.next, bytes, points, taken: Taken::at(now.boot) });
            self.next += 1;
        }
        self.flush(now);
        self.trim(now);
        self.note();
    }

    /// Brings to the disk what it did not take before, and drops what is too old. To be called every few seconds.
    pub fn tend(&mut self, now: Moment) {
        self.expire(now);
        self.flush(now);
        self.note();
    }

    /// The books survive the process.
    fn note(&mut self) {
        if let Some(tier) = &mut self.tier {
            tier.note(&self.books);
        }
    }

    fn flush(&mut self, now: Moment) {
        if let Some(tier) = &mut self.tier {
            tier.flush(&mut self.memory, &mut self.books, now);
            self.number_on();
        }
    }

    /// No sequence is given twice, whatever was found on disk.
    fn number_on(&mut self) {
        let last = self.tier.as_ref().map_or(0, Tier::last).max(self.memory.last());
        self.next = self.next.max(last.saturating_add(1));
    }

    /// Holds the cap of the memory.
    fn trim(&mut self, now: Moment) {
        let most = self.limits.bytes;
        if let Some(tier) = self.tier.as_mut().filter(|_| self.memory.bytes() > most) {
            tier.make_way(&mut self.memory, &mut self.books, now);
        }
        while let Some(batch) = self.memory.remove_larger_than(most) {
            self.books.leave(Fate::QueueFull, batch.points);
        }
        while self.memory.bytes() > most
            && let Some(batch) = self.memory.pop()
        {
            self.books.leave(Fate::QueueFull, batch.points);
        }
    }

    /// The oldest batch, which stays.
    pub fn peek(&mut self, now: Moment) -> Option<Entry> {
        let before = self.books;
        self.expire(now);
        let on_disk = self.tier.as_mut().and_then(|tier| tier.peek(&mut self.books, now));
        if self.books != before {
            self.note();
        }
        on_disk.or_else(|| self.memory.peek())
    }

    /// A batch that was handed out has met its fate, but for the points that were rejected; false when it has been
    /// dropped meanwhile.
    pub fn settle(&mut self, sequence: u64, fate: Fate, rejected: u64) -> bool {
        let on_disk = self.tier.as_mut().and_then(|tier| tier.holds(sequence, &mut self.books));
        let in_memory = || self.memory.remove(sequence).map(|batch| batch.points);
        let Some(points) = on_disk.or_else(in_memory) else { return false };
        let rejected = rejected.min(points);
        if let Some(tier) = &mut self.tier {
            tier.settle(sequence, on_disk.is_some(), &mut self.books);
        }
        self.books.leave(fate, points - rejected);
        self.books.leave(Fate::Rejected, rejected);
        self.note();
        true
    }

    /// Drops what has waited too long.
    fn expire(&mut self, now: Moment) {
        let age = self.limits.age;
        if let Some(tier) = &mut self.tier {
            tier.expire(age, &mut self.books, now);
        }
        while self.memory.oldest().is_some_and(|oldest| now.age(oldest) >= age)
            && let Some(batch) = self.memory.pop()
        {
            self.books.leave(Fate::Age, batch.points);
        }
    }

    /// Takes nothing in from now on. What is on disk stays for the next start; what is in memory and cannot be
    /// brought there is lost, and counted. Returns the points that were lost.
    pub fn close(&mut self, now: Moment) -> u64 {
        self.closed = true;
        if let Some(tier) = &mut self.tier {
            tier.flush_now(&mut self.memory, &mut self.books, now);
        }
        let mut lost = 0;
        while let Some(batch) = self.memory.pop() {
            lost += batch.points;
        }
        self.books.leave(Fate::Shutdown, lost);
        if let Some(tier) = &mut self.tier {
            tier.close(&self.books);
        }
        lost
    }

    /// What waits, in all tiers.
    pub fn usage(&self, now: Moment) -> Usage {
        let on_disk = self.tier.as_ref().map(Tier::waiting).unwrap_or_default();
        let oldest = self.tier.as_ref().and_then(Tier::oldest).into_iter().chain(self.memory.oldest()).min();
        Usage {
            bytes: self.tier.as_ref().map_or(0, Tier::bytes) + self.memory.bytes(),
            limit: self.limit(),
            batches: on_disk.batches + self.memory.len(),
            points: on_disk.points + self.memory.points(),
            oldest: oldest.and_then(|oldest| now.time.checked_sub(now.age(oldest))),
        }
    }

    /// The bytes that may wait as things are: on the disk, or in memory beside what the disk has and keeps.
    fn limit(&self) -> u64 {
        match &self.tier {
            None => self.limits.bytes,
            Some(tier) if tier.is_writable() => tier.most(),
            Some(tier) => self.limits.bytes + tier.bytes(),
        }
    }

    /// What became of every point.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// Whether the queue has a directory, whatever state that is in.
    pub fn is_durable(&self) -> bool {
        self.tier.is_some()
    }

    /// Why nothing is written to the directory, unless that has been told by [`Queue::news`].
    pub fn trouble(&self) -> Option<&str> {
        let tier = self.tier.as_ref().filter(|tier| !tier.is_writable())?;
        tier.news.iter().rev().find(|news| !news.good).map(|news| news.text.as_str())
    }

    /// Whether there may be something to do in [`Queue::tend`].
    pub fn wants_tending(&self) -> bool {
        self.memory.len() > 0
    }

    /// The bytes that everything in the directory takes.
    pub fn allocated(&self) -> u64 {
        self.tier.as_ref().map_or(0, Tier::allocated)
    }

    /// What has changed since the last call, for the log.
    pub fn news(&mut self) -> Vec<News> {
        self.tier.as_mut().map(|tier| std::mem::take(&mut tier.news)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
