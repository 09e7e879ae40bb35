//! `EpochArena` from the outside: its promises, its faults, and its bad input.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "allocator-api2")]
mod allocator;
mod arena;
mod bad_input;
mod faults;
mod model;
mod oversize;
mod races;
mod shared_memory;
mod statics;
mod threads;

#[path = "../../../block/tests/all/ends.rs"]
mod ends;
#[path = "../../../block/tests/all/rng.rs"]
mod rng;
#[path = "../../../block/tests/all/support.rs"]
mod support;

use epoch_arena_block::{Heap, Memory};

/// A memory of 64 KiB blocks from the heap.
fn small_memory() -> Memory {
    let builder = Memory::builder().source(Heap).block_size(64 << 10);
    builder.build().expect("valid settings")
}
