//! One file of the log: a header, then records.
//!
//! ```text
//!  0  magic            8 bytes
//!  8  version          1
//! 12  sum              crc32c of bytes 0 to 12; so far in every version
//! 16  sum              crc32c of bytes 20 to 76
//! 20  first            the sequence of its first record
//! 28  batches before   how many records the log took in before this file
//! 36  points before    and how many points they held
//! 44  boot             names the boot whose clock the records use, 16 bytes
//! 60  origin           milliseconds since that boot when the file was begun
//! 68  time             milliseconds since 1970 at the same moment
//! 76  records
//! ```
//!
//! The version has a sum of its own, so that a damaged one is not taken for that of another program.
//!
//! What a file holds is told by the header of the next one, so that the log can be opened without reading it.

use std::io;

use bytes::{Buf, BufMut};
use memchr::memmem;

use super::clock::Origin;
use super::record::{self, MARK};
use super::storage::{File, is_damage};

const MAGIC: [u8; 8] = *b"hmqueue\n";

/// The version that this program writes. One it does not know is left to the program that does.
const VERSION: u32 = 1;

/// The bytes before the first record.
pub(super) const HEADER: usize = 76;

/// What the disk reads as one.
pub(super) const PAGE: u64 = 4096;

/// How often a survey goes to the next page because the disk did not give back one.
const UNREADABLE: usize = 64;

/// How much is read at once when the next record has to be looked for.
const STEP: usize = 64 << 10;

/// A number of batches and of their points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub batches: u64,
    pub points: u64,
}

impl Tally {
    pub(super) fn add(&mut self, points: u64) {
        self.batches += 1;
        self.points = self.points.saturating_add(points);
    }

    pub(super) fn plus(self, other: Tally) -> Tally {
        let points = self.points.saturating_add(other.points);
        Tally { batches: self.batches.saturating_add(other.batches), points }
    }

    /// None where `other` is more.
    pub(super) fn minus(self, other: Tally) -> Option<Tally> {
        let batches = self.batches.checked_sub(other.batches)?;
        Some(Tally { batches, points: self.points.checked_sub(other.points)? })
    }
}

/// What a segment begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub first: u64,
    pub before: Tally,
    pub origin: Origin,
}

/// What was found at the beginning of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    Good(Header),
    /// Of another version.
    Foreign,
    Damaged,
}

impl Header {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(HEADER - 20);
        body.put_u64_le(self.first);
        body.put_u64_le(self.before.batches);
        body.put_u64_le(self.before.points);
        body.put_u128_le(self.origin.boot_id);
        body.put_u64_le(self.origin.boot);
        body.put_u64_le(self.origin.time);
        out.put_slice(&identity(VERSION));
        out.put_u32_le(crc32c::crc32c(&body));
        out.put_slice(&body);
    }

    pub(super) fn read(file: &dyn File) -> io::Result<Beginning> {
        let mut bytes = [0; HEADER];
        let read = file.read_at(&mut bytes, 0)?;
        Ok(decode(&bytes[..read]).unwrap_or(Beginning::Damaged))
    }
}

/// What says whose a file is: the magic, the version and their sum.
pub(super) fn identity(version: u32) -> [u8; 16] {
    let mut identity = [0; 16];
    let (head, sum) = identity.split_at_mut(12);
    head[..8].copy_from_slice(&MAGIC);
    head[8..].copy_from_slice(&version.to_le_bytes());
    sum.copy_from_slice(&crc32c::crc32c(head).to_le_bytes());
    identity
}

fn decode(bytes: &[u8]) -> Option<Beginning> {
    let (ours, mut rest) = bytes.split_at_checked(16)?;
    let version = ours[8..12].try_into().map_or(0, u32::from_le_bytes);
    if ours != identity(version) {
        return None;
    }
    if version != VERSION {
        return Some(Beginning::Foreign);
    }
    if rest.try_get_u32_le().ok()? != crc32c::crc32c(rest) || bytes.len() < HEADER {
        return None;
    }
    let mut number = || rest.try_get_u64_le().ok();
    let (first, before) = (number()?, Tally { batches: number()?, points: number()? });
    let boot_id = rest.try_get_u128_le().ok()?;
    let (boot, time) = (rest.try_get_u64_le().ok()?, rest.try_get_u64_le().ok()?);
    Some(Beginning::Good(Header { first, before, origin: Origin { boot_id, boot, time } }))
}

/// Finds the first whole record at `offset` or after it and before `end`: its offset and its header.
///
/// Where there is none at `offset` itself, something is damaged, and the next one is looked for.
pub(super) fn next(file: &dyn File, offset: u64, end: u64) -> io::Result<Option<(u64, record::Header)>> {
    let mut bytes = [0; record::HEADER];
    let mut at = offset;
    while at + record::HEADER as u64 <= end {
        let read = file.read_at(&mut bytes, at)?;
        match record::Header::decode(&bytes[..read]) {
            Some(header) if at + header.size() <= end => return Ok(Some((at, header))),
            _ => match find_mark(file, at + 1, end)? {
                Some(found) => at = found,
                None => return Ok(None),
            },
        }
    }
    Ok(None)
}

fn find_mark(file: &dyn File, mut from: u64, end: u64) -> io::Result<Option<u64>> {
    let mut buffer = vec![0; STEP];
    while from + record::HEADER as u64 <= end {
        let read = file.read_at(&mut buffer, from)?;
        if let Some(found) = memmem::find(&buffer[..read], &MARK) {
            return Ok(Some(from + found as u64));
        }
        if read < STEP {
            return Ok(None);
        }
        // A mark may lie across the border of two steps.
        from += (STEP - (MARK.len() - 1)) as u64;
    }
    Ok(None)
}

/// What a segment holds, as its own records tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Content {
    /// All of it.
    pub all: Tally,
    /// What is after the sequence that was asked for.
    pub waiting: Tally,
    /// The sequences of the first and the last record.
    pub first: Option<u64>,
    pub last: u64,
    /// Where the last whole record ends.
    pub end: u64,
}

/// Goes from header to header through a whole segment of `length` bytes. Pages that the disk does not give back
/// are left out, as long as they are few.
pub(super) fn survey(file: &dyn File, length: u64, settled: u64) -> io::Result<Content> {
    let mut content = Content { end: HEADER as u64, ..Content::default() };
    let mut unreadable = 0;
    loop {
        let (offset, header) = match next(file, content.end, length) {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(error) if is_damage(&error) && unreadable < UNREADABLE => {
                unreadable += 1;
                content.end = (content.end / PAGE + 1) * PAGE;
                continue;
            }
            Err(error) => return Err(error),
        };
        content.first.get_or_insert(header.sequence);
        content.last = content.last.max(header.sequence);
        content.end = offset + header.size();
        content.all.add(header.points);
        if header.sequence > settled {
            content.waiting.add(header.points);
        }
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::storage::Storage;
    use super::super::storage::simulated::Simulated;
    use super::*;

    const HERE: Header = Header {
        first: 5,
        before: Tally { batches: 4, points: 40 },
        origin: Origin { boot_id: 1 << 100, boot: 2, time: 3 },
    };

    /// A segment of records with payloads of these lengths, numbered from 5, each of 10 points.
    fn segment(lengths: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        HERE.put(&mut bytes);
        for (place, length) in lengths.iter().enumerate() {
            let payload = vec![b'x'; *length];
            let header = record::Header::of(&payload, 5 + place as u64, 10, 0).unwrap();
            header.put(&payload, &mut bytes);
        }
        bytes
    }

    fn file(bytes: &[u8]) -> Box<dyn File> {
        let file = Simulated::default().create("s").unwrap();
        file.append(bytes, 0).unwrap();
        file
    }

    fn sequences(bytes: &[u8]) -> Vec<u64> {
        let (file, mut found, mut at) = (file(bytes), Vec::new(), HEADER as u64);
        while let Some((offset, header)) = next(&*file, at, bytes.len() as u64).unwrap() {
            found.push(header.sequence);
            at = offset + header.size();
        }
        found
    }

    #[test]
    fn the_layout_is_the_one_that_is_written_down() {
        let bytes = segment(&[]);
        assert_eq!(bytes.len(), HEADER);
        assert_eq!((&bytes[..8], &bytes[8..12]), (&MAGIC[..], &1_u32.to_le_bytes()[..]));
        assert_eq!((bytes[20], bytes[28], bytes[36], bytes[60], bytes[68]), (5, 4, 40, 2, 3));
        assert_eq!(bytes[44..60], (1_u128 << 100).to_le_bytes());
        assert_eq!(Header::read(&*file(&bytes)).unwrap(), Beginning::Good(HERE));
    }

    #[test]
    fn another_version_is_not_damage() {
        let mut bytes = segment(&[10]);
        bytes[..16].copy_from_slice(&identity(2));
        assert_eq!(Header::read(&*file(&bytes)).unwrap(), Beginning::Foreign);
        bytes[8] = 3;
        assert_eq!(Header::read(&*file(&bytes)).unwrap(), Beginning::Damaged);
        assert_eq!(Header::read(&*file(&[])).unwrap(), Beginning::Damaged);
        assert_eq!(Header::read(&*file(&segment(&[])[..HEADER - 1])).unwrap(), Beginning::Damaged);
    }

    #[test]
    fn a_survey_counts_what_is_after_the_settled_and_ends_with_the_last_whole_record() {
        let mut bytes = segment(&[10, 0, 10]);
        let end = bytes.len() as u64;
        bytes.extend(&segment(&[99])[HEADER..HEADER + 90]);
        let content = survey(&*file(&bytes), bytes.len() as u64, 5).unwrap();
        let tally = |batches| Tally { batches, points: 10 * batches };
        assert_eq!(content, Content { all: tally(3), waiting: tally(2), first: Some(5), last: 7, end });
    }

    #[test]
    fn a_mark_across_two_steps_is_found() {
        for filler in STEP - 8..STEP + 8 {
            let mut bytes = segment(&[]);
            bytes.resize(HEADER + filler, 0);
            bytes.extend(&segment(&[3])[HEADER..]);
            assert_eq!(sequences(&bytes), [5], "{filler}");
        }
    }

    proptest! {
        /// Damage anywhere costs the records that it touches and no other.
        #[test]
        fn damage_costs_what_it_touches(lengths in prop::collection::vec(0..60_usize, 1..20), at in any::<prop::sample::Index>(), length in 1..200_usize) {
            let mut bytes = segment(&lengths);
            let from = HEADER + at.index(bytes.len() - HEADER);
            let to = (from + length).min(bytes.len());
            bytes[from..to].fill(0xaa);
            let (mut expected, mut start) = (Vec::new(), HEADER);
            for (place, length) in lengths.iter().enumerate() {
                let header = start + record::HEADER;
                // The payload is not looked at here.
                if to <= start || from >= header {
                    expected.push(5 + place as u64);
                }
                start = header + length;
            }
            prop_assert_eq!(sequences(&bytes), expected);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), settled in any::<u64>()) {
            let file = file(&bytes);
            prop_assert!(Header::read(&*file).is_ok());
            prop_assert!(survey(&*file, bytes.len() as u64, settled).is_ok());
        }
    }
}
