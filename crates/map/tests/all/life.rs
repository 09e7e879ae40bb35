//! Rotation, freezing, and who holds the memory.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use epoch_arena_map::{ArenaMap, InsertError, MapError};
use epoch_arena_pool::{ArenaPool, Memory, WaitError};

use crate::ends::{Finish, Meeting, until};

const LONG: Duration = Duration::from_secs(100);

fn map() -> ArenaMap {
    ArenaMap::new(&ArenaPool::builder().build().unwrap()).unwrap()
}

#[test]
fn one_of_several_threads_that_rotate_gets_the_next_map() {
    for _ in 0..if cfg!(miri) { 2 } else { 50 } {
        let (map, start) = (map(), Meeting::new(4));
        let epoch = map.epoch();
        let next: Vec<_> = std::thread::scope(|s| {
            let threads = [(); 4].map(|()| {
                s.spawn(|| {
                    start.wait();
                    map.rotate()
                })
            });
            threads.map(|thread| thread.join().unwrap()).into()
        });
        let won: Vec<_> = next.iter().filter_map(|next| next.as_ref().ok()).collect();
        assert!(won.len() == 1 && won[0].epoch() > epoch);
        assert_eq!(won[0].epoch(), map.pool().current_epoch(), "one advance");
        let lost = next.iter().filter_map(|next| next.as_ref().err());
        assert!(lost.eq([&MapError::Rotated; 3]));
    }
}

#[test]
fn a_frozen_map_rotates_without_an_advance() {
    let pool = ArenaPool::builder().build().unwrap();
    let (one, other) = (ArenaMap::new(&pool).unwrap(), ArenaMap::new(&pool).unwrap());
    let first = one.rotate().unwrap();
    let now = pool.current_epoch();
    assert_eq!(
        other.insert(b"key", 0, b""),
        Err(InsertError::Frozen { now })
    );
    let second = other.rotate().unwrap();
    assert_eq!(
        (first.epoch(), second.epoch(), pool.current_epoch()),
        (now, now, now)
    );
    second.insert(b"key", 0, b"").unwrap();
    assert!(first.is_empty() && !second.is_empty() && second.len() == 1);
}

#[test]
fn a_rotation_that_fails_can_be_tried_again() {
    let memory = Memory::builder().block_size(4096).budget(2 * 4096);
    let memory = memory.build().unwrap();
    let pool_over = || ArenaPool::builder().memory(memory.clone()).build().unwrap();
    let (pool, other) = (pool_over(), pool_over());
    let map = ArenaMap::new(&pool).unwrap();
    map.insert(b"key", 0, b"value").unwrap();
    // The other pool takes all that is left, to the last key.
    while other.pin().alloc_copy(b"in the way").is_ok() {}
    let refused = map.rotate().unwrap_err();
    assert!(refused.over_budget().is_some(), "{refused}");
    assert_eq!(map.get(b"key", 0).unwrap().value(), b"value");
    drop(other);
    let next = map.rotate().unwrap();
    next.insert(b"key", 0, b"").unwrap();
    assert_eq!(map.rotate().err(), Some(MapError::Rotated));
}

/// What is there when `freeze` has returned is all that will ever be, and all that was acknowledged.
#[test]
fn freeze_leaves_what_was_acknowledged_and_nothing_more() {
    for _ in 0..if cfg!(miri) { 2 } else { 30 } {
        let (map, inserted) = (map(), AtomicU64::new(0));
        let done = AtomicBool::new(false);
        std::thread::scope(|s| {
            let _finish = Finish(&done);
            for thread in 0..3_u64 {
                let (map, inserted, done) = (&map, &inserted, &done);
                s.spawn(move || {
                    for n in 0.. {
                        let is_over = done.load(Ordering::Relaxed);
                        match map.insert(&u64::to_be_bytes(3 * n + thread), 0, b"") {
                            Ok(()) => inserted.fetch_add(1, Ordering::Relaxed),
                            Err(InsertError::Frozen { .. }) => break,
                            Err(error) => panic!("{error}"),
                        };
                        assert!(!is_over, "the map is not frozen at the end");
                    }
                });
            }
            until(|| map.len() >= 10);
            let next = map.rotate().unwrap();
            map.freeze(LONG).unwrap();
            let then = (map.len(), map.iter().count());
            assert_eq!(then.0, then.1);
            std::thread::yield_now();
            assert_eq!(then, (map.len(), map.iter().count()));
            assert!(next.is_empty());
        });
        assert_eq!(map.len() as u64, inserted.into_inner());
    }
}

#[test]
fn freeze_says_what_it_waits_for() {
    let map = map();
    assert_eq!(map.freeze(Duration::ZERO), Err(WaitError::TimedOut));
    let guard = map.pool().pin();
    let _next = map.rotate().unwrap();
    assert_eq!(map.freeze(LONG), Err(WaitError::Pinned));
    drop(guard);
    assert_eq!(map.freeze(LONG), Ok(()));
}

#[test]
fn a_guard_of_another_pool_inserts_nothing() {
    let (map, other) = (map(), ArenaPool::builder().build().unwrap());
    let guard = other.pin();
    let now = other.current_epoch();
    let refused = map.writer(&guard).insert(b"key", 0, b"");
    assert_eq!(refused, Err(InsertError::Frozen { now }));
    assert!(map.is_empty());
}

/// Memory is flat over many rotations, and one owned entry holds its map's.
#[test]
fn memory_is_flat_over_rotations_and_owned_entries_hold_it() {
    let memory = Memory::builder().block_size(64 << 10).build().unwrap();
    let pool = ArenaPool::builder().memory(memory).build().unwrap();
    let mut map = ArenaMap::new(&pool).unwrap();
    let (mut owned, mut flat) = (Vec::new(), 0);
    for round in 0..if cfg!(miri) { 6 } else { 60_u64 } {
        for n in 0..if cfg!(miri) { 20 } else { 500_u64 } {
            map.insert(&n.to_be_bytes(), round, &[7; 50]).unwrap();
        }
        if round == 1 {
            owned.push(map.get(&[0; 8], round).unwrap().to_owned());
        }
        map = map.rotate().unwrap();
        pool.maintain();
        let reserved = pool.bytes();
        if round == 5 {
            flat = reserved;
        }
        assert!(round <= 5 || reserved <= flat, "{reserved} after {flat}");
    }
    let owned = owned.pop().unwrap();
    drop((map, pool));
    let value = std::thread::spawn(move || (owned.version(), owned.to_vec()));
    assert_eq!(value.join().unwrap(), (1, vec![7; 50]));
}
