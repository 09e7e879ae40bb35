//! Property tests: `Block` and `Memory` against models that are too simple to be wrong.

use std::alloc::Layout;

use epoch_arena_block::{Block, Heap, Memory, MemoryError};
use proptest::collection::vec;
use proptest::prelude::*;

pub fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Allocations are aligned, inside, disjoint, and refused only if they do not fit.
    #[test]
    fn a_block_agrees_with_its_model(
        capacity in 0_usize..5000,
        base_shift in 0_u32..13,
        requests in vec((0_usize..600, 0_u32..10), 0..80),
    ) {
        let block = Block::new(Layout::from_size_align(capacity, 1 << base_shift).unwrap()).unwrap();
        let base = block.region().base().addr().get();
        let capacity = block.capacity();
        let mut end = 0; // of the last allocation, as an offset: the model
        for (size, shift) in requests {
            let layout = Layout::from_size_align(size, 1 << shift).unwrap();
            let start = (base + end).next_multiple_of(layout.align()) - base;
            match block.alloc(layout) {
                Ok(at) => {
                    prop_assert_eq!(at.addr().get() - base, start);
                    prop_assert_eq!(at.len(), size);
                    end = start + size;
                    prop_assert!(end <= capacity);
                }
                Err(full) => {
                    prop_assert!(start + size > capacity);
                    prop_assert_eq!(full.remaining, capacity - end);
                }
            }
            prop_assert_eq!(block.used(), end);
        }
    }

    /// Blocks come and go; reserved, free and in use are those of the model at every step.
    #[test]
    fn memory_agrees_with_its_model(
        budget in 1_usize..12,
        high_water in 0_usize..8,
        steps in vec((0_usize..4, 0_usize..5), 1..80),
    ) {
        const UNIT: usize = 4096;
        let memory = Memory::builder()
            .source(Heap)
            .block_size(UNIT)
            .budget(budget * UNIT)
            .high_water(high_water * UNIT)
            .build()
            .unwrap();
        let mut held: Vec<Block> = Vec::new();
        let mut peak = 0;
        // Units of the free regions: last freed, first used. The region to be given up is the largest that is no block,
        // or, when there is none, the block that was freed first.
        let mut free: Vec<usize> = Vec::new();
        let give_up = |free: &mut Vec<usize>| {
            let other = (0..free.len()).filter(|at| free[*at] != 1).max_by_key(|at| free[*at]);
            free.remove(other.unwrap_or(0))
        };
        for (action, argument) in steps {
            let in_use: usize = held.iter().map(|b| b.capacity() / UNIT).sum();
            match action {
                0 | 1 => {
                    let units = argument.max(1);
                    let found = free.iter().rposition(|f| *f == units);
                    match memory.block(argument * UNIT) {
                        Ok(block) => {
                            prop_assert_eq!(block.capacity(), units * UNIT);
                            held.push(block);
                            if let Some(index) = found {
                                free.remove(index);
                            } else {
                                while in_use + free.iter().sum::<usize>() + units > budget {
                                    prop_assert!(!free.is_empty(), "over the budget");
                                    give_up(&mut free);
                                }
                            }
                        }
                        Err(error) => {
                            prop_assert!(matches!(error, MemoryError::OverBudget(_)));
                            prop_assert!(found.is_none() && in_use + units > budget);
                        }
                    }
                }
                2 if !held.is_empty() => {
                    let block = held.swap_remove(argument % held.len());
                    let units = block.capacity() / UNIT;
                    drop(block);
                    if free.iter().sum::<usize>() + units <= high_water {
                        free.push(units);
                    }
                }
                _ => {
                    let mut given = 0;
                    while free.iter().sum::<usize>() > argument {
                        given += give_up(&mut free);
                    }
                    prop_assert_eq!(memory.trim(argument * UNIT), given * UNIT);
                }
            }
            let stats = memory.stats();
            let in_use: usize = held.iter().map(Block::capacity).sum();
            prop_assert_eq!(stats.in_use, in_use);
            prop_assert_eq!(stats.free, free.iter().sum::<usize>() * UNIT);
            prop_assert_eq!(stats.reserved, stats.in_use + stats.free);
            peak = stats.reserved.max(peak);
            prop_assert_eq!(stats.peak, peak);
            prop_assert!(stats.reserved <= budget * UNIT && stats.free <= high_water * UNIT);
        }
    }
}
