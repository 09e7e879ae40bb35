//! What a lease or a snapshot holds, and how it is listed.

use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use epoch_arena_block::Bytes;
use epoch_arena_core::Epoch;

use crate::core::{Core, epoch};
use crate::sync::Arc;

/// Epochs that are held by one lease or snapshot and its clones, with where and since when.
///
/// It is dropped by the last of them, wherever that is, and takes no lock: the pool, which lists
/// it, has a weak reference only.
pub(crate) struct Hold {
    /// Keeps the memory. The core knows of this by a weak reference.
    core: Arc<Core>,
    /// Invariant: a lease was added to the holds of each, for this value. Oldest first.
    stamps: Box<[u64]>,
    since: Instant,
    place: &'static Location<'static>,
}

impl Hold {
    /// # Safety
    ///
    /// A lease was added to the holds of each of `stamps`, for this value.
    pub unsafe fn new(
        core: Arc<Core>,
        stamps: Box<[u64]>,
        place: &'static Location<'static>,
    ) -> Self {
        Self {
            core,
            stamps,
            since: Instant::now(),
            place,
        }
    }

    pub fn pool(&self) -> u64 {
        self.core.id
    }

    #[inline]
    pub fn stamps(&self) -> &[u64] {
        &self.stamps
    }

    /// The oldest epoch it holds.
    pub fn oldest(&self) -> Option<Epoch> {
        self.stamps.first().map(|stamp| epoch(*stamp))
    }

    /// As it is listed; `held_back` gives the bytes that an epoch holds back.
    pub fn report(&self, owners: usize, held_back: impl Fn(u64) -> usize) -> Option<Leased> {
        let (oldest, newest) = (self.stamps.first()?, self.stamps.last()?);
        Some(Leased {
            oldest: epoch(*oldest),
            newest: epoch(*newest),
            epochs: self.stamps.len(),
            owners,
            since: self.since,
            place: self.place,
            held_back: self.stamps.iter().map(|stamp| held_back(*stamp)).sum(),
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for stamp in &self.stamps {
            self.core.status(*stamp).drop_lease();
        }
    }
}

/// A lease or snapshot that exists, as [`PoolStats`](crate::PoolStats) and
/// [`Maintained`](crate::Maintained) list it.
///
/// ```
/// use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// let lease = pool.lease(pool.current_epoch()).expect("it is live");
/// let another = lease.clone();
/// let leased = &pool.stats().leases[0];
/// assert_eq!((leased.oldest, leased.epochs, leased.owners), (lease.epoch(), 1, 2));
/// assert!(leased.place.file().ends_with(".rs")); // where `lease` was called
/// println!("{leased}"); // epoch 0 by 2 owners for 0.0 s, from src/main.rs:4:18
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Leased {
    /// The oldest epoch it holds.
    pub oldest: Epoch,
    /// The newest epoch it holds; the same for a lease.
    pub newest: Epoch,
    /// How many it holds.
    pub epochs: usize,
    /// The lease or snapshot and its clones.
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
    /// Bytes of the retired epochs among them. Others may hold these, too.
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

impl Leased {
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

impl fmt::Display for Leased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.epochs {
            1 => write!(f, "epoch {}", self.oldest)?,
            n => write!(f, "{n} epochs from {} to {}", self.oldest, self.newest)?,
        }
        if self.owners > 1 {
            write!(f, " by {} owners", self.owners)?;
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
