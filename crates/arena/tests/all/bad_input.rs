//! Bad input to an arena: a typed error that names the limit, and every counter as before.

use epoch_arena_block::{Alignment, Memory};
use epoch_arena_core::{AllocError, EpochArena, MAX_LEN};

use crate::small_memory;

fn says(message: impl std::fmt::Display, words: &[&str]) {
    let message = message.to_string();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}

/// Peer bug 9: sizes that cannot be.
#[test]
fn m4_bug09_lengths_beyond_the_limit_are_refused_by_name() {
    let memory = small_memory();
    let arena = EpochArena::new(&memory);
    let before = (arena.stats(), memory.stats());
    for len in [
        MAX_LEN + 1,
        isize::MAX as usize,
        usize::MAX - 64,
        usize::MAX,
    ] {
        for shift in [0, 4, 20, 63] {
            let align = Alignment::new(1 << shift).unwrap();
            let refused = arena.alloc_uninit(len, align).unwrap_err();
            assert_eq!(refused, AllocError::TooLong);
            says(refused, &["16777215", "split"]);
        }
    }
    assert_eq!((arena.stats(), memory.stats()), before);
}

#[test]
#[cfg_attr(miri, ignore = "16 MiB")]
fn m4_bug09_sixteen_mebibytes_are_too_long_and_one_byte_less_is_not() {
    let arena = EpochArena::new(&Memory::builder().build().unwrap());
    let bytes = vec![0x5a; MAX_LEN + 1];
    assert_eq!(arena.alloc_copy(&bytes).unwrap_err(), AllocError::TooLong);
    assert_eq!(arena.stats().allocations, 0);
    let longest = arena.alloc_copy(&bytes[..MAX_LEN]).unwrap();
    assert!(longest.len() == MAX_LEN && longest.iter().all(|b| *b == 0x5a));
    assert_eq!(arena.stats().payload, MAX_LEN);
}

/// Peer bug 8: a mebibyte is fine; beyond any memory there is an error that says so.
#[test]
#[cfg_attr(miri, ignore = "megabytes")]
fn m4_bug08_alignments_far_beyond_a_block() {
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
    for shift in [40, 62, 63] {
        let align = Alignment::new(1 << shift).unwrap();
        let refused = arena.alloc_copy_aligned(b"key", align).unwrap_err();
        assert!(matches!(refused, AllocError::Memory(_)), "{refused:?}");
        says(refused, &["ask for less"]);
    }
    assert_eq!((arena.stats(), memory.stats()), before);
}
