//! How far the log is settled, and the books: a file of two slots that are written in turn.
//!
//! ```text
//!  0  magic        8 bytes
//!  8  version      1
//! 12  sum          crc32c of bytes 16 to 112
//! 16  generation   the slot with the higher one holds
//! 24  settled      every record up to this sequence is settled
//! 32  books        since, taken, and the points by what became of them: 10 numbers
//! ```
//!
//! The slots lie in blocks of their own, so that a write that the power ended spoils one and leaves the one
//! before it. The file never grows, so that it can be written on a full disk.

use std::io;

use bytes::{Buf, BufMut};

use super::books::Books;
use super::storage::{File, Storage, is_damage, is_foreign};

const NAME: &str = "cursor";
const UNFINISHED: &str = "cursor.new";
/// What is no file and has the name is given another one.
const STRANGE: &str = "cursor.corrupt";
const MAGIC: [u8; 8] = *b"hmcursor";
const VERSION: u32 = 1;
const SLOT: usize = 4096;
const USED: usize = 112;

/// The bytes of the file.
pub(super) const LENGTH: u64 = 2 * SLOT as u64;

/// What a slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub settled: u64,
    pub books: Books,
}

/// The file.
pub(super) struct Cursor {
    file: Box<dyn File>,
    generation: u64,
    /// Written and not synced.
    dirty: bool,
}

impl Cursor {
    /// Opens the file and reads what it says; none where nothing in it is undamaged.
    pub(super) fn open(store: &dyn Storage) -> io::Result<Option<(Self, Position)>> {
        let file = match store.open(NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound || is_damage(&error) => return Ok(None),
            Err(error) if is_foreign(&error) => {
                store.rename(NAME, STRANGE)?;
                return Ok(None);
            }
            result => result?,
        };
        let mut slots = [None; 2];
        for (place, slot) in slots.iter_mut().enumerate() {
            let mut bytes = [0; USED];
            match file.read_at(&mut bytes, (place * SLOT) as u64) {
                Ok(read) => *slot = decode(&bytes[..read]),
                Err(error) if is_damage(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let latest = slots.into_iter().flatten().max_by_key(|(generation, _)| *generation);
        // What an earlier run wrote may not have been synced.
        Ok(latest.map(|(generation, position)| (Self { file, generation, dirty: true }, position)))
    }

    /// Puts a new file in the place of one that is missing or cannot be trusted.
    pub(super) fn create(store: &dyn Storage, position: &Position) -> io::Result<Self> {
        Self::make(store, position).inspect_err(|_| {
            // It is tried again, and would be written over then.
            let _ = store.remove(UNFINISHED);
        })
    }

    fn make(store: &dyn Storage, position: &Position) -> io::Result<Self> {
        let file = store.create(UNFINISHED)?;
        let mut bytes = Vec::with_capacity(2 * SLOT);
        for generation in 0..2 {
            encode(generation, position, &mut bytes);
            bytes.resize((generation as usize + 1) * SLOT, 0);
        }
        file.append(&bytes, 0)?;
        file.sync()?;
        store.rename(UNFINISHED, NAME)?;
        store.sync()?;
        Ok(Self { file, generation: 1, dirty: false })
    }

    /// Writes a position, which survives the process.
    pub(super) fn write(&mut self, position: &Position) -> io::Result<()> {
        let generation = self.generation.wrapping_add(1);
        let mut bytes = Vec::with_capacity(USED);
        encode(generation, position, &mut bytes);
        self.file.overwrite(&bytes, generation % 2 * SLOT as u64)?;
        (self.generation, self.dirty) = (generation, true);
        Ok(())
    }

    /// Makes what was written survive a crash of the host.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync()?;
            self.dirty = false;
        }
        Ok(())
    }

    /// The bytes that the file takes.
    pub(super) fn allocated(&self) -> io::Result<u64> {
        Ok(self.file.stat()?.allocated)
    }
}

fn encode(generation: u64, position: &Position, out: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(USED - 16);
    body.put_u64_le(generation);
    body.put_u64_le(position.settled);
    position.books.encode(&mut body);
    out.put_slice(&MAGIC);
    out.put_u32_le(VERSION);
    out.put_u32_le(crc32c::crc32c(&body));
    out.put_slice(&body);
}

fn decode(bytes: &[u8]) -> Option<(u64, Position)> {
    let mut rest = bytes.strip_prefix(&MAGIC)?;
    let (version, sum) = (rest.try_get_u32_le().ok()?, rest.try_get_u32_le().ok()?);
    if version != VERSION || sum != crc32c::crc32c(rest) {
        return None;
    }
    let (generation, settled) = (rest.try_get_u64_le().ok()?, rest.try_get_u64_le().ok()?);
    Some((generation, Position { settled, books: Books::decode(&mut rest)? }))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::super::storage::simulated::Simulated;
    use super::*;

    fn position(settled: u64) -> Position {
        let mut books = Books::new(SystemTime::now());
        books.take(settled);
        Position { settled, books }
    }

    fn read(store: &Simulated) -> Option<u64> {
        Cursor::open(store).unwrap().map(|(_, position)| position.settled)
    }

    #[test]
    fn the_last_position_is_read_back() {
        let store = Simulated::default();
        assert_eq!(read(&store), None);
        let mut cursor = Cursor::create(&store, &position(0)).unwrap();
        for settled in 1..10 {
            cursor.write(&position(settled)).unwrap();
            assert_eq!(read(&store), Some(settled));
        }
        let (_, latest) = Cursor::open(&store).unwrap().unwrap();
        assert_eq!(latest.books.taken(), 9);
        assert_eq!(store.open(NAME).unwrap().stat().unwrap().length, LENGTH);
    }

    proptest! {
        #[test]
        fn a_spoilt_slot_leaves_the_one_before(settled in 1..20_u64, at in 0..USED, bits in 1..=255_u8) {
            let store = Simulated::default();
            let mut cursor = Cursor::create(&store, &position(0)).unwrap();
            (1..=settled).for_each(|settled| cursor.write(&position(settled)).unwrap());
            let spoil = |generation: u64| {
                let (at, mut byte) = (generation % 2 * SLOT as u64 + at as u64, [0]);
                cursor.file.read_at(&mut byte, at).unwrap();
                cursor.file.overwrite(&[byte[0] ^ bits], at).unwrap();
            };
            spoil(settled + 1);
            prop_assert_eq!(read(&store), Some(settled - 1));
            spoil(settled);
            prop_assert_eq!(read(&store), None);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(&bytes), None);
        }
    }
}
