//! What `mem::forget` leaves behind: leaks are safe, bounded, and reported.

use std::mem::forget;

use crossbeam_epoch::Collector;

use crate::pools::{BLOCK, SMALLEST, adds_up, advance, builder, find, memory, pool, put, put_many};

#[test]
#[cfg_attr(epoch_arena_asan, ignore = "a leak on purpose")]
fn a_forgotten_guard_holds_back_memory_and_breaks_nothing() {
    let memory = memory();
    let pool = builder(1).memory(memory.clone()).build().unwrap();
    let handle = put(&pool, b"seen");
    let mut guard = pool.pin();
    forget(pool.pin());
    assert!(!guard.refresh(), "for the state another guard is alive");
    drop(guard);
    for _ in 0..30 {
        put(&pool, &[1; 1_000]);
        advance(&pool, 1);
        adds_up(&pool);
    }
    assert_eq!(find(&pool, handle), None);
    let report = pool.maintain();
    assert_eq!((report.held_by_guards.epochs, report.pinned.len()), (30, 1));
    // Other threads work on; with the pool, all its memory goes.
    std::thread::scope(|s| {
        s.spawn(|| put(&pool, b"elsewhere"));
    });
    drop(pool);
    assert_eq!(memory.stats().in_use, 0);
}

#[test]
#[cfg_attr(epoch_arena_asan, ignore = "a leak on purpose")]
fn a_forgotten_lease_holds_its_epoch_only() {
    let pool = pool(1);
    let lease = pool.lease(put(&pool, &[1; 100]).epoch()).unwrap();
    forget(lease);
    forget(pool.snapshot());
    let mut reserved = Vec::new();
    for _ in 0..50 {
        put_many(&pool, 50, &[1; 1_000]);
        advance(&pool, 1);
        let stats = pool.stats();
        assert_eq!(
            (stats.held_by_leases.epochs, stats.held_by_guards.epochs),
            (1, 0)
        );
        reserved.push(stats.memory.reserved);
    }
    assert!(
        reserved.iter().all(|bytes| *bytes <= 4 * BLOCK),
        "{reserved:?}"
    );
}

#[test]
fn forgotten_batches_waste_their_bytes_and_do_no_harm() {
    let pool = pool(1);
    for round in 0..20_u8 {
        let guard = pool.pin();
        let mut batch = guard.batch(500).unwrap();
        let handle = batch.push(&[round; 100]).unwrap();
        forget(batch);
        let behind = guard.alloc_copy(&[!round; 100]).unwrap();
        assert_eq!(guard.get(handle), Some(&[round; 100][..]));
        assert_eq!(
            guard.get(behind),
            Some(&[!round; 100][..]),
            "behind the forgotten bytes"
        );
        drop(guard);
        advance(&pool, 1);
        assert_eq!(pool.maintain().held_by_guards.epochs, 0);
        adds_up(&pool);
    }
}

#[test]
#[cfg_attr(epoch_arena_asan, ignore = "a leak on purpose")]
fn a_forgotten_guard_beside_the_users_is_reported() {
    let (memory, collector) = (memory(), Collector::new());
    let pool = builder(1)
        .memory(memory.clone())
        .collector(collector.clone());
    let pool = pool.build().unwrap();
    let participant = collector.register();
    let guard = participant.pin();
    forget(pool.pin_with(&guard).unwrap());
    drop(guard);
    for _ in 0..10 {
        put(&pool, &[1; 1_000]);
        advance(&pool, 1);
        adds_up(&pool);
    }
    let report = pool.maintain();
    assert_eq!((report.held_by_guards.epochs, report.pinned.len()), (10, 1));
    assert_eq!(report.pinned[0].lag, 10);
    drop(pool);
    assert_eq!(memory.stats().in_use, 0);
}

#[test]
#[cfg_attr(epoch_arena_asan, ignore = "a leak on purpose")]
fn forgotten_pools_and_locals_are_leaks_and_no_more() {
    let memory = memory();
    for _ in 0..10 {
        let pool = builder(2).memory(memory.clone()).build().unwrap();
        put(&pool, b"key");
        forget(pool.local());
        forget(pool.clone());
        let handle = put(&pool, b"still there");
        assert_eq!(find(&pool, handle), Some(b"still there".to_vec()));
    }
    assert_eq!(memory.stats().in_use, 10 * SMALLEST);
}
