//! Leases, taken and dropped, against retirement.

use std::sync::Arc;

use crossbeam_epoch::Collector;

use super::{Act, Scene, caught, flush, model, race, retire};
use crate::epochs::hold::LEASE;
use crate::local::state::Owner;
use crate::sync::{AtomicU64, Ordering};

/// A lease is taken, if there is still time, and given up.
fn lease(scene: &Scene, _: &Owner) {
    if let Some(lease) = scene.pool.lease(scene.old()) {
        assert_eq!(lease.get(scene.handle), Some(&b"old"[..]));
        scene.read();
    }
}

#[test]
fn a_lease_against_retire() {
    model(|| race(lease, retire));
}

#[test]
fn a_twin_lease_that_is_counted_after_the_lock_is_caught() {
    caught(|| {
        let lease_late: Act = |scene, _| {
            if scene.pool.is_live(scene.old()) {
                scene.old.hold(LEASE);
                scene.read();
                scene.hold(LEASE).let_go();
            }
        };
        race(lease_late, retire);
    });
}

/// Figures of an epoch are taken under a hold of their own, without the lock.
#[test]
fn figures_of_an_epoch_against_retire() {
    model(|| {
        let look: Act = |scene, _| {
            if let Some(stats) = scene.pool.stats_of(scene.old()) {
                assert_eq!(stats.payload, 3);
            }
        };
        race(look, |scene, local| {
            scene.pool.advance_as(local, None).unwrap();
            scene.take_all();
        });
    });
}

/// The last lease goes while the closures run that let the epoch go for the pool: the memory is free when both are
/// done, and was given up once.
#[test]
fn a_lease_dropped_against_the_closures() {
    model(|| {
        let (scene, local_a, local_b) = Scene::new(Collector::new());
        let lease = scene.pool.lease(scene.old()).unwrap();
        let thread = loom::thread::spawn({
            let scene = scene.clone();
            move || {
                assert_eq!(lease.get(scene.handle), Some(&b"old"[..]));
                scene.read();
                drop(lease);
                drop(local_a);
            }
        });
        retire(&scene, &local_b);
        thread.join().unwrap();
        for _ in 0..3 {
            flush(&scene, &local_b);
        }
        assert_eq!(scene.old.holds(), 0);
        if scene.others.bytes() == 0 {
            assert!(scene.take_all(), "nothing holds it any more");
        }
        assert_eq!(scene.pool.core.account.given().0, 1);
    });
}

/// The pool's hold and the leases in two words, looked at one after the other: the last lease is
/// cloned and given up on the way, and each word is seen as zero.
#[test]
fn a_twin_with_holds_in_two_words_is_caught() {
    caught(|| {
        let (scene, local_a, local_b) = Scene::new(Collector::new());
        let leases = Arc::new(AtomicU64::new(0));
        let thread = loom::thread::spawn({
            let (scene, leases) = (scene.clone(), leases.clone());
            move || {
                let guard = scene.guard(&local_a);
                if guard.get(scene.handle).is_some() {
                    // Under the guard the pool's hold is still there, so a lease may be added.
                    leases.fetch_add(1, Ordering::Relaxed);
                    drop(guard);
                    scene.read();
                    leases.fetch_sub(1, Ordering::Release);
                }
            }
        });
        scene.publish_and_defer(&local_b);
        let none = leases.load(Ordering::Acquire) == 0;
        flush(&scene, &local_b);
        flush(&scene, &local_b);
        if none {
            scene.reuse();
        }
        thread.join().unwrap();
    });
}
