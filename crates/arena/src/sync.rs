//! What is swapped for loom's in a model run, and for atomics that count where shared writes are
//! counted; no other file names `core::sync` or `std::sync`.

#[cfg(epoch_arena_count)]
pub(crate) use epoch_arena_block::count::{AtomicPtr, AtomicUsize};
#[cfg(not(epoch_arena_loom))]
pub(crate) use std::sync::atomic::Ordering;
#[cfg(not(any(epoch_arena_loom, epoch_arena_count)))]
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicUsize};

#[cfg(epoch_arena_loom)]
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

// The process-wide epoch counter lives across model runs, so it is never loom's.
#[cfg(epoch_arena_count)]
pub(crate) use epoch_arena_block::count::AtomicU64 as StaticAtomicU64;
#[cfg(not(epoch_arena_count))]
pub(crate) use std::sync::atomic::AtomicU64 as StaticAtomicU64;

// Ownership only; no protocol rests on it.
pub(crate) use std::sync::Arc;

/// The number of this thread: one more with each that asks.
#[inline]
pub(crate) fn thread_number() -> usize {
    thread_local!(static NUMBER: std::cell::Cell<usize> = const { std::cell::Cell::new(usize::MAX) });
    static NEXT: StaticAtomicU64 = StaticAtomicU64::new(0);
    let number = NUMBER.get();
    if number != usize::MAX {
        return number;
    }
    // Relaxed: it only spreads threads over places.
    let number = NEXT.fetch_add(1, Ordering::Relaxed) as usize;
    NUMBER.set(number);
    number
}
