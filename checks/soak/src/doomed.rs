//! Pools of which something is forgotten, and which are dropped all the same.

use std::sync::atomic::Ordering;

use epoch_arena::crossbeam_epoch::Collector;
use epoch_arena::{ArenaPool, Heap, Memory};

use crate::counts::one;
use crate::rng::Rng;
use crate::scene::Scene;

/// Forgotten guards and leases are lost for ever, so their number is limited.
const MOST: u64 = 200;

/// Makes a pool, has it used, and drops it.
pub fn run(scene: &Scene, rng: &mut Rng) {
    let forgets = scene.counts.forgotten.load(Ordering::Relaxed) < MOST && rng.once_in(10);
    // The memory of a forgotten lease must not be missing elsewhere.
    let memory = Memory::builder().source(Heap).block_size(4096).build();
    let memory = if forgets {
        scene.lost.memory.clone()
    } else {
        memory.expect("valid settings")
    };
    let collector = Collector::new();
    let builder = ArenaPool::builder()
        .memory(memory.clone())
        .collector(collector.clone())
        .quarantine(rng.once_in(4));
    let pool = builder.build().expect("valid settings");
    one(&scene.counts.pools);
    let before = memory.stats().in_use;
    for _ in 0..rng.below(5) {
        let guard = pool.pin();
        for _ in 0..rng.below(100) {
            if guard.alloc_copy(&[7; 60]).is_err() {
                break; // the source may fail
            }
        }
        drop(guard);
        // It fails where something forgotten holds all epochs.
        let _ = pool.advance();
    }
    if forgets {
        one(&scene.counts.forgotten);
        match rng.below(4) {
            0 => std::mem::forget(pool.pin()),
            1 => std::mem::forget(pool.lease(pool.current_epoch())),
            2 => std::mem::forget(pool.snapshot()),
            _ => {
                let handle = collector.register();
                let guard = handle.pin();
                std::mem::forget(pool.pin_with(&guard));
            }
        }
    }
    for _ in 0..rng.below(4) {
        let _ = pool.advance();
    }
    drop(pool);
    if !forgets && memory.stats().in_use != before {
        scene.fail(format!(
            "a pool is gone and its blocks are not: {}",
            memory.stats()
        ));
    }
}
