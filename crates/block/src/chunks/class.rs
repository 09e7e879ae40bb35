//! The sizes of chunks: powers of two, and which blocks they are carved from.

#![forbid(unsafe_code)]

use crate::lane::LANES;

/// Bytes of the smallest chunk: what an epoch of one key costs.
pub const SMALLEST: usize = 512;

/// Classes there are: from 512 bytes to 1 GiB, the largest block.
pub const CLASSES: usize = 22;

/// Shelves there are: for the smallest chunks; for each lane and two sizes; and for what is confined.
pub const SHELVES: usize = 1 + 2 * LANES + 1;

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

/// Whose chunks a block is carved into, and of which sizes. Small ones come from blocks of their own, so that one
/// of 512 bytes that stays in use does not keep a block from those of 256 KiB. And a thread gets chunks that a
/// thread of its own lane has filled before: their cache lines are with this thread's core. The smallest are all
/// threads' alike, so that many threads with a few keys each do with one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shelf(u8);

impl Shelf {
    /// For chunks that the system is to refuse access to, some day: each is whole pages, and free
    /// neighbours are never joined, as a neighbour's header may be out of reach.
    pub const QUARANTINE: Shelf = Shelf(SHELVES as u8 - 1);

    /// Where a thread of `lane` has chunks of this class carved, from blocks of `unit` bytes.
    pub const fn of(class: Class, unit: usize, lane: usize) -> Self {
        const MANY: usize = 1024;
        const SOME: usize = 64;
        if class.size() * MANY <= unit {
            Self(0)
        } else if class.size() * SOME <= unit {
            Self((1 + lane) as u8)
        } else {
            Self((1 + LANES + lane) as u8)
        }
    }

    /// All but that for the quarantine, the largest chunks first.
    pub fn shared() -> impl Iterator<Item = Self> {
        (0..Self::QUARANTINE.0).rev().map(Self)
    }

    /// Those of the other lanes for the same sizes.
    pub fn beside(self) -> impl Iterator<Item = Self> {
        let all = match self.index().checked_sub(1) {
            Some(index) if self != Self::QUARANTINE => {
                let first = if index < LANES { 1 } else { 1 + LANES };
                first..first + LANES
            }
            _ => 0..0,
        };
        all.map(|index| Self(index as u8))
            .filter(move |shelf| *shelf != self)
    }

    /// The index, below [`SHELVES`].
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
        let shelf = |bytes| Shelf::of(Class::of(bytes), UNIT, 5).index();
        assert_eq!([512, 1024, 2048].map(shelf), [0; 3]);
        assert_eq!([4096, 32_768].map(shelf), [6; 2]);
        assert_eq!([65_536, UNIT].map(shelf), [LANES + 6; 2]);
        // A block of one page is for all.
        assert_eq!(
            Shelf::of(Class::FIRST, 4096, 0),
            Shelf::of(Class::of(4096), 4096, 0)
        );
    }

    #[test]
    fn shelves_beside_one_are_for_the_same_sizes_in_all_other_lanes() {
        const UNIT: usize = 2 << 20;
        for class in [4096, 65_536].map(Class::of) {
            for lane in 0..LANES {
                let shelf = Shelf::of(class, UNIT, lane);
                let beside: Vec<_> = shelf.beside().collect();
                let others = (0..LANES).filter(|other| *other != lane);
                let others = others.map(|other| Shelf::of(class, UNIT, other));
                assert_eq!(beside, others.collect::<Vec<_>>());
            }
        }
        for all in [Shelf::of(Class::FIRST, UNIT, 3), Shelf::QUARANTINE] {
            assert_eq!(all.beside().count(), 0);
        }
    }
}
