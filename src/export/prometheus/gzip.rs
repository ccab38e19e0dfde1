//! gzip (RFC 1952) by a compressor that is used again: to make one clears 0.4 MB, a tenth of what a scrape computes.

use std::io::{self, Write};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// No name, no time, the fastest level, and an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// A page of a host with a hundred processes is as large.
const ROOM: usize = 16 << 10;

/// Compresses what is written to it.
pub(super) struct Gzip {
    compress: Compress,
    crc: Crc,
    out: Vec<u8>,
}

impl Default for Gzip {
    fn default() -> Self {
        Self { compress: Compress::new(Compression::fast(), false), crc: Crc::new(), out: Vec::new() }
    }
}

impl Gzip {
    /// What was written since the last time, as one file.
    pub(super) fn finish(&mut self) -> io::Result<Vec<u8>> {
        while self.step(&[], FlushCompress::Finish)? != Status::StreamEnd {}
        let mut out = std::mem::take(&mut self.out);
        out.extend_from_slice(&self.crc.sum().to_le_bytes());
        out.extend_from_slice(&self.crc.amount().to_le_bytes());
        self.compress.reset();
        self.crc.reset();
        Ok(out)
    }

    fn step(&mut self, input: &[u8], flush: FlushCompress) -> io::Result<Status> {
        if self.out.is_empty() {
            self.out.reserve(ROOM);
            self.out.extend_from_slice(&HEADER);
        }
        if self.out.len() == self.out.capacity() {
            self.out.reserve(self.out.len());
        }
        self.compress.compress_vec(input, &mut self.out, flush).map_err(io::Error::other)
    }
}

impl Write for Gzip {
    fn write(&mut self, input: &[u8]) -> io::Result<usize> {
        let before = self.compress.total_in();
        let mut taken = 0;
        // It may only make room at first.
        while taken == 0 && !input.is_empty() {
            self.step(input, FlushCompress::None)?;
            taken = (self.compress.total_in() - before) as usize;
        }
        self.crc.update(&input[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read_again_whatever_was_before(
            files in prop::collection::vec(prop::collection::vec((any::<u8>(), 0..90_000_usize), 0..4), 1..4),
        ) {
            let mut gzip = Gzip::default();
            for pieces in files {
                let mut whole = Vec::new();
                for (seed, length) in pieces {
                    // Half of it repeats and half of it does not.
                    let byte = |at: usize| if at.is_multiple_of(2) { seed } else { ((at * at) >> 3) as u8 };
                    let piece: Vec<u8> = (0..length).map(byte).collect();
                    gzip.write_all(&piece).unwrap();
                    whole.extend(piece);
                }
                let mut read = Vec::new();
                GzDecoder::new(&gzip.finish().unwrap()[..]).read_to_end(&mut read).unwrap();
                prop_assert!(read == whole);
            }
        }
    }
}
