//! Regions that the system does not take back, and memory that is confined.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::chunks::class::Class;
use crate::chunks::generation::Generation;
use crate::chunks::scrub::Scrub;
use crate::memory::{Account, Owner, Request, UserKind};
use crate::os::refusal::refuse;
use crate::sync::lock;
use crate::{AnonymousMap, Block, Heap, Memory, MemoryError};

const UNIT: usize = 64 << 10;

fn memory(blocks: usize, high_water: usize) -> Memory {
    let builder = Memory::builder().source(AnonymousMap::new());
    let builder = builder.block_size(UNIT).budget(blocks * UNIT);
    builder.high_water(high_water).build().unwrap()
}

fn blocks(memory: &Memory, count: usize) -> Vec<Block> {
    let blocks = (0..count).map(|_| memory.block(1));
    let blocks: Vec<_> = blocks.collect::<Result<_, _>>().unwrap();
    for block in &blocks {
        block.alloc_copy(&[1; UNIT]).unwrap();
    }
    blocks
}

fn addresses(blocks: &[Block]) -> Vec<usize> {
    let addresses = blocks.iter().map(|block| block.region().base().addr());
    let mut addresses: Vec<_> = addresses.map(std::num::NonZero::get).collect();
    addresses.sort_unstable();
    addresses
}

#[test]
fn what_the_system_refuses_stays_counted_is_used_again_and_is_offered_again() {
    let memory = memory(4, 0);
    let held = blocks(&memory, 4);
    let before = addresses(&held);
    refuse(usize::MAX);
    drop(held);
    let stats = memory.stats();
    assert_eq!(
        (stats.reserved, stats.free, stats.in_use),
        (4 * UNIT, 4 * UNIT, 0)
    );
    assert_eq!(memory.resident(), 0, "counted, but out of physical memory");
    assert_eq!(memory.trim(0), 0, "refused once more");
    let again = blocks(&memory, 4);
    assert_eq!(addresses(&again), before, "the same four");
    assert!(matches!(memory.block(1), Err(MemoryError::OverBudget(_))));
    drop(again);
    refuse(0);
    assert_eq!(memory.trim(0), 4 * UNIT);
    assert_eq!((memory.stats().reserved, memory.stats().free), (0, 0));
}

#[test]
fn one_region_that_the_system_refuses_keeps_no_other_from_going() {
    let memory = memory(20, usize::MAX);
    let others = [2, 3, 4].map(|units| memory.block(units * UNIT).unwrap());
    drop((others, blocks(&memory, 4)));
    assert_eq!(memory.stats().free, 13 * UNIT);
    refuse(1); // the largest
    assert_eq!(memory.trim(0), 9 * UNIT);
    refuse(1);
    assert_eq!(memory.trim(0), 0);
    drop(blocks(&memory, 4));
    refuse(2); // the one that is left, and a block
    assert_eq!(memory.trim(0), 3 * UNIT);
    refuse(0);
    assert_eq!(memory.trim(0), 5 * UNIT);
    assert_eq!(memory.stats().reserved, 0);
}

#[test]
fn a_region_that_does_not_go_makes_no_room_and_the_budget_holds() {
    let memory = memory(4, usize::MAX);
    drop(memory.block(3 * UNIT).unwrap());
    let held = blocks(&memory, 1);
    refuse(usize::MAX);
    let before = memory.stats();
    for _ in 0..10 {
        assert!(matches!(memory.block(1), Err(MemoryError::OverBudget(_))));
        assert_eq!(memory.stats(), before, "a refusal changes nothing");
    }
    assert_eq!(
        memory.block(3 * UNIT).unwrap().capacity(),
        3 * UNIT,
        "it can be used"
    );
    // The second that is offered goes, and makes room.
    refuse(0);
    drop(held);
    memory.trim(0);
    drop([1, 2].map(|_| memory.block(2 * UNIT).unwrap()));
    refuse(1);
    assert_eq!(memory.block(1).unwrap().capacity(), UNIT);
    refuse(0);
}

/// A memory ends with regions that the system refused: nothing hangs, nothing is freed twice.
#[test]
fn a_memory_may_end_while_the_system_refuses() {
    let memory = memory(4, usize::MAX);
    drop(blocks(&memory, 4));
    refuse(usize::MAX);
    memory.trim(0);
    drop(memory);
    refuse(0);
}

const QUARANTINE: Scrub = Scrub {
    poison: false,
    zero: false,
    quarantine: true,
};

/// A generation with two chunks that are confined once it is let go.
fn confined(memory: &Memory, account: &Arc<Account>) -> Arc<Generation> {
    let generation = memory.generation(account, 0, 1, QUARANTINE);
    let owner = Owner {
        chunks: &generation.chunks,
        account,
    };
    let chunk = Request::Chunk {
        wanted: Class::of(8192),
        least: Class::of(8192),
        confined: true,
    };
    for request in [chunk, Request::Alone(3 * UNIT)] {
        memory.take(owner, request).unwrap();
    }
    generation
}

fn let_go(generation: &Arc<Generation>) {
    // SAFETY: 1. the tests let go of holds that they have; 2. from an `Arc`.
    unsafe { Generation::let_go(NonNull::from(&**generation), 1) }
}

/// All of it can be written to, and goes back.
fn is_whole(memory: &Memory) {
    memory.reclaim();
    let stats = memory.stats();
    assert_eq!((stats.in_use, stats.free), (0, stats.reserved));
    assert!(memory.usage().users.is_empty());
    let large = memory.block(3 * UNIT).unwrap();
    large.alloc_copy(&[1; 3 * UNIT]).unwrap();
    drop((large, blocks(memory, 2)));
    memory.trim(0);
    assert_eq!(memory.stats().reserved, 0);
}

#[test]
fn what_is_confined_is_free_when_its_owner_is_gone() {
    for owner_goes_first in [false, true] {
        let memory = memory(12, usize::MAX);
        let account = memory.open_account(UserKind::Pool, Location::caller());
        let generations = [(); 3].map(|()| confined(&memory, &account));
        let in_use = memory.stats().in_use;
        if owner_goes_first {
            memory.end_account(&account);
            assert_eq!(memory.usage().users.len(), 1, "it has bytes still");
        }
        generations.iter().for_each(let_go);
        memory.reclaim();
        if !owner_goes_first {
            assert!(
                generations
                    .iter()
                    .all(|generation| generation.is_confined())
            );
            assert_eq!(memory.stats().in_use, in_use, "out of use for good");
            memory.end_account(&account);
        }
        is_whole(&memory);
    }
}

/// An owner that ends does not find a generation that a thread is overwriting. The thread then ends the quarantine, and
/// calls the system without the lock.
#[test]
fn a_quarantine_whose_owner_ends_during_the_cleaning_ends_without_the_lock() {
    let memory = memory(12, usize::MAX);
    let account = memory.open_account(UserKind::Pool, Location::caller());
    let_go(&confined(&memory, &account));
    let mut store = lock(&memory.shared.store);
    store.settle(&memory.shared.ready);
    let generation = store.take_dirty().unwrap();
    drop(store);
    // SAFETY: it has no holds, and `take_dirty` gave it to this test.
    let usable = unsafe { generation.clean() };
    memory.end_account(&account);
    // SAFETY: `clean` returned it.
    let late = unsafe { lock(&memory.shared.store).cleaned(generation, usable) }.unwrap();
    assert!(late.is_confined(), "still out of reach");
    drop(memory.shared.end_quarantine(&late));
    assert!(!late.is_confined());
    is_whole(&memory);
}

/// The source gets memory that it can use: the heap, above all.
#[test]
fn what_is_confined_is_accessible_when_the_memory_goes() {
    for _ in 0..20 {
        let builder = Memory::builder().source(Heap).block_size(UNIT);
        let memory = builder.build().unwrap();
        let account = memory.open_account(UserKind::Pool, Location::caller());
        let generation = confined(&memory, &account);
        let_go(&generation);
        memory.reclaim();
        assert!(generation.is_confined());
        drop((generation, memory));
        // Of the same size, hence likely the same bytes.
        let again = [UNIT, 3 * UNIT].map(|len| std::hint::black_box(vec![1_u8; len]));
        assert!(again.iter().flatten().all(|byte| *byte == 1));
    }
}
