//! Small enough for Miri, which `cargo xtask verify` runs them under; ordinary tests elsewhere.

use std::sync::Mutex;

use crossbeam_epoch::Collector;
use epoch_arena_pool::{Alignment, ArenaHandle, ArenaPool};

use crate::pools::{advance, all_reclaimed, builder, find, maintain_until, pool, put};

#[test]
fn two_threads_write_and_resolve_each_others_handles() {
    let pool = pool(2);
    let shelf: Mutex<Vec<(ArenaHandle, u8)>> = Mutex::default();
    std::thread::scope(|s| {
        for t in [1, 2] {
            let (pool, shelf) = (&pool, &shelf);
            s.spawn(move || {
                for len in [0, 1, 7, 16, 33] {
                    let guard = pool.pin();
                    let handle = guard.alloc_copy(&[t; 33][..len]).unwrap();
                    shelf.lock().unwrap().push((handle, t));
                    for (handle, t) in shelf.lock().unwrap().iter() {
                        let bytes = guard.get(*handle).expect("its epoch is live");
                        assert!(bytes.iter().all(|byte| byte == t));
                    }
                }
            });
        }
    });
    let all = shelf.into_inner().unwrap();
    assert_eq!(all.len(), 10);
    for (handle, t) in all {
        assert_eq!(find(&pool, handle), Some(vec![t; handle.len()]));
    }
}

#[test]
fn readers_and_writers_while_epochs_fly_past() {
    let pool = pool(1);
    let shelf: Mutex<Option<ArenaHandle>> = Mutex::default();
    let rounds = if cfg!(miri) { 6 } else { 1_000_u32 };
    std::thread::scope(|s| {
        let (pool, shelf) = (&pool, &shelf);
        s.spawn(move || {
            for round in 0..rounds {
                let handle = put(pool, &[round as u8; 40]);
                *shelf.lock().unwrap() = Some(handle);
            }
        });
        s.spawn(move || {
            for _ in 0..rounds {
                let guard = pool.pin();
                let handle = *shelf.lock().unwrap();
                let lease = handle.and_then(|handle| pool.lease(handle.epoch()));
                let seen = handle.and_then(|handle| guard.get(handle));
                std::thread::yield_now();
                if let Some(bytes) = seen {
                    assert!(bytes.iter().all(|byte| *byte == bytes[0]));
                }
                drop(guard);
                if let (Some(lease), Some(handle)) = (lease, handle) {
                    let bytes = lease.get(handle).expect("leased");
                    assert!(bytes.iter().all(|byte| *byte == bytes[0]));
                }
            }
        });
        for _ in 0..rounds {
            // Refused while the others hold what is retired, which is as well.
            let _ = pool.advance();
        }
    });
    maintain_until(&pool, all_reclaimed);
}

#[test]
fn memory_of_a_reclaimed_epoch_is_written_again() {
    let pool = pool(1);
    let mut reserved = 0;
    for round in 0..5_u8 {
        let handle = put(&pool, &[round; 100]);
        assert_eq!(find(&pool, handle), Some(vec![round; 100]));
        advance(&pool, 1);
        assert_eq!(find(&pool, handle), None);
        let now = pool.stats().memory.reserved;
        assert!(
            round == 0 || now == reserved,
            "{now}, and before {reserved}"
        );
        reserved = now;
    }
}

#[test]
fn a_lease_keeps_bytes_past_their_epoch() {
    let pool = pool(1);
    let handle = put(&pool, b"leased");
    let lease = pool.lease(handle.epoch()).expect("live");
    let snapshot = pool.snapshot();
    advance(&pool, 2);
    assert_eq!(find(&pool, handle), None);
    std::thread::scope(|s| {
        s.spawn(|| assert_eq!(lease.get(handle), Some(&b"leased"[..])));
        s.spawn(|| assert_eq!(snapshot.get(handle), Some(&b"leased"[..])));
    });
    drop((lease, snapshot));
    pool.maintain();
    assert_eq!(pool.stats().retired_epochs, 0);
}

#[test]
fn every_way_to_write() {
    let collector = Collector::new();
    let pool = builder(2).collector(collector.clone()).build().unwrap();
    let participant = collector.register();
    let theirs = participant.pin();
    let guard = pool.pin_with(&theirs).expect("its own collector");
    let mut batch = guard.batch(100).unwrap();
    let mut uninit = guard.alloc_uninit(3, Alignment::new(64).unwrap()).unwrap();
    for (to, from) in uninit.iter_mut().zip(*b"abc") {
        to.write(from);
    }
    // SAFETY: the loop wrote all three.
    let written = unsafe { uninit.assume_init() };
    let handles = [
        batch.push(b"abc").unwrap(),
        batch.push_concat([b"a", b"bc"]).unwrap(),
        guard.alloc_concat([&b"ab"[..], b"c"]).unwrap(),
        guard
            .alloc_with(3, |room| room.copy_from_slice(b"abc"))
            .unwrap(),
        guard
            .alloc_copy_aligned(b"abc", Alignment::new(16).unwrap())
            .unwrap(),
        guard.promote(written).unwrap(),
        guard.alloc_str("abc").unwrap(),
        guard.alloc_fmt(format_args!("{}bc", 'a')).unwrap(),
        written,
    ];
    // Larger than a block: a region of its own.
    let large = vec![b'x'; 70_000];
    let alone = guard.alloc_copy(&large).unwrap();
    assert_eq!(guard.get(alone), Some(&large[..]));
    for handle in handles {
        assert_eq!(guard.get(handle), Some(&b"abc"[..]));
    }
    drop(batch);
    drop(guard);
    // Over 4 KiB: two share a chunk for large values, in each epoch another one.
    for _ in 0..2 {
        let guard = pool.pin();
        for len in [5_000, 5_001] {
            let shares = guard.alloc_copy(&large[..len]).unwrap();
            assert_eq!(guard.get(shares), Some(&large[..len]));
        }
        drop(guard);
        advance(&pool, 1);
    }
}

/// A writer grows in its chunk, moves behind a put and into a larger chunk, and gives back what it does not use.
#[test]
fn a_writer_grows_moves_and_gives_back() {
    let pool = pool(2);
    let guard = pool.pin();
    let (mut value, mut dropped) = (guard.writer().unwrap(), guard.writer().unwrap());
    let mut model = Vec::new();
    for (at, len) in [1, 5, 0, 40, 700, 1].into_iter().enumerate() {
        value.push(&vec![at as u8; len]).unwrap();
        dropped.push(&[0xdd; 20]).unwrap();
        model.extend(vec![at as u8; len]);
        let put = guard.alloc_copy(&[0xee; 9][..at]).unwrap();
        assert_eq!(value.as_bytes(), model);
        assert_eq!(guard.get(put), Some(&[0xee; 9][..at]));
    }
    drop(dropped);
    let handle = value.finish();
    assert_eq!(guard.get(handle), Some(&model[..]));
    assert_eq!(handle.len(), 747);
}

#[test]
fn owned_bytes_outlive_the_pool_on_another_thread() {
    let pool = pool(1);
    let handle = put(&pool, b"key and value");
    let owned = pool.snapshot().owned(handle).expect("live");
    let value = owned.clone().map(|bytes| &bytes[8..]);
    advance(&pool, 2);
    drop(pool);
    std::thread::spawn(move || assert_eq!(&*value, b"value"))
        .join()
        .unwrap();
    assert_eq!(&*owned, b"key and value");
}

/// The last handle of a collector ends after the pool, with the thread; it
/// must not free the collector whose memory it runs in.
#[test]
fn a_default_pool_and_its_collector_end_in_any_order() {
    for last in ["pool", "thread", "local", "lease"] {
        std::thread::spawn(move || {
            let pool = ArenaPool::builder().build().unwrap();
            let handle = put(&pool, b"key");
            let (local, lease) = (pool.local(), pool.lease(handle.epoch()).unwrap());
            match last {
                "pool" => drop((local, lease)),
                "local" => drop((pool, lease, local)),
                "lease" => drop((pool, local, lease)),
                _ => {
                    drop((pool, local, lease));
                    // Another pool's first pin drops this thread's state in the dead one.
                    put(&ArenaPool::builder().build().unwrap(), b"key");
                }
            }
        })
        .join()
        .unwrap();
    }
}
