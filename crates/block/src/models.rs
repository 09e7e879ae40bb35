//! loom models of the bump and of the budget, each with the broken twin that it must catch.
//!
//! Run by `cargo xtask test`, or alone:
//! `RUSTFLAGS="--cfg epoch_arena_loom" cargo test --profile model -p epoch-arena-block --lib models`

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use core::alloc::Layout;
use core::ptr::NonNull;
use std::sync::Arc;

use loom::cell::UnsafeCell;

use crate::resize::{self, Bump};
use crate::sync::{AtomicUsize, Mutex, Ordering, lock};
use crate::twin::caught;
use crate::{Block, Heap, Memory, Pages, Region, Source, SourceError};

/// Two claims of `len` bytes each never overlap.
fn claims_are_disjoint(claim: impl Fn() -> Option<usize> + Send + Sync + 'static, len: usize) {
    let claim = Arc::new(claim);
    let other = loom::thread::spawn({
        let claim = claim.clone();
        move || claim()
    });
    let (a, b) = (claim(), other.join().unwrap());
    if let (Some(a), Some(b)) = (a, b) {
        assert!(a.abs_diff(b) >= len, "{a} and {b} overlap");
    }
}

#[test]
fn bump_gives_each_byte_once() {
    loom::model(|| {
        let block = Block::new(Layout::from_size_align(16, 1).unwrap()).unwrap();
        let claim = move || {
            let bytes = block.alloc(Layout::from_size_align(8, 1).unwrap());
            bytes.ok().map(|bytes| bytes.addr().get())
        };
        claims_are_disjoint(claim, 8);
    });
}

#[test]
fn bump_full_block_gives_one_and_never_creeps() {
    loom::model(|| {
        let block = Arc::new(Block::new(Layout::from_size_align(12, 1).unwrap()).unwrap());
        let layout = Layout::from_size_align(8, 1).unwrap();
        let other = loom::thread::spawn({
            let block = block.clone();
            move || block.alloc(layout).is_ok()
        });
        let won = [block.alloc(layout).is_ok(), other.join().unwrap()];
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        assert_eq!(block.used(), 8);
    });
}

#[test]
fn bump_twin_that_loads_and_stores_is_caught() {
    caught(|| {
        let used = AtomicUsize::new(0);
        let claim = move || {
            let start = used.load(Ordering::Relaxed);
            used.store(start + 8, Ordering::Relaxed);
            Some(start)
        };
        claims_are_disjoint(claim, 8);
    });
}

fn bytes(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

/// What is done to bytes, as loom sees it: it fails if two uses are not ordered.
struct Content(UnsafeCell<u32>);

// SAFETY: loom checks that no two uses are at the same time.
unsafe impl Sync for Content {}

impl Content {
    fn new() -> Arc<Self> {
        Arc::new(Self(UnsafeCell::new(0)))
    }

    fn change(&self) {
        // SAFETY: loom checks that no other access is unordered with it.
        self.0.with_mut(|content| unsafe { *content += 1 });
    }
}

/// Two threads want the same bytes, in turns: whoever gets them changes what is there and gives
/// them back.
fn bytes_pass_on<T: Send + Sync + 'static>(memory: T, claim: fn(&T) -> bool, give: fn(&T)) {
    let shared = Arc::new((memory, Content::new()));
    let turn = move |shared: &(T, Arc<Content>)| {
        let (memory, content) = shared;
        if claim(memory) {
            content.change();
            give(memory);
        }
    };
    let other = loom::thread::spawn({
        let shared = shared.clone();
        move || turn(&shared)
    });
    turn(&shared);
    other.join().unwrap();
}

/// All of the block; its first byte's address is always the same.
fn give_back_all(block: &Block) {
    // SAFETY: the model's turn claimed all of it, and has used it.
    unsafe { block.give_back(block.region().base(), block.capacity()) };
}

#[test]
fn bump_bytes_given_back_carry_what_was_done_to_them() {
    loom::model(|| {
        let block = Block::new(bytes(8)).unwrap();
        bytes_pass_on(block, |block| block.alloc(bytes(8)).is_ok(), give_back_all);
    });
}

/// The same where the bytes come by growing: there is an empty allocation to begin with.
#[test]
fn bump_bytes_added_in_place_carry_what_was_done_to_them() {
    loom::model(|| {
        let block = Block::new(bytes(8)).unwrap();
        let extend = |block: &Block| {
            // SAFETY: 1. an empty allocation is anybody's; 2. from nothing.
            unsafe { block.extend(block.region().base(), 0, 8) }.is_some()
        };
        bytes_pass_on(block, extend, give_back_all);
    });
}

/// The twins give bytes back, or take them, by a Relaxed exchange.
#[test]
fn bump_twins_whose_bytes_carry_nothing_are_caught() {
    struct Twin(AtomicUsize, Ordering, Ordering);
    for (take, give) in [
        (Ordering::Acquire, Ordering::Relaxed),
        (Ordering::Relaxed, Ordering::Release),
    ] {
        caught(move || {
            bytes_pass_on(
                Twin(AtomicUsize::new(0), take, give),
                |Twin(used, take, _)| {
                    let taken = used.compare_exchange(0, 8, *take, Ordering::Relaxed);
                    taken.is_ok()
                },
                |Twin(used, _, give)| {
                    let _ = used.compare_exchange(8, 0, *give, Ordering::Relaxed);
                },
            );
        });
    }
}

/// A block, with what is done to each of its bytes.
struct Watched {
    block: Block,
    content: [Arc<Content>; 24],
}

impl Watched {
    fn new() -> Arc<Self> {
        let block = Block::new(bytes(24)).unwrap();
        let content = [(); 24].map(|()| Content::new());
        Arc::new(Self { block, content })
    }

    /// Uses the first and the last byte, which stand for all.
    fn change(&self, first: NonNull<u8>, len: usize) {
        let start = first.addr().get() - self.block.region().base().addr().get();
        self.content[start].change();
        self.content[start + len - 1].change();
    }

    /// Claims four bytes and uses them.
    fn claim(&self) -> NonNull<u8> {
        let first = self.block.alloc(bytes(4)).unwrap().cast();
        self.change(first, 4);
        first
    }

    /// Gives back what was claimed, and is used no more.
    fn give_back(&self, first: NonNull<u8>, len: usize) {
        // SAFETY: 1. the models give back what they have claimed; 2. all of it; 3. for the last time.
        unsafe { self.block.give_back(first, len) };
    }
}

/// One thread's allocation grows, moves if it must, shrinks and goes, while another thread claims
/// and gives back: no byte is ever two threads' at a time.
#[test]
fn bump_allocations_that_change_their_length_stay_apart() {
    loom::model(|| {
        let watched = Watched::new();
        let mine = watched.claim();
        let other = loom::thread::spawn({
            let watched = watched.clone();
            move || {
                let theirs = watched.claim();
                watched.give_back(theirs, 4);
            }
        });
        // SAFETY: 1. claimed above; 2. more.
        let grown = unsafe { resize::grow(&watched.block, mine, bytes(4), bytes(8)) };
        let grown = grown.unwrap().cast();
        watched.change(grown, 8);
        // SAFETY: 1. its own; 2. less.
        let shrunk = unsafe { resize::shrink(&watched.block, grown, bytes(8), bytes(2)) };
        assert_eq!(shrunk.unwrap().cast(), grown);
        watched.change(grown, 2);
        watched.give_back(grown, 2);
        other.join().unwrap();
        assert!(watched.block.used() <= 16);
    });
}

/// The offset goes up and down to values it had before, while another thread is about to exchange
/// one of them.
#[test]
fn bump_an_offset_that_comes_back_misleads_nobody() {
    loom::model(|| {
        let watched = Watched::new();
        let first = watched.claim();
        let other = loom::thread::spawn({
            let watched = watched.clone();
            move || {
                let theirs = watched.claim();
                watched.give_back(theirs, 4);
                watched.claim()
            }
        });
        watched.give_back(first, 4);
        let mine = watched.claim();
        let theirs = other.join().unwrap();
        // loom would have told if they had been changed at a time; this tells if they are now.
        assert!(mine.addr().get().abs_diff(theirs.addr().get()) >= 4);
    });
}

/// The twin looks whether it is the last, and then moves the offset whatever it is.
#[test]
fn bump_twin_that_looks_and_gives_back_apart_is_caught() {
    caught(|| {
        let used = Arc::new(AtomicUsize::new(8));
        let other = loom::thread::spawn({
            let used = used.clone();
            move || used.fetch_add(4, Ordering::Acquire)
        });
        if used.load(Ordering::Relaxed) == 8 {
            used.store(0, Ordering::Release);
        }
        let mine = [(); 3].map(|()| used.fetch_add(4, Ordering::Acquire));
        let theirs = other.join().unwrap();
        assert!(mine.iter().all(|mine| *mine != theirs), "they overlap");
    });
}

/// The twin takes its length off the offset without a look at who is the last.
#[test]
fn bump_twin_that_gives_back_what_is_not_last_is_caught() {
    caught(|| {
        let used = Arc::new(AtomicUsize::new(8));
        let other = loom::thread::spawn({
            let used = used.clone();
            move || used.fetch_add(4, Ordering::Acquire)
        });
        used.fetch_sub(8, Ordering::Release);
        let mine = [(); 3].map(|()| used.fetch_add(4, Ordering::Acquire));
        let theirs = other.join().unwrap();
        assert!(mine.iter().all(|mine| *mine != theirs), "they overlap");
    });
}

#[test]
fn budget_is_never_exceeded() {
    loom::model(|| {
        let memory = Memory::builder()
            .source(Heap)
            .block_size(4096)
            .budget(4096)
            .build()
            .unwrap();
        let other = loom::thread::spawn({
            let memory = memory.clone();
            move || memory.block(1).ok().map(drop)
        });
        let block = memory.block(1);
        assert!(memory.stats().reserved <= 4096);
        other.join().unwrap();
        drop(block);
        assert_eq!(memory.stats().in_use, 0);
    });
}

#[test]
fn budget_twin_that_checks_and_adds_apart_is_caught() {
    caught(|| {
        let reserved = Arc::new(Mutex::new(0));
        let reserve = |reserved: &Mutex<usize>| {
            let fits = *lock(reserved) + 4096 <= 4096;
            if fits {
                *lock(reserved) += 4096;
            }
        };
        let other = loom::thread::spawn({
            let reserved = reserved.clone();
            move || reserve(&reserved)
        });
        reserve(&reserved);
        other.join().unwrap();
        assert!(*lock(&reserved) <= 4096);
    });
}

/// The heap, which counts what it has given out. Relaxed, so that counting orders nothing; by
/// loom's atomics, so that another thread may come before it.
#[derive(Debug, Default)]
struct Counted(Arc<AtomicUsize>);

const BUDGET: usize = 8192;

impl Source for Counted {
    fn acquire(&self, layout: Layout, pages: Pages) -> Result<Region, SourceError> {
        let region = Heap.acquire(layout, pages)?;
        let live = self.0.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        assert!(live <= BUDGET, "{live} bytes at once");
        let (base, len) = (region.base(), region.len());
        let owner = Box::new((region, Given(self.0.clone(), len)));
        // SAFETY: 1. the region is the owner's; 2. nobody else has it; 3. as a region.
        Ok(unsafe { Region::from_raw_parts(base, len, owner) })
    }
}

/// Bytes that are given back when it is dropped.
struct Given(Arc<AtomicUsize>, usize);

impl Drop for Given {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// A free region of the wrong size takes all of the budget, and two threads want another size: it
/// is given up for them, and the source never has more out than the budget.
#[test]
fn budget_holds_while_free_regions_are_evicted() {
    loom::model(|| {
        let builder = Memory::builder().source(Counted::default());
        let memory = builder.block_size(4096).budget(BUDGET).build().unwrap();
        drop(memory.block(BUDGET).unwrap());
        let other = loom::thread::spawn({
            let memory = memory.clone();
            move || memory.block(1)
        });
        let mine = memory.block(1);
        let other = other.join().unwrap();
        // One may be refused while the other gives the region up.
        let taken = [&mine, &other].iter().filter(|taken| taken.is_ok()).count();
        assert!(taken > 0, "the budget has room for two");
        let stats = memory.stats();
        assert_eq!((stats.in_use, stats.free), (taken * 4096, 0));
        assert_eq!(stats.reserved, stats.in_use);
    });
}

/// The twin gives an evicted region's bytes back to the budget before the region to the source.
#[test]
fn budget_twin_that_counts_before_it_releases_is_caught() {
    caught(|| {
        // Bytes reserved, and bytes that the source has out; one free region takes all.
        let state = Arc::new((Mutex::new(BUDGET), Mutex::new(BUDGET)));
        let other = loom::thread::spawn({
            let state = state.clone();
            move || {
                let (reserved, out) = &*state;
                let mut reserved = lock(reserved);
                let fits = *reserved + 4096 <= BUDGET;
                *reserved += if fits { 4096 } else { 0 };
                drop(reserved);
                let mut out = lock(out);
                *out += if fits { 4096 } else { 0 };
                assert!(*out <= BUDGET, "{} bytes at once", *out);
            }
        });
        let (reserved, out) = &*state;
        *lock(reserved) -= BUDGET;
        *lock(out) -= BUDGET;
        other.join().unwrap();
    });
}
