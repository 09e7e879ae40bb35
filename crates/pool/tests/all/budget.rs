//! Budgets: exhaustion, a parked reader, and pools that share a memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use crossbeam_epoch::Collector;
use epoch_arena_block::{Heap, Source};
use epoch_arena_pool::{AllocError, ArenaPool, Lease, Memory, OverBudget};

use crate::ends::Finish;
use crate::pools::{BLOCK, adds_up, advance, in_order, maintain_until, put};
use crate::support::Faulty;

fn is_over(refused: AllocError) -> bool {
    refused.over_budget().is_some()
}

/// The figures with which a value is refused.
fn refusal(pool: &ArenaPool, len: usize) -> OverBudget {
    let refused = pool.pin().alloc_copy(&vec![1; len]).err();
    let over = refused.and_then(|refused| refused.over_budget());
    over.expect("not refused")
}

fn memory(blocks: usize) -> Memory {
    memory_over(Heap, blocks)
}

fn memory_over(source: impl Source, blocks: usize) -> Memory {
    let memory = Memory::builder().source(source).block_size(BLOCK);
    memory
        .budget(blocks * BLOCK)
        .build()
        .expect("valid settings")
}

fn pool_on(memory: &Memory, retained: u32) -> ArenaPool {
    let builder = ArenaPool::builder().memory(memory.clone());
    builder
        .retained_epochs(retained)
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
                assert!(is_over(refused), "{refused}");
                return count;
            }
        }
    }
}

#[test]
fn a_full_budget_refuses_for_ever_and_recovers_with_the_next_epoch() {
    let memory = memory(4);
    let pool = pool_on(&memory, 1);
    let first = fill(&pool);
    assert_eq!(
        pool.stats().memory.reserved,
        4 * BLOCK,
        "all of the budget is used"
    );
    assert!(first > 4 * BLOCK / 1_000 / 10 * 9, "and used well: {first}");
    let before = pool.stats();
    for _ in 0..if cfg!(miri) { 20 } else { 10_000 } {
        let over = refusal(&pool, 1_000);
        let figures = (over.used, over.budget, over.reclaimable);
        assert_eq!(figures, (4 * BLOCK, 4 * BLOCK, 0));
    }
    assert_eq!(pool.stats(), before);
    // From the second epoch on the thread begins with larger chunks.
    let mut rooms = Vec::new();
    for _ in 0..5 {
        advance(&pool, 1);
        rooms.push(fill(&pool));
        adds_up(&pool);
    }
    assert!(rooms[0] >= first, "{first}, then {rooms:?}");
    let same = rooms.iter().all(|room| *room == rooms[0]);
    assert!(same, "the same room every time: {rooms:?}");
}

/// Growth behind a parked reader ends at the budget, is reported, and recovers.
#[test]
fn a_parked_reader_costs_at_most_the_budget_and_is_named() {
    let memory = memory(8);
    let pool = pool_on(&memory, 1);
    let guard = pool.pin();
    let handle = guard.alloc_copy(b"parked on").unwrap();
    let bytes = guard.get(handle).unwrap();
    let since = guard.epoch();
    let mut refused = 0;
    for _ in 0..50 {
        refused += usize::from(pool.pin().alloc_copy(&[2; 30_000]).is_err_and(is_over));
        advance(&pool, 1);
        assert!(memory.stats().reserved <= 8 * BLOCK);
    }
    assert!(refused > 0);
    let report = pool.maintain();
    assert_eq!(report.held_by_guards.epochs, 50);
    assert!(report.held_by_guards.bytes > 4 * BLOCK);
    assert_eq!((report.pinned.len(), report.pinned[0].epoch), (1, since));
    let over = refusal(&pool, 30_000);
    assert_eq!(over.reclaimable, report.held_by_guards.bytes);
    assert!(over.to_string().contains("guards and leases"), "{over}");
    assert_eq!(bytes, b"parked on");
    drop(guard);
    assert_eq!(pool.maintain().held_by_guards.epochs, 0);
    put(&pool, &[3; 30_000]);
    assert!(fill(&pool) > 4 * BLOCK / 1_000);
}

/// How the reader of the next test is parked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Parked {
    Guard,
    /// A guard beside one of the user's own.
    Beside,
    /// A lease of each epoch.
    Leases,
}

/// The same on another thread and in each way: growth ends at the budget, exactly; the report names
/// the thread, or says that it is leases; and with the release all of it comes back.
#[test]
fn whichever_thread_is_parked_growth_ends_at_the_budget_and_all_of_it_recovers() {
    const BLOCKS: usize = 8;
    for parked in [Parked::Guard, Parked::Beside, Parked::Leases] {
        let source = Faulty::default();
        let memory = memory_over(source.clone(), BLOCKS);
        let collector = Collector::new();
        let builder = ArenaPool::builder().memory(memory.clone());
        let builder = builder.collector(collector.clone());
        let pool = builder.retained_epochs(1).build().unwrap();
        let before = fill(&pool);
        advance(&pool, 1);
        std::thread::scope(|s| {
            let ((to_reader, orders), (to_us, reports)) = (channel::<()>(), channel());
            let reader = std::thread::Builder::new().name("parked reader".into());
            let (pool, collector) = (&pool, &collector);
            let reader = reader.spawn_scoped(s, move || {
                let participant = collector.register();
                let foreign = (parked == Parked::Beside).then(|| participant.pin());
                let beside = foreign.as_ref().map(|guard| pool.pin_with(guard).unwrap());
                let guard = (parked == Parked::Guard).then(|| pool.pin());
                to_us.send(()).unwrap();
                orders.recv().unwrap();
                drop((beside, guard));
            });
            let reader = reader.unwrap();
            reports.recv().unwrap();
            let mut leases = Vec::new();
            let refused = fill_behind(pool, parked, &mut leases);
            assert!(refused > 0, "{parked:?}: growth goes on");
            let report = pool.maintain();
            let held = [report.held_by_guards, report.held_by_leases];
            let (held, other) = match parked {
                Parked::Leases => (held[1], held[0]),
                Parked::Guard | Parked::Beside => (held[0], held[1]),
            };
            assert!(held.bytes > BLOCKS * BLOCK / 2, "{parked:?}: {report}");
            assert_eq!(other.epochs, 0, "{parked:?}: {report}");
            let named: Vec<_> = report.pinned.iter().map(|p| &*p.thread).collect();
            match parked {
                Parked::Guard | Parked::Beside => assert_eq!(named, ["parked reader"]),
                Parked::Leases => assert!(named.is_empty()),
            }
            to_reader.send(()).unwrap();
            reader.join().unwrap();
            drop(leases);
            let report = pool.maintain();
            assert_eq!(
                report.held_by_guards.epochs + report.held_by_leases.epochs,
                0
            );
            assert_eq!(report.pinned, []);
        });
        advance(&pool, 1);
        let after = fill(&pool);
        assert_eq!(pool.bytes(), BLOCKS * BLOCK, "{parked:?}: all of it");
        let room = format!("{parked:?}: {after} after {before}");
        // At least as many: the thread has learnt to begin with larger chunks.
        assert!(after >= before && after <= before + 2, "{room}");
        assert!(source.most() <= BLOCKS * BLOCK, "{parked:?}");
    }
}

/// Writes and advances until well after the budget is met; returns how many puts were refused.
fn fill_behind(pool: &ArenaPool, parked: Parked, leases: &mut Vec<Lease>) -> usize {
    let mut refused = 0;
    for _ in 0..50 {
        if parked == Parked::Leases {
            leases.extend(pool.lease(pool.current_epoch()));
        }
        refused += usize::from(pool.pin().alloc_copy(&[2; 30_000]).is_err_and(is_over));
        advance(pool, 1);
        assert!(pool.memory().stats().reserved <= pool.memory().stats().budget.unwrap());
    }
    refused
}

/// A put that finds no room reclaims what has become free before it gives up.
#[test]
fn the_slow_path_reclaims_before_it_fails() {
    let pool = pool_on(&memory(2), 1);
    fill(&pool);
    let lease = pool.lease(pool.current_epoch()).unwrap();
    advance(&pool, 1);
    assert_eq!(
        refusal(&pool, 1_000).reclaimable,
        2 * BLOCK,
        "the lease has all"
    );
    drop(lease);
    put(&pool, b"no advance and no maintain in between");
}

/// What one pool can spare is another's, without a call of `maintain`.
#[test]
fn one_pool_can_use_what_another_freed() {
    let memory = memory(6);
    let (one, two) = (pool_on(&memory, 1), pool_on(&memory, 1));
    let all = fill(&one);
    let over = refusal(&two, 1_000);
    assert_eq!((over.used, over.reclaimable), (6 * BLOCK, 0));
    let lease = one.lease(one.current_epoch());
    advance(&one, 1);
    assert_eq!(refusal(&two, 1_000).used, 6 * BLOCK, "the lease holds it");
    drop(lease);
    // Not even reclaimed yet: the put of the second pool has the first reclaim and give back.
    let of_two = fill(&two);
    assert_eq!((one.bytes(), two.bytes()), (0, 6 * BLOCK));
    assert_eq!(refusal(&one, 1_000).used, 6 * BLOCK);
    drop(two);
    let again = fill(&one);
    assert_eq!(one.bytes(), 6 * BLOCK);
    // Which blocks are for the small chunks differs, and by that a value or two.
    let rooms = [all, of_two, again];
    assert!(
        rooms.iter().all(|room| room.abs_diff(all) <= 2),
        "{rooms:?}"
    );
}

/// Pools that come and go leave nothing behind in the memory that they shared.
#[test]
fn the_memory_asks_only_pools_that_live() {
    let memory = memory(2);
    for _ in 0..200 {
        let pool = pool_on(&memory, 1);
        put(&pool, b"key");
    }
    let pool = pool_on(&memory, 1);
    fill(&pool);
    assert_eq!(refusal(&pool, 1_000).used, 2 * BLOCK);
}

/// Pools, one of them with readers that hold leases: writers, advancers, a
/// thread that gives memory back, and a sampler. What the sampler may miss the source has seen.
#[test]
fn pools_that_race_for_a_budget_never_exceed_it() {
    const BLOCKS: usize = 12;
    let source = Faulty::default();
    let memory = memory_over(source.clone(), BLOCKS);
    let pools = [1, 2, 1].map(|retained| pool_on(&memory, retained));
    let (done, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|s| {
        let finish = Finish(&done);
        s.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let stats = memory.stats();
                assert!(stats.reserved <= BLOCKS * BLOCK, "{stats}");
                assert!(stats.in_use + stats.free <= stats.reserved, "{stats}");
                pools.iter().for_each(|pool| in_order(&pool.stats()));
            }
        });
        s.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                memory.trim(BLOCK);
                pools[2].maintain();
                std::thread::yield_now();
            }
        });
        let writers: Vec<_> = (0..6)
            .map(|t| {
                let (pool, refused) = (&pools[t % 3], &refused);
                s.spawn(move || write_at_the_limit(pool, t, refused))
            })
            .collect();
        writers.into_iter().for_each(|w| w.join().unwrap());
        drop(finish);
    });
    assert!(source.most() <= BLOCKS * BLOCK, "{} bytes", source.most());
    if !cfg!(miri) {
        assert!(
            refused.into_inner() > 0,
            "the budget was never reached: no test"
        );
    }
    for pool in &pools {
        advance(pool, 3);
        maintain_until(pool, |pool| pool.bytes() == 0);
        adds_up(pool);
    }
    assert_eq!(memory.stats().in_use, 0);
    memory.trim(0);
    assert_eq!(source.regions(), 0);
}

/// Values of all sizes; a new epoch where the budget has no more; a lease now and then.
fn write_at_the_limit(pool: &ArenaPool, t: usize, refused: &AtomicUsize) {
    let mut lease = None;
    for i in 0..if cfg!(miri) { 50 } else { 4_000 } {
        let value = vec![t as u8; 1 + i * 7919 % 20_000];
        let guard = pool.pin();
        match guard.alloc_copy(&value) {
            Ok(handle) => assert!(guard.get(handle).is_none_or(|v| v == value)),
            Err(error) => {
                assert!(is_over(error), "{error}");
                refused.fetch_add(1, Ordering::Relaxed);
                drop(guard);
                let _ = pool.advance();
            }
        }
        match i % 500 {
            100 => lease = pool.lease(pool.current_epoch()),
            150 => lease = None,
            499 => drop(pool.maintain()),
            _ => {}
        }
    }
    drop(lease);
}

/// A put that meets the budget moves the callbacks on by itself, and tries again. Each can pass one of crossbeam-epoch's
/// two grace periods, so that the second one succeeds, without a call of `maintain`.
#[test]
fn a_put_reclaims_by_itself_what_the_last_guard_has_let_go() {
    let collector = Collector::new();
    let builder = ArenaPool::builder().memory(memory(2)).retained_epochs(1);
    let pool = builder.collector(collector.clone()).build().unwrap();
    let reader = collector.register();
    for _ in 0..if cfg!(miri) { 2 } else { 20 } {
        let pinned = reader.pin();
        fill(&pool);
        advance(&pool, 1);
        let refused = pool.pin().alloc_copy(&[1; 1_000]);
        assert!(refused.is_err(), "a guard holds all of it");
        drop(pinned);
        let _ = pool.pin().alloc_copy(&[1; 1_000]);
        pool.pin().alloc_copy(&[1; 1_000]).unwrap();
    }
}
