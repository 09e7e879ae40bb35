//! loom models of the slots and of the holds, with the broken twins that they must catch. The slots, the generation
//! and the memory are the real ones; crossbeam-epoch is stood in for by the smallest grace period there is: one
//! reader's flag, and the two SeqCst fences that the proof rests on.
//!
//! Run by `cargo xtask test`, or alone:
//! `RUSTFLAGS="--cfg epoch_arena_loom" cargo test --profile model -p epoch-arena-pool --lib models`

#![expect(clippy::unwrap_used, reason = "a test fails by it")]
#![expect(
    clippy::arc_with_non_send_sync,
    reason = "loom's threads take turns, and loom checks what they share"
)]

mod holds;
mod last_hold;
mod slots;

use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

use epoch_arena_block::raw::{Account, ChunkList, Class, Generation, Owner, Request, Scrub};
use epoch_arena_block::{Heap, Memory, UserKind};
use epoch_arena_core::{ArenaHandle, pack};
use loom::cell::UnsafeCell;

use crate::epochs::hold::{Hold, POOL, WRITERS};
use crate::epochs::slots::Slots;
use crate::sync::{AtomicU64, Ordering, fence};

const OLD: u64 = pack::stamp(6);
const NEW: u64 = pack::stamp(7);

/// Two epochs on, the slot of the old one is another's: [`OLD`] is 6, this is 8, and there are two slots.
const NEXT_IN_SLOT: u64 = pack::stamp(8);

/// All of the memory, in one chunk.
const ALL: usize = 4096;

/// A pool of two slots with `OLD` live and current. Its generation has the only chunk of the memory.
struct Pool {
    slots: Slots,
    memory: Memory,
    account: Arc<Account>,
    old: Arc<Generation>,
    new: Arc<Generation>,
    next: Arc<Generation>,
    /// Where the chunk goes when the old epoch is over.
    others: ChunkList,
    pinned: AtomicU64,
    /// Stands for the bytes of the chunk: read and written by users of `OLD`, and written by the next owner of the
    /// chunk. loom reports any two accesses that are not ordered.
    bytes: UnsafeCell<u8>,
}

/// Nothing is overwritten: the chunk is free as soon as its generation has been taken off the ready stack.
const PLAIN: Scrub = Scrub {
    poison: false,
    zero: false,
    quarantine: false,
};

impl Pool {
    fn new() -> Arc<Self> {
        let memory = Memory::builder().source(Heap).block_size(ALL).budget(ALL);
        let memory = memory.build().unwrap();
        let account = memory.open_account(UserKind::Pool, Location::caller());
        let generation = |stamp| memory.generation(&account, stamp, POOL | WRITERS, PLAIN);
        let [old, new, next] = [OLD, NEW, NEXT_IN_SLOT].map(generation);
        let pool = Self {
            slots: Slots::new(2),
            memory,
            account,
            old,
            new,
            next,
            others: ChunkList::new(),
            pinned: AtomicU64::new(0),
            bytes: UnsafeCell::new(0),
        };
        assert!(pool.take(&pool.old.chunks));
        pool.slots.publish(&pool.old);
        Arc::new(pool)
    }

    /// Takes the chunk, if it is free, whichever thread has let it go.
    fn take(&self, chunks: &ChunkList) -> bool {
        let owner = Owner {
            chunks,
            account: &self.account,
        };
        let request = Request::Chunk {
            wanted: Class::of(ALL),
            least: Class::of(ALL),
            confined: false,
        };
        self.memory.take(owner, request).is_ok()
    }

    fn pin(&self) {
        self.pinned.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    fn unpin(&self) {
        self.pinned.store(0, Ordering::Release);
    }

    /// Whether a grace period passes here; if not, the deferred closure runs at another time.
    fn grace(&self) -> bool {
        fence(Ordering::SeqCst);
        self.pinned.load(Ordering::Acquire) == 0
    }

    fn read(&self) {
        // SAFETY: loom checks that no write is unordered with it.
        self.bytes.with(|bytes| unsafe { *bytes });
    }

    fn write(&self) {
        // SAFETY: loom checks that no other access is unordered with it.
        self.bytes.with_mut(|bytes| unsafe { *bytes += 1 });
    }

    /// What a put of any pool over the memory does: takes the chunk if it is free, and writes to it.
    fn reuse(&self) {
        if self.take(&self.others) {
            self.write();
        }
    }

    /// The chunk is free now, and was given up once.
    fn is_reclaimed_once(&self) -> bool {
        self.memory.reclaim();
        self.old.holds() == 0 && self.old.chunks.bytes() == 0 && self.account.given().0 == 1
    }
}

/// Lets holds of the old epoch go.
fn let_go(pool: &Pool, count: u64) {
    // SAFETY: a model lets each of them go once; or it is a twin.
    unsafe { Hold::new(&pool.old, count) }.let_go();
}

fn handle(stamp: u64) -> ArenaHandle {
    // SAFETY: the models ask for its stamp, and never for its bytes.
    unsafe { ArenaHandle::new(NonNull::<u64>::dangling().cast(), 1, stamp) }
}

/// `a` in a thread against `b`.
fn run(a: fn(&Pool), b: fn(&Pool)) -> Arc<Pool> {
    let pool = Pool::new();
    let thread = loom::thread::spawn({
        let pool = pool.clone();
        move || a(&pool)
    });
    b(&pool);
    thread.join().unwrap();
    pool
}

/// Retires the old epoch as `advance` does.
fn good_retirer(pool: &Pool) {
    pool.slots.publish(&pool.new);
    pool.slots.clear(OLD);
    if pool.grace() {
        let_go(pool, POOL | WRITERS);
    }
    pool.reuse();
}
