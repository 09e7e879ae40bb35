//! The physical floor: a pointer that moves, and a copy. Nothing is checked, nothing is shared.
//!
//! Written apart from the library, on memory of its own, as the library is measured against it.

use crossbeam_epoch::Collector;

use super::ours::PIN_PER_64;
use crate::contest::{Contestant, Plan, Raw, Resolver, look, room};
use crate::os::{Pages, Region};
use crate::wire::Keys;

/// Copies short keys by a few moves in line.
pub const INLINE: bool = true;
/// Copies every key by a call of `memcpy`.
pub const MEMCPY: bool = false;
/// On transparent huge pages.
pub const HUGE_PAGES: bool = true;
/// On 4 KiB pages.
pub const SMALL_PAGES: bool = false;

/// The contents of a free list after a reset: one entry per chunk of this size.
const CHUNK: usize = 64 << 10;

/// A bump loop over one region.
#[derive(Debug)]
pub struct Floor<const INLINE_COPY: bool, const HUGE: bool> {
    region: Region,
    /// Invariant: within `region`, which has room for all the keys of the plan.
    at: *mut u8,
    free: Vec<usize>,
}

// SAFETY: `at` points into `region`, which moves along.
unsafe impl<const INLINE_COPY: bool, const HUGE: bool> Send for Floor<INLINE_COPY, HUGE> {}

impl<const INLINE_COPY: bool, const HUGE: bool> Contestant for Floor<INLINE_COPY, HUGE> {
    type Handle = Raw;

    fn crew(plan: Plan) -> Vec<Self> {
        let pages = if HUGE { Pages::Huge } else { Pages::Small };
        let worker = || {
            let region = Region::new(plan.bytes, pages);
            let free = room(region.len() / CHUNK + 1);
            Self {
                at: region.base(),
                region,
                free,
            }
        };
        (0..plan.workers).map(|_| worker()).collect()
    }

    #[inline(always)]
    fn put(&mut self, key: &[u8]) -> Raw {
        let to = self.at;
        debug_assert!(to as usize + key.len() <= self.region.base() as usize + self.region.len());
        // SAFETY: by the invariant of `at`, `to` has room for the key, and no other thread knows this part of the region.
        unsafe {
            if INLINE_COPY {
                copy_short_inline(key, to);
            } else {
                key.as_ptr().copy_to_nonoverlapping(to, key.len());
            }
            self.at = to.add(key.len());
        }
        Raw::from_parts(to, key.len())
    }

    #[inline(never)]
    fn fill(&mut self, keys: &Keys, out: &mut Vec<Raw>) {
        self.fill_from(keys.iter(), out);
    }

    fn reset(&mut self, out: &mut Vec<Raw>) {
        out.clear();
        // The least that giving memory back for reuse can mean: an entry per chunk, in a dense list.
        self.free.clear();
        let used = self.at as usize - self.region.base() as usize;
        self.free.extend((0..used).step_by(CHUNK));
        std::hint::black_box(&self.free);
        self.at = self.region.base();
    }
}

impl<const INLINE_COPY: bool, const HUGE: bool> Floor<INLINE_COPY, HUGE> {
    /// The pointer lives in a register for the whole loop, which a compiler need not do with a field.
    #[inline(always)]
    fn fill_from<'k>(&mut self, keys: impl ExactSizeIterator<Item = &'k [u8]>, out: &mut Vec<Raw>) {
        let mut at = self.at;
        crate::contest::store(keys, out, |key| {
            let to = at;
            // SAFETY: as in `put`.
            unsafe {
                if INLINE_COPY {
                    copy_short_inline(key, to);
                } else {
                    key.as_ptr().copy_to_nonoverlapping(to, key.len());
                }
                at = to.add(key.len());
            }
            Raw::from_parts(to, key.len())
        });
        self.at = at;
    }
}

impl<const INLINE_COPY: bool, const HUGE: bool> Resolver for Floor<INLINE_COPY, HUGE> {
    #[inline(never)]
    fn resolve(&mut self, handles: &[Raw]) -> u64 {
        // SAFETY: the handles are of this region, and it was not reset since.
        handles
            .iter()
            .map(|handle| look(unsafe { handle.bytes() }))
            .sum()
    }
}

/// The floor with crossbeam-epoch's own pin per 64 keys: no library that pins for such a batch can be below it.
#[derive(Debug)]
pub struct FloorPinned(Floor<INLINE, HUGE_PAGES>);

impl Contestant for FloorPinned {
    type Handle = Raw;

    fn crew(plan: Plan) -> Vec<Self> {
        Floor::crew(plan).into_iter().map(Self).collect()
    }

    #[inline(always)]
    fn put(&mut self, key: &[u8]) -> Raw {
        self.0.put(key)
    }

    #[inline(never)]
    fn fill(&mut self, keys: &Keys, out: &mut Vec<Raw>) {
        // A participant per thread and pass; half a microsecond.
        let handle = Collector::new().register();
        for (start, end) in keys.parts(PIN_PER_64) {
            let _guard = handle.pin();
            self.0.fill_from(keys.range(start, end), out);
        }
    }

    fn reset(&mut self, out: &mut Vec<Raw>) {
        self.0.reset(out);
    }
}

/// Copies a key; up to 32 bytes by two moves that may overlap, beyond that by `memcpy`.
///
/// # Safety
/// `to` has room for the key and does not overlap it.
#[inline(always)]
unsafe fn copy_short_inline(key: &[u8], to: *mut u8) {
    /// Copies the first and the last `size_of::<T>()` bytes of `len`.
    ///
    /// # Safety
    /// `size_of::<T>() <= len`, and `len` bytes may be read at `from` and written at `to`.
    #[inline(always)]
    unsafe fn both_ends<T>(from: *const u8, to: *mut u8, len: usize) {
        let last = len - size_of::<T>();
        // SAFETY: as the caller says; neither end reaches beyond `len`.
        unsafe {
            let head = from.cast::<T>().read_unaligned();
            let tail = from.add(last).cast::<T>().read_unaligned();
            to.cast::<T>().write_unaligned(head);
            to.add(last).cast::<T>().write_unaligned(tail);
        }
    }
    let (from, len) = (key.as_ptr(), key.len());
    // SAFETY: each arm's size is at most `len`; the rest is the caller's word.
    unsafe {
        match len {
            16..=32 => both_ends::<u128>(from, to, len),
            8..16 => both_ends::<u64>(from, to, len),
            4..8 => both_ends::<u32>(from, to, len),
            2..4 => both_ends::<u16>(from, to, len),
            1 => *to = *from,
            0 => {}
            _ => from.copy_to_nonoverlapping(to, len),
        }
    }
}
