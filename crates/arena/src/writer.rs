//! `Writer`: one thread's place in one pool, and the whole of a put's hot path.

use std::cell::Cell;
use std::ptr::NonNull;

use epoch_arena_block::Alignment;

use crate::chunk::Chunk;
use crate::chunks::{Chunks, total};
use crate::class::{Class, LARGEST_GROWTH};
use crate::error::AllocError;
use crate::pack::{self, EMPTY};

const _: () = assert!(LARGEST_GROWTH <= pack::MAX_LEN);

/// The chunk that one thread fills in one pool. `!Sync`: the chunk is this thread's alone.
///
/// It remembers the chunk by address and looks at it only when the pool's current stamp, as loaded
/// under the caller's protection, is that of the epoch it was taken for: a stale chunk is dropped
/// without a touch.
#[derive(Debug)]
pub struct Writer {
    /// The stamp of the epoch whose chunk it is, or [`EMPTY`].
    /// Invariant: unless empty, `chunk` was taken for that epoch's arena by this
    /// writer, which alone claims from it; and it is no larger than the largest growth class, so
    /// that nothing longer than a handle can say is ever claimed from it.
    stamp: Cell<u64>,
    chunk: Cell<Chunk>,
    /// Bytes of the chunks taken for this epoch: the larger, the larger the next.
    taken: Cell<usize>,
    /// Whose free chunks the thread takes first.
    lane: usize,
}

impl Writer {
    /// A writer without a chunk, in this lane of the pool's chunks (any number).
    pub const fn new(lane: usize) -> Self {
        Self {
            stamp: Cell::new(EMPTY),
            chunk: Cell::new(Chunk::dangling()),
            taken: Cell::new(0),
            lane,
        }
    }

    /// Claims `len` bytes for the epoch of `stamp`, packed; `None` if there is no chunk of it or it
    /// is full: then [`refill`](Self::refill).
    ///
    /// # Safety
    ///
    /// 1. `stamp` is that of an epoch of the one pool that this writer serves.
    /// 2. That epoch's arena is not reclaimed before this returns.
    #[inline(always)]
    pub unsafe fn bump(&self, stamp: u64, len: usize) -> Option<NonNull<u8>> {
        if self.stamp.get() != stamp {
            return None;
        }
        // SAFETY: by the invariant of `stamp` the chunk was taken for this epoch's arena; it is
        // that arena's, and exists, until the arena is reclaimed (2.).
        let chunk = unsafe { self.chunk.get().live() };
        // SAFETY: by the same invariant no other thread claims from it.
        unsafe { chunk.bump(len) }
    }

    /// As [`bump`](Self::bump), at an aligned address.
    ///
    /// # Safety
    ///
    /// As for `bump`.
    #[inline]
    pub unsafe fn bump_aligned(
        &self,
        stamp: u64,
        len: usize,
        align: Alignment,
    ) -> Option<NonNull<u8>> {
        if self.stamp.get() != stamp {
            return None;
        }
        // SAFETY: as in `bump`.
        let chunk = unsafe { self.chunk.get().live() };
        // SAFETY: as in `bump`.
        unsafe { chunk.bump_aligned(len, align) }
    }

    /// The chunk in use for the epoch of `stamp`, if there is one; for [`end_batch`].
    pub fn chunk(&self, stamp: u64) -> Option<Chunk> {
        (self.stamp.get() == stamp).then(|| self.chunk.get())
    }

    /// Claims `len` bytes for the epoch of `stamp` from a new chunk. The thread's chunk is left for it, unless
    /// the request is large against it: then it gets a chunk of its own. Returns the bytes and
    /// the chunk they are in.
    ///
    /// # Errors
    ///
    /// [`AllocError`]; nothing is changed.
    ///
    /// # Safety
    ///
    /// 1. and 2. as for `bump`.
    /// 3. `arena` is the index of that epoch's arena in `chunks`, which are the pool's.
    #[cold]
    #[inline(never)]
    pub unsafe fn refill(
        &self,
        stamp: u64,
        len: usize,
        align: Alignment,
        (chunks, arena): (&Chunks, usize),
        reclaim: impl FnOnce(),
    ) -> Result<(NonNull<u8>, Chunk), AllocError> {
        if len > pack::MAX_LEN {
            return Err(AllocError::TooLong);
        }
        let taken = if self.stamp.get() == stamp {
            self.taken.get()
        } else {
            0
        };
        let total = total(len, align.get()).ok_or(AllocError::TooLong)?;
        let request = Class::request(total, taken, chunks.memory().block_size());
        let chunk = chunks.take(arena, self.lane, total, request, reclaim)?;
        // SAFETY: just taken for this epoch's arena, so it exists until that is reclaimed (2.).
        let live = unsafe { chunk.live() };
        // SAFETY: just taken, so no other thread knows it.
        let first = unsafe { live.bump_aligned(len, align) };
        let first = first.ok_or(AllocError::TooLong)?;
        // A source that came back to this writer meanwhile (a user's may) has set a chunk of its
        // own: it is given up for this one, which wastes its rest and confuses nothing.
        if !request.own {
            debug_assert!(live.size() <= LARGEST_GROWTH);
            self.stamp.set(stamp);
            self.chunk.set(chunk);
            self.taken.set(taken + live.size());
        }
        Ok((first, chunk))
    }
}

/// Ends a batch in `chunk`: see the clauses.
///
/// # Safety
///
/// 1. `chunk` is of an arena that is not reclaimed before this returns.
/// 2. The calling thread is the only one that claims from it.
/// 3. It claimed `from .. to` there by one `bump`, `refill` or the like, uses these bytes no more
///    and has made no handle for them; `pushed` handles were made for what it claimed before
///    `from` in the same step.
pub unsafe fn end_batch(chunk: Chunk, from: NonNull<u8>, to: NonNull<u8>, pushed: u32) {
    // SAFETY: 1.
    let live = unsafe { chunk.live() };
    // SAFETY: 2. and 3.
    unsafe { live.end_batch(from, to, pushed) }
}
