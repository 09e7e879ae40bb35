//! What a lease holds, and how it is listed.

use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use epoch_arena_block::raw::Generation;
use epoch_arena_block::{Bytes, Memory};
use epoch_arena_core::Epoch;

use crate::hold::{Hold, LEASE};
use crate::plural::Plural;
use crate::state::epoch;
use crate::sync::{Arc, Weak};

/// An epoch that a lease and its clones hold, with where and since when.
///
/// The last of them drops it, on whatever thread and perhaps inside a pin: see its drop. The pool, which lists
/// it, has a weak reference only.
pub(crate) struct LeaseEntry {
    memory: Memory,
    pool: u64,
    /// Invariant: one lease of its holds is this value's.
    generation: Arc<Generation>,
    since: Instant,
    place: &'static Location<'static>,
}

impl LeaseEntry {
    /// # Safety
    ///
    /// A lease was added to the holds of `generation`, for this value, and its chunks are of `memory`.
    pub unsafe fn new(
        pool: u64,
        memory: &Memory,
        generation: Arc<Generation>,
        since: Instant,
        place: &'static Location<'static>,
    ) -> Self {
        Self {
            memory: memory.clone(),
            pool,
            generation,
            since,
            place,
        }
    }

    pub fn pool(&self) -> u64 {
        self.pool
    }

    pub fn bytes(&self) -> usize {
        self.generation.chunks.bytes()
    }

    #[inline]
    pub fn stamp(&self) -> u64 {
        self.generation.name
    }
}

impl Drop for LeaseEntry {
    fn drop(&mut self) {
        // SAFETY: by the invariant, and once.
        unsafe { Hold::new(&self.generation, LEASE) }.let_go();
        // If that was the last hold, the chunks are free before this returns, unless they are to be overwritten or
        // another thread has the memory's lock: then the next thread that asks for a chunk sees to it. No more is
        // done here, as this may be inside a reader's pin.
        self.memory.try_reclaim();
    }
}

/// The leases of a pool, in no order.
#[derive(Default)]
pub(crate) struct LeaseList {
    /// Those that exist, and some that are gone.
    entries: Vec<Weak<LeaseEntry>>,
    /// Which entry is looked at next.
    next: usize,
}

impl LeaseList {
    /// Lists `entry` for as long as a lease owns it. Constant time, and at most as many entries are
    /// gone as exist: while all are looked at once, two with each call, half as many are added.
    pub fn add(&mut self, entry: &Arc<LeaseEntry>) {
        for _ in 0..2 {
            match self.entries.get(self.next) {
                Some(entry) if entry.strong_count() == 0 => {
                    self.entries.swap_remove(self.next);
                }
                Some(_) => self.next += 1,
                None => self.next = 0,
            }
        }
        self.entries.push(Arc::downgrade(entry));
    }

    /// The leases that exist, as they are reported, in the order in which they were taken;
    /// `held_back` gives the bytes that an epoch holds back.
    pub fn report(&self, held_back: impl Fn(Epoch) -> usize) -> Vec<LeaseInfo> {
        let entries = self.entries.iter().filter_map(Weak::upgrade);
        let info = |entry: Arc<LeaseEntry>| LeaseInfo {
            epoch: epoch(entry.stamp()),
            // Without the one that it is looked at by, which may be the last by now.
            owners: Arc::strong_count(&entry) - 1,
            since: entry.since,
            place: entry.place,
            held_back: held_back(epoch(entry.stamp())),
        };
        let mut infos: Vec<_> = entries.map(info).filter(|info| info.owners > 0).collect();
        infos.sort_by_key(|info| (info.since, info.epoch));
        infos
    }
}

/// A lease that exists, as [`PoolStats`](crate::PoolStats) and
/// [`MaintainReport`](crate::MaintainReport) list it. A snapshot is listed as the leases it
/// consists of.
///
/// ```
/// use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// let lease = pool.lease(pool.current_epoch()).expect("it is live");
/// let another = lease.clone();
/// let info = &pool.stats().leases[0];
/// assert_eq!((info.epoch, info.owners), (lease.epoch(), 2));
/// assert!(info.place.file().ends_with(".rs")); // where `lease` was called
/// println!("{info}"); // epoch 0 by 2 owners for 0.0 s, holding back 0 B, from src/main.rs:4:18
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LeaseInfo {
    /// The epoch it holds.
    pub epoch: Epoch,
    /// The lease and its clones.
    pub owners: usize,
    /// When it was taken; serialised as its age, `seconds`.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "seconds", serialize_with = "serialize_age")
    )]
    pub since: Instant,
    /// Where [`lease`](crate::ArenaPool::lease) or [`snapshot`](crate::ArenaPool::snapshot) was
    /// called; serialised as `file:line:column`.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize_place"))]
    pub place: &'static Location<'static>,
    /// Bytes of the epoch, if it is retired. Others may hold these, too.
    pub held_back: usize,
}

#[cfg(feature = "serde")]
fn serialize_age<S: serde::Serializer>(since: &Instant, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(since.elapsed().as_secs_f64())
}

#[cfg(feature = "serde")]
fn serialize_place<S: serde::Serializer>(
    place: &Location<'static>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(place)
}

impl LeaseInfo {
    /// How long ago it was taken.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let snapshot = pool.snapshot();
    /// assert!(pool.stats().leases[0].age().as_secs() < 60);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }
}

impl fmt::Display for LeaseInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}", self.epoch)?;
        if self.owners != 1 {
            write!(f, " by {}", Plural(self.owners, "owner"))?;
        }
        write!(
            f,
            " for {:.1} s, holding back {}, from {}",
            self.age().as_secs_f64(),
            Bytes(self.held_back),
            self.place
        )
    }
}

#[cfg(all(test, not(epoch_arena_loom)))]
mod tests {
    use crate::ArenaPool;

    /// Peers' fault 27: what is gone is taken out a little with each lease, so the list stays short
    /// and no lease pays for all.
    #[test]
    fn b1_the_list_of_leases_is_at_most_twice_as_long_as_what_is_held() {
        let pool = ArenaPool::builder().build().expect("the defaults build");
        let lease = || pool.lease(pool.current_epoch()).expect("it is live");
        let listed = || pool.core.state().leases.entries.len();
        for _ in 0..1_000 {
            drop(lease());
            assert!(listed() <= 3);
        }
        let held: Vec<_> = (0..100).map(|_| lease()).collect();
        for _ in 0..1_000 {
            drop(lease());
            assert!(listed() <= 2 * held.len() + 3);
        }
        drop(held);
        for _ in 0..500 {
            drop(lease());
        }
        assert!(listed() <= 3, "{} are left", listed());
    }
}
