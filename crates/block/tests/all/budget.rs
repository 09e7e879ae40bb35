//! A budget that is checked by load-then-add is exceeded under a race.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use epoch_arena_block::{Memory, MemoryError};

use crate::ends::Finish;
use crate::rng::Rng;
use crate::support::Faulty;

const BLOCK: usize = 4096;

fn memory(source: Faulty, blocks: usize, high_water: usize) -> Memory {
    Memory::builder()
        .source(source)
        .block_size(BLOCK)
        .budget(blocks * BLOCK)
        .high_water(high_water)
        .build()
        .expect("valid settings")
}

/// Reads the figures until `done`, and finds them within the budget every time.
fn sample(memory: &Memory, source: &Faulty, blocks: usize, done: &AtomicBool) {
    loop {
        let last = done.load(Ordering::Relaxed);
        let stats = memory.stats();
        assert!(
            stats.reserved <= stats.peak && stats.peak <= blocks * BLOCK,
            "{stats}"
        );
        // The rest is on its way to or from the source.
        assert!(stats.in_use + stats.free <= stats.reserved, "{stats}");
        // The bytes that the source has out are those that exist; `reserved` covers them from before to after.
        assert!(source.regions() <= blocks);
        if last {
            return;
        }
    }
}

#[test]
fn no_race_of_threads_exceeds_the_budget_for_a_moment() {
    const BLOCKS: usize = 10;
    let rounds = if cfg!(miri) { 10 } else { 3_000 };
    for high_water in [0, 4 * BLOCK, usize::MAX] {
        let source = Faulty::default();
        let memory = memory(source.clone(), BLOCKS, high_water);
        let (done, refused, taken) = (
            AtomicBool::new(false),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        std::thread::scope(|s| {
            let finish = Finish(&done);
            s.spawn(|| sample(&memory, &source, BLOCKS, &done));
            let takers: Vec<_> = (0..4)
                .map(|t| {
                    let (memory, refused, taken) = (&memory, &refused, &taken);
                    s.spawn(move || {
                        let mut rng = Rng::new(t);
                        let mut mine = Vec::new();
                        for _ in 0..rounds {
                            match memory.block(rng.below(3 * BLOCK)) {
                                Ok(block) => mine.push(block),
                                Err(error) => {
                                    assert!(matches!(error, MemoryError::OverBudget(_)));
                                    refused.fetch_add(1, Ordering::Relaxed);
                                }
                            }
                            if !mine.is_empty() && rng.below(2) == 0 {
                                mine.swap_remove(rng.below(mine.len()));
                            }
                        }
                        taken.fetch_add(mine.len(), Ordering::Relaxed);
                    })
                })
                .collect();
            takers.into_iter().for_each(|t| t.join().unwrap());
            drop(finish);
        });
        // Not a sample: the source has added up every region that it ever had out at a time.
        assert!(source.most() <= BLOCKS * BLOCK, "{} bytes", source.most());
        let stats = memory.stats();
        assert_eq!(stats.in_use, 0);
        assert!(stats.free <= high_water && stats.reserved == stats.free);
        assert!(
            refused.into_inner() > 0,
            "the budget was never reached: no test"
        );
    }
}

/// Without recycling the budget lets exactly as many blocks through as it has room for.
#[test]
fn racing_threads_get_exactly_what_the_budget_has() {
    const BLOCKS: usize = 13;
    let source = Faulty::default();
    let memory = memory(source.clone(), BLOCKS, 0);
    let got: Vec<_> = std::thread::scope(|s| {
        let takers: Vec<_> = (0..8)
            .map(|_| s.spawn(|| (0..BLOCKS).filter_map(|_| memory.block(1).ok()).collect()))
            .collect();
        let got = takers.into_iter().map(|t| t.join().unwrap());
        got.flat_map(|blocks: Vec<_>| blocks).collect()
    });
    assert_eq!((got.len(), memory.stats().in_use), (BLOCKS, BLOCKS * BLOCK));
    assert_eq!(
        source.most(),
        BLOCKS * BLOCK,
        "all of it, at no moment more"
    );
    assert!(matches!(
        memory.block(1).unwrap_err(),
        MemoryError::OverBudget(_)
    ));
}

#[test]
fn refusals_by_the_hundred_thousand_change_nothing() {
    let memory = memory(Faulty::default(), 2, 0);
    let held = (memory.block(1).unwrap(), memory.block(1).unwrap());
    let before = memory.stats();
    for _ in 0..if cfg!(miri) { 100 } else { 100_000 } {
        assert!(matches!(
            memory.block(1).unwrap_err(),
            MemoryError::OverBudget(_)
        ));
    }
    assert_eq!(memory.stats(), before);
    drop(held);
    assert!(memory.block(1).is_ok());
}
