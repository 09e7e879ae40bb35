//! `advance`, `advance_from`, `retire_before`, and what they refuse.

use epoch_arena_core::raw::EpochCounter;
use epoch_arena_pool::{AdvanceError, ArenaHandle, Lease};

use crate::ends::Meeting;
use crate::pools::{SMALLEST, advance, builder, find, memory, pool, put};

#[test]
fn epochs_of_a_single_pool_count_by_one_from_zero() {
    static COUNTER: EpochCounter = EpochCounter::starting_at(0);
    // SAFETY: this pool's epochs and handles stay in this test.
    let pool = unsafe { builder(3).counter(&COUNTER) }.build().unwrap();
    for number in 0..100 {
        assert_eq!(pool.current_epoch().number(), number);
        assert_eq!(pool.advance().unwrap().number(), number + 1);
    }
}

#[test]
fn an_empty_epoch_costs_no_block() {
    let pool = pool(8);
    advance(&pool, 1_000);
    let stats = pool.stats();
    assert_eq!((pool.bytes(), stats.live, stats.live_epochs), (0, 0, 8));
    assert_eq!((stats.memory.reserved, stats.memory.peak), (0, 0));
}

#[test]
fn the_window_has_as_many_epochs_as_retained() {
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
fn of_many_threads_that_find_an_epoch_full_one_advances() {
    const THREADS: usize = 6;
    let rounds = if cfg!(miri) { 5 } else { 500 };
    let pool = pool(2);
    let meeting = Meeting::new(THREADS);
    let find_full = || {
        let answers = (0..rounds).map(|_| {
            let full = pool.current_epoch();
            meeting.wait();
            let answer = pool.advance_from(full);
            meeting.wait();
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
fn advance_from_anything_but_the_current_epoch_changes_nothing() {
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

/// What is retired has no slot: whatever is held, the pool goes on, and each epoch is still there for its holder.
#[test]
fn advance_succeeds_with_a_hundred_thousand_held_epochs() {
    let held = if cfg!(miri) { 40 } else { 100_000_u32 };
    let pool = pool(1);
    let mut leases = Vec::new();
    for number in 0..held {
        let handle = put(&pool, &number.to_be_bytes());
        leases.push((handle, pool.lease(handle.epoch()).unwrap()));
        advance(&pool, 1);
    }
    let stats = pool.stats();
    assert_eq!((stats.live_epochs, stats.live), (1, 0));
    assert_eq!(stats.held_by_leases.epochs, leases.len());
    assert_eq!(stats.held_by_leases.bytes, leases.len() * SMALLEST);
    assert_eq!(pool.bytes(), leases.len() * SMALLEST);
    for (number, (handle, lease)) in leases.iter().enumerate() {
        assert_eq!(lease.get(*handle), Some(&(number as u32).to_be_bytes()[..]));
        assert_eq!(lease.bytes(), SMALLEST);
    }
    assert_eq!(pool.oldest_lease(), Some(leases[0].1.epoch()));
    drop(leases);
    pool.maintain();
    let stats = pool.stats();
    assert_eq!((stats.retired_epochs, pool.bytes()), (0, 0));
}

/// A slot is another epoch's as soon as its own is retired, while that is still held: neither has anything of the
/// other, whichever goes first.
#[test]
fn an_epoch_that_is_held_and_the_next_in_its_slot_do_not_meet() {
    static COUNTER: EpochCounter = EpochCounter::starting_at(0);
    // SAFETY: this pool's epochs and handles stay in this test.
    let pool = unsafe { builder(1).counter(&COUNTER) }.build().unwrap();
    // One retained epoch has four slots: of these twelve three each are in one.
    let mut held = Vec::new();
    for round in 0..12_u8 {
        let handle = put(&pool, &[round; 90]);
        assert_eq!(handle.epoch().number(), u64::from(round));
        held.push((handle, pool.lease(handle.epoch()).unwrap()));
        advance(&pool, 1);
    }
    let sees_its_own = |(round, (handle, lease)): (usize, &(ArenaHandle, Lease))| {
        assert_eq!(lease.get(*handle), Some(&[round as u8; 90][..]));
        assert_eq!(find(&pool, *handle), None, "retired");
        let stats = pool.stats_of(handle.epoch()).unwrap();
        assert_eq!((stats.payload, stats.allocations), (90, 1));
    };
    held.iter().enumerate().for_each(sees_its_own);
    // From the middle, so that later and earlier ones of the same slot stay.
    let (gone, lease) = held.remove(5);
    drop(lease);
    pool.maintain();
    assert_eq!(pool.stats_of(gone.epoch()), None);
    let round = |at: usize| at + usize::from(at >= 5);
    let left = held.iter().enumerate().map(|(at, held)| (round(at), held));
    left.for_each(sees_its_own);
    let stats = pool.stats();
    assert_eq!(stats.held_by_leases.epochs, 11);
    assert_eq!(pool.bytes(), 11 * SMALLEST);
    let current = put(&pool, b"current");
    assert_eq!(find(&pool, current), Some(b"current".to_vec()));
    drop(held);
    pool.maintain();
    assert_eq!((pool.stats().retired_epochs, pool.bytes()), (0, SMALLEST));
    assert_eq!(find(&pool, current), Some(b"current".to_vec()));
}

/// What guards hold back does not stop the pool either.
#[test]
fn advance_succeeds_behind_a_guard_and_says_what_that_holds() {
    let pool = pool(1);
    let guard = pool.pin();
    let held = put(&pool, b"held");
    let bytes = guard.get(held).unwrap();
    let many = if cfg!(miri) { 10 } else { 2_000 };
    for _ in 0..many {
        advance(&pool, 1);
        put(&pool, b"key");
    }
    let report = pool.maintain();
    assert_eq!(report.held_by_guards.epochs, many);
    assert_eq!(report.held_by_guards.bytes, many * SMALLEST);
    assert_eq!(report.pinned[0].lag, many);
    assert_eq!(bytes, b"held");
    drop(guard);
    assert_eq!(pool.maintain().held_by_guards.epochs, 0);
    assert_eq!((pool.stats().retired_epochs, pool.bytes()), (0, SMALLEST));
}

#[test]
fn retire_before_is_exclusive_and_never_takes_the_current_epoch() {
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
fn retire_before_gives_the_memory_back() {
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
    assert_eq!((pool.bytes(), stats.memory.in_use), (0, 0));
    assert_eq!(stats.memory.free, stats.memory.reserved);
    // All of it is whole blocks again, so all of it can go back.
    assert_eq!(pool.memory().trim(0), stats.memory.reserved);
}

/// Two pools of one memory do not disturb each other's epochs.
#[test]
fn pools_advance_apart() {
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

/// One call frees thousands of epochs: it makes as many rounds of crossbeam-epoch's queue as they need.
#[test]
fn retire_before_frees_all_of_many_epochs_at_once() {
    let many = if cfg!(miri) { 20 } else { 5_000 };
    let pool = pool(many as u32 + 1);
    for _ in 0..many {
        put(&pool, b"key");
        advance(&pool, 1);
    }
    assert_eq!(pool.retire_before(pool.current_epoch()), many);
    let stats = pool.stats();
    assert_eq!((stats.retired, stats.memory.in_use), (0, 0));
}
