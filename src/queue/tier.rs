//! The disk as something that may fail: what cannot be written stays in memory, and the disk is tried again.

use std::io;
use std::time::Duration;

use super::Entry;
use super::books::Books;
use super::clock::{Moment, Taken};
use super::disk::{Disk, Run};
use super::memory::Memory;
use super::segment::Tally;
use super::storage::{Refused, Storage};

/// Between two attempts to write. The promise is half a minute; whoever asks comes every ten seconds.
const AGAIN: Duration = Duration::from_secs(20);

/// Opens the directory.
pub(super) type Opener = Box<dyn Fn() -> Result<Box<dyn Storage>, Refused> + Send>;

/// A change of state, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Whether it is a change for the better.
    pub good: bool,
    /// The whole sentence.
    pub text: String,
}

/// A disk, or the wait for one.
pub(super) struct Tier {
    opener: Opener,
    run: Run,
    disk: Option<Disk>,
    /// Why nothing is written.
    trouble: Option<Trouble>,
    /// Nothing is read before this time since the boot.
    unreadable: Option<Duration>,
    pub news: Vec<News>,
}

#[derive(Debug, Clone, Copy)]
struct Trouble {
    since: Duration,
    tried: Duration,
    /// It is only for want of room.
    full: bool,
}

impl Tier {
    pub(super) fn new(opener: Opener, run: Run) -> Self {
        Self { opener, run, disk: None, trouble: None, unreadable: None, news: Vec::new() }
    }

    /// Opens the directory, or says why not in the news. An error is the process that has it.
    pub(super) fn open(
        &mut self,
        memory: &mut Memory,
        books: &mut Books,
        now: Moment,
    ) -> Result<(), Option<u32>> {
        match self.try_open(memory, books) {
            Ok(()) => Ok(()),
            Err(Refused::Held(holder)) => Err(holder),
            Err(Refused::Unusable(error)) => {
                self.failed(&error, now);
                Ok(())
            }
        }
    }

    fn try_open(&mut self, memory: &mut Memory, books: &mut Books) -> Result<(), Refused> {
        let known = self.disk.as_ref().map(|disk| (books.since(), disk.settled()));
        let store = (self.opener)()?;
        let (mut disk, earlier) = Disk::open(store, self.run, known).map_err(Refused::Unusable)?;
        // Books that began when ours did are ours, of a moment ago.
        let ours = known.is_some() && earlier.is_some_and(|earlier| earlier.since() == books.since());
        if let Some(earlier) = earlier.filter(|_| !ours) {
            books.add(&earlier);
        }
        let lost = books.reconcile(disk.waiting().points + memory.points());
        if lost > 0 {
            let text = format!("{lost} points that waited on disk are no longer there: damage, or a crash");
            self.news.push(News { good: false, text });
        }
        memory.come_after(disk.last());
        disk.secure(books);
        // One that was moved away was held until now, so that what waits there could still be sent.
        self.disk = Some(disk);
        Ok(())
    }

    /// The last sequence that is known here.
    pub(super) fn last(&self) -> u64 {
        self.disk.as_ref().map_or(0, Disk::last)
    }

    /// Brings to the disk what is in memory, if the disk takes it.
    pub(super) fn flush(&mut self, memory: &mut Memory, books: &mut Books, now: Moment) {
        let due = |trouble: Trouble| now.boot.saturating_sub(trouble.tried) >= AGAIN;
        if memory.len() > 0 && self.trouble.is_none_or(due) {
            self.flush_now(memory, books, now);
        }
    }

    /// The same, whenever the last attempt was.
    pub(super) fn flush_now(&mut self, memory: &mut Memory, books: &mut Books, now: Moment) {
        match self.try_flush(memory, books, now) {
            Ok(()) => self.succeeded(now),
            Err(error) => self.failed(&error, now),
        }
    }

    fn try_flush(&mut self, memory: &mut Memory, books: &mut Books, now: Moment) -> io::Result<()> {
        if self.disk.as_ref().is_none_or(|disk| self.trouble.is_some() && !disk.in_place()) {
            self.try_open(memory, books).map_err(|refused| match refused {
                Refused::Held(holder) => io::Error::other(held(holder)),
                Refused::Unusable(error) => error,
            })?;
        }
        let Some(disk) = &mut self.disk else { return Ok(()) };
        while memory.len() > 0 {
            let first = memory.first(disk.group());
            let count = first.len();
            disk.append(first, books, now)?;
            for _ in 0..count {
                memory.pop();
            }
        }
        Ok(())
    }

    /// Memory is full. Where the disk takes nothing for want of room, its oldest batches are older than those in
    /// memory: they go, and what is in memory takes their room.
    pub(super) fn make_way(&mut self, memory: &mut Memory, books: &mut Books, now: Moment) {
        if self.trouble.is_some_and(|trouble| trouble.full)
            && self.disk.as_mut().is_some_and(|disk| disk.relinquish(books))
        {
            self.flush_now(memory, books, now);
        }
    }

    fn failed(&mut self, error: &io::Error, now: Moment) {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        if self.trouble.is_none() {
            let text = format!("the queue's disk takes nothing: {error}; batches wait in memory meanwhile");
            self.news.push(News { good: false, text });
        }
        let since = self.trouble.map_or(now.boot, |trouble| trouble.since);
        self.trouble = Some(Trouble { since, tried: now.boot, full });
    }

    fn succeeded(&mut self, now: Moment) {
        if let Some(trouble) = self.trouble.take() {
            let seconds = now.boot.saturating_sub(trouble.since).as_secs();
            let text = format!("the queue is on disk again after {seconds} s");
            self.news.push(News { good: true, text });
        }
    }

    /// The oldest batch on disk. Where it cannot be read, the disk is left alone for a while, and what is in memory
    /// goes first: newer batches before older ones rather than none at all.
    pub(super) fn peek(&mut self, books: &mut Books, now: Moment) -> Option<Entry> {
        if self.unreadable.is_some_and(|until| now.boot < until) {
            return None;
        }
        let result = self.disk.as_mut()?.peek(books);
        let was_readable = self.unreadable.is_none();
        self.unreadable = result.is_err().then(|| now.boot + AGAIN);
        match (&result, was_readable) {
            (Err(error), true) => {
                let text = format!("what waits on disk cannot be read: {error}; it is tried again");
                self.news.push(News { good: false, text });
            }
            (Ok(_), false) => {
                let text = "what waits on disk can be read again".to_owned();
                self.news.push(News { good: true, text });
            }
            _ => {}
        }
        result.ok().flatten()
    }

    /// Drops what has waited too long.
    pub(super) fn expire(&mut self, age: Duration, books: &mut Books, now: Moment) {
        if let Some(disk) = self.disk.as_mut().filter(|_| self.unreadable.is_none()) {
            // Whoever reads next meets the same error, and tells it.
            let _ = disk.expire(now, age, books);
        }
    }

    /// The points of a batch, when it is the oldest on disk.
    pub(super) fn holds(&mut self, sequence: u64, books: &mut Books) -> Option<u64> {
        self.disk.as_mut()?.holds(sequence, books)
    }

    /// A batch is settled: the oldest on disk, or one that is not on disk.
    pub(super) fn settle(&mut self, sequence: u64, on_disk: bool, books: &mut Books) {
        match &mut self.disk {
            Some(disk) if on_disk => disk.pass(books),
            Some(disk) => disk.settle_other(sequence),
            None => {}
        }
    }

    /// Writes the books down, so that they survive the process.
    pub(super) fn note(&mut self, books: &Books) {
        if let Some(disk) = &mut self.disk {
            disk.note(books);
        }
    }

    /// The program ends.
    pub(super) fn close(&mut self, books: &Books) {
        if let Some(disk) = &mut self.disk {
            disk.note(books);
            disk.secure(books);
        }
    }

    /// Whether batches are written to the disk, as far as is known.
    pub(super) fn is_writable(&self) -> bool {
        self.trouble.is_none()
    }

    /// What waits on disk.
    pub(super) fn waiting(&self) -> Tally {
        self.disk.as_ref().map(Disk::waiting).unwrap_or_default()
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.disk.as_ref().map_or(0, Disk::bytes)
    }

    /// The most bytes that the disk may hold.
    pub(super) fn most(&self) -> u64 {
        self.disk.as_ref().map_or(0, Disk::most)
    }

    /// When the oldest batch on disk was taken in.
    pub(super) fn oldest(&self) -> Option<Taken> {
        self.disk.as_ref()?.oldest()
    }

    /// The bytes that everything in the directory takes.
    pub(super) fn allocated(&self) -> u64 {
        self.disk.as_ref().map_or(0, Disk::allocated)
    }
}

/// Says whose a directory is.
pub(super) fn held(holder: Option<u32>) -> String {
    holder.map_or("another process has it".to_owned(), |pid| format!("the process {pid} has it"))
}
