//! A thread's participant in a domain: what crossbeam-epoch counts, once for all pools of the domain.

use std::cell::Cell;
use std::ptr::NonNull;

use crossbeam_epoch::{Collector, Guard, LocalHandle};
use crossbeam_utils::CachePadded;

use crate::domain::{Clock, Domain};
use crate::local::Local;
use crate::record::Record;
use crate::sync::{Arc, Weak};

/// One thread's participant in one domain.
///
/// It is alive while it has an owner (the registry, a state of a pool) or is pinned. If the last owner goes while it is
/// pinned, the end of the last guard frees it.
pub(crate) struct Participant {
    owners: Cell<usize>,
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
    /// States without an owner, which guards may use until the last of them is gone.
    kept: Cell<Option<NonNull<Local>>>,
}

impl Participant {
    /// A new participant of this thread, with one owner: the caller.
    pub fn register(domain: &Arc<Domain>, record: Record) -> NonNull<Self> {
        let record = Arc::new(CachePadded::new(record));
        domain.list(&record);
        let participant = Box::new(Self {
            owners: Cell::new(1),
            record,
            handle: domain.collector.register(),
            collector: domain.collector.clone(),
            domain: Arc::downgrade(domain),
            clock: domain.clock.clone(),
            kept: Cell::new(None),
        });
        // SAFETY: a box is not null.
        unsafe { NonNull::new_unchecked(Box::into_raw(participant)) }
    }

    /// One more owner.
    pub fn join(&self) {
        self.owners.set(self.owners.get() + 1);
    }

    /// One owner less; the last one frees it, unless it is pinned.
    ///
    /// # Safety
    ///
    /// `this` is alive, and the caller was one of its owners.
    pub unsafe fn leave(this: NonNull<Self>) {
        // SAFETY: alive by the contract.
        let participant = unsafe { this.as_ref() };
        let owners = participant.owners.get() - 1;
        participant.owners.set(owners);
        if owners == 0 && !participant.is_pinned() {
            // SAFETY: no owner and no guard is left.
            unsafe { Self::free(this) };
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
        // Foreign closures may run in the pin; nothing of ours is borrowed or half done. What they
        // pin here is nested in this, and so is not shown by itself.
        if self.handle.is_pinned() {
            // A nested pin needs no fence: the participant is ours alone, so its outermost pin was
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

    /// Keeps a state without an owner until the last guard is gone.
    pub fn keep(&self, local: NonNull<Local>) {
        // SAFETY: alive, and nobody else's any more.
        unsafe { local.as_ref() }
            .next
            .set(self.kept.replace(Some(local)));
    }

    /// Unpins; the end of a guard. The last one frees what has no owner.
    ///
    /// # Safety
    ///
    /// `this` is alive, and `guard` came from `pin` on it.
    #[inline(always)]
    pub unsafe fn unpin(this: NonNull<Self>, guard: Guard) {
        // SAFETY: alive by the contract, and freed below at the earliest.
        let participant = unsafe { this.as_ref() };
        drop(guard);
        if !participant.handle.is_pinned() {
            participant.record.unpin();
            if participant.owners.get() == 0 || participant.kept.get().is_some() {
                // SAFETY: alive, and not pinned.
                unsafe { Self::free_kept(this) };
            }
        }
    }

    /// # Safety
    ///
    /// `this` is alive and not pinned.
    #[cold]
    #[inline(never)]
    unsafe fn free_kept(this: NonNull<Self>) {
        // SAFETY: alive by the contract; an owner more, so that it is not freed in here.
        let participant = unsafe { this.as_ref() };
        participant.join();
        while let Some(local) = participant.kept.get() {
            // SAFETY: kept, hence alive.
            participant.kept.set(unsafe { local.as_ref() }.next.get());
            // SAFETY: it has no owner, and no guard is left.
            unsafe { Local::free(local) };
        }
        // SAFETY: joined above.
        unsafe { Self::leave(this) };
    }

    /// # Safety
    ///
    /// `this` came from [`register`](Self::register), and nothing uses it any more: it is not pinned and has no
    /// owner.
    #[cold]
    unsafe fn free(this: NonNull<Self>) {
        // SAFETY: made by `Box::into_raw`, and freed once, by the contract.
        let participant = unsafe { Box::from_raw(this.as_ptr()) };
        // The end of the handle may run foreign closures. They do not find this participant any more.
        drop(participant);
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
