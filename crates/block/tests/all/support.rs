//! A source whose faults are arranged, and which counts the regions that are not given back.
//! Shared by the test binaries of block, arena and pool.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use epoch_arena_block::{Heap, Pages, Region, Source, SourceError};

/// The ways in which a [`Faulty`] source fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Error,
    Panic,
    /// A region of half the size asked for.
    Short,
    /// A region of twice the size asked for.
    Long,
    /// One byte off the alignment.
    Misaligned,
}

pub const FAULTS: [Fault; 5] = [
    Fault::Error,
    Fault::Panic,
    Fault::Short,
    Fault::Long,
    Fault::Misaligned,
];

/// The heap, with faults on demand. Clones are the same source.
#[derive(Clone, Debug, Default)]
pub struct Faulty(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    calls: AtomicUsize,
    given: AtomicUsize,
    bytes: AtomicUsize,
    most: AtomicUsize,
    plan: Mutex<Option<Plan>>,
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    at: usize,
    once: bool,
    fault: Fault,
}

impl Faulty {
    /// The `nth` call from now on (the next one is 1) meets `fault`, and only that one.
    pub fn fail_once(&self, nth: usize, fault: Fault) {
        self.plan(nth, true, fault);
    }

    /// The `nth` call from now on, and all after it, meet `fault`.
    pub fn fail_from(&self, nth: usize, fault: Fault) {
        self.plan(nth, false, fault);
    }

    fn plan(&self, nth: usize, once: bool, fault: Fault) {
        let at = self.0.calls.load(Ordering::Relaxed) + nth;
        *self.lock() = Some(Plan { at, once, fault });
    }

    /// The fault ends.
    pub fn heal(&self) {
        *self.lock() = None;
    }

    /// How often it was asked.
    pub fn calls(&self) -> usize {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// Regions that it gave and has not got back.
    pub fn regions(&self) -> usize {
        self.0.given.load(Ordering::Relaxed)
    }

    /// The most bytes that its regions had together at any moment, from before the heap was asked
    /// for one until after the heap had it back: exact, where a sampler may miss a moment.
    pub fn most(&self) -> usize {
        self.0.most.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Plan>> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `skip .. skip + len` of a region of the heap, counted until it is dropped.
    fn give(&self, layout: Layout, skip: usize, len: usize) -> Result<Region, SourceError> {
        let size = layout.size().max(skip + len);
        let roomy = Layout::from_size_align(size, layout.align()).expect("a small test's layout");
        let count = Count::new(&self.0, size);
        let region = Heap.acquire(roomy, Pages::Small)?;
        // SAFETY: `skip + len <= size`, inside the region.
        let base = unsafe { region.base().add(skip) };
        let owner = Counted {
            _region: region,
            _count: count,
        };
        // SAFETY: 1. the owner holds the region that these bytes are in; 2. no other code knows
        // that region; 3. a test's sizes are small.
        Ok(unsafe { Region::from_raw_parts(base, len, Box::new(owner)) })
    }
}

/// Its fields are dropped in this order, so the region is counted until it is gone.
struct Counted {
    _region: Region,
    _count: Count,
}

struct Count {
    source: Arc<Inner>,
    bytes: usize,
}

impl Count {
    fn new(source: &Arc<Inner>, bytes: usize) -> Self {
        source.given.fetch_add(1, Ordering::Relaxed);
        let now = source.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        source.most.fetch_max(now, Ordering::Relaxed);
        Self {
            source: source.clone(),
            bytes,
        }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.source.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.source.given.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Source for Faulty {
    fn acquire(&self, layout: Layout, _pages: Pages) -> Result<Region, SourceError> {
        let call = self.0.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let plan = *self.lock();
        let meets = |p: &Plan| call == p.at || (!p.once && call > p.at);
        let (size, align) = (layout.size(), layout.align());
        match plan.filter(meets).map(|plan| plan.fault) {
            None => self.give(layout, 0, size),
            Some(Fault::Error) => Err(SourceError::OutOfMemory),
            Some(Fault::Panic) => panic!("the source panics, as arranged"),
            Some(Fault::Short) => self.give(layout, 0, size / 2),
            Some(Fault::Long) => self.give(layout, 0, size * 2),
            Some(Fault::Misaligned) => {
                assert!(align > 1, "nothing is misaligned at one byte");
                self.give(layout, 1, size)
            }
        }
    }
}

/// Tells a sanitizer that bytes which were given up are read on purpose.
///
/// # Safety
///
/// They are bytes of one allocation, written once, and nobody writes them now.
pub unsafe fn read_on_purpose(first: NonNull<u8>, len: usize) {
    #[cfg(epoch_arena_msan)]
    unsafe extern "C" {
        fn __msan_unpoison(first: *const u8, len: usize);
    }
    // SAFETY: the caller's contract; it changes the sanitizer's notes only.
    unsafe { epoch_arena_block::shadow::allow(first, len) };
    #[cfg(epoch_arena_msan)]
    // SAFETY: as above.
    unsafe {
        __msan_unpoison(first.as_ptr(), len);
    }
}

/// Runs `f`; `None` if it panicked.
pub fn caught<T>(f: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).ok()
}

/// Runs this test again in a process of its own, and says whether this is that process: where a figure, or a
/// limit, is the process's.
pub fn alone(name: &str) -> bool {
    const ALONE: &str = "EPOCH_ARENA_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut child = std::process::Command::new(std::env::current_exe().expect("a test is a file"));
    let child = child.args([name, "--exact"]).env(ALONE, "1");
    let output = crate::ends::output(child);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    false
}
