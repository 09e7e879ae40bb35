//! The library as a whole: a stress test, leases in a runtime, and shared writes, counted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod counted;
mod stress;
mod tasks;
