//! How many closures wait for a grace period: it tells a guard that is held long whether anything waits for it.

use crossbeam_utils::CachePadded;

use crate::sync::{Arc, AtomicU64, Ordering};

/// Where others defer to the collector, too, which cannot be counted: then something may always wait.
const UNSEEN: u64 = 1 << 63;

/// The closures that were deferred to a domain's collector and have not run. On a line of its own, which is written
/// only where an epoch is opened, retired or let go.
#[derive(Debug)]
pub(crate) struct Backlog(CachePadded<AtomicU64>);

impl Backlog {
    /// `is_shared`: whether others may defer to the collector.
    pub fn new(is_shared: bool) -> Arc<Self> {
        let unseen = if is_shared { UNSEEN } else { 0 };
        Arc::new(Self(CachePadded::new(AtomicU64::new(unseen))))
    }

    /// Whether nothing waits. One load.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        // Relaxed: nothing is read or freed because of it. If a closure is seen late, the next call refreshes; if its
        // end is seen late, that costs a pin.
        self.0.load(Ordering::Relaxed) == 0
    }

    /// One more closure, counted until the value is dropped.
    pub fn wait(self: &Arc<Self>) -> Waiting {
        // Relaxed: as above.
        self.0.fetch_add(1, Ordering::Relaxed);
        Waiting(self.clone())
    }
}

/// A closure that waits. Dropping it frees nothing, unless all of the domain is gone.
pub(crate) struct Waiting(Arc<Backlog>);

impl Drop for Waiting {
    fn drop(&mut self) {
        // Relaxed: as in `is_empty`.
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(epoch_arena_loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use crate::ArenaPool;

    /// A closure that is not counted shows whether the guard was pinned anew: it runs only then.
    #[test]
    fn a_guard_is_pinned_anew_only_while_something_waits() {
        let pool = ArenaPool::builder().build().expect("the defaults build");
        let mut guard = pool.pin();
        let unseen = pool.core.domain.collector.register();
        let shared = Arc::new(());
        let closures = shared.clone();
        unseen.pin().defer(move || drop(closures));
        for _ in 0..300 {
            assert!(!guard.refresh_if_needed());
            unseen.pin().flush();
        }
        assert_eq!(Arc::strong_count(&shared), 2, "the guard is as it was");
        pool.advance().expect("there are numbers left");
        // Each new pin lets one grace period pass, and two must.
        let refreshed = (0..10).filter(|_| {
            let refreshed = guard.refresh_if_needed();
            unseen.pin().flush();
            refreshed
        });
        assert_eq!(refreshed.count(), 2, "no more when nothing waits");
        assert_eq!(Arc::strong_count(&shared), 1, "the closure has run");
    }

    /// The end of a pool does not wait for its closures; they are counted until they have run.
    #[test]
    fn what_waits_is_counted_until_it_has_run() {
        let pool = ArenaPool::builder().build().expect("the defaults build");
        let next = ArenaPool::builder().memory(pool.memory().clone()).build();
        let next = next.expect("the defaults build");
        // Relaxed: there is one thread.
        let waits = |pool: &ArenaPool| pool.core.domain.backlog.0.load(Ordering::Relaxed);
        let guard = next.pin();
        for advanced in 1..=10 {
            pool.advance().expect("there are numbers left");
            // Two epochs are retained: of each advance but the first, one is retired.
            assert_eq!(waits(&next), 2 * advanced - 1);
        }
        drop(pool);
        assert_eq!(waits(&next), 19);
        drop(guard);
        // A collect runs eight bags; each advance has made one.
        (0..4).for_each(|_| next.pin().local().participant().handle().pin().flush());
        assert_eq!(waits(&next), 0);
    }
}
