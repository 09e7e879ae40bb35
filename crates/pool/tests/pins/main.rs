//! What a reader's pin does not do: no memory of the pool is freed, unmapped, zeroed or asked for in
//! it, although crossbeam-epoch runs our deferred closures there. A binary of its own, for the
//! allocator that sees it.
//!
//! All of this is from the second pin of a thread in a pool on: the first one registers the thread,
//! which takes the pool's lock and allocates.
#![cfg(not(miri))] // which has no `madvise`, and collects in other pins
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod watch;

use std::alloc::Layout;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crossbeam_epoch::{Collector, LocalHandle};
use epoch_arena_pool::{ArenaHandle, ArenaPool, Lease, Memory};

use watch::{MARK, Maps, look, seen};

const BLOCK: usize = 64 << 10;
/// crossbeam-epoch collects in every 128th pin of a thread.
const PINS: usize = 128;

/// A pool whose memory keeps `high_water` bytes, over `maps`.
fn pool(maps: &Maps, high_water: usize, collector: Option<&Collector>) -> ArenaPool {
    let memory = Memory::builder().source(maps.clone()).block_size(BLOCK);
    let memory = memory.high_water(high_water).build().unwrap();
    let builder = ArenaPool::builder().memory(memory);
    let builder = builder.retained_epochs(1);
    match collector {
        Some(collector) => builder.collector(collector.clone()),
        None => builder,
    }
    .build()
    .unwrap()
}

/// The two layouts that crossbeam-epoch itself allocates: a participant, and a bag in its queue.
/// It frees both as its own garbage, inside any thread's pin: that is its business, and not memory of
/// ours. Found by letting it do so.
fn layouts_of_crossbeam() -> [Layout; 2] {
    let collector = Collector::new();
    let only = |what: &str| match &seen()[..] {
        [one] => one.layout,
        several => panic!("{what} allocates {several:?}"),
    };
    let participant: LocalHandle = look(|| collector.register());
    let of_participant = only("a participant");
    let guard = participant.pin();
    look(|| {
        guard.defer(|| ());
        guard.flush();
    });
    [of_participant, only("a bag")]
}

/// A reader: all that is done while it looks is what readers do.
struct Reader<'p> {
    pool: &'p ArenaPool,
    lease: Lease,
    /// For `pin_with`: a participant of the user's own.
    participant: Option<LocalHandle>,
}

impl<'p> Reader<'p> {
    /// Warmed up: the thread is known to the pool from here on.
    fn new(pool: &'p ArenaPool, collector: Option<&Collector>) -> Self {
        // Another thread advances, so the epoch may be retired before it is leased.
        let mut leases = (0..1_000).map(|_| pool.lease(pool.current_epoch()));
        let reader = Self {
            pool,
            lease: leases
                .find_map(|lease| lease)
                .expect("a thousand epochs were retired at once"),
            participant: collector.map(Collector::register),
        };
        reader.read(None);
        reader
    }

    /// Pins once beside a guard of the user's, if there is a collector to share, and thrice otherwise.
    fn read(&self, handle: Option<ArenaHandle>) {
        let right =
            |found: Option<&[u8]>| found.is_none_or(|bytes| bytes.iter().all(|b| *b == MARK));
        if let (Some(participant), Some(handle)) = (&self.participant, handle) {
            let foreign = participant.pin();
            let beside = self.pool.pin_with(&foreign).unwrap();
            assert!(right(beside.get(handle)));
        }
        let mut guard = self.pool.pin();
        if let Some(handle) = handle {
            assert!(right(guard.get(handle)) && right(self.lease.get(handle)));
            guard.refresh();
            assert!(right(guard.get(handle)) && right(self.pool.pin().get(handle)));
        }
    }
}

/// Readers pin by the ten thousand while epochs are written, retired, reclaimed, trimmed and
/// unmapped as fast as it goes.
fn nothing_of_ours_is_freed(shared: bool) {
    let crossbeams = layouts_of_crossbeam();
    let collector = shared.then(Collector::new);
    let (maps, done) = (Maps::default(), AtomicBool::new(false));
    // Nothing is kept, so every `maintain` unmaps.
    let pool = pool(&maps, 0, collector.as_ref());
    let write = || {
        let guard = pool.pin();
        let mut handle = None;
        for _ in 0..40 {
            handle = guard.alloc_copy(&[MARK; 3_000]).ok();
        }
        handle
    };
    let handle = write();
    let start = Instant::now();
    std::thread::scope(|s| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                s.spawn(|| {
                    let reader = Reader::new(&pool, collector.as_ref());
                    let mut bags = 0;
                    // Until crossbeam-epoch has often thrown garbage away inside these pins.
                    for round in 0.. {
                        look(|| (0..10 * PINS).for_each(|_| reader.read(handle)));
                        for seen in seen() {
                            assert!(crossbeams.contains(&seen.layout), "ours: {seen:?}");
                            bags += seen.freed;
                        }
                        if round >= 20 && bags >= 20 {
                            return;
                        }
                        assert!(start.elapsed().as_secs() < 60, "no collection: no test");
                    }
                })
            })
            .collect();
        s.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                write();
                // Leases of the readers, and readers that are not scheduled, may hold all slots.
                let _ = pool.advance();
                pool.maintain();
                pool.memory().trim(0);
            }
        });
        let results: Vec<_> = readers.into_iter().map(|reader| reader.join()).collect();
        done.store(true, Ordering::Relaxed);
        results.into_iter().for_each(|result| result.unwrap());
    });
    assert_eq!(maps.while_looking(), 0, "maps and unmaps in readers' pins");
    let (mapped, unmapped) = maps.regions();
    assert!(
        unmapped > 10 && mapped >= unmapped,
        "nothing was unmapped: no test"
    );
}

#[test]
fn no_memory_is_freed_or_asked_for_in_a_readers_pin_with_a_collector_of_its_own() {
    nothing_of_ours_is_freed(false);
}

#[test]
fn no_memory_is_freed_or_asked_for_in_a_readers_pin_with_a_shared_collector() {
    nothing_of_ours_is_freed(true);
}

/// That layouts tell crossbeam-epoch's garbage from what is ours.
#[test]
fn nothing_of_ours_has_the_layout_of_crossbeams_garbage() {
    let crossbeams = layouts_of_crossbeam();
    let collector = Collector::new();
    // A memory makes a collector for its pools when it has its first.
    let first = look(|| pool(&Maps::default(), 0, Some(&collector)));
    assert!(!seen().is_empty());
    let pool = look(|| {
        let beside = ArenaPool::builder().memory(first.memory().clone());
        let beside = beside.collector(collector.clone()).retained_epochs(1);
        beside.build().expect("valid settings")
    });
    let mut ours = seen();
    look(|| drop(pool.pin()));
    // The thread's own participant is among it, once.
    let of_registration = seen();
    assert!(
        of_registration
            .iter()
            .any(|seen| seen.layout == crossbeams[0])
    );
    ours.extend(
        of_registration
            .iter()
            .filter(|seen| seen.layout != crossbeams[0]),
    );
    look(|| {
        let guard = pool.pin();
        let handles = (0..100).map(|_| guard.alloc_copy(&[MARK; 3_000]).unwrap());
        assert_eq!(handles.count(), 100);
        drop((pool.snapshot(), pool.stats()));
    });
    ours.extend(seen());
    assert!(ours.len() > 5, "{ours:?}");
    for seen in ours {
        assert!(!crossbeams.contains(&seen.layout), "{seen:?}");
    }
}

/// Neither the source nor the global allocator is asked, as long as there are prefaulted blocks: both may meet a page
/// fault.
#[test]
fn puts_into_prefaulted_blocks_ask_for_no_memory() {
    let maps = Maps::default();
    let memory = Memory::builder().source(maps.clone()).block_size(BLOCK);
    let memory = memory.prefault(32 * BLOCK).build().unwrap();
    let pool = ArenaPool::builder().memory(memory).build().unwrap();
    pool.maintain();
    drop(pool.pin()); // the first one registers the thread
    look(|| {
        for _ in 0..16 * BLOCK / 64 {
            pool.pin().alloc_copy(&[MARK; 64]).unwrap();
        }
    });
    let seen = seen();
    assert!(seen.is_empty(), "{seen:?}");
    assert_eq!(maps.while_looking(), 0);
}
