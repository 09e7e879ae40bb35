//! The block crate from the outside: its promises, its faults, and its bad input.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "allocator-api2")]
mod allocator;
mod bad_input;
mod block;
mod borrowed;
mod budget;
mod chunks;
mod ends;
mod faults;
mod generations;
mod memory;
mod model;
#[cfg(all(target_os = "linux", not(miri)))]
mod resident;
mod rng;
mod shown;
mod sources;
mod statics;
mod support;
#[cfg(target_os = "linux")]
mod unmap;
