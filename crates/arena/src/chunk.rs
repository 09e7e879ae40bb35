//! A chunk: memory that one epoch has and one thread fills, with its header in front.

use std::marker::PhantomData;
use std::ptr::NonNull;

use epoch_arena_block::{Alignment, bump, shadow};

use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// What stands at the start of every chunk. A cache line of its own: its thread writes it with
/// every put, and readers of the first key must not feel that.
#[repr(C, align(64))]
pub struct Header {
    /// `count:32 | offset:32`: allocations made, and the offset of the first free byte; both
    /// advance by one store.
    /// Invariant: HEADER <= offset <= size, and every byte that belongs to a caller is below the
    /// offset. It falls only where the last allocation is given back or its end is: in a batch by the
    /// one thread, in an `EpochArena` by an exchange that expects it.
    filled: AtomicU64,
    /// Bytes lost to alignment and to batches that were not used up.
    padding: AtomicU32,
    /// Bytes of the chunk, header included.
    size: u32,
    /// Which of the blocks it was carved from.
    block: u32,
    /// The next on its list. Read and written under the lock of [`Chunks`](crate::chunks::Chunks).
    next: AtomicPtr<Header>,
}

/// Bytes of a header, and the offset of a chunk's first key.
pub const HEADER: usize = size_of::<Header>();

const ONE: u64 = 1 << 32;

/// Bytes that are overwritten at a time.
const WORD: usize = size_of::<u64>();

const fn offset(filled: u64) -> usize {
    filled as u32 as usize
}

/// A chunk, as an address. It may dangle (a thread remembers its chunk between pins), so it shows
/// nothing; `live` is where one promises that it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk(
    /// The header, with the provenance of the whole chunk.
    NonNull<Header>,
);

// SAFETY: an address; whoever goes through it promises by `live` and `bump` what is needed, on
// whatever thread.
unsafe impl Send for Chunk {}

impl Chunk {
    /// Makes `size` bytes at `at` a chunk, empty and on no list.
    ///
    /// # Safety
    ///
    /// 1. `at .. at + size` is valid for writes, aligned to a header, and the caller's alone.
    /// 2. `size` is at least [`HEADER`].
    pub(crate) unsafe fn create(at: NonNull<u8>, size: u32, block: u32) -> Self {
        // SAFETY: by 1. nobody uses these bytes.
        unsafe { shadow::forbid(at, size as usize) };
        // SAFETY: by 2. inside them; the chunk's own from here on.
        unsafe { shadow::allow(at, HEADER) };
        let header = at.cast::<Header>();
        // SAFETY: by 1. and 2. there is room for a header, aligned and unshared.
        unsafe {
            header.write(Header {
                filled: AtomicU64::new(HEADER as u64),
                padding: AtomicU32::new(0),
                size,
                block,
                next: AtomicPtr::new(std::ptr::null_mut()),
            });
        }
        Self(header)
    }

    /// The chunk as one that exists.
    ///
    /// # Safety
    ///
    /// It was made by [`create`](Self::create), and its block is not given up and no other chunk
    /// made in its place for `'a`.
    #[inline(always)]
    pub(crate) unsafe fn live<'a>(self) -> Live<'a> {
        Live {
            chunk: self,
            life: PhantomData,
        }
    }

    pub(crate) fn from_ptr(pointer: *mut Header) -> Option<Self> {
        NonNull::new(pointer).map(Self)
    }

    pub(crate) fn as_ptr(self) -> *mut Header {
        self.0.as_ptr()
    }

    /// A chunk that does not exist, for a thread that has none.
    pub(crate) const fn dangling() -> Self {
        Self(NonNull::dangling())
    }
}

/// A chunk that exists for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Live<'a> {
    /// Invariant: as promised to [`Chunk::live`].
    chunk: Chunk,
    life: PhantomData<&'a Header>,
}

impl<'a> Live<'a> {
    #[inline(always)]
    fn header(self) -> &'a Header {
        // SAFETY: by the invariant of `chunk` the header exists for 'a; it is only ever changed
        // through its atomics, and anew as a whole by `create` when nobody else knows it.
        unsafe { self.chunk.0.as_ref() }
    }

    #[inline(always)]
    fn at(self, offset: usize) -> NonNull<u8> {
        debug_assert!(offset <= self.size());
        // SAFETY: offsets come from `filled` and `bump::place`, which stay within `size`, and
        // the chunk's address has the provenance of all its bytes.
        unsafe { self.chunk.0.cast::<u8>().add(offset) }
    }

    /// The bytes that were just claimed.
    #[inline(always)]
    fn claimed(self, start: usize, len: usize) -> NonNull<u8> {
        let first = self.at(start);
        // SAFETY: inside the chunk, and claimed for the caller.
        unsafe { shadow::allow(first, len) };
        first
    }

    #[inline(always)]
    pub fn size(self) -> usize {
        self.header().size as usize
    }

    pub fn block(self) -> u32 {
        self.header().block
    }

    pub fn start(self) -> NonNull<u8> {
        self.chunk.0.cast()
    }

    pub fn chunk(self) -> Chunk {
        self.chunk
    }

    pub fn is(self, chunk: Chunk) -> bool {
        self.chunk == chunk
    }

    pub fn next(self) -> Option<Chunk> {
        // Relaxed, as in `set_next`: the lock of `Chunks`, held for both, orders them.
        Chunk::from_ptr(self.header().next.load(Ordering::Relaxed))
    }

    pub fn set_next(self, next: Option<Chunk>) {
        let next = next.map_or(std::ptr::null_mut(), Chunk::as_ptr);
        self.header().next.store(next, Ordering::Relaxed);
    }

    /// Claims `len` bytes, packed; `None` if they do not fit.
    ///
    /// # Safety
    ///
    /// The calling thread is the only one that claims from this chunk.
    #[inline(always)]
    pub unsafe fn bump(self, len: usize) -> Option<NonNull<u8>> {
        let header = self.header();
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
    /// As for [`bump`](Self::bump).
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
            // that were given back carry what was done to them. Relaxed on failure: another guess.
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
            if start.checked_add(new_len)? > self.size() {
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
    /// `ended` allocations off the count, if it is the last one here.
    ///
    /// # Safety
    ///
    /// 1. The allocation is of an arena that has this chunk, by `bump_shared`, and the caller's.
    /// 2. `new_len <= len`, and nobody uses the bytes beyond any more.
    /// 3. `ended` is 1 if nobody uses the allocation any more, else 0.
    pub unsafe fn retract_shared(self, first: NonNull<u8>, len: usize, new_len: usize, ended: u32) {
        let header = self.header();
        // Relaxed: a guess, which the exchange confirms.
        let mut filled = header.filled.load(Ordering::Relaxed);
        while self.start_of_last(filled, first, len).is_some() {
            let given = (len - new_len) as u64;
            // Wrapping: the count may have started anew since this allocation.
            let next = (filled - given).wrapping_sub(u64::from(ended) * ONE);
            // Release on success: pairs with the Acquire in `bump_shared` and `extend_shared`, by
            // which whoever gets these bytes next is ordered after what was done to them. Relaxed
            // on failure: another guess.
            match header.filled.compare_exchange_weak(
                filled,
                next,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => filled = now,
            }
        }
    }

    /// The offset of `first`, if `len` bytes from there end where the next claim begins. An allocation
    /// of another chunk, not even an empty one, is never taken for one of this: it begins before this
    /// chunk, or behind the header of one that is behind this.
    fn start_of_last(self, filled: u64, first: NonNull<u8>, len: usize) -> Option<usize> {
        let start = first.addr().get().checked_sub(self.chunk.0.addr().get())?;
        (start.checked_add(len)? == offset(filled)).then_some(start)
    }

    #[inline]
    fn place(self, filled: u64, len: usize, align: Alignment) -> Option<bump::Place> {
        let base = self.chunk.0.addr().get();
        bump::place(base, offset(filled), self.size(), len, align)
    }

    /// Ends a batch: counts `pushed` allocations instead of the batch's one, and takes the unused
    /// bytes `from .. to` back if nothing was claimed behind them; otherwise they are padding.
    ///
    /// # Safety
    ///
    /// As for [`bump`](Self::bump); and the calling thread claimed `from .. to` from this chunk,
    /// uses it no more, and has made no handle for it.
    pub unsafe fn end_batch(self, from: NonNull<u8>, to: NonNull<u8>, pushed: u32) {
        let header = self.header();
        let rest = (to.addr().get() - from.addr().get()) as u64;
        // SAFETY: nobody uses these bytes any more; whoever claims them again is allowed them.
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

    /// Overwrites all bytes that are claimed, if there is something to fill them with. (Where bytes
    /// can be given back, those that were are not among them.)
    ///
    /// # Safety
    ///
    /// Nobody reads or claims bytes of the chunk any more, nor will before it is created anew.
    pub unsafe fn scrub(self, fill: Option<u8>) {
        let first = self.at(HEADER);
        // Relaxed: whoever claimed is gone, which orders his stores before this.
        let used = offset(self.header().filled.load(Ordering::Relaxed)) - HEADER;
        // SAFETY: the chunk's; alignment gaps among them were never allowed.
        unsafe { shadow::allow(first, used.next_multiple_of(WORD)) };
        if let Some(fill) = fill {
            let words = first.cast::<u64>();
            for word in 0..used.div_ceil(WORD) {
                // SAFETY: below the chunk's size, which is a multiple of a word, as is HEADER.
                let word = unsafe { words.add(word) };
                // SAFETY: nobody else's; aligned, as the chunk and HEADER are. Volatile, so that
                // it is done even where the memory is freed next.
                unsafe { word.write_volatile(u64::from_ne_bytes([fill; WORD])) };
            }
        }
        // SAFETY: nobody uses them until the chunk is created anew.
        unsafe { shadow::forbid(first, self.size() - HEADER) };
    }

    /// Allocations, bytes used with the header, bytes of payload.
    pub fn usage(self) -> (usize, usize, usize) {
        let header = self.header();
        // Relaxed: figures of a moment. The padding is read first, and is written first by the
        // chunk's thread, but no order is implied; hence the saturation.
        let padding = header.padding.load(Ordering::Relaxed) as usize;
        let filled = header.filled.load(Ordering::Relaxed);
        let used = offset(filled);
        let count = (filled >> 32) as usize;
        (count, used, (used - HEADER).saturating_sub(padding))
    }
}

fn advanced(filled: u64, at: bump::Place) -> u64 {
    let step = (at.end - offset(filled)) as u64;
    filled.wrapping_add(ONE | step)
}
