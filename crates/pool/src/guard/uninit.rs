//! `UninitBytes`: an allocation that is written in place.

use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use epoch_arena_core::ArenaHandle;

use super::ArenaGuard;

/// Allocated bytes that are not initialised yet; from [`ArenaGuard::alloc_uninit`]. It dereferences to
/// `[MaybeUninit<u8>]`. Dropped without becoming a handle, its bytes are wasted until the epoch is
/// reclaimed.
///
/// ```
/// # use epoch_arena_pool::{Alignment, ArenaPool};
/// let pool = ArenaPool::builder().build()?;
/// let guard = pool.pin();
/// let mut bytes = guard.alloc_uninit(8, Alignment::new(8)?)?;
/// for (to, from) in bytes.iter_mut().zip(42_u64.to_be_bytes()) {
///     to.write(from);
/// }
/// // SAFETY: the loop wrote all eight.
/// let handle = unsafe { bytes.assume_init() };
/// assert_eq!(guard.get(handle), Some(&42_u64.to_be_bytes()[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct UninitBytes<'a> {
    /// Invariant: `first .. first + len` is this value's alone.
    first: NonNull<u8>,
    len: usize,
    stamp: u64,
    /// Borrowed: the guard stays, and the bytes on its thread.
    guard: PhantomData<&'a ArenaGuard<'a>>,
}

impl UninitBytes<'_> {
    /// # Safety
    ///
    /// For `'a`: `first .. first + len` is the caller's alone, in a chunk of the epoch's arena,
    /// which is not reclaimed.
    pub(crate) unsafe fn new(first: NonNull<u8>, len: usize, stamp: u64) -> Self {
        Self {
            first,
            len,
            stamp,
            guard: PhantomData,
        }
    }

    /// Fills all bytes with `byte`.
    ///
    /// ```
    /// # use epoch_arena_pool::{Alignment, ArenaPool};
    /// # let pool = ArenaPool::builder().build()?;
    /// # let guard = pool.pin();
    /// let handle = guard.alloc_uninit(3, Alignment::BYTE)?.fill(b'x');
    /// assert_eq!(guard.get(handle), Some(&b"xxx"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fill(mut self, byte: u8) -> ArenaHandle {
        // Through the inherent `fill` of slices, not this one.
        <[_]>::fill(&mut self, MaybeUninit::new(byte));
        // SAFETY: all written by the line above.
        unsafe { self.assume_init() }
    }

    /// The handle of the bytes.
    ///
    /// # Safety
    ///
    /// Every byte has been written.
    ///
    /// ```
    /// # use epoch_arena_pool::{Alignment, ArenaPool};
    /// # let pool = ArenaPool::builder().build()?;
    /// # let guard = pool.pin();
    /// let mut bytes = guard.alloc_uninit(1, Alignment::BYTE)?;
    /// bytes[0].write(b'x');
    /// // SAFETY: the one byte there is has been written.
    /// let handle = unsafe { bytes.assume_init() };
    /// assert_eq!(guard.get(handle), Some(&b"x"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub unsafe fn assume_init(self) -> ArenaHandle {
        // SAFETY: 1. in a chunk of the epoch's arena by the contract of `new`, initialised by the
        // caller's promise; 2. this value's alone, and it ends here; 3. it was an allocation.
        unsafe { ArenaHandle::new(self.first, self.len, self.stamp) }
    }
}

impl Deref for UninitBytes<'_> {
    type Target = [MaybeUninit<u8>];

    fn deref(&self) -> &[MaybeUninit<u8>] {
        // SAFETY: this value's alone, and not reclaimed for the borrow of the guard that it holds;
        // `MaybeUninit` asks nothing of the bytes.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for UninitBytes<'_> {
    fn deref_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: as in `deref`, and `&mut self` excludes every other borrow.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr().cast(), self.len) }
    }
}

impl fmt::Debug for UninitBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UninitBytes")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
