//! What is in physical memory, of exactly the bytes that are asked about.

use std::alloc::Layout;
use std::mem::MaybeUninit;

use epoch_arena_block::{AnonymousMap, Block, Pages, Source};

/// Pages behind a region do not count as its own, however many steps the look takes.
#[test]
fn pages_behind_a_region_are_not_its_own() {
    const HUGE: usize = 2 << 20;
    let layout = Layout::from_size_align(4 * HUGE, HUGE).unwrap();
    let map = AnonymousMap::new().acquire(layout, Pages::Small).unwrap();
    let block = Block::from(map);
    let bytes = block.alloc_uninit(layout).unwrap();
    // The border is one of huge pages, too, so that the system brings in nothing before it.
    let (before, behind) = bytes.split_at_mut(2 * HUGE);
    behind.fill(MaybeUninit::new(1));
    let lent = Block::from_slice(&mut before[HUGE - 4096..]);
    assert_eq!(lent.region().resident(), Some(0));
}

/// However many pages there are, and wherever among them those are that are in memory.
#[test]
fn each_page_in_memory_counts_wherever_it_is() {
    const PAGE: usize = 4096;
    let layout = Layout::from_size_align(4 << 20, PAGE).unwrap();
    let map = AnonymousMap::new().acquire(layout, Pages::Small).unwrap();
    let block = Block::from(map);
    let bytes = block.alloc_uninit(layout).unwrap();
    for page in [1, 2, 700] {
        bytes[page * PAGE] = MaybeUninit::new(1);
    }
    assert_eq!(block.region().resident(), Some(3 * PAGE));
    // A part that begins and ends amid pages: the bytes asked about at most.
    let part = Block::from_slice(&mut bytes[PAGE + 100..2 * PAGE + 200]);
    assert_eq!(part.region().resident(), Some(PAGE + 100));
}
