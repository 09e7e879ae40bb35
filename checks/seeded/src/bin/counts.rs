//! Stage counts: the scenarios of the library, where each put does a little more than it should.

use std::hint::black_box;

fn main() -> std::process::ExitCode {
    epoch_arena_bench::counts::main(|| {
        for i in 0..4 {
            black_box(i);
        }
    })
}
