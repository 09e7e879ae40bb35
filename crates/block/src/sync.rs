//! What is swapped for loom's in a model run, and for atomics that count where shared writes are
//! counted (`count.rs`). No other file names `core::sync` or `std::sync`, but for
//! the number of a temporary file in `os.rs`.

#[cfg(all(feature = "std", epoch_arena_count))]
pub(crate) use crate::count::AtomicUsize;
#[cfg(not(any(epoch_arena_loom, all(feature = "std", epoch_arena_count))))]
pub(crate) use core::sync::atomic::AtomicUsize;
#[cfg(not(epoch_arena_loom))]
pub(crate) use core::sync::atomic::Ordering;
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
    #[cfg(epoch_arena_count)]
    crate::count::locked(mutex);
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
