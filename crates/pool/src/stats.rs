//! The figures of a pool, and what `maintain` reports.

use std::fmt;

use epoch_arena_block::{Bytes, MemoryStats};
use epoch_arena_core::{ArenaStats, Epoch};

use crate::core::{self, Core, State};
use crate::record::Pinned;

/// Figures of a pool at one moment; all sizes in bytes.
/// `reserved` = `live` + `retired` + `free`, exactly.
///
/// ```
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// pool.pin().alloc_copy(b"key")?;
/// let stats = pool.stats();
/// assert_eq!(stats.reserved, stats.live + stats.retired + stats.free);
/// assert!(stats.waste() < stats.live);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// The current epoch.
    pub current: Epoch,
    /// Live epochs, the current one included.
    pub live_epochs: usize,
    /// Bytes of the live epochs' chunks.
    pub live: usize,
    /// Epochs that are retired and not reclaimed yet.
    pub retired_epochs: usize,
    /// Bytes of their chunks.
    pub retired: usize,
    /// What of these a guard may still see.
    pub held_by_guards: Held,
    /// What of these only leases and snapshots hold.
    pub held_by_leases: Held,
    /// Bytes of chunks that no epoch has, ready for use.
    pub free: usize,
    /// Bytes of the blocks that the pool has.
    pub reserved: usize,
    /// Blocks that the pool has.
    pub blocks: usize,
    /// Bytes of these blocks in physical memory; `None` where the system does not tell.
    pub resident: Option<usize>,
    /// Bytes of the allocations in live epochs.
    pub payload: usize,
    /// Allocations in live epochs.
    pub allocations: usize,
    /// The threads that are pinned, by a guard of this pool or a view of it.
    pub pinned: Vec<Pinned>,
    /// The memory behind the pool, which it may share with others.
    pub memory: MemoryStats,
}

/// Epochs that are retired and held, and their bytes.
///
/// ```
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// pool.pin().alloc_copy(b"key")?;
/// let lease = pool.lease(pool.current_epoch());
/// pool.advance()?;
/// pool.advance()?;
/// let held = pool.stats().held_by_leases;
/// assert_eq!((held.epochs, held.bytes), (1, 4096));
/// # drop(lease);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// How many.
    pub epochs: usize,
    /// Bytes of their chunks.
    pub bytes: usize,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} epochs with {}", self.epochs, Bytes(self.bytes))
    }
}

impl PoolStats {
    pub(crate) fn new(core: &Core) -> Self {
        // Before the lock: it may take long.
        let resident = core.chunks.resident();
        let state = core.state();
        let (mut payload, mut allocations) = (0, 0);
        for stamp in &state.live {
            let stats = core.arena_stats(*stamp);
            payload += stats.payload;
            allocations += stats.allocations;
        }
        let (held_by_guards, held_by_leases) = held(core, &state);
        let retired = held_by_guards.bytes + held_by_leases.bytes;
        let totals = core.chunks.totals();
        Self {
            current: core::epoch(core.slots.current()),
            live_epochs: state.live.len(),
            // Read last, so never less than what was counted before: writers go on meanwhile,
            // and the sum is exact all the same.
            live: totals.reserved - totals.free - retired,
            retired_epochs: state.retired.len(),
            retired,
            held_by_guards,
            held_by_leases,
            free: totals.free,
            reserved: totals.reserved,
            blocks: totals.blocks,
            resident,
            payload,
            allocations,
            pinned: pinned(&state),
            memory: core.chunks.memory().stats(),
        }
    }

    /// Bytes of the live epochs' chunks that hold no payload: headers, padding, unused rests.
    pub fn waste(&self) -> usize {
        self.live - self.payload
    }
}

impl fmt::Display for PoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "epoch {}: {} live epochs, {} allocations, {} of payload in {} ({} waste)",
            self.current,
            self.live_epochs,
            self.allocations,
            Bytes(self.payload),
            Bytes(self.live),
            Bytes(self.waste()),
        )?;
        writeln!(
            f,
            "retired: {} by guards, {} by leases",
            self.held_by_guards, self.held_by_leases
        )?;
        write!(
            f,
            "reserved: {} in {} blocks, {} of it free",
            Bytes(self.reserved),
            self.blocks,
            Bytes(self.free)
        )?;
        if let Some(resident) = self.resident {
            write!(f, ", {} resident", Bytes(resident))?;
        }
        for pinned in &self.pinned {
            write!(f, "\npinned: {pinned}")?;
        }
        Ok(())
    }
}

/// What [`ArenaPool::maintain`](crate::ArenaPool::maintain) did, and what is still held.
///
/// ```
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// pool.pin().alloc_copy(b"key")?;
/// let guard = pool.pin(); // a reader that stays
/// pool.advance()?;
/// pool.advance()?;
/// let report = pool.maintain();
/// assert_eq!(report.held_by_guards.epochs, 1);
/// assert_eq!(report.pinned.len(), 1);
/// println!("{report}"); // ... pinned: thread main: guard since epoch 0
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintained {
    /// Epochs that were reclaimed by this call.
    pub reclaimed_epochs: usize,
    /// Bytes of whole blocks that were returned to the memory.
    pub returned: usize,
    /// What a guard may still see of the retired epochs.
    pub held_by_guards: Held,
    /// What only leases and snapshots hold of them.
    pub held_by_leases: Held,
    /// The threads that are pinned.
    pub pinned: Vec<Pinned>,
}

impl Maintained {
    pub(crate) fn new(core: &Core, reclaimed_epochs: usize, returned: usize) -> Self {
        let state = core.state();
        let (held_by_guards, held_by_leases) = held(core, &state);
        Self {
            reclaimed_epochs,
            returned,
            held_by_guards,
            held_by_leases,
            pinned: pinned(&state),
        }
    }
}

impl fmt::Display for Maintained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "reclaimed {} epochs, returned {}; still held: {} by guards, {} by leases",
            self.reclaimed_epochs,
            Bytes(self.returned),
            self.held_by_guards,
            self.held_by_leases
        )?;
        for pinned in &self.pinned {
            write!(f, "\npinned: {pinned}")?;
        }
        Ok(())
    }
}

/// What of the retired epochs a guard may see, and what only leases hold.
fn held(core: &Core, state: &State) -> (Held, Held) {
    let (mut guards, mut leases) = (Held::default(), Held::default());
    for stamp in &state.retired {
        let held = if core.status(*stamp).is_held_by_pool() {
            &mut guards
        } else {
            &mut leases
        };
        held.epochs += 1;
        held.bytes += core.chunks.bytes(core.slots.slot(*stamp));
    }
    (guards, leases)
}

fn pinned(state: &State) -> Vec<Pinned> {
    state.records.iter().flat_map(|r| r.report()).collect()
}

impl Core {
    /// Figures of the epoch of `stamp`, which is live or retired. Under the pool's lock.
    pub(crate) fn arena_stats(&self, stamp: u64) -> ArenaStats {
        let usage = self.chunks.usage(self.slots.slot(stamp));
        ArenaStats::new(core::epoch(stamp), usage)
    }
}
