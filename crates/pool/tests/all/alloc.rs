//! The ways to write, and what is written.

use std::mem::MaybeUninit;

use epoch_arena_pool::{Alignment, PromoteError};

use crate::pools::{adds_up, advance, find, pool, put};
use crate::rng::Rng;

/// Every length up to 600, so every arm of the copy and every rest of a chunk.
#[test]
fn every_way_to_write_gives_back_what_was_written() {
    let pool = pool(2);
    let guard = pool.pin();
    let source: Vec<u8> = (0..600_u32).map(|i| (i % 253) as u8 + 1).collect();
    let align = Alignment::new(16).unwrap();
    let mut all = Vec::new();
    for len in (0..source.len()).step_by(if cfg!(miri) { 41 } else { 1 }) {
        let bytes = &source[..len];
        let (head, tail) = bytes.split_at(len / 3);
        let mut uninit = guard.alloc_uninit(len, align).unwrap();
        for (to, from) in uninit.iter_mut().zip(bytes) {
            to.write(*from);
        }
        all.extend([
            (guard.alloc_copy(bytes).unwrap(), len),
            (guard.alloc_copy_aligned(bytes, align).unwrap(), len),
            (guard.alloc_concat([head, tail]).unwrap(), len),
            (guard.alloc_concat([head, b"", tail, b""]).unwrap(), len),
            (
                guard
                    .alloc_with(len, |room| room.copy_from_slice(bytes))
                    .unwrap(),
                len,
            ),
            // SAFETY: the loop above wrote all `len` bytes.
            (unsafe { uninit.assume_init() }, len),
            (guard.batch(len).unwrap().push(bytes).unwrap(), len),
        ]);
    }
    for (handle, len) in all {
        assert_eq!(guard.get(handle), Some(&source[..len]));
    }
}

#[test]
fn the_empty_key_is_a_key() {
    let pool = pool(1);
    let guard = pool.pin();
    let handles = [
        guard.alloc_copy(b"").unwrap(),
        guard.alloc_concat([]).unwrap(),
        guard
            .alloc_with(0, |bytes| assert!(bytes.is_empty()))
            .unwrap(),
        guard
            .alloc_uninit(0, Alignment::new(64).unwrap())
            .unwrap()
            .fill(1),
    ];
    assert!(handles.iter().all(|handle| guard.get(*handle) == Some(b"")));
    let stats = pool.stats();
    assert_eq!((stats.payload, stats.allocations), (0, 4));
    drop(guard);
    advance(&pool, 1);
    assert!(
        handles.iter().all(|handle| find(&pool, *handle).is_none()),
        "stale like any other"
    );
}

#[test]
fn addresses_are_aligned_up_to_a_page_and_beyond() {
    let pool = pool(2);
    let guard = pool.pin();
    for shift in (0..=15).chain((0..=15).rev()) {
        let align = Alignment::new(1 << shift).unwrap();
        guard.alloc_copy(b"!").unwrap();
        let handle = guard.alloc_copy_aligned(b"aligned", align).unwrap();
        let uninit = guard.alloc_uninit(3, align).unwrap();
        assert_eq!(uninit.as_ptr().addr() % align.get(), 0);
        let bytes = guard.get(handle).unwrap();
        assert_eq!(
            (bytes, bytes.as_ptr().addr() % align.get()),
            (&b"aligned"[..], 0)
        );
    }
}

/// Memory of a dead epoch is zero, or written, before any thread sees it.
#[test]
fn no_stale_byte_shows() {
    let pool = pool(1);
    for _ in 0..3 {
        for _ in 0..30 {
            put(&pool, &[0xee; 2_000]);
        }
        advance(&pool, 1);
        let guard = pool.pin();
        for len in (0..3_000).step_by(137) {
            let handle = guard.alloc_with(len, |bytes| {
                assert!(bytes.iter().all(|b| *b == 0), "the closure gets zeros");
                bytes.iter_mut().take(3).for_each(|b| *b = 1);
            });
            let bytes = guard.get(handle.unwrap()).unwrap();
            assert!(bytes.iter().skip(3).all(|b| *b == 0));
            let filled = guard.alloc_uninit(len, Alignment::BYTE).unwrap().fill(5);
            assert!(guard.get(filled).unwrap().iter().all(|b| *b == 5));
        }
    }
}

#[test]
fn a_survivor_is_promoted_into_the_current_epoch() {
    let pool = pool(2);
    let mut handle = put(&pool, b"survivor");
    let dead = put(&pool, b"not promoted");
    for _ in 0..50 {
        advance(&pool, 1);
        let new = pool.pin().promote(handle).unwrap();
        assert_eq!((new.epoch(), new.len()), (pool.current_epoch(), 8));
        assert_ne!(new, handle);
        handle = new;
    }
    assert_eq!(find(&pool, handle), Some(b"survivor".to_vec()));
    let before = pool.stats();
    assert_eq!(pool.pin().promote(dead), Err(PromoteError::Stale));
    assert_eq!(pool.stats(), before);
    assert!(PromoteError::Stale.to_string().contains("lease"));
}

#[test]
fn uninitialised_bytes_that_are_dropped_are_wasted_and_no_more() {
    let pool = pool(1);
    let guard = pool.pin();
    for _ in 0..10 {
        let mut bytes = guard.alloc_uninit(100, Alignment::BYTE).unwrap();
        bytes[7] = MaybeUninit::new(1);
    }
    drop(guard);
    adds_up(&pool);
    advance(&pool, 1);
    assert_eq!(pool.stats().live, 0);
}

/// Oversize among small ones; the thread's chunk stays in use, memory is reused.
#[test]
fn oversize_values_leave_the_threads_chunk_in_use() {
    let pool = pool(1);
    let mut flat = None;
    for _ in 0..if cfg!(miri) { 2 } else { 20 } {
        let guard = pool.pin();
        let first = guard.alloc_copy(b"first").unwrap();
        let first = guard.get(first).unwrap();
        let mut large = Vec::new();
        for len in [20_000, 70_000, 150_000, 300_000] {
            large.push(guard.alloc_copy(&vec![1; len]).unwrap());
        }
        let next = guard.alloc_copy(b"next").unwrap();
        let next = guard.get(next).unwrap();
        assert_eq!(next.as_ptr(), first.as_ptr_range().end, "right behind");
        assert!(
            large
                .iter()
                .all(|h| guard.get(*h).unwrap().iter().all(|b| *b == 1))
        );
        drop(guard);
        let reserved = pool.stats().memory.reserved;
        assert_eq!(
            *flat.get_or_insert(reserved),
            reserved,
            "its memory is reused"
        );
        adds_up(&pool);
        advance(&pool, 1);
    }
}

#[test]
#[cfg_attr(miri, ignore = "megabytes")]
fn values_up_to_the_limit_with_the_default_memory() {
    let pool = epoch_arena_pool::ArenaPool::builder().build().unwrap();
    for round in 0..3 {
        let guard = pool.pin();
        let small = guard.alloc_copy(b"small").unwrap();
        for len in [300 << 10, 3 << 20, 5 << 20, (16 << 20) - 1] {
            let value = vec![round + 1; len];
            let handle = guard.alloc_copy(&value).unwrap();
            assert!(handle.len() == len && guard.get(handle).unwrap() == value);
        }
        assert_eq!(guard.get(small), Some(&b"small"[..]));
        drop(guard);
        adds_up(&pool);
        advance(&pool, 2);
    }
    assert_eq!(pool.bytes(), 0);
    pool.memory().trim(0);
    assert_eq!(pool.stats().memory.reserved, 0);
}

/// One thread's chunks grow with what it writes, so that the slack stays a small share.
#[test]
fn the_slack_of_a_thread_is_a_share_of_what_it_wrote() {
    let pool = epoch_arena_pool::ArenaPool::builder().build().unwrap();
    let (guard, mut rng) = (pool.pin(), Rng::new(5));
    for _ in 0..if cfg!(miri) { 100 } else { 200_000 } {
        guard.alloc_copy(&[1; 64][..rng.below(64)]).unwrap();
    }
    let stats = pool.stats();
    let (live, payload) = (stats.live, stats.payload);
    assert!(
        live <= payload + payload / 20 + 16_384,
        "{live} for {payload}"
    );
}
