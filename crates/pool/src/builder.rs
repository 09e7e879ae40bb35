//! `PoolBuilder`.

use std::num::NonZeroU32;

use crossbeam_epoch::Collector;
use epoch_arena_block::{Alignment, Memory};
use epoch_arena_core::raw::{EPOCHS, EpochCounter, Scrub};
use epoch_arena_core::{MAX_LEN, pack};

use crate::core::{Core, Settings};
use crate::error::BuildError;
use crate::pool::ArenaPool;

/// The most epochs that one pool can have at a time, retained and retired together.
pub(crate) const MAX_EPOCHS: u32 = pack::MAX_SLOTS as u32;

/// Slots beyond the retained epochs, unless the builder is told otherwise.
const SPARE_EPOCHS: u32 = 60;

/// Settings of an [`ArenaPool`]; see [`ArenaPool::builder`].
///
/// ```
/// use epoch_arena_block::{Alignment, Memory};
/// use epoch_arena_pool::ArenaPool;
/// use std::num::NonZeroU32;
///
/// let pool = ArenaPool::builder()
///     .retained_epochs(NonZeroU32::new(4).unwrap()) // the current one and three before it
///     .memory(Memory::builder().budget(1 << 30).build()?)
///     .max_key_len(1024)
///     .key_alignment(Alignment::new(16)?)
///     .build()?;
/// # drop(pool);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PoolBuilder {
    memory: Option<Memory>,
    collector: Option<Collector>,
    retained_epochs: NonZeroU32,
    max_epochs: Option<NonZeroU32>,
    max_key_len: usize,
    key_alignment: Alignment,
    scrub: Scrub,
    counter: &'static EpochCounter,
}

impl PoolBuilder {
    pub(crate) fn new() -> Self {
        Self {
            memory: None,
            collector: None,
            retained_epochs: NonZeroU32::MIN.saturating_add(1),
            max_epochs: None,
            max_key_len: 256,
            key_alignment: Alignment::BYTE,
            scrub: Scrub::default(),
            counter: &EPOCHS,
        }
    }

    /// Where blocks come from; pools that are given clones of one [`Memory`] share its budget and
    /// its free blocks. Default: a memory of its own, without a budget.
    ///
    /// ```
    /// # use epoch_arena_pool::{ArenaPool, Memory};
    /// let memory = Memory::builder().budget(64 << 20).build()?;
    /// let keys = ArenaPool::builder().memory(memory.clone()).build()?;
    /// let values = ArenaPool::builder().memory(memory.clone()).build()?;
    /// keys.pin().alloc_copy(b"key")?;
    /// assert_eq!(values.stats().memory.in_use, keys.stats().reserved); // one account
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = Some(memory);
        self
    }

    /// Whose guards protect this pool. Default: a collector of its own, so that nobody else's
    /// guards hold this pool's memory back. Give
    /// [`crossbeam_epoch::default_collector`]`().clone()` where one guard is to protect a
    /// `crossbeam_skiplist::SkipMap` and this pool; see [`ArenaPool::view`].
    ///
    /// ```
    /// # use epoch_arena_pool::{ArenaPool, crossbeam_epoch};
    /// let collector = crossbeam_epoch::default_collector().clone();
    /// let pool = ArenaPool::builder().collector(collector).build()?;
    /// assert!(pool.view(&crossbeam_epoch::pin()).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn collector(mut self, collector: Collector) -> Self {
        self.collector = Some(collector);
        self
    }

    /// How many epochs are live at a time, the current one included; with `advance` the oldest
    /// is retired. Default: 2.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # use std::num::NonZeroU32;
    /// let pool = ArenaPool::builder().retained_epochs(NonZeroU32::MIN).build()?;
    /// let epoch = pool.current_epoch();
    /// pool.advance()?;
    /// assert!(!pool.is_live(epoch)); // only the current one is
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn retained_epochs(mut self, epochs: NonZeroU32) -> Self {
        self.retained_epochs = epochs;
        self
    }

    /// The most epochs at a time, retained ones and those that are retired but still held by a
    /// guard or a lease; rounded up to a power of two. More than that, and `advance` fails until
    /// one is released. At most 65,536, and more than the retained ones. Each takes 136 bytes, and
    /// 200 more for its lists for each core, of up to eight. Default: 60 more than are retained, or
    /// as many again if that is more.
    ///
    /// An epoch's slot is its number's lowest bits, and numbers whose slot is taken are passed
    /// over: with 65,536 slots that nearly all stay held, each `advance` uses up that many of the
    /// process's 2^40 numbers.
    ///
    /// ```
    /// # use epoch_arena_pool::{AdvanceError, ArenaPool};
    /// # use std::num::NonZeroU32;
    /// let four = NonZeroU32::new(4).ok_or("not zero")?;
    /// let pool = ArenaPool::builder().max_epochs(four).build()?; // two of them retained
    /// let leases = [pool.lease(pool.current_epoch()), pool.lease(pool.advance()?)];
    /// pool.advance()?;
    /// pool.advance()?; // the leased ones are retired, and take two of the four
    /// let full = AdvanceError::TooManyEpochs { held_by_guards: 0, held_by_leases: 2 };
    /// assert_eq!(pool.advance(), Err(full));
    /// drop(leases);
    /// assert!(pool.advance().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn max_epochs(mut self, epochs: NonZeroU32) -> Self {
        self.max_epochs = Some(epochs);
        self
    }

    /// The most bytes an `ArenaKey` may have. Allocations that are not keys are not limited by it.
    /// Default: 256.
    ///
    /// ```
    /// # use epoch_arena_pool::{ArenaPool, Store};
    /// let pool = ArenaPool::builder().max_key_len(8).build()?;
    /// assert_eq!(pool.pin().max_key_len(), 8);
    /// assert!(pool.pin().alloc_copy(b"no key, hence no limit").is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn max_key_len(mut self, bytes: usize) -> Self {
        self.max_key_len = bytes;
        self
    }

    /// The alignment of an `ArenaKey`'s bytes: packed by default; 16 bytes for SIMD comparisons,
    /// at the price of the padding.
    ///
    /// ```
    /// # use epoch_arena_pool::{Alignment, ArenaPool, Store};
    /// let pool = ArenaPool::builder().key_alignment(Alignment::new(16)?).build()?;
    /// assert_eq!(pool.pin().key_alignment().get(), 16);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn key_alignment(mut self, align: Alignment) -> Self {
        self.key_alignment = align;
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
    /// or snapshot is left that could see it, and somebody calls `advance` or `maintain`. Copies
    /// that the system has made, in swap or a core dump, are not ours to wipe; nor is memory of a
    /// pool that is never dropped.
    ///
    /// Gaps that an alignment leaves are written as well, and so come into physical memory: with one
    /// byte that is aligned to 1 GiB, up to 1 GiB does. So do they with
    /// [`poison_on_reclaim`](Self::poison_on_reclaim).
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().zero_on_reclaim(true).build()?;
    /// let secret = pool.pin().alloc_copy(b"correct horse battery staple")?;
    /// pool.retire_before(pool.advance()?); // nobody is pinned: reclaimed, and wiped
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
    /// Access is refused to whole pages of the system. Chunks are of 4 KiB or more: where pages are
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

    /// Checks the settings and makes the pool, in its first epoch. No block is taken yet. Linear in
    /// [`max_epochs`](Self::max_epochs).
    ///
    /// # Errors
    ///
    /// [`BuildError`], naming the setting.
    ///
    /// ```
    /// # use epoch_arena_pool::{ArenaPool, BuildError};
    /// # use std::num::NonZeroU32;
    /// let pool = ArenaPool::builder().build()?;
    /// assert_eq!((pool.stats().live_epochs, pool.stats().reserved), (1, 0));
    /// let refused = ArenaPool::builder().retained_epochs(NonZeroU32::MAX).build();
    /// assert_eq!(refused.unwrap_err(), BuildError::Epochs);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(self) -> Result<ArenaPool, BuildError> {
        let retained = self.retained_epochs.get();
        let spare = retained.saturating_add(SPARE_EPOCHS.max(retained));
        let slots = match self.max_epochs {
            Some(epochs) => epochs.get(),
            None => spare.min(MAX_EPOCHS),
        };
        if slots > MAX_EPOCHS || retained >= slots {
            return Err(BuildError::Epochs);
        }
        if self.max_key_len > MAX_LEN {
            return Err(BuildError::KeyLength);
        }
        let memory = match self.memory {
            Some(memory) => memory,
            None => Memory::builder().build().map_err(BuildError::Memory)?,
        };
        let settings = Settings {
            retained_epochs: retained as usize,
            max_key_len: self.max_key_len,
            key_alignment: self.key_alignment,
            scrub: self.scrub,
        };
        let collector = self.collector.unwrap_or_default();
        let slots = slots.next_power_of_two() as usize;
        Core::new(settings, slots, &memory, collector, self.counter)
            .map(ArenaPool::from_core)
            .ok_or(BuildError::EpochsExhausted)
    }
}
