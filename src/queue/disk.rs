//! The tier on disk: a log, the cursor that says how far it is settled, and the room that both may take.

use std::io;
use std::time::{Duration, SystemTime};

use super::Entry;
use super::books::{Books, Fate};
use super::clock::{Moment, Origin, Taken};
use super::cursor::{self, Cursor, Position};
use super::log::{Group, Log};
use super::memory::Waiting;
use super::record;
use super::room::{DiskLimits, blocks, segment_length};
use super::segment::Tally;
use super::storage::{Space, Storage, is_damage};

/// What a run knows when it opens the disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub limits: DiskLimits,
    pub origin: Origin,
    /// How much the wall clock is believed across boots.
    pub trust: Duration,
}

/// The tier.
pub(super) struct Disk {
    store: Box<dyn Storage>,
    run: Run,
    log: Log,
    /// None while the file cannot be written; what is delivered meanwhile is sent again after a crash.
    cursor: Option<Cursor>,
    most: u64,
    /// Bytes that were given up for new ones where the disk is short of room for reasons of others.
    credit: u64,
    /// How often in a row the disk did not give back what is next.
    strikes: u32,
}

/// As often the disk is asked for bytes that it says it has lost.
const STRIKES: u32 = 3;

impl Disk {
    /// Opens what is there. `known` is how far an earlier opening in this run came with the same books. Returns
    /// the books of an earlier run as well.
    pub(super) fn open(
        store: Box<dyn Storage>,
        run: Run,
        known: Option<(SystemTime, u64)>,
    ) -> io::Result<(Self, Option<Books>)> {
        let found = Cursor::open(&*store)?;
        let (cursor, position) = found.unzip();
        let mut settled = position.map_or(0, |position: Position| position.settled);
        if let Some((since, ours)) = known
            && position.is_none_or(|position| position.books.since() == since)
        {
            settled = settled.max(ours);
        }
        let log = Log::open(&*store, settled)?;
        let most = run.limits.most(store.space()?.total);
        let disk = Self { store, run, log, cursor, most, credit: 0, strikes: 0 };
        Ok((disk, position.map(|position| position.books)))
    }

    /// The last sequence that was given out, as far as is known here.
    pub(super) fn last(&self) -> u64 {
        self.log.last()
    }

    /// Every batch up to this sequence is settled.
    pub(super) fn settled(&self) -> u64 {
        self.log.settled()
    }

    /// What waits.
    pub(super) fn waiting(&self) -> Tally {
        self.log.waiting()
    }

    /// The bytes of what waits.
    pub(super) fn bytes(&self) -> u64 {
        self.log.bytes()
    }

    /// The most bytes that the files may take.
    pub(super) fn most(&self) -> u64 {
        self.most
    }

    /// How many bytes are best written at once.
    pub(super) fn group(&self) -> u64 {
        segment_length(self.most)
    }

    /// Whether this is still the directory that is found under its path.
    pub(super) fn in_place(&self) -> bool {
        self.store.in_place()
    }

    /// Takes in batches, which survive a crash when this returns. Older ones go where there is no room.
    pub(super) fn append(&mut self, batches: &[Waiting], books: &mut Books, now: Moment) -> io::Result<()> {
        if !self.store.in_place() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the directory is no longer there"));
        }
        let mut group = Group::default();
        for batch in batches {
            let appended = batch.taken.since_boot();
            let header = record::Header::of(&batch.bytes, batch.sequence, batch.points, appended);
            let header = header.ok_or_else(|| io::Error::other("a batch is too long for the log"))?;
            group.add(&header, &batch.bytes);
        }
        self.make_room(group.bytes.len() as u64, books)?;
        if self.cursor.is_none() {
            self.cursor = Some(Cursor::create(&*self.store, &self.position(books))?);
        }
        let origin = Origin::new(self.run.origin.boot_id, now);
        self.log.write(&*self.store, &group, origin, self.group(), books)
    }

    /// Sees to it that the cap holds and enough is left free when so many bytes are written.
    fn make_room(&mut self, bytes: u64, books: &mut Books) -> io::Result<()> {
        let space = self.store.space()?;
        self.most = self.run.limits.most(space.total);
        let cursor = if self.cursor.is_none() { cursor::LENGTH } else { 0 };
        let need = blocks(bytes + self.log.doubtful_bytes() + cursor, space.block);
        if need + self.store.allocated()? > self.most {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "its share of the disk is too small"));
        }
        self.sweep(books);
        while self.allocated() + need > self.most {
            if self.log.drop_oldest(books).is_none() {
                let full = "its share of the disk is too small, or full of what cannot be removed";
                return Err(io::Error::new(io::ErrorKind::QuotaExceeded, full));
            }
            self.sweep(books);
        }
        let space = Space { available: self.store.space()?.available, ..space };
        if self.run.limits.leaves_enough(space, need) {
            self.credit = 0;
            return Ok(());
        }
        // What was given up for it may be taken again.
        self.credit = self.credit.checked_sub(need).ok_or_else(|| {
            io::Error::new(io::ErrorKind::StorageFull, "too little would be left free of the disk")
        })?;
        Ok(())
    }

    /// Gives up the oldest for new ones that find no room; false where there is nothing to give up.
    pub(super) fn relinquish(&mut self, books: &mut Books) -> bool {
        let freed = self.log.drop_oldest(books);
        self.sweep(books);
        self.credit += freed.unwrap_or(0);
        freed.is_some()
    }

    /// The bytes that everything of ours takes.
    pub(super) fn allocated(&self) -> u64 {
        let cursor = self.cursor.as_ref().and_then(|cursor| cursor.allocated().ok());
        self.log.allocated() + cursor.unwrap_or(0) + self.store.allocated().unwrap_or(0)
    }

    /// The oldest batch, which stays. An error says that the disk does not answer now.
    pub(super) fn peek(&mut self, books: &mut Books) -> io::Result<Option<Entry>> {
        self.secure(books);
        self.sweep(books);
        loop {
            let result = self.read(books);
            self.strikes = if result.as_ref().is_err_and(is_damage) { self.strikes + 1 } else { 0 };
            if self.strikes < STRIKES {
                return result;
            }
            self.log.skip(books);
        }
    }

    fn read(&mut self, books: &mut Books) -> io::Result<Option<Entry>> {
        while let Some(head) = self.log.head(&*self.store, books)? {
            if let Some(bytes) = self.log.payload(&head)? {
                return Ok(Some(Entry { sequence: head.sequence, bytes, points: head.points }));
            }
            self.log.pass(books, false);
            books.leave(Fate::Lost, head.points);
        }
        Ok(None)
    }

    /// The points of a batch, when it is the oldest.
    pub(super) fn holds(&mut self, sequence: u64, books: &mut Books) -> Option<u64> {
        let head = self.log.head(&*self.store, books).ok()??;
        (head.sequence == sequence).then_some(head.points)
    }

    /// The oldest batch is settled.
    pub(super) fn pass(&mut self, books: &mut Books) {
        self.log.pass(books, true);
    }

    /// A batch that is not here is settled.
    pub(super) fn settle_other(&mut self, sequence: u64) {
        self.log.settle_others(sequence);
    }

    /// When the oldest batch was taken in.
    pub(super) fn oldest(&self) -> Option<Taken> {
        self.log.oldest().map(|(origin, boot)| self.translate(origin, boot))
    }

    /// Without a header, a segment is as old as this run.
    fn translate(&self, theirs: Option<Origin>, boot: u64) -> Taken {
        let ours = &self.run.origin;
        ours.translate(
            &theirs.unwrap_or(*ours),
            if theirs.is_some() { boot } else { ours.boot },
            self.run.trust,
        )
    }

    /// Drops what has waited too long.
    pub(super) fn expire(&mut self, now: Moment, age: Duration, books: &mut Books) -> io::Result<()> {
        if self.oldest().is_none_or(|oldest| now.age(oldest) < age) {
            return Ok(());
        }
        while let Some(head) = self.log.head(&*self.store, books)? {
            if self.oldest().is_some_and(|oldest| now.age(oldest) < age) {
                break;
            }
            self.log.pass(books, true);
            books.leave(Fate::Age, head.points);
        }
        Ok(())
    }

    fn position(&self, books: &Books) -> Position {
        Position { settled: self.log.settled(), books: *books }
    }

    /// Writes down how far we are, so that it survives the process.
    pub(super) fn note(&mut self, books: &Books) {
        let position = self.position(books);
        if let Some(cursor) = &mut self.cursor
            && cursor.write(&position).is_err()
        {
            self.cursor = None;
        }
    }

    /// What was noted survives a crash of the host. A file that could not be written or synced is not trusted
    /// again; a new one is tried in its place the next time.
    pub(super) fn secure(&mut self, books: &Books) {
        self.cursor = match self.cursor.take() {
            Some(mut cursor) => cursor.sync().is_ok().then_some(cursor),
            None => Cursor::create(&*self.store, &self.position(books)).ok(),
        };
    }

    /// Removes what is settled, once the cursor says so.
    fn sweep(&mut self, books: &Books) {
        if self.log.is_littered() {
            self.note(books);
            self.secure(books);
            self.log.sweep(&*self.store);
        }
    }
}
