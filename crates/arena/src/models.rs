//! loom models of a growing arena and of a writer, with their broken twins.
//!
//! Run by `cargo xtask test`, or alone:
//! `RUSTFLAGS="--cfg epoch_arena_loom" cargo test --profile model -p epoch-arena-core --lib models`

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::alloc::Layout;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

use epoch_arena_block::raw::{Account, Chunk, ChunkList, Class, Owner, Request};
use epoch_arena_block::resize::Bump;
use epoch_arena_block::twin::caught;
use epoch_arena_block::{Alignment, Heap, Memory, UserKind};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU64, fence};

use crate::sync::{AtomicPtr, Ordering};
use crate::writer::{Home, Writer};
use crate::{AllocError, EpochArena, pack};

fn memory() -> Memory {
    let builder = Memory::builder().source(Heap).block_size(16_384);
    builder.build().unwrap()
}

const OLD: u64 = pack::stamp(6);
const NEW: u64 = pack::stamp(7);

/// A pool's worth of protection: one writer's flag, two fences, and the word for the current epoch.
struct Turn {
    memory: Memory,
    account: Arc<Account>,
    /// Of the old epoch and of the new one.
    chunks: [ChunkList; 2],
    current: AtomicU64,
    pinned: AtomicU64,
    /// Stands for the first chunk of the memory.
    content: UnsafeCell<u8>,
}

impl Turn {
    fn owner(&self, stamp: u64) -> Owner<'_> {
        Owner {
            chunks: &self.chunks[usize::from(stamp == NEW)],
            account: &self.account,
        }
    }

    fn change(&self) {
        // SAFETY: loom checks that no other access is unordered with it.
        self.content.with_mut(|content| unsafe { *content += 1 });
    }
}

/// A writer that has a chunk from an earlier pin, against the reclaim of its epoch and another
/// writer that is given the same chunk. `put` returns the stamp that it has put under.
#[expect(
    clippy::arc_with_non_send_sync,
    reason = "loom's threads take turns, and loom checks what they share"
)]
fn remembered_chunk(put: fn(&Turn, &Writer) -> u64) {
    let memory = memory();
    let turn = Arc::new(Turn {
        account: memory.open_account(UserKind::Pool, Location::caller()),
        memory,
        chunks: [ChunkList::new(), ChunkList::new()],
        current: AtomicU64::new(OLD),
        pinned: AtomicU64::new(0),
        content: UnsafeCell::new(0),
    });
    let writer = Writer::new();
    fill(&turn, &writer, OLD).unwrap();
    let thread = loom::thread::spawn({
        let turn = turn.clone();
        move || {
            turn.pinned.store(1, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            if put(&turn, &writer) == OLD {
                turn.change();
            }
            turn.pinned.store(0, Ordering::Release);
        }
    });
    turn.current.store(NEW, Ordering::Release);
    fence(Ordering::SeqCst);
    if turn.pinned.load(Ordering::Acquire) == 0 {
        // SAFETY: a thread that pins from now on finds NEW.
        unsafe { turn.memory.give_up(turn.owner(OLD)) };
        // The chunk that was given up last is the next that is taken, by this thread or by the other.
        if fill(&turn, &Writer::new(), NEW).is_ok() {
            turn.change();
        }
    }
    thread.join().unwrap();
}

/// Claims a byte in a new chunk for the epoch of `stamp`.
fn fill(turn: &Turn, writer: &Writer, stamp: u64) -> Result<(), AllocError> {
    let home = Home {
        memory: &turn.memory,
        owner: turn.owner(stamp),
        confined: false,
    };
    // SAFETY: 1. the one writer of its thread; 2. the model checks it; 3. by stamp.
    let filled = unsafe { writer.refill(stamp, 1, Alignment::BYTE, home) };
    filled.map(drop)
}

#[test]
fn a_writer_leaves_its_chunk_of_another_epoch_alone() {
    loom::model(|| {
        remembered_chunk(|turn, writer| {
            let stamp = turn.current.load(Ordering::Acquire);
            // SAFETY: 1. the one writer of its thread; 2. loaded under the pin.
            let first = unsafe { writer.bump(stamp, 1) };
            assert!(first.is_some() || fill(turn, writer, stamp).is_ok());
            stamp
        });
    });
}

#[test]
fn twin_writer_that_trusts_its_chunk_is_caught() {
    caught(|| {
        remembered_chunk(|_, writer| {
            // SAFETY: none, on purpose: the stamp is of an earlier pin.
            let first = unsafe { writer.bump(OLD, 1) };
            if first.is_some() { OLD } else { NEW }
        });
    });
}

/// Two threads grow one empty arena: neither sees a chunk before it is set up, and the bytes are
/// each caller's own.
#[test]
fn arena_grows_under_two_threads() {
    loom::model(|| {
        let arena = Arc::new(EpochArena::new(&memory()));
        let other = loom::thread::spawn({
            let arena = arena.clone();
            move || arena.alloc_copy(b"other").unwrap().as_ptr().addr()
        });
        let mine = arena.alloc_copy(b"mine.").unwrap();
        let address = mine.as_ptr().addr();
        assert!(address.abs_diff(other.join().unwrap()) >= 5);
        assert_eq!(mine, b"mine.");
        assert_eq!(arena.stats().payload, 10);
    });
}

/// Uses of two values in an arena, for loom: it fails if two of them are not ordered.
struct Values(EpochArena, [UnsafeCell<u32>; 2]);

// SAFETY: loom checks that no two uses are at the same time.
unsafe impl Sync for Values {}
// SAFETY: as above.
unsafe impl Send for Values {}

/// Two threads take eight bytes each from one chunk, change them and give them back; `take` may find that another
/// thread was faster, and leaves an empty allocation then.
fn values_pass_on(take: fn(&EpochArena) -> Option<NonNull<u8>>) {
    let arena = EpochArena::new(&memory());
    let first = arena.alloc_copy(b"12345678").unwrap().as_ptr().addr() + 8;
    let values = Arc::new(Values(arena, Default::default()));
    let turn = move |values: &Values| {
        let Some(mine) = take(&values.0) else {
            return 1;
        };
        let value = &values.1[(mine.addr().get() - first) / 8];
        // SAFETY: loom checks that no other access is unordered with it.
        value.with_mut(|value| unsafe { *value += 1 });
        // SAFETY: 1. taken above; 2. all of it; 3. for the last time.
        unsafe { values.0.give_back(mine, 8) };
        0
    };
    let other = loom::thread::spawn({
        let values = values.clone();
        move || turn(&values)
    });
    let left = turn(&values) + other.join().unwrap();
    let stats = values.0.stats();
    assert_eq!((stats.allocations, stats.payload), (1 + left, 8), "exact");
}

#[test]
fn arena_bytes_given_back_carry_what_was_done_to_them() {
    loom::model(|| {
        values_pass_on(|arena| arena.claim(Layout::new::<[u8; 8]>()).map(NonNull::cast));
    });
}

/// The same where the bytes come by growing: there is an empty allocation to begin with.
#[test]
fn arena_bytes_added_in_place_carry_what_was_done_to_them() {
    loom::model(|| {
        values_pass_on(|arena| {
            let empty = NonNull::from(arena.alloc_copy(b"").unwrap()).cast();
            // SAFETY: 1. claimed just now; 2. from nothing.
            unsafe { arena.extend(empty, 0, 8) }
        });
    });
}

/// A chunk, its memory, and a cell in place of its bytes.
type Known = (Chunk, Memory, UnsafeCell<u32>);

/// The thread that comes second with a chunk finds the first one's, and sees everything done before it was shared. The
/// chunks are of two memories, so that no lock does the ordering of `share`.
#[test]
#[expect(
    clippy::arc_with_non_send_sync,
    reason = "loom's threads take turns, and loom checks what they share"
)]
fn a_lost_race_to_share_shows_the_winners_chunk() {
    loom::model(|| {
        let arena = EpochArena::new(&memory());
        let chunks: [_; 2] = std::array::from_fn(|_| {
            let (memory, chunks) = (memory(), ChunkList::new());
            let account = memory.open_account(UserKind::Arena, Location::caller());
            let owner = Owner {
                chunks: &chunks,
                account: &account,
            };
            let (wanted, least) = (Class::FIRST, Class::FIRST);
            let request = Request::Chunk {
                wanted,
                least,
                confined: false,
            };
            let chunk = memory.take(owner, request).unwrap();
            (chunk, memory, UnsafeCell::new(0))
        });
        let shared = Arc::new((arena, chunks));
        let share = |shared: &(EpochArena, [Known; 2]), me: usize| {
            let (arena, chunks) = shared;
            // Stands for the header and the first claim.
            // SAFETY: loom checks that no other access is unordered with it.
            chunks[me].2.with_mut(|value| unsafe { *value = 7 });
            arena.share(0, None, chunks[me].0);
            let found = arena.shared(0).unwrap();
            let found = usize::from(found.chunk() == chunks[1].0);
            // SAFETY: as above.
            assert_eq!(chunks[found].2.with(|value| unsafe { *value }), 7);
            found
        };
        let other = loom::thread::spawn({
            let shared = shared.clone();
            move || share(&shared, 1)
        });
        let mine = share(&shared, 0);
        assert_eq!(mine, other.join().unwrap());
        // The chunks are not the arena's, which gives up its own only.
    });
}

/// The steps of `EpochArena` with its current chunk: set up, published, found.
fn publication(store: Ordering, load: Ordering) {
    let chunk = Box::leak(Box::new(UnsafeCell::new(0)));
    let current = Arc::new(AtomicPtr::new(std::ptr::null_mut()));
    let chunk: *mut UnsafeCell<i32> = chunk;
    let other = loom::thread::spawn({
        let current = current.clone();
        move || {
            let found: *mut UnsafeCell<i32> = current.load(load);
            if !found.is_null() {
                // SAFETY: published below and leaked, so it exists.
                let value = unsafe { &*found }.with(|value| unsafe { *value });
                assert_eq!(value, 7);
            }
        }
    });
    // SAFETY: not published yet; loom tells if the other thread gets here unordered.
    unsafe { &*chunk }.with_mut(|value| unsafe { *value = 7 });
    current.store(chunk, store);
    other.join().unwrap();
}

#[test]
fn chunk_publication_is_release_and_acquire() {
    loom::model(|| publication(Ordering::Release, Ordering::Acquire));
}

#[test]
fn chunk_publication_twin_that_is_relaxed_is_caught() {
    caught(|| publication(Ordering::Relaxed, Ordering::Acquire));
    caught(|| publication(Ordering::Release, Ordering::Relaxed));
}
