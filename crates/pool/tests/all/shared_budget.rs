//! Pools that share a budget: a refusal says who uses what, and a loop that goes by it leaves the small one alone.

use epoch_arena_block::{Heap, UserKind};
use epoch_arena_pool::{AdvanceError, ArenaHandle, ArenaPool, Memory, OverBudget};

use crate::pools::{BLOCK, advance, find, put};

const BUDGET: usize = 64 * BLOCK;

fn pools() -> (Memory, ArenaPool, ArenaPool) {
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    let memory = memory.budget(BUDGET).build().unwrap();
    let pool = || {
        let builder = ArenaPool::builder().memory(memory.clone());
        builder.retained_epochs(8).build().unwrap()
    };
    let (small, hog) = (pool(), pool());
    (memory, small, hog)
}

/// The guide's loop: a pool that uses a good part of the budget lets its oldest epoch go; one that uses little
/// reports, as that would gain nothing.
fn put_or_report(pool: &ArenaPool, bytes: &[u8]) -> Result<ArenaHandle, OverBudget> {
    for _ in 0..100 {
        let seen = pool.current_epoch();
        let done = pool.pin().alloc_copy(bytes);
        let Err(refused) = done else {
            return Ok(done.unwrap());
        };
        let over = refused.over_budget().expect("nothing else is wrong");
        let users = pool.memory().usage().users.len();
        if over.own < over.budget / users {
            return Err(over);
        }
        match pool.advance_from(seen) {
            Ok(_) | Err(AdvanceError::Moved(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    panic!("a hundred advances make no room for {}", bytes.len());
}

#[test]
fn the_small_pool_keeps_its_keys_and_the_refusal_names_the_large_one() {
    let (memory, small, hog) = pools();
    let old = put(&small, b"seven epochs to live");
    while hog.pin().alloc_copy(&[0; 1_000]).is_ok() {}
    // What is left of the smallest chunks is the small pool's still.
    while small.pin().alloc_copy(&[0; 8]).is_ok() {}
    let before = small.current_epoch();
    let over = put_or_report(&small, &[1; 4_000]).unwrap_err();
    assert_eq!(small.current_epoch(), before, "not one advance");
    assert_eq!(find(&small, old), Some(b"seven epochs to live".to_vec()));
    // The figures tell that advancing here gains nothing, and who has the rest.
    assert_eq!((over.used, over.budget), (BUDGET, BUDGET));
    assert_eq!((over.own, over.reclaimable), (small.bytes(), 0));
    assert!(over.wanted >= 4_000 && over.own < BUDGET / 8);
    let usage = memory.usage();
    let told: Vec<_> = usage
        .users
        .iter()
        .map(|user| (user.kind, user.bytes))
        .collect();
    let expected = [
        (UserKind::Pool, hog.bytes()),
        (UserKind::Pool, small.bytes()),
    ];
    assert_eq!(told, expected);
    assert_eq!(hog.bytes() + small.bytes(), usage.memory.in_use);
    let shown = usage.to_string();
    assert!(
        shown.contains("shared_budget.rs:"),
        "where they were built: {shown}"
    );
    assert!(over.to_string().contains("Memory::usage"), "{over}");
    // The same loop in the large pool lets its own oldest epochs go, and the small one goes on.
    let handle = put_or_report(&hog, &[2; 4_000]).unwrap();
    assert_eq!(find(&hog, handle), Some(vec![2; 4_000]));
    assert!(put_or_report(&small, &[1; 4_000]).is_ok());
    assert_eq!(find(&small, old), Some(b"seven epochs to live".to_vec()));
}

/// Advancing gives a pool what it retires; the same thousand values go through either pool.
#[test]
fn both_pools_go_on_by_the_loop() {
    let (memory, small, hog) = pools();
    for round in 0..if cfg!(miri) { 20 } else { 3_000 } {
        put_or_report(&hog, &[1; 4_000]).unwrap();
        if round % 100 == 0 {
            put_or_report(&small, &[2; 100]).ok();
        }
        assert!(memory.stats().reserved <= BUDGET);
    }
    assert!(small.stats().live_epochs == 1 && hog.stats().live_epochs > 1 || cfg!(miri));
}

/// What is larger than the whole budget is refused as that, whatever is in use, and nothing is looked for.
#[test]
fn a_request_above_the_whole_budget_says_so() {
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    let memory = memory.budget(4 * BLOCK).build().unwrap();
    let pool = ArenaPool::builder().memory(memory.clone()).build().unwrap();
    for in_use in [false, true] {
        if in_use {
            put(&pool, b"key");
        }
        let before = memory.stats();
        let refused = pool.pin().alloc_copy(&[0; 5 * BLOCK]).unwrap_err();
        let over = refused.over_budget().unwrap();
        assert!(over.wanted > over.budget && over.used == before.in_use);
        assert_eq!((over.own, over.reclaimable), (pool.bytes(), 0));
        let shown = refused.to_string();
        assert!(shown.contains("more than the whole budget"), "{shown}");
        assert!(!shown.contains("retire"), "that would not help: {shown}");
        assert_eq!(memory.stats(), before);
    }
    advance(&pool, 3);
}

/// `resident` is a figure, whatever goes back to the system at that moment.
#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "residency is the kernel's")]
fn resident_is_a_figure_while_blocks_come_and_go() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let source = epoch_arena_block::AnonymousMap::new();
    let memory = Memory::builder().source(source).high_water(0);
    let memory = memory.budget(32 << 20).build().unwrap();
    let pool = ArenaPool::builder().memory(memory.clone()).build().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|s| {
        let finish = crate::ends::Finish(&done);
        let watcher = s.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                let stats = pool.stats();
                assert!(stats.resident <= 32 << 20, "{stats}");
                seen = seen.max(stats.resident);
            }
            seen
        });
        for _ in 0..200 {
            crate::pools::put_many(&pool, 10, &[1; 300_000]);
            advance(&pool, 2);
            pool.maintain();
        }
        drop(finish);
        assert!(watcher.join().unwrap() > 0);
    });
    // A report holds the epochs that it looks at, so the last call above may have come too early.
    pool.maintain();
    assert_eq!((pool.bytes(), pool.stats().resident), (0, 0));
}
