//! `LeaseInfo`: a lease, as it is reported.

use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use epoch_arena_block::Bytes;
use epoch_arena_core::Epoch;

use super::plural::Plural;
use crate::epochs::lease_entry::{LeaseEntry, LeaseList};
use crate::epochs::slots::epoch;
use crate::sync::Arc;

/// A lease that exists, as [`PoolStats`](crate::PoolStats) and
/// [`MaintainReport`](crate::MaintainReport) list it. A snapshot is listed as the leases it
/// consists of.
///
/// ```
/// # use epoch_arena_pool as epoch_arena;
/// use epoch_arena::ArenaPool;
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
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "epoch_arena_block::raw::serialize_place")
    )]
    pub place: &'static Location<'static>,
    /// Bytes of the epoch, if it is retired. Others may hold these, too.
    pub held_back: usize,
}

/// The leases that exist, in the order in which they were taken; `held_back` gives the bytes that an epoch holds
/// back.
pub(crate) fn infos(list: &LeaseList, held_back: impl Fn(Epoch) -> usize) -> Vec<LeaseInfo> {
    let info = |entry: Arc<LeaseEntry>| LeaseInfo {
        epoch: epoch(entry.stamp()),
        // Without the one that it is looked at by, which may be the last by now.
        owners: Arc::strong_count(&entry) - 1,
        since: entry.since,
        place: entry.place,
        held_back: held_back(epoch(entry.stamp())),
    };
    let infos = list.iter().map(info);
    let mut infos: Vec<_> = infos.filter(|info| info.owners > 0).collect();
    infos.sort_by_key(|info| (info.since, info.epoch));
    infos
}

#[cfg(feature = "serde")]
fn serialize_age<S: serde::Serializer>(since: &Instant, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(since.elapsed().as_secs_f64())
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
