//! What an epoch is held by, in the one word that decides when its memory is free.

use std::ptr::NonNull;

use epoch_arena_block::raw::Generation;

/// The pool's own hold, until no guard is left that could see the epoch.
pub(crate) const POOL: u64 = 1 << 63;

/// That of the epoch's writers, until no guard is left that was pinned while it was current. Then it is sealed.
pub(crate) const WRITERS: u64 = 1 << 62;

/// One lease.
pub(crate) const LEASE: u64 = 1;

/// What holds an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldBy {
    /// The pool: a guard may still see the epoch. (And perhaps leases.)
    Pool,
    /// Leases only.
    Leases,
    /// Nothing: its chunks are free, or about to be.
    Nothing,
}

impl HeldBy {
    pub fn of(generation: &Generation) -> Self {
        match generation.holds() {
            0 => Self::Nothing,
            holds if holds & (POOL | WRITERS) == 0 => Self::Leases,
            _ => Self::Pool,
        }
    }
}

/// Whether no writer is left in the epoch, so that its counts are final.
pub(crate) fn is_sealed(generation: &Generation) -> bool {
    generation.holds() & WRITERS == 0
}

/// Whether there is a lease of the epoch.
pub(crate) fn is_leased(generation: &Generation) -> bool {
    generation.holds() & !(POOL | WRITERS) != 0
}

/// A part of an epoch's holds. It keeps the epoch's memory until it is let go; lost without that, it does for
/// ever.
#[must_use = "what is not let go holds the epoch for ever"]
pub(crate) struct Hold {
    /// Invariant: the generation of an epoch that is held by `count` for this value.
    generation: NonNull<Generation>,
    count: u64,
}

// SAFETY: a generation may be let go on whatever thread: its words are atomic, and what it owns is `Send`.
unsafe impl Send for Hold {}
// SAFETY: as for `Send`; nothing is done through `&Hold`.
unsafe impl Sync for Hold {}

impl Hold {
    /// # Safety
    ///
    /// The generation is held by `count` for this value.
    pub unsafe fn new(generation: &Generation, count: u64) -> Self {
        Self {
            generation: NonNull::from(generation),
            count,
        }
    }

    /// Lets the epoch go. Takes no lock and frees nothing, so it may be done inside any thread's pin.
    pub fn let_go(self) {
        // SAFETY: 1. by the invariant; 2. a generation is always in an `Arc`.
        unsafe { Generation::let_go(self.generation, self.count) }
    }
}
