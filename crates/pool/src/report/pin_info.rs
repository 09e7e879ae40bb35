//! `PinInfo`: a pinned thread, as it is reported.

use std::fmt;

use epoch_arena_block::Bytes;
use epoch_arena_core::Epoch;

use super::plural::Plural;

/// A thread that is pinned, as [`MaintainReport`](crate::MaintainReport) and
/// [`PoolStats`](crate::PoolStats) report it: one entry per thread, however many guards it has in the pools that share the collector.
///
/// ```
/// # use epoch_arena_pool as epoch_arena;
/// use epoch_arena::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// let guard = pool.pin();
/// let pinned = &pool.stats().pinned[0];
/// assert_eq!((pinned.epoch, pinned.lag), (guard.epoch(), 0));
/// println!("{pinned}"); // thread main since epoch 0, 0 epochs ago, ...
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PinInfo {
    /// The thread's name, or its id if it has none.
    pub thread: String,
    /// The epoch that was current at its outermost pin, be that in another pool over the same memory; later epochs
    /// are held back too. A guard that was nested in one that is gone by now holds back as much.
    pub epoch: Epoch,
    /// Epochs that the pool has opened since.
    pub lag: usize,
    /// Bytes of the retired epochs that it may still see. Others may hold these, too.
    pub held_back: usize,
}

impl fmt::Display for PinInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "thread {} since epoch {}, {} ago, holding back {}",
            self.thread,
            self.epoch,
            Plural(self.lag, "epoch"),
            Bytes(self.held_back)
        )
    }
}
