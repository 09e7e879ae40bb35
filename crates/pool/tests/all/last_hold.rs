//! The last hold on an epoch makes its memory free: a guard's or a lease's, on whatever thread, without a call of
//! the pool that had it.

use std::sync::mpsc::channel;

use crossbeam_epoch::Collector;
use epoch_arena_block::Heap;
use epoch_arena_pool::{ArenaPool, Memory};

use crate::pools::{
    BLOCK, SMALLEST, adds_up, advance, builder, cleaned, memory, pool, put, put_many,
};
use crate::support::{Faulty, caught};

/// A pool whose bytes are left as they are, as in release builds.
fn plain(memory: &Memory) -> ArenaPool {
    let builder = builder(1).memory(memory.clone());
    builder.poison_on_reclaim(false).build().unwrap()
}

/// A memory of one block, without more to come.
fn one_block() -> Memory {
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    memory.budget(BLOCK).build().unwrap()
}

#[test]
fn the_chunks_are_free_before_the_last_lease_is_dropped() {
    let memory = memory();
    let pool = plain(&memory);
    put_many(&pool, 500, &[1; 1_000]);
    let lease = pool.lease(pool.current_epoch()).unwrap();
    let clone = lease.clone();
    advance(&pool, 1);
    let bytes = lease.bytes();
    assert!(bytes > 500_000);
    let before = memory.stats();
    drop(lease);
    assert_eq!((clone.bytes(), memory.stats()), (bytes, before), "held");
    drop(clone);
    cleaned(&memory);
    let after = memory.stats();
    assert_eq!((after.in_use, after.free), (0, after.reserved));
    assert_eq!((pool.bytes(), after.reserved), (0, before.reserved));
    // The pool says so when it is asked next, once.
    assert_eq!(pool.maintain().reclaimed_epochs, 1);
    assert_eq!(pool.maintain().reclaimed_epochs, 0);
}

/// The same with what is to be overwritten: it is not free before it is so, which is done by a later call or by
/// a put that would be refused otherwise, and never by the drop.
#[test]
fn what_is_to_be_overwritten_is_so_by_the_next_that_needs_it() {
    let by: [fn(&ArenaPool); 4] = [
        |pool| put_many(pool, 1, &[2; 30_000]),
        |pool| drop(pool.maintain()),
        |pool| advance(pool, 1),
        |pool| assert_eq!(pool.memory().trim(usize::MAX), 0),
    ];
    for act in by {
        let memory = one_block();
        let builder = builder(1).memory(memory.clone());
        let pool = builder.zero_on_reclaim(true).build().unwrap();
        while pool.pin().alloc_copy(&[1; 1_000]).is_ok() {}
        let lease = pool.lease(pool.current_epoch()).unwrap();
        advance(&pool, 1);
        drop(lease);
        let stats = pool.stats();
        assert_eq!((stats.memory.in_use, stats.retired), (BLOCK, BLOCK));
        assert_eq!(stats.held_by_leases.epochs, 0, "nothing holds it");
        act(&pool);
        assert_eq!(pool.stats().retired, 0);
        assert_eq!(pool.bytes(), pool.stats().live);
        adds_up(&pool);
    }
}

/// Chunk by chunk, and not only whole blocks: both pools live in one block.
#[test]
fn what_one_pool_frees_is_the_next_chunk_of_another() {
    let memory = one_block();
    let (one, two) = (plain(&memory), plain(&memory));
    let kept = put(&one, b"kept");
    advance(&two, 1);
    while two.pin().alloc_copy(&[1; 400]).is_ok() {}
    assert_eq!(one.bytes() + two.bytes(), BLOCK);
    let lease = two.lease(two.current_epoch()).unwrap();
    advance(&two, 1);
    assert_eq!(one.bytes(), SMALLEST);
    let over = caught(|| put(&one, &[1; 500]));
    assert!(over.is_none(), "the lease of `two` holds the rest");
    let two_had = lease.bytes();
    drop(lease);
    // Not a call of `two` from here on.
    while one.pin().alloc_copy(&[2; 400]).is_ok() {}
    assert_eq!(one.bytes(), SMALLEST + two_had);
    assert_eq!(one.pin().get(kept), Some(&b"kept"[..]));
    assert_eq!(two.bytes(), 0);
    [&one, &two].into_iter().for_each(adds_up);
}

/// The guard that goes last is unpinned on a thread that does nothing else; the next put of another pool, over the
/// same memory and with the same collector, has the chunks.
#[test]
fn what_a_guard_held_is_the_next_chunk_of_another_pool() {
    let (memory, collector) = (one_block(), Collector::new());
    let pools = [(); 2].map(|()| {
        let builder = builder(1).memory(memory.clone());
        let builder = builder.collector(collector.clone());
        builder.poison_on_reclaim(false).build().unwrap()
    });
    let [one, two] = &pools;
    while one.pin().alloc_copy(&[1; 1_000]).is_ok() {}
    std::thread::scope(|s| {
        let ((to_reader, orders), (to_us, pinned)) = (channel::<()>(), channel());
        s.spawn(move || {
            let guard = one.pin();
            to_us.send(()).unwrap();
            let _ = orders.recv();
            drop(guard);
            to_us.send(()).unwrap();
            let _ = orders.recv();
        });
        pinned.recv().unwrap();
        advance(one, 1);
        let refused = two.pin().alloc_copy(&[2; 1_000]).unwrap_err();
        assert_eq!(refused.over_budget().unwrap().used, BLOCK);
        to_reader.send(()).unwrap();
        pinned.recv().unwrap();
        // Refused at most as often as crossbeam-epoch has grace periods to pass.
        let tries = (0..4).filter(|_| two.pin().alloc_copy(&[2; 1_000]).is_ok());
        assert!(tries.count() > 0);
        assert_eq!(one.bytes(), 0);
    });
}

/// A lease keeps the memory and not the pool; what it held is free with it, whatever has gone before.
#[test]
fn a_lease_that_outlives_its_pool_frees_its_epoch_alone() {
    let source = Faulty::default();
    let memory = Memory::builder().source(source.clone()).block_size(BLOCK);
    let memory = memory.build().unwrap();
    let pool = plain(&memory);
    let live = put(&pool, b"live");
    let of_live = pool.lease(live.epoch()).unwrap();
    advance(&pool, 1);
    let current = put(&pool, b"current");
    let of_current = pool.lease(current.epoch()).unwrap();
    assert_eq!(memory.usage().users.len(), 1);
    drop(pool);
    assert_eq!(memory.stats().in_use, 2 * SMALLEST);
    assert_eq!(memory.usage().users[0].bytes, 2 * SMALLEST, "still listed");
    assert_eq!(of_live.get(live), Some(&b"live"[..]));
    drop(of_live);
    cleaned(&memory);
    assert_eq!(memory.stats().in_use, SMALLEST);
    // Also with the last clone of the memory that has a name.
    drop(memory);
    assert_eq!(of_current.get(current), Some(&b"current"[..]));
    assert_eq!(source.regions(), 1);
    drop(of_current);
    assert_eq!(source.regions(), 0);
}

/// Also with closures that are pending when the pool goes, and run after it.
#[test]
fn a_pool_that_goes_before_its_closures_leaves_nothing() {
    for scrubbed in [false, true] {
        let (memory, collector) = (memory(), Collector::new());
        let builder = builder(2).memory(memory.clone());
        let builder = builder.collector(collector.clone());
        let builder = builder.poison_on_reclaim(false).zero_on_reclaim(scrubbed);
        let pool = builder.build().unwrap();
        let participant = collector.register();
        let foreign = participant.pin();
        let mut leases = Vec::new();
        for round in 0..6_u8 {
            let handle = put(&pool, &[round; 90]);
            if round % 2 == 0 {
                leases.push((handle, pool.lease(handle.epoch()).unwrap()));
            }
            advance(&pool, 1);
        }
        let stats = pool.stats();
        assert_eq!(stats.held_by_guards.epochs, 5, "behind the foreign guard");
        drop(pool);
        // What no lease holds is free: no guard of the pool can be left.
        assert_eq!(memory.stats().in_use, leases.len() * SMALLEST);
        for (at, (handle, lease)) in leases.iter().enumerate() {
            assert_eq!(lease.get(*handle), Some(&[2 * at as u8; 90][..]));
        }
        let last = leases.split_off(1);
        drop(leases);
        drop(foreign);
        for _ in 0..8 {
            participant.pin().flush();
        }
        memory.trim(usize::MAX);
        assert_eq!(memory.stats().in_use, last.len() * SMALLEST);
        assert_eq!(last[1].1.get(last[1].0), Some(&[4; 90][..]));
        drop(last);
        memory.trim(0);
        assert_eq!(memory.stats().reserved, 0);
    }
}

/// Figures of an epoch are taken with a hold of their own: that may be the last to go, and then gives back.
#[test]
fn figures_of_an_epoch_beside_its_last_lease() {
    let memory = memory();
    let pool = plain(&memory);
    for _ in 0..if cfg!(miri) { 5 } else { 500 } {
        let epoch = put(&pool, &[1; 90]).epoch();
        let lease = pool.lease(epoch).unwrap();
        advance(&pool, 1);
        std::thread::scope(|s| {
            let looks = s.spawn(|| {
                let seen = pool.stats_of(epoch);
                seen.is_none_or(|stats| (stats.payload, stats.capacity) == (90, SMALLEST))
            });
            drop(lease);
            assert!(looks.join().unwrap());
        });
        cleaned(&memory);
        assert_eq!((memory.stats().in_use, pool.stats_of(epoch)), (0, None));
    }
    assert_eq!(pool.stats().retired_epochs, 0);
}

/// A lease may go inside any pin: nothing of the source's runs there, nor is anything overwritten.
#[test]
fn a_lease_that_goes_inside_a_foreign_pin_calls_no_source() {
    let (source, collector) = (Faulty::default(), Collector::new());
    let memory = Memory::builder().source(source.clone()).block_size(BLOCK);
    let memory = memory.high_water(0).build().unwrap();
    let pool = plain(&memory);
    put_many(&pool, 100, &[1; 1_000]);
    let lease = pool.lease(pool.current_epoch()).unwrap();
    advance(&pool, 1);
    let (regions, calls) = (source.regions(), source.calls());
    let participant = collector.register();
    participant.pin().defer(move || drop(lease));
    for _ in 0..4 {
        participant.pin().flush();
    }
    cleaned(&memory);
    assert_eq!(memory.stats().in_use, 0, "free");
    assert_eq!((source.regions(), source.calls()), (regions, calls));
    // That is `maintain`'s.
    assert_eq!(pool.maintain().returned, regions * BLOCK);
    assert_eq!(source.regions(), 0);
}

/// With a collector of its own the last guard's end may leave the callback pending: a put that would be refused
/// moves it on.
#[test]
fn a_put_moves_the_last_callback_on_before_it_is_refused() {
    let memory = one_block();
    let pool = plain(&memory);
    for _ in 0..20 {
        while pool.pin().alloc_copy(&[1; 1_000]).is_ok() {}
        let guard = pool.pin();
        advance(&pool, 1);
        assert_eq!(pool.stats().held_by_guards.bytes, BLOCK);
        drop(guard);
        let tries = (0..4).filter(|_| pool.pin().alloc_copy(&[2; 1_000]).is_ok());
        assert!(tries.count() > 0, "{}", pool.stats());
    }
}

/// Threads with leases, and pools that come and go: every epoch's chunks come back, once.
#[test]
fn leases_of_pools_that_come_and_go_on_other_threads() {
    let memory = memory();
    let rounds = if cfg!(miri) { 3 } else { 200_u8 };
    std::thread::scope(|s| {
        for _ in 0..2 {
            let ((leases, taken), memory) = (channel(), &memory);
            s.spawn(move || {
                for round in 0..rounds {
                    let pool = plain(memory);
                    for _ in 0..3 {
                        let handle = put(&pool, &[round; 90]);
                        leases
                            .send((pool.lease(handle.epoch()).unwrap(), handle, round))
                            .unwrap();
                        advance(&pool, 1);
                    }
                }
            });
            s.spawn(move || {
                for (lease, handle, round) in taken {
                    assert_eq!(lease.get(handle), Some(&[round; 90][..]));
                    drop(lease);
                }
            });
        }
    });
    memory.trim(usize::MAX);
    let stats = memory.stats();
    assert_eq!((stats.in_use, stats.free), (0, stats.reserved));
    assert_eq!(memory.usage().users, []);
    assert!(pool(1).bytes() == 0);
}
