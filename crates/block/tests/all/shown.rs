//! What `Debug` shows of blocks, regions and memories: where they are and how much is used, and none of the bytes.

use std::mem::MaybeUninit;

use epoch_arena_block::{Alignment, Block, Heap, Memory};

#[test]
fn debug_shows_places_and_figures() {
    let mut lent = [MaybeUninit::uninit(); 64];
    let base = lent.as_ptr();
    let block = Block::from_slice(&mut lent);
    block.alloc_copy(b"secret").unwrap();
    let region = format!("Region {{ kind: \"user\", base: {base:?}, len: 64 }}");
    assert_eq!(
        format!("{block:?}"),
        format!("Block {{ region: {region}, used: 6, .. }}")
    );
    let heap = Block::new(std::alloc::Layout::new::<[u64; 4]>()).unwrap();
    let shown = format!("{:?}", heap.region());
    assert!(
        shown.starts_with("Region { kind: \"heap\", base: 0x"),
        "{shown}"
    );
    assert!(shown.ends_with(", len: 32 }"), "{shown}");
    let align = Alignment::new(16).unwrap();
    assert_eq!(format!("{align:?}"), "Alignment(16)");
    let memory = Memory::builder().source(Heap).build().unwrap();
    let stats = memory.stats();
    assert_eq!(
        format!("{memory:?}"),
        format!("Memory {{ source: Heap, stats: {stats:?}, .. }}")
    );
}
