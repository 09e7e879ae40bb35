//! Writing under a guard: every way to put bytes into the current epoch.

use std::ptr::NonNull;

use epoch_arena_block::raw::{Chunk, Owner};
use epoch_arena_block::{Alignment, MemoryError};
use epoch_arena_core::raw::{Home, copy};
use epoch_arena_core::{AllocError, ArenaHandle};

use crate::batch::Batch;
use crate::error::PromoteError;
use crate::guard::ArenaGuard;
use crate::local::Local;
use crate::state::Core;
use crate::trace;
use crate::uninit::UninitBytes;

impl ArenaGuard<'_> {
    /// Copies `bytes` into the current epoch, packed. No shared write, no lock, unless the
    /// thread's chunk is full: once in 512 bytes to 256 KiB.
    ///
    /// The handle is of the epoch that was current when the room for it was claimed.
    ///
    /// # Errors
    ///
    /// [`AllocError`]: longer than 16 MiB - 1, over the memory's budget, or the source failed;
    /// nothing is changed. Before a put is refused for the budget, everything that is free in the memory is
    /// looked at, whatever pool had it; what another thread overwrites meanwhile
    /// ([`zero_on_reclaim`](crate::PoolBuilder::zero_on_reclaim)) is waited for. Only a block that another thread
    /// is giving back to the system at that very moment ([`maintain`](crate::ArenaPool::maintain)) may be missed:
    /// one more try finds its room.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let handle = guard.alloc_copy(b"user:12345")?;
    /// assert_eq!((handle.len(), handle.epoch()), (10, guard.epoch()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn alloc_copy(&self, bytes: &[u8]) -> Result<ArenaHandle, AllocError> {
        let stamp = self.core().slots.current();
        // SAFETY: 1. the pool's stamp, and its writer; 2. loaded under the guard.
        let Some(first) = (unsafe { self.local().writer.bump(stamp, bytes.len()) }) else {
            // All of the rest is out of line: so few registers are spilled around it.
            return copy_into_new_chunk(self.core(), self.local(), stamp, bytes);
        };
        // SAFETY: 1. just claimed, for this call alone; 2. so it cannot overlap `bytes`.
        unsafe { copy(bytes, first) };
        // SAFETY: 1. inside a chunk of the epoch's arena, and initialised; 2. nobody else knows
        // it, and it is not written again; 3. by `Writer`'s invariant no more fits its chunk.
        Ok(unsafe { ArenaHandle::new(first, bytes.len(), stamp) })
    }

    /// Copies `bytes` into the current epoch, at an address of the given alignment.
    ///
    /// # Errors
    ///
    /// [`AllocError`], as for [`alloc_copy`](ArenaGuard::alloc_copy).
    ///
    /// ```
    /// # use epoch_arena_pool::{ArenaPool, Alignment};
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let handle = guard.alloc_copy_aligned(&[1; 32], Alignment::new(16)?)?;
    /// assert_eq!(guard.get(handle).unwrap().as_ptr().addr() % 16, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn alloc_copy_aligned(
        &self,
        bytes: &[u8],
        align: Alignment,
    ) -> Result<ArenaHandle, AllocError> {
        let (first, stamp) = self.claim(bytes.len(), align)?;
        // SAFETY: as in `alloc_copy`.
        unsafe { copy(bytes, first) };
        // SAFETY: as in `alloc_copy`.
        Ok(unsafe { ArenaHandle::new(first, bytes.len(), stamp) })
    }

    /// Copies the parts one behind the other: a composite key, without building it elsewhere.
    ///
    /// # Errors
    ///
    /// [`AllocError`], as for [`alloc_copy`](ArenaGuard::alloc_copy), for the sum of the lengths.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let handle = guard.alloc_concat([b"tenant7", b"/", b"user:12345"])?;
    /// assert_eq!(guard.get(handle), Some(&b"tenant7/user:12345"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn alloc_concat<const N: usize>(
        &self,
        parts: [&[u8]; N],
    ) -> Result<ArenaHandle, AllocError> {
        let len = total_len(&parts).ok_or(AllocError::TooLong)?;
        let (first, stamp) = self.claim(len, Alignment::BYTE)?;
        // SAFETY: `len` bytes, just claimed for this call alone.
        unsafe { copy_all(&parts, first) };
        // SAFETY: as in `alloc_copy`; all `len` bytes were written, part by part.
        Ok(unsafe { ArenaHandle::new(first, len, stamp) })
    }

    /// Allocates `len` zeroed bytes and has `fill` write them. If it panics, the bytes are wasted
    /// until the epoch is reclaimed, and no handle exists.
    ///
    /// The closure may use the pool, pin and allocate; the handle is of the epoch that was
    /// current before it ran, and may be stale already if the closure advanced.
    ///
    /// # Errors
    ///
    /// [`AllocError`], as for [`alloc_copy`](ArenaGuard::alloc_copy); the closure is not called then.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let handle = guard.alloc_with(8, |bytes| bytes[..4].copy_from_slice(&7_u32.to_be_bytes()))?;
    /// assert_eq!(guard.get(handle), Some(&[0, 0, 0, 7, 0, 0, 0, 0][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn alloc_with(
        &self,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<ArenaHandle, AllocError> {
        let (first, stamp) = self.claim(len, Alignment::BYTE)?;
        // SAFETY: `len` bytes, just claimed for this call alone, so valid for writes.
        unsafe { first.write_bytes(0, len) };
        // SAFETY: initialised by the line above; this call's alone, as no handle exists yet; and
        // the arena is not reclaimed under the guard, whatever the closure does.
        fill(unsafe { std::slice::from_raw_parts_mut(first.as_ptr(), len) });
        // SAFETY: as in `alloc_copy`; the closure's borrow has ended.
        Ok(unsafe { ArenaHandle::new(first, len, stamp) })
    }

    /// Allocates `len` uninitialised bytes at an aligned address, to be written in place.
    ///
    /// # Errors
    ///
    /// [`AllocError`], as for [`alloc_copy`](ArenaGuard::alloc_copy).
    ///
    /// ```
    /// # use epoch_arena_pool::{Alignment, ArenaPool};
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let mut bytes = guard.alloc_uninit(4, Alignment::new(4)?)?;
    /// for byte in bytes.iter_mut() {
    ///     byte.write(7);
    /// }
    /// // SAFETY: the loop wrote all of them.
    /// let handle = unsafe { bytes.assume_init() };
    /// assert_eq!(guard.get(handle), Some(&[7; 4][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn alloc_uninit(
        &self,
        len: usize,
        align: Alignment,
    ) -> Result<UninitBytes<'_>, AllocError> {
        let (first, stamp) = self.claim(len, align)?;
        // SAFETY: `len` bytes, just claimed for this call alone, of the epoch's arena, which is
        // not reclaimed under the guard; the result borrows `self`.
        Ok(unsafe { UninitBytes::new(first, len, stamp) })
    }

    /// Reserves `bytes` bytes in the current epoch at once, for many small values: one check and
    /// one epoch for all of them. What is not used is given back when the batch is dropped, if
    /// nothing was allocated behind it.
    ///
    /// # Errors
    ///
    /// [`AllocError`], as for [`alloc_copy`](ArenaGuard::alloc_copy).
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let mut batch = guard.batch(32)?;
    /// let (key, value) = (batch.push(b"user:1")?, batch.push(b"ann")?);
    /// assert_eq!(key.epoch(), value.epoch()); // whatever happens meanwhile
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn batch(&self, bytes: usize) -> Result<Batch<'_>, AllocError> {
        let stamp = self.core().slots.current();
        let writer = &self.local().writer;
        // SAFETY: as in `alloc_copy`.
        let claimed = match unsafe { writer.bump(stamp, bytes) } {
            Some(first) => writer.chunk(stamp).map(|chunk| (first, chunk, stamp)),
            None => None,
        };
        let (first, chunk, stamp) = match claimed {
            Some(claimed) => claimed,
            None => refill(self.core(), self.local(), stamp, bytes, Alignment::BYTE)?,
        };
        // SAFETY: `bytes` bytes, just claimed for this batch alone from `chunk`, which this
        // thread alone claims from, of the epoch's arena, which is not reclaimed under the guard;
        // the result borrows `self`.
        Ok(unsafe { Batch::new(first, bytes, chunk, stamp) })
    }

    /// Copies a value that is about to expire into the current epoch, packed: one survivor need
    /// not hold its whole epoch.
    ///
    /// # Errors
    ///
    /// [`PromoteError::Stale`] if the handle does not resolve any more, else as for
    /// [`alloc_copy`](ArenaGuard::alloc_copy).
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let old = pool.pin().alloc_copy(b"survivor")?;
    /// pool.advance()?;
    /// let new = pool.pin().promote(old)?;
    /// pool.advance()?;
    /// let guard = pool.pin();
    /// assert_eq!((guard.get(old), guard.get(new)), (None, Some(&b"survivor"[..])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn promote(&self, handle: ArenaHandle) -> Result<ArenaHandle, PromoteError> {
        let bytes = self.get(handle).ok_or(PromoteError::Stale)?;
        Ok(self.alloc_copy(bytes)?)
    }

    /// Claims bytes in the current epoch; with them the stamp they were claimed for.
    #[inline]
    fn claim(&self, len: usize, align: Alignment) -> Result<(NonNull<u8>, u64), AllocError> {
        let stamp = self.core().slots.current();
        // SAFETY: 1. the pool's stamp, and its writer; 2. loaded under the guard.
        if let Some(first) = unsafe { self.local().writer.bump_aligned(stamp, len, align) } {
            return Ok((first, stamp));
        }
        let (first, _, stamp) = refill(self.core(), self.local(), stamp, len, align)?;
        Ok((first, stamp))
    }
}

// What follows takes its parts by value, and not the guard: so a guard whose address nothing needs
// stays in registers.

#[cold]
#[inline(never)]
fn copy_into_new_chunk(
    core: &Core,
    local: &Local,
    stamp: u64,
    bytes: &[u8],
) -> Result<ArenaHandle, AllocError> {
    let (first, _, stamp) = refill(core, local, stamp, bytes.len(), Alignment::BYTE)?;
    // SAFETY: as in `alloc_copy`.
    unsafe { copy(bytes, first) };
    // SAFETY: 1., 2. as in `alloc_copy`; 3. `refill` refuses more.
    Ok(unsafe { ArenaHandle::new(first, bytes.len(), stamp) })
}

/// Bytes that were claimed in a new chunk, the chunk, and the stamp of the epoch they are of.
type Refilled = (NonNull<u8>, Chunk, u64);

/// Takes a chunk for the epoch of `stamp`, which was loaded under a guard that is still pinned, and
/// claims `len` bytes of it. Where the epoch's slot has been given to another by now, the epoch is the one
/// that is current then.
#[cold]
#[inline(never)]
fn refill(
    core: &Core,
    local: &Local,
    stamp: u64,
    len: usize,
    align: Alignment,
) -> Result<Refilled, AllocError> {
    let mut refilled = take(core, local, stamp, len, align);
    if let Err(AllocError::Memory(MemoryError::OverBudget(over))) = refilled
        && over.wanted <= over.budget
    {
        // Over the budget, perhaps only because the last guard of a retired epoch is gone and its
        // callback still pending: move it on, and try once more. (The pin is nested, so it has no
        // fence. The flush may run foreign closures, as any pin may.)
        local.participant().handle().pin().flush();
        refilled = take(core, local, stamp, len, align);
    }
    if let Err(AllocError::Memory(refused)) = &mut refilled {
        *refused = refused.of(core.account.bytes(), core.retired_bytes());
    }
    // After all that, as a subscriber is foreign code: if it panics, what was claimed is wasted;
    // if it writes or advances, this thread is pinned still, and what was claimed is its own.
    if let Err(AllocError::Memory(MemoryError::OverBudget(over))) = refilled {
        trace::over_budget(core, stamp, len, over);
    }
    refilled
}

fn take(
    core: &Core,
    local: &Local,
    mut stamp: u64,
    len: usize,
    align: Alignment,
) -> Result<Refilled, AllocError> {
    let generation = loop {
        // SAFETY: pinned since before `stamp` was loaded, and until the caller returns.
        if let Some(generation) = unsafe { core.slots.generation(stamp) } {
            break generation;
        }
        stamp = core.slots.current();
    };
    let home = Home {
        memory: &core.memory,
        owner: Owner {
            chunks: &generation.chunks,
            account: &core.account,
        },
        confined: core.settings.scrub.quarantine,
    };
    // A chunk that another thread had begun when it ended goes first.
    let writer = &local.writer;
    while writer.chunk(stamp).is_none()
        && let Some(chunk) = core.begun.take(stamp)
    {
        // SAFETY: 1. left by a thread that will not touch it again, and taken by this one alone; 2. it was taken for
        // the epoch of `stamp`, which is still the generation's.
        unsafe { writer.adopt(stamp, chunk) };
        // SAFETY: as in `alloc_copy`.
        if let Some(first) = unsafe { writer.bump_aligned(stamp, len, align) } {
            return Ok((first, chunk, stamp));
        }
        writer.leave();
    }
    // SAFETY: 1., 2. as in `alloc_copy`; 3. the generation is that epoch's.
    let (first, chunk) = unsafe { writer.refill(stamp, len, align, home) }?;
    Ok((first, chunk, stamp))
}

/// The sum of the lengths, if it can be.
pub(crate) fn total_len(parts: &[&[u8]]) -> Option<usize> {
    parts
        .iter()
        .try_fold(0_usize, |sum, part| sum.checked_add(part.len()))
}

/// Copies the parts one behind the other.
///
/// # Safety
///
/// `first` is valid for writes of the sum of the lengths, and overlaps no part.
pub(crate) unsafe fn copy_all(parts: &[&[u8]], first: NonNull<u8>) {
    let mut to = first;
    for part in parts {
        // SAFETY: what is left holds this part, as all of it holds all parts.
        unsafe { copy(part, to) };
        // SAFETY: at most one past the end, for the same reason.
        to = unsafe { to.add(part.len()) };
    }
}
