//! `LocalPool`: a thread's state in a pool, held by the user.

use std::fmt;

use crate::epochs::core::Core;
use crate::guard::ArenaGuard;
use crate::local::registry::owner;
use crate::local::state::Owner;
use crate::sync::Arc;

/// This thread's state in a pool, held explicitly: what [`ArenaPool::pin`](crate::ArenaPool::pin)
/// looks up in a thread-local is at hand here.
///
/// It is the same state: guards of both nest, and share one chunk. It keeps the pool alive, and is
/// `!Send`, as the state is its thread's.
///
/// ```
/// # use epoch_arena_pool as epoch_arena;
/// use epoch_arena::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// std::thread::scope(|s| {
///     for _ in 0..2 {
///         s.spawn(|| {
///             let local = pool.local();
///             for batch in [["a", "b"], ["c", "d"]] {
///                 let guard = local.pin();
///                 for key in batch {
///                     let handle = guard.alloc_copy(key.as_bytes()).unwrap();
///                     assert_eq!(guard.get(handle), Some(key.as_bytes()));
///                 }
///             }
///         });
///     }
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail,E0277
/// # use epoch_arena_pool as epoch_arena;
/// fn send<T: Send>(_: T) {}
/// send(epoch_arena::ArenaPool::builder().build().unwrap().local());
/// ```
#[must_use = "it only spares `pin` a look-up; keep it and pin by it"]
pub struct LocalPool {
    // Before `core`: dropping the state may run foreign code, with the pool still there.
    local: Owner,
    core: Arc<Core>,
}

impl LocalPool {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self {
            local: owner(&core),
            core,
        }
    }

    /// Pins this thread: as [`ArenaPool::pin`](crate::ArenaPool::pin), without the look-up.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let local = pool.local();
    /// let guard = local.pin();
    /// assert_eq!(guard.epoch(), pool.current_epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn pin(&self) -> ArenaGuard<'_> {
        ArenaGuard::new(self.local.pin(&self.core))
    }
}

impl fmt::Debug for LocalPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalPool")
            .field("pool", &self.core)
            .field("pinned", &self.local.is_pinned())
            .finish_non_exhaustive()
    }
}
