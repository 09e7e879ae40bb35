//! Writing under a guard: every way to put bytes into the current epoch.

use std::ptr::NonNull;

use epoch_arena_block::Alignment;
use epoch_arena_core::raw::copy;
use epoch_arena_core::{AllocError, ArenaHandle, Epoch, pack};

use super::ArenaGuard;
use super::batch::Batch;
use super::parts::{copy_all, total_len};
use super::refill::{copy_elsewhere, refill};
use super::uninit::UninitBytes;
use crate::epochs::slots;
use crate::error::{PromoteError, RawError};

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
            return copy_elsewhere(self.core(), self.local(), stamp, bytes);
        };
        // SAFETY: 1. just claimed, for this call alone; 2. so it cannot overlap `bytes`.
        unsafe { copy(bytes, first) };
        // SAFETY: 1. inside a chunk of the epoch's arena, and initialised; 2. no other thread knows
        // it, and it is not written again; 3. by `Writer`'s invariant no more fits its chunk.
        Ok(unsafe { ArenaHandle::new(first, bytes.len(), stamp) })
    }

    /// Copies the text into the current epoch, as its bytes; [`std::str::from_utf8`] gives the text back.
    ///
    /// # Errors
    ///
    /// [`AllocError`], as for [`alloc_copy`](ArenaGuard::alloc_copy).
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let handle = guard.alloc_str("grüß dich")?;
    /// assert_eq!(guard.get(handle), Some("grüß dich".as_bytes()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn alloc_str(&self, text: &str) -> Result<ArenaHandle, AllocError> {
        self.alloc_copy(text.as_bytes())
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

    /// Allocates `len` uninitialised bytes at an aligned address in `epoch`, or in no epoch at all:
    /// what an index of one's own is built from.
    ///
    /// The call is safe; what is done with the pointer is the caller's to prove. The contract:
    ///
    /// 1. `len` bytes from the pointer are valid for reads and writes, on any thread, for as long as
    ///    the epoch is held: by this guard, by one that was pinned while the epoch was live, or by a
    ///    [`Lease`](crate::Lease) of it. After that they are another epoch's, or unmapped.
    /// 2. They are the caller's alone: no other allocation overlaps them, and the pool neither reads
    ///    nor writes them while the epoch is held.
    /// 3. They are uninitialised. They may hold bytes of an earlier epoch, or poison.
    /// 4. They have no handle, so nothing resolves to them. Hence they are exempt from the rule that
    ///    bytes never change once their handle exists: they may be written for as long as the epoch is
    ///    held, by several threads if the caller orders the accesses, with atomics for instance.
    /// 5. No destructor runs. They are never given back singly: if the pointer is forgotten, they are
    ///    wasted until the epoch is reclaimed.
    ///
    /// The current epoch is looked at once. If it is `epoch`, the bytes are in it, also when the pool
    /// advances meanwhile; [`wait_sealed`](crate::ArenaPool::wait_sealed) waits for this guard then.
    ///
    /// # Errors
    ///
    /// [`RawError::Frozen`] if the pool is in another epoch, or `epoch` is another pool's;
    /// [`RawError::Alloc`] as for [`alloc_copy`](ArenaGuard::alloc_copy). Nothing is changed.
    ///
    /// ```
    /// # use epoch_arena_pool::{Alignment, ArenaPool, RawError};
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// let pool = ArenaPool::builder().build()?;
    /// let epoch = pool.current_epoch();
    /// let lease = pool.lease(epoch).expect("it is live");
    /// let place = pool.pin().alloc_raw(epoch, 8, Alignment::WORD)?.cast::<AtomicU64>();
    /// // SAFETY: eight aligned bytes, this thread's alone; the lease holds them.
    /// unsafe { place.write(AtomicU64::new(1)) };
    /// pool.advance()?;
    /// // SAFETY: written above, shared by atomics only, and held by the lease, which is dropped last.
    /// let counter: &AtomicU64 = unsafe { place.as_ref() };
    /// assert_eq!(counter.fetch_add(1, Ordering::Relaxed), 1);
    ///
    /// let now = pool.current_epoch();
    /// let refused = pool.pin().alloc_raw(epoch, 8, Alignment::WORD);
    /// assert_eq!(refused, Err(RawError::Frozen { now }));
    /// # drop(lease);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn alloc_raw(
        &self,
        epoch: Epoch,
        len: usize,
        align: Alignment,
    ) -> Result<NonNull<u8>, RawError> {
        let stamp = pack::stamp(epoch.number());
        let current = self.core().slots.current();
        if current != stamp {
            return Err(RawError::Frozen {
                now: slots::epoch(current),
            });
        }
        // SAFETY: as in `claim`.
        if let Some(first) = unsafe { self.local().writer.bump_aligned(stamp, len, align) } {
            return Ok(first);
        }
        let (first, _, taken) = refill(self.core(), self.local(), stamp, len, align)?;
        if taken != stamp {
            // The epoch was retired meanwhile, and its slot is another's. What was claimed there is wasted.
            return Err(RawError::Frozen {
                now: slots::epoch(taken),
            });
        }
        Ok(first)
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
    /// not hold its whole epoch. The old handle stays as it is and expires with its epoch: put the new one
    /// wherever you keep it. A value of the current epoch is copied again, so look at [`ArenaHandle::epoch`] first.
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
