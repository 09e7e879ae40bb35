//! `ArenaPool` from the outside: the protocol, its faults, and its bad input.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod advance;
mod alloc;
mod alone;
mod bad_input;
mod batch;
mod budget;
mod callbacks;
mod epochs;
mod exits;
mod faults;
mod forget;
mod guards;
mod handles;
mod leases;
mod model;
mod pools;
mod race;
mod reuse;
mod sealed;
mod statics;
mod stats;
mod threads;
mod views;

#[path = "../../../block/tests/all/rng.rs"]
mod rng;
#[path = "../../../block/tests/all/support.rs"]
mod support;
