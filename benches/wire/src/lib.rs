//! The messages between the benchmark processes and `cargo xtask bench`.
//!
//! `xtask` starts one process per [`Job`] (a JSON object, its only argument) and reads one [`Line`] of JSON per line of
//! its standard output. This crate is all that the two share, so that `xtask` builds without the library, the peers and
//! their C code, and still starts when the library does not compile.

mod bench;
mod contestant;
mod job;
mod keys;
mod record;
mod roster;
mod sets;
pub mod stats;

pub use bench::{Bench, Group};
pub use contestant::{Binary, Contestant, Role};
pub use job::{Job, Line};
pub use keys::{KeySource, Keys, KeysError, MAX_KEY_LEN};
pub use record::{Record, Sample, Series, summarise};
pub use roster::{ROSTER, contestant};
pub use sets::KeySets;
