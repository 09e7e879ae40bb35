//! Programs of pools on several threads, against a model.
//!
//! The threads are real ones, so that pins, chunks and registries are really theirs; but they take
//! turns: the [`World`](world::World), which is everything they share, goes from hand to hand. So a
//! program does the same each time, and the model knows the right answers.

mod hold;
mod pool;
mod program;
mod thread;
mod turns;
mod world;

use arbitrary::{Arbitrary, Unstructured};

use program::Program;

/// Runs the program of `data`.
pub fn run(data: &[u8]) {
    // It never fails: missing bytes are zero.
    if let Ok(program) = Program::arbitrary(&mut Unstructured::new(data)) {
        turns::run(program);
    }
}
