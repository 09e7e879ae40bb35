//! `ArenaGuard`: a pin of the pool's own.

use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

use epoch_arena_block::Alignment;
use epoch_arena_core::raw::Sealed;
use epoch_arena_core::{AllocError, ArenaHandle, Resolve, Store};

use crate::core::Core;
use crate::local::Local;
use crate::view::View;

/// A pinned thread: while it lives, no memory that it can see is reclaimed.
///
/// From [`ArenaPool::pin`](crate::ArenaPool::pin) or
/// [`LocalArena::pin`](crate::LocalArena::pin). It dereferences to a [`View`], which reads and
/// writes. Guards nest: the outermost pins and the last one unpins. Pin per batch, not per key;
/// and do not keep a guard for long, as it holds back the memory of *every* epoch that is retired
/// meanwhile: for that there are [leases](crate::ArenaPool::lease).
///
/// A guard stays on its thread:
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// let pool = epoch_arena_pool::ArenaPool::builder().build().unwrap();
/// send(pool.pin());
/// ```
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
pub struct ArenaGuard<'p> {
    view: View<'p>,
}

impl<'p> ArenaGuard<'p> {
    #[inline(always)]
    pub(crate) fn new(core: &'p Core, local: Rc<Local>) -> Self {
        Self {
            view: View::pin(core, local, false),
        }
    }

    /// Unpins and pins again, so that what was retired before can be reclaimed; `false`, and
    /// nothing is done, where another guard or view of this pool is alive on this thread.
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
        self.view.repin()
    }
}

impl<'p> Deref for ArenaGuard<'p> {
    type Target = View<'p>;

    #[inline]
    fn deref(&self) -> &View<'p> {
        &self.view
    }
}

impl Sealed for ArenaGuard<'_> {}

impl Resolve for ArenaGuard<'_> {
    #[inline]
    fn get(&self, handle: ArenaHandle) -> Option<&[u8]> {
        self.view.get(handle)
    }
}

impl Store for ArenaGuard<'_> {
    #[inline]
    fn alloc_copy(&self, bytes: &[u8]) -> Result<ArenaHandle, AllocError> {
        self.view.alloc_copy(bytes)
    }

    #[inline]
    fn alloc_copy_aligned(
        &self,
        bytes: &[u8],
        align: Alignment,
    ) -> Result<ArenaHandle, AllocError> {
        self.view.alloc_copy_aligned(bytes, align)
    }

    #[inline]
    fn max_key_len(&self) -> usize {
        self.view.max_key_len()
    }

    #[inline]
    fn key_alignment(&self) -> Alignment {
        self.view.key_alignment()
    }
}

impl fmt::Debug for ArenaGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArenaGuard")
            .field("epoch", &self.epoch())
            .finish_non_exhaustive()
    }
}
