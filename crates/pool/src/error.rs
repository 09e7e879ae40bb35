//! The errors of a pool: typed, `Copy`, small.

use std::fmt;

use epoch_arena_block::{MemoryConfigError, OverBudget};
use epoch_arena_core::{AllocError, Epoch};

use crate::epochs::slots::MAX_RETAINED;

/// [`PoolBuilder::build`](crate::PoolBuilder::build) was given settings that cannot work; each
/// names the setting.
///
/// ```
/// # use epoch_arena_pool as epoch_arena;
/// use epoch_arena::{ArenaPool, BuildError};
/// let refused = ArenaPool::builder().retained_epochs(0).build().unwrap_err();
/// assert_eq!(refused, BuildError::RetainedEpochs);
/// assert!(refused.to_string().contains("retained_epochs"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// `retained_epochs` is 0, though the current epoch is always live; or over 65,536.
    RetainedEpochs,
    /// The default memory could not be set up.
    Memory(MemoryConfigError),
    /// The process has used up all epoch numbers, which have 40 bits.
    EpochsExhausted,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RetainedEpochs => write!(
                f,
                "retained_epochs must be from 1, as the current epoch is always live, to {MAX_RETAINED}"
            ),
            Self::Memory(cause) => cause.fmt(f),
            Self::EpochsExhausted => f.write_str(EXHAUSTED),
        }
    }
}

impl std::error::Error for BuildError {}

const EXHAUSTED: &str =
    "the process has used up all epoch numbers, which have 40 bits and never repeat; restart it";

/// The pool stays in the epoch it was in; nothing was changed.
///
/// ```
/// # use epoch_arena_pool as epoch_arena;
/// use epoch_arena::{AdvanceError, ArenaPool};
/// let pool = ArenaPool::builder().build()?;
/// let seen_full = pool.current_epoch();
/// let now = pool.advance_from(seen_full)?; // the first of several writers advances
/// let later = pool.advance_from(seen_full); // the others find that it has been done
/// assert_eq!(later, Err(AdvanceError::Moved(now)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdvanceError {
    /// The current epoch is not the one that was named, but this.
    Moved(Epoch),
    /// The process has used up all epoch numbers, which have 40 bits.
    EpochsExhausted,
}

impl fmt::Display for AdvanceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved(now) => write!(f, "the pool has moved on to epoch {now} already"),
            Self::EpochsExhausted => f.write_str(EXHAUSTED),
        }
    }
}

impl std::error::Error for AdvanceError {}

/// An epoch was not sealed while [`ArenaPool::wait_sealed`](crate::ArenaPool::wait_sealed) waited.
///
/// ```
/// # use epoch_arena_pool as epoch_arena;
/// use epoch_arena::{ArenaPool, WaitError};
/// use std::time::Duration;
/// let pool = ArenaPool::builder().build()?;
/// let epoch = pool.current_epoch();
/// let guard = pool.pin(); // may write to the epoch as long as it lives
/// pool.advance()?;
/// assert_eq!(pool.wait_sealed(epoch, Duration::from_secs(60)), Err(WaitError::Pinned));
/// drop(guard);
/// assert_eq!(pool.wait_sealed(epoch, Duration::from_secs(60)), Ok(()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// The time was over.
    TimedOut,
    /// This thread has a guard of the pool, and would wait for itself.
    Pinned,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => {
                "the epoch was not sealed in time: it is still current, or a thread that pinned \
                 before `advance` is pinned still (ArenaPool::maintain says which)"
            }
            Self::Pinned => {
                "this thread has a guard of the pool and would wait for itself; drop it \
                 first"
            }
        })
    }
}

impl std::error::Error for WaitError {}

/// A guard that does not protect this pool: of another collector, or the unprotected one.
///
/// ```
/// # use epoch_arena_pool as epoch_arena;
/// use epoch_arena::{ArenaPool, ForeignGuard, crossbeam_epoch};
/// let pool = ArenaPool::builder().build()?; // with a collector of its own
/// let guard = crossbeam_epoch::pin(); // of the default collector
/// assert_eq!(pool.pin_with(&guard).err(), Some(ForeignGuard));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignGuard;

impl fmt::Display for ForeignGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the guard is not of the pool's collector; give the guard's collector to \
             PoolBuilder::collector, or use ArenaPool::pin",
        )
    }
}

impl std::error::Error for ForeignGuard {}

/// A value could not be copied into the current epoch; nothing was changed.
///
/// ```
/// # use epoch_arena_pool as epoch_arena;
/// use epoch_arena::{ArenaPool, PromoteError};
/// let (pool, other) = (ArenaPool::builder().build()?, ArenaPool::builder().build()?);
/// let handle = other.pin().alloc_copy(b"key")?;
/// assert_eq!(pool.pin().promote(handle), Err(PromoteError::Stale));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PromoteError {
    /// The handle's epoch is not live, or it is of another pool.
    Stale,
    /// The copy could not be allocated.
    Alloc(AllocError),
}

impl PromoteError {
    /// As [`AllocError::over_budget`]. Constant time.
    ///
    /// ```
    /// # use epoch_arena_pool as epoch_arena;
    /// use epoch_arena::{ArenaPool, Memory};
    /// let memory = Memory::builder().block_size(64 << 10).budget(64 << 10).build()?;
    /// let pool = ArenaPool::builder().memory(memory).build()?;
    /// let guard = pool.pin();
    /// let handle = guard.alloc_copy(&[0; 40_000])?;
    /// let refused = guard.promote(handle).unwrap_err();
    /// assert_eq!(refused.over_budget().map(|over| over.own), Some(pool.bytes()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn over_budget(&self) -> Option<OverBudget> {
        match self {
            Self::Alloc(cause) => cause.over_budget(),
            Self::Stale => None,
        }
    }
}

impl fmt::Display for PromoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale => f.write_str(
                "the epoch is no longer live here; promote before it is retired, or hold a lease",
            ),
            Self::Alloc(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for PromoteError {}

impl From<AllocError> for PromoteError {
    fn from(cause: AllocError) -> Self {
        Self::Alloc(cause)
    }
}

/// Bytes could not be allocated in the epoch that was named; nothing was changed.
///
/// ```
/// # use epoch_arena_pool as epoch_arena;
/// use epoch_arena::{Alignment, ArenaPool, RawError};
/// let pool = ArenaPool::builder().build()?;
/// let before = pool.current_epoch();
/// let now = pool.advance()?;
/// let refused = pool.pin().alloc_raw(before, 8, Alignment::WORD);
/// assert_eq!(refused, Err(RawError::Frozen { now }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RawError {
    /// The pool is in another epoch than the one that was named, and will not come back to it.
    Frozen {
        /// The epoch the pool is in.
        now: Epoch,
    },
    /// The bytes could not be allocated.
    Alloc(AllocError),
}

impl fmt::Display for RawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frozen { now } => write!(
                f,
                "the pool is in epoch {now}, and the one that was named takes no more bytes; write \
                 to what is in the current epoch"
            ),
            Self::Alloc(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for RawError {}

impl From<AllocError> for RawError {
    fn from(cause: AllocError) -> Self {
        Self::Alloc(cause)
    }
}

/// A batch has no room for a value; nothing was changed.
///
/// ```
/// # use epoch_arena_pool as epoch_arena;
/// use epoch_arena::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// let guard = pool.pin();
/// let mut batch = guard.batch(8)?;
/// assert_eq!(batch.push(b"nine bytes").unwrap_err().remaining, 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchFull {
    /// Bytes that are left in the batch.
    pub remaining: usize,
}

impl fmt::Display for BatchFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the batch has {} bytes left; start another, or reserve more",
            self.remaining
        )
    }
}

impl std::error::Error for BatchFull {}

const _: () = {
    assert!(size_of::<BuildError>() <= 8);
    assert!(size_of::<AdvanceError>() <= 8);
    assert!(size_of::<ForeignGuard>() <= 8);
    assert!(size_of::<PromoteError>() <= 48);
    assert!(size_of::<RawError>() <= 48);
    assert!(size_of::<WaitError>() <= 8);
    assert!(size_of::<BatchFull>() <= 8);
};
