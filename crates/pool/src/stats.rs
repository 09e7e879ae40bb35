//! The figures of a pool, and what `maintain` reports.

use std::fmt;

use epoch_arena_block::{Bytes, MemoryStats};
use epoch_arena_core::{ArenaStats, Epoch};

use crate::held::{EpochBytes, HeldReport, fmt_held};
use crate::lease_entry::LeaseInfo;
use crate::plural::Plural;
use crate::record::PinInfo;
use crate::state::{self, Core, Retired, State};
use crate::status::HeldBy;

/// Figures of a pool at one moment; all sizes in bytes. [`Display`](fmt::Display) prints at most
/// some twenty lines: the threads and the places that hold back most.
/// `reserved` = `live` + `retired` + `free` + `quarantined`, exactly.
///
/// ```
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// pool.pin().alloc_copy(b"key")?;
/// let stats = pool.stats();
/// let sum = stats.live + stats.retired + stats.free + stats.quarantined;
/// assert_eq!(stats.reserved, sum);
/// assert!(stats.waste() < stats.live);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
    pub held_by_guards: EpochBytes,
    /// What of `held_by_guards` none of the `pinned` threads can see: a guard of a shared collector
    /// holds it that is not this pool's, or the last guard is gone and its callback still pending
    /// ([`maintain`](crate::ArenaPool::maintain) moves it on).
    pub held_unseen: EpochBytes,
    /// What of these only leases and snapshots hold.
    pub held_by_leases: EpochBytes,
    /// Bytes of chunks that no epoch has, ready for use.
    pub free: usize,
    /// Bytes of chunks that are never used again; see
    /// [`quarantine`](crate::PoolBuilder::quarantine).
    pub quarantined: usize,
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
    /// The threads that are pinned in this pool, one entry each.
    pub pinned: Vec<PinInfo>,
    /// The leases that exist, those of snapshots among them, in the order in which they were taken.
    pub leases: Vec<LeaseInfo>,
    /// The memory behind the pool, which it may share with others.
    pub memory: MemoryStats,
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
        let held = HeldReport::new(core, &state);
        let retired = core.retired_bytes(&state);
        let totals = core.chunks.totals();
        Self {
            current: state::epoch(core.slots.current()),
            live_epochs: state.live.len(),
            // Read last, so never less than what was counted before: writers go on meanwhile,
            // and the sum is exact all the same.
            live: totals.reserved - totals.free - totals.quarantined - retired,
            retired_epochs: state.retired.len(),
            retired,
            held_by_guards: held.guards,
            held_unseen: held.unseen,
            held_by_leases: held.leases,
            free: totals.free,
            quarantined: totals.quarantined,
            reserved: totals.reserved,
            blocks: totals.blocks,
            resident,
            payload,
            allocations,
            pinned: held.pinned,
            leases: held.leased,
            memory: core.chunks.memory().stats(),
        }
    }

    /// Bytes of the live epochs' chunks that hold no payload: headers, padding, unused rests.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// pool.pin().alloc_copy(b"user:12345")?;
    /// assert_eq!(pool.stats().waste(), 4096 - 10); // the rest of the first chunk
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn waste(&self) -> usize {
        self.live - self.payload
    }
}

impl fmt::Display for PoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "epoch {}: {}, {}, {} of payload in {} ({} waste)",
            self.current,
            Plural(self.live_epochs, "live epoch"),
            Plural(self.allocations, "allocation"),
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
            "reserved: {} in {}, {} of it free",
            Bytes(self.reserved),
            Plural(self.blocks, "block"),
            Bytes(self.free)
        )?;
        if self.quarantined > 0 {
            write!(f, ", {} in quarantine", Bytes(self.quarantined))?;
        }
        if let Some(resident) = self.resident {
            write!(f, ", {} resident", Bytes(resident))?;
        }
        fmt_held(f, self.held_unseen, &self.pinned, &self.leases)
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
/// println!("{report}"); // ... pinned: thread main since epoch 0, 2 epochs ago, ...
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MaintainReport {
    /// Epochs that were reclaimed by this call.
    pub reclaimed_epochs: usize,
    /// Bytes of whole blocks that were returned to the memory.
    pub returned: usize,
    /// What a guard may still see of the retired epochs.
    pub held_by_guards: EpochBytes,
    /// What of `held_by_guards` none of the `pinned` threads can see: a guard of a shared collector
    /// holds it that is not this pool's.
    pub held_unseen: EpochBytes,
    /// What only leases and snapshots hold of them.
    pub held_by_leases: EpochBytes,
    /// The threads that are pinned.
    pub pinned: Vec<PinInfo>,
    /// The leases that exist, those of snapshots among them, in the order in which they were taken.
    pub leases: Vec<LeaseInfo>,
}

impl MaintainReport {
    pub(crate) fn new(core: &Core, reclaimed_epochs: usize, returned: usize) -> Self {
        let held = HeldReport::new(core, &core.state());
        Self {
            reclaimed_epochs,
            returned,
            held_by_guards: held.guards,
            held_unseen: held.unseen,
            held_by_leases: held.leases,
            pinned: held.pinned,
            leases: held.leased,
        }
    }
}

impl fmt::Display for MaintainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "reclaimed {}, returned {}; still held: {} by guards, {} by leases",
            Plural(self.reclaimed_epochs, "epoch"),
            Bytes(self.returned),
            self.held_by_guards,
            self.held_by_leases
        )?;
        fmt_held(f, self.held_unseen, &self.pinned, &self.leases)
    }
}

impl Core {
    /// Bytes of the chunks of the epoch of `stamp`, which is live or retired. Under the pool's lock.
    pub(crate) fn bytes(&self, stamp: u64) -> usize {
        self.chunks.bytes(self.slots.slot(stamp))
    }

    /// Bytes of the retired epochs' chunks.
    pub(crate) fn retired_bytes(&self, state: &State) -> usize {
        let retired = state.retired.iter();
        retired.map(|retired| self.bytes(retired.stamp)).sum()
    }

    /// Bytes of the chunks of those that somebody holds.
    pub(crate) fn held_bytes(&self, state: &State) -> usize {
        let held = |retired: &&Retired| self.status(retired.stamp).held_by() != HeldBy::Nobody;
        let held = state.retired.iter().filter(held);
        held.map(|retired| self.bytes(retired.stamp)).sum()
    }

    /// Figures of the epoch of `stamp`, which is live or retired. Under the pool's lock.
    pub(crate) fn arena_stats(&self, stamp: u64) -> ArenaStats {
        let usage = self.chunks.usage(self.slots.slot(stamp));
        ArenaStats::new(state::epoch(stamp), usage)
    }
}
