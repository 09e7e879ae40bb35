//! Workloads, contestants and method of the benchmark; `cargo xtask bench` is the way to run it.
//!
//! Every contestant stands behind [`Contestant`](contest::Contestant), one file each in `contestants`; every
//! measurement is written once, generic over that trait, one file each in `groups`. `docs/benchmarks.md` explains the
//! method and what the figures can and cannot say.

pub mod clock;
pub mod contest;
pub mod contestants;
pub mod counts;
pub mod groups;
pub mod os;
pub mod report;
pub mod run;
pub mod shuffle;

pub use epoch_arena_bench_wire as wire;
