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

mod holds;
mod last_hold;
mod readers;
mod writers;

use std::sync::Arc;

use crossbeam_epoch::{Collector, Guard};
use epoch_arena_block::raw::{ChunkList, Class, Generation, Owner as Taker, Request};
use epoch_arena_block::{Heap, Memory, twin};
use epoch_arena_core::raw::EpochCounter;
use epoch_arena_core::{ArenaHandle, Epoch, pack};
use loom::cell::UnsafeCell;
use loom::model::Builder;

use crate::ArenaPool;
use crate::domain::record::Record;
use crate::epochs::advance::Published;
use crate::epochs::hold::{Hold, POOL, WRITERS};
use crate::grace::{defer, settle};
use crate::guard::ArenaGuard;
use crate::local::pinned::Pinned;
use crate::local::state::{Local, Owner};

const PREEMPTIONS: usize = 2;

/// All of the memory.
const ALL: usize = 4096;

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
    /// The memory of that epoch.
    old: Arc<Generation>,
    /// Stands for its bytes: touched by its readers and writers, and by the next owner of the memory. loom
    /// reports any two accesses that are not ordered.
    bytes: UnsafeCell<u8>,
    /// Where all of the memory goes when another takes it.
    others: ChunkList,
}

/// What a thread of the model does.
type Act = fn(&Scene, &Owner);

impl Scene {
    /// The scene, and the states of two threads, warmed up. `b` has written the key.
    #[expect(
        clippy::arc_with_non_send_sync,
        reason = "loom's threads take turns, and loom checks what they share"
    )]
    fn new(collector: Collector) -> (Arc<Self>, Owner, Owner) {
        let memory = Memory::builder().source(Heap).block_size(ALL).budget(ALL);
        let pool = ArenaPool::builder()
            .memory(memory.build().unwrap())
            .collector(collector)
            .poison_on_reclaim(false)
            .retained_epochs(1);
        // A counter of its own, as each execution of a model must do the same.
        let counter = Box::leak(Box::new(EpochCounter::starting_at(0)));
        // SAFETY: no handle or epoch of this pool meets another pool's.
        let pool = unsafe { pool.counter(counter) }.build().unwrap();
        let [a, b] = [(), ()].map(|()| {
            let local = Local::register(&pool.core, Record::of_ending_thread());
            drop(local.pin(&pool.core));
            local
        });
        let guard = ArenaGuard::new(b.pin(&pool.core));
        let handle = guard.alloc_copy(b"old").unwrap();
        let address = guard.get(handle).unwrap().as_ptr();
        drop(guard);
        let old = pool.core.state().live[0].generation.clone();
        let scene = Self {
            pool,
            handle,
            address,
            old,
            bytes: UnsafeCell::new(0),
            others: ChunkList::new(),
        };
        (Arc::new(scene), a, b)
    }

    fn pin(&self, local: &Owner) -> Pinned<'_> {
        local.pin(&self.pool.core)
    }

    fn guard(&self, local: &Owner) -> ArenaGuard<'_> {
        ArenaGuard::new(self.pin(local))
    }

    /// A guard beside one of the user's.
    fn pin_with<'a>(&'a self, local: &Owner, theirs: &'a Guard) -> ArenaGuard<'a> {
        assert_eq!(theirs.collector(), Some(&self.pool.core.domain.collector));
        self.guard(local)
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
        self.bytes.with(|bytes| unsafe { *bytes });
    }

    fn write(&self) {
        // SAFETY: loom checks that no other access is unordered with it.
        self.bytes.with_mut(|bytes| unsafe { *bytes += 1 });
    }

    fn old(&self) -> Epoch {
        self.handle.epoch()
    }

    fn old_stamp(&self) -> u64 {
        pack::stamp(self.old().number())
    }

    /// Holds of the old epoch, for twins that let them go in a way of their own.
    fn hold(&self, count: u64) -> Hold {
        // SAFETY: none, where that is what is wrong with the twin.
        unsafe { Hold::new(&self.old, count) }
    }

    /// The stamp in the slot of the key, as a `get` finds it.
    fn sees_old(&self) -> bool {
        self.pool.core.slots.stamps().of(self.handle) == self.old_stamp()
    }

    fn publish(&self) -> Published {
        self.pool.core.publish(None).unwrap()
    }

    /// Opens the next epoch and defers what there is to let go.
    fn publish_and_defer(&self, local: &Owner) {
        let pin = self.pin(local);
        let published = self.publish();
        defer(&pin, published.seal);
        defer(&pin, published.retired.unwrap().hold);
        pin.guard().flush();
    }

    /// Reclaims what no guard can see, for twins.
    fn settle(&self, pin: Pinned<'_>, local: &Owner) {
        settle(&self.pool.core, pin, local);
    }

    /// Uses the memory of the old epoch as soon as nothing holds it.
    fn reuse(&self) {
        if self.old.holds() == 0 {
            self.write();
        }
    }

    /// Takes all of the memory, as any pool over it may, if nothing holds it; and uses it.
    fn take_all(&self) -> bool {
        let owner = Taker {
            chunks: &self.others,
            account: &self.pool.core.account,
        };
        let request = Request::Chunk {
            wanted: Class::of(ALL),
            least: Class::of(ALL),
            confined: false,
        };
        let taken = self.pool.memory().take(owner, request).is_ok();
        if taken {
            self.write();
        }
        taken
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

/// Moves the closures on that wait for a grace period.
fn flush(scene: &Scene, local: &Owner) {
    scene.pin(local).guard().flush();
}

fn retire(scene: &Scene, local: &Owner) {
    scene.pool.advance_as(local, None).unwrap();
    scene.reuse();
}

fn read(scene: &Scene, local: &Owner) {
    scene.get(&scene.guard(local));
}
