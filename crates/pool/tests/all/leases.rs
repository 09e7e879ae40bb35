//! Leases and snapshots: epochs held without a pin, and nothing but those.

use epoch_arena_pool::Lease;

use crate::pools::{
    SMALLEST, adds_up, advance, all_reclaimed, builder, cleaned, find, maintain_until, pool, put,
    put_many,
};

#[test]
fn a_lease_holds_its_own_epoch_and_no_other() {
    let pool = pool(1);
    let handle = put(&pool, &[1; 500]);
    let lease = pool.lease(handle.epoch()).unwrap();
    for round in 0..50 {
        put_many(&pool, 20, &[round; 3_000]);
        advance(&pool, 1);
        let stats = pool.stats();
        assert_eq!(
            (stats.held_by_leases.epochs, stats.held_by_guards.epochs),
            (1, 0)
        );
        assert_eq!(
            (stats.held_by_leases.bytes, stats.held_by_guards.bytes),
            (stats.retired, 0)
        );
        assert_eq!(lease.get(handle), Some(&[1; 500][..]));
        assert_eq!(find(&pool, handle), None, "for guards it is gone");
        adds_up(&pool);
    }
    assert!(
        pool.lease(handle.epoch()).is_none(),
        "what is retired cannot be leased anew"
    );
    let (again, epoch) = (lease.clone(), lease.epoch());
    drop(lease);
    advance(&pool, 5);
    assert_eq!(
        (again.get(handle), again.epoch()),
        (Some(&[1; 500][..]), epoch)
    );
    assert!(
        pool.stats_of(epoch).is_some(),
        "held, so its figures are there"
    );
    drop(again);
    assert_eq!(pool.maintain().reclaimed_epochs, 1);
    assert_eq!(
        (pool.stats().retired_epochs, pool.stats_of(epoch)),
        (0, None)
    );
}

#[test]
fn a_lease_goes_to_other_threads_and_outlives_the_pool() {
    // Without anything to overwrite, so that the last drop makes the memory free.
    let pool = builder(2).poison_on_reclaim(false).build().unwrap();
    let memory = pool.memory().clone();
    let handle = put(&pool, b"far away");
    let lease = pool.lease(handle.epoch()).unwrap();
    advance(&pool, 5);
    drop(pool);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let lease = lease.clone();
            std::thread::spawn(move || assert_eq!(lease.get(handle), Some(&b"far away"[..])))
        })
        .collect();
    drop(lease);
    threads.into_iter().for_each(|t| t.join().unwrap());
    cleaned(&memory);
    assert_eq!(
        memory.stats().in_use,
        0,
        "with the last owner all memory goes"
    );
}

/// Holds are one word: racing clones and drops end at exactly zero, once.
#[test]
fn racing_leases_hold_until_the_very_last() {
    let pool = pool(1);
    for round in 0..if cfg!(miri) { 3 } else { 200_u8 } {
        let handle = put(&pool, &[round; 64]);
        let lease = pool.lease(handle.epoch()).unwrap();
        advance(&pool, 1);
        std::thread::scope(|s| {
            for _ in 0..3 {
                let lease = lease.clone();
                s.spawn(move || {
                    for _ in 0..20 {
                        let more = lease.clone();
                        assert_eq!(more.get(handle), Some(&[round; 64][..]));
                    }
                });
            }
            s.spawn(|| (0..20).for_each(|_| drop(pool.maintain())));
        });
        maintain_until(&pool, |pool| pool.stats().held_by_leases.epochs == 1);
        drop(lease);
        maintain_until(&pool, all_reclaimed);
    }
}

#[test]
fn a_snapshot_holds_all_live_epochs_and_no_later_one() {
    let pool = pool(3);
    let mut handles = Vec::new();
    for i in 0..5_u8 {
        handles.push(put(&pool, &[i; 10]));
        advance(&pool, 1);
    }
    let current = put(&pool, b"in the current epoch");
    let snapshot = pool.snapshot();
    let after = put(&pool, b"written later into it");
    let epochs: Vec<_> = snapshot.epochs().collect();
    assert_eq!(
        epochs,
        [handles[3].epoch(), handles[4].epoch(), current.epoch()]
    );
    advance(&pool, 10);
    let later = put(&pool, b"later");
    let clone = snapshot.clone();
    drop(snapshot);
    for (i, handle) in handles.iter().enumerate() {
        let expected = (i >= 3).then(|| vec![i as u8; 10]);
        assert_eq!(clone.get(*handle).map(<[u8]>::to_vec), expected);
    }
    assert_eq!(clone.get(current), Some(&b"in the current epoch"[..]));
    assert_eq!(clone.get(after), Some(&b"written later into it"[..]));
    assert_eq!(clone.get(later), None);
    assert_eq!(pool.stats().held_by_leases.epochs, 3);
    std::thread::spawn(move || drop(clone)).join().unwrap();
    pool.maintain();
    assert_eq!(pool.stats().retired_epochs, 0);
}

#[test]
fn a_snapshot_says_which_epochs_it_holds() {
    let (pool, other) = (pool(3), pool(3));
    let gone = pool.current_epoch();
    advance(&pool, 3);
    advance(&other, 1);
    let snapshot = pool.snapshot();
    advance(&pool, 5);
    let held: Vec<_> = snapshot.epochs().collect();
    assert!(held.iter().all(|epoch| snapshot.holds(*epoch)));
    assert!(!snapshot.holds(gone) && !snapshot.holds(pool.current_epoch()));
    assert!(!snapshot.holds(other.current_epoch()), "another pool's");
}

/// Against the lists of the statistics, over leases and snapshots that come and go.
#[test]
fn the_oldest_lease_is_the_oldest_epoch_of_any() {
    let pool = pool(4);
    let (mut leases, mut snapshots) = (Vec::new(), Vec::new());
    for round in 0..200_usize {
        match round.wrapping_mul(7) % 10 {
            0..3 => leases.push(pool.lease(pool.current_epoch()).unwrap()),
            3 => snapshots.push(pool.snapshot()),
            4 if !leases.is_empty() => drop(leases.remove(0)),
            5 if !snapshots.is_empty() => drop(snapshots.remove(0)),
            6 => leases.extend(leases.last().cloned()),
            7 => drop(leases.pop()),
            _ => advance(&pool, 1),
        }
        let oldest = (leases.iter().map(|lease| lease.epoch()))
            .chain(snapshots.iter().flat_map(|snapshot| snapshot.epochs()))
            .min();
        assert_eq!(pool.oldest_lease(), oldest, "round {round}");
    }
    drop((leases, snapshots));
    assert_eq!(pool.oldest_lease(), None);
}

/// It is seen however old its epoch is, and whichever thread drops it.
#[test]
fn the_oldest_lease_may_be_of_a_retired_epoch_and_go_on_any_thread() {
    let pool = pool(1);
    let old = pool.lease(pool.current_epoch()).unwrap();
    let (clone, epoch) = (old.clone(), old.epoch());
    advance(&pool, 5);
    let new = pool.lease(pool.current_epoch()).unwrap();
    drop(old);
    assert_eq!(pool.oldest_lease(), Some(epoch));
    std::thread::scope(|s| {
        s.spawn(|| drop(clone));
        // Either is right meanwhile.
        let seen = pool.oldest_lease();
        assert!(seen == Some(epoch) || seen == Some(new.epoch()));
    });
    assert_eq!(pool.oldest_lease(), Some(new.epoch()));
}

/// A pinned reader holds all that is retired meanwhile, a lease only its own: what is held by
/// which is told apart.
#[test]
fn what_is_held_by_guards_and_by_leases_is_told_apart() {
    let pool = pool(1);
    let lease = pool.lease(put(&pool, &[1; 5_000]).epoch()).unwrap();
    advance(&pool, 1);
    let guard = pool.pin();
    let both = pool.lease(put(&pool, &[2; 90]).epoch()).unwrap();
    advance(&pool, 1);
    put(&pool, &[3; 90]);
    advance(&pool, 1);
    let stats = pool.stats();
    assert_eq!(
        (stats.held_by_leases.epochs, stats.held_by_guards.epochs),
        (1, 2)
    );
    assert_eq!(stats.held_by_guards.bytes, 2 * SMALLEST);
    assert!(stats.held_by_leases.bytes >= 8192);
    drop(guard);
    let report = pool.maintain();
    assert_eq!(
        (report.reclaimed_epochs, report.held_by_guards.epochs),
        (1, 0)
    );
    assert_eq!((report.held_by_leases.epochs, report.pinned.len()), (2, 0));
    drop((lease, both));
    assert_eq!(pool.maintain().reclaimed_epochs, 2);
    adds_up(&pool);
}

#[test]
fn a_snapshot_comes_apart_into_the_leases_of_its_epochs() {
    let pool = pool(3);
    let handles = [1, 2, 3].map(|byte| {
        let handle = put(&pool, &[byte]);
        advance(&pool, 1);
        handle
    });
    let [first, second, third] = handles.map(|handle| handle.epoch());
    let mut snapshot = pool.snapshot();
    let all = snapshot.epochs().collect::<Vec<_>>();
    assert!(
        all.is_sorted() && all.len() == 3,
        "three live ones: {all:?}"
    );
    assert!((&snapshot).into_iter().map(Lease::epoch).eq(all.clone()));
    advance(&pool, 5); // all of them are retired
    assert!(snapshot.lease(first).is_none() && snapshot.take(first).is_none());
    let cloned = snapshot.lease(second).unwrap();
    assert_eq!(
        (cloned.epoch(), cloned.get(handles[1])),
        (second, Some(&[2][..]))
    );
    let taken = snapshot.take(second).unwrap();
    assert_eq!((taken.epoch(), snapshot.get(handles[1])), (second, None));
    assert!(snapshot.take(second).is_none() && snapshot.lease(second).is_none());
    let left = snapshot.into_iter().collect::<Vec<_>>();
    assert!(left.iter().map(Lease::epoch).eq([third, all[2]]));
    assert_eq!(left[0].get(handles[2]), Some(&[3][..]));
}
