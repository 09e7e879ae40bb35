//! A collector that the user shares: one guard for a `SkipMap` and for the pool.

use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_epoch::Collector;
use crossbeam_skiplist::SkipMap;
use epoch_arena_pool::{ArenaHandle, ArenaPool, ForeignGuard};

use crate::ends::Finish;
use crate::pools::{SMALLEST, advance, builder, find, pool, put};
use crate::rng::Rng;

fn shared() -> (Collector, ArenaPool) {
    let collector = Collector::new();
    let pool = builder(1).collector(collector.clone()).build().unwrap();
    (collector, pool)
}

#[test]
fn a_guard_beside_the_users_reads_and_writes() {
    let (collector, pool) = shared();
    let participant = collector.register();
    let theirs = participant.pin();
    let guard = pool.pin_with(&theirs).unwrap();
    let handle = guard.alloc_copy(b"under a foreign guard").unwrap();
    let bytes = guard.get(handle).unwrap();
    advance(&pool, 3);
    assert_eq!(guard.get(handle), None);
    assert_eq!(bytes, b"under a foreign guard");
    let report = pool.maintain();
    assert_eq!(report.held_by_guards.epochs, 3);
    assert_eq!(report.pinned.len(), 1);
    drop(guard);
    drop(theirs);
    let report = pool.maintain();
    assert_eq!((report.held_by_guards.epochs, report.pinned), (0, vec![]));
}

/// Guards beside a user's and others of one thread fill the same chunks, in any order.
#[test]
fn all_guards_of_a_thread_fill_the_same_chunks() {
    let (collector, pool) = shared();
    let participant = collector.register();
    let mut handles = Vec::new();
    for round in 0..50_u8 {
        let theirs = participant.pin();
        let beside = pool.pin_with(&theirs).unwrap();
        handles.push(beside.alloc_copy(&[round; 5]).unwrap());
        let ours = pool.pin();
        handles.push(ours.alloc_copy(&[round; 5]).unwrap());
        drop(beside);
        drop(theirs);
        handles.push(ours.alloc_copy(&[round; 5]).unwrap());
    }
    let stats = pool.stats();
    assert_eq!(
        (stats.allocations, stats.payload, stats.live),
        (150, 750, 2 * SMALLEST)
    );
    for (i, handle) in handles.iter().enumerate() {
        assert_eq!(find(&pool, *handle), Some(vec![(i / 3) as u8; 5]));
    }
}

#[test]
fn a_guard_that_does_not_protect_is_refused() {
    let ((collector, ours), own) = (shared(), pool(2));
    let other = Collector::new().register();
    let participant = collector.register();
    assert!(ours.pin_with(&participant.pin()).is_ok());
    assert_eq!(ours.pin_with(&other.pin()).err(), Some(ForeignGuard));
    assert_eq!(
        ours.pin_with(&crossbeam_epoch::pin()).err(),
        Some(ForeignGuard)
    );
    assert_eq!(own.pin_with(&participant.pin()).err(), Some(ForeignGuard));
    // SAFETY: nothing is accessed through it; it is to be refused.
    let unprotected = unsafe { crossbeam_epoch::unprotected() };
    assert_eq!(ours.pin_with(unprotected).err(), Some(ForeignGuard));
    let words = ForeignGuard.to_string();
    assert!(words.contains("PoolBuilder::collector") && words.contains("ArenaPool::pin"));
    assert!(ours.stats().pinned.is_empty(), "no trace of the refused");
}

/// A guard that the user has moved on protects what is found under it from then on.
#[test]
fn a_guard_beside_one_that_was_moved_on() {
    let (collector, pool) = shared();
    let participant = collector.register();
    let mut theirs = participant.pin();
    let old = pool.pin_with(&theirs).unwrap().alloc_copy(b"old").unwrap();
    advance(&pool, 1);
    #[expect(
        clippy::disallowed_methods,
        reason = "what a user may do is what is tested"
    )]
    theirs.repin();
    let guard = pool.pin_with(&theirs).unwrap();
    let new = guard.alloc_copy(b"new").unwrap();
    let bytes = guard.get(new).unwrap();
    assert_eq!(guard.get(old), None);
    pool.maintain();
    let held = pool.stats().retired_epochs;
    assert!(
        held <= 1,
        "what was retired before may be free, {held} are held"
    );
    advance(&pool, 2);
    assert_eq!(bytes, b"new");
}

/// The real thing: `crossbeam_skiplist` on the default collector, handles as its values, one
/// guard for both; epochs advance meanwhile.
#[test]
fn a_skiplist_and_the_pool_under_one_default_guard() {
    let collector = crossbeam_epoch::default_collector().clone();
    let pool = builder(2).collector(collector).build().unwrap();
    let map: SkipMap<u64, ArenaHandle> = SkipMap::new();
    let (done, keys) = (AtomicBool::new(false), if cfg!(miri) { 8 } else { 512 });
    let value = |key: u64| [key.to_be_bytes(), (!key).to_be_bytes()].concat();
    std::thread::scope(|s| {
        let finish = Finish(&done);
        let writers: Vec<_> = (0..2)
            .map(|t| {
                let (map, pool) = (&map, &pool);
                s.spawn(move || {
                    let mut rng = Rng::new(t);
                    for round in 0..if cfg!(miri) { 20 } else { 5_000 } {
                        let theirs = crossbeam_epoch::pin();
                        let guard = pool.pin_with(&theirs).unwrap();
                        let key = rng.below(keys) as u64;
                        map.insert(key, guard.alloc_copy(&value(key)).unwrap());
                        if t == 0 && round % 50 == 0 {
                            // Other tests' guards of this collector may take all slots.
                            let _ = pool.advance();
                        }
                    }
                })
            })
            .collect();
        let reader = s.spawn(|| {
            let mut found = 0_usize;
            while !done.load(Ordering::Relaxed) {
                let theirs = crossbeam_epoch::pin();
                let guard = pool.pin_with(&theirs).unwrap();
                for entry in map.iter() {
                    if let Some(bytes) = guard.get(*entry.value()) {
                        assert_eq!(bytes, value(*entry.key()));
                        found += 1;
                    }
                }
            }
            found
        });
        writers.into_iter().for_each(|w| w.join().unwrap());
        drop(finish);
        reader.join().unwrap();
    });
    let fresh = put(&pool, b"still works");
    assert_eq!(find(&pool, fresh), Some(b"still works".to_vec()));
}

/// A refresh moves the pool's own pin on, beside a guard that stays.
#[test]
fn a_refresh_beside_the_users_guard_leaves_that_as_it_is() {
    let (collector, pool) = shared();
    let participant = collector.register();
    let theirs = participant.pin();
    let mut guard = pool.pin_with(&theirs).unwrap();
    let old = guard.alloc_copy(b"old").unwrap();
    advance(&pool, 1);
    assert!(guard.refresh());
    assert_eq!(guard.get(old), None);
    let report = pool.maintain();
    assert_eq!(report.pinned[0].epoch, pool.current_epoch());
    assert_eq!(report.held_unseen.epochs, 1, "by the user's guard alone");
    let nested = pool.pin();
    assert!(!guard.refresh(), "another guard is alive");
    drop((guard, nested));
    drop(theirs);
    assert_eq!(pool.maintain().reclaimed_epochs, 1);
}
