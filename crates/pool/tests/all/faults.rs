//! A pool over a source that fails or panics, at every call there is.

use epoch_arena_block::{MemoryError, SourceError};
use epoch_arena_pool::{AllocError, ArenaPool, Memory, PoolStats};

use crate::pools::{adds_up, advance, find, put};
use crate::support::{FAULTS, Fault, Faulty, caught};

const BLOCK: usize = 8192;

fn pool_over(source: &Faulty) -> ArenaPool {
    let memory = Memory::builder().source(source.clone()).block_size(BLOCK);
    let memory = memory.budget(8 * BLOCK).build().expect("valid settings");
    ArenaPool::builder()
        .memory(memory)
        .build()
        .expect("valid settings")
}

#[test]
fn a_source_that_fails_at_the_kth_call_costs_one_put() {
    for fault in FAULTS {
        // Until there is no such call.
        for k in 1.. {
            let source = Faulty::default();
            let pool = pool_over(&source);
            source.fail_once(k, fault);
            let (mut failures, mut handles) = (0, Vec::new());
            while handles.len() < 45 {
                let before: PoolStats = pool.stats();
                let value = [handles.len() as u8; 1_000];
                match caught(|| pool.pin().alloc_copy(&value)) {
                    Some(Ok(handle)) => handles.push(handle),
                    failed => {
                        failures += 1;
                        assert_eq!(failed.is_none(), fault == Fault::Panic);
                        assert_eq!(pool.stats(), before, "{fault:?} at {k}: nothing changed");
                        let regions = before.memory.reserved / BLOCK;
                        assert!(source.calls() == k && source.regions() == regions);
                    }
                }
            }
            if failures == 0 {
                assert!(k > 5 && source.calls() < k, "{} calls", source.calls());
                break;
            }
            assert_eq!(failures, 1, "{fault:?} at {k}, of {} calls", source.calls());
            for (i, handle) in handles.iter().enumerate() {
                assert_eq!(find(&pool, *handle), Some(vec![i as u8; 1_000]));
            }
            adds_up(&pool);
            advance(&pool, 2);
            put(&pool, b"works on");
            advance(&pool, 2);
            pool.maintain();
            drop(pool);
            assert_eq!(source.regions(), 0, "every region went back");
        }
    }
}

/// The same for every other way to write, oversize ones included.
#[test]
fn a_fault_changes_nothing_whatever_the_call() {
    for fault in FAULTS {
        let source = Faulty::default();
        let pool = pool_over(&source);
        let guard = pool.pin();
        let kept = guard.alloc_copy(&[1; 100]).unwrap();
        let before = pool.stats();
        source.fail_from(1, fault);
        let align = epoch_arena_pool::Alignment::new(4096).unwrap();
        let large = vec![2; 20_000];
        let calls: [&dyn Fn() -> Result<(), AllocError>; 7] = [
            &|| guard.alloc_copy(&large).map(drop),
            &|| guard.alloc_copy_aligned(&large, align).map(drop),
            &|| guard.alloc_concat([&large[..], b"more"]).map(drop),
            &|| {
                guard
                    .alloc_with(20_000, |_| unreachable!("no memory for it"))
                    .map(drop)
            },
            &|| guard.alloc_uninit(20_000, align).map(drop),
            &|| guard.batch(20_000).map(drop),
            &|| guard.alloc_copy(&large[..9_000]).map(drop),
        ];
        for call in calls {
            let answer = caught(call);
            assert!(answer.is_none_or(|answer| answer.is_err()), "{fault:?}");
            assert_eq!(pool.stats(), before, "{fault:?}");
        }
        source.heal();
        let after = guard.alloc_copy(&large).unwrap();
        assert_eq!(
            (guard.get(kept), guard.get(after)),
            (Some(&[1; 100][..]), Some(&large[..]))
        );
    }
}

#[test]
fn the_cause_reaches_the_caller_and_epochs_go_on_without_memory() {
    let source = Faulty::default();
    let pool = pool_over(&source);
    source.fail_from(1, Fault::Error);
    for _ in 0..5 {
        let refused = pool.pin().alloc_copy(b"key").unwrap_err();
        let cause = MemoryError::Source(SourceError::OutOfMemory);
        assert_eq!(refused, AllocError::Memory(cause));
        advance(&pool, 1);
    }
    assert_eq!(pool.stats().memory.reserved, 0);
    source.heal();
    assert_eq!(find(&pool, put(&pool, b"key")), Some(b"key".to_vec()));
}
