//! loom models of the bump and of the budget, each with the broken twin that it must catch.
//!
//! Run by `cargo xtask test`, or alone:
//! `RUSTFLAGS="--cfg epoch_arena_loom" cargo test --profile model -p epoch-arena-block --lib models`

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use core::alloc::Layout;
use std::sync::Arc;

use crate::sync::{AtomicUsize, Mutex, Ordering, lock};
use crate::twin::caught;
use crate::{Block, Heap, Memory};

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
