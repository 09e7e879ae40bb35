//! Generations: chunks that the last hold gives up, on whatever thread it goes.

use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

use epoch_arena_block::raw::{Account, Class, Generation, Owner, Request, Scrub};
use epoch_arena_block::{Memory, UserKind};

use crate::support::{Faulty, read_on_purpose};

const BLOCK: usize = 16 << 10;

const CLEAN: Scrub = Scrub {
    poison: false,
    zero: false,
    quarantine: false,
};

fn memory(source: &Faulty, blocks: usize) -> Memory {
    let builder = Memory::builder().source(source.clone()).block_size(BLOCK);
    builder.budget(blocks * BLOCK).build().unwrap()
}

fn account(memory: &Memory) -> Arc<Account> {
    memory.open_account(UserKind::Pool, Location::caller())
}

/// Takes a whole block for a generation; the address of its bytes, or `None` if that is refused.
fn fill(memory: &Memory, generation: &Generation) -> Option<NonNull<u8>> {
    let owner = Owner {
        chunks: &generation.chunks,
        account: &generation.account,
    };
    let request = Request::Chunk {
        wanted: Class::of(BLOCK),
        least: Class::of(BLOCK),
        confined: false,
    };
    let chunk = memory.take(owner, request).ok()?;
    // SAFETY: taken just now, for a generation that is held.
    let live = unsafe { chunk.live() };
    // SAFETY: 1. no other thread knows it; 2. it is a block's.
    let first = unsafe { live.bump(100) }.unwrap();
    // SAFETY: claimed just now.
    unsafe { first.write_bytes(0x77, 100) };
    Some(first)
}

fn let_go(generation: &Arc<Generation>, count: u64) {
    // SAFETY: 1. each test lets go of its own hold; 2. from an `Arc`.
    unsafe { Generation::let_go(NonNull::from(&**generation), count) }
}

/// Round after round all memory there is passes from one generation to the next, by the last of two holders.
#[test]
fn all_memory_passes_from_generation_to_generation() {
    let source = Faulty::default();
    let memory = memory(&source, 3);
    let account = account(&memory);
    for scrub in [
        CLEAN,
        Scrub {
            zero: true,
            ..CLEAN
        },
        Scrub::default(),
    ] {
        for round in 0..if cfg!(miri) { 4 } else { 200 } {
            let generation = memory.generation(&account, round, 2, scrub);
            let bytes: Vec<_> = std::iter::from_fn(|| fill(&memory, &generation)).collect();
            assert_eq!(bytes.len(), 3, "what was let go is free before a refusal");
            std::thread::scope(|s| {
                for _ in 0..2 {
                    s.spawn(|| let_go(&generation, 1));
                }
            });
            assert!(!generation.try_hold(1) && generation.holds() == 0);
        }
        memory.reclaim();
        assert_eq!((memory.stats().in_use, account.bytes()), (0, 0));
    }
    let rounds = 3 * if cfg!(miri) { 4 } else { 200 };
    assert_eq!(account.given(), (rounds, rounds * 3 * BLOCK));
    memory.end_account(&account);
    assert!(memory.usage().users.is_empty());
    memory.trim(0);
    assert_eq!(source.regions(), 0);
}

/// Bytes that are to be zero are zero before they are used again, and before the source has them back.
#[test]
fn bytes_that_are_to_be_overwritten_are_overwritten_before_their_next_use() {
    let source = Faulty::default();
    let memory = memory(&source, 1);
    let account = account(&memory);
    let generation = memory.generation(
        &account,
        0,
        1,
        Scrub {
            zero: true,
            ..CLEAN
        },
    );
    let first = fill(&memory, &generation).unwrap();
    let_go(&generation, 1);
    let block = memory.block(1).unwrap();
    // SAFETY: the block's bytes, of which none is claimed; written as below.
    unsafe { read_on_purpose(first, 100) };
    // SAFETY: as above: written by the generation, then by its scrub.
    let bytes = unsafe { std::slice::from_raw_parts(first.as_ptr(), 100) };
    assert!(bytes.iter().all(|byte| *byte == 0));
    drop(block);
}

/// A memory that goes first leaves the holders nothing to do but to drop the generation.
#[test]
fn generations_may_be_let_go_after_their_memory() {
    let source = Faulty::default();
    let memory = memory(&source, 3);
    let account = account(&memory);
    let held = [0, 1, 2].map(|name| memory.generation(&account, name, 1, CLEAN));
    held.iter().for_each(|generation| {
        fill(&memory, generation).unwrap();
    });
    let weak = held.each_ref().map(Arc::downgrade);
    let_go(&held[0], 1);
    std::thread::scope(|s| {
        s.spawn(|| let_go(&held[1], 1));
        s.spawn(|| drop(memory));
    });
    assert_eq!(source.regions(), 0, "the chunks are gone with the memory");
    let_go(&held[2], 1);
    drop(held);
    assert!(weak.iter().all(|weak| weak.strong_count() == 0));
}

/// Holds add up while there is one, and none comes back after the last.
#[test]
fn a_generation_is_held_again_only_while_it_is_held() {
    let source = Faulty::default();
    let memory = memory(&source, 1);
    let generation = memory.generation(&account(&memory), 0, 1, CLEAN);
    let user = memory.usage().users[0].to_string();
    assert!(
        user.starts_with("0 B in the pool of ") && user.contains("generations.rs:"),
        "{user}"
    );
    assert!(generation.try_hold(2));
    generation.hold(3);
    assert_eq!(generation.holds(), 6);
    let_go(&generation, 5);
    assert_eq!(generation.holds(), 1);
    let_go(&generation, 1);
    assert!(!generation.try_hold(1));
    assert_eq!(generation.holds(), 0);
}
