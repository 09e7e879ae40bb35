//! The errors of an allocation.

use std::fmt;

use epoch_arena_block::{MemoryError, OverBudget, SourceError};

use crate::pack::MAX_LEN;

/// An allocation failed; nothing was changed.
///
/// ```
/// # mod epoch_arena { pub use epoch_arena_block::*; pub use epoch_arena_core::*; }
/// use epoch_arena::{AllocError, EpochArena, Memory};
/// let arena = EpochArena::new(&Memory::builder().build()?);
/// // An arena on its own makes no handles, and knows no limit but the memory's.
/// assert_eq!(arena.alloc_copy(&vec![0; 16 << 20])?.len(), 16 << 20);
/// assert!(AllocError::TooLong.to_string().contains("16777215"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllocError {
    /// The length is over 16 MiB - 1, the most a handle can describe; from a pool only.
    TooLong,
    /// There is no memory: the budget, or the source.
    Memory(MemoryError),
}

impl AllocError {
    /// The figures of the budget, if it refused: they tell the caller how to make room. Constant time.
    ///
    /// ```
    /// # mod epoch_arena { pub use epoch_arena_block::*; pub use epoch_arena_core::*; }
    /// use epoch_arena::{AllocError, EpochArena, Memory};
    /// let memory = Memory::builder().block_size(64 << 10).budget(64 << 10).build()?;
    /// let arena = EpochArena::new(&memory);
    /// let refused = arena.alloc_copy(&[0; 100_000]).unwrap_err();
    /// assert_eq!(refused.over_budget().map(|over| over.budget), Some(64 << 10));
    /// assert_eq!(AllocError::TooLong.over_budget(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn over_budget(&self) -> Option<OverBudget> {
        match self {
            Self::Memory(MemoryError::OverBudget(over)) => Some(*over),
            _ => None,
        }
    }
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(
                f,
                "longer than {MAX_LEN} bytes, the most one allocation can have; split the value"
            ),
            Self::Memory(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for AllocError {}

impl From<MemoryError> for AllocError {
    fn from(cause: MemoryError) -> Self {
        Self::Memory(cause)
    }
}

impl From<SourceError> for AllocError {
    fn from(cause: SourceError) -> Self {
        Self::Memory(cause.into())
    }
}

const _: () = assert!(size_of::<AllocError>() <= 48);
