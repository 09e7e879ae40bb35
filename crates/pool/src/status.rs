//! What deferred closures tell: that an epoch is sealed, and that no guard can see it any more.

use crate::sync::{AtomicU64, Ordering};

/// The pool's own hold: one bit above all leases.
const POOL: u64 = 1 << 63;

/// Who holds an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldBy {
    /// The pool: a guard may still see the epoch. (And perhaps leases.)
    Pool,
    /// Leases only.
    Leases,
    /// Nobody: it can be reclaimed.
    Nobody,
}

/// One slot's news. It lives in an `Arc` that closures share, for as long as the last of them,
/// and is reused with its slot.
#[derive(Default)]
pub(crate) struct Status {
    /// The pool's hold and the number of leases, in one word, so that "nobody holds it" is one
    /// value: zero, which is terminal until the slot is armed again.
    holds: AtomicU64,
    /// One above the number of the latest epoch in this slot that is sealed.
    sealed: AtomicU64,
}

impl Status {
    /// A new epoch has the slot: the pool holds it. Under the pool's lock, when nobody does.
    pub fn arm(&self) {
        // Relaxed: whoever takes a lease or looks does so under the same lock, later.
        self.holds.store(POOL, Ordering::Relaxed);
    }

    /// No guard that could see the epoch is left. Called once per epoch, by the deferred closure.
    pub fn drop_pool_hold(&self) {
        // Release: what readers and writers did under their guards happens before this (by
        // crossbeam-epoch), and this before the reclaim. Partner: `is_reclaimable`.
        self.holds.fetch_sub(POOL, Ordering::Release);
    }

    /// One more lease. Under the pool's lock while the epoch is live: so the word is not zero, and
    /// cannot become so meanwhile.
    pub fn add_lease(&self) {
        // Relaxed: taking part needs no order, as the arena is held already; giving up has it.
        self.holds.fetch_add(1, Ordering::Relaxed);
    }

    pub fn drop_lease(&self) {
        // Release: reads through the lease happen before the reclaim. Partner: `is_reclaimable`.
        self.holds.fetch_sub(1, Ordering::Release);
    }

    /// Whether nobody holds the epoch. Once true it stays so until the slot is armed again.
    pub fn is_reclaimable(&self) -> bool {
        // Acquire: pairs with the Release of every drop, as each is a read-modify-write and so
        // in the release sequence that this reads from.
        self.holds.load(Ordering::Acquire) == 0
    }

    /// Who holds the epoch, for reports.
    pub fn held_by(&self) -> HeldBy {
        // Relaxed: a figure.
        match self.holds.load(Ordering::Relaxed) {
            0 => HeldBy::Nobody,
            1..POOL => HeldBy::Leases,
            _ => HeldBy::Pool,
        }
    }

    /// Whether there is a lease of the epoch, for reports.
    pub fn is_leased(&self) -> bool {
        // Relaxed: a figure.
        self.holds.load(Ordering::Relaxed) & !POOL != 0
    }

    /// Whether a guard may still see the epoch (else only leases hold it).
    pub fn is_held_by_pool(&self) -> bool {
        self.held_by() == HeldBy::Pool
    }

    /// No writer is left in `epoch`. Called by the deferred closure, which may come late: a
    /// maximum, so that it says nothing of a later epoch in this slot.
    pub fn seal(&self, epoch: u64) {
        // Release: the last writes of the epoch's counts happen before whoever sees it sealed.
        // Partner: `is_sealed`.
        self.sealed.fetch_max(epoch + 1, Ordering::Release);
    }

    /// Whether `epoch`, which has or had this slot, is sealed.
    pub fn is_sealed(&self, epoch: u64) -> bool {
        // Acquire: pairs with the Release in `seal`; the counts read afterwards are final.
        self.sealed.load(Ordering::Acquire) > epoch
    }
}
