//! `Batch`: room for many small values, claimed at once.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use epoch_arena_block::raw::Chunk;
use epoch_arena_core::raw::{copy, end_batch, extend_batch};
use epoch_arena_core::{ArenaHandle, Epoch};

use super::ArenaGuard;
use super::parts::{copy_all, total_len};
use crate::epochs::slots;
use crate::error::BatchFull;

/// Room for many values in one epoch; from [`ArenaGuard::batch`].
///
/// ```
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// let guard = pool.pin();
/// let keys = ["user:1", "user:2", "user:3"];
/// let mut batch = guard.batch(keys.iter().map(|key| key.len()).sum())?;
/// for key in keys {
///     let handle = batch.push(key.as_bytes())?;
///     assert_eq!(guard.get(handle), Some(key.as_bytes()));
///     assert_eq!(handle.epoch(), batch.epoch()); // one epoch, whatever happens meanwhile
/// }
/// assert_eq!(batch.remaining(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a batch that is dropped gives its room back"]
pub struct Batch<'a> {
    /// Invariant: `next .. end` was claimed from `chunk` for this batch and holds no value yet.
    next: NonNull<u8>,
    end: NonNull<u8>,
    chunk: Chunk,
    stamp: u64,
    pushed: u32,
    /// Borrowed: the guard stays, and the batch on its thread.
    guard: PhantomData<&'a ArenaGuard<'a>>,
}

impl<'a> Batch<'a> {
    /// # Safety
    ///
    /// For `'a`: `first .. first + len` was claimed from `chunk` in one step and is the caller's
    /// alone; the chunk is of the epoch's arena, which is not reclaimed; and only this thread
    /// claims from it.
    pub(crate) unsafe fn new(first: NonNull<u8>, len: usize, chunk: Chunk, stamp: u64) -> Self {
        Self {
            next: first,
            // SAFETY: one past the claimed bytes.
            end: unsafe { first.add(len) },
            chunk,
            stamp,
            pushed: 0,
            guard: PhantomData,
        }
    }

    /// Copies `bytes` into the batch.
    ///
    /// # Errors
    ///
    /// [`BatchFull`] if they do not fit; nothing is changed.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// # let guard = pool.pin();
    /// let mut batch = guard.batch(6)?;
    /// let handle = batch.push(b"four")?;
    /// assert!(batch.push(b"three").is_err()); // two bytes are left
    /// assert_eq!(guard.get(handle), Some(&b"four"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> Result<ArenaHandle, BatchFull> {
        let first = self.claim(bytes.len())?;
        // SAFETY: `claim` gave these bytes for this call alone.
        unsafe { copy(bytes, first) };
        // SAFETY: 1. in a chunk of the epoch's arena, initialised; 2. known to no other thread and
        // behind `next` from now on; 3. a batch is no longer than an allocation may be.
        Ok(unsafe { ArenaHandle::new(first, bytes.len(), self.stamp) })
    }

    /// Copies the parts, one behind the other, into the batch as one value.
    ///
    /// # Errors
    ///
    /// [`BatchFull`] if they do not fit; nothing is changed.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// # let guard = pool.pin();
    /// let mut batch = guard.batch(64)?;
    /// let handle = batch.push_concat([b"user:", b"42"])?;
    /// assert_eq!(guard.get(handle), Some(&b"user:42"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn push_concat<const N: usize>(
        &mut self,
        parts: [&[u8]; N],
    ) -> Result<ArenaHandle, BatchFull> {
        let len = total_len(&parts).unwrap_or(usize::MAX);
        let first = self.claim(len)?;
        // SAFETY: `claim` gave the sum of the lengths for this call alone.
        unsafe { copy_all(&parts, first) };
        // SAFETY: as in `push`.
        Ok(unsafe { ArenaHandle::new(first, len, self.stamp) })
    }

    #[inline]
    fn claim(&mut self, len: usize) -> Result<NonNull<u8>, BatchFull> {
        let remaining = self.remaining();
        if len > remaining {
            return Err(BatchFull { remaining });
        }
        // SAFETY: just compared.
        Ok(unsafe { self.take(len) })
    }

    /// # Safety
    ///
    /// `len` is at most what remains.
    #[inline]
    unsafe fn take(&mut self, len: usize) -> NonNull<u8> {
        let first = self.next;
        // SAFETY: inside what is left.
        self.next = unsafe { first.add(len) };
        self.pushed = self.pushed.wrapping_add(1);
        first
    }

    /// The first of the bytes that are left; they are the caller's to write while it has the batch.
    #[inline]
    pub(super) fn rest(&self) -> NonNull<u8> {
        self.next
    }

    /// Makes a value of the first `len` bytes that are left.
    ///
    /// # Safety
    ///
    /// `len` is at most what remains, and these bytes are written.
    pub(super) unsafe fn push_written(&mut self, len: usize) -> ArenaHandle {
        // SAFETY: by the contract.
        let first = unsafe { self.take(len) };
        // SAFETY: as in `push`; they are written, by the contract.
        unsafe { ArenaHandle::new(first, len, self.stamp) }
    }

    /// Makes the batch `more` bytes longer, if nothing was claimed behind it and its chunk has the room; says
    /// whether it did. The caller sees to it that the batch becomes no longer than an allocation may be.
    #[inline]
    pub(super) fn extend(&mut self, more: usize) -> bool {
        // SAFETY: 1. and 2. by the contract of `new`; 3. by the invariant of `next`.
        if !unsafe { extend_batch(self.chunk, self.end, more) } {
            return false;
        }
        // SAFETY: the bytes behind `end` were just claimed, in the same chunk.
        self.end = unsafe { self.end.add(more) };
        true
    }

    /// Bytes that are left.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// # let guard = pool.pin();
    /// let mut batch = guard.batch(6)?;
    /// batch.push(b"four")?;
    /// assert_eq!(batch.remaining(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn remaining(&self) -> usize {
        self.end.addr().get() - self.next.addr().get()
    }

    /// The epoch of all its values.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// # let guard = pool.pin();
    /// let mut batch = guard.batch(6)?;
    /// pool.advance()?;
    /// assert_eq!(batch.push(b"late")?.epoch(), batch.epoch());
    /// assert!(batch.epoch() < pool.current_epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn epoch(&self) -> Epoch {
        slots::epoch(self.stamp)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        // SAFETY: 1. and 2. by the contract of `new`, for the borrow that ends here; 3. by the
        // invariant of `next`, and each push made one handle.
        unsafe { end_batch(self.chunk, self.next, self.end, self.pushed) }
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("epoch", &self.epoch())
            .field("pushed", &self.pushed)
            .field("remaining", &self.remaining())
            .finish()
    }
}
