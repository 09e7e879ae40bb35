//! An arena over a source that fails or panics.

use epoch_arena_block::{Memory, MemoryError, SourceError};
use epoch_arena_core::{AllocError, EpochArena};

use crate::support::{FAULTS, Fault, Faulty, caught};

fn memory(source: &Faulty, blocks: usize) -> Memory {
    Memory::builder()
        .source(source.clone())
        .block_size(8192)
        .budget(blocks * 8192)
        .build()
        .expect("valid settings")
}

#[test]
fn a_source_that_fails_at_the_kth_call_costs_one_allocation() {
    for fault in FAULTS {
        for k in 1..=6 {
            let source = Faulty::default();
            let memory = memory(&source, 6);
            let mut arena = EpochArena::new(&memory);
            source.fail_once(k, fault);
            let (mut failures, mut made) = (0, 0);
            while made < 45 {
                let before = (arena.stats(), memory.stats());
                match caught(|| arena.alloc_copy(&[made as u8; 1000]).map(|b| b.to_vec())) {
                    Some(Ok(bytes)) => {
                        assert_eq!(bytes, [made as u8; 1000]);
                        made += 1;
                    }
                    _ => {
                        failures += 1;
                        assert_eq!((arena.stats(), memory.stats()), before, "{fault:?} at {k}");
                    }
                }
            }
            assert_eq!(
                failures,
                1,
                "{fault:?} at call {k}, and {} calls",
                source.calls()
            );
            arena.reset();
            assert!(arena.alloc_copy(&[1; 3000]).is_ok());
            drop(arena);
            memory.trim(0);
            assert_eq!(source.regions(), 0, "every region went back");
        }
    }
}

/// Oversize requests go another way to the source.
#[test]
fn faults_under_oversize_requests() {
    for fault in FAULTS {
        let source = Faulty::default();
        let memory = memory(&source, 100);
        let arena = EpochArena::new(&memory);
        arena.alloc_copy(b"small").unwrap();
        source.fail_once(1, fault);
        let before = (arena.stats(), memory.stats());
        let large = vec![5; 32_000];
        let failed = caught(|| arena.alloc_copy(&large).map(|_| ()));
        assert!(failed.is_none_or(|answer| answer.is_err()));
        assert_eq!((arena.stats(), memory.stats()), before);
        assert_eq!(arena.alloc_copy(&large).unwrap(), large);
    }
}

#[test]
fn an_arena_over_its_budget_stays_as_it_is_and_works_after_a_reset() {
    let memory = memory(&Faulty::default(), 2);
    let mut arena = EpochArena::new(&memory);
    for _ in 0..3 {
        let refused = loop {
            if let Err(refused) = arena.alloc_copy(&[1; 100]) {
                break refused;
            }
        };
        assert!(matches!(
            refused,
            AllocError::Memory(MemoryError::OverBudget(_))
        ));
        let before = (arena.stats(), memory.stats());
        for _ in 0..if cfg!(miri) { 50 } else { 10_000 } {
            assert!(arena.alloc_copy(&[1; 100]).is_err());
            assert!(arena.alloc_copy(&[1; 10_000]).is_err());
        }
        assert_eq!((arena.stats(), memory.stats()), before);
        arena.reset();
    }
}

#[test]
fn the_cause_of_a_failure_reaches_the_caller() {
    let source = Faulty::default();
    source.fail_from(1, Fault::Misaligned);
    let arena = EpochArena::new(&memory(&source, 2));
    let refused = arena.alloc_copy(b"key").unwrap_err();
    assert_eq!(refused, AllocError::from(SourceError::Unsuitable));
    assert!(refused.to_string().contains("correct the source"));
}
