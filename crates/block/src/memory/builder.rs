//! `MemoryBuilder`.

use super::supply::BLOCK_ALIGN;
use super::{DEFAULT_BLOCK_SIZE, DEFAULT_HIGH_WATER, Memory};
use crate::error::MemoryConfigError;
use crate::source::{self, Source};

/// Settings of a [`Memory`]; see [`Memory::builder`].
///
/// ```
/// # use epoch_arena_block::Memory;
/// let memory = Memory::builder().block_size(1 << 20).budget(64 << 20).high_water(0).build()?;
/// drop(memory.block(1)?);
/// assert_eq!(memory.stats().reserved, 0); // given back at once
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MemoryBuilder {
    source: Option<Box<dyn Source>>,
    block_size: usize,
    budget: usize,
    high_water: usize,
    prefault: usize,
    huge_pages_from: usize,
}

/// Blocks on small pages unless [`MemoryBuilder::huge_pages_from`] says otherwise: the one for small chunks, as a pool
/// of a few hundred keys takes no other. A second one would cost a first epoch of 500,000 keys half as much again.
const SMALL_BLOCKS: usize = 1;

impl Default for MemoryBuilder {
    fn default() -> Self {
        Self {
            source: None,
            block_size: DEFAULT_BLOCK_SIZE,
            budget: usize::MAX,
            high_water: DEFAULT_HIGH_WATER,
            prefault: 0,
            huge_pages_from: SMALL_BLOCKS * DEFAULT_BLOCK_SIZE,
        }
    }
}

impl MemoryBuilder {
    /// Where regions come from.
    ///
    /// ```
    /// # use epoch_arena_block::{Heap, Memory};
    /// let memory = Memory::builder().source(Heap).build()?;
    /// assert!(format!("{:?}", memory.block(1)?).contains("heap"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn source(mut self, source: impl Source) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Bytes of a block: a power of two from 4 KiB to 1 GiB. The default, a huge page, is right
    /// unless memory is very scarce.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// let memory = Memory::builder().block_size(4096).build()?;
    /// assert_eq!(memory.block(1)?.capacity(), 4096);
    /// assert!(Memory::builder().block_size(5000).build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn block_size(mut self, bytes: usize) -> Self {
        self.block_size = bytes;
        self
    }

    /// The most bytes that all blocks together may have. No limit by default.
    ///
    /// ```
    /// # use epoch_arena_block::{Memory, MemoryConfigError};
    /// let memory = Memory::builder().block_size(64 << 10).budget(64 << 10).build()?;
    /// let only = memory.block(1)?;
    /// assert!(memory.block(1).is_err());
    /// let too_small = Memory::builder().budget(1).build().unwrap_err();
    /// assert_eq!(too_small, MemoryConfigError::BudgetBelowOneBlock);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn budget(mut self, bytes: usize) -> Self {
        self.budget = bytes;
        self
    }

    /// The most bytes of free blocks that are kept for later instead of going back to the source; 64 MiB by default.
    /// For a steady load, the bytes of one epoch or more: below that, every epoch maps and
    /// faults its memory anew.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// let memory = Memory::builder().block_size(64 << 10).high_water(128 << 10).build()?;
    /// let blocks: Result<Vec<_>, _> = (0..5).map(|_| memory.block(1)).collect();
    /// drop(blocks?);
    /// assert_eq!(memory.stats().free, 128 << 10); // two are kept, three went back
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn high_water(mut self, bytes: usize) -> Self {
        self.high_water = bytes;
        self
    }

    /// How many bytes a memory reserves on small pages before it asks its source for huge ones
    /// ([`Pages`](crate::Pages)). Default: one block of 2 MiB. A small pool then takes the few small pages that
    /// it writes into physical memory, and a large one pays half a millisecond once. 0 asks for huge pages from the
    /// first block on, `usize::MAX` never.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// let memory = Memory::builder().huge_pages_from(usize::MAX).build()?;
    /// let block = memory.block(1)?;
    /// block.alloc_copy(b"a key")?;
    /// assert!(block.region().resident().is_none_or(|bytes| bytes <= 64 << 10));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn huge_pages_from(mut self, bytes: usize) -> Self {
        self.huge_pages_from = bytes;
        self
    }

    /// Bytes of free blocks that [`Memory::prepare`] keeps ready, with their pages in memory; that
    /// many are kept even above the high-water mark. Default: none.
    ///
    /// The blocks that threads take between two calls are a good measure: then no put meets a page fault, or asks the
    /// source or the global allocator for memory.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// let memory = Memory::builder().high_water(0).prefault(4 << 20).build()?;
    /// memory.prepare();
    /// assert_eq!(memory.stats().free, 4 << 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn prefault(mut self, bytes: usize) -> Self {
        self.prefault = bytes;
        self
    }

    /// Checks the settings. Nothing is reserved until the first block.
    ///
    /// # Errors
    ///
    /// [`MemoryConfigError`], naming the setting.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// let memory = Memory::builder().build()?;
    /// let refused = Memory::builder().block_size(1).build().unwrap_err();
    /// assert!(refused.to_string().contains("power of two"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(self) -> Result<Memory, MemoryConfigError> {
        let sizes = BLOCK_ALIGN..=1 << 30;
        if !self.block_size.is_power_of_two() || !sizes.contains(&self.block_size) {
            let asked = u32::try_from(self.block_size).unwrap_or(u32::MAX);
            return Err(MemoryConfigError::BlockSize(asked));
        }
        if self.budget < self.block_size {
            return Err(MemoryConfigError::BudgetBelowOneBlock);
        }
        let source = self.source.unwrap_or_else(default_source);
        Ok(Memory::new(super::Settings {
            source,
            block_size: self.block_size,
            budget: self.budget,
            high_water: self.high_water.max(self.prefault).min(self.budget),
            prefault: self.prefault,
            huge_pages_from: self.huge_pages_from,
        }))
    }
}

#[cfg(all(feature = "mmap", not(miri)))]
fn default_source() -> Box<dyn Source> {
    Box::new(source::AnonymousMap::new())
}

#[cfg(not(all(feature = "mmap", not(miri))))]
fn default_source() -> Box<dyn Source> {
    Box::new(source::Heap)
}
