//! M6: `advance`, `advance_from`, `retire_before`, and what they refuse.

use std::sync::Barrier;

use epoch_arena_core::raw::EpochCounter;
use epoch_arena_pool::AdvanceError;

use crate::pools::{advance, builder, find, memory, pool, put};

#[test]
fn m6_epochs_of_a_single_pool_count_by_one_from_zero() {
    static COUNTER: EpochCounter = EpochCounter::starting_at(0);
    // SAFETY: this pool's epochs and handles stay in this test.
    let pool = unsafe { builder(3).counter(&COUNTER) }.build().unwrap();
    for number in 0..100 {
        assert_eq!(pool.current_epoch().number(), number);
        assert_eq!(pool.advance().unwrap().number(), number + 1);
    }
}

#[test]
fn m6_an_empty_epoch_costs_no_block() {
    let pool = pool(8);
    advance(&pool, 1_000);
    let stats = pool.stats();
    assert_eq!(
        (stats.memory.reserved, stats.blocks, stats.live_epochs),
        (0, 0, 8)
    );
    assert_eq!(stats.memory.reserved, 0);
}

#[test]
fn m6_the_window_has_as_many_epochs_as_retained() {
    for retained in [1, 2, 7] {
        let pool = pool(retained);
        let mut epochs = vec![pool.current_epoch()];
        for _ in 0..20 {
            epochs.push(pool.advance().unwrap());
            let live: Vec<_> = pool.snapshot().epochs().collect();
            let from = epochs.len().saturating_sub(retained as usize);
            assert_eq!(live, epochs[from..], "the latest, oldest first");
            assert!(epochs[..from].iter().all(|e| !pool.is_live(*e)));
            assert!(epochs[from..].iter().all(|e| pool.is_live(*e)));
        }
    }
}

/// Of all threads that find one epoch full, exactly one advances; the others hear of it.
#[test]
fn m6_of_many_threads_that_find_an_epoch_full_one_advances() {
    const THREADS: usize = 6;
    let rounds = if cfg!(miri) { 5 } else { 500 };
    let pool = pool(2);
    let barrier = Barrier::new(THREADS);
    // Nothing is asserted in there: who panics would leave the others at the barrier.
    let find_full = || {
        let answers = (0..rounds).map(|_| {
            let full = pool.current_epoch();
            barrier.wait();
            let answer = pool.advance_from(full);
            barrier.wait();
            (full, answer)
        });
        answers.collect::<Vec<_>>()
    };
    let all: Vec<_> = std::thread::scope(|s| {
        let threads: Vec<_> = (0..THREADS).map(|_| s.spawn(find_full)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    for round in 0..rounds {
        let answers = all.iter().map(|answers| answers[round]);
        let won: Vec<_> = answers
            .clone()
            .filter_map(|(_, answer)| answer.ok())
            .collect();
        assert_eq!(won.len(), 1, "one advances");
        for (full, answer) in answers {
            assert!(full < won[0], "all saw the epoch before");
            assert!(answer == Ok(won[0]) || answer == Err(AdvanceError::Moved(won[0])));
        }
    }
}

#[test]
fn m6_advance_from_anything_but_the_current_epoch_changes_nothing() {
    let (pool, later) = (pool(3), pool(3));
    let past = pool.current_epoch();
    let now = pool.advance().unwrap();
    let before = pool.stats();
    for wrong in [past, later.current_epoch()] {
        let refused = pool.advance_from(wrong).unwrap_err();
        assert_eq!(refused, AdvanceError::Moved(now));
        assert!(refused.to_string().contains(&now.to_string()));
    }
    assert_eq!(pool.stats(), before);
    assert!(pool.advance_from(now).is_ok());
}

/// All slots taken: an error that says by whom, nothing changed, and all well when one is free.
#[test]
fn m6_too_many_epochs_says_who_holds_them_and_changes_nothing() {
    static COUNTER: EpochCounter = EpochCounter::starting_at(7);
    // SAFETY: this pool's epochs and handles stay in this test.
    let builder = unsafe { builder(1).counter(&COUNTER) };
    let pool = builder.max_epochs(4).build().unwrap();
    let mut leases = Vec::new();
    for _ in 0..2 {
        leases.push(pool.lease(put(&pool, b"leased").epoch()).unwrap());
        advance(&pool, 1);
    }
    let guard = pool.pin();
    let held = put(&pool, b"held");
    let bytes = guard.get(held).unwrap();
    advance(&pool, 1);
    let current = put(&pool, b"current");
    let before = pool.stats();
    for _ in 0..if cfg!(miri) { 3 } else { 1_000 } {
        let refused = pool.advance().unwrap_err();
        let expected = AdvanceError::TooManyEpochs {
            held_by_guards: 1,
            held_by_leases: 2,
        };
        assert_eq!(refused, expected);
    }
    assert_eq!(pool.stats(), before);
    let words = pool.advance().unwrap_err().to_string();
    for word in ["1 retired", "2 by leases", "max_epochs"] {
        assert!(words.contains(word), "{word:?} is not in {words:?}");
    }
    assert_eq!(
        (bytes, find(&pool, current)),
        (&b"held"[..], Some(b"current".to_vec()))
    );
    // A refusal draws no number either: of 11, 12 and 13 the last is the first whose slot (its
    // lowest bits) is free, that of 9, which the guard held.
    drop(guard);
    assert_eq!(pool.advance().unwrap().number(), 13);
    let one_left = AdvanceError::TooManyEpochs {
        held_by_guards: 0,
        held_by_leases: 3,
    };
    leases.push(pool.lease(pool.current_epoch()).unwrap());
    advance(&pool, 1);
    // Four slots: three leased, one current.
    assert_eq!(pool.advance().unwrap_err(), one_left);
    leases.pop();
    advance(&pool, 5);
}

#[test]
fn m6_retire_before_is_exclusive_and_never_takes_the_current_epoch() {
    let pool = pool(6);
    let mut epochs = vec![pool.current_epoch()];
    for _ in 0..5 {
        epochs.push(pool.advance().unwrap());
    }
    assert_eq!(pool.retire_before(epochs[0]), 0);
    assert_eq!(pool.retire_before(epochs[2]), 2);
    let live: Vec<_> = pool.snapshot().epochs().collect();
    assert_eq!(live, epochs[2..]);
    assert_eq!(pool.retire_before(epochs[2]), 0, "done already");
    // Everything before an epoch that is yet to come: but not the current one.
    let later = crate::pools::pool(1);
    assert!(later.current_epoch() > epochs[5]);
    assert_eq!(pool.retire_before(later.current_epoch()), 3);
    assert_eq!(pool.current_epoch(), epochs[5]);
    assert_eq!(
        find(&pool, put(&pool, b"goes on")),
        Some(b"goes on".to_vec())
    );
    assert_eq!(pool.retire_before(later.current_epoch()), 0);
    assert_eq!(pool.stats().live_epochs, 1);
    // The window fills again.
    advance(&pool, 10);
    assert_eq!(pool.stats().live_epochs, 6);
}

#[test]
fn m6_retire_before_gives_the_memory_back() {
    let pool = pool(4);
    for _ in 0..4 {
        for _ in 0..100 {
            put(&pool, &[1; 1000]);
        }
        advance(&pool, 1);
    }
    assert_eq!(pool.retire_before(pool.current_epoch()), 3);
    let stats = pool.stats();
    assert_eq!((stats.retired, stats.live), (0, 0));
    assert_eq!(stats.memory.free, stats.memory.reserved);
    assert_eq!(pool.maintain().returned, stats.memory.reserved);
}

/// Two pools of one memory do not disturb each other's epochs.
#[test]
fn m6_pools_advance_apart() {
    let memory = memory();
    let pools = [(); 3].map(|()| builder(2).memory(memory.clone()).build().unwrap());
    let handles = pools.each_ref().map(|pool| put(pool, b"key"));
    advance(&pools[0], 50);
    assert_eq!(find(&pools[0], handles[0]), None);
    for i in [1, 2] {
        assert_eq!(find(&pools[i], handles[i]), Some(b"key".to_vec()));
        assert_eq!(pools[i].stats().live_epochs, 1);
    }
}
