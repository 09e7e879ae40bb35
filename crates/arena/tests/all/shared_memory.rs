//! Arenas, blocks and one memory: memory that one gives up serves the next, and round values fit the budget.

use epoch_arena_block::{Alignment, Heap, Memory};
use epoch_arena_core::EpochArena;

const UNIT: usize = 64 << 10;

fn memory(blocks: usize) -> Memory {
    let builder = Memory::builder().source(Heap).block_size(UNIT);
    builder.budget(blocks * UNIT).build().unwrap()
}

fn fill(arena: &EpochArena, len: usize) -> usize {
    let value = vec![0x5a; len];
    let mut count = 0;
    while arena.alloc_copy(&value).is_ok() {
        count += 1;
    }
    count
}

/// The memory of a reset or dropped arena serves an arena and a block that would be refused.
#[test]
fn what_an_arena_gives_up_serves_others_and_the_other_way_round() {
    let memory = memory(8);
    let [mut one, two] = [(); 2].map(|()| EpochArena::new(&memory));
    let lengths: &[usize] = if cfg!(miri) {
        &[5_000, 100_000]
    } else {
        &[20, 300, 5_000, 40_000, 100_000]
    };
    for &len in lengths {
        let count = fill(&one, len);
        // But for the headers of a chunk or two, as they may be of other sizes.
        let is_same = |again: usize| again.abs_diff(count) * 1000 <= count;
        assert!(count > 0 && two.alloc_copy(&vec![1; len]).is_err());
        assert!(memory.block(1).is_err(), "all of it is in use");
        one.reset();
        // For the other arena, which takes the same again and is then reset in its turn.
        let other = EpochArena::new(&memory);
        assert!(is_same(fill(&other, len)), "{len} bytes");
        assert!(one.alloc_copy(&vec![1; len]).is_err());
        drop(other);
        // For a block that takes it all, and gives it up.
        let block = memory.block(8 * UNIT).unwrap();
        assert!(one.alloc_copy(b"key").is_err());
        drop(block);
        assert!(is_same(fill(&one, len)), "{len} bytes");
        one.reset();
    }
    drop((one, two));
    assert_eq!(memory.stats().in_use, 0);
    let reserved = memory.stats().reserved;
    assert_eq!(memory.trim(0), reserved, "every block is whole");
}

/// Many small arenas share a block.
#[test]
fn a_thousand_arenas_of_a_few_keys_share_a_block_or_two() {
    let memory = Memory::builder().source(Heap).build().unwrap();
    let count = if cfg!(miri) { 60 } else { 1_000 };
    let arenas: Vec<_> = (0..count).map(|_| EpochArena::new(&memory)).collect();
    for arena in &arenas {
        for key in 0..10 {
            arena
                .alloc_copy(format!("key:{key:016}").as_bytes())
                .unwrap();
        }
    }
    assert_eq!(memory.stats().in_use, count * 512);
    assert!(
        memory.stats().reserved <= memory.block_size(),
        "{}",
        memory.stats()
    );
    let usage = memory.usage();
    assert_eq!(usage.users.len(), count);
    assert!(usage.to_string().lines().count() <= 20, "{usage}");
    drop(arenas);
    assert!(memory.usage().users.is_empty());
    assert_eq!(memory.stats().in_use, 0);
}

/// The part of a budget that is lost to values of one length. The budget is 64 MiB, or less where that would be very
/// many values; there, the loss in threads' last chunks is a larger part.
fn lost(len: usize) -> f64 {
    let (budget, block) = match len {
        0..64 => (2 << 20, 64 << 10),
        64..1024 => (8 << 20, 2 << 20),
        _ => (64 << 20, 2 << 20),
    };
    let builder = Memory::builder().source(Heap).block_size(block);
    let memory = builder.budget(budget).build().unwrap();
    let arena = EpochArena::new(&memory);
    let mut bytes = 0;
    while arena.alloc_uninit(len, Alignment::BYTE).is_ok() {
        bytes += len;
    }
    assert_eq!(arena.stats().payload, bytes);
    1.0 - bytes as f64 / budget as f64
}

/// A header is not to push round values to the next power of two.
#[test]
#[cfg_attr(miri, ignore = "64 MiB")]
fn round_values_lose_little_of_the_budget() {
    // A power of two from one byte to 4 MiB, one less, and one more: up to an eighth of a block in chunks, and by
    // pages beyond.
    let sizes = (0..=22).map(|shift| 1_usize << shift);
    let lengths = sizes.flat_map(|size| [size - 1, size, size + 1]);
    let lengths = lengths.filter(|len| *len > 0);
    let bad: Vec<_> = lengths
        .map(|len| (len, lost(len)))
        .filter(|(_, lost)| *lost > 0.15)
        .collect();
    assert!(bad.is_empty(), "lost of 64 MiB: {bad:?}");
}
