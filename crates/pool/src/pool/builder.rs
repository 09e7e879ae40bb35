//! `PoolBuilder`: the settings of a pool, and how it is made of them.

use std::panic::Location;

use crossbeam_epoch::Collector;
use epoch_arena_block::Memory;
use epoch_arena_block::raw::Scrub;
use epoch_arena_core::raw::{EPOCHS, EpochCounter};

use super::ArenaPool;
use crate::domain::Domain;
use crate::epochs::core::{Core, Settings};
use crate::epochs::slots::MAX_RETAINED;
use crate::error::BuildError;

impl ArenaPool {
    /// A builder with the defaults: two retained epochs, a memory and a collector of its own.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().build()?;
    /// assert_eq!(pool.current_epoch(), pool.pin().epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> PoolBuilder {
        PoolBuilder::new()
    }
}

/// Settings of an [`ArenaPool`]; see [`ArenaPool::builder`].
///
/// ```
/// # use epoch_arena_pool as epoch_arena;
/// use epoch_arena::{ArenaPool, Memory};
///
/// let pool = ArenaPool::builder()
///     .retained_epochs(4) // the current one and three before it
///     .memory(Memory::builder().budget(1 << 30).build()?)
///     .build()?;
/// # drop(pool);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PoolBuilder {
    memory: Option<Memory>,
    collector: Option<Collector>,
    private_collector: bool,
    retained_epochs: u32,
    scrub: Scrub,
    counter: &'static EpochCounter,
}

impl PoolBuilder {
    pub(crate) fn new() -> Self {
        Self {
            memory: None,
            collector: None,
            private_collector: false,
            retained_epochs: 2,
            scrub: Scrub::default(),
            counter: &EPOCHS,
        }
    }

    /// Where chunks come from; pools that are given clones of one [`Memory`] share its budget and
    /// all that is free in it, to the chunk. Default: a memory of its own, without a budget.
    ///
    /// ```
    /// # use epoch_arena_pool::{ArenaPool, Memory};
    /// let memory = Memory::builder().budget(64 << 20).build()?;
    /// let keys = ArenaPool::builder().memory(memory.clone()).build()?;
    /// let values = ArenaPool::builder().memory(memory.clone()).build()?;
    /// keys.pin().alloc_copy(b"key")?;
    /// assert_eq!(values.stats().memory.in_use, keys.bytes()); // one account
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = Some(memory);
        self
    }

    /// Whose guards protect this pool. Default: a collector that all pools over the same memory share, unless they are
    /// told otherwise. Then a thread pins once for all of them, and a pool takes some hundred bytes; a guard of one of these
    /// pools holds back what the others retire, and `wait_sealed` and `refresh` see it.
    ///
    /// Give [`crossbeam_epoch::default_collector`]`().clone()` where one guard is to protect a
    /// `crossbeam_skiplist::SkipMap` and this pool; see [`ArenaPool::pin_with`].
    ///
    /// ```
    /// # use epoch_arena_pool::{ArenaPool, crossbeam_epoch};
    /// let collector = crossbeam_epoch::default_collector().clone();
    /// let pool = ArenaPool::builder().collector(collector).build()?;
    /// assert!(pool.pin_with(&crossbeam_epoch::pin()).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn collector(mut self, collector: Collector) -> Self {
        self.collector = Some(collector);
        self
    }

    /// Whether the pool has a collector of its own, so that no guard of another pool holds back its memory (default: no).
    /// It costs some kilobytes for the pool, and two for each thread that uses it. It goes before
    /// [`collector`](Self::collector).
    ///
    /// ```
    /// # use epoch_arena_pool::{ArenaPool, Memory};
    /// let memory = Memory::builder().build()?;
    /// let slow = ArenaPool::builder().memory(memory.clone()).build()?;
    /// let apart = ArenaPool::builder().memory(memory).private_collector(true).build()?;
    /// apart.pin().alloc_copy(b"key")?;
    /// let scan = slow.pin(); // holds back what `slow` retires, and nothing of `apart`
    /// apart.advance()?;
    /// apart.advance()?;
    /// assert_eq!(apart.stats().retired_epochs, 0);
    /// # drop(scan);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn private_collector(mut self, yes: bool) -> Self {
        self.private_collector = yes;
        self
    }

    /// How many epochs are live at a time, the current one included; with `advance` the oldest
    /// is retired. At least 1. Default: 2.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().retained_epochs(1).build()?;
    /// let epoch = pool.current_epoch();
    /// pool.advance()?;
    /// assert!(!pool.is_live(epoch)); // only the current one is
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn retained_epochs(mut self, epochs: u32) -> Self {
        self.retained_epochs = epochs;
        self
    }

    /// Whether the bytes of a reclaimed epoch are overwritten with a pattern, so that unsafe code
    /// which kept a pointer to them reads nonsense instead of old keys. Default: in builds with
    /// debug assertions.
    ///
    /// This and the next two make a reclaim take time in the bytes of the epoch: in `advance`,
    /// `retire_before`, `maintain`, or a put that finds no free chunk; never in a reader's pin,
    /// and without a lock.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// // A reclaim in constant time in debug builds, too.
    /// let pool = ArenaPool::builder().poison_on_reclaim(false).build()?;
    /// # drop(pool);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poison_on_reclaim(mut self, yes: bool) -> Self {
        self.scrub.poison = yes;
        self
    }

    /// Whether the bytes of a reclaimed epoch are overwritten with zeros, and those of all epochs
    /// when the pool goes: for secrets. Default: no.
    ///
    /// The bytes are wiped when the epoch is *reclaimed*: when it is retired and no guard, lease
    /// or snapshot is left that could see it, and a thread calls `advance` or `maintain`. Copies
    /// that the system has made, in swap or a core dump, are not wiped; nor is memory of a pool
    /// that is never dropped.
    ///
    /// Gaps that an alignment leaves are written as well, and so come into physical memory: with one
    /// byte that is aligned to 1 GiB, up to 1 GiB does. So do they with
    /// [`poison_on_reclaim`](Self::poison_on_reclaim).
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().zero_on_reclaim(true).build()?;
    /// let secret = pool.pin().alloc_copy(b"correct horse battery staple")?;
    /// pool.retire_before(pool.advance()?); // no thread is pinned: reclaimed, and wiped
    /// # assert!(pool.pin().get(secret).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn zero_on_reclaim(mut self, yes: bool) -> Self {
        self.scrub.zero = yes;
        self
    }

    /// Whether the memory of reclaimed epochs is never used again, and every access to it faults
    /// where the system can do that (Unix, with the `mmap` feature); elsewhere it is poisoned.
    /// For tests of unsafe code that keeps pointers to keys. Default: no.
    ///
    /// Access is refused to whole pages of the system. Its chunks are of 4 KiB or more: where pages are
    /// larger (16 KiB, 64 KiB), what of a chunk is not a whole page is poisoned, and stays accessible even
    /// when all of its page is in quarantine.
    ///
    /// Memory grows with every epoch, up to the budget, and comes back when the pool goes. Each
    /// chunk takes a map of the system's, of which Linux has 65,530 per process. A block that the system
    /// does not make accessible again is never given back, and stays in use in its memory's figures.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().quarantine(true).build()?;
    /// pool.pin().alloc_copy(b"key")?;
    /// pool.retire_before(pool.advance()?);
    /// assert_eq!(pool.stats().quarantined, 4096); // its chunk, out of use for good
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn quarantine(mut self, yes: bool) -> Self {
        self.scrub.quarantine = yes;
        self
    }

    /// Draws epochs from a counter of its own: to test what happens near its end.
    ///
    /// # Safety
    ///
    /// No handle, epoch, lease or snapshot of a pool of one counter is ever given to a pool of
    /// another: their numbers may be equal.
    #[doc(hidden)]
    #[must_use]
    pub unsafe fn counter(mut self, counter: &'static EpochCounter) -> Self {
        self.counter = counter;
        self
    }

    /// Checks the settings and makes the pool, in its first epoch. No chunk is taken yet. Linear in
    /// [`retained_epochs`](Self::retained_epochs), of which each takes 32 to 64 bytes. The memory lists the pool with the
    /// place of this call ([`Memory::usage`]).
    ///
    /// # Errors
    ///
    /// [`BuildError`], naming the setting.
    ///
    /// ```
    /// # use epoch_arena_pool::{ArenaPool, BuildError};
    /// let pool = ArenaPool::builder().build()?;
    /// assert_eq!((pool.stats().live_epochs, pool.bytes()), (1, 0));
    /// let refused = ArenaPool::builder().retained_epochs(0).build();
    /// assert_eq!(refused.unwrap_err(), BuildError::RetainedEpochs);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn build(self) -> Result<ArenaPool, BuildError> {
        if !(1..=MAX_RETAINED).contains(&self.retained_epochs) {
            return Err(BuildError::RetainedEpochs);
        }
        let memory = match self.memory {
            Some(memory) => memory,
            None => Memory::builder().build().map_err(BuildError::Memory)?,
        };
        let settings = Settings {
            retained_epochs: self.retained_epochs as usize,
            scrub: self.scrub,
        };
        let domain = if self.private_collector {
            Domain::own()
        } else {
            Domain::of(&memory, self.collector)
        };
        let place = Location::caller();
        Core::new(settings, &memory, domain, self.counter, place)
            .map(ArenaPool::from_core)
            .ok_or(BuildError::EpochsExhausted)
    }
}
