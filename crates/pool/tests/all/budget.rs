//! Budgets: exhaustion, peer bug 22 (a parked reader), and pools that share a memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use epoch_arena_block::{Heap, MemoryError};
use epoch_arena_pool::{AllocError, ArenaPool, Memory};

use crate::pools::{BLOCK, adds_up, advance, maintain_until, number, put};
use crate::support::Finish;

const OVER: AllocError = AllocError::Memory(MemoryError::OverBudget);

fn memory(blocks: usize) -> Memory {
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    memory
        .budget(blocks * BLOCK)
        .build()
        .expect("valid settings")
}

fn pool_on(memory: &Memory, retained: u32) -> ArenaPool {
    let builder = ArenaPool::builder().memory(memory.clone());
    builder
        .retained_epochs(number(retained))
        .build()
        .expect("valid settings")
}

/// Fills until the budget says no; returns how much it took.
fn fill(pool: &ArenaPool) -> usize {
    let guard = pool.pin();
    let mut count = 0;
    loop {
        match guard.alloc_copy(&[1; 1_000]) {
            Ok(_) => count += 1,
            Err(refused) => {
                assert_eq!(refused, OVER);
                return count;
            }
        }
    }
}

#[test]
fn m4_bug10_a_full_budget_refuses_for_ever_and_recovers_with_the_next_epoch() {
    let memory = memory(4);
    let pool = pool_on(&memory, 1);
    let first = fill(&pool);
    assert_eq!(
        pool.stats().reserved,
        4 * BLOCK,
        "all of the budget is used"
    );
    assert!(first > 4 * BLOCK / 1_000 / 10 * 9, "and used well: {first}");
    let before = pool.stats();
    for _ in 0..if cfg!(miri) { 20 } else { 10_000 } {
        assert_eq!(pool.pin().alloc_copy(&[1; 1_000]), Err(OVER));
    }
    assert_eq!(pool.stats(), before);
    for _ in 0..5 {
        advance(&pool, 1);
        assert_eq!(fill(&pool), first, "the same room every time");
        adds_up(&pool);
    }
}

/// Peer bug 22: growth behind a parked reader ends at the budget, is reported, and recovers.
#[test]
fn m7_bug22_a_parked_reader_costs_at_most_the_budget_and_is_named() {
    let memory = memory(8);
    let pool = pool_on(&memory, 1);
    let guard = pool.pin();
    let handle = guard.alloc_copy(b"parked on").unwrap();
    let bytes = guard.get(handle).unwrap();
    let since = guard.epoch();
    let mut refused = 0;
    for _ in 0..50 {
        refused += usize::from(pool.pin().alloc_copy(&[2; 30_000]) == Err(OVER));
        advance(&pool, 1);
        assert!(memory.stats().reserved <= 8 * BLOCK);
    }
    assert!(refused > 0);
    let report = pool.maintain();
    assert_eq!(report.held_by_guards.epochs, 50);
    assert!(report.held_by_guards.bytes > 4 * BLOCK);
    assert_eq!((report.pinned.len(), report.pinned[0].epoch), (1, since));
    assert!(OVER.to_string().contains("guards and leases"), "{OVER}");
    assert_eq!(bytes, b"parked on");
    drop(guard);
    assert_eq!(pool.maintain().held_by_guards.epochs, 0);
    put(&pool, &[3; 30_000]);
    assert!(fill(&pool) > 4 * BLOCK / 1_000);
}

/// A put that finds no room reclaims what has become free before it gives up.
#[test]
fn m8_the_slow_path_reclaims_before_it_fails() {
    let pool = pool_on(&memory(2), 1);
    fill(&pool);
    let lease = pool.lease(pool.current_epoch()).unwrap();
    advance(&pool, 1);
    assert_eq!(
        pool.pin().alloc_copy(b"x"),
        Err(OVER),
        "the lease holds it all"
    );
    drop(lease);
    put(&pool, b"no advance and no maintain in between");
}

#[test]
fn m3_one_pool_can_use_what_another_freed() {
    let memory = memory(6);
    let (one, two) = (pool_on(&memory, 1), pool_on(&memory, 1));
    let all = fill(&one);
    assert_eq!(two.pin().alloc_copy(b"x"), Err(OVER));
    advance(&one, 1);
    assert_eq!(
        two.pin().alloc_copy(b"x"),
        Err(OVER),
        "the first keeps its free chunks"
    );
    assert_eq!(one.maintain().returned, 6 * BLOCK);
    assert_eq!(fill(&two), all);
    assert_eq!(one.pin().alloc_copy(b"x"), Err(OVER));
    assert_eq!(
        one.stats().reserved + two.stats().reserved,
        memory.stats().in_use
    );
    drop(two);
    assert_eq!(fill(&one), all);
}

/// Peer bug 21 through pools: writers, advancers and a sampler.
#[test]
fn m7_bug21_pools_that_race_for_a_budget_never_exceed_it() {
    const BLOCKS: usize = 12;
    let memory = memory(BLOCKS);
    let pools = [pool_on(&memory, 1), pool_on(&memory, 2)];
    let (done, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|s| {
        let finish = Finish(&done);
        s.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let stats = memory.stats();
                assert!(stats.reserved <= BLOCKS * BLOCK, "{stats}");
                pools.iter().for_each(adds_up);
            }
        });
        let writers: Vec<_> = (0..4)
            .map(|t| {
                let (pool, refused) = (&pools[t % 2], &refused);
                s.spawn(move || {
                    for i in 0..if cfg!(miri) { 50 } else { 5_000 } {
                        let value = vec![t as u8; 1 + i * 7919 % 20_000];
                        let guard = pool.pin();
                        match guard.alloc_copy(&value) {
                            Ok(handle) => assert!(guard.get(handle).is_none_or(|v| v == value)),
                            Err(error) => {
                                assert_eq!(error, OVER);
                                refused.fetch_add(1, Ordering::Relaxed);
                                drop(guard);
                                let _ = pool.advance();
                            }
                        }
                        if i % 500 == 499 {
                            pool.maintain();
                        }
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|w| w.join().unwrap());
        drop(finish);
    });
    if !cfg!(miri) {
        assert!(
            refused.into_inner() > 0,
            "the budget was never reached: no test"
        );
    }
    for pool in &pools {
        advance(pool, 3);
        maintain_until(pool, |pool| pool.stats().reserved == 0);
    }
    assert_eq!(memory.stats().in_use, 0);
}
