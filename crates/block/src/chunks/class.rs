//! The sizes of chunks: powers of two, and which blocks they are carved from.

#![forbid(unsafe_code)]

use crate::lane::LANES;

/// Bytes of the smallest chunk: the cost of an epoch of one key.
pub const SMALLEST: usize = 512;

/// Classes there are: from 512 bytes to 1 GiB, the largest block.
pub const CLASSES: usize = 22;

/// Shelves there are: one for the smallest chunks; one for each lane and each of two sizes; and one for the quarantine.
pub const SHELVES: usize = 1 + 2 * LANES + 1;

/// The unit in which the header of a region of its own keeps the size.
pub const REGION_PAGE: usize = 4096;

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

/// The lane and the sizes of the chunks that a block is carved into. Small chunks come from blocks of their own, so
/// that one of 512 bytes that stays in use does not keep a block from those of 256 KiB. And a thread gets chunks that a
/// thread of its own lane has filled before: their cache lines are with this thread's core. All threads share the
/// shelf of the smallest, so that many threads with a few keys each need one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shelf(u8);

impl Shelf {
    /// For the smallest chunks, of all lanes.
    pub const FIRST: Shelf = Shelf(0);

    /// For chunks that will be confined: each is whole pages, and free neighbours are never joined, as a neighbour's
    /// header may be out of reach.
    pub const QUARANTINE: Shelf = Shelf(SHELVES as u8 - 1);

    /// The shelf for chunks of this class of a thread of `lane`, with blocks of `unit` bytes.
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
    pub fn of_others(self) -> impl Iterator<Item = Self> {
        let first = match self.index() {
            0 => 0,
            index if index <= LANES => 1,
            _ => 1 + LANES,
        };
        let all = if first == 0 || self == Self::QUARANTINE {
            0..0
        } else {
            first..first + LANES
        };
        all.map(|index| Self(index as u8))
            .filter(move |shelf| *shelf != self)
    }

    /// Those of the same lane for smaller chunks, the largest first.
    pub fn smaller(self) -> impl Iterator<Item = Self> {
        let medium = self.index().checked_sub(LANES).filter(|index| *index > 0);
        let first = (self.index() > 0).then_some(0);
        let all = medium.into_iter().chain(first);
        all.filter(move |_| self != Self::QUARANTINE)
            .map(|index| Self(index as u8))
    }

    /// The shelves whose free chunks serve a request for this one: itself, and those for smaller chunks. A thread needs
    /// small chunks at the start of its first epoch, and often none later. Those of [`FIRST`](Self::FIRST) stay for
    /// threads with a few keys, where blocks are large enough that the smallest chunks have that shelf.
    pub fn and_smaller(self) -> impl Iterator<Item = Self> {
        let smaller = self.smaller().filter(|shelf| *shelf != Self::FIRST);
        std::iter::once(self).chain(smaller)
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

/// Bytes of the region for a value that needs `total` bytes with its header; `None` if no region is that large.
pub fn region_size(total: usize) -> Option<usize> {
    let page = crate::os::page_size().max(REGION_PAGE);
    let size = total.checked_next_multiple_of(page)?;
    // A free region that is up to an eighth larger may serve the request, and a header counts its pages in 32 bits.
    let fits = u32::try_from(larger_region(size) / REGION_PAGE).is_ok();
    fits.then_some(size)
}

/// Bytes of the largest free region that may serve a request for one of `size` bytes.
pub const fn larger_region(size: usize) -> usize {
    size.saturating_add(size / 8)
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
    fn a_shelf_knows_those_of_other_lanes_and_those_for_smaller_chunks() {
        const UNIT: usize = 2 << 20;
        for lane in 0..LANES {
            let of = |size, lane| Shelf::of(Class::of(size), UNIT, lane);
            for size in [4096, 65_536] {
                let others = (0..LANES).filter(|other| *other != lane);
                let others = others.map(|other| of(size, other));
                assert!(of(size, lane).of_others().eq(others));
            }
            let smaller = [of(4096, lane), Shelf::FIRST];
            assert!(of(65_536, lane).smaller().eq(smaller));
            let serve = [of(65_536, lane), of(4096, lane)];
            assert!(of(65_536, lane).and_smaller().eq(serve));
            assert!(of(4096, lane).and_smaller().eq([of(4096, lane)]));
            assert!(of(4096, lane).smaller().eq([Shelf::FIRST]));
        }
        for none in [Shelf::of(Class::FIRST, UNIT, 3), Shelf::QUARANTINE] {
            assert_eq!(none.of_others().count() + none.smaller().count(), 0);
            assert!(none.and_smaller().eq([none]));
        }
    }

    /// A header counts the pages of a region in 32 bits: those of a free region that serves the request as well, which
    /// may be larger.
    #[test]
    fn the_pages_of_every_region_that_may_serve_a_request_fit_a_header() {
        const MOST: usize = u32::MAX as usize * REGION_PAGE;
        let (mut fits, mut refused) = (0, usize::MAX);
        while refused - fits > 1 {
            let total = fits + (refused - fits) / 2;
            match region_size(total) {
                Some(size) => {
                    let pages = larger_region(size) / REGION_PAGE;
                    assert!(size >= total && pages as u32 as usize == pages);
                    fits = total;
                }
                None => refused = total,
            }
        }
        assert!(fits > MOST / 8 * 7 && fits < MOST);
    }
}
