//! Bad input to a pool: a typed error that names the limit and the way out, every counter as
//! before.

use epoch_arena_core::MAX_LEN;
use epoch_arena_pool::{Alignment, AllocError, ArenaPool, BuildError, Memory};

use crate::pools::{pool, put};

fn says(message: impl std::fmt::Display, words: &[&str]) {
    let message = message.to_string();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}

#[test]
fn no_epochs_and_too_many_are_refused_by_the_name_of_the_setting() {
    let with = |retained| ArenaPool::builder().retained_epochs(retained).build();
    for retained in [0, 65_537, 1 << 31, u32::MAX] {
        let refused = with(retained).unwrap_err();
        assert_eq!(refused, BuildError::RetainedEpochs, "{retained}");
        says(refused, &["retained_epochs", "from 1", "65536"]);
    }
    let most = if cfg!(miri) { 100 } else { 65_536 };
    for retained in [1, 2, 3, 64, 65, most] {
        let pool = with(retained).unwrap();
        assert_eq!(pool.stats().live_epochs, 1, "{retained}");
    }
}

#[test]
fn lengths_that_cannot_be_are_refused_everywhere() {
    let pool = pool(2);
    put(&pool, b"something");
    let before = pool.stats();
    for len in [
        MAX_LEN + 1,
        isize::MAX as usize,
        usize::MAX - 63,
        usize::MAX,
    ] {
        let guard = pool.pin();
        let refused = [
            guard
                .alloc_with(len, |_| panic!("not to be called"))
                .map(drop),
            guard.alloc_uninit(len, Alignment::BYTE).map(drop),
            guard
                .alloc_uninit(len, Alignment::new(1 << 20).unwrap())
                .map(drop),
            guard
                .alloc_uninit(len, Alignment::new(1 << 63).unwrap())
                .map(drop),
            guard.batch(len).map(drop),
        ];
        for refused in refused {
            assert_eq!(refused, Err(AllocError::TooLong), "{len}");
        }
    }
    says(AllocError::TooLong, &["16777215", "split"]);
    assert_eq!(pool.stats(), before);
}

#[test]
#[cfg_attr(miri, ignore = "16 MiB")]
fn sixteen_mebibytes_are_too_long_in_one_part_or_several() {
    let pool = ArenaPool::builder().build().unwrap();
    let bytes = vec![3; MAX_LEN + 1];
    let (half, rest) = bytes.split_at(1 << 23);
    let guard = pool.pin();
    assert_eq!(guard.alloc_copy(&bytes), Err(AllocError::TooLong));
    assert_eq!(guard.alloc_concat([half, rest]), Err(AllocError::TooLong));
    let align = Alignment::new(16).unwrap();
    assert_eq!(
        guard.alloc_copy_aligned(&bytes, align),
        Err(AllocError::TooLong)
    );
    assert_eq!(
        (pool.stats().memory.reserved, pool.stats().allocations),
        (0, 0)
    );
    let longest = guard.alloc_concat([half, &rest[1..]]).unwrap();
    assert!(longest.len() == MAX_LEN && guard.get(longest) == Some(&bytes[1..]));
}

/// Alignments from a mebibyte up to more than there is memory.
#[test]
#[cfg_attr(miri, ignore = "megabytes")]
fn huge_alignments_are_met_or_refused() {
    let memory = Memory::builder().budget(64 << 20).build().unwrap();
    let pool = ArenaPool::builder().memory(memory).build().unwrap();
    let guard = pool.pin();
    for shift in [20, 22, 24] {
        let handle = guard
            .alloc_copy_aligned(b"key", Alignment::new(1 << shift).unwrap())
            .unwrap();
        let bytes = guard.get(handle).unwrap();
        assert_eq!(
            (bytes, bytes.as_ptr().addr() % (1 << shift)),
            (&b"key"[..], 0)
        );
    }
    let before = pool.stats();
    for (shift, word) in [(28, "budget"), (40, "ask for less"), (62, "ask for less")] {
        let align = Alignment::new(1 << shift).unwrap();
        let refused = guard.alloc_copy_aligned(b"key", align).unwrap_err();
        assert!(matches!(refused, AllocError::Memory(_)), "{refused:?}");
        says(refused, &[word]);
        assert_eq!(guard.alloc_uninit(0, align).map(drop), Err(refused));
    }
    let mut after = pool.stats();
    after.resident = before.resident;
    assert_eq!(after, before);
}
