//! What is swapped for loom's in a model run; no other file names `core::sync` or `std::sync`.

#[cfg(epoch_arena_loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
#[cfg(not(epoch_arena_loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

// Threads are numbered once in a process, across model runs; so this is never loom's.
pub(crate) use std::sync::atomic::AtomicUsize as StaticAtomicUsize;

/// Waits a little for another thread: in a loop, spins at first, then lets others run.
#[derive(Default)]
pub(crate) struct Backoff {
    #[cfg(not(epoch_arena_loom))]
    turns: u32,
}

impl Backoff {
    #[cold]
    pub fn wait(&mut self) {
        #[cfg(epoch_arena_loom)]
        loom::thread::yield_now();
        #[cfg(not(epoch_arena_loom))]
        {
            const SPINS: u32 = 64;
            if self.turns < SPINS && !cfg!(miri) {
                self.turns += 1;
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

/// The places at which a thread may be interrupted; a test parks it there.
#[cfg_attr(not(test), allow(dead_code, reason = "for tests"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Locked,
    SlotStored,
    Linked,
    FillStored,
    HeadStored,
    Split,
    ChildMoved,
    ChildrenLinked,
    /// A reader has loaded which slots have a record, and not yet what is behind the leaf.
    FillLoaded,
}

/// Says that a thread is at a step. Nothing, but in tests.
#[inline(always)]
pub(crate) fn at(step: Step) {
    #[cfg(all(test, not(epoch_arena_loom)))]
    crate::tests::parked::at(step);
    let _ = step;
}
