//! The atomics and locks, which a model run swaps for loom's, and a counting build for ones that
//! count (`count.rs`). No other file names `core::sync` or `std::sync`, but for
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
// loom's `Arc` cannot hold a `dyn Source`; and no model is about ownership alone.
#[cfg(feature = "std")]
pub(crate) use std::sync::{Arc, OnceLock, TryLockError};

/// Locks, also after a holder has panicked: the state under a lock is consistent at every point where a panic can
/// leave it.
#[cfg(feature = "std")]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(epoch_arena_count)]
    crate::count::locked(mutex);
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Waits without the lock for the condition's notice, or wakes early. Ignores poisoning as [`lock`] does.
#[cfg(feature = "std")]
pub(crate) fn wait<'a, T>(told: &Condvar, held: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    told.wait(held)
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

// The process's own atomics live across model runs, so they are never loom's.
#[cfg(all(feature = "std", epoch_arena_count))]
pub(crate) use crate::count::AtomicUsize as StaticAtomicUsize;
#[cfg(all(feature = "std", not(epoch_arena_count)))]
pub(crate) use core::sync::atomic::AtomicUsize as StaticAtomicUsize;
