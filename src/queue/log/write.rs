//! New records: behind the last one, or in a new segment.

use std::io;

use super::name::{Name, UNFINISHED};
use super::{Log, Segment};
use crate::queue::books::{Books, Fate};
use crate::queue::clock::Origin;
use crate::queue::record::{self, Header};
use crate::queue::segment::{self, HEADER, Tally};
use crate::queue::storage::{File, Storage};

/// Records that are written together.
#[derive(Debug, Default)]
pub(in crate::queue) struct Group {
    pub bytes: Vec<u8>,
    first: u64,
    last: u64,
    tally: Tally,
}

impl Group {
    pub(in crate::queue) fn add(&mut self, header: &Header, payload: &[u8]) {
        if self.tally.batches == 0 {
            self.first = header.sequence;
        }
        self.last = header.sequence;
        self.tally.add(header.points);
        header.put(payload, &mut self.bytes);
    }
}

impl Log {
    /// Writes records, which survive a crash when this returns. After an error they may or may not.
    ///
    /// A segment that could not be written is left as it is, and the next records begin a new one: after a
    /// failed sync the kernel takes the bytes for written, and a second sync would say so.
    pub(in crate::queue) fn write(
        &mut self,
        store: &dyn Storage,
        group: &Group,
        origin: Origin,
        longest: u64,
        books: &mut Books,
    ) -> io::Result<()> {
        let length = self.segments.back().map_or(0, |segment| segment.length);
        match self.writer.take() {
            Some(file) if length + group.bytes.len() as u64 <= longest => self.extend(file, group),
            _ => self.begin(store, group, origin, books),
        }
    }

    /// What has to be written again with the next records, in bytes.
    pub(in crate::queue) fn doubtful_bytes(&self) -> u64 {
        let last = self.segments.back().filter(|_| self.doubtful);
        last.map_or(0, |segment| segment.length)
    }

    fn extend(&mut self, file: Box<dyn File>, group: &Group) -> io::Result<()> {
        let Some(segment) = self.segments.back_mut() else { return Ok(()) };
        if let Err(error) = file.append(&group.bytes, segment.length) {
            // Half a record at the end does no harm; the room that it takes is given back.
            let _ = file.truncate(segment.length);
            segment.allocated = file.stat().map_or(segment.allocated, |stat| stat.allocated);
            return Err(error);
        }
        if let Err(error) = file.sync() {
            self.doubtful = true;
            segment.allocated = file.stat().map_or(segment.allocated, |stat| stat.allocated);
            return Err(error);
        }
        let stat = file.stat()?;
        segment.allocated = stat.allocated;
        if !stat.linked {
            return Err(io::Error::new(io::ErrorKind::NotFound, "its file was removed"));
        }
        segment.length += group.bytes.len() as u64;
        segment.waiting = segment.waiting.plus(group.tally);
        self.total = self.total.plus(group.tally);
        self.last = group.last;
        self.writer = Some(file);
        Ok(())
    }

    /// Begins a segment. What waits in a doubtful one comes along.
    fn begin(
        &mut self,
        store: &dyn Storage,
        group: &Group,
        origin: Origin,
        books: &mut Books,
    ) -> io::Result<()> {
        let rescued = self.rescue(store);
        let doubted = rescued.as_ref().and(self.segments.back()).map(|segment| segment.waiting);
        let before = self.total.minus(doubted.unwrap_or_default()).unwrap_or(self.total);
        let rescued = rescued.unwrap_or_default();
        let first = if rescued.tally.batches > 0 { rescued.first } else { group.first };
        let mut bytes = Vec::with_capacity(HEADER + rescued.bytes.len() + group.bytes.len());
        segment::Header { first, before, origin }.put(&mut bytes);
        bytes.extend_from_slice(&rescued.bytes);
        bytes.extend_from_slice(&group.bytes);
        let (file, allocated) = make(store, &Name::segment(self.next_number), &bytes)?;
        if let Some(doubted) = doubted {
            books.leave(Fate::Lost, doubted.points.saturating_sub(rescued.tally.points));
            let doubtful = self.segments.pop_back();
            self.litter.extend(doubtful.map(|segment| (Name::segment(segment.number), segment.allocated)));
            if self.segments.is_empty() {
                self.reader = None;
            }
        }
        let waiting = rescued.tally.plus(group.tally);
        self.segments.push_back(Segment {
            number: self.next_number,
            first,
            origin: Some(origin),
            length: bytes.len() as u64,
            allocated,
            waiting,
            read_to: HEADER as u64,
            fruitful: false,
        });
        self.next_number = self.next_number.saturating_add(1);
        self.total = before.plus(waiting);
        self.last = group.last;
        (self.writer, self.doubtful) = (Some(file), false);
        Ok(())
    }

    /// What waits in the last segment, when that is in doubt. Where it cannot be read, it stays what it is.
    fn rescue(&self, store: &dyn Storage) -> Option<Group> {
        let segment = self.segments.back().filter(|_| self.doubtful)?;
        let file = store.open(&Name::segment(segment.number)).ok()?;
        let (mut group, mut at) = (Group::default(), segment.read_to);
        while let Some((offset, header)) = segment::next(&*file, at, segment.length).ok()? {
            at = offset + header.size();
            let mut payload = vec![0; header.length as usize];
            file.read_at(&mut payload, offset + record::HEADER as u64).ok()?;
            if header.sequence > self.settled && header.matches(&payload) {
                group.add(&header, &payload);
            }
        }
        Some(group)
    }
}

/// Makes a file that has its name only when all of it is synced.
fn make(store: &dyn Storage, name: &str, bytes: &[u8]) -> io::Result<(Box<dyn File>, u64)> {
    let unfinished = format!("{name}{UNFINISHED}");
    let file = store.create(&unfinished)?;
    let written = file.append(bytes, 0).and_then(|()| file.sync()).and_then(|()| file.stat());
    let named = written.and_then(|stat| store.rename(&unfinished, name).map(|()| stat));
    match named.and_then(|stat| store.sync().map(|()| stat)) {
        Ok(stat) => Ok((file, stat.allocated)),
        Err(error) => {
            // One of the two is there. If it cannot be removed, the next start sees that it holds nothing new.
            let _ = store.remove(&unfinished).or_else(|_| store.remove(name));
            Err(error)
        }
    }
}
