//! Writers, readers and an advancer at once: tags, bytes and figures agree.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use epoch_arena_pool::ArenaHandle;

use crate::ends::Finish;
use crate::pools::{adds_up, advance, all_reclaimed, maintain_until, pool};
use crate::rng::Rng;

/// With every epoch retained, what handles say adds up to what the epochs
/// say: no allocation is wiped, or tagged with another epoch than the one it was made in.
#[test]
fn allocations_race_with_advance_and_none_is_mistagged() {
    const EPOCHS: u32 = if cfg!(miri) { 10 } else { 500 };
    let pool = pool(EPOCHS + 10);
    let done = AtomicBool::new(false);
    let all: Vec<Vec<ArenaHandle>> = std::thread::scope(|s| {
        let finish = Finish(&done);
        let writers: Vec<_> = (0..4_u64)
            .map(|t| {
                let (pool, done) = (&pool, &done);
                s.spawn(move || {
                    let mut rng = Rng::new(t);
                    let mut mine = Vec::new();
                    while !done.load(Ordering::Relaxed) {
                        let guard = pool.pin();
                        for _ in 0..10 {
                            let before = guard.epoch();
                            let bytes = vec![t as u8; rng.below(50)];
                            let handle = match rng.below(3) {
                                0 => guard.alloc_copy(&bytes).unwrap(),
                                1 => guard.alloc_concat([&bytes[..], b""]).unwrap(),
                                _ => guard.batch(bytes.len()).unwrap().push(&bytes).unwrap(),
                            };
                            assert!(before <= handle.epoch() && handle.epoch() <= guard.epoch());
                            assert_eq!(guard.get(handle), Some(&bytes[..]));
                            mine.push(handle);
                        }
                        drop(guard);
                        if mine.len() > 200_000 {
                            break;
                        }
                    }
                    mine
                })
            })
            .collect();
        (0..EPOCHS).for_each(|_| {
            advance(&pool, 1);
            std::thread::yield_now();
        });
        drop(finish);
        writers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    pool.maintain();
    let mut by_epoch: HashMap<_, (usize, usize)> = HashMap::new();
    let guard = pool.pin();
    for (t, handles) in all.iter().enumerate() {
        for handle in handles {
            let bytes = guard.get(*handle).expect("its epoch is retained");
            assert!(bytes.iter().all(|b| *b == t as u8), "written over");
            let (payload, count) = by_epoch.entry(handle.epoch()).or_default();
            *payload += bytes.len();
            *count += 1;
        }
    }
    for epoch in pool.snapshot().epochs() {
        let stats = pool.stats_of(epoch).unwrap();
        let expected = by_epoch.remove(&epoch).unwrap_or_default();
        assert_eq!((stats.payload, stats.allocations), expected, "{epoch}");
    }
    assert!(by_epoch.is_empty());
    adds_up(&pool);
}

/// Readers resolve what writers published while epochs go as fast as they can. Every value
/// carries its own check; a wrong byte would be a reclaimed arena that was still in view.
#[test]
fn readers_never_see_a_wrong_byte_while_epochs_fly_past() {
    const SHELVES: usize = 64;
    let pool = pool(2);
    let shelves: [Mutex<Option<ArenaHandle>>; SHELVES] = [const { Mutex::new(None) }; SHELVES];
    let value = |seed: u64| {
        let len = 1 + (seed % 90) as usize;
        let mut rng = Rng::new(seed);
        let body = (0..len).map(|_| rng.next() as u8);
        seed.to_be_bytes()
            .into_iter()
            .chain(body)
            .collect::<Vec<u8>>()
    };
    let check = |bytes: &[u8]| {
        let seed = u64::from_be_bytes(*bytes.first_chunk().expect("a seed in front"));
        assert_eq!(bytes, value(seed));
    };
    let done = AtomicBool::new(false);
    let rounds = if cfg!(miri) { 30 } else { 20_000_u64 };
    std::thread::scope(|s| {
        let (pool, shelves, done) = (&pool, &shelves, &done);
        let finish = Finish(done);
        let writers: Vec<_> = (0..2)
            .map(|t| {
                s.spawn(move || {
                    for round in 0..rounds {
                        let seed = round << 1 | t;
                        let handle = pool.pin().alloc_copy(&value(seed)).unwrap();
                        *shelves[seed as usize % SHELVES].lock().unwrap() = Some(handle);
                    }
                })
            })
            .collect();
        for t in 0..2 {
            s.spawn(move || {
                let mut rng = Rng::new(99 + t);
                let shelf = |at: usize| *shelves[at].lock().unwrap();
                while !done.load(Ordering::Relaxed) {
                    let guard = pool.pin();
                    let handles = [(); 8].map(|()| shelf(rng.below(SHELVES)));
                    let seen = handles.map(|handle| handle.and_then(|h| guard.get(h)));
                    seen.iter().flatten().for_each(|bytes| check(bytes));
                    let lease = handles[0].and_then(|handle| pool.lease(handle.epoch()));
                    std::thread::yield_now();
                    seen.iter().flatten().for_each(|bytes| check(bytes));
                    drop(guard);
                    if let Some(lease) = lease {
                        check(lease.get(handles[0].unwrap()).expect("leased"));
                    }
                }
            });
        }
        s.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let _ = pool.advance();
            }
        });
        writers.into_iter().for_each(|w| w.join().unwrap());
        drop(finish);
    });
    maintain_until(&pool, all_reclaimed);
    adds_up(&pool);
}
