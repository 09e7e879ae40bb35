//! Stages asan (the first three), msan (the last) and miri (all).

use std::alloc::{Layout, alloc, dealloc};
use std::hint::black_box;

const LAYOUT: Layout = Layout::new::<[u8; 64]>();

fn read(at: *const u8) -> bool {
    // SAFETY: not safe, and meant to be found.
    let byte = unsafe { black_box(at).read() };
    // A branch on it: to read and copy it is not yet a fault to MSan.
    if byte == 7 {
        println!("seven");
    }
    byte == 7
}

#[test]
fn out_of_bounds() {
    let bytes = vec![1_u8; 64];
    black_box(read(bytes.as_ptr().wrapping_add(64)));
}

#[test]
fn use_after_free() {
    let bytes = vec![1_u8; 64];
    let at = bytes.as_ptr();
    drop(bytes);
    black_box(read(at));
}

#[test]
fn leak() {
    let bytes = vec![1_u8; 64];
    // In a thread that ends, so that no stale register or stack slot keeps it in view.
    let leak = move || drop(black_box(Box::leak(bytes.into_boxed_slice()).len()));
    std::thread::spawn(leak).join().unwrap();
}

#[test]
fn uninitialised_read() {
    // SAFETY: the layout is not empty.
    let bytes = unsafe { alloc(LAYOUT) };
    assert!(!bytes.is_null());
    black_box(read(bytes.wrapping_add(3)));
    // SAFETY: allocated above, with this layout.
    unsafe { dealloc(bytes, LAYOUT) };
}
