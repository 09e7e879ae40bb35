//! The words that readers and writers look at: the stamps of the live epochs with their memory, and the current
//! stamp.
//!
//! All are read under protection: after the outermost pin of a participant of the pool's
//! collector that only the pool can repin. What protection gives:
//!
//! - a *reader* that finds a handle's stamp may read the handle's bytes until it is unpinned;
//! - a *writer* that loads the current stamp may use that epoch's arena until it is unpinned.
//!
//! The proof is in `docs/reclamation.md`; its two halves here are that a stamp is cleared, and
//! `current` moved off an epoch, before the drop of the epoch's hold is deferred.

use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};

use epoch_arena_block::raw::Generation;
use epoch_arena_core::pack::{self, EMPTY};
use epoch_arena_core::{ArenaHandle, Epoch};

use crate::sync::{AtomicPtr, AtomicU64, Ordering};

/// The most epochs that are live at a time: half of the slots that there can be.
pub(crate) const MAX_RETAINED: u32 = pack::MAX_SLOTS as u32 / 2;

pub(crate) struct Slots {
    /// The stamp of the current epoch. Every put loads it; what else is on its line is not written while there are
    /// threads to disturb.
    current: AtomicU64,
    /// By slot, the place of a live epoch: its stamp, or [`EMPTY`]. Only live epochs need one: it is vacant as soon as
    /// the stamp is cleared, and the next epoch whose number names it may have it, while threads still use what it had
    /// before. Apart from the generations, so that a resolve's address is one addition.
    /// Invariant: as many as a power of two. Each is set when its epoch is ready, and cleared before its retirement is
    /// deferred; no stamp is ever set twice.
    stamps: Box<[AtomicU64]>,
    /// By slot, the memory of the epoch that was in there last, or null.
    /// Invariant: as many as `stamps`. Each is held as long as a thread may use what it has loaded from here under
    /// protection.
    generations: Box<[AtomicPtr<Generation>]>,
}

impl Slots {
    /// `count` vacant slots, a power of two. There must be an epoch before the first reader.
    pub fn new(count: usize) -> Self {
        debug_assert!(count.is_power_of_two() && count <= pack::MAX_SLOTS);
        let vacant = |_| AtomicU64::new(EMPTY);
        let none = |_| AtomicPtr::new(null_mut());
        Self {
            current: AtomicU64::new(EMPTY),
            stamps: (0..count).map(vacant).collect(),
            generations: (0..count).map(none).collect(),
        }
    }

    /// The stamp of the current epoch.
    #[inline(always)]
    pub fn current(&self) -> u64 {
        // Acquire: pairs with the Release in `publish`; a thread that writes in this epoch sees its
        // slot set up.
        self.current.load(Ordering::Acquire)
    }

    fn slot(&self, stamp: u64) -> (&AtomicU64, &AtomicPtr<Generation>) {
        let slot = pack::slot(stamp, self.stamps.len() - 1);
        (&self.stamps[slot], &self.generations[slot])
    }

    /// Whether an epoch of this stamp could be published. Under the pool's lock.
    pub fn is_vacant(&self, stamp: u64) -> bool {
        // Relaxed: written under the same lock.
        self.slot(stamp).0.load(Ordering::Relaxed) == EMPTY
    }

    /// The memory of the epoch of `stamp`; `None` if its slot has been given to a later one, so that it is not
    /// current any more.
    ///
    /// # Safety
    ///
    /// For `'a`: the caller is under protection since before it loaded `stamp` from `current`.
    pub unsafe fn generation<'a>(&self, stamp: u64) -> Option<&'a Generation> {
        // Acquire: pairs with the Release in `publish`, by which a later epoch's generation is set up.
        let generation = self.slot(stamp).1.load(Ordering::Acquire);
        // SAFETY: `stamp` was loaded from `current` after the pin, so what is found is the generation of its
        // epoch, or of a later one: both are held until the unpin, by the writer's part of the proof, as each
        // was current after the pin, or is.
        let generation = unsafe { &*generation };
        (generation.name == stamp).then_some(generation)
    }

    /// The stamps, for readers.
    #[inline(always)]
    pub fn stamps(&self) -> Stamps<'_> {
        Stamps {
            // SAFETY: a box is not null.
            first: unsafe { NonNull::new_unchecked(self.stamps.as_ptr().cast_mut()) },
            slots: PhantomData,
            mask: self.stamps.len() - 1,
        }
    }

    /// Makes the epoch of a generation live and current. Under the pool's lock.
    pub fn publish(&self, generation: &Generation) {
        let stamp = generation.name;
        let (vacant, memory) = self.slot(stamp);
        let pointer = std::ptr::from_ref(generation).cast_mut();
        // Release: a thread that finds it in place of an earlier one's sees it set up. Partner: `generation`.
        memory.store(pointer, Ordering::Release);
        // Relaxed: a reader asks for this stamp only with a handle of its epoch, and the thread
        // that made one has loaded `current` first; so the next line publishes the stamp, too.
        vacant.store(stamp, Ordering::Relaxed);
        // Release: a thread that sees the word sees the slot set up for it, and the stamp: a handle of
        // the new epoch resolves from the moment on at which it can be made. Partner: `current`.
        self.current.store(stamp, Ordering::Release);
    }

    /// Makes the epoch of `stamp` unreachable for threads that pin from now on. Under the pool's lock, and before
    /// the drop of the pool's hold is deferred.
    pub fn clear(&self, stamp: u64) {
        // Relaxed: nothing is published by an empty stamp. That later pins see it follows from
        // the SeqCst fence with which crossbeam-epoch seals the bag of the deferred drop, which
        // comes after this in the same thread, and the one in the reader's pin.
        self.slot(stamp).0.store(EMPTY, Ordering::Relaxed);
    }
}

/// The stamps of a pool, as readers see them.
#[derive(Clone, Copy)]
pub(crate) struct Stamps<'a> {
    /// Invariant: the first of `mask + 1` stamps, which are borrowed for `'a`. Without a length
    /// beside the mask, so that one register less is needed for it.
    first: NonNull<AtomicU64>,
    slots: PhantomData<&'a [AtomicU64]>,
    /// Invariant: one below the number of slots, which is a power of two.
    mask: usize,
}

impl Stamps<'_> {
    /// The stamp in the slot that `handle` names: if it is the handle's own, its epoch is live in
    /// this pool. Meaningful under protection only.
    #[inline(always)]
    pub fn of(self, handle: ArenaHandle) -> u64 {
        // A handle of another pool has some slot here, too; the stamp, which is unique in the
        // process, tells.
        let slot = pack::slot(handle.tag(), self.mask);
        // SAFETY: by the invariants the slot, which is at most `mask`, is one of these.
        let stamp = unsafe { self.first.add(slot) };
        // SAFETY: as above; borrowed for `'a`, and only read and written atomically.
        let stamp = unsafe { stamp.as_ref() };
        // Relaxed: the bytes come to this thread with the handle, and so does the stamp's store
        // (see `publish`). That a stamp which was cleared is not found is the doing of the fences:
        // see `clear`. An Acquire would pair with nothing that is needed.
        stamp.load(Ordering::Relaxed)
    }
}

/// How many slots a pool has: at least twice as many as live epochs, so that at least every other number fits, on
/// average. One more is live while the next one is opened.
pub(crate) fn count(retained: usize) -> usize {
    // Models reuse them soon.
    const FEWEST: usize = if cfg!(epoch_arena_loom) { 2 } else { 4 };
    (2 * retained).next_power_of_two().max(FEWEST)
}

/// The epoch of a stamp.
pub(crate) fn epoch(stamp: u64) -> Epoch {
    // SAFETY: stamps are made in `Core::open`, of numbers that were drawn.
    unsafe { Epoch::from_number(pack::epoch(stamp)) }
}

#[cfg(all(test, not(epoch_arena_loom)))]
mod tests {
    use super::*;

    #[test]
    fn there_are_twice_as_many_slots_as_live_epochs() {
        assert_eq!(count(1), 4);
        for retained in 1..2_000 {
            let slots = count(retained);
            assert!(
                slots.is_power_of_two() && slots >= 2 * retained,
                "{slots} for {retained}"
            );
        }
    }
}
