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
fn m6_zero_epochs_are_refused_by_the_name_of_the_setting() {
    let none = ArenaPool::builder().retained_epochs(0);
    let refused = none.build().unwrap_err();
    assert_eq!(refused, BuildError::RetainedEpochs);
    says(refused, &["retained_epochs", "at least 1"]);
    let none = ArenaPool::builder().retained_epochs(0).max_epochs(0);
    assert_eq!(none.build().unwrap_err(), BuildError::RetainedEpochs);
    let pool = ArenaPool::builder().retained_epochs(1).build().unwrap();
    assert_eq!(pool.stats().live_epochs, 1);
}

#[test]
fn m6_epochs_that_do_not_fit_the_slots_are_refused() {
    let with = |retained, max| {
        let builder = ArenaPool::builder().retained_epochs(retained);
        match max {
            Some(max) => builder.max_epochs(max).build(),
            None => builder.build(),
        }
    };
    let refused = [
        (1, Some(0)),
        (1, Some(1)),
        (2, Some(1)),
        (4, Some(4)),
        (5, Some(4)),
        (1, Some(65_537)),
        (1, Some(u32::MAX)),
        (65_536, None),
        (65_536, Some(65_536)),
        (u32::MAX, None),
        (u32::MAX, Some(u32::MAX)),
    ];
    for (retained, max) in refused {
        let refused = with(retained, max).unwrap_err();
        assert_eq!(refused, BuildError::MaxEpochs, "{retained} of {max:?}");
        says(
            refused,
            &["retained_epochs", "less than max_epochs", "65536"],
        );
    }
    for (retained, max) in [(1, Some(2)), (2, Some(3)), (3, Some(4)), (100, None)] {
        assert!(with(retained, max).is_ok(), "{retained} of {max:?}");
    }
    if !cfg!(miri) {
        assert!(with(65_535, None).is_ok() && with(1, Some(65_536)).is_ok());
    }
}

/// Peer bug 9.
#[test]
fn m4_bug09_lengths_that_cannot_be_are_refused_everywhere() {
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
fn m4_bug09_sixteen_mebibytes_are_too_long_in_one_part_or_several() {
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

/// Peer bugs 8 and 9: alignments from a mebibyte up to more than there is memory.
#[test]
#[cfg_attr(miri, ignore = "megabytes")]
fn m4_bug08_bug09_huge_alignments_are_met_or_refused() {
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
