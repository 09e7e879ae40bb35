//! The figures of a memory.

use std::fmt;

use crate::bytes::Bytes;

/// Figures of a [`Memory`](crate::Memory), in bytes.
///
/// ```
/// # use epoch_arena_block::Memory;
/// let memory = Memory::builder().budget(4 << 20).build()?;
/// println!("{}", memory.stats()); // 0 B reserved of 4.0 MiB ...
/// drop([memory.block(1)?, memory.block(1)?]);
/// memory.trim(0);
/// let stats = memory.stats();
/// assert_eq!((stats.reserved, stats.peak, stats.budget), (0, 4 << 20, Some(4 << 20)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MemoryStats {
    /// Bytes of all blocks and regions that exist: in use, free, and on their way to or from the source.
    pub reserved: usize,
    /// The most that `reserved` has ever been; so never more than the budget. Bytes that the source
    /// was asked for and did not give count no longer, unless other bytes were asked for meanwhile
    /// and given.
    pub peak: usize,
    /// Bytes that are free, kept for later: of whole blocks, of chunks, and of blocks that are not carved to their end
    /// yet.
    pub free: usize,
    /// Bytes of blocks and chunks in use; of a pool also those of retired epochs that are still held.
    pub in_use: usize,
    /// The most that `reserved` may become, if there is a limit.
    pub budget: Option<usize>,
    /// Bytes of whole free blocks that are kept by `trim` and `maintain`.
    pub high_water: usize,
    /// Bytes of one block.
    pub block_size: usize,
}

impl fmt::Display for MemoryStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} reserved", Bytes(self.reserved))?;
        if let Some(budget) = self.budget {
            write!(f, " of {}", Bytes(budget))?;
        }
        write!(
            f,
            ", {} at the most: {} in use, {} free (kept up to {})",
            Bytes(self.peak),
            Bytes(self.in_use),
            Bytes(self.free),
            Bytes(self.high_water)
        )
    }
}
