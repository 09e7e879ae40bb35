//! Random programs against models. Each module has a `run` that takes any bytes, makes a program of
//! them, and panics where the library differs from the model:
//!
//! | target | what |
//! |---|---|
//! | [`ops`] | pools, epochs, guards, batches, leases, and their drops, on several threads |
//! | [`map`] | `ArenaMap` against a `BTreeMap`, rotation and open iterators included |
//! | [`block`] | `Block` and `Memory` alone: disjoint ranges, exact figures |
//! | [`arithmetic`] | the pure functions against 128-bit arithmetic |
//! | [`keys`] | order, equality and hash of keys against those of slices |
//!
//! libFuzzer finds the bytes where there is one (`--cfg fuzzing`); `tests/replay.rs` runs the corpus
//! and some random bytes as ordinary tests.

pub mod arithmetic;
pub mod block;
mod faulty;
pub mod keys;
pub mod map;
pub mod ops;
pub mod replay;
mod setup;

/// The entry of a target: libFuzzer's, or a `main` that replays the files it is given.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$name::run(data));

        #[cfg(not(fuzzing))]
        fn main() {
            $crate::replay::main($crate::$name::run);
        }
    };
}
