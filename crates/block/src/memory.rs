//! `Memory`: a source, a budget, and the free blocks in between.

use std::alloc::Layout;
use std::fmt;

use crate::block::Block;
use crate::bump::whole_units;
use crate::bytes::Bytes;
use crate::error::{MemoryConfigError, MemoryError, OverBudget, SourceError};
use crate::region::Region;
use crate::source;
use crate::source::Source;
use crate::sync::{Arc, Mutex, Weak, lock};

/// Bytes of a block unless [`MemoryBuilder::block_size`] says otherwise: one huge page.
/// (Under Miri 64 KiB, as it keeps a shadow of every byte.)
pub const DEFAULT_BLOCK_SIZE: usize = if cfg!(any(miri, epoch_arena_loom)) {
    64 << 10
} else {
    2 << 20
};

/// Bytes of free blocks that are kept unless [`MemoryBuilder::high_water`] says otherwise.
pub const DEFAULT_HIGH_WATER: usize = 64 << 20;

/// Every block is at least this well aligned, whatever its size.
const BLOCK_ALIGN: usize = 4096;

/// Memory in blocks: a [`Source`], a budget, and the blocks that are free, shared by any number
/// of users. Cloning it is cheap and gives the same memory.
///
/// What is freed stays here up to the high-water mark, ready for the next taker; above it, blocks
/// go back to the source (and from there to the system) at once.
///
/// The budget is exact: `reserved`, the bytes of all blocks that exist, never exceeds it, and a
/// refused request changes nothing.
///
/// # Fork
///
/// A child process that has forked without `exec` has one thread and a copy of all memory but that
/// of a `TempFile` source. It may read the bytes of blocks that it has. It must not take a block,
/// drop one, or ask for figures: another thread may have held the lock when the process forked, and
/// in the child nobody ever lets go of it.
///
/// ```
/// use epoch_arena_block::{Heap, Memory};
///
/// let memory = Memory::builder()
///     .source(Heap)
///     .block_size(1 << 20)
///     .budget(8 << 20)
///     .high_water(2 << 20)
///     .build()?;
/// let blocks: Vec<_> = (0..8).map_while(|_| memory.block(1).ok()).collect();
/// assert_eq!((blocks.len(), memory.stats().reserved), (8, 8 << 20));
/// assert!(memory.block(1).is_err()); // the ninth would exceed the budget
/// drop(blocks);
/// assert_eq!(memory.stats().reserved, 2 << 20); // the high-water mark
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Memory {
    shared: Arc<Shared>,
}

struct Shared {
    source: Box<dyn Source>,
    block_size: usize,
    budget: usize,
    high_water: usize,
    prefault: usize,
    state: Mutex<State>,
    users: Mutex<Users>,
}

/// Who may have blocks to spare.
///
/// Invariant: while `walks` is not zero, nobody is taken off the list, so that positions in it stay.
#[derive(Default)]
struct Users {
    list: Vec<Weak<dyn Relieve>>,
    /// How many threads go along the list, without the lock.
    walks: usize,
}

/// Somebody who holds blocks of a memory and may have some to spare.
#[doc(hidden)]
pub trait Relieve: Send + Sync {
    /// Gives back whole blocks that are not in use. Called with no lock held, on whatever thread
    /// meets the budget.
    fn relieve(&self);
}

/// Invariant: `reserved` = bytes of blocks in use + `free_bytes` + bytes on their way to or from
/// the source; at most the budget, at every moment. A region's bytes are added before the source
/// is asked and taken off only after it has the region back.
struct State {
    reserved: usize,
    /// The most that `reserved` was right after it grew, for bytes that the source then gave. What
    /// other threads had on its way at that moment is in it, whatever became of that.
    peak: usize,
    free_bytes: usize,
    /// Regions of whole blocks, last in first out: the warmest is used first.
    free: Vec<Region>,
}

impl Memory {
    /// A builder with the defaults: anonymous maps (where the `mmap` feature is on, else the
    /// heap), blocks of [`DEFAULT_BLOCK_SIZE`], no budget, [`DEFAULT_HIGH_WATER`].
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// let memory = Memory::builder().build()?;
    /// assert_eq!(memory.stats().reserved, 0); // nothing before the first block
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> MemoryBuilder {
        MemoryBuilder::default()
    }

    /// A block of at least `bytes` bytes, in whole multiples of the block size; a free one of
    /// that size if there is one, else a new one. It comes back here when it is dropped.
    ///
    /// If the budget has no room, free blocks of other sizes are given to the source first. While
    /// one is on its way there, its bytes still count. If that is not enough, every pool over this
    /// memory is asked to reclaim what nobody holds and to give back the blocks that frees; where
    /// another thread overwrites such bytes first, that is waited for. Blocks that another thread has
    /// in its hands at that moment, on their way here or to the source, still count.
    ///
    /// Takes the memory's lock; linear in the free blocks at worst. A new block costs what the source
    /// costs.
    ///
    /// # Errors
    ///
    /// [`MemoryError`]: over the budget, too large, or the source failed; nothing is kept.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// let memory = Memory::builder().block_size(64 << 10).build()?;
    /// assert_eq!(memory.block(0)?.capacity(), 64 << 10);
    /// assert_eq!(memory.block(65_537)?.capacity(), 128 << 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn block(&self, bytes: usize) -> Result<Block, MemoryError> {
        let shared = &*self.shared;
        let size = whole_units(bytes, shared.block_size).ok_or(MemoryError::TooLarge)?;
        let layout =
            Layout::from_size_align(size, BLOCK_ALIGN).map_err(|_| MemoryError::TooLarge)?;
        let mut asked = false;
        let reserved = loop {
            let evicted = {
                let mut state = lock(&shared.state);
                if let Some(region) = state.take_warmest(size) {
                    return Ok(Block::of(self.clone(), region));
                }
                if shared.budget - state.reserved >= size {
                    state.reserved += size;
                    break state.reserved;
                }
                // No other size is of use now: make room, but only if that helps.
                let used = state.reserved - state.free_bytes;
                if shared.budget - used >= size {
                    state.take_coldest()
                } else if asked {
                    return Err(shared.over_budget(used));
                } else {
                    None
                }
            };
            match evicted {
                Some(region) => shared.release(region),
                None => {
                    asked = true;
                    shared.relieve();
                }
            }
        };
        Ok(Block::of(self.clone(), shared.acquire(layout, reserved)?))
    }

    /// A dropped block's region: kept up to the high-water mark, else released.
    pub(crate) fn take_back(&self, region: Region) {
        let shared = &*self.shared;
        {
            let mut state = lock(&shared.state);
            // Where even the list cannot grow, the region is released instead of kept.
            let kept = state.free_bytes.saturating_add(region.len()) <= shared.high_water
                && state.free.try_reserve(1).is_ok();
            if kept {
                state.free_bytes += region.len();
                state.free.push(region);
                return;
            }
        }
        shared.release(region);
    }

    /// Gives free blocks to the source until at most `keep` bytes of them are left; returns the
    /// bytes given.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// let memory = Memory::builder().build()?;
    /// drop(memory.block(1)?);
    /// assert_eq!(memory.trim(0), memory.block_size());
    /// assert_eq!(memory.stats().reserved, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trim(&self, keep: usize) -> usize {
        let mut given = 0;
        loop {
            let region = {
                let mut state = lock(&self.shared.state);
                if state.free_bytes <= keep {
                    return given;
                }
                state.take_coldest()
            };
            let Some(region) = region else { return given };
            given += region.len();
            self.shared.release(region);
        }
    }

    /// Brings the free blocks up to [`MemoryBuilder::prefault`] bytes, with all their pages in
    /// memory, so that whoever takes them next meets neither the system nor a page fault; returns
    /// the bytes added. The calling thread does the work: `ArenaPool::maintain` calls it.
    ///
    /// It stops early at the budget, or where the source has no more.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// let memory = Memory::builder().prefault(4 << 20).build()?;
    /// assert_eq!(memory.prepare(), 4 << 20);
    /// assert_eq!(memory.prepare(), 0); // they are there still
    /// let block = memory.block(1)?; // no call of the system in here
    /// assert!(block.region().resident().is_none_or(|bytes| bytes == block.capacity()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prepare(&self) -> usize {
        let shared = &*self.shared;
        let size = shared.block_size;
        let mut added = 0;
        let Ok(layout) = Layout::from_size_align(size, BLOCK_ALIGN) else {
            return 0;
        };
        loop {
            let reserved = {
                let mut state = lock(&shared.state);
                let enough = state.free_bytes.saturating_add(size) > shared.prefault;
                let room = shared.budget - state.reserved >= size;
                if enough || !room || state.free.try_reserve(1).is_err() {
                    return added;
                }
                state.reserved += size;
                state.reserved
            };
            let Ok(region) = shared.acquire(layout, reserved) else {
                return added;
            };
            if region.populate().is_err() {
                shared.release(region);
                return added;
            }
            let mut state = lock(&shared.state);
            // Others may have freed or prepared blocks meanwhile, and taken the room in the list.
            let kept = state.free_bytes.saturating_add(size) <= shared.high_water
                && state.free.try_reserve(1).is_ok();
            if !kept {
                drop(state);
                shared.release(region);
                return added;
            }
            state.free_bytes += size;
            // In front, as the coldest: what was used lately is better.
            state.free.insert(0, region);
            added += size;
        }
    }

    /// Has `user` asked for spare blocks when the budget is met, for as long as it lives.
    #[doc(hidden)]
    pub fn add_user(&self, user: Weak<dyn Relieve>) {
        let mut users = lock(&self.shared.users);
        if users.walks == 0 && users.list.len() == users.list.capacity() {
            users.list.retain(|user| user.strong_count() > 0);
        }
        users.list.push(user);
    }

    /// Bytes of a block.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// let memory = Memory::builder().block_size(64 << 10).build()?;
    /// assert_eq!(memory.block_size(), 64 << 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn block_size(&self) -> usize {
        self.shared.block_size
    }

    /// The figures of this moment, consistent with each other. Constant time, under the lock.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// let memory = Memory::builder().build()?;
    /// let block = memory.block(1)?;
    /// let stats = memory.stats();
    /// assert_eq!((stats.reserved, stats.in_use), (block.capacity(), block.capacity()));
    /// assert_eq!((stats.free, stats.budget), (0, None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> MemoryStats {
        let state = lock(&self.shared.state);
        MemoryStats {
            reserved: state.reserved,
            free: state.free_bytes,
            in_use: state.reserved - state.free_bytes,
            peak: state.peak.max(state.reserved),
            budget: (self.shared.budget != usize::MAX).then_some(self.shared.budget),
            high_water: self.shared.high_water,
            block_size: self.shared.block_size,
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("source", &self.shared.source)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn over_budget(&self, used: usize) -> MemoryError {
        MemoryError::OverBudget(OverBudget {
            used,
            budget: self.budget,
            reclaimable: 0,
        })
    }

    /// A new region whose bytes are reserved already; they are no longer if it fails. With them,
    /// `reserved` was reserved in all.
    fn acquire(&self, layout: Layout, reserved: usize) -> Result<Region, SourceError> {
        let reservation = Reservation {
            shared: self,
            bytes: layout.size(),
        };
        let region = suitable(self.source.acquire(layout)?, layout)?;
        reservation.keep(reserved);
        Ok(region)
    }

    /// Asks every user for spare blocks; not who comes meanwhile. No lock is held while one is
    /// asked, nor when the last owner of one goes.
    fn relieve(&self) {
        let walk = Walk::start(&self.users);
        for index in 0..walk.len {
            let user = lock(&self.users).list.get(index).and_then(Weak::upgrade);
            if let Some(user) = user {
                user.relieve();
            }
        }
    }

    /// Gives a region that is on no list to the source. No lock is held while it goes.
    fn release(&self, region: Region) {
        let returned = Reservation {
            shared: self,
            bytes: region.len(),
        };
        drop(region);
        drop(returned);
    }
}

impl State {
    /// The region of `size` bytes that was freed last, to be used again.
    fn take_warmest(&mut self, size: usize) -> Option<Region> {
        let index = self.free.iter().rposition(|region| region.len() == size)?;
        Some(self.take(index))
    }

    /// The region that was freed first, to be given up.
    fn take_coldest(&mut self) -> Option<Region> {
        (!self.free.is_empty()).then(|| self.take(0))
    }

    fn take(&mut self, index: usize) -> Region {
        let region = self.free.remove(index);
        self.free_bytes -= region.len();
        region
    }
}

/// Going along the list of users; it ends even if one of them panics.
struct Walk<'a> {
    users: &'a Mutex<Users>,
    /// Users at the start.
    len: usize,
}

impl<'a> Walk<'a> {
    fn start(users: &'a Mutex<Users>) -> Self {
        let mut list = lock(users);
        list.walks += 1;
        let len = list.list.len();
        drop(list);
        Self { users, len }
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        lock(self.users).walks -= 1;
    }
}

/// Bytes that are reserved while the source is asked; given up when it fails, or panics.
struct Reservation<'a> {
    shared: &'a Shared,
    bytes: usize,
}

impl Reservation<'_> {
    /// The source has given the bytes. Only now do they count for the peak: a request that fails
    /// changes nothing.
    fn keep(self, reserved: usize) {
        let mut state = lock(&self.shared.state);
        state.peak = state.peak.max(reserved);
        drop(state);
        std::mem::forget(self);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        lock(&self.shared.state).reserved -= self.bytes;
    }
}

/// Refuses what a source may not give; see [`Source::acquire`].
fn suitable(region: Region, layout: Layout) -> Result<Region, SourceError> {
    let aligned = region.base().addr().get().is_multiple_of(layout.align());
    // Accounting and recycling go by length, so more than asked for is as wrong as less.
    if aligned && region.len() == layout.size() {
        Ok(region)
    } else {
        Err(SourceError::Unsuitable)
    }
}

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
}

impl Default for MemoryBuilder {
    fn default() -> Self {
        Self {
            source: None,
            block_size: DEFAULT_BLOCK_SIZE,
            budget: usize::MAX,
            high_water: DEFAULT_HIGH_WATER,
            prefault: 0,
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

    /// The most bytes of free blocks that are kept for later instead of going back to the source.
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

    /// Bytes of free blocks that [`Memory::prepare`] keeps ready, with their pages in memory; that
    /// many are kept even above the high-water mark. Default: none.
    ///
    /// What threads take between two calls, in whole blocks, is a good measure: then no put meets
    /// a page fault.
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
        Ok(Memory {
            shared: Arc::new(Shared {
                source: self.source.unwrap_or_else(default_source),
                block_size: self.block_size,
                budget: self.budget,
                high_water: self.high_water.max(self.prefault),
                prefault: self.prefault,
                state: Mutex::new(State {
                    reserved: 0,
                    peak: 0,
                    free_bytes: 0,
                    free: Vec::new(),
                }),
                users: Mutex::new(Users::default()),
            }),
        })
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

/// Figures of a [`Memory`], in bytes.
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
    /// Bytes of all blocks that exist: in use and free.
    pub reserved: usize,
    /// The most that `reserved` has ever been; so never more than the budget. Bytes that the source
    /// was asked for and did not give count no longer, unless other bytes were asked for meanwhile
    /// and given.
    pub peak: usize,
    /// Bytes of blocks that are free, kept for later.
    pub free: usize,
    /// Bytes of blocks that somebody holds.
    pub in_use: usize,
    /// The most that `reserved` may become, if there is a limit.
    pub budget: Option<usize>,
    /// The most that `free` may become.
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
