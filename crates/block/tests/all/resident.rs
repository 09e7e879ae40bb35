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
