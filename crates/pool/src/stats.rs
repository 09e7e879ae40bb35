//! The figures of a pool, and what `maintain` reports.

use std::fmt;

use epoch_arena_block::{Bytes, MemoryStats};
use epoch_arena_core::{ArenaStats, Epoch};

use crate::core::{self, Core, Retired, State};
use crate::hold::{Hold, Leased};
use crate::record::{Pinned, Record};
use crate::status::Holder;
use crate::sync::Arc;

/// Figures of a pool at one moment; all sizes in bytes.
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
    pub held_by_guards: Held,
    /// What of `held_by_guards` none of the `pinned` threads can see: a guard of a shared
    /// collector holds it that is not ours and has no view, or only the news that the guard is
    /// gone is still on its way ([`maintain`](crate::ArenaPool::maintain) moves it on).
    pub held_unseen: Held,
    /// What of these only leases and snapshots hold.
    pub held_by_leases: Held,
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
    /// The threads that are pinned, by a guard of this pool or a view of it.
    pub pinned: Vec<Pinned>,
    /// The leases and snapshots that exist, oldest first.
    pub leases: Vec<Leased>,
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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
        let holders = Holders::new(core, &state);
        let retired = core.retired_bytes(&state);
        let totals = core.chunks.totals();
        Self {
            current: core::epoch(core.slots.current()),
            live_epochs: state.live.len(),
            // Read last, so never less than what was counted before: writers go on meanwhile,
            // and the sum is exact all the same.
            live: totals.reserved - totals.free - totals.quarantined - retired,
            retired_epochs: state.retired.len(),
            retired,
            held_by_guards: holders.guards,
            held_unseen: holders.unseen,
            held_by_leases: holders.leases,
            free: totals.free,
            quarantined: totals.quarantined,
            reserved: totals.reserved,
            blocks: totals.blocks,
            resident,
            payload,
            allocations,
            pinned: holders.pinned,
            leases: holders.leased,
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
        if self.quarantined > 0 {
            write!(f, ", {} in quarantine", Bytes(self.quarantined))?;
        }
        if let Some(resident) = self.resident {
            write!(f, ", {} resident", Bytes(resident))?;
        }
        fmt_holders(f, self.held_unseen, &self.pinned, &self.leases)
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
/// println!("{report}"); // ... pinned: thread main: guard since epoch 0, 2 epochs ago, ...
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Maintained {
    /// Epochs that were reclaimed by this call.
    pub reclaimed_epochs: usize,
    /// Bytes of whole blocks that were returned to the memory.
    pub returned: usize,
    /// What a guard may still see of the retired epochs.
    pub held_by_guards: Held,
    /// What of `held_by_guards` none of the `pinned` threads can see: a guard of a shared
    /// collector holds it that is not ours and has no view.
    pub held_unseen: Held,
    /// What only leases and snapshots hold of them.
    pub held_by_leases: Held,
    /// The threads that are pinned.
    pub pinned: Vec<Pinned>,
    /// The leases and snapshots that exist, oldest first.
    pub leases: Vec<Leased>,
}

impl Maintained {
    pub(crate) fn new(core: &Core, reclaimed_epochs: usize, returned: usize) -> Self {
        let holders = Holders::new(core, &core.state());
        Self {
            reclaimed_epochs,
            returned,
            held_by_guards: holders.guards,
            held_unseen: holders.unseen,
            held_by_leases: holders.leases,
            pinned: holders.pinned,
            leases: holders.leased,
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
        fmt_holders(f, self.held_unseen, &self.pinned, &self.leases)
    }
}

fn fmt_holders(
    f: &mut fmt::Formatter<'_>,
    unseen: Held,
    pinned: &[Pinned],
    leases: &[Leased],
) -> fmt::Result {
    for pinned in pinned {
        write!(f, "\npinned: {pinned}")?;
    }
    if unseen.epochs > 0 {
        write!(
            f,
            "\npinned: none of these threads, holding back {unseen}: a guard of the collector \
             that is not this pool's (or one that is gone, until `maintain`)"
        )?;
    }
    for lease in leases {
        write!(f, "\nleased: {lease}")?;
    }
    Ok(())
}

/// Who holds back what.
struct Holders {
    guards: Held,
    unseen: Held,
    leases: Held,
    pinned: Vec<Pinned>,
    leased: Vec<Leased>,
}

impl Holders {
    /// Under the pool's lock, as `state` shows.
    fn new(core: &Core, state: &State) -> Self {
        let mut this = Self {
            guards: Held::default(),
            unseen: Held::default(),
            leases: Held::default(),
            pinned: pinned(core, state),
            leased: leased(core, state),
        };
        for retired in &state.retired {
            let bytes = core.bytes(retired.stamp);
            match core.status(retired.stamp).holder() {
                Holder::Pool => {
                    this.guards.add(bytes);
                    let sees = |pinned: &Pinned| pinned.epoch <= core::epoch(retired.during);
                    if !this.pinned.iter().any(sees) {
                        this.unseen.add(bytes);
                    }
                }
                Holder::Leases => this.leases.add(bytes),
                Holder::Nobody => {}
            }
        }
        this
    }
}

impl Held {
    fn add(&mut self, bytes: usize) {
        self.epochs += 1;
        self.bytes += bytes;
    }
}

/// The threads that are pinned. What was opened after one has pinned cannot be reclaimed before
/// it is unpinned, so the lists have all the epochs since.
fn pinned(core: &Core, state: &State) -> Vec<Pinned> {
    let stamps = || {
        let retired = state.retired.iter().map(|retired| retired.stamp);
        state.live.iter().copied().chain(retired)
    };
    let pinned = |record: &Record, kind, since| {
        let sees = |retired: &&Retired| {
            let held = core.status(retired.stamp).holder() == Holder::Pool;
            held && core::epoch(retired.during) >= since
        };
        let seen = state.retired.iter().filter(sees);
        Pinned {
            thread: record.thread().to_owned(),
            epoch: since,
            lag: stamps().filter(|stamp| core::epoch(*stamp) > since).count(),
            held_back: seen.map(|retired| core.bytes(retired.stamp)).sum(),
            kind,
        }
    };
    let records = state.records.iter();
    records
        .flat_map(|record| {
            record
                .report()
                .map(|(kind, since)| pinned(record, kind, since))
        })
        .collect()
}

fn leased(core: &Core, state: &State) -> Vec<Leased> {
    let bytes = |stamp| match state.find_live(core::epoch(stamp)) {
        Some(_) => 0,
        None => core.bytes(stamp),
    };
    // Without the one that is looked at it by.
    let report = |hold: Arc<Hold>| hold.report(Arc::strong_count(&hold) - 1, bytes);
    state.leases().filter_map(report).collect()
}

impl Core {
    /// Bytes of the chunks of the epoch of `stamp`, which is live or retired. Under the pool's lock.
    fn bytes(&self, stamp: u64) -> usize {
        self.chunks.bytes(self.slots.slot(stamp))
    }

    /// Bytes of the retired epochs' chunks.
    pub(crate) fn retired_bytes(&self, state: &State) -> usize {
        let retired = state.retired.iter();
        retired.map(|retired| self.bytes(retired.stamp)).sum()
    }

    /// Bytes of the chunks of those that somebody holds.
    pub(crate) fn held_bytes(&self, state: &State) -> usize {
        let held = |retired: &&Retired| self.status(retired.stamp).holder() != Holder::Nobody;
        let held = state.retired.iter().filter(held);
        held.map(|retired| self.bytes(retired.stamp)).sum()
    }

    /// Figures of the epoch of `stamp`, which is live or retired. Under the pool's lock.
    pub(crate) fn arena_stats(&self, stamp: u64) -> ArenaStats {
        let usage = self.chunks.usage(self.slots.slot(stamp));
        ArenaStats::new(core::epoch(stamp), usage)
    }
}
