//! Many threads: an empty arena, threads that come and go, pools by the thousand.

use std::sync::mpsc::channel;

use crossbeam_epoch::Collector;
use epoch_arena_pool::{Alignment, ArenaGuard, ArenaPool, Memory};

use crate::ends::Meeting;
use crate::pools::{
    BLOCK, SMALLEST, adds_up, advance, all_reclaimed, builder, find, maintain_until, pool, put,
};
use crate::support::Faulty;

/// As many blocks as are needed, and at most one more per lane; the slack is at
/// most a smallest chunk per thread.
#[test]
fn sixty_four_threads_on_an_empty_pool_create_few_blocks() {
    const THREADS: usize = if cfg!(miri) { 6 } else { 64 };
    for _ in 0..if cfg!(miri) { 1 } else { 20 } {
        let source = Faulty::default();
        let memory = Memory::builder().source(source.clone()).block_size(1 << 20);
        let pool = ArenaPool::builder()
            .memory(memory.build().unwrap())
            .build()
            .unwrap();
        let start = Meeting::new(THREADS);
        std::thread::scope(|s| {
            for t in 0..THREADS {
                let (pool, start) = (&pool, &start);
                s.spawn(move || {
                    start.wait();
                    let handle = put(pool, &[t as u8; 16]);
                    assert_eq!(find(pool, handle), Some(vec![t as u8; 16]));
                });
            }
        });
        let stats = pool.stats();
        assert_eq!((stats.allocations, stats.payload), (THREADS, THREADS * 16));
        // One is enough for all; a thread that finds none asks for one, and no other sees that it does. A thread that
        // has ended leaves its chunk to the next one.
        assert!((SMALLEST..=THREADS * SMALLEST).contains(&stats.live));
        let blocks = source.calls();
        assert_eq!(stats.memory.reserved, blocks << 20);
        assert!((1..=THREADS).contains(&blocks), "{blocks} blocks");
        adds_up(&pool);
    }
}

/// No put of a thread that keeps to its chunk depends on another: explicit and implicit access
/// share it.
#[test]
fn local_and_implicit_access_share_one_chunk() {
    let pool = pool(2);
    let local = pool.local();
    for i in 0..20_u8 {
        let handle = local.pin().alloc_copy(&[i; 7]).unwrap();
        assert_eq!(find(&pool, handle), Some(vec![i; 7]));
        put(&pool, &[i; 7]);
    }
    let second = pool.local();
    second.pin().alloc_copy(&[1; 7]).unwrap();
    let stats = pool.stats_of(pool.current_epoch()).unwrap();
    assert_eq!(
        (stats.chunks, stats.allocations, stats.payload),
        (1, 41, 41 * 7)
    );
}

#[test]
fn a_local_keeps_its_pool_alive() {
    let pool = pool(2);
    let memory = pool.memory().clone();
    let local = pool.local();
    let handle = put(&pool, b"kept by the local");
    drop(pool);
    assert_eq!(local.pin().get(handle), Some(&b"kept by the local"[..]));
    drop(local);
    assert_eq!(memory.stats().in_use, 0);
}

/// Threads end with chunks in hand, one after the other.
#[test]
fn threads_by_the_hundred_leave_nothing_behind() {
    let pool = pool(1);
    let mut reserved = 0;
    for round in 0..if cfg!(miri) { 5 } else { 500 } {
        let handle = std::thread::scope(|s| {
            let thread = s.spawn(|| {
                let handle = put(&pool, &[7; 50]);
                let local = pool.local();
                assert_eq!(local.pin().get(handle), Some(&[7; 50][..]));
                handle
            });
            thread.join().unwrap()
        });
        assert_eq!(
            find(&pool, handle),
            Some(vec![7; 50]),
            "its bytes outlive the thread"
        );
        advance(&pool, 1);
        let stats = pool.stats();
        assert!(stats.pinned.is_empty() && stats.retired_epochs == 0);
        if round == 0 {
            reserved = stats.memory.reserved;
        }
        assert_eq!(stats.memory.reserved, reserved);
    }
}

/// Threads by the thousand within one epoch, several at a time. Each leaves the chunk that it has begun to the next
/// one; the next epochs' threads use these very chunks again.
#[test]
fn a_thousand_threads_fill_each_others_chunks_and_the_next_thousand_use_them() {
    const THREADS: usize = if cfg!(miri) { 12 } else { 1_000 };
    const AT_A_TIME: usize = 4;
    let pool = pool(1);
    let mut reserved = 0;
    for round in 0..4_u8 {
        for _ in 0..THREADS / AT_A_TIME {
            std::thread::scope(|s| {
                let threads: Vec<_> = (0..AT_A_TIME)
                    .map(|_| s.spawn(|| put(&pool, &[round; 50])))
                    .collect();
                for thread in threads {
                    let handle = thread.join().unwrap();
                    assert_eq!(find(&pool, handle), Some(vec![round; 50]));
                }
            });
        }
        let stats = pool.stats();
        assert_eq!((stats.allocations, stats.payload), (THREADS, THREADS * 50));
        // As if few threads had written all: at most twice the bytes, and a chunk for each that is alive.
        let most = 2 * stats.payload + AT_A_TIME * SMALLEST;
        assert!(stats.live <= most, "the slack is bounded: {stats}");
        if round == 0 {
            reserved = stats.memory.reserved;
        }
        // Threads that race for a block may each bring one.
        assert!(
            stats.memory.reserved <= reserved + AT_A_TIME * BLOCK,
            "{reserved}: {stats}"
        );
        assert!(
            stats.pinned.is_empty(),
            "no record shows a thread that has ended"
        );
        adds_up(&pool);
        advance(&pool, 1);
        assert_eq!(pool.stats().live, 0);
    }
}

/// A thread may end with a chunk of an epoch that is not the latest. No thread fills that one further: it goes with its
/// epoch.
#[test]
fn a_chunk_of_an_older_epoch_is_not_left_to_others() {
    // Joined as such, not by a scope: that does not wait for what a thread leaves.
    let pool = pool(1);
    let (written, told) = channel();
    let (go_on, end) = channel::<()>();
    let old = std::thread::spawn({
        let pool = pool.clone();
        move || {
            put(&pool, b"old");
            written.send(()).unwrap();
            end.recv().unwrap();
        }
    });
    told.recv().unwrap();
    let lease = pool.lease(pool.current_epoch()).unwrap();
    advance(&pool, 1);
    let short = |key: &'static [u8]| {
        let pool = pool.clone();
        let thread = std::thread::spawn(move || put(&pool, key));
        thread.join().unwrap()
    };
    let first = short(b"first");
    go_on.send(()).unwrap();
    old.join().unwrap();
    let second = short(b"second");
    // The old chunk can be used again, and is overwritten for that with debug assertions.
    drop(lease);
    maintain_until(&pool, all_reclaimed);
    assert_eq!(find(&pool, first).as_deref(), Some(&b"first"[..]));
    assert_eq!(find(&pool, second).as_deref(), Some(&b"second"[..]));
    adds_up(&pool);
}

/// Threads that a panic ends in the middle of things: with a batch half used,
/// with room not yet filled, inside `alloc_with`, with guards of all kinds alive. What they had
/// finished is there, nothing of the rest shows, and no thread stays pinned.
#[test]
fn threads_killed_by_a_panic_in_the_middle_of_a_batch() {
    let collector = Collector::new();
    let pool = builder(1).collector(collector.clone()).build().unwrap();
    let rounds = if cfg!(miri) { 2 } else { 50_u8 };
    for round in 0..rounds {
        let (to_us, finished) = channel();
        let (pool, collector) = (&pool, &collector);
        let kill: [&(dyn Fn(&ArenaGuard<'_>) + Sync); 3] = [
            &|_| panic!("as arranged, with a batch half used"),
            &|guard| {
                let _room = guard.alloc_uninit(500, Alignment::BYTE).unwrap();
                panic!("as arranged, with room not filled");
            },
            &|guard| {
                let fill = |_: &mut [u8]| panic!("as arranged, inside a closure");
                guard.alloc_with(500, fill).unwrap();
            },
        ];
        std::thread::scope(|s| {
            let threads: Vec<_> = kill
                .iter()
                .map(|kill| {
                    let to_us = to_us.clone();
                    s.spawn(move || {
                        let participant = collector.register();
                        let foreign = participant.pin();
                        let beside = pool.pin_with(&foreign).unwrap();
                        let guard = pool.pin();
                        let mut batch = guard.batch(1_000).unwrap();
                        to_us.send(batch.push(&[round; 100]).unwrap()).unwrap();
                        to_us
                            .send(beside.alloc_copy(&[round; 30]).unwrap())
                            .unwrap();
                        kill(&beside);
                    })
                })
                .collect();
            // Another goes on meanwhile.
            let alive = s.spawn(|| (0..50).map(|_| put(pool, &[round; 40])).collect::<Vec<_>>());
            for thread in threads {
                assert!(thread.join().is_err(), "it was to panic");
            }
            let handles = alive.join().unwrap();
            drop(to_us);
            for handle in finished.iter().chain(handles) {
                assert_eq!(find(pool, handle), Some(vec![round; handle.len()]));
            }
        });
        assert!(pool.stats().pinned.is_empty());
        adds_up(pool);
        advance(pool, 1);
        maintain_until(pool, all_reclaimed);
        assert_eq!(pool.bytes(), 0);
        pool.memory().trim(0);
        let reserved = pool.stats().memory.reserved;
        assert_eq!(reserved, 0, "all chunks are free, so all blocks go back");
    }
}

/// A thread that wrote to many pools which are gone, and to one that is not.
#[test]
fn a_thread_that_caches_chunks_of_dead_pools_never_touches_them() {
    let memory = crate::pools::memory();
    let kept = builder(2).memory(memory.clone()).build().unwrap();
    let handle = put(&kept, b"kept");
    for round in 0..if cfg!(miri) { 10 } else { 1_000_u32 } {
        let pool = builder(2).memory(memory.clone()).build().unwrap();
        let bytes = round.to_be_bytes();
        let fresh = put(&pool, &bytes);
        assert_eq!(find(&pool, fresh), Some(bytes.to_vec()));
        put(&kept, &bytes);
        drop(pool);
        memory.trim(0); // the dead pool's chunk is no memory at all any more
        assert_eq!(find(&kept, handle), Some(b"kept".to_vec()));
    }
}

/// A pool that is dropped elsewhere while this thread still has its chunk.
#[test]
fn a_pool_dropped_on_another_thread() {
    for _ in 0..if cfg!(miri) { 3 } else { 100 } {
        let pool = pool(1);
        let memory = pool.memory().clone();
        put(&pool, b"mine");
        let clone = pool.clone();
        let other = std::thread::spawn(move || {
            put(&clone, b"theirs");
            advance(&clone, 2);
        });
        drop(pool);
        other.join().unwrap();
        assert_eq!(memory.stats().in_use, 0);
        memory.trim(0);
        drop(crate::pools::pool(1).pin());
    }
}

/// The process does not grow with the pools and threads it has had.
#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "residency is the kernel's")]
#[cfg_attr(
    any(epoch_arena_asan, epoch_arena_msan),
    ignore = "resident bytes are the sanitizer's as well"
)]
fn pools_and_threads_by_the_thousand_leave_no_growth() {
    let name = "threads::pools_and_threads_by_the_thousand_leave_no_growth";
    crate::alone::alone(name, || {
        let pools = |count| {
            for _ in 0..count {
                let pool = pool(2);
                put(&pool, b"key");
                advance(&pool, 3);
            }
        };
        let kept = pool(2);
        let threads = |count| {
            for _ in 0..count {
                std::thread::scope(|s| {
                    let thread = std::thread::Builder::new().name("a long name ".repeat(400));
                    let thread = thread.spawn_scoped(s, || put(&kept, b"key")).unwrap();
                    thread.join().unwrap();
                });
                advance(&kept, 1);
            }
        };
        let between = |run: &dyn Fn()| {
            let before = crate::alone::resident();
            run();
            crate::alone::resident().saturating_sub(before)
        };
        pools(500);
        threads(500);
        // 5,000 leaked pools would be 80 MB of slots alone, and 3,000 threads' records 14 MB of
        // names.
        let grown = between(&|| pools(5_000));
        assert!(grown < 8 << 20, "{grown} bytes for pools");
        let grown = between(&|| threads(3_000));
        assert!(grown < 4 << 20, "{grown} bytes for threads");
    });
}

/// One key each from threads that come one after the other, all in one epoch: at most twice the bytes of one thread
/// that writes them all.
#[test]
fn twenty_thousand_short_threads_take_at_most_twice_the_bytes_of_one() {
    const THREADS: usize = if cfg!(miri) { 20 } else { 20_000 };
    let [by_many, by_one] = [(); 2].map(|()| pool(1));
    for _ in 0..THREADS {
        std::thread::scope(|s| {
            s.spawn(|| put(&by_many, b"user:12345:profile"));
        });
        put(&by_one, b"user:12345:profile");
    }
    let (many, one) = (by_many.bytes(), by_one.bytes());
    assert!(many <= 2 * one, "{many} bytes, and by one thread {one}");
}
