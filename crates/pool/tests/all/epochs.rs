//! An epoch number is given once in the life of the process, and at the end of the numbers
//! nothing wraps.

use std::collections::HashSet;

use epoch_arena_core::pack::MAX_EPOCH;
use epoch_arena_core::raw::EpochCounter;
use epoch_arena_pool::{AdvanceError, BuildError};

use crate::pools::{builder, find, pool, put};

#[test]
fn no_two_epochs_of_any_pools_and_threads_share_a_number() {
    let rounds = if cfg!(miri) { 3 } else { 40 };
    let all: Vec<_> = std::thread::scope(|s| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                s.spawn(move || {
                    let mut seen = Vec::new();
                    let pools = [pool(1), pool(3)];
                    for round in 0..rounds {
                        let fresh = pool(2);
                        seen.push(fresh.current_epoch());
                        seen.push(pools[round % 2].advance().unwrap());
                        seen.push(fresh.advance().unwrap());
                    }
                    seen.extend(pools.map(|pool| pool.advance().unwrap()));
                    seen
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|t| t.join().unwrap())
            .collect()
    });
    let unique: HashSet<_> = all.iter().collect();
    assert_eq!(unique.len(), all.len());
}

/// The last number is used, and then there are none: the pool stays where it is, in order.
#[test]
fn at_the_last_number_advance_fails_and_nothing_wraps() {
    static COUNTER: EpochCounter = EpochCounter::starting_at(MAX_EPOCH - 2);
    // SAFETY: these pools' epochs and handles stay in this test, and share the counter.
    let builder = || unsafe { builder(2).counter(&COUNTER) };
    let pool = builder().build().unwrap();
    let oldest = put(&pool, b"oldest");
    assert_eq!(pool.advance().unwrap().number(), MAX_EPOCH - 1);
    let middle = put(&pool, b"middle");
    assert_eq!(pool.advance().unwrap().number(), MAX_EPOCH);
    let last = put(&pool, b"last");
    let before = pool.stats();
    for _ in 0..100 {
        assert_eq!(pool.advance(), Err(AdvanceError::EpochsExhausted));
        let current = pool.current_epoch();
        assert_eq!(
            pool.advance_from(current),
            Err(AdvanceError::EpochsExhausted)
        );
    }
    assert_eq!(pool.stats(), before);
    let words = pool.advance().unwrap_err().to_string();
    assert!(
        words.contains("40 bits") && words.contains("restart"),
        "{words}"
    );
    assert_eq!(pool.current_epoch().number(), MAX_EPOCH);
    assert_eq!(find(&pool, oldest), None);
    assert_eq!(find(&pool, middle), Some(b"middle".to_vec()));
    assert_eq!(find(&pool, last), Some(b"last".to_vec()));
    assert!(!pool.is_sealed(last.epoch()) && pool.is_sealed(middle.epoch()));
    assert_eq!(
        find(&pool, put(&pool, b"works on")),
        Some(b"works on".to_vec())
    );
    assert_eq!(pool.retire_before(pool.current_epoch()), 1);
    assert_eq!(builder().build().unwrap_err(), BuildError::EpochsExhausted);
}

#[test]
fn epochs_print_as_their_numbers() {
    let epoch = pool(1).current_epoch();
    assert_eq!(epoch.to_string(), epoch.number().to_string());
    assert_eq!(format!("{epoch:?}"), format!("Epoch({epoch})"));
}
