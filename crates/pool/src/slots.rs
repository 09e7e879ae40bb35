//! The words that readers and writers look at: the stamps of the live epochs, and the current
//! one.
//!
//! Both are read under protection: after the outermost pin of a participant of the pool's
//! collector that nobody else can repin. What protection gives:
//!
//! - a *reader* that finds a handle's stamp may read the handle's bytes until it is unpinned;
//! - a *writer* that loads the current stamp may use that epoch's arena until it is unpinned.
//!
//! The proof is in `docs/reclamation.md`; its two halves here are that a stamp is cleared, and
//! `current` moved off an epoch, before the drop of the epoch's hold is deferred.

use std::marker::PhantomData;
use std::ptr::NonNull;

use crossbeam_utils::CachePadded;
use epoch_arena_core::ArenaHandle;
use epoch_arena_core::pack::{self, EMPTY};

use crate::sync::{AtomicU64, Ordering};

pub(crate) struct Slots {
    /// The stamp of the current epoch. Alone on its line: every put loads it.
    current: CachePadded<AtomicU64>,
    /// The stamp of the live epoch in each slot, or [`EMPTY`].
    /// Invariant: as many as a power of two. A stamp is set when its arena is ready, and cleared
    /// before its retirement is deferred; no stamp is ever set twice.
    stamps: Box<[AtomicU64]>,
}

impl Slots {
    /// `count` empty slots, a power of two. There must be an epoch before the first reader.
    pub fn new(count: usize) -> Self {
        debug_assert!(count.is_power_of_two() && count <= pack::MAX_SLOTS);
        Self {
            current: CachePadded::new(AtomicU64::new(EMPTY)),
            stamps: (0..count).map(|_| AtomicU64::new(EMPTY)).collect(),
        }
    }

    /// The stamp of the current epoch.
    #[inline(always)]
    pub fn current(&self) -> u64 {
        // Acquire: pairs with the Release in `publish`; whoever writes in this epoch sees its
        // arena set up.
        self.current.load(Ordering::Acquire)
    }

    /// The slot of a stamp.
    #[inline(always)]
    pub fn slot(&self, stamp: u64) -> usize {
        pack::slot(stamp, self.stamps.len() - 1)
    }

    /// The stamps, for readers.
    #[inline(always)]
    pub fn stamps(&self) -> Stamps<'_> {
        Stamps {
            // SAFETY: a box is not null.
            first: unsafe { NonNull::new_unchecked(self.stamps.as_ptr().cast_mut()) },
            mask: self.stamps.len() - 1,
            slots: PhantomData,
        }
    }

    /// Makes the epoch of `stamp` live and current. Under the pool's lock; its arena is ready.
    pub fn publish(&self, stamp: u64) {
        // Relaxed: nobody asks for this stamp but with a handle of its epoch, and whoever has
        // made one has loaded `current` first; so the next line publishes the stamp, too.
        self.stamps[self.slot(stamp)].store(stamp, Ordering::Relaxed);
        // Release: whoever sees the word sees the slot set up for it, and the stamp: a handle of
        // the new epoch resolves from the moment on at which it can be made. Partner: `current`.
        self.current.store(stamp, Ordering::Release);
    }

    /// Makes the epoch of `stamp` unreachable for whoever pins from now on. Under the pool's lock, and before
    /// the drop of the pool's hold is deferred.
    pub fn clear(&self, stamp: u64) {
        // Relaxed: nothing is published by an empty stamp. That later pins see it follows from
        // the SeqCst fence with which crossbeam-epoch seals the bag of the deferred drop, which
        // comes after this in the same thread, and the one in the reader's pin.
        self.stamps[self.slot(stamp)].store(EMPTY, Ordering::Relaxed);
    }
}

/// The stamps of a pool, as readers see them.
#[derive(Clone, Copy)]
pub(crate) struct Stamps<'a> {
    /// Invariant: the first of `mask + 1` stamps, which are borrowed for `'a`. Without a length
    /// beside the mask, so that one register less is needed for it.
    first: NonNull<AtomicU64>,
    /// Invariant: one below the number of stamps, which is a power of two.
    mask: usize,
    slots: PhantomData<&'a [AtomicU64]>,
}

impl Stamps<'_> {
    /// The stamp in the slot that `handle` names: if it is the handle's own, its epoch is live in
    /// this pool. Meaningful under protection only.
    #[inline(always)]
    pub fn of(self, handle: ArenaHandle) -> u64 {
        // A handle of another pool has some slot here, too; the stamp, which is unique in the
        // process, tells.
        let slot = pack::slot(handle.tag(), self.mask);
        // SAFETY: by the invariants the slot, which is at most `mask`, is one of the stamps.
        let stamp = unsafe { self.first.add(slot) };
        // SAFETY: as above; borrowed for `'a`, and only read and written atomically.
        let stamp = unsafe { stamp.as_ref() };
        // Relaxed: the bytes come to this thread with the handle, and so does the stamp's store
        // (see `publish`). That a stamp which was cleared is not found is the doing of the fences:
        // see `clear`. An Acquire would pair with nothing that is needed.
        stamp.load(Ordering::Relaxed)
    }
}
