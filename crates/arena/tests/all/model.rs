//! Property test: `EpochArena` against a list of its values.

use epoch_arena_block::{Alignment, Heap, Memory};
use epoch_arena_core::{AllocError, EpochArena};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Copy { len: usize, shift: u32 },
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0_usize..200, 0_u32..7).prop_map(|(len, shift)| Step::Copy { len, shift }),
        3 => (0_usize..40_000, 0_u32..15).prop_map(|(len, shift)| Step::Copy { len, shift }),
        1 => Just(Step::Reset),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 200 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn an_arena_agrees_with_its_model(
        steps in vec(step(), 1..if cfg!(miri) { 20 } else { 300 }),
        budget in prop::option::of(1_usize..30),
    ) {
        const BLOCK: usize = 16 << 10;
        let mut builder = Memory::builder().source(Heap).block_size(BLOCK);
        if let Some(blocks) = budget {
            builder = builder.budget(blocks * BLOCK);
        }
        let memory = builder.build().unwrap();
        let mut arena = EpochArena::new(&memory);
        // Per epoch of the run: put everything in, then compare all of it and reset.
        for epoch in steps.split_inclusive(|step| matches!(step, Step::Reset)) {
            let mut lent: Vec<(&mut [u8], u8)> = Vec::new();
            for (number, step) in epoch.iter().enumerate() {
                let Step::Copy { len, shift } = *step else { continue };
                let align = Alignment::new(1 << shift).unwrap();
                let byte = number as u8;
                match arena.alloc_copy_aligned(&vec![byte; len], align) {
                    Ok(bytes) => {
                        prop_assert_eq!(bytes.as_ptr().addr() % align.get(), 0);
                        prop_assert_eq!(bytes.len(), len);
                        lent.push((bytes, byte));
                    }
                    Err(error) => {
                        let over = matches!(error, AllocError::Memory(_));
                        prop_assert!(over && budget.is_some(), "{:?}", error);
                    }
                }
            }
            let payload: usize = lent.iter().map(|(bytes, _)| bytes.len()).sum();
            let stats = arena.stats();
            prop_assert_eq!((stats.payload, stats.allocations), (payload, lent.len()));
            prop_assert!(stats.used <= stats.capacity);
            prop_assert!(stats.capacity <= memory.stats().in_use);
            // Disjoint, and untouched by later values.
            prop_assert!(lent.iter().all(|(bytes, byte)| bytes.iter().all(|b| b == byte)));
            let mut ranges: Vec<_> = lent.iter().map(|(b, _)| b.as_ptr_range()).collect();
            ranges.sort_by_key(|range| (range.start, range.end));
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
            arena.reset();
            prop_assert_eq!((arena.stats().capacity, memory.stats().in_use), (0, 0));
        }
        drop(arena);
        prop_assert_eq!(memory.stats().in_use, 0);
    }
}
