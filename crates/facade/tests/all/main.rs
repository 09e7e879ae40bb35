//! The library as a whole: a stress test, and whether every mission row and every bug that peers
//! had is named by a test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod counted;
mod coverage;
mod documented;
mod examples;
mod links;
mod orderings;
mod stress;
mod tasks;
