//! M7 with a collector that the user shares: one guard for a `SkipMap` and for the pool.

use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_epoch::Collector;
use crossbeam_skiplist::SkipMap;
use epoch_arena_pool::{ArenaHandle, ArenaPool, ForeignGuard, PinKind};

use crate::pools::{advance, builder, find, pool, put};
use crate::rng::Rng;
use crate::support::Finish;

fn shared() -> (Collector, ArenaPool) {
    let collector = Collector::new();
    let pool = builder(1).collector(collector.clone()).build().unwrap();
    (collector, pool)
}

#[test]
fn m7_a_view_reads_and_writes_under_the_users_guard() {
    let (collector, pool) = shared();
    let participant = collector.register();
    let guard = participant.pin();
    let view = pool.view(&guard).unwrap();
    let handle = view.alloc_copy(b"under a foreign guard").unwrap();
    let bytes = view.get(handle).unwrap();
    advance(&pool, 3);
    assert_eq!(view.get(handle), None);
    assert_eq!(bytes, b"under a foreign guard");
    let report = pool.maintain();
    assert_eq!(report.held_by_guards.epochs, 3);
    assert_eq!(report.pinned.len(), 1);
    assert_eq!(report.pinned[0].kind, PinKind::ForeignGuard);
    assert!(report.to_string().contains("foreign guard"), "{report}");
    drop(view);
    drop(guard);
    let report = pool.maintain();
    assert_eq!((report.held_by_guards.epochs, report.pinned), (0, vec![]));
}

/// A view and a guard of ours on one thread share its chunk, in any order.
#[test]
fn m7_m9_views_and_guards_of_a_thread_fill_one_chunk() {
    let (collector, pool) = shared();
    let participant = collector.register();
    let mut handles = Vec::new();
    for round in 0..50_u8 {
        let foreign = participant.pin();
        let view = pool.view(&foreign).unwrap();
        handles.push(view.alloc_copy(&[round; 5]).unwrap());
        let ours = pool.pin();
        handles.push(ours.alloc_copy(&[round; 5]).unwrap());
        drop(view);
        drop(foreign);
        handles.push(ours.alloc_copy(&[round; 5]).unwrap());
    }
    let stats = pool.stats();
    assert_eq!(
        (stats.allocations, stats.payload, stats.live),
        (150, 750, 4096)
    );
    for (i, handle) in handles.iter().enumerate() {
        assert_eq!(find(&pool, *handle), Some(vec![(i / 3) as u8; 5]));
    }
}

#[test]
fn m7_a_guard_that_does_not_protect_is_refused() {
    let ((collector, ours), own) = (shared(), pool(2));
    let other = Collector::new().register();
    let participant = collector.register();
    assert!(ours.view(&participant.pin()).is_ok());
    assert_eq!(ours.view(&other.pin()).err(), Some(ForeignGuard));
    assert_eq!(ours.view(&crossbeam_epoch::pin()).err(), Some(ForeignGuard));
    assert_eq!(own.view(&participant.pin()).err(), Some(ForeignGuard));
    // SAFETY: nothing is accessed through it; it is to be refused.
    let unprotected = unsafe { crossbeam_epoch::unprotected() };
    assert_eq!(ours.view(unprotected).err(), Some(ForeignGuard));
    let words = ForeignGuard.to_string();
    assert!(words.contains("PoolBuilder::collector") && words.contains("ArenaPool::pin"));
    assert!(ours.stats().pinned.is_empty(), "no trace of the refused");
}

/// A guard that the user has moved on protects what is found under it from then on.
#[test]
fn m7_a_view_under_a_guard_that_was_moved_on() {
    let (collector, pool) = shared();
    let participant = collector.register();
    let mut guard = participant.pin();
    let old = pool.view(&guard).unwrap().alloc_copy(b"old").unwrap();
    advance(&pool, 1);
    #[expect(
        clippy::disallowed_methods,
        reason = "what a user may do is what is tested"
    )]
    guard.repin();
    let view = pool.view(&guard).unwrap();
    let new = view.alloc_copy(b"new").unwrap();
    let bytes = view.get(new).unwrap();
    assert_eq!(view.get(old), None);
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
fn m7_a_skiplist_and_the_pool_under_one_default_guard() {
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
                        let guard = crossbeam_epoch::pin();
                        let view = pool.view(&guard).unwrap();
                        let key = rng.below(keys) as u64;
                        map.insert(key, view.alloc_copy(&value(key)).unwrap());
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
                let guard = crossbeam_epoch::pin();
                let view = pool.view(&guard).unwrap();
                for entry in map.iter() {
                    if let Some(bytes) = view.get(*entry.value()) {
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
