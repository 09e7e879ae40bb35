//! M9 with many threads: an empty arena, threads that come and go, pools by the thousand.

use std::sync::Barrier;

use epoch_arena_pool::{ArenaPool, Memory};

use crate::pools::{adds_up, advance, builder, find, pool, put};
use crate::support::Faulty;

/// Peer bug 19: as many blocks as are needed, and at most one more per lane; the slack is at
/// most a smallest chunk per thread.
#[test]
fn m9_bug19_64_threads_on_an_empty_pool_create_few_blocks() {
    const THREADS: usize = if cfg!(miri) { 6 } else { 64 };
    for _ in 0..if cfg!(miri) { 1 } else { 20 } {
        let source = Faulty::default();
        let memory = Memory::builder().source(source.clone()).block_size(1 << 20);
        let pool = ArenaPool::builder()
            .memory(memory.build().unwrap())
            .build()
            .unwrap();
        let start = Barrier::new(THREADS);
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
        // One is enough for all; the lanes that raced for it have one each, at most eight.
        assert_eq!(stats.live, THREADS * 4096);
        assert!((1..=8).contains(&stats.blocks), "{} blocks", stats.blocks);
        assert!(source.calls() <= 1 + THREADS);
        adds_up(&pool);
    }
}

/// No put of a thread that keeps to its chunk depends on another: explicit and implicit access
/// share it.
#[test]
fn m9_local_and_implicit_access_share_one_chunk() {
    let pool = pool(2);
    let local = pool.local();
    for i in 0..100_u8 {
        let handle = local.pin().alloc_copy(&[i; 7]).unwrap();
        assert_eq!(find(&pool, handle), Some(vec![i; 7]));
        put(&pool, &[i; 7]);
    }
    let second = pool.local();
    second.pin().alloc_copy(&[1; 7]).unwrap();
    let stats = pool.stats_of(pool.current_epoch()).unwrap();
    assert_eq!(
        (stats.chunks, stats.allocations, stats.payload),
        (1, 201, 201 * 7)
    );
}

#[test]
fn m9_a_local_keeps_its_pool_alive() {
    let pool = pool(2);
    let memory = pool.memory().clone();
    let local = pool.local();
    let handle = put(&pool, b"kept by the local");
    drop(pool);
    assert_eq!(local.pin().get(handle), Some(&b"kept by the local"[..]));
    drop(local);
    assert_eq!(memory.stats().in_use, 0);
}

/// Peer bug 17: threads end with chunks in hand, one after the other.
#[test]
fn m9_bug17_threads_by_the_hundred_leave_nothing_behind() {
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
            reserved = stats.reserved;
        }
        assert_eq!(stats.reserved, reserved);
    }
}

/// Peer bug 17: a thread that wrote to many pools which are gone, and to one that is not.
#[test]
fn m9_bug17_a_thread_that_caches_chunks_of_dead_pools_never_touches_them() {
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

/// Peer bug 17: a pool that is dropped elsewhere while this thread still has its chunk.
#[test]
fn m9_bug17_a_pool_dropped_on_another_thread() {
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

/// Peer bug 17: the process does not grow with the pools and threads it has had.
#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "residency is the kernel's")]
fn m9_bug17_bug18_pools_and_threads_by_the_thousand_leave_no_growth() {
    let name = "threads::m9_bug17_bug18_pools_and_threads_by_the_thousand_leave_no_growth";
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
