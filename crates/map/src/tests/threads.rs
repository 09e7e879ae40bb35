//! Threads that insert, get and scan at once, over pages so small that they split all the time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::map_of;
use super::model::both_ends;
use crate::InsertError;

const MANY: u64 = if cfg!(miri) { 15 } else { 4_000 };

fn key(n: u64) -> [u8; 8] {
    // Neighbours are inserted far apart in time.
    (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16).to_be_bytes()
}

/// Says that it is over when dropped, so that the others end if this thread fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A scanner among writers: all that was there before it began, in order, once.
#[test]
fn a_scan_has_all_that_was_there_before_it() {
    for (first, page) in [(2, 4), (12, 53)] {
        let map = map_of(first, page);
        let done = [(); 2].map(|()| AtomicU64::new(0));
        let over = AtomicBool::new(false);
        std::thread::scope(|s| {
            for thread in 0..2 {
                let (map, done, over) = (&map, &done, &over);
                s.spawn(move || {
                    let _ends = Ends(over);
                    for n in 0..MANY {
                        map.insert(&key(2 * n + thread), 0, &(2 * n + thread).to_be_bytes())
                            .unwrap();
                        done[thread as usize].store(n + 1, Ordering::Release);
                    }
                });
            }
            // From the front, from the back, and from both.
            for turns in [0, u64::MAX, 0x5555_5555_5555_5555] {
                let (map, done, over) = (&map, &done, &over);
                s.spawn(move || {
                    loop {
                        let last = over.load(Ordering::Acquire);
                        let before = [0, 1].map(|t| done[t].load(Ordering::Acquire));
                        let entries = both_ends(&mut map.iter(), turns);
                        assert!(entries.is_sorted_by(|a, b| a.key() < b.key()));
                        let mut seen = vec![false; 2 * MANY as usize];
                        for entry in entries {
                            let n = u64::from_be_bytes(entry.value().try_into().unwrap());
                            assert_eq!(entry.key(), key(n));
                            seen[n as usize] = true;
                        }
                        for (thread, before) in before.into_iter().enumerate() {
                            for n in 0..before as usize {
                                assert!(seen[2 * n + thread], "{n} of {thread} is missing");
                            }
                        }
                        if last {
                            break;
                        }
                    }
                });
            }
        });
        assert_eq!(map.len() as u64, 2 * MANY);
    }
}

/// Threads insert the same records: of each one wins.
#[test]
fn one_of_several_equal_inserts_wins() {
    for page in [3, 53] {
        let map = map_of(2, page);
        let wins: u64 = std::thread::scope(|s| {
            let threads = [(); 3].map(|()| {
                s.spawn(|| {
                    let won = |n: &u64| match map.insert(&key(*n), 1, b"") {
                        Ok(()) => true,
                        Err(InsertError::Exists) => false,
                        Err(error) => panic!("{error}"),
                    };
                    (0..MANY).filter(won).count() as u64
                })
            });
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!((wins, map.len() as u64), (MANY, MANY));
        assert_eq!(map.iter().count() as u64, MANY);
    }
}

/// All threads append at the right end.
#[test]
fn ascending_records_of_several_threads_are_all_there() {
    for page in [3, 53] {
        let (map, next) = (map_of(2, page), AtomicU64::new(0));
        std::thread::scope(|s| {
            for _ in 0..3 {
                s.spawn(|| {
                    let guard = map.pool().pin();
                    let mut writer = map.writer(&guard);
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= MANY {
                            break;
                        }
                        writer.insert(&n.to_be_bytes(), 0, b"").unwrap();
                        assert!(map.get(&n.to_be_bytes(), 0).is_some());
                    }
                });
            }
        });
        let keys = map
            .iter()
            .map(|e| u64::from_be_bytes(e.key().try_into().unwrap()));
        assert!(keys.eq(0..MANY));
    }
}

/// Many gets at once among writers that split every page on their way: each finds what it would alone.
#[test]
fn many_gets_find_what_each_would() {
    for (first, page) in [(2, 4), (12, 53)] {
        let map = map_of(first, page);
        // Of every other key a version that the reader sees; writers add the others, and newer versions.
        for n in (0..MANY).step_by(2) {
            map.insert(&key(n), 1, &n.to_be_bytes()).unwrap();
        }
        let over = AtomicBool::new(false);
        std::thread::scope(|s| {
            for thread in 0..2 {
                let (map, over) = (&map, &over);
                s.spawn(move || {
                    let _ends = Ends(over);
                    for n in (0..2 * MANY).filter(|n| n % 2 == thread) {
                        map.insert(&key(n), 2, b"").unwrap();
                    }
                });
            }
            loop {
                let last = over.load(Ordering::Acquire);
                let found = map.get_each((0..MANY).map(key), 1);
                let mut count = 0;
                for (n, entry) in (0..MANY).zip(found) {
                    let value = entry.map(|entry| (entry.version(), entry.value().to_vec()));
                    let expected = (n % 2 == 0).then(|| (1, n.to_be_bytes().to_vec()));
                    assert_eq!(value, expected, "{n}");
                    count += 1;
                }
                assert_eq!(count, MANY);
                if last {
                    break;
                }
            }
        });
        assert_eq!(map.len() as u64, 2 * MANY + MANY.div_ceil(2));
    }
}
