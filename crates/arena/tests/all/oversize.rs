//! Oversize allocations get room of their own and leave the rest alone.

use epoch_arena_block::Memory;
use epoch_arena_core::{EpochArena, MAX_LEN};

use crate::small_memory;

fn fill(arena: &EpochArena, len: usize) {
    let bytes = arena.alloc_copy(&vec![0xab; len]).unwrap();
    assert!(bytes.len() == len && bytes.iter().all(|b| *b == 0xab));
}

/// Any length from one block to many; 3 blocks and 5 are no powers of two.
#[test]
fn allocations_larger_than_a_block_get_blocks_of_their_own() {
    let memory = small_memory();
    let mut arena = EpochArena::new(&memory);
    let block = memory.block_size();
    for _ in 0..2 {
        for blocks in [1, 2, 3, 5, 6] {
            fill(&arena, blocks * block - 100);
            fill(&arena, blocks * block);
        }
        arena.reset();
    }
}

#[test]
fn requests_around_the_block_size_end() {
    // Within a header of the block size, where a peer looped for ever.
    let memory = small_memory();
    let arena = EpochArena::new(&memory);
    for less in 0..=130 {
        fill(&arena, memory.block_size() - less);
    }
}

#[test]
#[cfg_attr(miri, ignore = "megabytes")]
fn lengths_up_to_a_handles_limit_and_beyond_it_with_the_default_block() {
    let memory = Memory::builder().build().unwrap();
    let mut arena = EpochArena::new(&memory);
    let mut flat = None;
    for _ in 0..5 {
        for len in [300 << 10, 3 << 20, 5 << 20, MAX_LEN, 20 << 20] {
            fill(&arena, len);
        }
        let reserved = memory.stats().reserved;
        assert_eq!(
            *flat.get_or_insert(reserved),
            reserved,
            "their memory is reused"
        );
        arena.reset();
    }
}

/// No doubling after one large object, and the current chunk stays in use.
#[test]
fn the_current_chunk_stays_in_use_after_an_oversize_request() {
    let memory = small_memory();
    let arena = EpochArena::new(&memory);
    let before = arena.alloc_copy(b"before").unwrap().as_ptr();
    fill(&arena, 20 << 10);
    fill(&arena, 100 << 10);
    let after = arena.alloc_copy(b"after").unwrap().as_ptr();
    assert_eq!(
        after.addr(),
        before.addr() + 6,
        "right behind the last small one"
    );
    let chunks = arena.stats().chunks;
    assert_eq!(chunks, 3, "one shared, two of their own");
}

/// Values too large for the shared chunk have one for themselves, which the next of them goes on to fill.
#[test]
fn large_values_share_chunks() {
    const LEN: usize = 20_000;
    let memory = Memory::builder().build().unwrap();
    let arena = EpochArena::new(&memory);
    let values = 100;
    for _ in 0..values {
        fill(&arena, LEN);
    }
    let stats = arena.stats();
    assert!(stats.chunks <= values / 4, "{stats}");
    // Nor does a value with a region of its own take their place.
    for _ in 0..values {
        fill(&arena, LEN);
        fill(&arena, 300 << 10);
    }
    let stats = arena.stats();
    assert!(stats.chunks <= values + values / 2, "{stats}");
}
