//! `View`: reading and writing under a guard. The one implementation; `ArenaGuard` is a view with
//! its own guard.

use std::cell::Cell;
use std::fmt;
use std::ptr::NonNull;
use std::rc::Rc;

use crossbeam_epoch::{Guard, LocalHandle};
use epoch_arena_block::{Alignment, MemoryError};
use epoch_arena_core::raw::{Chunk, Sealed, copy};
use epoch_arena_core::{AllocError, ArenaHandle, Epoch, Resolve, Store, pack};

use crate::batch::Batch;
use crate::core::{self, Core, Reclaimed};
use crate::error::{PromoteError, RawError};
use crate::local::Local;
use crate::slots::Stamps;
use crate::trace;
use crate::uninit::UninitBytes;

/// Reading and writing while this thread is pinned.
///
/// From [`ArenaPool::view`](crate::ArenaPool::view) it stands beside a guard of the user's own;
/// an [`ArenaGuard`](crate::ArenaGuard) dereferences to one as well, so everything here can be
/// called on a guard.
///
/// What [`get`](View::get) gives is borrowed from the view, and cannot outlive it:
///
/// ```compile_fail,E0505
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build().unwrap();
/// let guard = pool.pin();
/// let handle = guard.alloc_copy(b"key").unwrap();
/// let bytes = guard.get(handle).unwrap();
/// drop(guard);
/// assert_eq!(bytes, b"key");
/// ```
///
/// A view stays on its thread, and does not outlive the user's guard:
///
/// ```compile_fail,E0505
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder()
///     .collector(crossbeam_epoch::default_collector().clone())
///     .build()
///     .unwrap();
/// let guard = crossbeam_epoch::pin();
/// let view = pool.view(&guard).unwrap();
/// drop(guard);
/// view.epoch();
/// ```
pub struct View<'a> {
    // Dropped first, while the state it belongs to is alive.
    /// Invariant: pinned on this thread, by `local`'s handle; `None` only inside `refresh`, where
    /// nothing can be borrowed from the view.
    guard: Option<Guard>,
    core: &'a Core,
    /// The stamps of `core`, at hand: in a loop of `get`s they stay in registers.
    stamps: Stamps<'a>,
    local: Rc<Local>,
    /// Whether it stands beside a guard of the user's own.
    foreign: bool,
}

impl<'a> View<'a> {
    /// Pins this thread. `foreign` says that a guard of the user's own is pinned, too.
    // Always inlined, around a pin that is not: so the parts stay in registers in a loop over
    // `get`.
    #[inline(always)]
    pub(crate) fn pin(core: &'a Core, local: Rc<Local>, foreign: bool) -> Self {
        Self {
            guard: Some(local.pin(core, foreign)),
            core,
            stamps: core.slots.stamps(),
            local,
            foreign,
        }
    }

    /// Unpins and pins again, unless the thread is pinned otherwise; says whether it did.
    pub(crate) fn repin(&mut self) -> bool {
        // Not `Guard::repin`, which in crossbeam-epoch 0.9.21 has no fence.
        let repin = Repin {
            guard: &mut self.guard,
            handle: &self.local.handle,
        };
        *repin.guard = None;
        let unpinned = !repin.handle.is_pinned();
        *repin.guard = Some(repin.handle.pin());
        drop(repin);
        if unpinned {
            self.local.mark(self.core, self.foreign);
        }
        unpinned
    }

    /// The bytes of `handle`, or `None` if its epoch is no longer live or it is of another pool.
    /// Constant time, two loads.
    ///
    /// **A guard is not a snapshot.** An epoch may be retired while the guard is pinned: a handle
    /// that gave bytes before gives `None` from then on, while bytes that `get` returned before
    /// stay readable as long as the guard. To keep one state of things in view, use
    /// [`ArenaPool::snapshot`](crate::ArenaPool::snapshot) or
    /// [`lease`](crate::ArenaPool::lease).
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().build()?; // two epochs retained
    /// let handle = pool.pin().alloc_copy(b"user:12345")?;
    /// let guard = pool.pin();
    /// let bytes = guard.get(handle).unwrap();
    /// pool.advance()?;
    /// pool.advance()?; // the handle's epoch is retired now
    /// assert!(guard.get(handle).is_none());
    /// assert_eq!(bytes, b"user:12345"); // the guard still protects them
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get(&self, handle: ArenaHandle) -> Option<&[u8]> {
        // SAFETY: if the stamp is the handle's, it was found under the guard, so the epoch's arena
        // is not reclaimed before the guard is unpinned (`Slots`), which the borrow excludes.
        unsafe { handle.bytes_under(self.stamps.of(handle)) }
    }

    /// Copies `bytes` into the current epoch, packed. No shared write, no lock, unless the
    /// thread's chunk is full: once in 4 to 256 KiB.
    ///
    /// The handle is of the epoch that was current when the room for it was claimed.
    ///
    /// # Errors
    ///
    /// [`AllocError`]: longer than 16 MiB - 1, over the memory's budget, or the source failed;
    /// nothing is changed. Before a put is refused for the budget, what nobody holds is reclaimed,
    /// in every pool over the memory, and the whole blocks that frees are used; what another thread
    /// overwrites meanwhile ([`zero_on_reclaim`](crate::PoolBuilder::zero_on_reclaim)) is waited for.
    /// Only blocks that another thread takes from a pool to the memory at that very moment
    /// ([`maintain`](crate::ArenaPool::maintain), another put at the budget) may be missed: one more
    /// try finds them.
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
        let stamp = self.core.slots.current();
        // SAFETY: 1. the pool's stamp, and its writer; 2. loaded under the guard.
        let Some(first) = (unsafe { self.local.writer.bump(stamp, bytes.len()) }) else {
            // All of the rest is out of line: so few registers are spilled around it.
            return self.copy_into_new_chunk(stamp, bytes);
        };
        // SAFETY: 1. just claimed, for this call alone; 2. so it cannot overlap `bytes`.
        unsafe { copy(bytes, first) };
        // SAFETY: 1. inside a chunk of the epoch's arena, and initialised; 2. nobody else knows
        // it, and it is not written again; 3. by `Writer`'s invariant no more fits its chunk.
        Ok(unsafe { ArenaHandle::new(first, bytes.len(), stamp) })
    }

    #[cold]
    #[inline(never)]
    fn copy_into_new_chunk(&self, stamp: u64, bytes: &[u8]) -> Result<ArenaHandle, AllocError> {
        let (first, _) = self.refill(stamp, bytes.len(), Alignment::BYTE)?;
        // SAFETY: as in `alloc_copy`.
        unsafe { copy(bytes, first) };
        // SAFETY: 1., 2. as in `alloc_copy`; 3. `refill` refuses more.
        Ok(unsafe { ArenaHandle::new(first, bytes.len(), stamp) })
    }

    /// Copies `bytes` into the current epoch, at an address of the given alignment.
    ///
    /// # Errors
    ///
    /// [`AllocError`], as for [`alloc_copy`](View::alloc_copy).
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
    /// [`AllocError`], as for [`alloc_copy`](View::alloc_copy), for the sum of the lengths.
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
    /// [`AllocError`], as for [`alloc_copy`](View::alloc_copy); the closure is not called then.
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
    /// [`AllocError`], as for [`alloc_copy`](View::alloc_copy).
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
    /// [`RawError::Alloc`] as for [`alloc_copy`](View::alloc_copy). Nothing is changed.
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
        let stamp = self.core.slots.current();
        if stamp != pack::stamp(epoch.number()) {
            return Err(RawError::Frozen {
                now: core::epoch(stamp),
            });
        }
        Ok(self.claim_in(stamp, len, align)?)
    }

    /// Reserves `bytes` bytes in the current epoch at once, for many small values: one check and
    /// one epoch for all of them. What is not used is given back when the batch is dropped, if
    /// nothing was allocated behind it.
    ///
    /// # Errors
    ///
    /// [`AllocError`], as for [`alloc_copy`](View::alloc_copy).
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
        let stamp = self.core.slots.current();
        let writer = &self.local.writer;
        // SAFETY: as in `alloc_copy`.
        let claimed = match unsafe { writer.bump(stamp, bytes) } {
            Some(first) => writer.chunk(stamp).map(|chunk| (first, chunk)),
            None => None,
        };
        let (first, chunk) = match claimed {
            Some(claimed) => claimed,
            None => self.refill(stamp, bytes, Alignment::BYTE)?,
        };
        // SAFETY: `bytes` bytes, just claimed for this batch alone from `chunk`, which this
        // thread alone claims from, of the epoch's arena, which is not reclaimed under the guard;
        // the result borrows `self`.
        Ok(unsafe { Batch::new(first, bytes, chunk, stamp, self.core.settings.max_key_len) })
    }

    /// Copies a value that is about to expire into the current epoch, packed: one survivor need
    /// not hold its whole epoch.
    ///
    /// # Errors
    ///
    /// [`PromoteError::Stale`] if the handle does not resolve any more, else as for
    /// [`alloc_copy`](View::alloc_copy).
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

    /// The current epoch of the pool; it may move on at any moment. One load.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let next = pool.advance()?;
    /// assert_eq!(guard.epoch(), next); // not the one in which it was pinned
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn epoch(&self) -> Epoch {
        core::epoch(self.core.slots.current())
    }

    /// Claims bytes in the current epoch; with them the stamp they were claimed for.
    #[inline]
    fn claim(&self, len: usize, align: Alignment) -> Result<(NonNull<u8>, u64), AllocError> {
        let stamp = self.core.slots.current();
        Ok((self.claim_in(stamp, len, align)?, stamp))
    }

    /// Claims bytes in the epoch of `stamp`, which was loaded as the current one under this guard.
    #[inline]
    fn claim_in(
        &self,
        stamp: u64,
        len: usize,
        align: Alignment,
    ) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: 1. the pool's stamp, and its writer; 2. loaded under the guard.
        match unsafe { self.local.writer.bump_aligned(stamp, len, align) } {
            Some(first) => Ok(first),
            None => Ok(self.refill(stamp, len, align)?.0),
        }
    }

    #[cold]
    #[inline(never)]
    fn refill(
        &self,
        stamp: u64,
        len: usize,
        align: Alignment,
    ) -> Result<(NonNull<u8>, Chunk), AllocError> {
        let core = self.core;
        let arena = core.slots.slot(stamp);
        let reclaimed = Cell::new(Reclaimed::default());
        let reclaim = || {
            let mut sum = reclaimed.get();
            sum += core.reclaim_ready();
            reclaimed.set(sum);
        };
        let refill = || {
            // SAFETY: 1., 2. as in `alloc_copy`; 3. arenas are indexed by slot.
            unsafe {
                let writer = &self.local.writer;
                writer.refill(stamp, len, align, (&core.chunks, arena), reclaim)
            }
        };
        let mut refilled = refill();
        if let (Err(AllocError::Memory(MemoryError::OverBudget(_))), Some(guard)) =
            (&refilled, &self.guard)
        {
            // Over the budget, perhaps only because the news that nobody holds a retired epoch
            // any more is still on its way: move it on (which may run foreign closures, as any
            // pin may), and try once more.
            guard.flush();
            refilled = refill();
        }
        if let Err(AllocError::Memory(MemoryError::OverBudget(over))) = &mut refilled {
            over.reclaimable = core.held_bytes(&core.state());
        }
        // After all that, as a subscriber is foreign code: if it panics, what was claimed is wasted;
        // if it writes or advances, this thread is pinned still, and what was claimed is its own.
        trace::reclaim(core, reclaimed.get());
        if let Err(AllocError::Memory(MemoryError::OverBudget(over))) = refilled {
            trace::over_budget(core, stamp, len, over);
        }
        refilled
    }
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

impl Drop for View<'_> {
    #[inline]
    fn drop(&mut self) {
        // The record first, then the guard, then the state.
        self.local.leave(self.foreign);
    }
}

/// Sees that a guard is pinned again, even if a foreign closure panics inside the pin: the view
/// lives on then, and must protect what is read through it.
struct Repin<'g> {
    guard: &'g mut Option<Guard>,
    handle: &'g LocalHandle,
}

impl Drop for Repin<'_> {
    fn drop(&mut self) {
        if self.guard.is_none() {
            // Runs no closures: crossbeam-epoch collects with every 128th pin, and the one that
            // panicked was that.
            *self.guard = Some(self.handle.pin());
        }
    }
}

impl Sealed for View<'_> {}

impl Resolve for View<'_> {
    #[inline]
    fn get(&self, handle: ArenaHandle) -> Option<&[u8]> {
        self.get(handle)
    }
}

impl Store for View<'_> {
    #[inline]
    fn alloc_copy(&self, bytes: &[u8]) -> Result<ArenaHandle, AllocError> {
        self.alloc_copy(bytes)
    }

    #[inline]
    fn alloc_copy_aligned(
        &self,
        bytes: &[u8],
        align: Alignment,
    ) -> Result<ArenaHandle, AllocError> {
        self.alloc_copy_aligned(bytes, align)
    }

    #[inline]
    fn max_key_len(&self) -> usize {
        self.core.settings.max_key_len
    }

    #[inline]
    fn key_alignment(&self) -> Alignment {
        self.core.settings.key_alignment
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("epoch", &self.epoch())
            .field("foreign", &self.foreign)
            .finish_non_exhaustive()
    }
}
