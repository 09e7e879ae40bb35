//! Which threads are pinned: one record per participant, as crossbeam-epoch shows none.

use std::fmt;

use epoch_arena_block::Bytes;
use epoch_arena_core::Epoch;

use crate::plural::Plural;
use crate::sync::{AtomicU64, Ordering};

/// What the record of a thread that is not pinned shows.
const UNPINNED: u64 = u64::MAX;

/// What one thread shows to the others. Written by its thread with one Relaxed store at the
/// outermost pin and one after the outermost unpin, whatever kind of guard that is; read for
/// reports only.
#[derive(Debug)]
pub(crate) struct Record {
    thread: String,
    /// The time of the outermost pin, by the domain's clock, or [`UNPINNED`].
    since: AtomicU64,
}

impl Record {
    pub fn of_this_thread() -> Self {
        let thread = std::thread::current();
        Self::named(match thread.name() {
            Some(name) => name.to_owned(),
            None => format!("{:?}", thread.id()),
        })
    }

    /// For a thread whose thread-locals are being destroyed: its name may be gone already.
    pub fn of_ending_thread() -> Self {
        Self::named("(ending)".to_owned())
    }

    pub fn thread(&self) -> &str {
        &self.thread
    }

    fn named(thread: String) -> Self {
        Self {
            thread,
            since: AtomicU64::new(UNPINNED),
        }
    }

    // Relaxed, throughout: reports are of some recent moment, and nothing is decided by them.

    #[inline(always)]
    pub fn pin(&self, now: u64) {
        self.since.store(now, Ordering::Relaxed);
    }

    #[inline(always)]
    pub fn unpin(&self) {
        self.since.store(UNPINNED, Ordering::Relaxed);
    }

    /// Since when the thread is pinned, if it is.
    pub fn since(&self) -> Option<u64> {
        let since = self.since.load(Ordering::Relaxed);
        (since != UNPINNED).then_some(since)
    }
}

/// A thread that is pinned, as [`MaintainReport`](crate::MaintainReport) and
/// [`PoolStats`](crate::PoolStats) report it: one entry per thread, however many guards it has in the pools that share the collector.
///
/// ```
/// use epoch_arena_pool::ArenaPool;
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
