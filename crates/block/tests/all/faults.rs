//! Sources that fail or panic, at every call there is.

use epoch_arena_block::{Memory, MemoryError, SourceError};

use crate::support::{FAULTS, Fault, Faulty, caught};

const BLOCK: usize = 4096;
const CALLS: usize = 8;

fn memory(source: &Faulty) -> Memory {
    Memory::builder()
        .source(source.clone())
        .block_size(BLOCK)
        .budget(CALLS * BLOCK)
        .build()
        .expect("valid settings")
}

#[test]
fn a_source_that_fails_at_the_kth_call_costs_that_call_only() {
    for fault in FAULTS {
        for k in 1..=CALLS {
            let source = Faulty::default();
            let memory = memory(&source);
            source.fail_once(k, fault);
            let mut held = Vec::new();
            for call in 1..=CALLS {
                let before = memory.stats();
                match caught(|| memory.block(1)) {
                    Some(Ok(block)) => held.push(block),
                    failed => {
                        assert_eq!(call, k, "{fault:?}");
                        assert_eq!(failed.is_none(), fault == Fault::Panic);
                        assert_eq!(memory.stats(), before);
                        assert_eq!(source.regions(), held.len(), "nothing is kept");
                    }
                }
            }
            assert_eq!(held.len(), CALLS - 1, "one call failed, no more");
            // The budget has exactly the room that the failure gave back.
            held.push(memory.block(1).unwrap());
            assert!(matches!(
                memory.block(1).unwrap_err(),
                MemoryError::OverBudget(_)
            ));
        }
    }
}

#[test]
fn a_source_that_fails_for_good_says_so_every_time_and_heals() {
    let source = Faulty::default();
    let memory = memory(&source);
    let held = memory.block(1).unwrap();
    source.fail_from(1, Fault::Error);
    for _ in 0..100 {
        let refused = memory.block(1).unwrap_err();
        assert_eq!(refused, MemoryError::Source(SourceError::OutOfMemory));
    }
    assert_eq!(memory.stats().reserved, BLOCK);
    drop(held);
    assert!(memory.block(1).is_ok(), "a free block needs no source");
    source.heal();
    let blocks: Vec<_> = (0..CALLS).map_while(|_| memory.block(1).ok()).collect();
    assert_eq!(blocks.len(), CALLS, "the whole budget is there");
}
