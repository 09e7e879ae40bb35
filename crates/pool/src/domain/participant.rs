//! A thread's participant in a domain: what crossbeam-epoch counts, once for all pools of the domain.

use crossbeam_epoch::{Collector, Guard, LocalHandle};
use crossbeam_utils::CachePadded;

use super::record::Record;
use super::{Clock, Domain};
use crate::sync::{Arc, Weak};

/// One thread's participant in one domain. Its end may run foreign closures.
pub(crate) struct Participant {
    /// Shared with the domain, which lists it.
    record: Arc<CachePadded<Record>>,
    /// Never handed out, so that it cannot be repinned from outside: see `ArenaPool::pin_with`.
    handle: LocalHandle,
    /// Behind the handle: dropped last, so that the end of the handle never frees its own collector,
    /// whose memory that would run in.
    #[expect(
        dead_code,
        reason = "kept for the order in which the fields are dropped"
    )]
    collector: Collector,
    domain: Weak<Domain>,
    clock: Arc<Clock>,
}

impl Participant {
    /// A new participant of this thread.
    pub fn register(domain: &Arc<Domain>, record: Record) -> Self {
        let record = Arc::new(CachePadded::new(record));
        domain.list(&record);
        Self {
            record,
            handle: domain.collector.register(),
            collector: domain.collector.clone(),
            domain: Arc::downgrade(domain),
            clock: domain.clock.clone(),
        }
    }

    /// Whether the domain is gone.
    pub fn is_dead(&self) -> bool {
        self.domain.strong_count() == 0
    }

    #[inline(always)]
    pub fn is_pinned(&self) -> bool {
        self.handle.is_pinned()
    }

    /// For `refresh`, and for pins beside a guard.
    pub fn handle(&self) -> &LocalHandle {
        &self.handle
    }

    /// Pins, and shows since when if this is the outermost pin.
    #[inline(always)]
    pub fn pin(&self) -> Guard {
        // Foreign closures may run in the pin; nothing of the pool is borrowed or half done. What they
        // pin here is nested in this, and so is not shown by itself.
        if self.handle.is_pinned() {
            // A nested pin needs no fence: only the pool has the participant, so its outermost pin was
            // a real one (never a user's `repin`), and everything since is under it.
            self.handle.pin()
        } else {
            let outermost = Outermost(self);
            let guard = self.handle.pin();
            std::mem::forget(outermost);
            self.mark();
            guard
        }
    }

    /// Shows since when this thread is pinned.
    #[inline(always)]
    pub fn mark(&self) {
        self.record.pin(self.clock.now());
    }

    /// Unpins; whether that was the outermost pin.
    #[inline(always)]
    pub fn unpin(&self, guard: Guard) -> bool {
        drop(guard);
        let is_last = !self.handle.is_pinned();
        if is_last {
            self.record.unpin();
        }
        is_last
    }
}

/// The outermost pin in the making. It is dropped only if a foreign closure panics in there.
struct Outermost<'a>(&'a Participant);

impl Drop for Outermost<'_> {
    #[cold]
    fn drop(&mut self) {
        // crossbeam-epoch has unpinned already; a guard that another closure made before and put
        // aside is the outermost now.
        if self.0.handle.is_pinned() {
            self.0.mark();
        }
    }
}
