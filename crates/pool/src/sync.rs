//! What is swapped for loom's in a model run, and for atomics that count where shared writes are
//! counted; no other file names `core::sync` or `std::sync`.

#[cfg(epoch_arena_count)]
pub(crate) use epoch_arena_block::count::{AtomicPtr, AtomicU64, AtomicUsize};
#[cfg(not(any(epoch_arena_loom, epoch_arena_count)))]
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize};
#[cfg(not(epoch_arena_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic::Ordering};

#[cfg(all(test, epoch_arena_loom))]
pub(crate) use loom::sync::atomic::fence;
#[cfg(epoch_arena_loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering},
};

// Ownership only; no protocol of the pool rests on these, and a model needs no loom `Arc<[T]>`.
pub(crate) use std::sync::{Arc, OnceLock, Weak};
// The process-wide pool counter lives across model runs, so it is never loom's.
#[cfg(epoch_arena_count)]
pub(crate) use epoch_arena_block::count::AtomicU64 as StaticAtomicU64;
#[cfg(not(epoch_arena_count))]
pub(crate) use std::sync::atomic::AtomicU64 as StaticAtomicU64;

/// Locks, also after a holder has panicked: what the pool's locks guard is consistent at every
/// point where a panic can leave them.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(epoch_arena_count)]
    epoch_arena_block::count::locked(mutex);
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
