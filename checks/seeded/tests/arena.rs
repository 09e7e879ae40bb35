//! Stage asan: an overrun that it sees only because the library marks the bytes between keys as out of bounds.

use std::hint::black_box;

use epoch_arena::ArenaPool;

#[test]
fn overrun_inside_a_block() {
    let pool = ArenaPool::builder().build().unwrap();
    let guard = pool.pin();
    let handle = guard.alloc_copy(b"a key").unwrap();
    let bytes = guard.get(handle).unwrap();
    // SAFETY: not safe, and meant to be found: one past the end, and not claimed yet.
    black_box(unsafe { bytes.as_ptr().add(bytes.len()).read() });
}
