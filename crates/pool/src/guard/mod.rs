//! `ArenaGuard`: a pinned thread, and reading under the pin. What writes is in `put.rs`.

pub(crate) mod batch;
mod parts;
mod put;
mod refill;
pub(crate) mod uninit;
pub(crate) mod writer;

use std::fmt;

use epoch_arena_core::raw::Sealed;
use epoch_arena_core::{ArenaHandle, Epoch, Resolve};

use crate::epochs::core::Core;
use crate::epochs::slots::{self, Stamps};
use crate::local::pinned::Pinned;
use crate::local::state::Local;

/// A pinned thread: while it lives, no memory that it can see is reclaimed.
///
/// From [`ArenaPool::pin`](crate::ArenaPool::pin), from [`LocalPool::pin`](crate::LocalPool::pin),
/// or from [`ArenaPool::pin_with`](crate::ArenaPool::pin_with) beside a crossbeam-epoch guard of
/// your own. It reads ([`get`](Self::get)) and writes ([`alloc_copy`](Self::alloc_copy),
/// [`batch`](Self::batch) and others).
///
/// Guards nest: the first one pins the thread and the last one unpins it, in whatever order they are
/// dropped. Pin per batch, not per key; and do not keep a guard for long, as it holds back the
/// memory of *every* epoch that is retired meanwhile. To hold one epoch for long, take a
/// [lease](crate::ArenaPool::lease); in a long loop, call [`refresh_if_needed`](Self::refresh_if_needed)
/// now and then.
///
/// ```
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// let guard = pool.pin();
/// let handles: Vec<_> = ["a", "b"]
///     .map(|key| guard.alloc_copy(key.as_bytes()))
///     .into_iter()
///     .collect::<Result<_, _>>()?;
/// assert_eq!(guard.get(handles[1]), Some(&b"b"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A guard is `!Send` and `!Sync`: a pin belongs to its thread.
///
/// ```compile_fail,E0277
/// # use epoch_arena_pool as epoch_arena;
/// fn send<T: Send>(_: T) {}
/// let pool = epoch_arena::ArenaPool::builder().build().unwrap();
/// send(pool.pin());
/// ```
///
/// What [`get`](Self::get) gives is borrowed from the guard, and cannot outlive it:
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
/// A guard beside one of your own does not outlive that:
///
/// ```compile_fail,E0505
/// # use epoch_arena_pool::{ArenaPool, crossbeam_epoch};
/// let pool = ArenaPool::builder()
///     .collector(crossbeam_epoch::default_collector().clone())
///     .build()
///     .unwrap();
/// let yours = crossbeam_epoch::pin();
/// let guard = pool.pin_with(&yours).unwrap();
/// drop(yours);
/// guard.epoch();
/// ```
#[must_use = "the thread is unpinned as soon as the guard is dropped; bind it to a variable"]
pub struct ArenaGuard<'a> {
    pinned: Pinned<'a>,
    /// The stamps of the pool, at hand: in a loop of `get`s they stay in registers.
    stamps: Stamps<'a>,
}

impl<'a> ArenaGuard<'a> {
    // Always inlined: so the parts stay in registers in a loop over `get`.
    #[inline(always)]
    pub(crate) fn new(pinned: Pinned<'a>) -> Self {
        let stamps = pinned.core().slots.stamps();
        Self { pinned, stamps }
    }

    #[inline(always)]
    pub(crate) fn core(&self) -> &'a Core {
        self.pinned.core()
    }

    /// This thread's state; alive as long as the guard.
    #[inline(always)]
    pub(crate) fn local(&self) -> &Local {
        self.pinned.local()
    }

    /// Unpins and pins again, so that what was retired before can be reclaimed. Returns whether it
    /// did: where another guard of this pool is alive on this thread nothing is let go, and it is
    /// `false`. Costs what a pin costs.
    ///
    /// Beside a guard of your own ([`pin_with`](crate::ArenaPool::pin_with)) it moves the pool's pin
    /// on and leaves yours as it is, which goes on to hold back what it can see.
    ///
    /// What was read before must be let go first, as the borrow checker sees to:
    ///
    /// ```compile_fail,E0502
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().build().unwrap();
    /// let mut guard = pool.pin();
    /// let handle = guard.alloc_copy(b"key").unwrap();
    /// let bytes = guard.get(handle).unwrap();
    /// guard.refresh();
    /// assert_eq!(bytes, b"key");
    /// ```
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().build()?;
    /// let mut guard = pool.pin();
    /// assert!(guard.refresh());
    /// let nested = pool.pin();
    /// assert!(!guard.refresh());
    /// # drop(nested);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refresh(&mut self) -> bool {
        self.pinned.repin()
    }

    /// [`refresh`](Self::refresh), if something may wait for this guard; returns whether it did. Otherwise one load
    /// and a compare: so a thread that writes for long calls it every few dozen puts, with one guard for all of
    /// them, and holds back no memory.
    ///
    /// Something waits from the moment on at which an epoch of a pool over the same memory is left or retired, until
    /// no guard that could see it is left: mostly for two or three of these calls. With a collector that the pool was
    /// [given](crate::PoolBuilder::collector) it always refreshes, as what others defer there is not known.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().build()?;
    /// let mut guard = pool.pin();
    /// for n in 0..1_000_u32 {
    ///     if n % 64 == 0 {
    ///         assert!(!guard.refresh_if_needed()); // no thread has advanced
    ///     }
    ///     guard.alloc_copy(&n.to_be_bytes())?;
    /// }
    /// pool.advance()?;
    /// assert!(guard.refresh_if_needed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn refresh_if_needed(&mut self) -> bool {
        !self.core().domain.backlog.is_empty() && self.refresh()
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
        slots::epoch(self.core().slots.current())
    }
}

impl Sealed for ArenaGuard<'_> {}

impl Resolve for ArenaGuard<'_> {
    #[inline]
    fn get(&self, handle: ArenaHandle) -> Option<&[u8]> {
        self.get(handle)
    }
}

impl fmt::Debug for ArenaGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArenaGuard")
            .field("epoch", &self.epoch())
            .finish_non_exhaustive()
    }
}
