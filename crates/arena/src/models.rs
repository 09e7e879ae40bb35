//! loom models of the free lists and of a growing arena, with their broken twins.
//!
//! Run by `cargo xtask test`, or alone:
//! `RUSTFLAGS="--cfg epoch_arena_loom" cargo test --profile model -p epoch-arena-core --lib models`

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::sync::Arc;

use epoch_arena_block::twin::caught;
use epoch_arena_block::{Heap, Memory};
use loom::cell::UnsafeCell;

use crate::EpochArena;
use crate::chunks::Chunks;
use crate::class::Class;
use crate::sync::{AtomicPtr, Mutex, Ordering, lock};

fn memory() -> Memory {
    let builder = Memory::builder().source(Heap).block_size(16_384);
    builder.build().unwrap()
}

/// Two threads take chunks; the free ones, all in one lane, are handed out once each, and reused
/// after a reclaim: the other lane gets half of the largest.
#[test]
fn free_list_gives_each_chunk_once() {
    loom::model(|| {
        let chunks = Arc::new(Chunks::new(&memory(), 2, 2));
        let request = Class::request(100, 0, 16_384);
        let take =
            move |chunks: &Chunks, arena| chunks.take(arena, arena, 100, request, || ()).unwrap();
        take(&chunks, 0);
        // SAFETY: nothing was claimed from the arena's chunk.
        unsafe { chunks.reclaim(0) };
        let other = loom::thread::spawn({
            let chunks = chunks.clone();
            move || take(&chunks, 1)
        });
        let mine = take(&chunks, 0);
        assert_ne!(mine, other.join().unwrap());
        let totals = chunks.totals();
        assert_eq!(
            totals.reserved,
            chunks.bytes(0) + chunks.bytes(1) + totals.free
        );
        assert_eq!(totals.reserved, 16_384, "two chunks fit the one block");
    });
}

/// The twin looks at the head and takes it off in two critical sections.
#[test]
fn free_list_twin_that_looks_and_takes_apart_is_caught() {
    caught(|| {
        let free = Arc::new(Mutex::new(vec![1, 2]));
        let take = |free: &Mutex<Vec<u32>>| {
            let head = lock(free).last().copied();
            lock(free).pop();
            head
        };
        let other = loom::thread::spawn({
            let free = free.clone();
            move || take(&free)
        });
        let mine = take(&free);
        assert_ne!(mine, other.join().unwrap());
    });
}

/// Two threads grow one empty arena: neither sees a chunk before it is set up, and the bytes are
/// each caller's own.
#[test]
fn arena_grows_under_two_threads() {
    loom::model(|| {
        let arena = Arc::new(EpochArena::new(&memory()));
        let other = loom::thread::spawn({
            let arena = arena.clone();
            move || arena.alloc_copy(b"other").unwrap().as_ptr().addr()
        });
        let mine = arena.alloc_copy(b"mine.").unwrap();
        let address = mine.as_ptr().addr();
        assert!(address.abs_diff(other.join().unwrap()) >= 5);
        assert_eq!(mine, b"mine.");
        assert_eq!(arena.stats().payload, 10);
    });
}

/// What `EpochArena` does with its current chunk: set up, published, found.
fn publication(store: Ordering, load: Ordering) {
    let chunk = Box::leak(Box::new(UnsafeCell::new(0)));
    let current = Arc::new(AtomicPtr::new(std::ptr::null_mut()));
    let chunk: *mut UnsafeCell<i32> = chunk;
    let other = loom::thread::spawn({
        let current = current.clone();
        move || {
            let found: *mut UnsafeCell<i32> = current.load(load);
            if !found.is_null() {
                // SAFETY: published below and leaked, so it exists.
                let value = unsafe { &*found }.with(|value| unsafe { *value });
                assert_eq!(value, 7);
            }
        }
    });
    // SAFETY: not published yet; loom tells if the other thread gets here unordered.
    unsafe { &*chunk }.with_mut(|value| unsafe { *value = 7 });
    current.store(chunk, store);
    other.join().unwrap();
}

#[test]
fn chunk_publication_is_release_and_acquire() {
    loom::model(|| publication(Ordering::Release, Ordering::Acquire));
}

#[test]
fn chunk_publication_twin_that_is_relaxed_is_caught() {
    caught(|| publication(Ordering::Relaxed, Ordering::Acquire));
    caught(|| publication(Ordering::Release, Ordering::Relaxed));
}
