//! The figures of a pool, and what `maintain` reports.

use std::fmt;

use epoch_arena_block::raw::Usage;
use epoch_arena_block::{Bytes, MemoryStats};
use epoch_arena_core::Epoch;

use super::held::{EpochBytes, HeldReport, fmt_held};
use super::lease_info::LeaseInfo;
use super::pin_info::PinInfo;
use super::plural::Plural;
use crate::epochs::core::Core;
use crate::epochs::hold::{Hold, LEASE};
use crate::epochs::slots;

/// Figures of a pool at one moment; all sizes in bytes. [`Display`](fmt::Display) prints at most
/// some twenty lines: the threads and the places that hold back most.
/// What the pool uses of its memory is `live` + `retired` + `quarantined`; what is free belongs to the memory.
///
/// ```
/// # use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// pool.pin().alloc_copy(b"key")?;
/// let stats = pool.stats();
/// assert_eq!(stats.live + stats.retired + stats.quarantined, pool.bytes());
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
    /// Bytes of chunks that are never used again; see
    /// [`quarantine`](crate::PoolBuilder::quarantine).
    pub quarantined: usize,
    /// Bytes of the whole memory's chunks and free blocks in physical memory; where the system does not tell,
    /// those that are reserved.
    pub resident: usize,
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
        let resident = core.memory.resident();
        core.memory.try_reclaim();
        let mut state = core.state();
        state.retired.sweep_all();
        let live = state.live.iter().map(|live| {
            // Under the lock it is live, so the pool holds it; without, this hold does while its chunks are walked.
            live.generation.hold(LEASE);
            live.generation.clone()
        });
        let live: Vec<_> = live.collect();
        let held = HeldReport::new(core, &state);
        let retired = held.retired;
        let current = slots::epoch(core.slots.current());
        drop(state);
        let mut usage = Usage::default();
        for generation in &live {
            // SAFETY: held.
            let of_epoch = unsafe { generation.chunks.usage() };
            usage.capacity += of_epoch.capacity;
            usage.payload += of_epoch.payload;
            usage.allocations += of_epoch.allocations;
            // SAFETY: taken above.
            unsafe { Hold::new(generation, LEASE) }.let_go();
        }
        core.memory.try_reclaim();
        Self {
            current,
            live_epochs: live.len(),
            live: usage.capacity,
            retired_epochs: retired.epochs,
            retired: retired.bytes,
            held_by_guards: held.guards,
            held_unseen: held.unseen,
            held_by_leases: held.leases,
            quarantined: core.account.confined(),
            resident,
            payload: usage.payload,
            allocations: usage.allocations,
            pinned: held.pinned,
            leases: held.leased,
            memory: core.memory.stats(),
        }
    }

    /// Bytes of the live epochs' chunks that hold no payload: headers, padding, unused rests.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// pool.pin().alloc_copy(b"user:12345")?;
    /// assert_eq!(pool.stats().waste(), 512 - 10); // the rest of the first chunk
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
        if self.quarantined > 0 {
            writeln!(f, "in quarantine: {}", Bytes(self.quarantined))?;
        }
        write!(
            f,
            "memory: {}, {} resident",
            self.memory,
            Bytes(self.resident)
        )?;
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
    /// Epochs that this call took off the pool's list. The memory of some may have been free before: the last holder
    /// of an epoch frees it.
    pub reclaimed_epochs: usize,
    /// Bytes of free blocks that the memory gave back to its source.
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
        let mut state = core.state();
        state.retired.sweep_all();
        let held = HeldReport::new(core, &state);
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
