//! `ArenaMap` from the outside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod entries;
mod faults;
mod life;
mod limits;
mod statics;

#[path = "../../../block/tests/all/ends.rs"]
mod ends;
