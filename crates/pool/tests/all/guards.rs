//! An arena's memory is reused only when every guard pinned at its retirement is gone.

use std::sync::mpsc::channel;

use crossbeam_epoch::Collector;

use crate::ends::until;
use crate::pools::{adds_up, advance, builder, find, pool, put, put_many};
use crate::support::caught;

/// Reclaims what can be, and returns how many retired epochs are still held by guards.
fn held(pool: &epoch_arena_pool::ArenaPool) -> usize {
    adds_up(pool);
    pool.maintain().held_by_guards.epochs
}

#[test]
fn a_guard_holds_back_what_it_can_see_and_its_release_frees_it() {
    let pool = pool(1);
    let handle = put(&pool, &[7; 3000]);
    let guard = pool.pin();
    let bytes = guard.get(handle).unwrap();
    advance(&pool, 1);
    assert_eq!(guard.get(handle), None, "a guard is no snapshot");
    for round in 0..20 {
        // All this would land in the old epoch's memory if it were free.
        put_many(&pool, 10, &[round; 3000]);
        advance(&pool, 1);
        assert!(bytes.iter().all(|b| *b == 7));
    }
    assert_eq!(held(&pool), 21, "every epoch that was retired meanwhile");
    drop(guard);
    assert_eq!((held(&pool), pool.stats().retired_epochs), (0, 0));
}

/// The guard of another thread counts the same, from the moment of its pin.
#[test]
fn a_guard_on_another_thread_holds_back_reclamation() {
    let pool = pool(1);
    let handle = put(&pool, b"seen by a reader");
    std::thread::scope(|s| {
        // Inside, so that a test which fails here lets the reader go.
        let ((to_reader, orders), (to_us, reports)) = (channel::<()>(), channel());
        let pool = &pool;
        std::thread::Builder::new()
            .name("a parked reader".into())
            .spawn_scoped(s, move || {
                let guard = pool.pin();
                let bytes = guard.get(handle).unwrap();
                to_us.send(()).unwrap();
                orders.recv().unwrap();
                assert_eq!(bytes, b"seen by a reader");
                drop(guard);
                to_us.send(()).unwrap();
                orders.recv().unwrap();
            })
            .unwrap();
        reports.recv().unwrap();
        let since = pool.current_epoch();
        advance(pool, 3);
        assert_eq!(held(pool), 3);
        let pinned = pool.maintain().pinned;
        assert_eq!(pinned.len(), 1);
        assert_eq!(
            (pinned[0].thread.as_str(), pinned[0].epoch),
            ("a parked reader", since)
        );
        to_reader.send(()).unwrap();
        reports.recv().unwrap();
        assert_eq!((held(pool), pool.maintain().pinned), (0, vec![]));
        to_reader.send(()).unwrap();
    });
}

#[test]
fn a_pool_of_its_own_collector_is_held_back_by_no_other_guard() {
    let (one, two) = (pool(1), pool(1));
    let foreign = (crossbeam_epoch::pin(), two.pin());
    for _ in 0..10 {
        put(&one, &[1; 1000]);
        advance(&one, 1);
        assert_eq!(one.stats().retired_epochs, 0);
    }
    drop(foreign);
}

#[test]
fn a_pool_of_a_shared_collector_is_held_back_by_its_guards() {
    let collector = Collector::new();
    let pool = builder(1).collector(collector.clone()).build().unwrap();
    let participant = collector.register();
    let foreign = participant.pin();
    advance(&pool, 3);
    assert_eq!(held(&pool), 3);
    drop(foreign);
    assert_eq!(held(&pool), 0);
}

#[test]
fn guards_nest_and_the_last_one_unpins() {
    let pool = pool(1);
    let handle = put(&pool, b"nested");
    let outer = pool.pin();
    let bytes = outer.get(handle).unwrap();
    let local = pool.local();
    for _ in 0..5 {
        let (inner, other) = (pool.pin(), local.pin());
        assert_eq!(inner.get(handle), other.get(handle));
        advance(&pool, 1);
    }
    assert_eq!((held(&pool), bytes), (5, &b"nested"[..]));
    // Out of order, too.
    let second = pool.pin();
    drop(outer);
    assert_eq!(held(&pool), 5);
    drop(second);
    assert_eq!(held(&pool), 0);
}

#[test]
fn refresh_lets_go_of_the_past_unless_it_is_nested() {
    let pool = pool(1);
    let mut guard = pool.pin();
    advance(&pool, 2);
    let nested = pool.pin();
    assert!(!guard.refresh());
    assert_eq!(held(&pool), 2);
    drop(nested);
    assert_eq!(held(&pool), 2);
    // crossbeam-epoch wants two grace periods, and a pinned guard lets one pass.
    for _ in 0..3 {
        assert!(guard.refresh());
        pool.maintain();
    }
    assert_eq!(
        pool.stats().retired_epochs,
        0,
        "what was retired before the refresh is free"
    );
    assert_eq!(pool.stats().pinned[0].epoch, pool.current_epoch());
    // And from then on it protects again.
    let handle = guard.alloc_copy(b"again").unwrap();
    let bytes = guard.get(handle).unwrap();
    advance(&pool, 1);
    assert_eq!((held(&pool), bytes), (1, &b"again"[..]));
}

/// A user's deferred closure that panics inside our pin. The guard that was being
/// refreshed must protect afterwards as any guard, for it still resolves.
#[test]
fn a_guard_whose_refresh_met_a_panic_still_protects() {
    let collector = Collector::new();
    let pool = builder(1).collector(collector.clone()).build().unwrap();
    // One bag full of them, which the closure after the last sends off. (Several would leave some
    // to panic at a thread's end, where crossbeam-epoch aborts.)
    let participant = collector.register();
    let deferring = participant.pin();
    for _ in 0..64 {
        deferring.defer(|| panic!("a deferred closure panics, as arranged"));
    }
    deferring.defer(|| {});
    drop(deferring);
    let mut guard = pool.pin();
    // A pin in 128 collects, and a bag is ready after two.
    let met = (0..2_000).any(|_| caught(|| guard.refresh()).is_none());
    assert!(met, "no refresh met the panic: no test");
    let handle = guard.alloc_copy(b"protected").unwrap();
    let bytes = guard.get(handle).unwrap();
    std::thread::scope(|s| {
        s.spawn(|| (0..20).filter_map(|_| caught(|| pool.advance())).count());
    });
    until(|| caught(|| pool.maintain()).is_some());
    let retired = pool.stats().held_by_guards.epochs;
    assert!(
        retired > 0,
        "the epoch was reclaimed under a guard that sees it"
    );
    assert_eq!(bytes, b"protected");
}

/// A thread that sees the new epoch can write to it, and what is written is of
/// the epoch that its handle names.
#[test]
fn a_new_epoch_is_ready_before_anybody_sees_it() {
    let pool = pool(1);
    for round in 0..if cfg!(miri) { 10 } else { 500_u32 } {
        let epoch = pool.advance().unwrap();
        let stats = pool.stats_of(epoch).unwrap();
        assert_eq!(
            (stats.allocations, stats.payload, stats.chunks),
            (0, 0, 0),
            "clean"
        );
        let handle = put(&pool, &round.to_be_bytes());
        assert_eq!(
            (handle.epoch(), find(&pool, handle)),
            (epoch, Some(round.to_be_bytes().into()))
        );
    }
}
