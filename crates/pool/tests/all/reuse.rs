//! Memory is flat over thousands of epochs at constant load, and really falls
//! when it is given back.

#[cfg(all(unix, not(miri)))]
use epoch_arena_block::AnonymousMap;
use epoch_arena_block::Heap;
use epoch_arena_pool::{ArenaPool, Memory};

use crate::ends::Meeting;
use crate::pools::{BLOCK, adds_up, advance, all_reclaimed, maintain_until, pool, put, put_many};
use crate::rng::Rng;

const EPOCHS: usize = if cfg!(miri) { 15 } else { 2_000 };

/// Puts the same load into every epoch, and returns what is reserved after each.
fn load(pool: &ArenaPool, epochs: usize, mut values: impl FnMut(&ArenaPool)) -> Vec<usize> {
    (0..epochs)
        .map(|_| {
            values(pool);
            advance(pool, 1);
            let stats = pool.stats();
            assert_eq!(
                (stats.retired_epochs, stats.retired),
                (0, 0),
                "no thread is pinned"
            );
            stats.memory.reserved
        })
        .collect()
}

#[test]
fn reserved_is_flat_after_the_first_epochs() {
    for retained in [1, 2, 4] {
        let pool = pool(retained);
        let reserved = load(&pool, EPOCHS, |pool| {
            let guard = pool.pin();
            for _ in 0..120 {
                guard.alloc_copy(&[1; 700]).unwrap();
            }
        });
        assert!(reserved[9..].iter().all(|bytes| *bytes == reserved[9]));
        assert!(
            reserved[9] <= (retained as usize + 2) * 2 * BLOCK,
            "{}",
            reserved[9]
        );
        adds_up(&pool);
    }
}

/// The first epochs take small chunks, and later ones larger. The blocks of the small ones are then used for the larger, or
/// stay out of physical memory.
#[cfg(all(unix, not(miri)))]
#[test]
fn a_window_of_epochs_has_few_blocks_in_physical_memory() {
    const BLOCK: usize = 2 << 20;
    let source = AnonymousMap::new().huge_pages(false);
    let memory = Memory::builder()
        .source(source)
        .block_size(BLOCK)
        .build()
        .unwrap();
    let builder = ArenaPool::builder().retained_epochs(8).memory(memory);
    let pool = builder.build().unwrap();
    let fill = |pool: &ArenaPool| {
        let guard = pool.pin();
        for _ in 0..31_775 {
            guard.alloc_copy(&[1; 132]).unwrap();
        }
    };
    load(&pool, 30, fill);
    fill(&pool);
    let resident = pool.memory().resident();
    assert!(
        resident < 17 * BLOCK + BLOCK / 2,
        "{resident} for eight times 4 MiB"
    );
}

/// Values of all sizes, in another order in every epoch, oversize ones among them.
#[test]
fn mixed_sizes_reach_a_plateau_too() {
    let pool = pool(2);
    let mut rng = Rng::new(3);
    let reserved = load(&pool, EPOCHS / 4, |pool| {
        let mut lengths = [10, 100, 1_000, 5_000, 30_000, 70_000, 140_000, 330_000];
        for at in (1..lengths.len()).rev() {
            lengths.swap(at, rng.below(at + 1));
        }
        let guard = pool.pin();
        for len in lengths {
            guard.alloc_copy(&vec![1; len]).unwrap();
        }
    });
    let (early, late) = reserved.split_at(reserved.len() / 2);
    let most = |part: &[usize]| part.iter().copied().max().unwrap();
    assert!(
        most(late) <= most(early),
        "{} after {}",
        most(late),
        most(early)
    );
    assert!(
        most(late) <= 4 * 11 * BLOCK,
        "{} for about 600 kB an epoch",
        most(late)
    );
}

/// The same from several threads: what one wrote, another's next epoch reuses.
#[test]
fn threads_reuse_each_others_memory() {
    let pool = pool(1);
    let mut reserved = Vec::new();
    for _ in 0..if cfg!(miri) { 3 } else { 100 } {
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| put_many(&pool, 50, &[1; 900]));
            }
        });
        advance(&pool, 1);
        maintain_until(&pool, all_reclaimed);
        reserved.push(pool.memory().stats().reserved);
    }
    // Four threads with 45 kB each: two threads' chunks may want the same block at once.
    assert!(
        reserved.iter().all(|bytes| *bytes <= 8 * BLOCK),
        "{reserved:?}"
    );
}

#[test]
fn a_reclaimed_epoch_gives_back_all_its_blocks() {
    let pool = pool(1);
    for _ in 0..100 {
        put(&pool, &[1; 3_000]);
    }
    let reserved = pool.stats().memory.reserved;
    assert!(reserved > 3 * BLOCK && reserved.is_multiple_of(BLOCK));
    advance(&pool, 1);
    let stats = pool.stats();
    assert_eq!((stats.live, pool.bytes()), (0, 0));
    assert_eq!(
        (stats.memory.free, stats.memory.reserved),
        (reserved, reserved)
    );
    put(&pool, b"from the memory's free chunks");
    assert_eq!(pool.memory().stats().reserved, reserved, "nothing new");
    advance(&pool, 1);
    assert_eq!(pool.maintain().returned, 0, "below the high-water mark");
    assert_eq!(pool.memory().trim(0), reserved);
    assert_eq!(pool.memory().stats().reserved, 0);
}

/// A block of which one chunk is in use stays; the others go.
#[test]
fn maintain_returns_whole_blocks_only() {
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    let memory = memory.high_water(0).build().unwrap();
    let pool = ArenaPool::builder().memory(memory).build().unwrap();
    for _ in 0..60 {
        put(&pool, &[1; 3_000]);
    }
    advance(&pool, 1);
    let kept = put(&pool, b"kept");
    advance(&pool, 1);
    let before = pool.stats();
    let returned = pool.maintain().returned;
    let after = pool.stats();
    assert_eq!(after.memory.reserved, before.memory.reserved - returned);
    assert!(after.memory.reserved >= BLOCK && after.memory.reserved < before.memory.reserved);
    assert_eq!(pool.pin().get(kept), Some(&b"kept"[..]));
    adds_up(&pool);
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "residency is the kernel's")]
fn resident_memory_is_flat_and_falls_to_nothing() {
    let memory = Memory::builder()
        .source(epoch_arena_block::AnonymousMap::new().huge_pages(false))
        .high_water(0)
        .build()
        .unwrap();
    let builder = ArenaPool::builder().memory(memory.clone());
    let pool = builder.retained_epochs(2).build().unwrap();
    let mut resident = Vec::new();
    for _ in 0..300 {
        let guard = pool.pin();
        for _ in 0..3_000 {
            guard.alloc_copy(&[1; 1_000]).unwrap();
        }
        drop(guard);
        advance(&pool, 1);
        let stats = pool.stats();
        resident.push(stats.resident);
        assert!(stats.resident <= stats.memory.reserved);
    }
    assert!(resident[0] >= 3_000_000, "it was written, so it is there");
    // It takes some dozens of epochs until every block has been divided as these values need it.
    let most = |part: &[usize]| part.iter().copied().max().unwrap();
    let (early, late) = resident.split_at(150);
    assert!(most(late) <= most(early), "{resident:?}");
    // Two epochs of 3 MB are live at a time.
    assert!(most(late) <= 2 * 6_200_000, "{}", most(late));
    advance(&pool, 2);
    pool.maintain();
    let stats = pool.stats();
    assert_eq!(
        (
            stats.resident,
            stats.memory.reserved,
            memory.stats().reserved
        ),
        (0, 0, 0)
    );
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "residency is the kernel's")]
#[cfg_attr(
    any(epoch_arena_asan, epoch_arena_msan),
    ignore = "resident bytes are the sanitizer's as well"
)]
fn the_process_shrinks_when_a_pool_is_maintained() {
    crate::alone::alone(
        "reuse::the_process_shrinks_when_a_pool_is_maintained",
        || {
            let memory = Memory::builder().high_water(0).build().unwrap();
            let pool = ArenaPool::builder().memory(memory).build().unwrap();
            let before = crate::alone::resident();
            put_many(&pool, 64_000, &[1; 1_000]);
            let full = crate::alone::resident();
            assert!(full >= before + 60_000_000);
            advance(&pool, 2);
            assert!(
                crate::alone::resident() >= before + 60_000_000,
                "free chunks are kept"
            );
            pool.maintain();
            let after = crate::alone::resident();
            assert!(after <= before + 6_000_000, "{before}, {full}, {after}");
        },
    );
}

/// Above the high-water mark blocks go back to the source, below it they stay.
#[test]
fn the_high_water_mark_decides_what_is_kept() {
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    let memory = memory.high_water(2 * BLOCK).build().unwrap();
    let pool = ArenaPool::builder().memory(memory.clone()).build().unwrap();
    put_many(&pool, 300, &[1; 1_000]);
    assert!(pool.stats().memory.reserved >= 4 * BLOCK);
    advance(&pool, 2);
    pool.maintain();
    assert_eq!(
        (memory.stats().reserved, memory.stats().free),
        (2 * BLOCK, 2 * BLOCK)
    );
}

/// With one list for all, threads exchange their chunks, and fetch each line of them from another core.
#[test]
fn a_thread_gets_back_what_it_has_filled() {
    use epoch_arena_block::raw::own_lane;
    use std::collections::BTreeSet;

    const ROUNDS: usize = 8;
    let start = std::time::Instant::now();
    loop {
        let pool = pool(1);
        let (filled, free) = (Meeting::new(3), Meeting::new(3));
        let work = || {
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                let guard = pool.pin();
                let put = |_| guard.alloc_copy(&[1; 700]).unwrap();
                let places = (0..300).map(put).map(|handle| {
                    // Where a key lies, by 4 KiB; no two threads share these, as their chunks are larger.
                    guard.get(handle).unwrap().as_ptr().addr() >> 12
                });
                rounds.push(places.collect::<BTreeSet<_>>());
                drop(guard);
                filled.wait();
                free.wait();
            }
            (own_lane(), rounds)
        };
        let (one, other) = std::thread::scope(|s| {
            let threads = [s.spawn(work), s.spawn(work)];
            for _ in 0..ROUNDS {
                filled.wait();
                advance(&pool, 1);
                maintain_until(&pool, all_reclaimed);
                free.wait();
            }
            let [one, other] = threads.map(|thread| thread.join().unwrap());
            (one, other)
        });
        if one.0 == other.0 {
            // Many other tests run at this moment, and these two threads share a lane.
            assert!(start.elapsed().as_secs() < 60, "no lanes are free");
            continue;
        }
        for round in ROUNDS / 2..ROUNDS {
            let exchanged = one.1[round].intersection(&other.1[round - 1]).count();
            assert!(exchanged * 10 <= one.1[round].len(), "{exchanged} pages");
        }
        return;
    }
}

/// A steady load of some kilobytes takes one chunk an epoch, as large as all chunks of the epoch before.
#[test]
fn a_thread_begins_an_epoch_with_what_it_needed_in_the_last() {
    let pool = pool(1);
    let chunks = |_| {
        put_many(&pool, 200, &[1; 100]);
        let chunks = pool.stats_of(pool.current_epoch()).unwrap().chunks;
        advance(&pool, 1);
        chunks
    };
    let chunks: Vec<_> = (0..4).map(chunks).collect();
    assert!(chunks[0] > 3, "{chunks:?}");
    assert_eq!(chunks[1..], [1, 1, 1]);
}
