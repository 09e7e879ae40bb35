//! loom models end to end: the real pool over the real crossbeam-epoch, with the broken twins that
//! they must catch. Nothing is left out but the thread-local registry: all threads of loom's share
//! one set of thread-locals, so each brings its state (`Owner`) along.
//!
//! ```sh
//! RUSTFLAGS="--cfg epoch_arena_loom --cfg crossbeam_loom --cfg crossbeam_sanitize" \
//!   CARGO_TARGET_DIR=target/loom \
//!   cargo test --profile model -p epoch-arena-pool --lib end_to_end
//! ```
//!
//! Two things make such a model see what it is for. Participants are *warmed up*: a first pin
//! collects, and so uses up the advance of the grace period with which a closure comes too early.
//! And where a guard of the user's matters it is *pinned before the race*, so that it has something
//! to be moved on from. The reader or writer is the spawned thread: with the roles exchanged loom
//! did not find what is wrong with a `repin` even at five preemptions.
//!
//! loom tries every schedule with at most [`PREEMPTIONS`] switches that no wait forces, unless
//! `LOOM_MAX_PREEMPTIONS` says otherwise: at 2 all of them take seconds, at 3 some minutes.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]
#![expect(
    clippy::disallowed_methods,
    reason = "`repin` is what a user may do to his guard, and what twins lean on"
)]

use std::sync::Arc;

use crossbeam_epoch::{Collector, Guard};
use epoch_arena_block::{Heap, Memory, Relieve, twin};
use epoch_arena_core::raw::EpochCounter;
use epoch_arena_core::{ArenaHandle, Epoch, pack};
use loom::cell::UnsafeCell;
use loom::model::Builder;

use crate::ArenaPool;
use crate::guard::ArenaGuard;
use crate::local::{Local, Owner};
use crate::record::Record;
use crate::status::Status;

const PREEMPTIONS: usize = 2;

fn limits(preemptions: usize) -> Builder {
    let mut limits = Builder::new();
    limits.preemption_bound.get_or_insert(preemptions);
    // One execution is longer than loom expects, as a model of crossbeam-epoch is.
    limits.max_branches = 10_000;
    limits
}

fn model(run: impl Fn() + Sync + Send + 'static) {
    limits(PREEMPTIONS).check(run);
}

/// With one preemption more, for a model that is short and needs it.
fn short_model(run: impl Fn() + Sync + Send + 'static) {
    limits(PREEMPTIONS + 1).check(run);
}

fn caught(run: impl Fn() + Sync + Send + 'static) {
    twin::caught_by(&limits(PREEMPTIONS), run);
}

/// A pool that retains one epoch, with a key in it, and the memory of that epoch.
struct Scene {
    pool: ArenaPool,
    /// `b"old"`, in the epoch that the race retires.
    handle: ArenaHandle,
    /// Where that is.
    address: *const u8,
    /// Stands for the memory of that epoch: touched by its readers and writers, and by whoever has
    /// the memory afterwards. loom reports any two accesses that are not ordered.
    memory: UnsafeCell<u8>,
}

/// What a thread of the model does.
type Act = fn(&Scene, &Owner);

impl Scene {
    /// The scene, and the states of two threads, warmed up. `b` has written the key.
    fn new(collector: Collector) -> (Arc<Self>, Owner, Owner) {
        Self::scrubbed(collector, false)
    }

    /// The same; reclaimed bytes are zeroed, or left as they are.
    #[expect(
        clippy::arc_with_non_send_sync,
        reason = "loom's threads take turns, and loom checks what they share"
    )]
    fn scrubbed(collector: Collector, zero: bool) -> (Arc<Self>, Owner, Owner) {
        let memory = Memory::builder().source(Heap).block_size(8192).build();
        let pool = ArenaPool::builder()
            .memory(memory.unwrap())
            .collector(collector)
            .zero_on_reclaim(zero)
            .retained_epochs(1)
            .max_epochs(2);
        // A counter of its own, as each execution of a model must do the same.
        let counter = Box::leak(Box::new(EpochCounter::starting_at(0)));
        // SAFETY: no handle or epoch of this pool meets another pool's.
        let pool = unsafe { pool.counter(counter) }.build().unwrap();
        let [a, b] = [(), ()].map(|()| {
            let local = Local::register(&pool.core, Record::of_ending_thread());
            drop(local.pin(&pool.core));
            local
        });
        let guard = b.pin(&pool.core);
        let handle = guard.alloc_copy(b"old").unwrap();
        let address = guard.get(handle).unwrap().as_ptr();
        drop(guard);
        let scene = Self {
            pool,
            handle,
            address,
            memory: UnsafeCell::new(0),
        };
        (Arc::new(scene), a, b)
    }

    fn pin(&self, local: &Owner) -> ArenaGuard<'_> {
        local.pin(&self.pool.core)
    }

    /// A guard beside one of the user's.
    fn pin_with<'a>(&'a self, local: &Owner, theirs: &'a Guard) -> ArenaGuard<'a> {
        assert_eq!(theirs.collector(), Some(&self.pool.core.collector));
        self.pin(local)
    }

    /// Reads the key, if it can be seen.
    fn get(&self, guard: &ArenaGuard<'_>) {
        if let Some(bytes) = guard.get(self.handle) {
            assert_eq!(bytes, b"old");
            self.read();
        }
    }

    fn read(&self) {
        // SAFETY: loom checks that no write is unordered with it.
        self.memory.with(|memory| unsafe { *memory });
    }

    fn write(&self) {
        // SAFETY: loom checks that no other access is unordered with it.
        self.memory.with_mut(|memory| unsafe { *memory += 1 });
    }

    fn old(&self) -> Epoch {
        self.handle.epoch()
    }

    fn old_stamp(&self) -> u64 {
        pack::stamp(self.old().number())
    }

    fn status(&self) -> &Status {
        self.pool.core.status(self.old_stamp())
    }

    /// The stamp in the slot of the key, as a `get` finds it.
    fn sees_old(&self) -> bool {
        self.pool.core.slots.stamps().of(self.handle) == self.old_stamp()
    }

    /// Uses the memory of the old epoch if that was reclaimed.
    fn reuse(&self) {
        if self.pool.core.state().find(self.old()).is_none() {
            self.write();
        }
    }

    /// For twins that retire in a way of their own: uses the memory as soon as nobody holds it.
    fn reuse_if_not_held(&self) {
        if self.status().is_reclaimable() {
            self.write();
        }
    }
}

/// `a` in a thread against `b`.
fn race(a: Act, b: Act) {
    let (scene, local_a, local_b) = Scene::new(Collector::new());
    let thread = loom::thread::spawn({
        let scene = scene.clone();
        move || a(&scene, &local_a)
    });
    b(&scene, &local_b);
    thread.join().unwrap();
}

fn retire(scene: &Scene, local: &Owner) {
    scene.pool.advance_as(local, None).unwrap();
    scene.reuse();
}

fn read(scene: &Scene, local: &Owner) {
    scene.get(&scene.pin(local));
}

#[test]
fn m7_reader_against_retire() {
    model(|| race(read, retire));
}

/// The reader collects, too: so the closures may run in its thread, and the reclaim in the other.
#[test]
fn m7_reader_that_collects_against_retire() {
    let read_and_collect: Act = |scene, local| {
        read(scene, local);
        local.handle.pin().flush();
    };
    model(move || race(read_and_collect, retire));
}

#[test]
fn m7_twin_recycle_without_defer_is_caught() {
    caught(|| {
        race(read, |scene, _| {
            scene.pool.core.publish(None).unwrap();
            scene.status().drop_pool_hold();
            scene.pool.core.reclaim_ready();
            scene.reuse();
        });
    });
}

#[test]
fn m7_twin_defer_before_unpublish_is_caught() {
    caught(|| {
        race(read, |scene, local| {
            let guard = scene.pin(local);
            scene.pool.defer_drop_of_hold(&guard, scene.old_stamp());
            guard.pinned().flush();
            scene.pool.core.publish(None).unwrap();
            scene.pool.settle(guard, local);
            scene.reuse();
        });
    });
}

#[test]
fn m7_twin_epoch_checked_before_the_pin_is_caught() {
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
fn m7_twin_no_recheck_on_the_second_pin_is_caught() {
    caught(|| {
        let read_twice: Act = |scene, local| {
            let found = scene.pin(local).get(scene.handle).is_some();
            let _guard = scene.pin(local);
            if found {
                scene.read();
            }
        };
        race(read_twice, retire);
    });
}

/// Puts into whatever epoch is current; what is put into the new one can be read at once.
fn put(scene: &Scene, local: &Owner) {
    let guard = scene.pin(local);
    let handle = guard.alloc_copy(b"new").unwrap();
    if handle.epoch() == scene.old() {
        scene.write();
    } else {
        assert_eq!(guard.get(handle), Some(&b"new"[..]), "published too late");
    }
}

#[test]
fn m9_writer_against_retire() {
    model(|| race(put, retire));
}

#[test]
fn m9_twin_current_is_moved_too_late_is_caught() {
    caught(|| {
        race(put, |scene, local| {
            let guard = scene.pin(local);
            scene.pool.core.slots.clear(scene.old_stamp());
            scene.pool.defer_drop_of_hold(&guard, scene.old_stamp());
            scene.pool.settle(guard, local);
            scene.pool.core.publish(None).unwrap();
            scene.reuse_if_not_held();
        });
    });
}

#[test]
fn m9_twin_current_is_loaded_before_the_pin_is_caught() {
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
fn m9_a_remembered_chunk_against_retire() {
    model(|| remembered_chunk(put));
}

#[test]
fn m9_twin_that_trusts_its_remembered_chunk_is_caught() {
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

/// A lease is taken, if there is still time, and given up.
fn lease(scene: &Scene, _: &Owner) {
    if let Some(lease) = scene.pool.lease(scene.old()) {
        assert_eq!(lease.get(scene.handle), Some(&b"old"[..]));
        scene.read();
    }
}

#[test]
fn m7_lease_against_retire() {
    model(|| race(lease, retire));
}

#[test]
fn m7_twin_lease_is_counted_after_the_lock_is_caught() {
    caught(|| {
        let lease_late: Act = |scene, _| {
            let live = scene.pool.is_live(scene.old());
            if live {
                scene.status().add_lease();
                scene.read();
                scene.status().drop_lease();
            }
        };
        race(lease_late, retire);
    });
}

/// The pool's hold and the leases in two words, looked at one after the other: the last lease is
/// cloned and given up on the way, and each word is seen as zero.
#[test]
fn m7_twin_holds_in_two_words_is_caught() {
    use crate::sync::{AtomicU64, Ordering};
    caught(|| {
        let (scene, local_a, local_b) = Scene::new(Collector::new());
        let leases = Arc::new(AtomicU64::new(0));
        let thread = loom::thread::spawn({
            let (scene, leases) = (scene.clone(), leases.clone());
            move || {
                let guard = scene.pin(&local_a);
                if guard.get(scene.handle).is_some() {
                    // Under the guard the pool's hold is still there, so a lease may be added.
                    leases.fetch_add(1, Ordering::Relaxed);
                    drop(guard);
                    scene.read();
                    leases.fetch_sub(1, Ordering::Release);
                }
            }
        });
        let guard = scene.pin(&local_b);
        scene.pool.core.publish(None).unwrap();
        scene.pool.defer_drop_of_hold(&guard, scene.old_stamp());
        guard.pinned().flush();
        drop(guard);
        let none = leases.load(Ordering::Acquire) == 0;
        local_b.handle.pin().flush();
        local_b.handle.pin().flush();
        if none && scene.status().is_reclaimable() {
            scene.write();
        }
        thread.join().unwrap();
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
fn m7_a_guard_beside_the_users() {
    model(|| {
        race_under_a_guard(
            |scene, local, guard| scene.get(&scene.pin_with(local, &guard)),
            retire,
        );
    });
}

#[test]
fn m7_a_guard_beside_a_repinned_one() {
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
fn m7_twin_without_a_pin_of_its_own_is_caught() {
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
    let guard = scene.pin(&local_a);
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
fn m7_refresh_against_retire() {
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
fn m7_twin_no_recheck_after_a_refresh_is_caught() {
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
fn m7_twin_refresh_without_a_fence_is_caught() {
    caught(|| {
        let (scene, local_a, local_b) = Scene::new(Collector::new());
        let mut guard = local_a.handle.pin();
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

/// A writer, who collects and so may run the closure, against whoever sees its epoch sealed: here
/// the memory stands for the epoch's counts.
fn put_and_collect(scene: &Scene, local: &Owner) {
    put(scene, local);
    local.handle.pin().flush();
}

#[test]
fn m11_sealed_against_a_writer() {
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
fn m11_twin_seal_before_current_is_moved_is_caught() {
    caught(|| {
        race(put_and_collect, |scene, local| {
            let guard = scene.pin(local);
            scene.pool.defer_seal(&guard, scene.old_stamp());
            guard.pinned().flush();
            scene.pool.core.publish(None).unwrap();
            scene.pool.settle(guard, local);
            if scene.status().is_sealed(scene.old().number()) {
                scene.read();
            }
        });
    });
}

/// Two epochs on: the old one's slot and memory are another's, unless a reader holds them.
fn turn(scene: &Scene, local: &Owner) {
    for _ in 0..2 {
        // Refused while the reader is pinned and the slot is taken.
        if scene.pool.advance_as(local, None).is_err() {
            return;
        }
    }
    let old = scene.pool.core.state().find(scene.old());
    assert!(old.is_none(), "its slot is given away before its reclaim");
    let guard = scene.pin(local);
    let handle = guard.alloc_copy(b"new").unwrap();
    assert_eq!(handle.epoch().number(), 2, "in the slot of 0");
    if guard.get(handle).unwrap().as_ptr() == scene.address {
        scene.write();
    }
}

#[test]
fn m5_bug05_stale_handle_against_the_reuse_of_its_slot() {
    model(|| race(read, turn));
}

/// One bit of the epoch stands for any number of bits that is too small.
#[test]
fn m5_bug05_twin_truncated_stamp_is_caught() {
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

/// The old epoch's drop of its hold then takes the new epoch's.
#[test]
fn m5_twin_slot_reused_before_its_arena_is_reclaimed_is_caught() {
    caught(|| {
        let read_new: Act = |scene, local| {
            let _guard = scene.pin(local);
            if scene.pool.core.slots.current() == pack::stamp(2) {
                scene.read();
            }
        };
        race(read_new, |scene, local| {
            let guard = scene.pin(local);
            scene.pool.core.publish(None).unwrap();
            scene.pool.defer_drop_of_hold(&guard, scene.old_stamp());
            // Not reclaimed, and the slot is given to epoch 2 all the same.
            scene.status().arm();
            scene.pool.core.slots.publish(pack::stamp(2));
            scene.pool.settle(guard, local);
            scene.reuse_if_not_held();
        });
    });
}

/// One thread reclaims the old epoch, which nobody holds and whose bytes it overwrites without the
/// lock; the other does `act`, for which there is a slot only after that.
fn beside_a_scrub(act: Act) {
    let (scene, local_a, local_b) = Scene::scrubbed(Collector::new(), true);
    scene.pool.core.publish(None).unwrap();
    scene.status().drop_pool_hold();
    let thread = loom::thread::spawn({
        let scene = scene.clone();
        move || {
            scene.pool.core.reclaim_ready();
            drop(local_a);
        }
    });
    act(&scene, &local_b);
    thread.join().unwrap();
}

#[test]
fn m6_an_advance_beside_a_scrub_waits_for_the_slot() {
    model(|| beside_a_scrub(|scene, local| _ = scene.pool.advance_as(local, None).unwrap()));
}

/// So does whoever needs the memory: all of it is free afterwards, and goes back.
#[test]
fn m3_relief_beside_a_scrub_waits_for_the_memory() {
    model(|| {
        beside_a_scrub(|scene, _| {
            scene.pool.core.relieve();
            assert_eq!(scene.pool.memory().stats().in_use, 0);
        });
    });
}

#[test]
fn m6_twin_that_does_not_wait_for_a_scrub_is_caught() {
    caught(|| {
        beside_a_scrub(|scene, _| {
            scene.pool.core.reclaim_ready();
            scene.pool.core.publish(None).unwrap();
        });
    });
}
