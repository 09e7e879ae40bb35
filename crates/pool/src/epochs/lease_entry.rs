//! What a lease and its clones hold, and the list of these.

use std::panic::Location;
use std::time::Instant;

use epoch_arena_block::Memory;
use epoch_arena_block::raw::Generation;

use super::hold::{Hold, LEASE};
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
    pub since: Instant,
    pub place: &'static Location<'static>,
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

    /// The leases that exist, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Arc<LeaseEntry>> {
        self.entries.iter().filter_map(Weak::upgrade)
    }
}

#[cfg(all(test, not(epoch_arena_loom)))]
mod tests {
    use crate::ArenaPool;

    /// Peers' fault 27: what is gone is taken out a little with each lease, so the list stays short
    /// and no lease pays for all.
    #[test]
    fn the_list_of_leases_is_at_most_twice_as_long_as_what_is_held() {
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
