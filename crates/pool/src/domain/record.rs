//! Which threads are pinned: one record per participant, as crossbeam-epoch shows none.

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
