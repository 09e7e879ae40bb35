//! How a chunk is filled: bytes are claimed at its end, by its thread or by several, and given back from there.

use std::ptr::NonNull;

use super::chunk::{Live, offset};
use super::class::header_of;
use crate::bump::{self, Alignment};
use crate::shadow;
use crate::sync::Ordering;

/// One allocation, in the word that tells how far a chunk is filled.
const ONE: u64 = 1 << 32;

impl Live<'_> {
    /// The bytes that were just claimed.
    #[inline(always)]
    fn claimed(self, start: usize, len: usize) -> NonNull<u8> {
        let first = self.at(start);
        // SAFETY: inside the chunk, and claimed for the caller.
        unsafe { shadow::allow(first, len) };
        first
    }

    /// Claims `len` bytes, packed; `None` if they do not fit.
    ///
    /// # Safety
    ///
    /// 1. The calling thread is the only one that claims from this chunk.
    /// 2. It is not a region of its own.
    #[inline(always)]
    pub unsafe fn bump(self, len: usize) -> Option<NonNull<u8>> {
        let header = self.header();
        debug_assert!(!self.is_alone());
        // Relaxed, here and below: only this thread writes the word (the caller's promise), so it
        // sees its own last store; others read it for statistics, where any past value will do.
        // A load and a store, no read-modify-write: no other writer can come between.
        let filled = header.filled.load(Ordering::Relaxed);
        let start = offset(filled);
        if len > header.size as usize - start {
            return None;
        }
        // Wrapping: after 2^32 empty keys in one chunk the count starts anew; the offset, in the
        // lower half, cannot overflow into it, as it stays within the size.
        let next = filled.wrapping_add(ONE | len as u64);
        header.filled.store(next, Ordering::Relaxed);
        Some(self.claimed(start, len))
    }

    /// Claims `len` bytes at an aligned address; `None` if they do not fit.
    ///
    /// # Safety
    ///
    /// The calling thread is the only one that claims from this chunk.
    #[inline]
    pub unsafe fn bump_aligned(self, len: usize, align: Alignment) -> Option<NonNull<u8>> {
        let header = self.header();
        // Relaxed throughout: as in `bump`.
        let filled = header.filled.load(Ordering::Relaxed);
        let at = self.place(filled, len, align)?;
        let gap = at.start - offset(filled);
        if gap != 0 {
            let padding = header.padding.load(Ordering::Relaxed);
            let padding = padding.wrapping_add(gap as u32);
            header.padding.store(padding, Ordering::Relaxed);
        }
        header.filled.store(advanced(filled, at), Ordering::Relaxed);
        Some(self.claimed(at.start, len))
    }

    /// Claims `len` bytes at an aligned address, among other threads that do the same.
    pub fn bump_shared(self, len: usize, align: Alignment) -> Option<NonNull<u8>> {
        let header = self.header();
        // Relaxed: a guess, which the exchange confirms.
        let mut filled = header.filled.load(Ordering::Relaxed);
        loop {
            let at = self.place(filled, len, align)?;
            // Acquire on success: pairs with the Release in `retract_shared`, as in `Block`: bytes
            // that were given back come with all earlier accesses to them. Relaxed on failure: another guess.
            match header.filled.compare_exchange_weak(
                filled,
                advanced(filled, at),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    let gap = at.start - offset(filled);
                    if gap != 0 {
                        // Relaxed: a figure.
                        header.padding.fetch_add(gap as u32, Ordering::Relaxed);
                    }
                    return Some(self.claimed(at.start, len));
                }
                Err(now) => filled = now,
            }
        }
    }

    /// Makes the allocation `first .. first + len` one of `new_len` bytes, if it is the last one here
    /// and there is room. Returns its address.
    ///
    /// # Safety
    ///
    /// 1. The allocation is of an arena that has this chunk, by `bump_shared`, and the caller's.
    /// 2. `len <= new_len`.
    pub unsafe fn extend_shared(
        self,
        first: NonNull<u8>,
        len: usize,
        new_len: usize,
    ) -> Option<NonNull<u8>> {
        let header = self.header();
        // Relaxed: a guess, which the exchange confirms.
        let mut filled = header.filled.load(Ordering::Relaxed);
        loop {
            let start = self.start_of_last(filled, first, len)?;
            if start.checked_add(new_len)? > self.limit() {
                return None;
            }
            // Acquire on success: as in `bump_shared`, for the bytes that are added. Relaxed on
            // failure: another guess; the word changes also where the offset does not.
            match header.filled.compare_exchange_weak(
                filled,
                filled + (new_len - len) as u64,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(self.claimed(start, new_len)),
                Err(now) => filled = now,
            }
        }
    }

    /// Gives up all but the first `new_len` bytes of the allocation `first .. first + len`, and takes
    /// `ended` allocations off the count, if it is the last one here; says whether it was.
    ///
    /// # Safety
    ///
    /// 1. The allocation is of an arena that has this chunk, by `bump_shared`, and the caller's.
    /// 2. `new_len <= len`, and no thread uses the bytes beyond any more.
    /// 3. `ended` is 1 if no thread uses the allocation any more, else 0.
    pub unsafe fn retract_shared(
        self,
        first: NonNull<u8>,
        len: usize,
        new_len: usize,
        ended: u32,
    ) -> bool {
        let header = self.header();
        // Relaxed: a guess, which the exchange confirms.
        let mut filled = header.filled.load(Ordering::Relaxed);
        while self.start_of_last(filled, first, len).is_some() {
            let given = (len - new_len) as u64;
            // Wrapping: the count may have started anew since this allocation.
            let next = (filled - given).wrapping_sub(u64::from(ended) * ONE);
            // Release on success: pairs with the Acquire in `bump_shared` and `extend_shared`, which
            // orders the next owner of these bytes after all earlier accesses to them. Relaxed
            // on failure: another guess.
            match header.filled.compare_exchange_weak(
                filled,
                next,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => filled = now,
            }
        }
        false
    }

    /// The offset of `first`, if `len` bytes from there end where the next claim begins. An allocation
    /// of another chunk, not even an empty one, is never taken for one of this: it begins before this
    /// chunk, or behind the header of one that is behind this.
    fn start_of_last(self, filled: u64, first: NonNull<u8>, len: usize) -> Option<usize> {
        let start = first.addr().get().checked_sub(self.start().addr().get())?;
        (start.checked_add(len)? == offset(filled)).then_some(start)
    }

    /// Claims `len` bytes of a region of its own that is longer than offsets reach: it counts as empty.
    ///
    /// # Safety
    ///
    /// No other thread knows the chunk, and nothing is claimed in it.
    pub unsafe fn claim_whole(self, len: usize, align: Alignment) -> Option<NonNull<u8>> {
        let (base, size) = (self.start().addr().get(), self.size());
        let at = bump::place(base, header_of(size), size, len, align)?;
        Some(self.claimed(at.start, len))
    }

    /// The bytes up to which offsets reach: all, but in regions of 4 GiB and more.
    #[inline]
    fn limit(self) -> usize {
        self.size().min(u32::MAX as usize)
    }

    #[inline]
    fn place(self, filled: u64, len: usize, align: Alignment) -> Option<bump::Place> {
        let base = self.start().addr().get();
        bump::place(base, offset(filled), self.limit(), len, align)
    }

    /// Makes a batch that ends at `to` longer by `more` bytes, if nothing was claimed behind it and they fit; says
    /// whether it did.
    ///
    /// # Safety
    ///
    /// The calling thread is the only one that claims from this chunk, and claimed the bytes up to `to` from it.
    pub unsafe fn extend_batch(self, to: NonNull<u8>, more: usize) -> bool {
        let header = self.header();
        // Relaxed throughout: as in `bump`.
        let filled = header.filled.load(Ordering::Relaxed);
        let start = offset(filled);
        if self.at(start) != to || more > self.limit() - start {
            return false;
        }
        // The sum is at most the limit, so nothing is carried into the count.
        header.filled.store(filled + more as u64, Ordering::Relaxed);
        self.claimed(start, more);
        true
    }

    /// Ends a batch: counts `pushed` allocations instead of the batch's one, and takes the unused
    /// bytes `from .. to` back if nothing was claimed behind them; otherwise they are padding.
    ///
    /// # Safety
    ///
    /// The calling thread is the only one that claims from this chunk; it claimed `from .. to` from it,
    /// uses it no more, and has made no handle for it.
    pub unsafe fn end_batch(self, from: NonNull<u8>, to: NonNull<u8>, pushed: u32) {
        let header = self.header();
        let rest = (to.addr().get() - from.addr().get()) as u64;
        // SAFETY: by the contract no thread uses these bytes any more; the next claim allows them again.
        unsafe { shadow::forbid(from, rest as usize) };
        // Relaxed throughout: as in `bump`.
        let filled = header.filled.load(Ordering::Relaxed);
        let mut next = filled
            .wrapping_add(u64::from(pushed) * ONE)
            .wrapping_sub(ONE);
        if self.at(offset(filled)) == to {
            next -= rest;
        } else {
            let padding = header.padding.load(Ordering::Relaxed);
            let padding = padding.wrapping_add(rest as u32);
            header.padding.store(padding, Ordering::Relaxed);
        }
        header.filled.store(next, Ordering::Relaxed);
    }
}

fn advanced(filled: u64, at: bump::Place) -> u64 {
    let step = (at.end - offset(filled)) as u64;
    filled.wrapping_add(ONE | step)
}
