//! Histories of three threads that insert and get a few records at once, each checked by brute force: its calls have an
//! order in which each gives what it gave, and in which none comes before one that had returned when it began.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};

use epoch_arena_pool::ArenaPool;

use super::map_in;
use super::parked::set_hook;
use crate::{ArenaMap, InsertError};

#[derive(Clone, Copy, Debug)]
enum Op {
    Insert { key: u8, version: u64 },
    Get { key: u8, at: u64 },
}

#[derive(Debug)]
struct Call {
    op: Op,
    began: u64,
    ended: u64,
    /// The version that was inserted, or found.
    gave: Option<u64>,
}

/// What an operation gives in a map with these records.
fn expected(op: Op, records: impl Iterator<Item = (u8, u64)>) -> Option<u64> {
    match op {
        Op::Insert { key, version } => {
            let mut records = records;
            (!records.any(|record| record == (key, version))).then_some(version)
        }
        Op::Get { key, at } => records
            .filter(|(other, version)| *other == key && *version <= at)
            .map(|(_, version)| version)
            .max(),
    }
}

/// Whether calls have such an order, in a map that had `before`. A set of calls that may come first leaves the same
/// records in each order, so sets are looked at in place of orders.
fn is_linearizable(before: &[(u8, u64)], calls: &[Call]) -> bool {
    let mut may_come_first = vec![false; 1 << calls.len()];
    may_come_first[0] = true;
    for set in 0..may_come_first.len() {
        if !may_come_first[set] {
            continue;
        }
        let inserted = || {
            let of_set = (0..calls.len()).filter(|index| set >> index & 1 == 1);
            of_set.filter_map(|index| match calls[index].op {
                Op::Insert { key, version } => Some((key, version)),
                Op::Get { .. } => None,
            })
        };
        for (index, call) in calls.iter().enumerate() {
            let is_next = set >> index & 1 == 0
                && (0..calls.len())
                    .all(|other| set >> other & 1 == 1 || calls[other].ended > call.began);
            let records = || before.iter().copied().chain(inserted());
            if is_next && expected(call.op, records()) == call.gave {
                may_come_first[set | 1 << index] = true;
            }
        }
    }
    may_come_first.last() == Some(&true)
}

/// Numbers from a seed, by splitmix64.
fn numbers(mut seed: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % below
    }
}

const KEYS: u64 = 2;
const VERSIONS: u64 = 5;

fn any_op(number: &mut impl FnMut(u64) -> u64) -> Op {
    let (key, version) = (number(KEYS) as u8, number(VERSIONS));
    if number(2) == 0 {
        Op::Insert { key, version }
    } else {
        let at = if number(2) == 0 { u64::MAX } else { version };
        Op::Get { key, at }
    }
}

fn call(map: &ArenaMap, op: Op) -> Option<u64> {
    match op {
        Op::Insert { key, version } => match map.insert(&[key], version, b"") {
            Ok(()) => Some(version),
            Err(InsertError::Exists) => None,
            Err(error) => panic!("{error}"),
        },
        Op::Get { key, at } => map.get(&[key], at).map(|entry| entry.version()),
    }
}

#[test]
fn histories_of_three_threads_are_linearizable() {
    let pool = ArenaPool::builder().build().unwrap();
    for round in 0..if cfg!(miri) { 3 } else { 4_000 } {
        let mut number = numbers(round);
        let map = map_in(&pool, 2, 2 + number(3) as usize);
        let mut before = Vec::new();
        for _ in 0..number(4) {
            let (key, version) = (number(KEYS) as u8, number(VERSIONS));
            if call(&map, Op::Insert { key, version }).is_some() {
                before.push((key, version));
            }
        }
        let (clock, start, calls) = (AtomicU64::new(0), Barrier::new(3), Mutex::new(Vec::new()));
        std::thread::scope(|s| {
            for _ in 0..3 {
                let ops = [(); 4].map(|()| any_op(&mut number));
                let mut turn = numbers(number(u64::MAX));
                let (map, clock, start, calls) = (&map, &clock, &start, &calls);
                s.spawn(move || {
                    // At any step the others may come first.
                    set_hook(move |_| (0..turn(4)).for_each(|_| std::thread::yield_now()));
                    let now = || clock.fetch_add(1, Ordering::SeqCst);
                    start.wait();
                    let mine = ops.map(|op| {
                        let (began, gave) = (now(), call(map, op));
                        let ended = now();
                        Call {
                            op,
                            began,
                            ended,
                            gave,
                        }
                    });
                    calls.lock().unwrap().extend(mine);
                });
            }
        });
        let calls = calls.into_inner().unwrap();
        assert!(
            is_linearizable(&before, &calls),
            "{round}: {before:?} {calls:#?}"
        );
    }
}

#[test]
fn a_history_that_is_not_linearizable_is_caught() {
    let call = |op, began, ended, gave| Call {
        op,
        began,
        ended,
        gave,
    };
    let insert = |version| Op::Insert { key: 0, version };
    let get = |at| Op::Get { key: 0, at };
    let history = |found| {
        [
            call(get(u64::MAX), 0, 9, found),
            call(insert(2), 1, 2, Some(2)),
            call(insert(1), 3, 4, Some(1)),
        ]
    };
    assert!(is_linearizable(&[], &history(None)));
    assert!(is_linearizable(&[], &history(Some(2))));
    assert!(!is_linearizable(&[], &history(Some(1))), "without 2");
    assert!(is_linearizable(&[(0, 1)], &[call(insert(1), 0, 1, None)]));
    let late = [call(insert(1), 0, 1, Some(1)), call(get(1), 2, 3, None)];
    assert!(!is_linearizable(&[], &late), "missed");
}
