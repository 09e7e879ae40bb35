//! What values of all sizes, and batches that are not used, cost of the budget.

use epoch_arena_block::Heap;
use epoch_arena_pool::{Alignment, AllocError, ArenaPool, Memory};

use crate::pools::{adds_up, advance, builder};

/// A pool over a budget of that many bytes, in blocks of the default size.
fn with_budget(bytes: usize) -> ArenaPool {
    let memory = Memory::builder().source(Heap).budget(bytes).build();
    builder(1).memory(memory.unwrap()).build().unwrap()
}

/// Round sizes, one byte less and one more: the header does not push them to the next power of two.
#[test]
#[cfg_attr(miri, ignore = "megabytes")]
fn values_of_round_sizes_and_beside_them_lose_at_most_15_percent_of_the_budget() {
    for shift in 0..=22 {
        for len in [(1 << shift) - 1, 1 << shift, (1 << shift) + 1] {
            let budget: usize = if len < 1_024 { 8 << 20 } else { 64 << 20 };
            let pool = with_budget(budget);
            let (value, guard) = (vec![1; len], pool.pin());
            if len == 0 {
                continue;
            }
            let mut payload = 0;
            while guard.alloc_copy(&value).is_ok() {
                payload += len;
            }
            let lost = (budget - payload) * 100 / budget;
            assert!(lost <= 15, "{lost} % for values of {len} bytes");
            assert_eq!(pool.stats().payload, payload);
        }
    }
}

/// Batches of every size that are dropped as they were taken: on the way of small ones, of large ones, and of
/// those with a region of their own.
#[test]
fn batches_that_are_not_used_do_not_grow_the_pool() {
    let sizes = [
        1,
        100,
        4_032,
        4_096,
        16_320,
        16_384,
        60_000,
        65_536,
        65_537,
        70_000,
        200_000,
        262_144,
        300_000,
        3 << 20,
        16_000_000,
    ];
    let sizes = &sizes[..if cfg!(miri) { 9 } else { sizes.len() }];
    let rounds = if cfg!(miri) { 10 } else { 1_000 };
    for size in sizes {
        let pool = with_budget(64 << 20);
        let guard = pool.pin();
        drop(guard.batch(*size).unwrap());
        let once = pool.bytes();
        for _ in 0..rounds {
            drop(guard.batch(*size).unwrap());
        }
        assert_eq!(pool.bytes(), once, "{size} bytes, {rounds} times");
        let stats = pool.stats();
        assert_eq!((stats.allocations, stats.payload), (0, 0));
        drop(guard);
        adds_up(&pool);
    }
    // All of them in turns: as much as each once, at most.
    let pool = with_budget(64 << 20);
    let guard = pool.pin();
    let turn = || {
        sizes
            .iter()
            .for_each(|size| drop(guard.batch(*size).unwrap()))
    };
    turn();
    turn();
    let twice = pool.bytes();
    (0..rounds).for_each(|_| turn());
    assert_eq!(pool.bytes(), twice);
    drop(guard);
    advance(&pool, 1);
    assert_eq!(pool.bytes(), 0);
}

/// What a batch leaves of a large chunk, or of a region of its own, is filled further.
#[test]
fn what_a_large_batch_leaves_is_filled_by_the_next_values() {
    for size in [70_000, 300_000] {
        let pool = with_budget(64 << 20);
        let guard = pool.pin();
        let mut batch = guard.batch(size).unwrap();
        let kept = batch.push(b"kept").unwrap();
        drop(batch);
        let bytes = pool.bytes();
        let next = guard.batch(size - 1_000).unwrap();
        assert_eq!(pool.bytes(), bytes, "in what was left");
        drop(next);
        assert_eq!(guard.get(kept), Some(&b"kept"[..]));
    }
}

/// A handle describes less than 16 MiB. A chunk for large values has more where blocks are large.
#[test]
#[cfg_attr(miri, ignore = "megabytes")]
fn a_value_too_long_for_a_handle_is_refused_where_a_chunk_has_room_for_it() {
    const LIMIT: usize = 16 << 20;
    let memory = Memory::builder().source(Heap).block_size(128 << 20).build();
    let pool = builder(1).memory(memory.unwrap()).poison_on_reclaim(false);
    let pool = pool.build().unwrap();
    let guard = pool.pin();
    // They are never written, so they cost addresses alone.
    for _ in 0..3 {
        guard.alloc_uninit(15 << 20, Alignment::BYTE).unwrap();
    }
    // The last chunk has room for the longest value there is.
    let bytes = pool.bytes();
    drop(guard.batch(LIMIT - 1).unwrap());
    assert_eq!(pool.bytes(), bytes, "given back");
    for len in [LIMIT, LIMIT + 1] {
        let refused = guard.alloc_uninit(len, Alignment::BYTE);
        assert!(matches!(refused, Err(AllocError::TooLong)));
    }
}

/// The first epoch begins with small chunks, and the later ones with large ones: they are the same bytes.
#[test]
#[cfg_attr(miri, ignore = "megabytes")]
fn later_epochs_write_to_the_bytes_of_the_first() {
    const PAGE: usize = 4_096;
    let pool = with_budget(64 << 20);
    let mut touched = std::collections::BTreeSet::new();
    let mut first = 0;
    for epoch in 0..20 {
        let guard = pool.pin();
        for _ in 0..(4 << 20) / 128 {
            let handle = guard.alloc_copy(&[7; 128]).unwrap();
            touched.insert(guard.get(handle).unwrap().as_ptr().addr() / PAGE);
        }
        drop(guard);
        advance(&pool, 1);
        if epoch == 0 {
            first = touched.len();
        }
    }
    let all = touched.len();
    assert!(
        all <= first + first / 20,
        "{all} pages, the first epoch {first}"
    );
}
