//! With many held epochs, leases and pools what is printed stays short, and the figures add up. (What calls cost then is
//! counted in instructions: `beside_held` and `beside_pools` of `cargo xtask verify --only counts`.)

use epoch_arena_pool::ArenaPool;

use crate::pools::{adds_up, advance, builder, memory, pool, put};

const MANY: usize = if cfg!(miri) { 200 } else { 10_000 };

/// What is printed is a couple of dozen lines at most.
fn prints_little(pool: &ArenaPool) {
    for shown in [pool.stats().to_string(), pool.maintain().to_string()] {
        assert!(shown.lines().count() <= 26, "{shown}");
        assert!(shown.len() < 4_000, "{shown}");
    }
    assert!(format!("{pool:?}").len() < 200, "{pool:?}");
}

#[test]
fn many_held_epochs_are_reported_in_a_few_lines() {
    let pool = pool(1);
    let leases = (0..MANY).map(|_| {
        let lease = pool.lease(put(&pool, b"key").epoch()).unwrap();
        advance(&pool, 1);
        lease
    });
    let leases: Vec<_> = leases.collect();
    assert_eq!(pool.stats().held_by_leases.epochs, leases.len());
    prints_little(&pool);
    adds_up(&pool);
}

#[test]
fn many_leases_of_one_epoch_are_reported_in_a_few_lines() {
    let pool = pool(1);
    put(&pool, b"key");
    let leases = (0..MANY).map(|_| pool.lease(pool.current_epoch()).unwrap());
    let leases: Vec<_> = leases.collect();
    assert_eq!(pool.stats().leases.len(), leases.len());
    prints_little(&pool);
    advance(&pool, 1);
    assert_eq!(pool.stats().held_by_leases.epochs, 1);
    prints_little(&pool);
}

#[test]
fn many_pools_over_one_memory_are_listed_in_a_few_lines() {
    let memory = memory();
    let build = |_| builder(2).memory(memory.clone()).build().unwrap();
    let pools: Vec<_> = (0..MANY / 10).map(build).collect();
    let usage = memory.usage();
    assert_eq!(usage.users.len(), pools.len());
    let shown = usage.to_string();
    assert!(shown.lines().count() <= 12, "{shown}");
}
