//! Figures are exact, before and after a reset, and readable.

use epoch_arena_pool::{Alignment, ArenaPool};

use crate::ends::Meeting;
use crate::pools::{BLOCK, HEADER, SMALLEST, adds_up, advance, pool, put, put_many};
use crate::rng::Rng;

#[test]
fn payload_and_allocations_are_exact_per_epoch_and_in_sum() {
    let pool = pool(3);
    let mut rng = Rng::new(1);
    let mut live = std::collections::VecDeque::new();
    for _ in 0..if cfg!(miri) { 5 } else { 60 } {
        let (mut payload, mut count) = (0, 0);
        let guard = pool.pin();
        for _ in 0..rng.below(200) {
            let most = if rng.below(20) == 0 { 9_000 } else { 60 };
            let len = rng.below(most);
            let handle = match rng.below(4) {
                0 => guard.alloc_copy(&vec![1; len]).unwrap(),
                1 => {
                    let align = Alignment::new(1 << rng.below(9)).unwrap();
                    guard.alloc_copy_aligned(&vec![1; len], align).unwrap()
                }
                2 => guard.alloc_concat([&vec![1; len][..], b""]).unwrap(),
                _ => {
                    let mut batch = guard.batch(len + 50).unwrap();
                    batch.push(&vec![1; len]).unwrap()
                }
            };
            assert_eq!(handle.len(), len);
            payload += len;
            count += 1;
        }
        let epoch = guard.epoch();
        drop(guard);
        let stats = pool.stats_of(epoch).unwrap();
        assert_eq!((stats.payload, stats.allocations), (payload, count));
        assert!(stats.payload <= stats.used && stats.used <= stats.capacity);
        live.push_back((payload, count));
        if live.len() > 3 {
            live.pop_front();
        }
        let stats = pool.stats();
        assert_eq!(
            stats.payload,
            live.iter().map(|(payload, _)| payload).sum::<usize>()
        );
        assert_eq!(
            stats.allocations,
            live.iter().map(|(_, count)| count).sum::<usize>()
        );
        assert_eq!(stats.waste(), stats.live - stats.payload);
        adds_up(&pool);
        advance(&pool, 1);
        adds_up(&pool);
    }
    advance(&pool, 3);
    let stats = pool.stats();
    assert_eq!(
        (stats.payload, stats.allocations, stats.live, stats.waste()),
        (0, 0, 0, 0)
    );
    assert_eq!(stats.memory.free, stats.memory.reserved);
}

#[test]
fn the_figures_of_many_threads_add_up() {
    const THREADS: usize = if cfg!(miri) { 3 } else { 8 };
    let (pool, all) = (pool(2), Meeting::new(THREADS));
    std::thread::scope(|s| {
        for t in 0..THREADS {
            let (pool, all) = (&pool, &all);
            s.spawn(move || {
                for _ in 0..100 {
                    put(pool, &vec![1; t]);
                }
                // A chunk that a thread leaves when it ends is another's to fill: none ends before all have theirs.
                all.wait();
            });
        }
    });
    let stats = pool.stats();
    assert_eq!(stats.allocations, THREADS * 100);
    assert_eq!(stats.payload, (0..THREADS).sum::<usize>() * 100);
    // A thread that has ended leaves its chunk to the next one.
    let chunks = (0..THREADS).map(|t| 1 + usize::from(100 * t > SMALLEST - HEADER));
    assert!(
        stats.live <= chunks.sum::<usize>() * SMALLEST && stats.live > stats.payload,
        "smallest chunks"
    );
    adds_up(&pool);
}

#[test]
fn figures_of_an_epoch_go_with_it() {
    let (pool, other) = (pool(1), pool(1));
    let epoch = put(&pool, &[1; 90]).epoch();
    let stats = pool.stats_of(epoch).unwrap();
    assert_eq!(
        (stats.chunks, stats.blocks, stats.capacity),
        (1, 1, SMALLEST)
    );
    assert_eq!((stats.used, stats.waste()), (HEADER + 90, SMALLEST - 90));
    assert_eq!(other.stats_of(epoch), None, "another pool's");
    advance(&pool, 1);
    assert_eq!(pool.stats_of(epoch), None);
}

#[test]
fn blocks_and_capacity_are_counted() {
    let pool = pool(1);
    put_many(&pool, 200, &[1; 1_000]);
    let (all, one) = (pool.stats(), pool.stats_of(pool.current_epoch()).unwrap());
    assert_eq!((all.live, pool.bytes()), (one.capacity, one.capacity));
    assert_eq!(all.memory.reserved, one.blocks * BLOCK);
    assert_eq!(all.memory.in_use, one.capacity);
    adds_up(&pool);
}

#[test]
fn statistics_can_be_read_by_people() {
    let pool = ArenaPool::builder().build().unwrap();
    put(&pool, &[1; 2_000]);
    let guard = pool.pin();
    advance(&pool, 1);
    let (one, all) = (
        pool.stats_of(guard.epoch()).unwrap(),
        pool.stats().to_string(),
    );
    for words in [
        "2 live epochs",
        "1 allocation,",
        "2.0 KiB of payload",
        "memory: ",
        " reserved, ",
        " resident",
        "pinned:",
    ] {
        assert!(all.contains(words), "{words:?} is not in {all:?}");
    }
    assert!(!all.contains("quarantine"), "it has none: {all}");
    assert!(one.to_string().starts_with("0 allocations"));
    let report = pool.maintain().to_string();
    assert!(report.contains("reclaimed 0 epochs") && report.contains("still held: 0 epochs"));
    let shown = format!(
        "{pool:?} {guard:?} {:?} {:?}",
        pool.snapshot(),
        pool.local()
    );
    assert!(shown.contains("ArenaPool") && shown.contains("Snapshot"));
}
