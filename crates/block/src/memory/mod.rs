//! `Memory`: a source, a budget, and the free blocks and chunks.

mod builder;
mod owners;
mod regions;
mod request;
mod stats;
mod store;
mod supply;
#[cfg(all(test, feature = "mmap", unix, not(any(miri, epoch_arena_loom))))]
mod tests;
pub(crate) mod usage;

use std::alloc::Layout;
use std::any::Any;
use std::fmt;

pub use self::builder::MemoryBuilder;
pub use self::request::{Owner, Request};
pub use self::stats::MemoryStats;
#[cfg(feature = "serde")]
pub use self::usage::serialize_place;
pub use self::usage::{Account, MemoryUsage, MemoryUser, UserKind};

use self::regions::Before;
use self::store::Store;
use self::supply::{BLOCK_ALIGN, Whole};
use crate::block::Block;
use crate::bump::whole_units;
use crate::chunks::generation::Ready;
use crate::error::MemoryError;
use crate::region::Region;
use crate::source::Source;
use crate::sync::{Arc, AtomicUsize, Condvar, Mutex, OnceLock, Ordering, lock};

/// Bytes of a block unless [`MemoryBuilder::block_size`] says otherwise: one huge page.
/// (Under Miri 64 KiB, as it keeps a shadow of every byte.)
pub const DEFAULT_BLOCK_SIZE: usize = if cfg!(any(miri, epoch_arena_loom)) {
    64 << 10
} else {
    2 << 20
};

/// Bytes of free blocks that are kept unless [`MemoryBuilder::high_water`] says otherwise.
pub const DEFAULT_HIGH_WATER: usize = 64 << 20;

/// Memory in blocks and chunks: a [`Source`], a budget, and the free blocks and chunks, shared by any number of pools,
/// arenas and blocks. Cloning it is cheap and gives the same memory.
///
/// The bytes that one user frees serve the next request of any user. Free blocks stay here up to the high-water mark.
/// Above it they go back to the source (and from there to the system): when a [`Block`] is dropped, and by
/// [`trim`](Self::trim), which `ArenaPool::maintain` calls.
///
/// The budget is exact: `reserved`, the bytes of all blocks that exist, never exceeds it, and a
/// refused request changes nothing. A region that the system refuses to take back still counts, can be used again, and
/// is offered to it again.
///
/// # Fork
///
/// A child process that has forked without `exec` has one thread and a copy of all memory but that
/// of a `TempFile` source. It may read the bytes of blocks that it has. It must not take a block,
/// drop one, or ask for figures: another thread may have held the lock when the process forked, and
/// in the child that lock stays held for ever.
///
/// ```
/// # use epoch_arena_block as epoch_arena;
/// use epoch_arena::{Heap, Memory};
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

/// The builder's settings.
struct Settings {
    source: Box<dyn Source>,
    block_size: usize,
    budget: usize,
    high_water: usize,
    prefault: usize,
    huge_pages_from: usize,
}

struct Shared {
    settings: Settings,
    store: Mutex<Store>,
    /// With `store`: a thread has finished overwriting the bytes of a generation.
    cleaned: Condvar,
    /// Generations whose last hold is gone. Each generation shares the stack, as it may outlive the memory.
    ready: Arc<Ready>,
    /// One more than the byte that overwrites a user's bytes before they leave this memory; 0 if no user asked for it.
    wiped_with: AtomicUsize,
    /// A value that a layer above keeps here, once for all users of the memory.
    extension: OnceLock<Box<dyn Any + Send + Sync>>,
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

    fn new(settings: Settings) -> Self {
        let store = Store::new(settings.block_size, settings.prefault > 0);
        Self {
            shared: Arc::new(Shared {
                settings,
                store: Mutex::new(store),
                cleaned: Condvar::new(),
                ready: Arc::new(Ready::new()),
                wiped_with: AtomicUsize::new(0),
                extension: OnceLock::new(),
            }),
        }
    }

    /// A block of at least `bytes` bytes, in whole multiples of the block size; a free one of
    /// that size if there is one, else a new one. It comes back here when it is dropped.
    ///
    /// If the budget has no room, the call joins free chunks to blocks, overwrites bytes that must be overwritten
    /// before they are free (`PoolBuilder::zero_on_reclaim`), and gives free blocks of other sizes to the source. While
    /// such a block is on its way there, its bytes still count.
    ///
    /// Takes the memory's lock; logarithmic in the free blocks. A new block costs a call of the source.
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
        let size = whole_units(bytes, self.block_size()).ok_or(MemoryError::TooLarge)?;
        let region = self.shared.supply(&Whole(size))?;
        Ok(Block::of(self.clone(), region))
    }

    /// A dropped block's region: kept up to the high-water mark, else released.
    pub(crate) fn take_back(&self, region: Region) {
        let shared = &*self.shared;
        {
            let mut store = lock(&shared.store);
            store.in_use -= region.len();
            if store.free.bytes().saturating_add(region.len()) <= shared.settings.high_water {
                return store.free.keep(region, None);
            }
            store.moving += region.len();
        }
        shared.release(region);
    }

    /// Gives free blocks to the source until at most `keep` bytes of them are left; returns the
    /// bytes given. Chunks that have no holder are joined to blocks first, a few at a time.
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
        let shared = &*self.shared;
        self.reclaim();
        while lock(&shared.store).file() > 0 {}
        // Each region is tried once: one that the system refuses is free again, and comes after all others.
        let (mut given, mut tries) = (0, lock(&shared.store).free.count());
        let mut before = Before::default();
        while tries > 0 {
            let mut store = lock(&shared.store);
            if store.free.bytes() <= keep {
                break;
            }
            let Some(region) = store.free.take_coldest(&mut before) else {
                break;
            };
            store.moving += region.len();
            drop(store);
            let len = region.len();
            given += if shared.release(region) { len } else { 0 };
            tries -= 1;
        }
        given
    }

    /// As [`trim`](Self::trim), down to the high-water mark.
    #[doc(hidden)]
    pub fn trim_to_high_water(&self) -> usize {
        self.trim(self.shared.settings.high_water)
    }

    /// Brings the free blocks up to [`MemoryBuilder::prefault`] bytes, with all their pages in
    /// memory, so that the threads that take them next meet neither the system nor a page fault; returns
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
        let size = shared.settings.block_size;
        let mut added = 0;
        let Ok(layout) = Layout::from_size_align(size, BLOCK_ALIGN) else {
            return 0;
        };
        loop {
            let mut store = lock(&shared.store);
            let enough = store.free.bytes().saturating_add(size) > shared.settings.prefault;
            let room = shared.settings.budget - store.reserved >= size;
            if enough || !room {
                return added;
            }
            let reserved = store.reserve(size);
            drop(store);
            let Ok(region) = shared.acquire(layout, reserved) else {
                return added;
            };
            if region.populate().is_err() {
                shared.release(region);
                return added;
            }
            let mut store = lock(&shared.store);
            if store.free.bytes().saturating_add(size) > shared.settings.high_water {
                // Others have freed or prepared blocks meanwhile.
                drop(store);
                shared.release(region);
                return added;
            }
            store.moving -= size;
            store.free.keep_unused(region);
            // Then the threads that take these blocks ask the global allocator for nothing, either. If it has no more,
            // they ask again.
            let blocks = store.free.bytes() / size;
            let _tables_have_room = store.carved.prepare(blocks);
            added += size;
        }
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
        self.shared.settings.block_size
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
        self.stats_of(&lock(&self.shared.store))
    }

    fn stats_of(&self, store: &Store) -> MemoryStats {
        let settings = &self.shared.settings;
        MemoryStats {
            reserved: store.reserved,
            free: store.reserved - store.in_use - store.moving,
            in_use: store.in_use,
            peak: store.peak.max(store.reserved),
            budget: (settings.budget != usize::MAX).then_some(settings.budget),
            high_water: settings.high_water,
            block_size: settings.block_size,
        }
    }

    /// The users of the memory, pools and arenas, with their bytes. Takes the memory's lock; linear in the users, so it
    /// is for reports, and for an engine that decides which pool gives memory up.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// let memory = Memory::builder().build()?;
    /// assert!(memory.usage().users.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn usage(&self) -> MemoryUsage {
        let store = lock(&self.shared.store);
        let (users, stats) = (store.accounts.users(), self.stats_of(&store));
        drop(store);
        MemoryUsage::new(users, stats)
    }

    /// Bytes of chunks and free blocks in physical memory; where the system does not tell, the bytes reserved for them.
    /// Asks the system about every region. Those of a [`Block`] are not among them:
    /// [`Region::resident`](crate::Region::resident) tells.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// let memory = Memory::builder().build()?;
    /// assert_eq!(memory.resident(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resident(&self) -> usize {
        // Without the lock, as it may take long. If a region goes meanwhile, its bytes are not resident, or they are
        // those of a later map at the same place.
        let ranges = lock(&self.shared.store).ranges();
        let resident = |(base, len)| crate::os::resident(base, len).unwrap_or(len);
        ranges.into_iter().map(resident).sum()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let store = self.store.get_mut();
        let store = store.unwrap_or_else(std::sync::PoisonError::into_inner);
        while !self.ready.close() {
            store.settle(&self.ready);
        }
        // From here on a thread that pushes a generation drops it; the chunks of that generation are wiped below.
        store.clean_all();
        // Relaxed: `&mut self`.
        if let Some(fill) = self.wiped_with.load(Ordering::Relaxed).checked_sub(1) {
            // Chunks that only a pending callback holds are on no list of the memory: all chunks in use are
            // overwritten.
            store.wipe(fill as u8);
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("source", &self.shared.settings.source)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
