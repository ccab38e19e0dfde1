//! One batch on disk. This is the only place that knows how its bytes lie.
//!
//! ```text
//!  0  mark           4 bytes, the same in every record
//!  4  sum            crc32c of bytes 8 to 40
//!  8  length         of the payload
//! 12  payload sum    crc32c of the payload
//! 16  sequence       names the batch, grows strictly through the whole log
//! 24  points         the weight of the batch
//! 32  appended       milliseconds since the boot that the segment names
//! 40  payload
//! ```
//!
//! All numbers are little-endian. The header has a sum of its own, so that a damaged payload still tells how
//! many points it held and where the next record begins.

use bytes::{Buf, BufMut};

/// What a record begins with. After damage the next record is looked for by it.
pub(super) const MARK: [u8; 4] = [0xf7, b'h', b'm', 0xb7];

/// The bytes before the payload.
pub(super) const HEADER: usize = 40;

/// The longest payload: a request may be configured to 64 MiB.
const LONGEST: u32 = 64 << 20;

/// What is known of a record without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub length: u32,
    pub payload_sum: u32,
    pub sequence: u64,
    pub points: u64,
    pub appended: u64,
}

impl Header {
    /// The header of a payload; none where that is too long.
    pub(super) fn of(payload: &[u8], sequence: u64, points: u64, appended: u64) -> Option<Self> {
        let length = u32::try_from(payload.len()).ok().filter(|length| *length <= LONGEST)?;
        Some(Self { length, payload_sum: crc32c::crc32c(payload), sequence, points, appended })
    }

    /// Whether these bytes are the payload, undamaged.
    pub(super) fn matches(&self, payload: &[u8]) -> bool {
        payload.len() == self.length as usize && crc32c::crc32c(payload) == self.payload_sum
    }

    /// The bytes of the whole record.
    pub(super) fn size(&self) -> u64 {
        HEADER as u64 + u64::from(self.length)
    }

    /// Writes the record behind what is there.
    pub(super) fn put(&self, payload: &[u8], out: &mut Vec<u8>) {
        let mut body = [0; HEADER - 8];
        let mut rest = &mut body[..];
        rest.put_u32_le(self.length);
        rest.put_u32_le(self.payload_sum);
        rest.put_u64_le(self.sequence);
        rest.put_u64_le(self.points);
        rest.put_u64_le(self.appended);
        out.put_slice(&MARK);
        out.put_u32_le(crc32c::crc32c(&body));
        out.put_slice(&body);
        out.put_slice(payload);
    }

    /// Reads a header; none where there is no undamaged one.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let body = bytes.get(8..HEADER)?;
        let mut rest = bytes.strip_prefix(&MARK)?;
        if rest.try_get_u32_le().ok()? != crc32c::crc32c(body) {
            return None;
        }
        let length = rest.try_get_u32_le().ok().filter(|length| *length <= LONGEST)?;
        let payload_sum = rest.try_get_u32_le().ok()?;
        let mut number = || rest.try_get_u64_le().ok();
        Some(Self { length, payload_sum, sequence: number()?, points: number()?, appended: number()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(payload: &[u8]) -> (Header, Vec<u8>) {
        let header = Header::of(payload, 7, 431, 1_000).unwrap();
        let mut bytes = Vec::new();
        header.put(payload, &mut bytes);
        (header, bytes)
    }

    #[test]
    fn the_layout_is_the_one_that_is_written_down() {
        let (header, bytes) = record(b"123456789");
        assert_eq!(bytes.len() as u64, header.size());
        assert_eq!(bytes[..4], MARK);
        assert_eq!(bytes[8..12], 9_u32.to_le_bytes());
        // The check value of CRC-32C (Castagnoli).
        assert_eq!(bytes[12..16], 0xe306_9283_u32.to_le_bytes());
        assert_eq!(bytes[16..24], 7_u64.to_le_bytes());
        assert_eq!(bytes[24..32], 431_u64.to_le_bytes());
        assert_eq!(bytes[32..40], 1_000_u64.to_le_bytes());
        assert_eq!(&bytes[HEADER..], b"123456789");
    }

    #[test]
    fn a_payload_that_is_too_long_is_no_record() {
        let payload = vec![0; LONGEST as usize + 1];
        assert_eq!(Header::of(&payload, 0, 0, 0), None);
        assert!(Header::of(&payload[1..], 0, 0, 0).is_some());
    }

    proptest! {
        #[test]
        fn it_comes_back_and_any_changed_bit_is_seen(payload in prop::collection::vec(any::<u8>(), 0..200), bit in any::<prop::sample::Index>()) {
            let (header, mut bytes) = record(&payload);
            prop_assert_eq!(Header::decode(&bytes), Some(header));
            prop_assert!(header.matches(&bytes[HEADER..]));
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Header::decode(&bytes).is_none_or(|header| !header.matches(&bytes[HEADER..])));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(Header::decode(&bytes), None);
        }
    }
}
