//! A source that fails or panics at the k-th call, for every k, and a budget.

use std::alloc::Layout;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use epoch_arena_block::{Heap, Pages, Region, Source, SourceError};
use epoch_arena_map::{ArenaMap, InsertError, MapError};
use epoch_arena_pool::{ArenaPool, Memory};

/// Fails at one call, or panics.
#[derive(Clone, Debug)]
struct Faulty {
    left: Arc<AtomicUsize>,
    panics: bool,
}

impl Source for Faulty {
    fn acquire(&self, layout: Layout, pages: Pages) -> Result<Region, SourceError> {
        let before = self.left.fetch_sub(1, Ordering::Relaxed);
        if before == 1 {
            if self.panics {
                // Without a message.
                std::panic::resume_unwind(Box::new("a source's"));
            }
            return Err(SourceError::OutOfMemory);
        }
        Heap.acquire(layout, pages)
    }
}

const RECORDS: u64 = if cfg!(miri) { 30 } else { 400 };

fn key(n: u64) -> [u8; 8] {
    (n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes()
}

/// What is in the map is what was inserted, by every way to look.
fn holds(map: &ArenaMap, records: u64) {
    let mut expected: Vec<_> = (0..records).map(key).collect();
    expected.sort_unstable();
    assert!(map.iter().map(|entry| entry.key()).eq(expected.iter()));
    assert!(
        map.iter()
            .rev()
            .map(|entry| entry.key())
            .eq(expected.iter().rev())
    );
    assert!((0..records).all(|n| map.get(&key(n), 0).is_some()));
    assert_eq!(map.len() as u64, records);
}

#[test]
fn a_source_that_fails_at_the_kth_call_costs_one_insert() {
    for panics in [false, true] {
        for k in 1.. {
            let left = Arc::new(AtomicUsize::new(k));
            let source = Faulty {
                left: left.clone(),
                panics,
            };
            let memory = Memory::builder().source(source).block_size(4096);
            let pool = ArenaPool::builder().memory(memory.build().unwrap());
            let pool = pool.build().unwrap();
            let made = || catch_unwind(AssertUnwindSafe(|| ArenaMap::new(&pool)));
            let map = match made() {
                Ok(Ok(map)) => map,
                Ok(Err(error)) => {
                    assert!(k == 1 && !panics && matches!(error, MapError::Alloc(_)));
                    made().unwrap().unwrap()
                }
                Err(_) => {
                    assert!(k == 1 && panics);
                    made().unwrap().unwrap()
                }
            };
            let mut failures = 0;
            for n in 0..RECORDS {
                let value = vec![1; (n * 97 % 500) as usize];
                let insert = || map.insert(&key(n), 0, &value);
                match catch_unwind(AssertUnwindSafe(insert)) {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        assert!(!panics && matches!(error, InsertError::Alloc(_)));
                        failures += 1;
                        holds(&map, n);
                        insert().unwrap();
                    }
                    Err(_) => {
                        assert!(panics);
                        failures += 1;
                        // It may have been inserted, and the panic come from a page above its leaf.
                        match insert() {
                            Ok(()) | Err(InsertError::Exists) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            }
            holds(&map, RECORDS);
            assert!(failures <= 1);
            // Far below zero, if there were that many calls.
            if left.load(Ordering::Relaxed).wrapping_sub(1) < k {
                assert!(k > 3);
                break;
            }
        }
    }
}

#[test]
fn a_map_at_its_budget_refuses_and_keeps_what_it_has() {
    let memory = Memory::builder().block_size(4096).budget(15 * 4096);
    let pool = ArenaPool::builder().memory(memory.build().unwrap());
    let pool = pool.build().unwrap();
    let map = ArenaMap::new(&pool).unwrap();
    let mut inserted = Vec::new();
    let mut refused = 0;
    for n in 0..2_000 {
        match map.insert(&key(n), 0, &[1; 60]) {
            Ok(()) => inserted.push(key(n)),
            Err(error) => {
                assert!(error.over_budget().is_some(), "{error}");
                refused += 1;
                if refused > 50 {
                    break;
                }
            }
        }
    }
    inserted.sort_unstable();
    assert!(map.iter().map(|entry| entry.key()).eq(inserted.iter()));
    assert!(inserted.iter().all(|key| map.get(key, 0).is_some()));
    let next = map.rotate();
    assert!(next.is_err() || next.is_ok_and(|next| next.is_empty()));
}
