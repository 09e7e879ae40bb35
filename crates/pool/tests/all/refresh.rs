//! A guard that is held long, and pinned anew only when something waits for it.

use std::sync::mpsc::channel;

use crossbeam_epoch::Collector;

use crate::pools::{advance, builder, pool};

const BATCH: u64 = 64;

/// A writer with one guard for all its puts holds back no more than what was retired between a few of its calls.
#[test]
fn a_writer_that_refreshes_if_needed_holds_back_few_epochs() {
    const ROUNDS: usize = if cfg!(miri) { 10 } else { 2_000 };
    let pool = pool(1);
    std::thread::scope(|s| {
        let ((to_writer, orders), (to_us, reports)) = (channel(), channel());
        let pool = &pool;
        s.spawn(move || {
            let mut guard = pool.pin();
            // Inside, so that a test which fails here lets the writer go, and the other way round.
            for () in orders {
                for n in 0..BATCH {
                    guard.alloc_copy(&n.to_be_bytes()).unwrap();
                }
                to_us.send(guard.refresh_if_needed()).unwrap();
            }
        });
        let round = || {
            to_writer.send(()).unwrap();
            reports.recv().unwrap()
        };
        assert!(!round(), "nothing was retired");
        for _ in 0..ROUNDS {
            advance(pool, 1);
            assert!(round());
            let held = pool.stats();
            assert!(held.retired_epochs <= 3, "{held}");
        }
        // Once everything is reclaimed, its guard stays as it is.
        let refreshed = (0..20).filter(|_| {
            pool.maintain();
            round()
        });
        assert!(refreshed.count() <= 3);
        assert_eq!(pool.stats().retired_epochs, 0, "{}", pool.stats());
    });
}

/// The writer's own pins are enough, where no other thread calls the pool any more.
#[test]
fn the_pins_of_a_refresh_drive_reclamation() {
    let pool = pool(1);
    let mut guard = pool.pin();
    advance(&pool, 5);
    assert_eq!(pool.stats().retired_epochs, 5);
    // crossbeam-epoch collects with every 128th pin, and two grace periods must pass.
    let calls = (0..4 * 128).take_while(|_| guard.refresh_if_needed());
    assert!(calls.count() <= 3 * 128);
    assert_eq!(pool.stats().retired_epochs, 0);
}

/// What else is deferred to a collector of the user's own is not known, so a guard there always refreshes.
#[test]
fn with_a_given_collector_a_guard_always_refreshes() {
    let collector = Collector::new();
    let given = builder(1).collector(collector).build().unwrap();
    let private = builder(1).private_collector(true).build().unwrap();
    let (mut one, mut two) = (given.pin(), private.pin());
    for _ in 0..10 {
        assert!(one.refresh_if_needed());
        assert!(!two.refresh_if_needed());
    }
    advance(&private, 1);
    assert!(two.refresh_if_needed());
    let nested = given.pin();
    assert!(!one.refresh_if_needed(), "nothing is let go");
    drop(nested);
}

/// Pools over one memory share their guards, so a guard of the one is refreshed for the other.
#[test]
fn a_guard_is_refreshed_for_all_pools_over_its_memory() {
    let one = pool(1);
    let two = builder(1).memory(one.memory().clone()).build().unwrap();
    let mut guard = two.pin();
    advance(&one, 1);
    let refreshed = (0..10).filter(|_| {
        let refreshed = guard.refresh_if_needed();
        one.maintain();
        refreshed
    });
    assert!((1..=3).contains(&refreshed.count()));
    assert_eq!(one.stats().retired_epochs, 0);
}
