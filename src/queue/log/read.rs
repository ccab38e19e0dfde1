//! The oldest record: found, read, left behind.

use std::io;

use bytes::Bytes;

use super::name::Name;
use super::{Log, Segment};
use crate::queue::books::{Books, Fate};
use crate::queue::record::{self, Header};
use crate::queue::segment::{self, PAGE};
use crate::queue::storage::{File, Storage};

/// The place in the first segment.
pub(super) struct Reader {
    file: Box<dyn File>,
    at: u64,
    head: Option<Header>,
}

impl Reader {
    fn open(store: &dyn Storage, segment: &Segment) -> io::Result<Option<Self>> {
        match store.open(&Name::segment(segment.number)) {
            Ok(file) => Ok(Some(Self { file, at: segment.read_to, head: None })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn head(&self) -> Option<Header> {
        self.head
    }

    /// The next record after the sequence `settled`. Others are there twice, because their first copy was in
    /// doubt.
    fn find(&mut self, end: u64, settled: u64) -> io::Result<Option<Header>> {
        while self.head.is_none() {
            let Some((at, header)) = segment::next(&*self.file, self.at, end)? else { return Ok(None) };
            self.at = at;
            if header.sequence > settled {
                self.head = Some(header);
            } else {
                self.at += header.size();
            }
        }
        Ok(self.head)
    }
}

impl Log {
    /// The oldest record that waits. Segments that have none are done with.
    pub(in crate::queue) fn head(
        &mut self,
        store: &dyn Storage,
        books: &mut Books,
    ) -> io::Result<Option<Header>> {
        while let Some(segment) = self.segments.front_mut() {
            if segment.waiting.batches > 0 {
                if self.reader.is_none() {
                    self.reader = Reader::open(store, segment)?;
                }
                if let Some(reader) = &mut self.reader
                    && let Some(head) = reader.find(segment.length, self.settled)?
                {
                    return Ok(Some(head));
                }
            }
            // What should be there and is not; nothing, where nothing is damaged.
            let missing = std::mem::take(&mut segment.waiting);
            books.leave(Fate::Lost, missing.points);
            segment.read_to = segment.length;
            if self.writer.is_some() && self.segments.len() == 1 {
                if missing.batches > 0 {
                    self.reader = None;
                }
                return Ok(None);
            }
            self.finish(store, missing.batches > 0);
        }
        Ok(None)
    }

    /// The payload of the head; none when it is damaged.
    pub(in crate::queue) fn payload(&self, head: &Header) -> io::Result<Option<Bytes>> {
        let Some(reader) = &self.reader else { return Ok(None) };
        let mut payload = vec![0; head.length as usize];
        let read = reader.file.read_at(&mut payload, reader.at + record::HEADER as u64)?;
        Ok((read == payload.len() && head.matches(&payload)).then(|| payload.into()))
    }

    /// Leaves the head behind. `good` says whether it could be read.
    pub(in crate::queue) fn pass(&mut self, books: &mut Books, good: bool) {
        let (Some(segment), Some(reader)) = (self.segments.front_mut(), &mut self.reader) else { return };
        let Some(head) = reader.head.take() else { return };
        reader.at += head.size();
        segment.read_to = reader.at;
        segment.fruitful |= good;
        self.settled = head.sequence;
        // A record that the headers of the segments did not tell of was taken in all the same.
        books.take(head.points.saturating_sub(segment.waiting.points));
        segment.waiting.batches = segment.waiting.batches.saturating_sub(1);
        segment.waiting.points = segment.waiting.points.saturating_sub(head.points);
    }

    /// Gives up what the disk does not give back: the record, or the bytes where one should begin.
    pub(in crate::queue) fn skip(&mut self, books: &mut Books) {
        let Some(reader) = &mut self.reader else { return };
        if let Some(head) = reader.head {
            self.pass(books, false);
            books.leave(Fate::Lost, head.points);
        } else {
            reader.at = (reader.at / PAGE + 1) * PAGE;
        }
    }
}
