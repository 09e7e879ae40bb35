//! What is swapped for loom's in a model run. No other file names `core::sync` or `std::sync`, but
//! for the number of a temporary file in `os.rs`.

#[cfg(not(epoch_arena_loom))]
pub(crate) use core::sync::atomic::{AtomicUsize, Ordering};
#[cfg(epoch_arena_loom)]
pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};

#[cfg(all(feature = "std", not(epoch_arena_loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(all(feature = "std", epoch_arena_loom))]
pub(crate) use loom::sync::{Mutex, MutexGuard};
// loom's `Arc` cannot hold a `dyn Source`; sharing a `Memory` is not what a model is about.
#[cfg(feature = "std")]
pub(crate) use std::sync::{Arc, Weak};

/// Locks, whatever a panicking holder left behind: what our locks guard is consistent at every
/// point where a panic can leave them.
#[cfg(feature = "std")]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
