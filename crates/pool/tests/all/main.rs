//! `ArenaPool` from the outside: the protocol, its faults, and its bad input.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod advance;
mod alloc;
#[cfg(unix)]
mod alone;
mod bad_input;
mod batch;
mod budget;
mod callbacks;
mod domains;
mod epochs;
mod exits;
mod faults;
mod forget;
#[cfg(unix)]
mod fork;
mod guards;
mod handles;
mod holders;
mod last_hold;
mod leases;
mod many;
mod miri;
mod model;
mod owned;
mod pin_with;
mod plateau;
mod pools;
mod process;
mod race;
mod raw;
mod refresh;
mod resolve;
mod reuse;
mod scrub;
mod sealed;
#[cfg(feature = "serde")]
mod serialised;
mod shared_budget;
mod shown;
mod statics;
mod stats;
mod threads;
#[cfg(feature = "tracing")]
mod traced;
mod values;
mod writer;

#[path = "../../../block/tests/all/ends.rs"]
mod ends;
#[path = "../../../block/tests/all/rng.rs"]
mod rng;
#[path = "../../../block/tests/all/support.rs"]
mod support;
