//! The errors of a map: typed, `Copy`, small.

use std::fmt;

use epoch_arena_pool::{AdvanceError, AllocError, Epoch, OverBudget, RawError};

/// A record was not inserted; no reader sees a difference. (The room for it may be wasted until the map
/// is dropped.)
///
/// ```
/// # mod epoch_arena { pub use epoch_arena_map::*; pub use epoch_arena_pool::*; }
/// use epoch_arena::{ArenaMap, ArenaPool, InsertError};
/// let pool = ArenaPool::builder().build()?;
/// let map = ArenaMap::new(&pool)?;
/// map.insert(b"key", 1, b"value")?;
/// assert_eq!(map.insert(b"key", 1, b"other"), Err(InsertError::Exists));
/// let now = pool.advance()?;
/// assert_eq!(map.insert(b"key", 2, b"newer"), Err(InsertError::Frozen { now }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InsertError {
    /// The pool has left the map's epoch: write to the map that came after this one. Also for a guard of
    /// another pool.
    Frozen {
        /// The epoch of the guard's pool.
        now: Epoch,
    },
    /// The key is there with this version.
    Exists,
    /// There was no memory for the record or for a page, or it is too long.
    Alloc(AllocError),
}

impl InsertError {
    /// The figures of the memory's budget, if that is why it failed. Constant time.
    ///
    /// ```
    /// # mod epoch_arena { pub use epoch_arena_map::*; pub use epoch_arena_pool::*; }
    /// use epoch_arena::{ArenaMap, ArenaPool, InsertError, Memory};
    /// let memory = Memory::builder().block_size(64 << 10).budget(64 << 10).build()?;
    /// let map = ArenaMap::new(&ArenaPool::builder().memory(memory).build()?)?;
    /// let refused = map.insert(b"key", 0, &[0; 70_000]).unwrap_err();
    /// assert_eq!(refused.over_budget().map(|over| over.budget), Some(64 << 10));
    /// assert_eq!(InsertError::Exists.over_budget(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn over_budget(&self) -> Option<OverBudget> {
        match self {
            Self::Alloc(cause) => cause.over_budget(),
            _ => None,
        }
    }
}

impl fmt::Display for InsertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frozen { now } => write!(
                f,
                "the map takes no more records, as the pool is in epoch {now}; write to the map that \
                 ArenaMap::rotate has returned"
            ),
            Self::Exists => f.write_str(
                "the key is there with this version already; insert with a higher version",
            ),
            Self::Alloc(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for InsertError {}

impl From<RawError> for InsertError {
    fn from(cause: RawError) -> Self {
        match cause {
            RawError::Frozen { now } => Self::Frozen { now },
            RawError::Alloc(cause) => Self::Alloc(cause),
            // The type may get variants; none is known to be of another kind.
            _ => Self::Alloc(AllocError::TooLong),
        }
    }
}

/// A map was not made. After a `rotate` that returned [`Advance`](Self::Advance) or [`Alloc`](Self::Alloc) it can be called
/// again; after `Alloc` the pool has advanced, so the old map takes no more records.
///
/// ```
/// # mod epoch_arena { pub use epoch_arena_map::*; pub use epoch_arena_pool::*; }
/// use epoch_arena::{ArenaMap, ArenaPool, MapError};
/// let map = ArenaMap::new(&ArenaPool::builder().build()?)?;
/// let next = map.rotate()?;
/// assert_eq!(map.rotate().err(), Some(MapError::Rotated));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapError {
    /// Another call of [`rotate`](crate::ArenaMap::rotate) has returned the next map, or is about to.
    Rotated,
    /// The pool could not open another epoch.
    Advance(AdvanceError),
    /// There was no memory for the first page. If the old map fills the budget: freeze it, flush it, drop it, and then
    /// call [`ArenaMap::new`](crate::ArenaMap::new).
    Alloc(AllocError),
}

impl MapError {
    /// As [`InsertError::over_budget`]. Constant time.
    ///
    /// ```
    /// # use epoch_arena_map as epoch_arena;
    /// assert_eq!(epoch_arena::MapError::Rotated.over_budget(), None);
    /// ```
    pub const fn over_budget(&self) -> Option<OverBudget> {
        match self {
            Self::Alloc(cause) => cause.over_budget(),
            _ => None,
        }
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotated => f.write_str(
                "another thread rotates this map; take the map that it gets, or try again if it fails",
            ),
            Self::Advance(cause) => cause.fmt(f),
            Self::Alloc(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for MapError {}

impl From<AdvanceError> for MapError {
    fn from(cause: AdvanceError) -> Self {
        Self::Advance(cause)
    }
}

impl From<AllocError> for MapError {
    fn from(cause: AllocError) -> Self {
        Self::Alloc(cause)
    }
}

const _: () = {
    assert!(size_of::<InsertError>() <= 48);
    assert!(size_of::<MapError>() <= 48);
};
