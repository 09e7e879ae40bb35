//! Keys from the outside: limits, order, and the maps they are made for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod limits;
mod maps;
mod order;
mod search;
mod shared;
mod sort;
mod statics;
