//! Readers and writers against retirement, and against the reuse of a slot.

use std::sync::Arc;

use epoch_arena_block::raw::Generation;
use epoch_arena_block::twin::caught;
use epoch_arena_core::pack;
use loom::cell::UnsafeCell;

use super::{NEW, NEXT_IN_SLOT, OLD, Pool, good_retirer, handle, let_go, run};
use crate::epochs::hold::{POOL, WRITERS};
use crate::sync::{AtomicU64, Ordering};

fn good_reader(pool: &Pool) {
    pool.pin();
    if pool.slots.stamps().of(handle(OLD)) == OLD {
        pool.read();
    }
    pool.unpin();
}

#[test]
fn a_reader_against_retire() {
    loom::model(|| drop(run(good_reader, good_retirer)));
}

#[test]
fn reader_twins_are_caught() {
    // Let go without waiting.
    caught(|| {
        run(good_reader, |pool| {
            pool.slots.publish(&pool.new);
            pool.slots.clear(OLD);
            let_go(pool, POOL | WRITERS);
            pool.reuse();
        });
    });
    // Deferred before the stamp is cleared.
    caught(|| {
        run(good_reader, |pool| {
            let passed = pool.grace();
            pool.slots.publish(&pool.new);
            pool.slots.clear(OLD);
            if passed {
                let_go(pool, POOL | WRITERS);
            }
            pool.reuse();
        });
    });
    // The stamp is looked at before the pin.
    caught(|| {
        let reader = |pool: &Pool| {
            let live = pool.slots.stamps().of(handle(OLD)) == OLD;
            pool.pin();
            if live {
                pool.read();
            }
            pool.unpin();
        };
        run(reader, good_retirer);
    });
    // A pin without its fence, as `Guard::repin` is: why a guard does not lean on the user's guard.
    caught(|| {
        let reader = |pool: &Pool| {
            pool.pinned.store(1, Ordering::Relaxed);
            if pool.slots.stamps().of(handle(OLD)) == OLD {
                pool.read();
            }
            pool.unpin();
        };
        run(reader, good_retirer);
    });
    // No look again at the second pin.
    caught(|| {
        let reader = |pool: &Pool| {
            pool.pin();
            let live = pool.slots.stamps().of(handle(OLD)) == OLD;
            pool.unpin();
            pool.pin();
            if live {
                pool.read();
            }
            pool.unpin();
        };
        run(reader, good_retirer);
    });
}

/// A writer that finds the old epoch current, by its generation, writes to its chunk.
fn good_writer(pool: &Pool) {
    pool.pin();
    let stamp = pool.slots.current();
    // SAFETY: pinned before `stamp` was loaded.
    let found = unsafe { pool.slots.generation(stamp) };
    if found.is_some_and(|generation| generation.name == OLD) {
        pool.write();
    }
    pool.unpin();
}

#[test]
fn a_writer_against_retire() {
    loom::model(|| drop(run(good_writer, good_retirer)));
}

#[test]
fn a_writer_twin_whose_epoch_is_moved_too_late_is_caught() {
    caught(|| {
        run(good_writer, |pool| {
            pool.slots.clear(OLD);
            let passed = pool.grace();
            pool.slots.publish(&pool.new);
            if passed {
                let_go(pool, POOL | WRITERS);
            }
            pool.reuse();
        });
    });
}

/// Whether a handle of `NEW` that can be made resolves at once.
fn resolves(publish: fn(&[AtomicU64; 2]), current: fn(&AtomicU64) -> u64) {
    let words = Arc::new([AtomicU64::new(pack::EMPTY), AtomicU64::new(OLD)]);
    let writer = loom::thread::spawn({
        let words = words.clone();
        move || {
            if current(&words[1]) == NEW {
                let stamp = words[0].load(Ordering::Relaxed);
                assert_eq!(stamp, NEW, "a handle made too early");
            }
        }
    });
    publish(&words);
    writer.join().unwrap();
}

#[test]
fn a_handle_resolves_from_the_moment_it_can_be_made() {
    loom::model(|| {
        run(
            |pool| {
                let made = pool.slots.current() == NEW;
                let live = pool.slots.stamps().of(handle(NEW)) == NEW;
                assert!(live || !made, "a handle made too early");
            },
            |pool| pool.slots.publish(&pool.new),
        );
    });
}

/// Publication that is Relaxed on one side, or has its two stores the other way round.
#[test]
fn publication_twins_are_caught() {
    const STORE: fn(&[AtomicU64; 2]) = |[stamp, current]| {
        stamp.store(NEW, Ordering::Relaxed);
        current.store(NEW, Ordering::Release);
    };
    const LOAD: fn(&AtomicU64) -> u64 = |current| current.load(Ordering::Acquire);
    loom::model(|| resolves(STORE, LOAD));
    caught(|| resolves(STORE, |current| current.load(Ordering::Relaxed)));
    caught(|| {
        let relaxed = |[stamp, current]: &[AtomicU64; 2]| {
            stamp.store(NEW, Ordering::Relaxed);
            current.store(NEW, Ordering::Relaxed);
        };
        resolves(relaxed, LOAD);
    });
    caught(|| {
        let exchanged = |[stamp, current]: &[AtomicU64; 2]| {
            current.store(NEW, Ordering::Release);
            stamp.store(NEW, Ordering::Release);
        };
        resolves(exchanged, LOAD);
    });
}

/// A thread that sees the new epoch sees its memory set up.
fn open(set_up_first: bool) {
    let pool = Pool::new();
    let writer = loom::thread::spawn({
        let pool = pool.clone();
        move || {
            if pool.slots.current() == NEW {
                pool.read();
            }
        }
    });
    if set_up_first {
        pool.write();
    }
    pool.slots.publish(&pool.new);
    if !set_up_first {
        pool.write();
    }
    writer.join().unwrap();
}

#[test]
fn a_new_epoch_is_ready_before_it_is_published() {
    loom::model(|| open(true));
    caught(|| open(false));
}

/// The old epoch is retired, and its slot given to another at once, while its memory may still be in use.
fn turning_retirer(pool: &Pool) {
    pool.slots.publish(&pool.new);
    pool.slots.clear(OLD);
    pool.slots.publish(&pool.next);
    if pool.grace() {
        let_go(pool, POOL | WRITERS);
    }
    pool.reuse();
}

#[test]
fn a_stale_stamp_against_the_reuse_of_its_slot() {
    loom::model(|| {
        let reader = |pool: &Pool| {
            pool.pin();
            let stamp = pool.slots.stamps().of(handle(OLD));
            if pack::len_under(stamp, handle(OLD).tag()).is_some() {
                pool.read();
            }
            pool.unpin();
        };
        run(reader, turning_retirer);
    });
}

/// One bit of the epoch stands for any number of bits that is too small.
#[test]
fn a_twin_with_a_truncated_stamp_is_caught() {
    caught(|| {
        let reader = |pool: &Pool| {
            pool.pin();
            let stamp = pool.slots.stamps().of(handle(OLD));
            if pack::epoch(stamp) & 1 == pack::epoch(OLD) & 1 {
                pool.read();
            }
            pool.unpin();
        };
        run(reader, turning_retirer);
    });
}

/// What a refill does: with the generation of the stamp that it loaded, or with that of the epoch that is current
/// by then.
fn refill(pool: &Pool) -> (u64, &Generation) {
    let mut stamp = pool.slots.current();
    loop {
        // SAFETY: pinned before `stamp` was loaded.
        if let Some(generation) = unsafe { pool.slots.generation(stamp) } {
            return (stamp, generation);
        }
        stamp = pool.slots.current();
    }
}

#[test]
fn a_refill_whose_slot_was_reused_begins_again_in_the_current_epoch() {
    loom::model(|| {
        let writer = |pool: &Pool| {
            pool.pin();
            let (stamp, generation) = refill(pool);
            assert_eq!(generation.name, stamp);
            if stamp == OLD {
                pool.write();
            }
            pool.unpin();
        };
        run(writer, turning_retirer);
    });
}

/// The twin takes what it finds in the slot of its stamp: it would put bytes of one epoch under a handle of another.
#[test]
fn a_refill_twin_that_does_not_look_whose_slot_it_is_is_caught() {
    caught(|| {
        let writer = |pool: &Pool| {
            pool.pin();
            let stamp = pool.slots.current();
            // SAFETY: none for the second, that is what is wrong.
            let found = unsafe {
                let own = pool.slots.generation(stamp);
                own.or_else(|| pool.slots.generation(NEXT_IN_SLOT))
            };
            if let Some(generation) = found {
                assert_eq!(generation.name, stamp, "bytes of another epoch");
            }
            pool.unpin();
        };
        run(writer, turning_retirer);
    });
}

/// A writer whose stamp is of an earlier epoch finds the later one's generation, and looks at its name: which it
/// may, as what made it ready comes with the pointer.
#[test]
fn a_generation_that_is_found_in_place_of_another_is_set_up() {
    loom::model(|| {
        let ready = Arc::new(UnsafeCell::new(0));
        let pool = Pool::new();
        let writer = loom::thread::spawn({
            let (pool, ready) = (pool.clone(), ready.clone());
            move || {
                // SAFETY: nothing is retired here, so all are held.
                if unsafe { pool.slots.generation(OLD) }.is_none() {
                    // SAFETY: loom checks that no write is unordered with it.
                    ready.with(|ready| unsafe { *ready });
                }
            }
        });
        pool.slots.publish(&pool.new);
        pool.slots.clear(OLD);
        // SAFETY: as above.
        ready.with_mut(|ready| unsafe { *ready = 1 });
        pool.slots.publish(&pool.next);
        writer.join().unwrap();
    });
}

/// The twins: a pointer that is stored, or loaded, without anything that comes with it.
#[test]
fn pointer_twins_that_carry_nothing_are_caught() {
    fn found(store: Ordering, load: Ordering) {
        let (slot, ready) = (Arc::new(AtomicU64::new(0)), Arc::new(UnsafeCell::new(0)));
        let writer = loom::thread::spawn({
            let (slot, ready) = (slot.clone(), ready.clone());
            move || {
                if slot.load(load) == 1 {
                    // SAFETY: loom checks that no write is unordered with it.
                    ready.with(|ready| unsafe { *ready });
                }
            }
        });
        // SAFETY: as above.
        ready.with_mut(|ready| unsafe { *ready = 1 });
        slot.store(1, store);
        writer.join().unwrap();
    }
    loom::model(|| found(Ordering::Release, Ordering::Acquire));
    caught(|| found(Ordering::Relaxed, Ordering::Acquire));
    caught(|| found(Ordering::Release, Ordering::Relaxed));
}
