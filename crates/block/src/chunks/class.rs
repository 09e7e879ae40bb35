//! The sizes of chunks: powers of two, and which blocks they are carved from.

#![forbid(unsafe_code)]

/// Bytes of the smallest chunk: what an epoch of one key costs.
pub const SMALLEST: usize = 512;

/// Classes there are: from 512 bytes to 1 GiB, the largest block.
pub const CLASSES: usize = 22;

/// Kinds of blocks there are.
pub const KINDS: usize = 4;

/// Chunks of at most this many bytes have a header of 32 bytes; it shares a cache line with the first key,
/// which only matters where many keys are read while their chunk is filled.
const SHORT_HEADER: usize = 2048;

/// The class of a chunk: `SMALLEST << class` bytes, header included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class(u8);

impl Class {
    /// The smallest.
    pub const FIRST: Class = Class(0);

    /// The class of exactly `bytes` bytes, a power of two from [`SMALLEST`] to 1 GiB.
    pub const fn of(bytes: usize) -> Self {
        debug_assert!(bytes.is_power_of_two() && bytes >= SMALLEST);
        Self((bytes.trailing_zeros() - SMALLEST.trailing_zeros()) as u8)
    }

    /// The smallest class of at least `bytes` bytes, if there is one.
    pub fn covering(bytes: usize) -> Option<Self> {
        let size = bytes.max(SMALLEST).checked_next_power_of_two()?;
        let class = Self::of(size);
        (class.index() < CLASSES).then_some(class)
    }

    /// The index, below [`CLASSES`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The class of an index below [`CLASSES`].
    pub const fn at(index: usize) -> Self {
        debug_assert!(index < CLASSES);
        Self(index as u8)
    }

    /// Bytes of a chunk.
    pub const fn size(self) -> usize {
        SMALLEST << self.0
    }
}

/// What the chunks of a block are: small ones are carved from blocks of their own, so that one of 512 bytes
/// that stays in use does not keep a block from those of 256 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(u8);

impl Kind {
    /// For chunks that the system is to refuse access to, some day: each is whole pages, and free
    /// neighbours are never joined, as a neighbour's header may be out of reach.
    pub const QUARANTINE: Kind = Kind(KINDS as u8 - 1);

    /// All but that one, the kind with the largest chunks first.
    pub const SHARED: [Kind; KINDS - 1] = [Kind(2), Kind(1), Kind(0)];

    /// Where chunks of this class are carved, from blocks of `unit` bytes.
    pub const fn of(class: Class, unit: usize) -> Self {
        const MANY: usize = 1024;
        const SOME: usize = 64;
        if class.size() * MANY <= unit {
            Self(0)
        } else if class.size() * SOME <= unit {
            Self(1)
        } else {
            Self(2)
        }
    }

    /// The index, below [`KINDS`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Bytes of the header of a chunk of `size` bytes, which is where its first key begins.
#[inline(always)]
pub const fn header_of(size: usize) -> usize {
    if cfg!(epoch_arena_loom) {
        128
    } else if size <= SHORT_HEADER {
        32
    } else {
        64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covering_is_the_smallest_that_covers() {
        assert_eq!(Class::covering(0), Some(Class::FIRST));
        assert_eq!(Class::covering(512), Some(Class::FIRST));
        for bytes in [513, 8192, 100_000, (1 << 30) - 1, 1 << 30] {
            let class = Class::covering(bytes).unwrap();
            assert!(class.size() >= bytes && class.size() / 2 < bytes);
            assert_eq!(class, Class::of(class.size()));
        }
        assert_eq!(Class::covering((1 << 30) + 1), None);
        assert_eq!(Class::covering(usize::MAX), None);
    }

    #[test]
    fn a_block_is_for_chunks_of_like_sizes() {
        const UNIT: usize = 2 << 20;
        let kind = |bytes| Kind::of(Class::of(bytes), UNIT).index();
        assert_eq!([512, 1024, 2048].map(kind), [0; 3]);
        assert_eq!([4096, 32_768].map(kind), [1; 2]);
        assert_eq!([65_536, UNIT].map(kind), [2; 2]);
        // A block of one page is for all.
        assert_eq!(Kind::of(Class::FIRST, 4096), Kind::SHARED[0]);
    }
}
