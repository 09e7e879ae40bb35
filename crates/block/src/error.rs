//! The errors: typed, `Copy`, small, no allocation.

use core::fmt;

use crate::bytes::Bytes;

/// A block has no room for a request; nothing was changed.
///
/// ```
/// # use epoch_arena_block::Block;
/// # use std::alloc::Layout;
/// let block = Block::new(Layout::from_size_align(64, 1)?)?;
/// let full = block.alloc(Layout::from_size_align(65, 1)?).unwrap_err();
/// assert_eq!(full.remaining, 64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockFull {
    /// Bytes that were left, before padding for alignment.
    pub remaining: usize,
}

impl fmt::Display for BlockFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the block has {} bytes left, fewer than asked for with padding; use another block",
            self.remaining
        )
    }
}

impl core::error::Error for BlockFull {}

/// A [`Source`](crate::Source) gave no memory.
///
/// ```
/// # use epoch_arena_block::SourceError;
/// assert!(SourceError::OutOfMemory.to_string().contains("no memory"));
/// assert!(size_of::<SourceError>() <= 8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceError {
    /// The allocator or the system has no memory left.
    OutOfMemory,
    /// The operating system refused; the value is its error code (`errno`).
    Os(i32),
    /// The size, rounded up for alignment, does not fit the address space.
    TooLarge,
    /// The region has another size than asked for, or is not aligned: the source breaks its
    /// contract.
    Unsuitable,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory => {
                f.write_str("the source has no memory left; free some, or use a TempFile source")
            }
            #[cfg(feature = "std")]
            Self::Os(code) => write!(
                f,
                "the system refused memory: {}; free memory or disk space, or raise its limit",
                std::io::Error::from_raw_os_error(*code)
            ),
            #[cfg(not(feature = "std"))]
            Self::Os(code) => write!(f, "the system refused memory: error {code}"),
            Self::TooLarge => f.write_str("the size does not fit the address space; ask for less"),
            Self::Unsuitable => f.write_str(
                "the source gave memory of another size or alignment than asked for; \
                 correct the source",
            ),
        }
    }
}

impl core::error::Error for SourceError {}

/// `Memory` gave no block; nothing was changed.
///
/// ```
/// # use epoch_arena_block::{Memory, MemoryError};
/// let memory = Memory::builder().block_size(64 << 10).budget(100 << 10).build()?;
/// let held = memory.block(1)?;
/// let Err(MemoryError::OverBudget(over)) = memory.block(1) else { panic!("no room for two") };
/// assert_eq!((over.used, over.budget), (64 << 10, 100 << 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryError {
    /// The budget has no room for the block.
    OverBudget(OverBudget),
    /// The size, in whole blocks, does not fit the address space.
    TooLarge,
    /// The source gave no memory.
    Source(SourceError),
}

/// The figures of a refusal, in bytes, at the moment of the refusal. `Memory::usage` lists the
/// users of the rest.
///
/// ```
/// # use epoch_arena_block::Memory;
/// let memory = Memory::builder().block_size(64 << 10).budget(64 << 10).build()?;
/// let held = memory.block(1)?;
/// let refused = memory.block(1).unwrap_err();
/// assert!(refused.to_string().contains("64.0 KiB of 64.0 KiB are in use"));
/// let never = memory.block(100_000).unwrap_err();
/// assert!(never.to_string().contains("more than the whole budget"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverBudget {
    /// Bytes that were asked for, in whole chunks or blocks.
    pub wanted: usize,
    /// Bytes that are in use, by all users of the memory.
    pub used: usize,
    /// The budget.
    pub budget: usize,
    /// Bytes that the asking pool or arena uses itself. Zero from [`Memory`](crate::Memory) itself. Where it is
    /// little, advancing this pool gains little: another user has the memory.
    pub own: usize,
    /// Bytes that could be reclaimed if nothing held them: those of the asking pool's retired epochs
    /// that guards or leases still hold. Zero from [`Memory`](crate::Memory) itself, which knows no epochs.
    pub reclaimable: usize,
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wanted > self.budget {
            return write!(
                f,
                "the request needs {}, more than the whole budget of {}; ask for less, or raise \
                 MemoryBuilder::budget",
                Bytes(self.wanted),
                Bytes(self.budget)
            );
        }
        write!(
            f,
            "the memory budget has no room for {}: {} of {} are in use",
            Bytes(self.wanted),
            Bytes(self.used),
            Bytes(self.budget)
        )?;
        if self.own > 0 {
            write!(f, ", {} of it here", Bytes(self.own))?;
        }
        f.write_str("; ")?;
        if self.reclaimable > 0 {
            write!(
                f,
                "drop the guards and leases that hold {} of retired epochs, ",
                Bytes(self.reclaimable)
            )?;
        }
        f.write_str(
            "retire epochs, or raise MemoryBuilder::budget (Memory::usage says who has the rest)",
        )
    }
}

impl MemoryError {
    /// The same, with the bytes of the user that asked, and those that it could reclaim.
    #[doc(hidden)]
    pub const fn of(self, own: usize, reclaimable: usize) -> Self {
        match self {
            Self::OverBudget(over) => Self::OverBudget(OverBudget {
                own,
                reclaimable,
                ..over
            }),
            other => other,
        }
    }
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OverBudget(over) => over.fmt(f),
            Self::TooLarge => f.write_str(
                "the size, in whole blocks, does not fit the address space; ask for less",
            ),
            Self::Source(cause) => cause.fmt(f),
        }
    }
}

impl core::error::Error for MemoryError {}

impl From<SourceError> for MemoryError {
    fn from(cause: SourceError) -> Self {
        Self::Source(cause)
    }
}

/// `MemoryBuilder::build` was given settings that cannot work; each names the setting.
///
/// ```
/// # use epoch_arena_block::{Memory, MemoryConfigError};
/// let refused = Memory::builder().block_size(100_000).build().unwrap_err();
/// assert_eq!(refused, MemoryConfigError::BlockSize(100_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryConfigError {
    /// The block size is not a power of two from 4 KiB to 1 GiB; holds the size asked for,
    /// at most `u32::MAX`.
    BlockSize(u32),
    /// The budget is smaller than one block, so that nothing could ever be allocated.
    BudgetBelowOneBlock,
}

impl fmt::Display for MemoryConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockSize(bytes) => write!(
                f,
                "block size {bytes} is not a power of two from 4096 to 1073741824 bytes; \
                 the default is 2097152"
            ),
            Self::BudgetBelowOneBlock => f.write_str(
                "the budget is smaller than one block; raise the budget or lower the block size",
            ),
        }
    }
}

impl core::error::Error for MemoryConfigError {}

const _: () = {
    assert!(size_of::<BlockFull>() <= 8);
    assert!(size_of::<SourceError>() <= 8);
    assert!(size_of::<MemoryError>() <= 48);
    assert!(size_of::<MemoryConfigError>() <= 8);
};

#[cfg(all(test, feature = "std", not(epoch_arena_loom)))]
mod tests {
    use super::*;

    /// What is nothing is not mentioned, and a request of the whole budget is no impossible one.
    #[test]
    fn a_refusal_mentions_what_there_is() {
        let refused = |wanted, own, reclaimable| {
            let (used, budget) = (1024, 2048);
            let over = OverBudget {
                wanted,
                used,
                budget,
                own: 0,
                reclaimable: 0,
            };
            let refused = MemoryError::OverBudget(over).of(own, reclaimable);
            std::format!("{refused}")
        };
        let plain = "the memory budget has no room for 2.0 KiB: 1.0 KiB of 2.0 KiB are in use; retire epochs, ";
        assert!(
            refused(2048, 0, 0).starts_with(plain),
            "{}",
            refused(2048, 0, 0)
        );
        assert!(
            refused(2049, 0, 0)
                .starts_with("the request needs 2.0 KiB, more than the whole budget")
        );
        let all = refused(1, 512, 256);
        assert!(
            all.contains(
                "are in use, 512 B of it here; drop the guards and leases that hold 256 B of"
            ),
            "{all}"
        );
    }
}
