//! The pool, and the memory, are dropped while closures are pending that another thread runs.

use std::sync::Arc;

use crossbeam_epoch::Collector;
use epoch_arena_block::raw::Generation;
use epoch_arena_block::{Heap, Memory};
use epoch_arena_core::raw::EpochCounter;

use super::{ALL, caught, defer, model};
use crate::domain::record::Record;
use crate::epochs::hold::{Hold, POOL, WRITERS};
use crate::local::state::{Local, Owner};
use crate::{ArenaGuard, ArenaPool};

/// What is left of a pool whose first epoch is retired, with the closures pending.
struct Left {
    pool: ArenaPool,
    memory: Memory,
    old: Arc<Generation>,
    runs: Owner,
}

fn retired() -> Left {
    let memory = Memory::builder().source(Heap).block_size(ALL).budget(ALL);
    let memory = memory.build().unwrap();
    let pool = ArenaPool::builder()
        .memory(memory.clone())
        .collector(Collector::new())
        .poison_on_reclaim(false)
        .retained_epochs(1);
    let counter = Box::leak(Box::new(EpochCounter::starting_at(0)));
    // SAFETY: no handle or epoch of this pool meets another pool's.
    let pool = unsafe { pool.counter(counter) }.build().unwrap();
    let [runs, defers] = [(), ()].map(|()| {
        let local = Local::register(&pool.core, Record::of_ending_thread());
        drop(local.pin(&pool.core));
        local
    });
    let pin = defers.pin(&pool.core);
    let guard = ArenaGuard::new(defers.pin(&pool.core));
    guard.alloc_copy(b"old").unwrap();
    drop(guard);
    let old = pool.core.state().live[0].generation.clone();
    let published = pool.core.publish(None).unwrap();
    defer(&pin, published.seal);
    defer(&pin, published.retired.unwrap().hold);
    pin.guard().flush();
    drop(pin);
    drop(defers);
    Left {
        pool,
        memory,
        old,
        runs,
    }
}

/// Runs what is pending, as another pool's pins would.
fn run(local: &Owner) {
    for _ in 0..3 {
        local.participant().handle().pin().flush();
    }
}

/// The same on another thread, beside what this one does; then what is left.
fn run_beside(runs: Owner, act: impl FnOnce()) -> Owner {
    let closures = loom::thread::spawn(move || {
        run(&runs);
        runs
    });
    act();
    let runs = closures.join().unwrap();
    run(&runs);
    runs
}

#[test]
fn a_pool_is_dropped_against_its_closures() {
    model(|| {
        let left = retired();
        let _runs = run_beside(left.runs, || drop(left.pool));
        left.memory.reclaim();
        assert_eq!(left.memory.stats().in_use, 0);
        assert_eq!((left.old.holds(), left.old.chunks.bytes()), (0, 0));
        let owners = Arc::strong_count(&left.old);
        assert_eq!(owners, 1, "neither kept nor freed twice");
    });
}

/// Also with the last of the memory.
#[test]
fn a_memory_is_dropped_against_the_closures_of_a_pool_that_is_gone() {
    model(|| {
        let left = retired();
        let _runs = run_beside(left.runs, || {
            drop(left.pool);
            drop(left.memory);
        });
        let owners = Arc::strong_count(&left.old);
        assert_eq!(owners, 1, "neither kept nor freed twice");
    });
}

/// The twin gives the pool's holds up itself, though their closures are pending.
#[test]
fn a_twin_that_lets_go_twice_is_caught() {
    caught(|| {
        let left = retired();
        let _runs = run_beside(left.runs, || {
            if left.old.holds() != 0 {
                // SAFETY: none, that is what is wrong.
                unsafe { Hold::new(&left.old, POOL | WRITERS) }.let_go();
            }
        });
        assert_eq!(left.old.holds(), 0, "let go twice");
        // Its reference would be given up twice: kept, so that the test's process survives it.
        std::mem::forget((left.old, left.pool));
    });
}
