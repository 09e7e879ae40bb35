//! loom models of the bump, of the budget, of chunks and of generations, each with the broken twin that it must
//! catch.
//!
//! Run by `cargo xtask test`, or alone:
//! `RUSTFLAGS="--cfg epoch_arena_loom" cargo test --profile model -p epoch-arena-block --lib models`

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod budget;
mod bump;
mod chunks;
mod generations;

use core::alloc::Layout;
use std::sync::Arc;

use loom::cell::UnsafeCell;

fn bytes(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

/// The accesses to bytes, as loom sees them: it fails if two of them are not ordered.
struct Content(UnsafeCell<u32>);

// SAFETY: loom checks that no two uses are at the same time.
unsafe impl Sync for Content {}

impl Content {
    fn new() -> Arc<Self> {
        Arc::new(Self(UnsafeCell::new(0)))
    }

    fn change(&self) {
        // SAFETY: loom checks that no other access is unordered with it.
        self.0.with_mut(|content| unsafe { *content += 1 });
    }
}
