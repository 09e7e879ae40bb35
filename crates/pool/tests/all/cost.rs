//! What a call costs does not grow with what it does not name, and what is printed stays short.

use std::time::{Duration, Instant};

use epoch_arena_pool::{ArenaPool, Lease};

use crate::pools::{adds_up, advance, builder, memory, pool, put};

/// Many, as against ten.
const MANY: usize = if cfg!(miri) { 200 } else { 100_000 };

/// What a call is, and the call.
type Call<T> = (&'static str, fn(&T));

/// The shortest of some rounds of `act`, each of a hundred.
fn shortest(mut act: impl FnMut()) -> Duration {
    let rounds = (0..if cfg!(miri) { 1 } else { 20 }).map(|_| {
        let start = Instant::now();
        (0..if cfg!(miri) { 2 } else { 100 }).for_each(|_| act());
        start.elapsed()
    });
    rounds.min().expect("some rounds")
}

/// What is linear in a hundred thousand costs thousands of times as much as with ten.
fn alike(what: &str, few: Duration, many: Duration) {
    assert!(
        cfg!(miri) || many < 20 * few + Duration::from_millis(1),
        "{what}: {many:?} beside {MANY}, {few:?} beside ten"
    );
}

/// A pool with as many retired epochs, each held by a lease.
fn held(count: usize) -> (ArenaPool, Vec<Lease>) {
    let pool = pool(1);
    let leases = (0..count).map(|_| {
        let lease = pool.lease(put(&pool, b"key").epoch()).unwrap();
        advance(&pool, 1);
        lease
    });
    let leases = leases.collect();
    (pool, leases)
}

/// What is printed is a couple of dozen lines at most.
fn prints_little(pool: &ArenaPool) {
    for shown in [pool.stats().to_string(), pool.maintain().to_string()] {
        assert!(shown.lines().count() <= 26, "{shown}");
        assert!(shown.len() < 4_000, "{shown}");
    }
    assert!(format!("{pool:?}").len() < 200, "{pool:?}");
}

#[test]
fn calls_cost_the_same_with_ten_and_with_a_hundred_thousand_held_epochs() {
    let calls: [Call<ArenaPool>; 5] = [
        ("lease", |pool| drop(pool.lease(pool.current_epoch()))),
        ("advance", |pool| advance(pool, 1)),
        ("a put and advance", |pool| {
            put(pool, b"key");
            advance(pool, 1);
        }),
        ("figures of an epoch", |pool| {
            assert!(pool.stats_of(pool.current_epoch()).is_some());
        }),
        ("bytes", |pool| assert!(pool.bytes() > 0)),
    ];
    let ((few, _leases), (many, _more)) = (held(10), held(MANY));
    for (what, call) in calls {
        let few = shortest(|| call(&few));
        alike(what, few, shortest(|| call(&many)));
    }
    for pool in [&few, &many] {
        prints_little(pool);
        adds_up(pool);
    }
}

#[test]
fn calls_cost_the_same_with_ten_and_with_a_hundred_thousand_leases_of_one_epoch() {
    let pools = [10, MANY].map(|count| {
        let pool = pool(1);
        put(&pool, b"key");
        let leases = (0..count).map(|_| pool.lease(pool.current_epoch()).unwrap());
        let leases: Vec<_> = leases.collect();
        (pool, leases)
    });
    let [few, many] = &pools;
    let calls: [Call<(ArenaPool, Vec<Lease>)>; 4] = [
        ("lease", |(pool, _)| drop(pool.lease(pool.current_epoch()))),
        ("clone", |(_, leases)| drop(leases[0].clone())),
        ("bytes of a lease", |(_, leases)| {
            assert!(leases[0].bytes() > 0);
        }),
        ("the oldest", |(pool, _)| {
            assert!(pool.oldest_lease().is_some())
        }),
    ];
    for (what, call) in calls {
        alike(what, shortest(|| call(few)), shortest(|| call(many)));
    }
    for (pool, leases) in &pools {
        assert_eq!(pool.stats().leases.len(), leases.len());
        prints_little(pool);
        advance(pool, 1);
        prints_little(pool);
    }
}

/// A pool is built, used and dropped beside many, over their memory.
#[test]
fn a_pool_costs_the_same_beside_ten_and_beside_thousands() {
    let beside = |count: usize| {
        let memory = memory();
        let build = || builder(2).memory(memory.clone()).build().unwrap();
        let pools: Vec<_> = (0..count).map(|_| build()).collect();
        let cost = shortest(|| assert_eq!(build().bytes(), 0));
        let shown = memory.usage().to_string();
        assert!(shown.lines().count() <= 12, "{shown}");
        assert_eq!(memory.usage().users.len(), pools.len());
        cost
    };
    let many = if cfg!(miri) { 20 } else { 3_000 };
    let (few, many) = (beside(10), beside(many));
    alike("a pool", few, many);
}
