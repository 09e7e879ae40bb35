//! `ArenaPool`: epochs come and go; crossbeam-epoch decides when their memory does.

mod advance;
pub(crate) mod builder;
mod figures;
mod leases;
pub(crate) mod local_pool;
mod sealed;

use std::fmt;

use crossbeam_epoch::Guard;
use epoch_arena_block::Memory;
use epoch_arena_core::Epoch;
use local_pool::LocalPool;

use crate::epochs::core::Core;
use crate::epochs::slots;
use crate::error::ForeignGuard;
use crate::guard::ArenaGuard;
use crate::local::registry;
use crate::sync::Arc;

/// Epochs of arenas: any thread writes into the current epoch and reads all live ones; `advance`
/// opens the next and retires the oldest; its memory is reclaimed, all at once, when no guard is
/// left that could see it.
///
/// Cloning is cheap and gives the same pool.
///
/// ```
/// # use epoch_arena_pool as epoch_arena;
/// use epoch_arena::ArenaPool;
///
/// let pool = ArenaPool::builder().retained_epochs(4).build()?;
/// let guard = pool.pin();
/// let handle = guard.alloc_copy(b"user:12345:profile")?;
/// assert_eq!(guard.get(handle), Some(&b"user:12345:profile"[..]));
/// drop(guard);
///
/// for _ in 0..4 {
///     pool.advance()?;
/// }
/// assert!(pool.pin().get(handle).is_none()); // expired: `None`, never dangling
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ArenaPool {
    pub(crate) core: Arc<Core>,
}

impl ArenaPool {
    pub(crate) fn from_core(core: Core) -> Self {
        Self {
            core: Arc::new(core),
        }
    }

    /// Pins this thread. A few nanoseconds; the first time on a thread about a microsecond, to
    /// register it, which takes the pool's lock and allocates. Every later pin takes no lock and
    /// frees nothing of the pool's. Pin per batch of operations, not per key.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let handle = guard.alloc_copy(b"key")?;
    /// assert_eq!(guard.get(handle), Some(&b"key"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn pin(&self) -> ArenaGuard<'_> {
        ArenaGuard::new(registry::pin(&self.core))
    }

    /// This thread's state in the pool, to keep at hand.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let local = pool.local();
    /// assert_eq!(local.pin().epoch(), pool.current_epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn local(&self) -> LocalPool {
        LocalPool::new(self.core.clone())
    }

    /// Pins this thread beside a crossbeam-epoch guard of your own, and for no longer: to use a
    /// `crossbeam_skiplist::SkipMap` and this pool under one guard. The pool must have been given
    /// the guard's collector, so that both are held back, and let go, together.
    ///
    /// The pool's guard has a pin of its own, so it protects whatever becomes of yours in between
    /// (`repin`, say). It costs what [`pin`](Self::pin) costs.
    ///
    /// # Errors
    ///
    /// [`ForeignGuard`] if the guard is of another collector, or the unprotected one.
    ///
    /// ```
    /// # use epoch_arena_pool as epoch_arena;
    /// use epoch_arena::{ArenaPool, crossbeam_epoch};
    /// let pool = ArenaPool::builder()
    ///     .collector(crossbeam_epoch::default_collector().clone())
    ///     .build()?;
    /// let yours = crossbeam_epoch::pin();
    /// let guard = pool.pin_with(&yours)?;
    /// let handle = guard.alloc_copy(b"key")?;
    /// assert_eq!(guard.get(handle), Some(&b"key"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn pin_with<'a>(&'a self, guard: &'a Guard) -> Result<ArenaGuard<'a>, ForeignGuard> {
        if guard.collector() != Some(&self.core.domain.collector) {
            return Err(ForeignGuard);
        }
        // A pin of its own, which does not lean on the user's: that guard may have been repinned,
        // which in crossbeam-epoch 0.9.21 has no fence, or even be unpinned, after a panic in
        // `Guard::repin_after`. It costs no more than the fence that would be needed.
        Ok(ArenaGuard::new(registry::pin(&self.core)))
    }

    /// The current epoch; it may move on at any moment. One load.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let before = pool.current_epoch();
    /// assert!(pool.advance()? > before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn current_epoch(&self) -> Epoch {
        slots::epoch(self.core.slots.current())
    }

    /// Whether handles of `epoch` resolve at this moment. Takes the pool's lock; logarithmic in
    /// the live epochs.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?; // two epochs retained
    /// let epoch = pool.current_epoch();
    /// pool.advance()?;
    /// assert!(pool.is_live(epoch));
    /// pool.advance()?;
    /// assert!(!pool.is_live(epoch));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_live(&self, epoch: Epoch) -> bool {
        self.core.state().find_live(epoch).is_some()
    }

    /// The memory that the pool's chunks come from.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let beside = ArenaPool::builder().memory(pool.memory().clone()).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn memory(&self) -> &Memory {
        &self.core.memory
    }
}

impl fmt::Debug for ArenaPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.core, f)
    }
}
