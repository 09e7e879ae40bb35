//! The arithmetic of a bump, and nothing else: no memory is touched here, so that it can be
//! tested by exhaustion.

#![forbid(unsafe_code)]

use core::fmt;
use core::ops::Range;

/// A power of two: the alignment of an allocation, in bytes.
///
/// ```
/// # use epoch_arena_block as epoch_arena;
/// use epoch_arena::Alignment;
/// let simd = Alignment::new(16)?;
/// assert_eq!(simd.get(), 16);
/// assert!(Alignment::new(0).is_err() && Alignment::new(3).is_err());
/// # Ok::<(), epoch_arena_block::BadAlignment>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alignment(
    /// Invariant: a power of two.
    usize,
);

impl Alignment {
    /// One byte: packed, no padding.
    pub const BYTE: Alignment = Alignment(1);
    /// Eight bytes: a word, and an atomic of 64 bits.
    pub const WORD: Alignment = Alignment(8);
    /// Sixteen bytes: a vector of 128 bits.
    pub const VECTOR: Alignment = Alignment(16);
    /// Sixty-four bytes: a cache line on most machines.
    pub const LINE: Alignment = Alignment(64);

    /// The alignment of `bytes`.
    ///
    /// # Errors
    ///
    /// [`BadAlignment`] if `bytes` is not a power of two (zero is not one).
    ///
    /// ```
    /// # use epoch_arena_block as epoch_arena;
    /// # use epoch_arena_block::Alignment;
    /// const LINE: Result<Alignment, epoch_arena::BadAlignment> = Alignment::new(64);
    /// assert_eq!(LINE?.get(), 64);
    /// assert!(Alignment::new(48).is_err());
    /// # Ok::<(), epoch_arena_block::BadAlignment>(())
    /// ```
    pub const fn new(bytes: usize) -> Result<Self, BadAlignment> {
        if bytes.is_power_of_two() {
            Ok(Self(bytes))
        } else {
            Err(BadAlignment(bytes))
        }
    }

    /// The alignment in bytes.
    ///
    /// ```
    /// # use epoch_arena_block::Alignment;
    /// assert_eq!(Alignment::BYTE.get(), 1);
    /// ```
    pub const fn get(self) -> usize {
        self.0
    }
}

impl Default for Alignment {
    fn default() -> Self {
        Self::BYTE
    }
}

impl fmt::Debug for Alignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alignment({})", self.0)
    }
}

/// An alignment that is not a power of two; holds the number.
///
/// ```
/// # use epoch_arena_block::Alignment;
/// let refused = Alignment::new(3).unwrap_err();
/// assert!(refused.to_string().contains("3 is not a power of two"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAlignment(pub usize);

impl fmt::Display for BadAlignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "alignment {} is not a power of two; use 1, 2, 4, 8, 16 ...",
            self.0
        )
    }
}

impl core::error::Error for BadAlignment {}

/// Where an allocation lands, as offsets from the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Offset of the first byte; the bytes between it and the old offset are padding.
    pub start: usize,
    /// Offset behind the last byte: the new bump offset.
    pub end: usize,
}

/// Places `size` bytes at or after `used` so that the *address* `base + start` is aligned.
///
/// `None` if the place would end behind `capacity`, or if any step would overflow.
#[inline]
pub const fn place(
    base: usize,
    used: usize,
    capacity: usize,
    size: usize,
    align: Alignment,
) -> Option<Place> {
    let mask = align.0 - 1;
    let Some(address) = base.checked_add(used) else {
        return None;
    };
    let Some(above) = address.checked_add(mask) else {
        return None;
    };
    let start = (above & !mask) - base;
    match start.checked_add(size) {
        Some(end) if end <= capacity => Some(Place { start, end }),
        _ => None,
    }
}

/// `bytes` rounded up to a multiple of `unit`, a power of two; at least one unit.
#[inline]
pub const fn whole_units(bytes: usize, unit: usize) -> Option<usize> {
    debug_assert!(unit.is_power_of_two());
    let at_least = if bytes == 0 { 1 } else { bytes };
    match at_least.checked_add(unit - 1) {
        Some(above) => Some(above & !(unit - 1)),
        None => None,
    }
}

/// The whole pages inside `len` bytes at the address `first`, as offsets from `first`; empty if there is none. `page`
/// is a power of two.
#[inline]
pub const fn pages_inside(first: usize, len: usize, page: usize) -> Range<usize> {
    debug_assert!(page.is_power_of_two());
    let mask = page - 1;
    let start = first.wrapping_neg() & mask;
    if start >= len {
        return 0..0;
    }
    // Where the last page begins that is not whole; an address behind the last byte may be zero.
    let end = len - (first.wrapping_add(len) & mask);
    if start < end { start..end } else { 0..0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By exhaustion over small numbers and over the edges of `usize`.
    #[test]
    fn place_is_aligned_inside_and_never_wraps() {
        let edges = [0, 1, 7, 4096, usize::MAX - 1, usize::MAX];
        let sizes = (0..40).chain(edges);
        for size in sizes {
            for shift in [0, 1, 2, 3, 4, 12, 20, 62, 63] {
                let align = Alignment::new(1 << shift).unwrap();
                for base in [1, 16, 4096, 4097, (1 << 47) + 3, usize::MAX - 5000] {
                    for used in [0, 1, 5, 63, 64] {
                        let capacity = 64;
                        let Some(at) = place(base, used, capacity, size, align) else {
                            continue;
                        };
                        assert_eq!((base + at.start) % align.get(), 0);
                        assert!(at.start >= used && at.end == at.start + size);
                        assert!(at.end <= capacity);
                        assert!(at.start - used < align.get(), "more padding than needed");
                    }
                }
            }
        }
    }

    #[test]
    fn an_exact_fit_fits_and_one_more_does_not() {
        let byte = Alignment::BYTE;
        assert_eq!(
            place(4096, 10, 64, 54, byte),
            Some(Place { start: 10, end: 64 })
        );
        assert_eq!(place(4096, 10, 64, 55, byte), None);
        assert_eq!(
            place(4096, 64, 64, 0, byte),
            Some(Place { start: 64, end: 64 })
        );
        assert_eq!(place(4096, 10, 64, usize::MAX, byte), None);
    }

    #[test]
    fn whole_units_round_up_and_refuse_overflow() {
        assert_eq!(whole_units(0, 4096), Some(4096));
        assert_eq!(whole_units(4096, 4096), Some(4096));
        assert_eq!(whole_units(4097, 4096), Some(8192));
        assert_eq!(whole_units(usize::MAX, 4096), None);
    }

    /// Chunks are multiples of 4 KiB, and a page may be larger: a page that is only partly a chunk's is
    /// its neighbours' as well.
    #[test]
    fn pages_inside_are_whole_and_all_that_there_are() {
        for page in [4 << 10, 16 << 10, 64 << 10] {
            let base = 1 << 40;
            let step = if cfg!(miri) { page / 2 } else { 1 << 10 };
            for at in (base..base + 2 * page).step_by(step) {
                for len in (0..4 * page).step_by(step) {
                    let whole = |first: &usize| *first >= at && first + page <= at + len;
                    let expected = (base..base + 8 * page).step_by(page).filter(whole);
                    let inside = pages_inside(at, len, page);
                    assert!(inside.is_empty() || (at + inside.start).is_multiple_of(page));
                    let found = inside.step_by(page).map(|offset| at + offset);
                    assert!(found.eq(expected), "{len} bytes at {at}, pages of {page}");
                }
            }
        }
    }

    #[test]
    fn pages_inside_a_chunk_of_4_kib() {
        const K: usize = 1 << 10;
        let at = 1 << 40;
        assert_eq!(pages_inside(at, 4 * K, 4 * K), 0..4 * K);
        assert_eq!(pages_inside(at, 4 * K, 16 * K), 0..0);
        assert_eq!(pages_inside(at + 12 * K, 4 * K, 16 * K), 0..0);
        assert_eq!(pages_inside(at + 12 * K, 40 * K, 16 * K), 4 * K..36 * K);
        assert_eq!(pages_inside(at, 4 * K, 64 * K), 0..0);
        assert_eq!(pages_inside(at, 64 * K, 64 * K), 0..64 * K);
        // To the end of all addresses, and less than a page there.
        let page = 4 * K;
        assert_eq!(pages_inside(page.wrapping_neg(), page, page), 0..page);
        assert_eq!(pages_inside(usize::MAX, 1, page), 0..0);
        assert_eq!(pages_inside(1, usize::MAX, page), page - 1..usize::MAX);
    }
}
