//! Who is pinned: one record per thread and pool, as crossbeam-epoch shows no participants.

use std::fmt;

use epoch_arena_block::Bytes;
use epoch_arena_core::Epoch;

use crate::sync::{AtomicU64, Ordering};

/// What one thread shows to the others. Written by its thread with one Relaxed store at the
/// outermost pin and unpin; read for reports only.
#[derive(Debug)]
pub(crate) struct Record {
    thread: String,
    /// One above the epoch at the outermost pin, or 0.
    guard: AtomicU64,
    /// One above the epoch at the outermost view, or 0.
    view: AtomicU64,
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
            guard: AtomicU64::new(0),
            view: AtomicU64::new(0),
        }
    }

    // Relaxed, throughout: reports are of some recent moment, and nothing is decided by them.

    pub fn pinned(&self, foreign: bool, epoch: Option<u64>) {
        let word = if foreign { &self.view } else { &self.guard };
        word.store(epoch.map_or(0, |e| e + 1), Ordering::Relaxed);
    }

    /// What this thread holds now: by what, and since which epoch.
    pub fn report(&self) -> impl Iterator<Item = (PinKind, Epoch)> {
        let of = |word: &AtomicU64, kind| {
            let number = word.load(Ordering::Relaxed).checked_sub(1)?;
            // SAFETY: the number of an epoch that was current when the thread wrote it.
            Some((kind, unsafe { Epoch::from_number(number) }))
        };
        [
            of(&self.guard, PinKind::Guard),
            of(&self.view, PinKind::ForeignGuard),
        ]
        .into_iter()
        .flatten()
    }
}

/// A thread that is pinned, as [`Maintained`](crate::Maintained) and
/// [`PoolStats`](crate::PoolStats) report it.
///
/// ```
/// use epoch_arena_pool::{ArenaPool, PinKind};
/// let pool = ArenaPool::builder().build()?;
/// let guard = pool.pin();
/// let pinned = &pool.stats().pinned[0];
/// assert_eq!((pinned.epoch, pinned.kind), (guard.epoch(), PinKind::Guard));
/// println!("{pinned}"); // thread main: guard since epoch 0, 0 epochs ago, ...
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Pinned {
    /// The thread's name, or its id if it has none.
    pub thread: String,
    /// The epoch that was current when it pinned; later epochs are held back too.
    pub epoch: Epoch,
    /// Epochs that the pool has opened since.
    pub lag: usize,
    /// Bytes of the retired epochs that it may still see. Others may hold these, too.
    pub held_back: usize,
    /// By what.
    pub kind: PinKind,
}

/// What a thread is pinned by; see [`Pinned`].
///
/// ```
/// # use epoch_arena_pool::{ArenaPool, PinKind};
/// let pool = ArenaPool::builder()
///     .collector(crossbeam_epoch::default_collector().clone())
///     .build()?;
/// let guard = crossbeam_epoch::pin();
/// let view = pool.view(&guard)?;
/// assert_eq!(pool.stats().pinned[0].kind, PinKind::ForeignGuard);
/// # drop(view);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PinKind {
    /// A guard of [`ArenaPool::pin`](crate::ArenaPool::pin) or of a local arena.
    Guard,
    /// A view, from [`ArenaPool::view`](crate::ArenaPool::view), beside a guard of the user's own.
    ForeignGuard,
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            PinKind::Guard => "guard",
            PinKind::ForeignGuard => "foreign guard",
        };
        write!(
            f,
            "thread {}: {kind} since epoch {}, {} epochs ago, holding back {}",
            self.thread,
            self.epoch,
            self.lag,
            Bytes(self.held_back)
        )
    }
}
