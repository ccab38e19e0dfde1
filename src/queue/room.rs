//! How much of the disk is ours: sums, without a disk.

use super::storage::Space;

/// How much of a file system the queue may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskLimits {
    /// Bytes of everything in the directory, as the file system counts them.
    pub bytes: u64,
    /// Bytes that the queue leaves free, whoever took the others.
    pub free: u64,
    /// Percent of the file system that the queue takes at most.
    pub share: u64,
    /// Percent of the file system that the queue leaves free, whoever took the others.
    pub reserve: u64,
}

impl Default for DiskLimits {
    /// 256 MiB hold a day of a host with 300 processes, which takes 190 MiB.
    fn default() -> Self {
        Self { bytes: 256 << 20, free: 256 << 20, share: 5, reserve: 5 }
    }
}

impl DiskLimits {
    /// The most bytes on a file system of this size.
    pub(super) fn most(&self, total: u64) -> u64 {
        self.bytes.min(total / 100 * self.share)
    }

    /// Whether so many more bytes leave enough of it free.
    pub(super) fn leaves_enough(&self, space: Space, more: u64) -> bool {
        let free = self.free.max(space.total / 100 * self.reserve);
        space.available >= free.saturating_add(more)
    }
}

/// The length at which a segment is full: small enough that dropping one does not cost much of the whole.
pub(super) fn segment_length(most: u64) -> u64 {
    (most / 8).clamp(16 << 10, 4 << 20)
}

/// What a write of so many bytes takes at most: whole blocks, and one more for the file system's own notes on
/// where they are.
pub(super) fn blocks(bytes: u64, block: u64) -> u64 {
    bytes.div_ceil(block).saturating_add(2).saturating_mul(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn the_cap_is_the_smaller_of_the_two() {
        let limits = DiskLimits::default();
        assert_eq!(limits.most(100 * GIB), 256 << 20);
        assert_eq!(limits.most(100 << 20), 5 << 20);
    }

    #[test]
    fn what_is_left_free_is_the_larger_of_the_two() {
        let limits = DiskLimits::default();
        let space = |total, available| Space { total, available, block: 4096 };
        assert!(limits.leaves_enough(space(100 * GIB, 6 * GIB), GIB));
        assert!(!limits.leaves_enough(space(100 * GIB, 6 * GIB), GIB + 1));
        assert!(limits.leaves_enough(space(GIB, 257 << 20), 1 << 20));
        assert!(!limits.leaves_enough(space(GIB, 257 << 20), (1 << 20) + 1));
        assert!(!limits.leaves_enough(space(GIB, 0), 0));
    }

    #[test]
    fn a_small_disk_has_small_segments() {
        assert_eq!(segment_length(256 << 20), 4 << 20);
        assert_eq!(segment_length(1 << 20), 128 << 10);
        assert_eq!(segment_length(0), 16 << 10);
    }

    #[test]
    fn a_write_takes_whole_blocks() {
        assert_eq!(blocks(1, 4096), 3 * 4096);
        assert_eq!(blocks(4097, 4096), 4 * 4096);
    }
}
