//! Bad input to an arena: a typed error that names the limit, and every counter as before.

use epoch_arena_block::{Alignment, Heap, Memory, MemoryError, UserKind};
use epoch_arena_core::{AllocError, EpochArena, MAX_LEN};

use crate::small_memory;

fn says(message: impl std::fmt::Display, words: &[&str]) {
    let message = message.to_string();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}

/// Sizes that no memory can have.
#[test]
fn lengths_beyond_the_address_space_are_refused_by_name() {
    let memory = small_memory();
    let arena = EpochArena::new(&memory);
    let before = (arena.stats(), memory.stats());
    for len in [isize::MAX as usize, usize::MAX - 64, usize::MAX] {
        for shift in [0, 4, 20, 63] {
            let align = Alignment::new(1 << shift).unwrap();
            let refused = arena.alloc_uninit(len, align).unwrap_err();
            assert_eq!(refused, AllocError::Memory(MemoryError::TooLarge));
            says(refused, &["address space", "ask for less"]);
        }
    }
    assert_eq!((arena.stats(), memory.stats()), before);
}

/// The longest length of a handle is no limit of an arena, which makes no handles.
#[test]
#[cfg_attr(miri, ignore = "16 MiB")]
fn sixteen_mebibytes_and_more_are_a_value_like_any_other() {
    let arena = EpochArena::new(&Memory::builder().build().unwrap());
    let bytes = vec![0x5a; 40 << 20];
    let mut payload = 0;
    for len in [MAX_LEN, MAX_LEN + 1, MAX_LEN + 2, 40 << 20] {
        let copy = arena.alloc_copy(&bytes[..len]).unwrap();
        assert!(copy.len() == len && copy.iter().all(|b| *b == 0x5a));
        payload += len;
    }
    assert_eq!(
        (arena.stats().payload, arena.stats().allocations),
        (payload, 4)
    );
}

/// The refusal of a request that no advance and no reset can make room for says so.
#[test]
fn a_value_larger_than_the_whole_budget_is_refused_as_such() {
    let builder = Memory::builder().source(Heap).block_size(64 << 10);
    let memory = builder.budget(1 << 20).build().unwrap();
    let mut arena = EpochArena::new(&memory);
    for round in 0..2 {
        let before = (arena.stats(), memory.stats());
        let refused = arena.alloc_uninit(2 << 20, Alignment::BYTE).unwrap_err();
        let over = refused.over_budget().unwrap();
        assert!(over.wanted > 2 << 20 && over.budget == 1 << 20);
        assert_eq!(
            (over.used, over.own),
            (memory.stats().in_use, before.0.capacity)
        );
        says(
            refused,
            &["more than the whole budget of 1.0 MiB", "ask for less"],
        );
        assert_eq!((arena.stats(), memory.stats()), before);
        if round == 0 {
            arena.alloc_copy(&[1; 1000]).unwrap();
        } else {
            arena.reset();
        }
    }
}

/// A refusal tells how many bytes the arena has itself, and how many are in use in all.
#[test]
fn a_refusal_tells_the_bytes_wanted_and_the_users_of_the_rest() {
    let builder = Memory::builder().source(Heap).block_size(64 << 10);
    let memory = builder.budget(1 << 20).build().unwrap();
    let [hog, small] = [(); 2].map(|()| EpochArena::new(&memory));
    small.alloc_copy(&[1; 300]).unwrap();
    while hog.alloc_copy(&[2; 5000]).is_ok() {}
    while hog.alloc_copy(&[2; 100]).is_ok() {}
    let own = small.stats().capacity;
    let refused = small.alloc_uninit(100_000, Alignment::BYTE).unwrap_err();
    let over = refused.over_budget().unwrap();
    assert_eq!((over.own, over.budget), (own, 1 << 20));
    assert!((100_000..110_000).contains(&over.wanted), "{over:?}");
    assert_eq!(over.used, own + hog.stats().capacity);
    says(
        refused,
        &["of it here", "Memory::usage says who has the rest"],
    );
    let usage = memory.usage();
    let bytes: Vec<_> = usage.users.iter().map(|user| user.bytes).collect();
    assert_eq!(bytes, [hog.stats().capacity, own], "the largest first");
    assert!(usage.users.iter().all(|user| user.kind == UserKind::Arena));
    assert!(usage.users[0].place.file().ends_with("bad_input.rs"));
}

/// A mebibyte is fine; beyond any memory there is an error that says so.
#[test]
#[cfg_attr(miri, ignore = "megabytes")]
fn alignments_far_beyond_a_block() {
    let memory = Memory::builder().build().unwrap();
    let arena = EpochArena::new(&memory);
    for shift in [20, 21, 22, 24] {
        let bytes = arena
            .alloc_copy_aligned(b"key", Alignment::new(1 << shift).unwrap())
            .unwrap();
        assert_eq!(
            (bytes.as_ptr().addr() % (1 << shift), &bytes[..]),
            (0, &b"key"[..])
        );
    }
    let before = (arena.stats(), memory.stats());
    for shift in [44, 62, 63] {
        let align = Alignment::new(1 << shift).unwrap();
        let refused = arena.alloc_copy_aligned(b"key", align).unwrap_err();
        assert_eq!(refused, AllocError::Memory(MemoryError::TooLarge));
        says(refused, &["ask for less"]);
    }
    assert_eq!((arena.stats(), memory.stats()), before);
}
