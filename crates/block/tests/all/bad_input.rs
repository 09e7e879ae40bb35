//! Bad input: a typed error that names the limit and the way out, and every counter as before.

use epoch_arena_block::{
    Alignment, BadAlignment, Block, BlockFull, Heap, Memory, MemoryConfigError, MemoryError,
    SourceError,
};

/// Every one of `words` is in the message.
fn says(message: impl std::fmt::Display, words: &[&str]) {
    let message = message.to_string();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}

#[test]
fn block_sizes_that_are_no_powers_of_two_or_out_of_range_are_refused() {
    for size in [
        0,
        1,
        3,
        2048,
        4095,
        4097,
        100_000,
        (2 << 20) + 1,
        2 << 30,
        usize::MAX,
    ] {
        let refused = Memory::builder().block_size(size).build().unwrap_err();
        let asked = u32::try_from(size).unwrap_or(u32::MAX);
        assert_eq!(refused, MemoryConfigError::BlockSize(asked));
        says(refused, &["power of two", "4096", "1073741824", "2097152"]);
    }
    for shift in 12..=30 {
        let memory = Memory::builder().block_size(1 << shift).build().unwrap();
        assert_eq!(
            (memory.block_size(), memory.stats().reserved),
            (1 << shift, 0)
        );
    }
}

#[test]
fn a_budget_below_one_block_is_refused() {
    for budget in [0, 1, 4095] {
        let builder = Memory::builder().block_size(4096).budget(budget);
        let refused = builder.build().unwrap_err();
        assert_eq!(refused, MemoryConfigError::BudgetBelowOneBlock);
        says(refused, &["budget", "raise", "lower the block size"]);
    }
    assert!(
        Memory::builder()
            .block_size(4096)
            .budget(4096)
            .build()
            .is_ok()
    );
}
#[test]
fn block_requests_of_every_size_succeed_or_change_nothing() {
    let memory = Memory::builder()
        .source(Heap)
        .block_size(4096)
        .budget(1 << 20)
        .build()
        .unwrap();
    for (bytes, capacity) in [
        (0, 4096),
        (1, 4096),
        (4096, 4096),
        (4097, 8192),
        (1 << 20, 1 << 20),
    ] {
        assert_eq!(memory.block(bytes).unwrap().capacity(), capacity);
    }
    memory.trim(0);
    for bytes in [(1 << 20) + 1, 1 << 40] {
        let refused = memory.block(bytes).unwrap_err();
        let MemoryError::OverBudget(over) = refused else {
            panic!("{refused:?}");
        };
        assert!(over.wanted >= bytes && over.budget == 1 << 20);
        assert_eq!((over.used, over.own, over.reclaimable), (0, 0, 0));
        says(
            refused,
            &[
                "more than the whole budget of 1.0 MiB",
                "raise MemoryBuilder::budget",
            ],
        );
    }
    for bytes in [
        isize::MAX as usize,
        usize::MAX - 4095,
        usize::MAX - 1,
        usize::MAX,
    ] {
        let refused = memory.block(bytes).unwrap_err();
        assert_eq!(refused, MemoryError::TooLarge);
        says(refused, &["address space"]);
    }
    assert_eq!(memory.stats().reserved, 0);
}

#[test]
fn alignments_that_are_no_powers_of_two_are_refused() {
    for bytes in [0, 3, 6, 12, usize::MAX, (1 << 20) + 1] {
        let refused = Alignment::new(bytes).unwrap_err();
        assert_eq!(refused, BadAlignment(bytes));
        says(refused, &[&bytes.to_string(), "power of two", "16"]);
    }
    for shift in 0..usize::BITS {
        assert_eq!(
            Alignment::new(1 << shift).map(Alignment::get),
            Ok(1 << shift)
        );
    }
}

#[test]
fn a_full_block_names_what_is_left() {
    let layout = std::alloc::Layout::from_size_align(64, 1).unwrap();
    let refused = Block::new(layout)
        .unwrap()
        .alloc_copy(&[0; 65])
        .unwrap_err();
    assert_eq!(refused, BlockFull { remaining: 64 });
    says(refused, &["64 bytes left", "another block"]);
}

/// The words of every error tell the way out.
#[test]
fn every_error_names_the_way_out() {
    says(SourceError::OutOfMemory, &["no memory", "free some"]);
    says(SourceError::Os(12), &["free memory", "raise its limit"]);
    says(SourceError::TooLarge, &["address space", "ask for less"]);
    says(
        SourceError::Unsuitable,
        &["size or alignment", "correct the source"],
    );
    says(MemoryError::TooLarge, &["address space", "ask for less"]);
    says(MemoryError::Source(SourceError::Os(12)), &["free memory"]);
}
