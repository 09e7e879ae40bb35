//! The way from the last hold to the memory: any thread lets it go, with the pool or the memory gone meanwhile.

use std::panic::Location;
use std::sync::Arc;

use epoch_arena_block::raw::Scrub;
use epoch_arena_block::twin::caught;
use epoch_arena_block::{Heap, Memory, UserKind};

use super::{ALL, PLAIN, Pool, let_go, run};
use crate::epochs::hold::{Hold, LEASE, POOL, WRITERS};
use crate::sync::{AtomicU64, Ordering};

/// A lease is dropped while the pool's closure runs in another thread: exactly one of the two pushes, and the chunk
/// is free when both are done.
#[test]
fn a_lease_dropped_against_the_closure() {
    loom::model(|| {
        let pool = Pool::new();
        pool.old.hold(LEASE);
        let_go(&pool, WRITERS);
        let closure = loom::thread::spawn({
            let pool = pool.clone();
            move || let_go(&pool, POOL)
        });
        pool.read();
        let_go(&pool, LEASE);
        // As the drop of a lease does.
        pool.memory.try_reclaim();
        closure.join().unwrap();
        assert!(pool.take(&pool.others), "free, whichever was last");
        pool.write();
        assert_eq!(pool.account.given().0, 1, "pushed once");
    });
}

/// The twin looks at the word again when it has let go: both may see nothing, and both give up; or neither does.
#[test]
fn a_twin_that_looks_again_after_it_has_let_go_is_caught() {
    caught(|| {
        let (holds, pushed) = (Arc::new(AtomicU64::new(2)), Arc::new(AtomicU64::new(0)));
        let go = {
            let (holds, pushed) = (holds.clone(), pushed.clone());
            move || {
                holds.fetch_sub(1, Ordering::AcqRel);
                if holds.load(Ordering::Acquire) == 0 {
                    pushed.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let thread = loom::thread::spawn(go.clone());
        go();
        thread.join().unwrap();
        assert_eq!(pushed.load(Ordering::Relaxed), 1);
    });
}

/// The chunk is used again by a thread that has nothing to do with the pool: it comes to the memory for a chunk.
#[test]
fn another_pools_thread_takes_the_chunk() {
    loom::model(|| {
        let pool = Pool::new();
        let readers = [POOL, WRITERS].map(|hold| {
            let pool = pool.clone();
            loom::thread::spawn(move || {
                pool.read();
                let_go(&pool, hold);
            })
        });
        pool.reuse();
        for reader in readers {
            reader.join().unwrap();
        }
        pool.reuse();
        assert_eq!(pool.others.bytes(), ALL);
        assert_eq!((pool.account.given().0, pool.old.chunks.bytes()), (1, 0));
    });
}

/// What the drop of a pool does with an epoch whose closure is pending: see `Core::end`.
fn end(pool: &Pool, own: u64, with_a_hold: bool) {
    if with_a_hold && !pool.old.try_hold(LEASE) {
        return;
    }
    let others = if with_a_hold { LEASE } else { 0 };
    if pool.old.holds() & !(POOL | WRITERS) == others {
        // Overwritten, and given up.
        pool.write();
        // SAFETY: the model's question.
        unsafe { pool.memory.end_generation(&pool.old) };
    }
    if with_a_hold {
        // SAFETY: taken above, and the pool's own.
        unsafe { Hold::new(&pool.old, LEASE + own) }.let_go();
    }
}

/// The pool is dropped while a closure that it has deferred runs in another thread, which then needs a chunk.
fn pool_drop_against_its_closure(with_a_hold: bool) {
    let pool = Pool::new();
    let closure = loom::thread::spawn({
        let pool = pool.clone();
        move || {
            let_go(&pool, POOL | WRITERS);
            pool.reuse();
        }
    });
    end(&pool, 0, with_a_hold);
    closure.join().unwrap();
    pool.memory.reclaim();
    assert_eq!((pool.old.holds(), pool.old.chunks.bytes()), (0, 0));
    let has = pool.others.bytes() == ALL || pool.take(&pool.others);
    assert!(has, "the chunk is somewhere");
}

#[test]
fn a_pool_that_is_dropped_against_its_closure() {
    loom::model(|| pool_drop_against_its_closure(true));
}

#[test]
fn a_pool_twin_that_ends_an_epoch_without_a_hold_is_caught() {
    caught(|| pool_drop_against_its_closure(false));
}

/// The pool is dropped while the last lease of an epoch that is live is, too.
#[test]
fn a_pool_that_is_dropped_against_the_last_lease() {
    loom::model(|| {
        let pool = Pool::new();
        pool.old.hold(LEASE);
        let lease = loom::thread::spawn({
            let pool = pool.clone();
            move || {
                pool.read();
                let_go(&pool, LEASE);
                pool.memory.try_reclaim();
            }
        });
        end(&pool, POOL | WRITERS, true);
        pool.reuse();
        lease.join().unwrap();
        pool.reuse();
        assert_eq!(pool.others.bytes(), ALL);
        assert_eq!((pool.old.holds(), pool.old.chunks.bytes()), (0, 0));
    });
}

/// The memory is dropped against the push of a generation: it is freed by one of the two, and once.
#[test]
fn a_memory_that_is_dropped_against_a_push() {
    for scrub in [
        PLAIN,
        Scrub {
            zero: true,
            ..PLAIN
        },
    ] {
        loom::model(move || {
            let memory = Memory::builder().source(Heap).block_size(ALL).build();
            let memory = memory.unwrap();
            let account = memory.open_account(UserKind::Pool, Location::caller());
            let old = memory.generation(&account, super::OLD, POOL, scrub);
            // SAFETY: the pool's own.
            let hold = unsafe { Hold::new(&old, POOL) };
            let closure = loom::thread::spawn(move || hold.let_go());
            drop(memory);
            closure.join().unwrap();
            assert_eq!(Arc::strong_count(&old), 1, "neither kept nor freed twice");
        });
    }
}

/// The twin of the stack is emptied and not closed: what is pushed later stays there.
#[test]
fn a_twin_whose_stack_stays_open_is_caught() {
    caught(|| {
        let head = Arc::new(AtomicU64::new(0));
        let push = loom::thread::spawn({
            let head = head.clone();
            move || head.store(1, Ordering::Release)
        });
        head.swap(0, Ordering::AcqRel);
        push.join().unwrap();
        assert_eq!(head.load(Ordering::Relaxed), 0, "left behind");
    });
}

/// What is to be overwritten is so before another has it, by the thread that comes first.
#[test]
fn a_dirty_chunk_is_overwritten_before_it_is_used_again() {
    loom::model(|| {
        let memory = Memory::builder().source(Heap).block_size(ALL).budget(ALL);
        let memory = memory.build().unwrap();
        let account = memory.open_account(UserKind::Pool, Location::caller());
        let zero = Scrub {
            zero: true,
            ..PLAIN
        };
        let old = memory.generation(&account, super::OLD, POOL, zero);
        let request = epoch_arena_block::raw::Request::Chunk {
            wanted: epoch_arena_block::raw::Class::of(ALL),
            least: epoch_arena_block::raw::Class::of(ALL),
            confined: false,
        };
        let owner = |chunks| epoch_arena_block::raw::Owner {
            chunks,
            account: &account,
        };
        memory.take(owner(&old.chunks), request).unwrap();
        // SAFETY: the pool's own.
        unsafe { Hold::new(&old, POOL) }.let_go();
        let cleans = loom::thread::spawn({
            let memory = memory.clone();
            move || memory.reclaim()
        });
        // It waits for the other, or overwrites them itself: it is not refused.
        let others = epoch_arena_block::raw::ChunkList::new();
        memory.take(owner(&others), request).unwrap();
        cleans.join().unwrap();
        assert_eq!((others.bytes(), old.chunks.bytes()), (ALL, 0));
    });
}

#[test]
fn holds_of_an_epoch_with_a_lease_end_in_any_order() {
    loom::model(|| {
        let pool = Pool::new();
        pool.old.hold(LEASE);
        let pool = {
            let others = [POOL, LEASE].map(|hold| {
                let pool = pool.clone();
                loom::thread::spawn(move || let_go(&pool, hold))
            });
            let_go(&pool, WRITERS);
            for other in others {
                other.join().unwrap();
            }
            pool
        };
        assert!(pool.is_reclaimed_once());
    });
    // The helper is of use: a hold more, and it is not reclaimed.
    caught(|| {
        let pool = run(|_| (), |pool| let_go(pool, POOL));
        assert!(pool.is_reclaimed_once());
    });
}
