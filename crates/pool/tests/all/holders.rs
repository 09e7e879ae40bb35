//! Who holds what back: threads, guards that the pool does not know, leases with their places.

use std::time::Duration;

use epoch_arena_pool::ArenaPool;
use epoch_arena_pool::crossbeam_epoch::Collector;

use crate::ends::Meeting;
use crate::pools::{advance, maintain_until, pool, put, put_many};

#[test]
fn leases_are_listed_with_epoch_age_and_place() {
    let pool = pool(1);
    let handle = put(&pool, &[1; 5_000]);
    let line = line!() + 1;
    let lease = pool.lease(handle.epoch()).unwrap();
    let clones = [lease.clone(), lease.clone()];
    std::thread::sleep(Duration::from_millis(2));
    let before = pool.stats().leases;
    assert_eq!(before.len(), 1, "clones are counted, not listed");
    assert_eq!((before[0].epoch, before[0].owners), (lease.epoch(), 3));
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
fn a_snapshot_is_listed_as_its_leases_and_printed_in_one_line() {
    let pool = pool(4);
    for _ in 0..3 {
        put(&pool, b"key");
        advance(&pool, 1);
    }
    let (lease, mut snapshot) = (pool.lease(pool.current_epoch()), pool.snapshot());
    let listed = || {
        let leases = pool.stats().leases;
        let place = leases.last().expect("there are some").place;
        let of_snapshot = leases.iter().filter(|lease| lease.place == place);
        of_snapshot.map(|lease| lease.epoch).collect::<Vec<_>>()
    };
    assert_eq!(listed(), snapshot.epochs().collect::<Vec<_>>());
    let shown = pool.stats().to_string();
    let lines = shown.lines().filter(|line| line.starts_with("leased: "));
    assert_eq!(lines.count(), 2, "one a place: {shown}");
    assert!(
        shown.contains("leased: 4 leases of 4 epochs from "),
        "{shown}"
    );
    let second = snapshot.epochs().nth(1).unwrap();
    drop(snapshot.take(second));
    assert_eq!(listed(), snapshot.epochs().collect::<Vec<_>>());
    drop((lease, snapshot));
    assert!(pool.stats().leases.is_empty());
}

/// What is printed has a dozen lines or two, whatever is held.
#[test]
fn reports_stay_short_whatever_is_held() {
    let pool = pool(1);
    put(&pool, &[1; 100]);
    let few = [pool.lease(pool.current_epoch()).unwrap()];
    let count = 5_000;
    let many = (0..count).map(|_| pool.lease(pool.current_epoch()));
    let many: Vec<_> = many.collect();
    let places = pool.leases_of_a_dozen_places();
    advance(&pool, 1);
    let meeting = Meeting::new(12);
    let pinned: Vec<_> = std::thread::scope(|s| {
        let threads: Vec<_> = (0..12)
            .map(|_| {
                s.spawn(|| {
                    let _guard = pool.pin();
                    meeting.wait();
                    let shown = (pool.stats().to_string(), pool.maintain().to_string());
                    meeting.wait();
                    shown
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    for (stats, report) in pinned {
        assert!(stats.lines().count() <= 26, "{stats}");
        assert!(report.lines().count() <= 26, "{report}");
        let of_many = format!("leased: {count} leases of epoch ");
        assert!(stats.contains(&of_many), "{of_many}: {stats}");
        for more in [
            "leased: and 4 more leases from 4 places",
            "pinned: and 2 more threads",
        ] {
            assert!(stats.contains(more), "{stats}");
        }
    }
    drop((few, many, places));
    assert!(format!("{pool:?}").len() < 100, "{pool:?}");
}

/// Leases that were taken at twelve places.
trait Places {
    fn leases_of_a_dozen_places(&self) -> Vec<epoch_arena_pool::Lease>;
}

impl Places for ArenaPool {
    #[rustfmt::skip]
    fn leases_of_a_dozen_places(&self) -> Vec<epoch_arena_pool::Lease> {
        let now = self.current_epoch();
        let leases = [
            self.lease(now), self.lease(now), self.lease(now), self.lease(now),
            self.lease(now), self.lease(now), self.lease(now), self.lease(now),
            self.lease(now), self.lease(now), self.lease(now), self.lease(now),
        ];
        leases.into_iter().flatten().collect()
    }
}

/// The list forgets what is gone, whether or not somebody looks.
#[test]
fn leases_by_the_thousand_leave_nothing_behind() {
    let pool = pool(2);
    let kept = pool.lease(pool.current_epoch()).unwrap();
    for _ in 0..10_000 {
        drop(pool.lease(pool.current_epoch()));
    }
    assert_eq!(pool.stats().leases.len(), 1);
    drop(kept);
}

#[test]
fn leases_race_with_the_list() {
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
fn a_pinned_thread_is_named_with_its_lag_and_what_it_holds_back() {
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
    assert_eq!((pinned.epoch, pinned.lag), (since, 5));
    assert_eq!(pinned.held_back, report.held_by_guards.bytes);
    assert_eq!(report.held_by_guards.epochs, 5);
    assert_eq!(report.held_unseen.epochs, 0);
    let shown = report.to_string();
    assert!(shown.contains("5 epochs ago, holding back"), "{shown}");
    // Who pinned later holds back less.
    std::thread::scope(|s| {
        s.spawn(|| {
            let _late = pool.pin();
            assert_eq!(pool.stats().pinned[1].held_back, 0);
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

/// A guard of a shared collector that is not the pool's cannot be named; but it can be told that
/// there is one.
#[test]
fn a_guard_that_is_not_ours_is_noticed() {
    let collector = Collector::new();
    let builder = ArenaPool::builder().collector(collector.clone());
    let pool = builder.retained_epochs(1).build().unwrap();
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
    // With a guard of the pool beside it, it has a name.
    let beside = pool.pin_with(&foreign).unwrap();
    put(&pool, &[1; 5_000]);
    advance(&pool, 1);
    let report = pool.maintain();
    assert_eq!(report.pinned.len(), 1);
    assert_eq!(
        (report.held_by_guards.epochs, report.held_unseen.epochs),
        (2, 1)
    );
    drop(beside);
    drop(foreign);
    let report = pool.maintain();
    assert_eq!((report.reclaimed_epochs, report.held_unseen.epochs), (2, 0));
}

/// The guard that pinned first is gone, one that was nested in it holds on; the
/// report says since when the thread is pinned all the same. (`wrong_holder`)
#[test]
fn a_nested_guard_is_reported_by_the_outermost_pin() {
    let collector = Collector::new();
    let builder = ArenaPool::builder().collector(collector.clone());
    let pool = builder.retained_epochs(1).build().unwrap();
    let user = collector.register();
    let first = pool.pin();
    let since = first.epoch();
    put_many(&pool, 1, &[1; 1_000]);
    advance(&pool, 3);
    let theirs = user.pin();
    let beside = pool.pin_with(&theirs).unwrap();
    drop(first);
    let report = pool.maintain();
    assert_eq!(report.pinned.len(), 1);
    assert_eq!((report.pinned[0].epoch, report.pinned[0].lag), (since, 3));
    assert_eq!(report.held_by_guards.epochs, 3);
    assert_eq!(report.pinned[0].held_back, report.held_by_guards.bytes);
    assert_eq!(report.held_unseen.epochs, 0);
    drop(beside);
    assert_eq!(pool.maintain().pinned, []);
    drop(theirs);
    assert_eq!(pool.maintain().reclaimed_epochs, 3);
}

/// A refresh of a nested guard lets nothing go, and the report says so: the thread is pinned since its first guard.
#[test]
fn a_refresh_of_a_nested_guard_does_not_renew_what_is_reported() {
    let pool = pool(1);
    let first = pool.pin();
    let since = first.epoch();
    put_many(&pool, 1, &[1; 1_000]);
    advance(&pool, 3);
    let mut nested = pool.pin();
    assert!(!nested.refresh());
    let report = pool.maintain();
    assert_eq!((report.pinned[0].epoch, report.pinned[0].lag), (since, 3));
    assert_eq!(report.held_unseen.epochs, 0);
    drop(first);
    assert!(nested.refresh());
    assert_eq!(pool.maintain().pinned[0].lag, 0);
}

/// A lease costs the same whatever is leased.
#[test]
fn a_lease_costs_the_same_whatever_is_held() {
    let held = if cfg!(miri) { 100 } else { 200_000 };
    let pool = pool(2);
    let lease = || pool.lease(pool.current_epoch()).unwrap();
    let leases: Vec<_> = (0..held).map(|_| lease()).collect();
    // Quadratic, as it was, this takes minutes and more.
    for _ in 0..held {
        drop(lease());
    }
    assert_eq!(pool.oldest_lease(), Some(pool.current_epoch()));
    assert_eq!(pool.stats().leases.len(), held);
    drop(leases);
    drop(lease());
    assert_eq!((pool.oldest_lease(), pool.stats().leases.len()), (None, 0));
}
