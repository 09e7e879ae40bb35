//! Stage tests, release with debug assertions.

use std::hint::black_box;

/// Wraps in a plain release build, where this test passes.
#[test]
fn an_overflow() {
    let sum = black_box(250_u8) + black_box(10);
    black_box(sum);
}
