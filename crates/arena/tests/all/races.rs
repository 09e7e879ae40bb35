//! Two calls that look for a chunk at once, one of which is slow: here it is inside the source meanwhile.

use std::alloc::Layout;
use std::sync::{Arc, Mutex, OnceLock};

use epoch_arena_block::{Heap, Memory, Pages, Region, Source, SourceError};
use epoch_arena_core::EpochArena;

use crate::ends::limit;

/// What happens meanwhile; says whether the source agrees.
type Meanwhile = Box<dyn FnOnce() -> bool + Send>;

/// Runs what is given, once, while it is asked for a region, and then refuses or agrees.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<Option<Meanwhile>>>);

impl std::fmt::Debug for Slow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slow")
    }
}

impl Source for Slow {
    fn acquire(&self, layout: Layout, pages: Pages) -> Result<Region, SourceError> {
        let meanwhile = self.0.lock().unwrap().take();
        if meanwhile.is_some_and(|meanwhile| !meanwhile()) {
            return Err(SourceError::OutOfMemory);
        }
        Heap.acquire(layout, pages)
    }
}

/// A call that finds no memory uses the chunk that the other has shared by then; and whichever call was late, all memory
/// is free after a reset.
#[test]
fn a_call_that_is_late_uses_what_is_there_and_loses_nothing() {
    let _limit = limit();
    for agrees in [false, true] {
        let source = Slow::default();
        let memory = Memory::builder().source(source.clone()).block_size(4096);
        let memory = memory.build().unwrap();
        let arena = Arc::new(OnceLock::<EpochArena>::new());
        arena.set(EpochArena::new(&memory)).unwrap();
        let other = Arc::clone(&arena);
        let meanwhile = move || {
            let arena = other.get().unwrap();
            // So much that its chunk is all of the block.
            assert_eq!(arena.alloc_copy(&[7; 3_000]).unwrap(), [7; 3_000]);
            agrees
        };
        *source.0.lock().unwrap() = Some(Box::new(meanwhile));
        let slower = arena.get().unwrap().alloc_copy(b"slower");
        assert_eq!(slower.unwrap(), b"slower");
        let stats = arena.get().unwrap().stats();
        assert_eq!((stats.allocations, stats.payload), (2, 3_006));
        assert_eq!(stats.chunks, if agrees { 2 } else { 1 });
        let mut arena = Arc::into_inner(arena).unwrap().into_inner().unwrap();
        arena.reset();
        assert_eq!(memory.stats().in_use, 0);
    }
}
