//! The bump of a block.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::sync::Arc;

use super::{Content, bytes};
use crate::Block;
use crate::resize::{self, Bump};
use crate::sync::{AtomicUsize, Ordering};
use crate::twin::caught;

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

/// Two threads want the same bytes, in turns: the one that gets them changes their contents and gives
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
            // SAFETY: 1. an empty allocation has no bytes to own; 2. from nothing.
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

/// A block, with loom's record of the accesses to each of its bytes.
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

    /// Gives back an allocation that is used no more.
    fn give_back(&self, first: NonNull<u8>, len: usize) {
        // SAFETY: 1. the models give back their own claims; 2. all of it; 3. for the last time.
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

/// The offset leaves a value and comes back to it, while another thread is about to exchange that value.
#[test]
fn bump_an_offset_that_comes_back_gives_no_byte_twice() {
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
        // loom fails if two threads changed the same bytes unordered; this fails if both have the same bytes now.
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

/// The twin takes its length off the offset, and does not check that its allocation is the last.
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
