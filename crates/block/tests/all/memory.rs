//! Accounting, recycling, and the return to the system.

use std::alloc::Layout;
use std::sync::{Arc, Mutex};

use epoch_arena_block::{Heap, Memory, Pages, Region, Source, SourceError};

use crate::ends::{Meeting, limit};
use crate::support::Faulty;

const KIB: usize = 1 << 10;

fn memory(source: &Faulty, budget: usize, high_water: usize) -> Memory {
    Memory::builder()
        .source(source.clone())
        .block_size(64 * KIB)
        .budget(budget)
        .high_water(high_water)
        .build()
        .expect("valid settings")
}

/// (reserved, in use, free), which must add up, and agree with the bytes that the source has out.
fn figures(memory: &Memory) -> (usize, usize, usize) {
    let stats = memory.stats();
    assert_eq!(stats.reserved, stats.in_use + stats.free);
    (stats.reserved, stats.in_use, stats.free)
}

#[test]
fn bytes_are_counted_exactly_from_block_to_block() {
    let source = Faulty::default();
    let memory = memory(&source, 1 << 30, 1 << 30);
    assert_eq!(figures(&memory), (0, 0, 0));
    let one = memory.block(1).unwrap();
    let three = memory.block(3 * 64 * KIB - 1).unwrap();
    assert_eq!((one.capacity(), three.capacity()), (64 * KIB, 192 * KIB));
    assert_eq!(figures(&memory), (256 * KIB, 256 * KIB, 0));
    drop(three);
    assert_eq!(figures(&memory), (256 * KIB, 64 * KIB, 192 * KIB));
    drop(one);
    assert_eq!(figures(&memory), (256 * KIB, 0, 256 * KIB));
    assert_eq!(source.regions(), 2);
    let first_freed = memory.trim(64 * KIB);
    assert_eq!(
        first_freed,
        192 * KIB,
        "the first one freed is the first to go"
    );
    assert_eq!(memory.trim(0), 64 * KIB);
    assert_eq!(memory.trim(0), 0);
    assert_eq!((figures(&memory), source.regions()), ((0, 0, 0), 0));
}

/// The peak grows with the bytes that the source gave, even if they went back, and with nothing else.
#[test]
fn the_peak_is_the_most_that_was_ever_reserved() {
    let source = Faulty::default();
    let memory = memory(&source, 256 * KIB, 1 << 30);
    assert_eq!(memory.stats().peak, 0);
    drop([memory.block(1).unwrap(), memory.block(1).unwrap()]);
    memory.trim(0);
    let held = memory.block(1).unwrap();
    assert_eq!(
        (memory.stats().reserved, memory.stats().peak),
        (64 * KIB, 128 * KIB)
    );
    assert!(memory.block(200 * KIB).is_err(), "over the budget");
    source.fail_from(1, crate::support::Fault::Error);
    assert!(
        memory.block(192 * KIB).is_err(),
        "it would be the whole budget"
    );
    assert_eq!(memory.stats().peak, 128 * KIB);
    source.heal();
    drop(memory.block(192 * KIB).unwrap());
    assert_eq!(memory.stats().peak, 256 * KIB);
    drop(held);
    memory.trim(0);
    assert_eq!(
        (memory.stats().reserved, memory.stats().peak),
        (0, 256 * KIB)
    );
    let shown = memory.stats().to_string();
    assert!(
        shown.starts_with("0 B reserved of 256.0 KiB, 256.0 KiB at the most: "),
        "{shown}"
    );
}

/// The heap, which looks at the memory's figures while it is asked.
#[derive(Clone, Debug, Default)]
struct Looking(Arc<Mutex<Option<Memory>>>);

impl Source for Looking {
    fn acquire(&self, layout: Layout, pages: Pages) -> Result<Region, SourceError> {
        if let Some(memory) = &*self.0.lock().unwrap() {
            let stats = memory.stats();
            assert_eq!((stats.reserved, stats.peak), (layout.size(), layout.size()));
        }
        Heap.acquire(layout, pages)
    }
}

/// So that no report says that more is reserved than ever was.
#[test]
fn bytes_on_their_way_from_the_source_are_in_the_peak_as_they_are_reserved() {
    let _limit = limit();
    let source = Looking::default();
    let memory = Memory::builder().source(source.clone()).high_water(0);
    let memory = memory.block_size(64 * KIB).build().unwrap();
    *source.0.lock().unwrap() = Some(memory.clone());
    drop(memory.block(1).unwrap());
    drop(memory.block(100 * KIB).unwrap());
    assert_eq!(
        (memory.stats().reserved, memory.stats().peak),
        (0, 128 * KIB)
    );
    // The memory owns the source, which owns the memory.
    source.0.lock().unwrap().take();
}

#[test]
fn blocks_that_are_prepared_count_for_the_peak() {
    let builder = Memory::builder().block_size(64 * KIB).high_water(0);
    let memory = builder.prefault(128 * KIB).build().unwrap();
    memory.prepare();
    memory.trim(0);
    assert_eq!(
        (memory.stats().reserved, memory.stats().peak),
        (0, 128 * KIB)
    );
}

#[test]
fn free_blocks_are_used_again_and_only_for_their_size() {
    let source = Faulty::default();
    let memory = memory(&source, 1 << 30, 1 << 30);
    let base = |bytes| {
        let block = memory.block(bytes).unwrap();
        block.region().base().addr()
    };
    let (small, large) = (base(1), base(200 * KIB));
    assert_eq!((base(1), base(200 * KIB)), (small, large));
    assert_eq!(source.calls(), 2, "nothing new was asked for");
    assert_eq!(base(100), small);
    assert_ne!(
        base(100 * KIB),
        large,
        "a larger free block is no substitute"
    );
}

#[test]
fn above_the_high_water_mark_blocks_go_back_at_once() {
    let source = Faulty::default();
    let memory = memory(&source, 1 << 30, 130 * KIB);
    let blocks: Vec<_> = (0..5).map(|_| memory.block(1).unwrap()).collect();
    assert_eq!(source.regions(), 5);
    drop(blocks);
    assert_eq!(figures(&memory), (128 * KIB, 0, 128 * KIB));
    assert_eq!(source.regions(), 2);
    drop(memory.block(200 * KIB).unwrap()); // larger than the mark alone
    assert_eq!((memory.stats().free, source.regions()), (128 * KIB, 2));
}

#[test]
fn a_free_block_of_the_wrong_size_makes_room_within_the_budget() {
    let source = Faulty::default();
    let memory = memory(&source, 256 * KIB, 1 << 30);
    drop((0..4).map(|_| memory.block(1).unwrap()).collect::<Vec<_>>());
    assert_eq!(figures(&memory), (256 * KIB, 0, 256 * KIB));
    let large = memory.block(150 * KIB).unwrap();
    assert_eq!(large.capacity(), 192 * KIB);
    assert_eq!(figures(&memory), (256 * KIB, 192 * KIB, 64 * KIB));
}

/// A refused request changes nothing, so it must not give up free blocks on its way to failing.
#[test]
fn a_request_that_cannot_fit_the_budget_leaves_the_free_blocks_alone() {
    let source = Faulty::default();
    let memory = memory(&source, 256 * KIB, 1 << 30);
    let held = memory.block(1).unwrap();
    drop(memory.block(1).unwrap());
    let before = figures(&memory);
    for impossible in [257 * KIB, 200 * KIB, 16 << 20] {
        assert!(memory.block(impossible).is_err());
        assert_eq!(figures(&memory), before, "after asking for {impossible}");
    }
    drop(held);
}

#[test]
fn blocks_outlive_the_last_handle_of_their_memory() {
    let source = Faulty::default();
    let memory = memory(&source, 1 << 20, 1 << 20);
    let block = memory.block(1).unwrap();
    drop(memory);
    assert_eq!(block.alloc_copy(b"still there").unwrap(), b"still there");
    drop(block);
    assert_eq!(
        source.regions(),
        0,
        "regions go back when the memory is gone"
    );
}

#[test]
fn clones_are_the_same_memory() {
    let memory = Memory::builder()
        .source(Heap)
        .block_size(4096)
        .build()
        .unwrap();
    let block = memory.clone().block(1).unwrap();
    assert_eq!(memory.stats().in_use, 4096);
    drop(memory.clone());
    drop(block);
    assert_eq!(memory.stats().free, 4096);
}

/// Resident memory really falls, as the kernel counts it.
#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "residency is the kernel's")]
#[cfg_attr(
    epoch_arena_msan,
    ignore = "resident bytes are the sanitizer's as well"
)]
fn resident_memory_falls_when_blocks_go_back_to_the_system() {
    if !crate::support::alone("memory::resident_memory_falls_when_blocks_go_back_to_the_system") {
        return;
    }
    const BLOCKS: usize = 64;
    fn resident() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }
    let memory = Memory::builder().high_water(usize::MAX).build().unwrap();
    let all = BLOCKS * memory.block_size();
    let before = resident();
    let blocks: Vec<_> = (0..BLOCKS).map(|_| memory.block(1).unwrap()).collect();
    for block in &blocks {
        for _ in 0..block.capacity() / 4096 {
            block.alloc_copy(&[1; 4096]).unwrap();
        }
        assert_eq!(block.region().resident(), Some(block.capacity()));
    }
    assert!(resident() > before + all / 4 * 3);
    drop(blocks);
    assert_eq!(memory.stats().free, all);
    assert!(
        resident() > before + all / 4 * 3,
        "kept below the high-water mark"
    );
    assert_eq!(memory.trim(0), all);
    assert!(resident() < before + all / 4, "given back");
}

/// `prepare` keeps as many bytes ready as the builder says, up to the budget, and no more.
#[test]
fn prefaulted_blocks_are_ready_before_they_are_taken() {
    const BLOCK: usize = 256 << 10;
    let builder = || Memory::builder().block_size(BLOCK).prefault(4 * BLOCK);
    let memory = builder().high_water(0).build().unwrap();
    assert_eq!(memory.stats().reserved, 0, "nothing before it is asked for");
    assert_eq!(memory.prepare(), 4 * BLOCK);
    let blocks: Vec<_> = (0..3).map(|_| memory.block(1).unwrap()).collect();
    for block in &blocks {
        assert!(block.region().resident().is_none_or(|bytes| bytes == BLOCK));
    }
    assert_eq!(memory.stats().free, BLOCK);
    if cfg!(all(target_os = "linux", not(miri))) {
        assert_eq!(
            memory.resident(),
            BLOCK,
            "the free one; those of a `Block` are not among them"
        );
    }
    assert_eq!(memory.prepare(), 3 * BLOCK);
    drop(blocks);
    let stats = memory.stats();
    assert_eq!((stats.free, stats.high_water), (4 * BLOCK, 4 * BLOCK));
    assert_eq!(memory.prepare(), 0);

    let small = builder().budget(3 * BLOCK).build().unwrap();
    let held = small.block(1).unwrap();
    assert_eq!(small.prepare(), 2 * BLOCK, "the budget ends it");
    drop(held);
    assert_eq!(small.prepare(), 0);
    assert_eq!(small.stats().reserved, 3 * BLOCK);
}

/// Gives memory only when two threads ask.
#[derive(Debug)]
struct InPairs(Meeting);

impl Source for InPairs {
    fn acquire(&self, layout: Layout, pages: Pages) -> Result<Region, SourceError> {
        self.0.wait();
        Heap.acquire(layout, pages)
    }
}

/// Each sees that a block is wanted, and asks for it, before the other brings one.
#[test]
fn two_threads_that_prepare_keep_no_more_than_the_high_water_mark() {
    let memory = Memory::builder().source(InPairs(Meeting::new(2)));
    let memory = memory.block_size(64 * KIB).high_water(0);
    let memory = memory.prefault(64 * KIB).build().unwrap();
    let prepare = || memory.prepare();
    let added: usize = std::thread::scope(|s| {
        let threads = [s.spawn(prepare), s.spawn(prepare)];
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    assert_eq!(
        (added, figures(&memory)),
        (64 * KIB, (64 * KIB, 0, 64 * KIB))
    );
}

/// Fails the first call after it was given the memory; during that call another request gets a block.
#[derive(Clone, Debug, Default)]
struct Outer(Arc<Mutex<Option<Memory>>>);

impl Source for Outer {
    fn acquire(&self, layout: Layout, pages: Pages) -> Result<Region, SourceError> {
        let memory = self.0.lock().unwrap().take();
        match memory {
            Some(memory) => {
                drop(memory.block(1).unwrap());
                Err(SourceError::OutOfMemory)
            }
            None => Heap.acquire(layout, pages),
        }
    }
}

/// They were reserved when those were.
#[test]
fn bytes_that_the_source_fails_to_give_count_in_the_peak_of_those_given_meanwhile() {
    let _limit = limit();
    let source = Outer::default();
    let memory = Memory::builder().source(source.clone()).high_water(0);
    let memory = memory.block_size(64 * KIB).build().unwrap();
    *source.0.lock().unwrap() = Some(memory.clone());
    assert!(memory.block(1).is_err());
    assert_eq!(
        (memory.stats().reserved, memory.stats().peak),
        (0, 128 * KIB)
    );
}
