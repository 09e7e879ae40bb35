//! `Writer`: one thread's place in one pool, and the whole of a put's hot path.

use std::cell::Cell;
use std::ptr::NonNull;

use epoch_arena_block::raw::{Chunk, Owner, Request, header_of};
use epoch_arena_block::{Alignment, Memory, MemoryError};

use crate::error::AllocError;
use crate::growth::{self, First, LARGEST_GROWTH, Next};
use crate::pack::{self, EMPTY};

const _: () = assert!(LARGEST_GROWTH <= pack::MAX_LEN);

/// The chunks that one thread fills in one pool. `!Sync`: they are this thread's alone.
///
/// It remembers a chunk by address and looks at it only when the pool's current stamp, as loaded
/// under the caller's protection, is that of the epoch it was taken for: a stale chunk is dropped
/// without a touch.
#[derive(Debug)]
pub struct Writer {
    /// The stamp of the epoch whose chunk it is, or [`EMPTY`].
    /// Invariant: unless empty, `chunk` was taken for that epoch's arena by this writer, or by one that has left it
    /// to this one, which alone claims from it. It is no region of its own, and no larger than a handle can describe,
    /// so no longer value is ever claimed from it.
    stamp: Cell<u64>,
    chunk: Cell<Chunk>,
    /// For large values; its rest is filled further. Invariant: as for `stamp` and `chunk`, but for
    /// its size.
    large: Cell<(u64, Chunk)>,
    /// The last region of its own; a batch may have left most of it. Invariant: as for `large`.
    alone: Cell<(u64, Chunk)>,
    /// The bytes that were taken in the epoch of `counted`.
    taken: Cell<Taken>,
    counted: Cell<u64>,
    first: Cell<First>,
}

/// The bytes and chunks that a thread has taken in an epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    /// Bytes of the thread's chunks. With those for large values: the more, the larger the next.
    bytes: usize,
    /// The number of chunks, of both kinds.
    chunks: usize,
    /// Bytes of the chunks for large values.
    large: usize,
}

/// The source and the owner of a writer's chunks.
#[derive(Clone, Copy, Debug)]
pub struct Home<'a> {
    /// The memory.
    pub memory: &'a Memory,
    /// The arena of the epoch.
    pub owner: Owner<'a>,
    /// Whether chunks are confined when they are given up.
    pub confined: bool,
}

impl Writer {
    /// A writer without a chunk.
    pub const fn new() -> Self {
        Self {
            stamp: Cell::new(EMPTY),
            chunk: Cell::new(Chunk::dangling()),
            large: Cell::new((EMPTY, Chunk::dangling())),
            alone: Cell::new((EMPTY, Chunk::dangling())),
            taken: Cell::new(Taken {
                bytes: 0,
                chunks: 0,
                large: 0,
            }),
            counted: Cell::new(EMPTY),
            first: Cell::new(First::new()),
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
        // SAFETY: by the same invariant: 1. no other thread claims from it; 2. it is no region of its own.
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

    /// As [`bump_aligned`](Self::bump_aligned), for a large value: from the chunk for these. `None` for a small value,
    /// too. Returns the chunk as well.
    ///
    /// # Safety
    ///
    /// As for `bump`.
    #[inline]
    pub unsafe fn bump_large(
        &self,
        stamp: u64,
        len: usize,
        align: Alignment,
    ) -> Option<(NonNull<u8>, Chunk)> {
        // Such a chunk may have more bytes than a handle can describe.
        let large = total(len, align)? > growth::SMALL && len <= pack::MAX_LEN;
        if !large {
            return None;
        }
        // SAFETY: the same contract.
        unsafe { Self::bump_kept(&self.large, stamp, len, align) }
    }

    /// # Safety
    ///
    /// As for `bump`; `kept` is `large` or `alone` of this writer.
    unsafe fn bump_kept(
        kept: &Cell<(u64, Chunk)>,
        stamp: u64,
        len: usize,
        align: Alignment,
    ) -> Option<(NonNull<u8>, Chunk)> {
        let (of, chunk) = kept.get();
        if of != stamp {
            return None;
        }
        // SAFETY: by the invariant of `large` and `alone` it was taken for this epoch's arena, which is not reclaimed before
        // the caller returns (2.).
        let live = unsafe { chunk.live() };
        // SAFETY: by the same invariant this writer alone claims from it.
        let first = unsafe { live.bump_aligned(len, align) }?;
        Some((first, chunk))
    }

    /// The chunk in use for the epoch of `stamp`, if there is one; for [`end_batch`].
    pub fn chunk(&self, stamp: u64) -> Option<Chunk> {
        (self.stamp.get() == stamp).then(|| self.chunk.get())
    }

    /// Leaves the chunk in use to another thread, with its stamp, if there is one.
    pub fn leave(&self) -> Option<(u64, Chunk)> {
        let stamp = self.stamp.replace(EMPTY);
        (stamp != EMPTY).then(|| (stamp, self.chunk.get()))
    }

    /// Fills a chunk further that another thread has left.
    ///
    /// # Safety
    ///
    /// 1. `leave` on a writer of the same pool gave it, with this stamp; everything that thread did with the chunk
    ///    happens before this call; and this call alone has it.
    /// 2. The epoch's arena is not reclaimed before this returns.
    pub unsafe fn adopt(&self, stamp: u64, chunk: Chunk) {
        self.stamp.set(stamp);
        self.chunk.set(chunk);
    }

    /// Claims `len` bytes for the epoch of `stamp` where neither the thread's chunk nor
    /// [`bump_large`](Self::bump_large) has them: from a new chunk of either kind, or from a region of its own.
    /// Returns the bytes and the chunk they are in.
    ///
    /// # Errors
    ///
    /// [`AllocError`]; nothing is changed.
    ///
    /// # Safety
    ///
    /// 1. and 2. as for `bump`.
    /// 3. `home` is that epoch's arena.
    #[cold]
    #[inline(never)]
    pub unsafe fn refill(
        &self,
        stamp: u64,
        len: usize,
        align: Alignment,
        home: Home<'_>,
    ) -> Result<(NonNull<u8>, Chunk), AllocError> {
        if len > pack::MAX_LEN {
            return Err(AllocError::TooLong);
        }
        let total = total(len, align).ok_or(AllocError::TooLong)?;
        let (taken, first) = self.look_back(stamp);
        let sums = (taken.bytes, taken.large);
        let unit = home.memory.block_size();
        let (kept, request) = match growth::next(total, sums, first, unit, home.confined) {
            Next::Chunk(request) => (None, request),
            Next::Large(request) => (Some(&self.large), request),
            Next::Alone(request) => {
                // SAFETY: the same contract.
                let claimed = unsafe { Self::bump_kept(&self.alone, stamp, len, align) };
                if let Some(claimed) = claimed {
                    return Ok(claimed);
                }
                (Some(&self.alone), request)
            }
            Next::TooLarge => return Err(MemoryError::TooLarge.into()),
        };
        let chunk = home.memory.take(home.owner, request)?;
        // SAFETY: just taken for this epoch's arena, so it exists until that is reclaimed (2.).
        let live = unsafe { chunk.live() };
        // SAFETY: just taken, so no other thread knows it.
        let claimed = unsafe { live.bump_aligned(len, align) };
        let claimed = claimed.ok_or(AllocError::TooLong)?;
        // A user's source may have called this writer meanwhile, which set a chunk then: this one
        // replaces it, and its rest stays unused.
        let mut taken = self.look_back(stamp).0;
        match kept {
            Some(kept) => {
                kept.set((stamp, chunk));
                let is_chunk = matches!(request, Request::Chunk { .. });
                if is_chunk {
                    taken.large += live.size();
                    taken.chunks += 1;
                }
            }
            None => {
                debug_assert!(live.size() <= pack::MAX_LEN);
                self.stamp.set(stamp);
                self.chunk.set(chunk);
                taken.bytes += live.size();
                taken.chunks += 1;
            }
        }
        self.taken.set(taken);
        self.counted.set(stamp);
        self.first.set(first);
        Ok((claimed, chunk))
    }

    /// The bytes taken in the epoch of `stamp`, and the first chunk of an epoch, which follows the epoch before.
    /// Changes nothing.
    fn look_back(&self, stamp: u64) -> (Taken, First) {
        let (taken, first) = (self.taken.get(), self.first.get());
        if self.counted.get() == stamp {
            (taken, first)
        } else if taken.chunks > 0 {
            let bytes = taken.bytes + taken.large;
            (Taken::default(), first.learn(bytes, taken.chunks))
        } else {
            (Taken::default(), first)
        }
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes to ask for when `len` bytes at `align` are to fit a new chunk, header included.
pub(crate) fn total(len: usize, align: Alignment) -> Option<usize> {
    let short = len
        .checked_add(header_of(0))?
        .checked_add(align.get() - 1)?;
    // Only small chunks have the short header.
    if header_of(short.checked_next_power_of_two()?) == header_of(0) {
        return Some(short);
    }
    len.checked_add(header_of(usize::MAX))?
        .checked_add(align.get() - 1)
}

/// Makes a batch in `chunk` that ends at `to` longer by `more` bytes, if nothing was claimed behind it and they
/// fit; says whether it did.
///
/// # Safety
///
/// 1. and 2. as for [`end_batch`].
/// 3. The thread claimed the bytes up to `to` there.
pub unsafe fn extend_batch(chunk: Chunk, to: NonNull<u8>, more: usize) -> bool {
    // SAFETY: 1.
    let live = unsafe { chunk.live() };
    // SAFETY: 2. and 3.
    unsafe { live.extend_batch(to, more) }
}

/// Ends a batch in `chunk`: gives the unused bytes `from .. to` back, and counts `pushed` allocations.
///
/// # Safety
///
/// 1. `chunk` is of an arena that is not reclaimed before this returns.
/// 2. The calling thread is the only one that claims from it.
/// 3. It claimed `from .. to` there by one `bump`, `refill` or the like, uses these bytes no more
///    and has made no handle for them; `pushed` handles were made for the bytes it claimed
///    before `from` in the same step.
pub unsafe fn end_batch(chunk: Chunk, from: NonNull<u8>, to: NonNull<u8>, pushed: u32) {
    // SAFETY: 1.
    let live = unsafe { chunk.live() };
    // SAFETY: 2. and 3.
    unsafe { live.end_batch(from, to, pushed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a byte more than the value, its header, and the most padding that it can have.
    #[test]
    fn a_request_is_for_what_a_value_needs() {
        let (short, long) = (header_of(0), header_of(usize::MAX));
        let line = Alignment::LINE;
        assert_eq!(total(10, Alignment::BYTE), Some(10 + short));
        assert_eq!(total(10, line), Some(10 + short + line.get() - 1));
        assert_eq!(total(1 << 20, Alignment::BYTE), Some((1 << 20) + long));
        assert_eq!(
            total(1 << 20, line),
            Some((1 << 20) + long + line.get() - 1)
        );
        assert_eq!(total(usize::MAX, line), None);
    }

    /// Neither the epoch before a thread's first one, nor one that had regions of their own only.
    #[test]
    fn an_epoch_without_chunks_says_nothing_about_the_next() {
        let writer = Writer::new();
        let first = First::new().learn(20_000, 6);
        writer.first.set(first);
        assert_eq!(writer.look_back(1).1, first);
        writer.taken.set(Taken {
            chunks: 1,
            bytes: 512,
            large: 0,
        });
        assert_eq!(writer.look_back(1).1, first.learn(512, 1));
    }
}
