//! The atomics and locks, which a model run swaps for loom's, and a counting build for ones that
//! count; no other file names `core::sync` or `std::sync`.

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
