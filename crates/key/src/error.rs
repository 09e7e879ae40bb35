//! The errors of making keys: typed, `Copy`, small.

use std::fmt;

use epoch_arena_core::AllocError;
use epoch_arena_pool::{BatchFull, OverBudget};

/// A key could not be made; nothing was changed.
///
/// ```
/// # mod epoch_arena { pub use epoch_arena_key::*; pub use epoch_arena_pool::*; }
/// use epoch_arena::{ArenaKey, ArenaPool, KeyError};
/// let pool = ArenaPool::builder().build()?;
/// let refused = ArenaKey::copy_from(&[b'x'; 257], &pool.pin()).unwrap_err();
/// assert_eq!(refused, KeyError::TooLong { max: 256 });
/// assert!(refused.to_string().contains("256"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The key is longer than its writer allows: 256 bytes by default.
    TooLong {
        /// The limit, in bytes.
        max: u32,
    },
    /// The bytes could not be allocated.
    Alloc(AllocError),
    /// The batch has no room for the key; only from
    /// [`push_into`](crate::ArenaKey::push_into).
    BatchFull(BatchFull),
}

impl KeyError {
    /// As [`AllocError::over_budget`]. Constant time.
    ///
    /// ```
    /// # mod epoch_arena { pub use epoch_arena_key::*; pub use epoch_arena_pool::*; }
    /// use epoch_arena::{ArenaPool, KeyError, KeyWriter, Memory};
    /// let memory = Memory::builder().block_size(64 << 10).budget(64 << 10).build()?;
    /// let pool = ArenaPool::builder().memory(memory).build()?;
    /// let keys = KeyWriter::new().max_len(100_000);
    /// let refused = keys.copy(&[0; 70_000], &pool.pin()).unwrap_err();
    /// assert_eq!(refused.over_budget().map(|over| over.budget), Some(64 << 10));
    /// assert_eq!(KeyError::TooLong { max: 256 }.over_budget(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn over_budget(&self) -> Option<OverBudget> {
        match self {
            Self::Alloc(cause) => cause.over_budget(),
            _ => None,
        }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { max } => write!(
                f,
                "the key is longer than {max} bytes, its writer's limit; shorten it, or write it by \
                 a KeyWriter with a larger max_len"
            ),
            Self::Alloc(cause) => cause.fmt(f),
            Self::BatchFull(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for KeyError {}

impl From<AllocError> for KeyError {
    fn from(cause: AllocError) -> Self {
        Self::Alloc(cause)
    }
}

impl From<BatchFull> for KeyError {
    fn from(cause: BatchFull) -> Self {
        Self::BatchFull(cause)
    }
}

const _: () = assert!(size_of::<KeyError>() <= 48);
