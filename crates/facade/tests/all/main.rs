//! The library as a whole: a stress test, leases in a runtime, shared writes, counted, and programs that were written from
//! the documentation alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod counted;
mod from_the_docs;
mod stress;
mod tasks;

#[path = "../../../block/tests/all/ends.rs"]
mod ends;
