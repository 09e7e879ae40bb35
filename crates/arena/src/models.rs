//! loom models of the free lists and of a growing arena, with their broken twins.
//!
//! Run by `cargo xtask test`, or alone:
//! `RUSTFLAGS="--cfg epoch_arena_loom" cargo test --profile model -p epoch-arena-core --lib models`

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::Arc;

use epoch_arena_block::resize::Bump;
use epoch_arena_block::twin::caught;
use epoch_arena_block::{Alignment, Heap, Memory};
use loom::cell::UnsafeCell;
use loom::sync::atomic::fence;

use crate::chunks::Chunks;
use crate::class::Class;
use crate::scrub::Scrub;
use crate::sync::{AtomicPtr, AtomicU64, Mutex, Ordering, lock};
use crate::writer::Writer;
use crate::{AllocError, EpochArena, pack};

fn memory() -> Memory {
    let builder = Memory::builder().source(Heap).block_size(16_384);
    builder.build().unwrap()
}

/// Two threads take chunks; the free ones, all in one lane, are handed out once each, and reused
/// after a reclaim: the other lane gets half of the largest.
#[test]
fn free_list_gives_each_chunk_once() {
    loom::model(|| {
        let chunks = Arc::new(Chunks::new(&memory(), 2, 2, Scrub::default()));
        let request = Class::request(100, 0, 16_384);
        let take =
            move |chunks: &Chunks, arena| chunks.take(arena, arena, 100, request, || ()).unwrap();
        take(&chunks, 0);
        // SAFETY: nothing was claimed from the arena's chunk.
        unsafe { chunks.reclaim(0) };
        let other = loom::thread::spawn({
            let chunks = chunks.clone();
            move || take(&chunks, 1)
        });
        let mine = take(&chunks, 0);
        assert_ne!(mine, other.join().unwrap());
        let totals = chunks.totals();
        assert_eq!(
            totals.reserved,
            chunks.bytes(0) + chunks.bytes(1) + totals.free
        );
        assert_eq!(totals.reserved, 16_384, "two chunks fit the one block");
    });
}

/// The twin looks at the head and takes it off in two critical sections.
#[test]
fn free_list_twin_that_looks_and_takes_apart_is_caught() {
    caught(|| {
        let free = Arc::new(Mutex::new(vec![1, 2]));
        let take = |free: &Mutex<Vec<u32>>| {
            let head = lock(free).last().copied();
            lock(free).pop();
            head
        };
        let other = loom::thread::spawn({
            let free = free.clone();
            move || take(&free)
        });
        let mine = take(&free);
        assert_ne!(mine, other.join().unwrap());
    });
}

/// Two threads of two lanes carve one block, which is all that the budget has: each chunk is its
/// taker's, and no byte of the block is lost. One of them may be refused, while the other has the
/// block in its hands.
#[test]
fn a_block_is_carved_into_disjoint_chunks() {
    loom::model(|| {
        let builder = Memory::builder().source(Heap).block_size(16_384);
        let memory = builder.budget(16_384).build().unwrap();
        let chunks = Arc::new(Chunks::new(&memory, 2, 2, Scrub::default()));
        let request = Class::request(100, 0, 16_384);
        let take = move |chunks: &Chunks, arena| chunks.take(arena, arena, 100, request, || ());
        let other = loom::thread::spawn({
            let chunks = chunks.clone();
            move || take(&chunks, 1)
        });
        let taken = [take(&chunks, 0), other.join().unwrap()];
        // SAFETY: they exist, as nothing is reclaimed or trimmed here.
        let live = taken.map(|chunk| chunk.ok().map(|chunk| unsafe { chunk.live() }));
        let bytes = match live {
            [Some(a), Some(b)] => {
                let distance = a.start().addr().get().abs_diff(b.start().addr().get());
                assert!(distance >= a.size().max(b.size()), "they overlap");
                a.size() + b.size()
            }
            [Some(one), None] | [None, Some(one)] => one.size(),
            [None, None] => panic!("one of them has the block"),
        };
        let totals = chunks.totals();
        assert_eq!((totals.blocks, totals.reserved), (1, 16_384));
        assert_eq!(chunks.bytes(0) + chunks.bytes(1), bytes);
        assert_eq!(totals.free, 16_384 - bytes, "every byte is on one list");
    });
}

/// The twin splits a chunk in one critical section and puts its upper half back in another, but
/// leaves the whole on the list meanwhile.
#[test]
fn carving_twin_that_splits_a_listed_chunk_is_caught() {
    caught(|| {
        // Start and size of the free chunks.
        let free = Arc::new(Mutex::new(vec![(0, 2)]));
        let take = |free: &Mutex<Vec<(u32, u32)>>| {
            let (start, size) = *lock(free).last().unwrap();
            if size == 2 {
                *lock(free).last_mut().unwrap() = (start + 1, 1);
            } else {
                lock(free).pop();
            }
            start
        };
        let other = loom::thread::spawn({
            let free = free.clone();
            move || take(&free)
        });
        let mine = take(&free);
        assert_ne!(mine, other.join().unwrap());
    });
}

/// A chunk that is on its way from one lane to another while free blocks are given up: its block
/// stays.
#[test]
fn a_chunk_between_lanes_keeps_its_block() {
    loom::model(|| {
        let chunks = Arc::new(Chunks::new(&memory(), 2, 2, Scrub::default()));
        let request = Class::request(100, 0, 16_384);
        let take =
            move |chunks: &Chunks, arena| chunks.take(arena, arena, 100, request, || ()).unwrap();
        take(&chunks, 0);
        // SAFETY: nothing was claimed from the arena's chunk.
        unsafe { chunks.reclaim(0) };
        let other = loom::thread::spawn({
            let chunks = chunks.clone();
            move || take(&chunks, 1)
        });
        let given = chunks.trim();
        other.join().unwrap();
        assert!(given == 0 || given == 16_384);
        let totals = chunks.totals();
        let taken = chunks.bytes(0) + chunks.bytes(1);
        assert_eq!(
            totals.reserved,
            taken + totals.free,
            "what is taken has a block"
        );
        assert!(taken > 0);
    });
}

/// The twin counts free chunks lane by lane, instead of under all locks: it counts the one that is
/// moved twice, and takes that for a block of two.
#[test]
fn trim_twin_that_looks_lane_by_lane_is_caught() {
    caught(|| {
        // One block of two chunks: one is free, in the first lane, the other in use.
        let lanes = Arc::new([Mutex::new(vec![1]), Mutex::new(Vec::new())]);
        let other = loom::thread::spawn({
            let lanes = lanes.clone();
            move || {
                let moved = lock(&lanes[0]).pop();
                lock(&lanes[1]).extend(moved);
            }
        });
        let free: usize = lanes.iter().map(|lane| lock(lane).len()).sum();
        other.join().unwrap();
        assert!(free < 2, "a block is given up while in use");
    });
}

const OLD: u64 = pack::stamp(6);
const NEW: u64 = pack::stamp(7);

/// A pool's worth of protection: one writer's flag, two fences, and the word for the current epoch.
struct Turn {
    chunks: Chunks,
    current: AtomicU64,
    pinned: AtomicU64,
    /// Stands for the one chunk that the budget has.
    memory: UnsafeCell<u8>,
}

/// A writer that has a chunk from an earlier pin, against the reclaim of its epoch and another
/// writer that is given the same chunk. `put` returns the stamp that it has put under.
#[expect(
    clippy::arc_with_non_send_sync,
    reason = "loom's threads take turns, and loom checks what they share"
)]
fn remembered_chunk(put: fn(&Turn, &Writer) -> u64) {
    let builder = Memory::builder().source(Heap).block_size(4096);
    let turn = Arc::new(Turn {
        chunks: Chunks::new(
            &builder.budget(4096).build().unwrap(),
            2,
            1,
            Scrub::default(),
        ),
        current: AtomicU64::new(OLD),
        pinned: AtomicU64::new(0),
        memory: UnsafeCell::new(0),
    });
    let writer = Writer::new(0);
    fill(&turn, &writer, OLD).unwrap();
    let thread = loom::thread::spawn({
        let turn = turn.clone();
        move || {
            turn.pinned.store(1, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            if put(&turn, &writer) == OLD {
                // SAFETY: loom checks that no other access is unordered with it.
                turn.memory.with_mut(|memory| unsafe { *memory += 1 });
            }
            turn.pinned.store(0, Ordering::Release);
        }
    });
    turn.current.store(NEW, Ordering::Release);
    fence(Ordering::SeqCst);
    if turn.pinned.load(Ordering::Acquire) == 0 {
        // SAFETY: whoever pins from now on finds NEW.
        unsafe { turn.chunks.reclaim(0) };
        if fill(&turn, &Writer::new(0), NEW).is_ok() {
            // SAFETY: loom checks that no other access is unordered with it.
            turn.memory.with_mut(|memory| unsafe { *memory += 1 });
        }
    }
    thread.join().unwrap();
}

/// Claims a byte in a new chunk for the epoch of `stamp`, if there is one.
fn fill(turn: &Turn, writer: &Writer, stamp: u64) -> Result<(), AllocError> {
    let arena = pack::slot(stamp, 1);
    // SAFETY: 1. the one writer of its thread; 2. what the model is about; 3. by slot.
    let filled = unsafe { writer.refill(stamp, 1, Alignment::BYTE, (&turn.chunks, arena), || ()) };
    filled.map(drop)
}

#[test]
fn a_writer_leaves_its_chunk_of_another_epoch_alone() {
    loom::model(|| {
        remembered_chunk(|turn, writer| {
            let stamp = turn.current.load(Ordering::Acquire);
            // SAFETY: 1. the one writer of its thread; 2. loaded under the pin.
            let first = unsafe { writer.bump(stamp, 1) };
            // No chunk is left for the new epoch if the old one is not reclaimed yet.
            let put = first.is_some() || fill(turn, writer, stamp).is_ok();
            if put { stamp } else { NEW }
        });
    });
}

#[test]
fn twin_writer_that_trusts_its_chunk_is_caught() {
    caught(|| {
        remembered_chunk(|_, writer| {
            // SAFETY: none, that is what is wrong: the stamp is of an earlier pin.
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

/// What is done to two values in an arena, as loom sees it: it fails if two uses are not ordered.
struct Values(EpochArena, [UnsafeCell<u32>; 2]);

// SAFETY: loom checks that no two uses are at the same time.
unsafe impl Sync for Values {}
// SAFETY: as above.
unsafe impl Send for Values {}

/// Two threads take eight bytes each from one chunk, change them and give them back.
fn values_pass_on(take: fn(&EpochArena) -> Option<NonNull<u8>>) {
    let arena = EpochArena::new(&memory());
    let first = arena.alloc_copy(b"12345678").unwrap().as_ptr().addr() + 8;
    let values = Arc::new(Values(arena, Default::default()));
    let turn = move |values: &Values| {
        if let Some(mine) = take(&values.0) {
            let value = &values.1[(mine.addr().get() - first) / 8];
            // SAFETY: loom checks that no other access is unordered with it.
            value.with_mut(|value| unsafe { *value += 1 });
            // SAFETY: 1. taken above; 2. all of it; 3. for the last time.
            unsafe { values.0.give_back(mine, 8) };
        }
    };
    let other = loom::thread::spawn({
        let values = values.clone();
        move || turn(&values)
    });
    turn(&values);
    other.join().unwrap();
    let stats = values.0.stats();
    assert!((1..=2).contains(&stats.allocations), "{stats:?}");
    assert!(stats.payload <= 16, "{stats:?}");
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
            let empty = arena.claim(Layout::new::<[u8; 0]>())?.cast();
            // SAFETY: 1. claimed just now; 2. from nothing.
            unsafe { arena.extend(empty, 0, 8) }
        });
    });
}

/// Whoever comes second with a chunk claims from the first one's, and sees it set up. The chunks are
/// of two `Chunks`, so that no lock of theirs orders what `share` has to order by itself.
#[test]
fn a_lost_race_to_share_shows_the_winners_chunk() {
    loom::model(|| {
        let arena = Arc::new(EpochArena::new(&memory()));
        let share = |arena: &EpochArena| {
            let chunks = Chunks::new(&memory(), 1, 1, Scrub::default());
            let request = Class::request(100, 0, 16_384);
            let mine = chunks.take(0, 0, 100, request, || ()).unwrap();
            let shared = arena
                .share(None, mine)
                .map_or_else(|other| other, |()| mine);
            // SAFETY: both threads' chunks are kept until the end.
            let live = unsafe { shared.live() };
            assert!(live.bump_shared(1, Alignment::BYTE).is_some());
            (shared, chunks)
        };
        let other = loom::thread::spawn({
            let arena = arena.clone();
            move || share(&arena)
        });
        let mine = share(&arena);
        assert_eq!(mine.0, other.join().unwrap().0);
    });
}

/// What `EpochArena` does with its current chunk: set up, published, found.
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
