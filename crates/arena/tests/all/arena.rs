//! One arena, one thread: bytes, figures, resets.

use epoch_arena_block::{Alignment, Heap, Memory};
use epoch_arena_core::EpochArena;
use epoch_arena_core::raw::EPOCHS;

use crate::small_memory;

#[test]
fn what_is_copied_in_stays_while_the_arena_grows() {
    let arena = EpochArena::new(&small_memory());
    let count = if cfg!(miri) { 900 } else { 50_000_u32 };
    let kept: Vec<_> = (0..count)
        .map(|i| &*arena.alloc_copy(format!("key:{i}").as_bytes()).unwrap())
        .collect();
    for (i, bytes) in kept.iter().enumerate() {
        assert_eq!(*bytes, format!("key:{i}").as_bytes());
    }
    let payload: usize = kept.iter().map(|bytes| bytes.len()).sum();
    let stats = arena.stats();
    assert_eq!((stats.allocations, stats.payload), (kept.len(), payload));
    assert!(stats.chunks > 1, "it grew");
}

/// An arena without allocations takes no memory, and a request for no bytes is a request.
#[test]
fn an_empty_arena_has_no_block_and_an_empty_key_is_a_key() {
    let memory = small_memory();
    let arena = EpochArena::new(&memory);
    assert_eq!((memory.stats().reserved, arena.stats().capacity), (0, 0));
    assert_eq!(arena.alloc_copy(b"").unwrap(), b"");
    let empty = arena.stats();
    assert_eq!((empty.allocations, empty.payload, empty.blocks), (1, 0, 1));
    let aligned = arena.alloc_copy_aligned(b"", Alignment::new(4096).unwrap());
    assert_eq!(aligned.unwrap().as_ptr().addr() % 4096, 0);
    assert_eq!(arena.stats().payload, 0, "padding is not payload");
}

/// Payload, padding and headers are told apart, to the byte.
#[test]
fn figures_are_exact_with_alignment_and_after_resets() {
    let mut arena = EpochArena::new(&small_memory());
    for _ in 0..3 {
        let (mut payload, mut allocations) = (0, 0);
        for shift in (0..=9).cycle().take(if cfg!(miri) { 50 } else { 2_000 }) {
            let align = Alignment::new(1 << shift).unwrap();
            let bytes = vec![shift; shift as usize * 7 + 1];
            let there = arena.alloc_copy_aligned(&bytes, align).unwrap();
            assert_eq!(there.as_ptr().addr() % (1 << shift), 0);
            assert_eq!(there, bytes);
            payload += bytes.len();
            allocations += 1;
            let stats = arena.stats();
            assert_eq!((stats.payload, stats.allocations), (payload, allocations));
            assert!(stats.payload < stats.used && stats.used <= stats.capacity);
            assert_eq!(stats.waste(), stats.capacity - payload);
        }
        arena.reset();
        let stats = arena.stats();
        assert_eq!((stats.payload, stats.allocations, stats.used), (0, 0, 0));
        assert_eq!((stats.chunks, stats.blocks, stats.capacity), (0, 0, 0));
    }
}

/// With one chunk and one allocation, every byte has a name.
#[test]
fn padding_is_that_of_the_chunk_the_bytes_are_in() {
    let arena = EpochArena::new(&small_memory());
    let align = Alignment::new(256).unwrap();
    for round in 1..=40 {
        let at = arena.alloc_copy_aligned(&[1; 200], align).unwrap();
        assert_eq!(at.as_ptr().addr() % 256, 0);
        let stats = arena.stats();
        assert_eq!((stats.allocations, stats.payload), (round, round * 200));
        // Per chunk: a header, its padding to 256, and 200 bytes every 256.
        let least = round * 200 + stats.chunks * 64;
        assert!(stats.used >= least && stats.used <= round * 256 + stats.chunks * 256);
    }
}

/// A reset arena uses all its memory again, for thousands of epochs.
#[test]
fn resets_reuse_every_block() {
    let memory = small_memory();
    let mut arena = EpochArena::new(&memory);
    let mut flat = None;
    for round in 0..if cfg!(miri) { 5 } else { 2_000 } {
        for _ in 0..200 {
            arena.alloc_copy(&[round as u8; 1000]).unwrap();
        }
        let reserved = memory.stats().reserved;
        assert_eq!(*flat.get_or_insert(reserved), reserved, "round {round}");
        arena.reset();
        assert_eq!(memory.stats().in_use, 0, "nothing is the arena's any more");
        assert_eq!(memory.stats().reserved, reserved, "kept for the next");
    }
    drop(arena);
    assert_eq!(memory.stats().in_use, 0);
}

/// A reset arena lends the bytes that were copied in, not older ones.
#[test]
fn bytes_of_the_last_epoch_do_not_show() {
    let mut arena = EpochArena::new(&small_memory());
    for _ in 0..20 {
        arena.alloc_copy(&[0xee; 3000]).unwrap();
    }
    arena.reset();
    for len in 0..200 {
        let bytes = arena.alloc_copy(&vec![0x11; len]).unwrap();
        assert_eq!(bytes.len(), len);
        assert!(bytes.iter().all(|b| *b == 0x11));
    }
}

/// Of an arena's methods only `reset` takes `&mut`, and lent bytes are mutable.
#[test]
fn lent_bytes_are_writable_and_apart() {
    let arena = EpochArena::new(&small_memory());
    let mut lent: Vec<_> = (0..100_u8)
        .map(|i| arena.alloc_copy(&[i; 33]).unwrap())
        .collect();
    for bytes in &mut lent {
        bytes.iter_mut().for_each(|b| *b = !*b);
    }
    for (i, bytes) in lent.iter().enumerate() {
        assert!(bytes.iter().all(|b| *b == !(i as u8)));
    }
    let reset: fn(&mut EpochArena) = EpochArena::reset; // fails to compile with `&self`
    let mut arena = arena;
    reset(&mut arena);
    assert_eq!(arena.stats().allocations, 0);
}

#[test]
fn uninitialised_room_can_be_written_in_place() {
    let arena = EpochArena::new(&small_memory());
    let room = arena.alloc_uninit(64, Alignment::new(64).unwrap()).unwrap();
    assert_eq!((room.len(), room.as_ptr().addr() % 64), (64, 0));
    room.iter_mut().for_each(|byte| {
        byte.write(9);
    });
    assert_eq!(arena.stats().payload, 64);
}

/// An arena that its owner resets needs no number: those of the process are the pools'.
#[test]
fn resets_by_the_million_draw_no_epoch_number() {
    let resets = if cfg!(miri) { 10 } else { 1_000_000 };
    let mut arena = EpochArena::new(&small_memory());
    let before = EPOCHS.draw(|_| true).unwrap();
    for _ in 0..resets {
        arena.reset();
    }
    // Nothing else in this binary draws one.
    assert_eq!(EPOCHS.draw(|_| true), Some(before + 1));
}

/// A chunk is to cost the blocks it needs: one for the first key, and no spare one behind it, or
/// the last block of a budget could never be used.
#[test]
fn the_first_key_costs_one_block_and_a_budget_can_be_used_up() {
    let memory = Memory::builder()
        .source(Heap)
        .block_size(8192)
        .budget(3 * 8192);
    let memory = memory.build().unwrap();
    let arena = EpochArena::new(&memory);
    arena.alloc_copy(b"key").unwrap();
    assert_eq!(
        (memory.stats().reserved, memory.stats().in_use),
        (8192, 512),
        "one block, and the smallest chunk of it"
    );
    while arena.alloc_copy(&[1; 16]).is_ok() {}
    let stats = arena.stats();
    assert_eq!((stats.blocks, stats.capacity), (3, 3 * 8192));
    assert!(stats.waste() < stats.chunks * (64 + 16) + 13);
}

#[test]
fn debug_shows_the_figures() {
    let arena = EpochArena::new(&small_memory());
    arena.alloc_copy(b"secret").unwrap();
    let stats = arena.stats();
    let shown = format!("EpochArena {{ stats: {stats:?}, .. }}");
    assert_eq!(format!("{arena:?}"), shown);
}
