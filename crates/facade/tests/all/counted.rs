//! Shared writes per put, counted by atomics that count: `RUSTFLAGS="--cfg epoch_arena_count"`.
#![cfg(epoch_arena_count)]

use epoch_arena::ArenaPool;
use epoch_arena::count::{Counts, counts};

const KEY: [u8; 16] = *b"0123456789abcdef";

/// The shared writes of `puts` puts of 16 bytes, by this thread, 64 under one pin.
fn of_puts(pool: &ArenaPool, puts: u64) -> Counts {
    let before = counts();
    for _ in 0..puts / 64 {
        let guard = pool.pin();
        for _ in 0..64 {
            guard.alloc_copy(&KEY).unwrap();
        }
    }
    counts().since(before)
}

/// Target T9, for epochs of many keys. The first chunks of an epoch are small, and each costs a lock:
/// with half as many keys it is just missed.
#[test]
fn a_put_shares_less_than_one_write_in_a_thousand() {
    the_counters_work();
    let puts = 1 << 21;
    let pool = ArenaPool::builder().build().unwrap();
    let one = of_puts(&pool, puts);
    assert!(one.rmws > 0, "{one:?}: a chunk cannot be had for nothing");
    assert!(one.rmws * 1000 <= puts, "{one:?}");
    // The same with a second thread beside.
    let both = std::thread::scope(|scope| {
        let other = scope.spawn(|| of_puts(&pool, puts));
        [of_puts(&pool, puts), other.join().unwrap()]
    });
    for one in both {
        assert!(one.rmws * 1000 <= puts, "{one:?}");
        assert!(one.taken_over * 1000 <= puts, "{one:?}");
    }
}

/// An advance takes locks, a lease counts itself. It comes first, and no test of its own runs beside: memory that another
/// thread has written to, and that is used again, has lines to take over.
fn the_counters_work() {
    let pool = ArenaPool::builder().build().unwrap();
    let before = counts();
    for _ in 0..100 {
        pool.advance().unwrap();
    }
    let advances = counts().since(before);
    assert!(
        advances.locks >= 100 && advances.rmws >= 300,
        "{advances:?}"
    );
    assert!(advances.stores >= 200, "{advances:?}");

    let before = counts();
    drop(pool.lease(pool.current_epoch()).unwrap());
    assert!(counts().since(before).rmws >= 2);

    // One thread alone takes no line over; two that write to one line do.
    assert_eq!(of_puts(&pool, 64).taken_over, 0);
    let taken = std::thread::scope(|scope| {
        let advance = || {
            let before = counts();
            pool.advance().unwrap();
            counts().since(before).taken_over
        };
        scope.spawn(advance).join().unwrap() + scope.spawn(advance).join().unwrap()
    });
    assert!(taken > 0);
}
