//! Stage oom.

use std::hint::black_box;

/// Passes where memory is plenty.
#[test]
fn limit_a_panic_when_there_is_no_memory() {
    let mut bytes: Vec<u8> = Vec::new();
    bytes
        .try_reserve_exact(1 << 30)
        .expect("the seeded panic: there is always memory");
    // Otherwise the unused allocation would be optimised away.
    black_box(&mut bytes);
}
