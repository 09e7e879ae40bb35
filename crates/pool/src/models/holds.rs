//! The one word of holds: leases, the pool's own, and that of the writers.

use std::sync::Arc;

use epoch_arena_block::twin::caught;
use loom::cell::UnsafeCell;

use super::{Pool, let_go, run};
use crate::epochs::hold::{self, LEASE, POOL, WRITERS};
use crate::sync::{AtomicU64, Mutex, Ordering, lock};

/// A hold is taken, while the epoch is retired, let go, and its chunk used again.
fn against_the_last(take: impl FnOnce(&Pool) -> bool + 'static, retire: impl FnOnce()) {
    let pool = Pool::new();
    let reader = loom::thread::spawn({
        let pool = pool.clone();
        move || {
            if take(&pool) {
                pool.read();
                let_go(&pool, LEASE);
            }
        }
    });
    retire();
    let_go(&pool, POOL | WRITERS);
    pool.reuse();
    reader.join().unwrap();
    assert!(pool.is_reclaimed_once(), "whichever was last");
}

/// A lease is taken under the lock.
fn lease_against_retire(take: fn(&Pool, &Mutex<bool>) -> bool) {
    let live = Arc::new(Mutex::new(true));
    let theirs = live.clone();
    against_the_last(move |pool| take(pool, &theirs), || *lock(&live) = false);
}

#[test]
fn a_lease_against_retire() {
    loom::model(|| {
        lease_against_retire(|pool, live| {
            let live = lock(live);
            if *live {
                pool.old.hold(LEASE);
            }
            *live
        });
    });
}

/// The twin finds the epoch live, and counts itself when it has let go of the lock.
#[test]
fn a_lease_twin_that_is_counted_after_the_lock_is_caught() {
    caught(|| {
        lease_against_retire(|pool, live| {
            let live = *lock(live);
            if live {
                pool.old.hold(LEASE);
            }
            live
        });
    });
}

/// A hold without the lock, as `stats_of` takes it: of what is not over yet, or not at all.
fn try_hold_against_the_last(try_hold: fn(&Pool) -> bool) {
    against_the_last(try_hold, || {});
}

#[test]
fn a_hold_is_taken_before_the_last_one_goes_or_not_at_all() {
    loom::model(|| try_hold_against_the_last(|pool| pool.old.try_hold(LEASE)));
}

#[test]
fn a_hold_twin_that_looks_and_then_adds_is_caught() {
    caught(|| {
        try_hold_against_the_last(|pool| {
            let held = pool.old.holds() != 0;
            if held {
                pool.old.hold(LEASE);
            }
            held
        });
    });
}

/// The twin keeps the pool's hold and the leases in two words: each of the two that go last may see the other's.
#[test]
fn a_twin_with_two_words_is_caught() {
    caught(|| {
        let pool = Pool::new();
        let words = Arc::new((AtomicU64::new(1), AtomicU64::new(0)));
        let reader = loom::thread::spawn({
            let (pool, words) = (pool.clone(), words.clone());
            move || {
                let (pool_hold, leases) = &*words;
                leases.fetch_add(1, Ordering::Relaxed);
                pool_hold.fetch_sub(1, Ordering::Release);
                pool.read();
                leases.fetch_sub(1, Ordering::Release);
            }
        });
        let (pool_hold, leases) = &*words;
        if leases.load(Ordering::Acquire) == 0 && pool_hold.load(Ordering::Acquire) == 0 {
            pool.write();
        }
        reader.join().unwrap();
    });
}

/// Two holds go at the same time, each after a use of the bytes: one of them is the last.
#[test]
fn of_two_holds_that_go_at_once_one_makes_the_chunk_free() {
    loom::model(|| {
        let pool = run(
            |pool| {
                pool.read();
                let_go(pool, WRITERS);
                pool.reuse();
            },
            |pool| {
                pool.read();
                let_go(pool, POOL);
                pool.reuse();
            },
        );
        assert_eq!((pool.old.holds(), pool.account.given().0), (0, 1));
        assert_eq!(pool.others.bytes(), super::ALL, "one of the two has it");
    });
}

/// The twins: a decrement that carries nothing to the last one, or with which the last one takes nothing over.
#[test]
fn decrement_twins_are_caught() {
    fn last(order: Ordering) {
        let (word, bytes) = (Arc::new(AtomicU64::new(2)), Arc::new(UnsafeCell::new(0)));
        let act = {
            let (word, bytes) = (word.clone(), bytes.clone());
            move || {
                // SAFETY: loom checks that no write is unordered with it.
                bytes.with(|bytes| unsafe { *bytes });
                if word.fetch_sub(1, order) == 1 {
                    // SAFETY: as above.
                    bytes.with_mut(|bytes| unsafe { *bytes = 1 });
                }
            }
        };
        let thread = loom::thread::spawn(act.clone());
        act();
        thread.join().unwrap();
    }
    loom::model(|| last(Ordering::AcqRel));
    for order in [Ordering::Relaxed, Ordering::Release, Ordering::Acquire] {
        caught(move || last(order));
    }
}

/// A thread that sees an epoch sealed sees what its last writer counted; the closure runs in any thread.
#[test]
fn sealed_carries_the_counts() {
    loom::model(|| {
        run(
            |pool| {
                pool.write();
                let_go(pool, WRITERS);
            },
            |pool| {
                if hold::is_sealed(&pool.old) {
                    pool.read();
                }
            },
        );
    });
}

#[test]
fn sealed_twins_that_are_relaxed_are_caught() {
    fn counted(go: Ordering, load: Ordering) {
        let pool = Pool::new();
        let holds = Arc::new(AtomicU64::new(POOL | WRITERS));
        let writer = loom::thread::spawn({
            let (pool, holds) = (pool.clone(), holds.clone());
            move || {
                pool.write();
                holds.fetch_sub(WRITERS, go);
            }
        });
        if holds.load(load) & WRITERS == 0 {
            pool.read();
        }
        writer.join().unwrap();
    }
    loom::model(|| counted(Ordering::AcqRel, Ordering::Acquire));
    caught(|| counted(Ordering::Relaxed, Ordering::Acquire));
    caught(|| counted(Ordering::AcqRel, Ordering::Relaxed));
}

/// The closure that seals an epoch runs after the one that lets it go for the pool: closures of two threads' bags
/// run in any order. The epoch is held until then.
#[test]
fn a_seal_may_come_last() {
    loom::model(|| {
        let pool = run(
            |pool| {
                pool.write();
                let_go(pool, WRITERS);
            },
            |pool| {
                let_go(pool, POOL);
                assert!(pool.old.holds() & POOL == 0);
                pool.reuse();
            },
        );
        assert!(pool.is_reclaimed_once());
    });
}

/// The twin counts no writers: the memory is gone with the pool's hold.
#[test]
fn a_twin_that_does_not_wait_for_the_seal_is_caught() {
    caught(|| {
        run(
            |pool| {
                pool.write();
                // Nothing that the other waits for.
            },
            |pool| {
                let_go(pool, POOL | WRITERS);
                pool.reuse();
            },
        );
    });
}
