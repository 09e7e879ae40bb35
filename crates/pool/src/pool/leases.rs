//! Leases and snapshots of a pool's epochs.

use std::panic::Location;
use std::time::Instant;

use epoch_arena_block::raw::Generation;
use epoch_arena_core::Epoch;

use super::ArenaPool;
use crate::epochs::hold::LEASE;
use crate::epochs::lease_entry::LeaseEntry;
use crate::epochs::lists::State;
use crate::lease::{Lease, Snapshot};
use crate::sync::Arc;

impl ArenaPool {
    /// Holds `epoch` without a pin; `None` if it is not live. Takes the pool's lock; logarithmic in
    /// the live epochs, whatever is leased already. Statistics list the lease with the place of this
    /// call.
    ///
    /// While other threads advance, even the epoch that was current a moment ago may be retired by
    /// now, and that is `None`, too: try again with the one that is current, or take a
    /// [`snapshot`](Self::snapshot).
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let lease = pool.lease(pool.current_epoch()).expect("the current epoch is live");
    /// # drop(lease);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn lease(&self, epoch: Epoch) -> Option<Lease> {
        let place = Location::caller();
        let now = Instant::now();
        let mut state = self.core.state();
        let generation = state.find_live(epoch)?.clone();
        Some(self.lease_live(&mut state, generation, now, place))
    }

    /// Holds all live epochs without a pin: a lease of each. Takes the pool's lock; linear in the
    /// live epochs. Statistics list the leases with the place of this call.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let handle = pool.pin().alloc_copy(b"key")?;
    /// let snapshot = pool.snapshot();
    /// assert_eq!(snapshot.get(handle), Some(&b"key"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        let place = Location::caller();
        let now = Instant::now();
        let mut state = self.core.state();
        let leases = (0..state.live.len()).map(|at| {
            let generation = state.live[at].generation.clone();
            self.lease_live(&mut state, generation, now, place)
        });
        Snapshot::new(leases.collect())
    }

    /// The oldest epoch that any lease or snapshot of this pool holds, live or retired, or `None` if
    /// there is none: what an engine that retires by its readers goes by. A lease that is taken or
    /// dropped meanwhile may count or not. Takes the pool's lock; linear in the epochs that are live
    /// or held, whatever the number of leases.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().retained_epochs(100).build()?;
    /// pool.advance()?;
    /// let reader = pool.lease(pool.current_epoch()).expect("the current epoch is live");
    /// pool.advance()?;
    /// assert_eq!(pool.oldest_lease(), Some(reader.epoch()));
    /// // Retire what no reader needs any more.
    /// let needed = pool.oldest_lease().unwrap_or(pool.current_epoch());
    /// assert_eq!(pool.retire_before(needed), 1);
    /// drop(reader);
    /// assert_eq!(pool.oldest_lease(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn oldest_lease(&self) -> Option<Epoch> {
        self.core.state().oldest_lease()
    }

    /// A lease of an epoch that is live; under the lock.
    fn lease_live(
        &self,
        state: &mut State,
        generation: Arc<Generation>,
        now: Instant,
        place: &'static Location<'static>,
    ) -> Lease {
        // Under the lock, under which alone epochs are retired: it is live, so the pool holds it.
        generation.hold(LEASE);
        let core = &*self.core;
        // SAFETY: added above.
        let entry = unsafe { LeaseEntry::new(core.id, &core.memory, generation, now, place) };
        let entry = Arc::new(entry);
        state.leases.add(&entry);
        Lease::new(entry)
    }
}
