//! Writers against retirement, against the reuse of a slot, and against a thread that sees an epoch sealed.

use crossbeam_epoch::Collector;
use epoch_arena_core::pack;

use super::{Act, POOL, Scene, WRITERS, caught, defer, flush, model, race, read, retire};
use crate::local::state::Owner;

/// Puts into whatever epoch is current; what is put into the new one can be read at once.
fn put(scene: &Scene, local: &Owner) {
    let guard = scene.guard(local);
    let handle = guard.alloc_copy(b"new").unwrap();
    if handle.epoch() == scene.old() {
        scene.write();
    } else {
        assert_eq!(guard.get(handle), Some(&b"new"[..]), "published too late");
    }
}

#[test]
fn writer_against_retire() {
    model(|| race(put, retire));
}

#[test]
fn a_twin_whose_current_epoch_is_moved_too_late_is_caught() {
    caught(|| {
        race(put, |scene, local| {
            let pin = scene.pin(local);
            scene.pool.core.slots.clear(scene.old_stamp());
            defer(&pin, scene.hold(POOL | WRITERS));
            scene.settle(pin, local);
            let _both_holds_are_deferred = scene.publish();
            scene.reuse();
        });
    });
}

#[test]
fn twin_current_is_loaded_before_the_pin_is_caught() {
    caught(|| {
        let put_early: Act = |scene, local| {
            let current = scene.pool.current_epoch();
            let _guard = scene.pin(local);
            if current == scene.old() {
                scene.write();
            }
        };
        race(put_early, retire);
    });
}

/// The writer has a chunk of the old epoch from an earlier pin, and the memory is given to the
/// new epoch.
fn remembered_chunk(put: Act) {
    let (scene, local_a, local_b) = Scene::new(Collector::new());
    // `b` has written the key, so it is `b` that remembers the chunk.
    let thread = loom::thread::spawn({
        let scene = scene.clone();
        move || put(&scene, &local_b)
    });
    retire(&scene, &local_a);
    thread.join().unwrap();
}

#[test]
fn a_remembered_chunk_against_retire() {
    model(|| remembered_chunk(put));
}

#[test]
fn twin_that_trusts_its_remembered_chunk_is_caught() {
    caught(|| {
        remembered_chunk(|scene, local| {
            let _guard = scene.pin(local);
            // SAFETY: none, that is what is wrong: the stamp is not of this pin.
            let first = unsafe { local.writer.bump(scene.old_stamp(), 3) };
            if first.is_some() {
                scene.write();
            }
        });
    });
}

/// A writer, who collects and so may run the closure, against a thread that sees its epoch sealed: here
/// the memory stands for the epoch's counts.
fn put_and_collect(scene: &Scene, local: &Owner) {
    put(scene, local);
    flush(scene, local);
}

#[test]
fn sealed_against_a_writer() {
    model(|| {
        race(put_and_collect, |scene, local| {
            scene.pool.advance_as(local, None).unwrap();
            if scene.pool.is_sealed(scene.old()) {
                scene.read();
            }
        });
    });
}

#[test]
fn a_twin_that_seals_before_current_is_moved_is_caught() {
    caught(|| {
        race(put_and_collect, |scene, local| {
            let pin = scene.pin(local);
            defer(&pin, scene.hold(WRITERS));
            pin.guard().flush();
            let _its_seal_is_deferred = scene.publish();
            scene.settle(pin, local);
            if crate::epochs::hold::is_sealed(&scene.old) {
                scene.read();
            }
        });
    });
}

/// Two epochs on: the old one's slot is another's at once, and its memory, unless a guard holds that.
fn turn(scene: &Scene, local: &Owner) {
    for _ in 0..2 {
        scene.pool.advance_as(local, None).unwrap();
    }
    let guard = scene.guard(local);
    let handle = guard.alloc_copy(b"new").unwrap();
    assert_eq!(handle.epoch().number(), 2, "in the slot of 0");
    if guard.get(handle).unwrap().as_ptr() == scene.address {
        scene.write();
    }
}

#[test]
fn a_stale_handle_against_the_reuse_of_its_slot() {
    model(|| race(read, turn));
}

/// A put whose stamp is of an epoch that is over finds another in its slot, and begins again in the current one.
#[test]
fn a_put_against_the_reuse_of_its_slot() {
    let put_somewhere: Act = |scene, local| {
        let guard = scene.guard(local);
        let handle = guard.alloc_copy(b"any").unwrap();
        if handle.epoch() == scene.old() {
            scene.write();
        }
        let found = guard.get(handle);
        assert!(found.is_none_or(|bytes| bytes == b"any"));
    };
    model(move || race(put_somewhere, turn));
}

/// The twin uses what it finds in the slot of its stamp, whatever it is.
#[test]
fn a_twin_that_does_not_look_whose_slot_it_is_is_caught() {
    caught(|| {
        let put_blindly: Act = |scene, local| {
            let _guard = scene.pin(local);
            let slots = &scene.pool.core.slots;
            let stamp = slots.current();
            // SAFETY: none for the second, that is what is wrong.
            let found = unsafe {
                let own = slots.generation(stamp);
                own.or_else(|| slots.generation(pack::stamp(2)))
            };
            if let Some(generation) = found {
                assert_eq!(generation.name, stamp, "bytes of another epoch");
            }
        };
        race(put_blindly, turn);
    });
}

/// One bit of the epoch stands for any number of bits that is too small.
#[test]
fn a_twin_with_a_truncated_stamp_is_caught() {
    caught(|| {
        let read_truncated: Act = |scene, local| {
            let _guard = scene.pin(local);
            let stamp = scene.pool.core.slots.stamps().of(scene.handle);
            if pack::epoch(stamp) & 1 == scene.old().number() & 1 {
                scene.read();
            }
        };
        race(read_truncated, turn);
    });
}
