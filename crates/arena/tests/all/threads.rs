//! Growth under readers, and 64 threads on an empty arena.

use epoch_arena_block::{Heap, Memory};
use epoch_arena_core::EpochArena;

use crate::ends::Meeting;
use crate::rng::Rng;
use crate::small_memory;
use crate::support::Faulty;

const THREADS: usize = if cfg!(miri) { 3 } else { 8 };

/// Readers hold and check all their bytes, while all threads make the arena grow.
#[test]
fn no_reader_sees_a_moving_table_while_the_arena_grows() {
    // So that few rounds fill more than one block.
    let block = if cfg!(miri) { 8 << 10 } else { 64 << 10 };
    let memory = Memory::builder().source(Heap).block_size(block);
    let arena = EpochArena::new(&memory.build().expect("valid settings"));
    let rounds = if cfg!(miri) { 40 } else { 4_000_usize };
    let start = Meeting::new(THREADS);
    std::thread::scope(|s| {
        for t in 0..THREADS {
            let (arena, start) = (&arena, &start);
            s.spawn(move || {
                let mut rng = Rng::new(t as u64);
                let mut mine: Vec<(&[u8], u8)> = Vec::new();
                start.wait();
                for round in 0..rounds {
                    let (len, byte) = (rng.below(300), rng.next() as u8);
                    mine.push((arena.alloc_copy(&vec![byte; len]).unwrap(), byte));
                    let (bytes, byte) = mine[rng.below(round + 1)];
                    assert!(bytes.iter().all(|b| *b == byte));
                }
                assert!(
                    mine.iter()
                        .all(|(bytes, byte)| bytes.iter().all(|b| b == byte))
                );
            });
        }
    });
    let stats = arena.stats();
    assert_eq!(stats.allocations, THREADS * rounds);
    assert!(stats.blocks > 1);
}

/// As many blocks as are needed, and at most one more per thread.
#[test]
fn sixty_four_threads_on_an_empty_arena_create_few_blocks() {
    const MANY: usize = if cfg!(miri) { 8 } else { 64 };
    for _ in 0..if cfg!(miri) { 1 } else { 20 } {
        let source = Faulty::default();
        let memory = Memory::builder()
            .source(source.clone())
            .block_size(1 << 20)
            .build()
            .unwrap();
        let arena = EpochArena::new(&memory);
        let start = Meeting::new(MANY);
        std::thread::scope(|s| {
            for t in 0..MANY {
                let (arena, start) = (&arena, &start);
                s.spawn(move || {
                    start.wait();
                    let bytes = arena.alloc_copy(&[t as u8; 16]).unwrap();
                    assert!(bytes.iter().all(|b| *b == t as u8));
                });
            }
        });
        let stats = arena.stats();
        assert_eq!((stats.allocations, stats.payload), (MANY, MANY * 16));
        // One is enough for the smallest chunks. A lane whose threads lost races to share a chunk takes a larger one next,
        // from a second block.
        assert!(stats.blocks <= 2, "{stats}");
        assert!(source.calls() <= 1 + MANY);
        assert!(
            stats.capacity <= MANY * 4096,
            "slack: at most a smallest chunk per thread"
        );
    }
}

/// Every reader of the shared figures sees sums that never run backwards.
#[test]
fn figures_grow_with_the_arena() {
    let arena = EpochArena::new(&small_memory());
    std::thread::scope(|s| {
        let writer = s.spawn(|| {
            for _ in 0..if cfg!(miri) { 100 } else { 20_000 } {
                arena.alloc_copy(&[1; 10]).unwrap();
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let stats = arena.stats();
            assert!(stats.allocations >= last && stats.payload <= stats.used);
            assert!(stats.used <= stats.capacity);
            last = stats.allocations;
        }
    });
    let stats = arena.stats();
    assert_eq!(stats.payload, stats.allocations * 10);
}
