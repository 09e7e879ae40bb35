//! Who holds what back: threads, guards that are nobody's we know, leases with their places.

use std::time::Duration;

use epoch_arena_pool::crossbeam_epoch::Collector;
use epoch_arena_pool::{ArenaPool, PinKind};

use crate::pools::{advance, maintain_until, number, pool, put};

#[test]
fn b1_leases_are_listed_with_epoch_age_and_place() {
    let pool = pool(1);
    let handle = put(&pool, &[1; 5_000]);
    let line = line!() + 1;
    let lease = pool.lease(handle.epoch()).unwrap();
    let clones = [lease.clone(), lease.clone()];
    std::thread::sleep(Duration::from_millis(2));
    let before = pool.stats().leases;
    assert_eq!(before.len(), 1, "clones are counted, not listed");
    assert_eq!(
        (before[0].oldest, before[0].newest),
        (lease.epoch(), lease.epoch())
    );
    assert_eq!((before[0].epochs, before[0].owners), (1, 3));
    assert_eq!((before[0].place.line(), before[0].held_back), (line, 0));
    assert!(before[0].place.file().ends_with("holders.rs"));
    assert!(before[0].age() >= Duration::from_millis(2));

    advance(&pool, 1);
    let report = pool.maintain();
    assert_eq!(report.leases[0].held_back, report.held_by_leases.bytes);
    assert!(report.held_by_leases.bytes >= 8_192);
    assert!(report.leases[0].since == before[0].since);
    let shown = report.to_string();
    let place = format!("from {}:{line}:", file!());
    assert!(
        shown.contains("leased: ") && shown.contains("by 3 owners"),
        "{shown}"
    );
    assert!(shown.contains(&place), "{place:?} is not in {shown}");

    drop(lease);
    assert_eq!(pool.maintain().leases[0].owners, 2);
    drop(clones);
    let report = pool.maintain();
    assert_eq!((report.reclaimed_epochs, report.leases.len()), (1, 0));
}

#[test]
fn b1_a_snapshot_is_listed_as_one_with_all_its_epochs() {
    let pool = pool(4);
    for _ in 0..3 {
        put(&pool, b"key");
        advance(&pool, 1);
    }
    let (lease, snapshot) = (pool.lease(pool.current_epoch()), pool.snapshot());
    let leases = pool.stats().leases;
    assert_eq!(leases.len(), 2, "oldest first");
    assert_eq!((leases[0].epochs, leases[1].epochs), (1, 4));
    let epochs: Vec<_> = snapshot.epochs().collect();
    assert_eq!((leases[1].oldest, leases[1].newest), (epochs[0], epochs[3]));
    assert!(leases[1].to_string().starts_with("4 epochs from"));
    drop((lease, snapshot));
    assert!(pool.stats().leases.is_empty());
}

/// The list forgets what is gone, whether or not somebody looks.
#[test]
fn b1_leases_by_the_thousand_leave_nothing_behind() {
    let pool = pool(2);
    let kept = pool.lease(pool.current_epoch()).unwrap();
    for _ in 0..10_000 {
        drop(pool.lease(pool.current_epoch()));
    }
    assert_eq!(pool.stats().leases.len(), 1);
    drop(kept);
}

#[test]
fn b1_leases_race_with_the_list() {
    let pool = pool(2);
    let rounds = if cfg!(miri) { 20 } else { 2_000 };
    std::thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                for _ in 0..rounds {
                    let lease = pool.lease(pool.current_epoch());
                    let clone = lease.clone();
                    drop(lease);
                    drop((clone, pool.snapshot()));
                }
            });
        }
        for _ in 0..rounds / 10 {
            assert!(pool.stats().leases.iter().all(|lease| lease.owners >= 1));
            advance(&pool, 1);
        }
    });
    maintain_until(&pool, |pool| pool.stats().retired_epochs == 0);
    assert!(pool.stats().leases.is_empty());
}

#[test]
fn b3_a_pinned_thread_is_named_with_its_lag_and_what_it_holds_back() {
    let pool = pool(1);
    put(&pool, &[1; 100]);
    advance(&pool, 1);
    let guard = pool.pin();
    let since = guard.epoch();
    for _ in 0..5 {
        put(&pool, &[2; 5_000]);
        advance(&pool, 1);
    }
    let report = pool.maintain();
    let pinned = &report.pinned[0];
    assert_eq!(Some(pinned.thread.as_str()), std::thread::current().name());
    assert_eq!(
        (pinned.epoch, pinned.lag, pinned.kind),
        (since, 5, PinKind::Guard)
    );
    assert_eq!(pinned.held_back, report.held_by_guards.bytes);
    assert_eq!(report.held_by_guards.epochs, 5);
    assert_eq!(report.held_unseen.epochs, 0);
    let shown = report.to_string();
    assert!(shown.contains("5 epochs ago, holding back"), "{shown}");
    // Who pinned later holds back less.
    std::thread::scope(|s| {
        s.spawn(|| {
            let _late = pool.pin();
            put(&pool, &[3; 5_000]);
            advance(&pool, 1);
            let stats = pool.stats();
            let (first, late) = (&stats.pinned[0], &stats.pinned[1]);
            assert_eq!((first.lag, late.lag), (6, 1));
            assert!(late.held_back < first.held_back);
        });
    });
    drop(guard);
    let report = pool.maintain();
    assert_eq!((report.held_by_guards.epochs, report.pinned.len()), (0, 0));
}

/// A guard of a shared collector that has no view cannot be named; but it can be told that there
/// is one.
#[test]
fn b3_a_guard_that_is_not_ours_is_noticed() {
    let collector = Collector::new();
    let builder = ArenaPool::builder().collector(collector.clone());
    let pool = builder.retained_epochs(number(1)).build().unwrap();
    let handle = collector.register();
    let foreign = handle.pin();
    put(&pool, &[1; 5_000]);
    advance(&pool, 1);
    let report = pool.maintain();
    assert_eq!((report.held_unseen.epochs, report.pinned.len()), (1, 0));
    assert_eq!(report.held_unseen, report.held_by_guards);
    assert!(
        report.to_string().contains("none of these threads"),
        "{report}"
    );
    // With a view it has a name.
    let view = pool.view(&foreign).unwrap();
    put(&pool, &[1; 5_000]);
    advance(&pool, 1);
    let report = pool.maintain();
    assert_eq!(report.pinned[0].kind, PinKind::ForeignGuard);
    assert_eq!(
        (report.held_by_guards.epochs, report.held_unseen.epochs),
        (2, 1)
    );
    drop(view);
    drop(foreign);
    let report = pool.maintain();
    assert_eq!((report.reclaimed_epochs, report.held_unseen.epochs), (2, 0));
}
