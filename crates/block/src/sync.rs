//! What is swapped for loom's in a model run, and for atomics that count where shared writes are
//! counted (`count.rs`). No other file names `core::sync` or `std::sync`, but for
//! the number of a temporary file in `os/maps.rs`.

#[cfg(all(feature = "std", epoch_arena_count))]
pub(crate) use crate::count::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};
#[cfg(not(epoch_arena_loom))]
pub(crate) use core::sync::atomic::Ordering;
#[cfg(not(any(epoch_arena_loom, all(feature = "std", epoch_arena_count))))]
#[cfg_attr(
    not(feature = "std"),
    allow(unused_imports, reason = "a block alone needs one of them")
)]
pub(crate) use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};
#[cfg(epoch_arena_loom)]
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

#[cfg(all(feature = "std", not(epoch_arena_loom)))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

#[cfg(all(feature = "std", epoch_arena_loom))]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
// loom's `Arc` cannot hold a `dyn Source`; ownership alone is not what a model is about.
#[cfg(feature = "std")]
pub(crate) use std::sync::{Arc, OnceLock, TryLockError};

/// Locks, whatever a panicking holder left behind: what our locks guard is consistent at every
/// point where a panic can leave them.
#[cfg(feature = "std")]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(epoch_arena_count)]
    crate::count::locked(mutex);
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Lets go of the lock until the condition is told, or for no reason. Poisoning is ignored as in [`lock`].
#[cfg(feature = "std")]
pub(crate) fn wait<'a, T>(told: &Condvar, held: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    told.wait(held)
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

// What is the process's lives across model runs, so it is never loom's.
#[cfg(all(feature = "std", epoch_arena_count))]
pub(crate) use crate::count::AtomicUsize as StaticAtomicUsize;
#[cfg(all(feature = "std", not(epoch_arena_count)))]
pub(crate) use core::sync::atomic::AtomicUsize as StaticAtomicUsize;
