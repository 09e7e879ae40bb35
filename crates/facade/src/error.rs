//! One error for all that can fail.

use std::fmt;

use crate::{
    AdvanceError, AllocError, BadAlignment, BatchFull, BlockFull, BuildError, ForeignGuard,
    InsertError, KeyError, MapError, MemoryConfigError, MemoryError, OverBudget, PromoteError,
    RawError, SourceError, WaitError,
};

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident($error:ident),)*) => {
        /// Any error of this library, for functions that call several parts of it. The error of each part turns into
        /// it by `?`. The message is that of the part.
        ///
        /// ```
        /// use epoch_arena::{ArenaKey, ArenaPool, Error};
        ///
        /// fn store(pool: &ArenaPool, key: &str) -> Result<ArenaKey, Error> {
        ///     pool.advance()?; // AdvanceError
        ///     Ok(ArenaKey::copy_from(key, &pool.pin())?) // KeyError
        /// }
        ///
        /// let pool = ArenaPool::builder().build()?;
        /// assert!(store(&pool, "user:1").is_ok());
        /// let refused = store(&pool, &"x".repeat(1000)).unwrap_err();
        /// assert!(matches!(refused, Error::Key(_)) && refused.to_string().contains("256"));
        /// # Ok::<(), Error>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Error {
            $($(#[$doc])* $name($error),)*
        }

        impl fmt::Display for Error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name(error) => error.fmt(f),)*
                }
            }
        }

        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::$name(error)
            }
        })*
    };
}

errors! {
    /// A pool did not open an epoch.
    Advance(AdvanceError),
    /// Bytes were not allocated.
    Alloc(AllocError),
    /// An alignment is not a power of two.
    Alignment(BadAlignment),
    /// A batch has no room.
    Batch(BatchFull),
    /// A block has no room.
    Block(BlockFull),
    /// A pool was not built.
    Build(BuildError),
    /// A guard does not protect the pool.
    Guard(ForeignGuard),
    /// A record was not inserted into a map.
    Insert(InsertError),
    /// A key was not made.
    Key(KeyError),
    /// A map was not made or rotated.
    Map(MapError),
    /// A memory was not built.
    MemoryConfig(MemoryConfigError),
    /// A memory gave no block.
    Memory(MemoryError),
    /// A value was not copied into the current epoch.
    Promote(PromoteError),
    /// Raw bytes were not allocated.
    Raw(RawError),
    /// A source gave no memory.
    Source(SourceError),
    /// An epoch was not sealed, or a map not frozen, in time.
    Wait(WaitError),
}

impl std::error::Error for Error {}

impl Error {
    /// The figures of the memory's budget, if that is why it failed. Constant time.
    ///
    /// ```
    /// use epoch_arena::{ArenaPool, Error, Memory, WaitError};
    ///
    /// fn fill(pool: &ArenaPool) -> Result<(), Error> {
    ///     loop {
    ///         pool.pin().alloc_copy(&[0; 1000])?;
    ///     }
    /// }
    ///
    /// let memory = Memory::builder().budget(4 << 20).build()?;
    /// let refused = fill(&ArenaPool::builder().memory(memory).build()?).unwrap_err();
    /// assert_eq!(refused.over_budget().map(|over| over.budget), Some(4 << 20));
    /// assert_eq!(Error::from(WaitError::TimedOut).over_budget(), None);
    /// # Ok::<(), Error>(())
    /// ```
    pub const fn over_budget(&self) -> Option<OverBudget> {
        match self {
            Self::Memory(MemoryError::OverBudget(over)) => Some(*over),
            Self::Alloc(cause) | Self::Raw(RawError::Alloc(cause)) => cause.over_budget(),
            Self::Insert(cause) => cause.over_budget(),
            Self::Key(cause) => cause.over_budget(),
            Self::Map(cause) => cause.over_budget(),
            Self::Promote(cause) => cause.over_budget(),
            _ => None,
        }
    }
}
