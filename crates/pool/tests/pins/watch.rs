//! An allocator that shows what a thread allocates and frees while it says that it looks; and a
//! source that shows the same of regions.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use epoch_arena_block::{AnonymousMap, Pages, Region, Source, SourceError};

#[global_allocator]
static ALLOCATOR: Watching = Watching;

struct Watching;

/// Distinct layouts that are told apart; more would be a failure of every test here.
const MOST: usize = 16;

/// A layout that was allocated or freed, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub layout: Layout,
    pub allocated: usize,
    pub freed: usize,
}

const NOTHING: Seen = Seen {
    layout: Layout::new::<()>(),
    allocated: 0,
    freed: 0,
};

thread_local! {
    // All without a destructor, so that they can be used whenever a thread allocates.
    static LOOKING: Cell<bool> = const { Cell::new(false) };
    static SEEN: Cell<[Seen; MOST]> = const { Cell::new([NOTHING; MOST]) };
}

/// Runs `body`, and shows in [`seen`] what this thread allocates and frees meanwhile.
pub fn look<T>(body: impl FnOnce() -> T) -> T {
    LOOKING.set(true);
    let value = body();
    LOOKING.set(false);
    value
}

/// What this thread has seen so far, and forgets.
pub fn seen() -> Vec<Seen> {
    let seen = SEEN.replace([NOTHING; MOST]);
    seen.into_iter().filter(|seen| *seen != NOTHING).collect()
}

fn note(layout: Layout, allocated: usize, freed: usize) {
    if !LOOKING.get() {
        return;
    }
    let mut all = SEEN.get();
    let mut places = all.iter_mut();
    let place = places.find(|seen| **seen == NOTHING || seen.layout == layout);
    if let Some(seen) = place {
        seen.layout = layout;
        seen.allocated += allocated;
        seen.freed += freed;
    }
    SEEN.set(all);
}

// SAFETY: the system's allocator, with counts beside it that allocate nothing.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout, 1, 0);
        // SAFETY: the caller's promises, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, base: *mut u8, layout: Layout) {
        note(layout, 0, 1);
        // SAFETY: the caller's promises, passed on.
        unsafe { System.dealloc(base, layout) }
    }
}

/// Anonymous maps, which see where they are asked for and given back. Clones are the same source.
#[derive(Clone, Debug, Default)]
pub struct Maps(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    acquired: AtomicUsize,
    dropped: AtomicUsize,
    /// Of these, while their thread looked.
    looking: AtomicUsize,
}

/// What tests fill values with, to find it again in regions.
pub const MARK: u8 = 0xa7;

impl Maps {
    /// Regions that were mapped and unmapped.
    pub fn regions(&self) -> (usize, usize) {
        let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (of(&self.0.acquired), of(&self.0.dropped))
    }

    /// Maps and unmaps by threads that looked.
    pub fn while_looking(&self) -> usize {
        self.0.looking.load(Ordering::Relaxed)
    }

    fn count(&self, count: &AtomicUsize) {
        count.fetch_add(1, Ordering::Relaxed);
        let looking = usize::from(LOOKING.get());
        self.0.looking.fetch_add(looking, Ordering::Relaxed);
    }
}

impl Source for Maps {
    fn acquire(&self, layout: Layout, pages: Pages) -> Result<Region, SourceError> {
        self.count(&self.0.acquired);
        let region = AnonymousMap::new()
            .huge_pages(false)
            .acquire(layout, pages)?;
        let (base, len) = (region.base(), region.len());
        let owner = Map {
            region,
            maps: self.clone(),
        };
        // SAFETY: 1. the owner holds the region that these bytes are; 2. and does not look at them;
        // 3. a test's sizes are small.
        Ok(unsafe { Region::from_raw_parts(base, len, Box::new(owner)) })
    }
}

struct Map {
    #[expect(dead_code, reason = "held for its destructor")]
    region: Region,
    maps: Maps,
}

impl Drop for Map {
    fn drop(&mut self) {
        self.maps.count(&self.maps.0.dropped);
    }
}
