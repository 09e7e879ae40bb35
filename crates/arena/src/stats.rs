//! The figures of one arena.

use std::fmt;

use epoch_arena_block::raw::Usage;
use epoch_arena_block::{Bytes, Count};

/// Figures of one epoch's arena. While threads write, they are of a moment; once the epoch is
/// sealed they are final.
///
/// ```
/// # use epoch_arena_block::Memory;
/// # use epoch_arena_core::EpochArena;
/// let arena = EpochArena::new(&Memory::builder().build()?);
/// arena.alloc_copy(b"key")?;
/// let stats = arena.stats();
/// assert_eq!((stats.allocations, stats.payload, stats.chunks), (1, 3, 1));
/// println!("{stats}"); // 1 allocation, 3 B of payload in 1 chunk of 1 block, 512 B in all
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ArenaStats {
    /// Blocks that its chunks are in; it may share them with other epochs.
    pub blocks: usize,
    /// Chunks it has.
    pub chunks: usize,
    /// Bytes of its chunks.
    pub capacity: usize,
    /// Bytes claimed in them, chunk headers and padding included.
    pub used: usize,
    /// Bytes of the allocations themselves; those included that never became a handle, because a
    /// closure panicked or uninitialised bytes were dropped.
    pub payload: usize,
    /// Allocations; likewise. Those that a collection has given back are in neither figure.
    pub allocations: usize,
}

impl ArenaStats {
    #[doc(hidden)]
    pub const fn new(usage: Usage) -> Self {
        Self {
            blocks: usage.blocks,
            chunks: usage.chunks,
            capacity: usage.capacity,
            used: usage.used,
            payload: usage.payload,
            allocations: usage.allocations,
        }
    }

    /// Bytes that hold no payload: headers, padding, and the unused rest of the chunks.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// # use epoch_arena_core::EpochArena;
    /// let arena = EpochArena::new(&Memory::builder().build()?);
    /// assert_eq!(arena.stats().waste(), 0); // nothing taken yet
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn waste(&self) -> usize {
        // Both are figures of a moment, hence the saturation.
        self.capacity.saturating_sub(self.payload)
    }
}

impl fmt::Display for ArenaStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} of payload in {} of {}, {} in all",
            Count(self.allocations, "allocation"),
            Bytes(self.payload),
            Count(self.chunks, "chunk"),
            Count(self.blocks, "block"),
            Bytes(self.capacity)
        )
    }
}
