//! The figures of a pool, and `maintain`, which reports them.

use epoch_arena_core::{ArenaStats, Epoch};

use super::ArenaPool;
use crate::epochs::hold::{Hold, LEASE};
use crate::grace::settle_all;
use crate::local::registry;
use crate::report::stats::{MaintainReport, PoolStats};
use crate::trace;

impl ArenaPool {
    /// Does what is better done off the put path, from a thread of the user's choice: reclaims
    /// what no guard can see, returns the memory's free blocks above its high-water
    /// mark to the system, faults in the blocks that it is to keep ready
    /// (`MemoryBuilder::prefault`), and reports what is still held and which threads are pinned. Call it now
    /// and then; nothing depends on it but memory. Where no guard and no lease is left, one call reclaims all that is
    /// retired, but for what is behind more than some 16,000 bags of others in crossbeam-epoch's queue. Looks at the
    /// chunks that came back since the last time, of all pools over the memory, a few at a time; linear in the epochs
    /// that are held. While a guard holds epochs back it pins some two thousand times, each linear in the threads.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// pool.pin().alloc_copy(b"key")?;
    /// pool.advance()?;
    /// pool.advance()?;
    /// let done = pool.maintain();
    /// assert_eq!(done.held_by_guards.epochs, 0);
    /// assert_eq!(pool.bytes(), 0); // what the key had is the memory's again
    /// println!("{done}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn maintain(&self) -> MaintainReport {
        let core = &*self.core;
        let local = registry::owner(core);
        let reclaimed = settle_all(core, &local);
        let returned = core.memory.trim_to_high_water();
        trace::trim(core, returned);
        core.memory.prepare();
        MaintainReport::new(core, reclaimed.epochs, returned)
    }

    /// Bytes of the chunks of all the pool's epochs, live and held. One load.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// assert_eq!(pool.bytes(), 0);
    /// pool.pin().alloc_copy(b"key")?;
    /// assert_eq!(pool.bytes(), 512); // the smallest chunk
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bytes(&self) -> usize {
        self.core.account.bytes()
    }

    /// Figures of the pool. Takes the pool's lock, linear in the epochs, walks the chunks of the live ones without,
    /// and asks the system for residency: for reports, not for a hot path.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// pool.pin().alloc_copy(b"key")?;
    /// let stats = pool.stats();
    /// assert_eq!((stats.live_epochs, stats.payload, stats.allocations), (1, 3, 1));
    /// println!("{stats}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> PoolStats {
        PoolStats::new(&self.core)
    }

    /// Figures of one epoch, or `None` if it is reclaimed or of another pool. Takes the pool's lock to find it, and
    /// walks the epoch's chunks without.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// pool.pin().alloc_copy(b"key")?;
    /// let stats = pool.stats_of(pool.current_epoch()).expect("it is live");
    /// assert_eq!((stats.payload, stats.chunks), (3, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats_of(&self, epoch: Epoch) -> Option<ArenaStats> {
        let generation = self.core.state().find(epoch)?.clone();
        // Without the lock, as it may take long; hence with a hold, or the chunks could be another's by then.
        if !generation.try_hold(LEASE) {
            return None;
        }
        // SAFETY: held.
        let stats = ArenaStats::new(unsafe { generation.chunks.usage() });
        // SAFETY: taken above.
        unsafe { Hold::new(&generation, LEASE) }.let_go();
        self.core.memory.try_reclaim();
        Some(stats)
    }
}
