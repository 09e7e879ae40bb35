//! Readers against retirement, with guards of all kinds.

use crossbeam_epoch::{Collector, Guard};

use super::{
    Act, POOL, Scene, WRITERS, caught, defer, flush, model, race, read, retire, short_model,
};
use crate::guard::ArenaGuard;
use crate::local::state::Owner;

#[test]
fn a_reader_against_retire() {
    model(|| race(read, retire));
}

/// The reader collects, too: so the closures may run in its thread, and the memory be used in the other.
#[test]
fn a_reader_that_collects_against_retire() {
    let read_and_collect: Act = |scene, local| {
        read(scene, local);
        flush(scene, local);
    };
    model(move || race(read_and_collect, retire));
}

/// Another user of the memory takes what is free there: here nothing of the pool is called any more.
#[test]
fn a_reader_against_another_user_of_the_memory() {
    model(|| {
        race(read, |scene, local| {
            scene.publish_and_defer(local);
            for _ in 0..2 {
                flush(scene, local);
            }
            scene.take_all();
        });
    });
}

#[test]
fn a_twin_that_lets_go_without_a_grace_period_is_caught() {
    caught(|| {
        race(read, |scene, _| {
            let published = scene.publish();
            published.seal.let_go();
            published.retired.unwrap().hold.let_go();
            scene.reuse();
        });
    });
}

#[test]
fn a_twin_that_takes_the_memory_without_a_grace_period_is_caught() {
    caught(|| {
        race(read, |scene, _| {
            let published = scene.publish();
            published.seal.let_go();
            published.retired.unwrap().hold.let_go();
            scene.take_all();
        });
    });
}

#[test]
fn a_twin_that_defers_before_it_unpublishes_is_caught() {
    caught(|| {
        race(read, |scene, local| {
            let pin = scene.pin(local);
            defer(&pin, scene.hold(POOL | WRITERS));
            pin.guard().flush();
            let _both_holds_are_deferred = scene.publish();
            scene.settle(pin, local);
            scene.reuse();
        });
    });
}

#[test]
fn twin_epoch_checked_before_the_pin_is_caught() {
    caught(|| {
        let read_early: Act = |scene, local| {
            let live = scene.sees_old();
            let _guard = scene.pin(local);
            if live {
                scene.read();
            }
        };
        race(read_early, retire);
    });
}

#[test]
fn twin_no_recheck_on_the_second_pin_is_caught() {
    caught(|| {
        let read_twice: Act = |scene, local| {
            let found = scene.guard(local).get(scene.handle).is_some();
            let _guard = scene.pin(local);
            if found {
                scene.read();
            }
        };
        race(read_twice, retire);
    });
}

/// A collector that the pool shares with its user, who is pinned in it when the race begins.
fn race_under_a_guard(a: fn(&Scene, &Owner, Guard), b: Act) {
    let collector = Collector::new();
    let user = collector.register();
    drop(user.pin());
    let (scene, local_a, local_b) = Scene::new(collector);
    let guard = user.pin();
    let thread = loom::thread::spawn({
        let scene = scene.clone();
        move || {
            a(&scene, &local_a, guard);
            drop(user);
        }
    });
    b(&scene, &local_b);
    thread.join().unwrap();
}

#[test]
fn a_guard_beside_the_users() {
    model(|| {
        race_under_a_guard(
            |scene, local, guard| scene.get(&scene.pin_with(local, &guard)),
            retire,
        );
    });
}

#[test]
fn a_guard_beside_a_repinned_one() {
    model(|| {
        race_under_a_guard(
            |scene, local, mut guard| {
                guard.repin();
                scene.get(&scene.pin_with(local, &guard));
            },
            retire,
        );
    });
}

/// A read that leans on the user's guard: `Guard::repin` has no fence.
#[test]
fn twin_without_a_pin_of_its_own_is_caught() {
    caught(|| {
        race_under_a_guard(
            |scene, _, mut guard| {
                guard.repin();
                if scene.sees_old() {
                    scene.read();
                }
                drop(guard);
            },
            retire,
        );
    });
}

/// The reader has a guard from before the race.
fn race_from_a_pin(a: fn(&Scene, ArenaGuard<'_>), b: Act) {
    let (scene, local_a, local_b) = Scene::new(Collector::new());
    let guard = scene.guard(&local_a);
    // SAFETY: the thread below has the scene for longer than the guard, which borrows from there.
    let guard = unsafe { std::mem::transmute::<ArenaGuard<'_>, ArenaGuard<'static>>(guard) };
    let thread = loom::thread::spawn({
        let scene = scene.clone();
        move || a(&scene, guard)
    });
    b(&scene, &local_b);
    thread.join().unwrap();
}

#[test]
fn refresh_against_retire() {
    short_model(|| {
        race_from_a_pin(
            |scene, mut guard| {
                scene.get(&guard);
                assert!(guard.refresh());
                scene.get(&guard);
            },
            retire,
        );
    });
}

/// What was found before a refresh is not looked for again after it.
#[test]
fn twin_no_recheck_after_a_refresh_is_caught() {
    caught(|| {
        race_from_a_pin(
            |scene, mut guard| {
                let found = guard.get(scene.handle).is_some();
                assert!(guard.refresh());
                if found {
                    scene.read();
                }
            },
            retire,
        );
    });
}

/// As `Guard::repin` would do.
#[test]
fn twin_refresh_without_a_fence_is_caught() {
    caught(|| {
        let (scene, local_a, local_b) = Scene::new(Collector::new());
        let mut guard = local_a.participant().handle().pin();
        let thread = loom::thread::spawn({
            let scene = scene.clone();
            move || {
                guard.repin();
                if scene.sees_old() {
                    scene.read();
                }
                drop(guard);
                drop(local_a);
            }
        });
        retire(&scene, &local_b);
        thread.join().unwrap();
    });
}
