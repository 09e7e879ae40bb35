//! The pools that tests are made with.

use epoch_arena_block::Heap;
use epoch_arena_pool::{ArenaHandle, ArenaPool, Memory, PoolBuilder, PoolStats};

pub const BLOCK: usize = 64 << 10;

/// Blocks of 64 KiB from the heap, which keeps all it has freed.
pub fn memory() -> Memory {
    let builder = Memory::builder().source(Heap).block_size(BLOCK);
    builder
        .high_water(usize::MAX)
        .build()
        .expect("valid settings")
}

pub fn builder(retained: u32) -> PoolBuilder {
    let builder = ArenaPool::builder().memory(memory());
    builder.retained_epochs(retained)
}

/// A pool with a collector of its own: what is reclaimed when is certain.
pub fn pool(retained: u32) -> ArenaPool {
    builder(retained).build().expect("valid settings")
}

/// Copies `bytes` in, under a guard of its own.
pub fn put(pool: &ArenaPool, bytes: &[u8]) -> ArenaHandle {
    pool.pin().alloc_copy(bytes).expect("there is memory")
}

/// Copies `bytes` in `count` times, each under a guard of its own.
pub fn put_many(pool: &ArenaPool, count: usize, bytes: &[u8]) {
    for _ in 0..count {
        put(pool, bytes);
    }
}

/// What `handle` resolves to, under a guard of its own.
pub fn find(pool: &ArenaPool, handle: ArenaHandle) -> Option<Vec<u8>> {
    pool.pin().get(handle).map(<[u8]>::to_vec)
}

/// Has `memory` clean what was let go, under a sanitizer only: what is forbidden there is free when a later call has walked
/// it, as if it were to be overwritten. Elsewhere the last drop makes it free, without a call.
pub fn cleaned(memory: &Memory) {
    if cfg!(any(epoch_arena_asan, epoch_arena_msan)) {
        memory.trim(usize::MAX);
    }
}

pub fn advance(pool: &ArenaPool, times: usize) {
    for _ in 0..times {
        pool.advance().expect("there are numbers left");
    }
}

/// Maintains until `done`. For what threads hold that have ended a moment ago: the last they do is
/// to leave their collectors, after the thread that waits for their closures goes on.
pub fn maintain_until(pool: &ArenaPool, done: impl Fn(&ArenaPool) -> bool) {
    let start = std::time::Instant::now();
    loop {
        pool.maintain();
        if done(pool) {
            return;
        }
        assert!(
            start.elapsed().as_secs() < 60,
            "it does not come: {}",
            pool.stats()
        );
        std::thread::yield_now();
    }
}

/// Nothing that is retired is left.
pub fn all_reclaimed(pool: &ArenaPool) -> bool {
    pool.stats().retired_epochs == 0
}

/// Every byte of the pool is somewhere; while no other thread uses its memory.
pub fn adds_up(pool: &ArenaPool) {
    let stats = pool.stats();
    let sum = stats.live + stats.retired + stats.quarantined;
    assert_eq!(pool.bytes(), sum, "{stats}");
    let memory = stats.memory;
    assert_eq!(memory.reserved, memory.in_use + memory.free, "{stats}");
    assert!(pool.bytes() <= memory.in_use, "{stats}");
    in_order(&stats);
}

/// What is true of the figures whatever other threads do.
pub fn in_order(stats: &PoolStats) {
    let memory = stats.memory;
    assert!(memory.in_use + memory.free <= memory.reserved, "{stats}");
    assert!(memory.reserved <= memory.peak, "{stats}");
    assert!(
        memory.budget.is_none_or(|budget| memory.peak <= budget),
        "{stats}"
    );
    // The rest of the retired is about to be free.
    let held = stats.held_by_guards.bytes + stats.held_by_leases.bytes;
    assert!(held <= stats.retired, "{stats}");
    assert!(stats.payload <= stats.live, "{stats}");
}

/// Bytes of the first chunk of a thread, the smallest there is.
pub const SMALLEST: usize = 512;

/// Bytes of the header of such a chunk.
pub const HEADER: usize = 32;
