//! Pools that weigh next to nothing: bytes and time do not depend on how many others there are. A binary of its own, for
//! its allocator, which counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use epoch_arena_pool::{ArenaPool, Memory};

struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);

/// The tests count what the process allocates, so one runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

// SAFETY: the system's allocator, with a count beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const POOLS: usize = 1_000;

fn pools(memory: &Memory) -> Vec<ArenaPool> {
    let pool = || ArenaPool::builder().memory(memory.clone()).build();
    let mut pools = Vec::with_capacity(POOLS);
    pools.extend((0..POOLS).map(|_| pool().expect("the defaults build")));
    pools
}

#[test]
fn an_empty_pool_takes_less_than_a_kilobyte() {
    let _alone = ALONE.lock();
    let memory = Memory::builder().build().expect("the defaults build");
    let before = BYTES.load(Ordering::Relaxed) + POOLS * size_of::<ArenaPool>();
    let pools = pools(&memory);
    let each = (BYTES.load(Ordering::Relaxed) - before) / POOLS;
    assert!(each < 1024, "{each} bytes");
    assert_eq!(memory.stats().reserved, 0, "and no memory of its own");
    drop(pools);
}

/// Ten keys of 20 bytes, the thread's state included: what is not payload is at most 2 KiB.
#[test]
fn a_pool_of_ten_keys_takes_at_most_two_kilobytes_beside_them() {
    let _alone = ALONE.lock();
    const PAYLOAD: usize = 10 * 20;
    let memory = Memory::builder().build().expect("the defaults build");
    let before = BYTES.load(Ordering::Relaxed) + POOLS * size_of::<ArenaPool>();
    let pools = pools(&memory);
    for pool in &pools {
        let guard = pool.pin();
        for key in 0..10 {
            guard.alloc_copy(&[key; 20]).expect("there is room");
        }
    }
    let heap = (BYTES.load(Ordering::Relaxed) - before) / POOLS;
    let chunks = memory.stats().in_use / POOLS;
    assert_eq!(chunks, 512, "one chunk each, the smallest");
    assert!(heap + chunks - PAYLOAD <= 2048, "{heap} and {chunks} bytes");
    // What the thread had in each pool goes with the pools, in time: after twice as many have come.
    drop(pools);
    let more = self::pools(&memory);
    more.iter().for_each(|pool| drop(pool.pin()));
    drop(more);
    let last = ArenaPool::builder().memory(memory.clone()).build();
    drop(last.expect("the defaults build").pin());
    let left = BYTES.load(Ordering::Relaxed).saturating_sub(before);
    assert!(left < 4 * POOLS * 1024, "{left} bytes are left");
}
