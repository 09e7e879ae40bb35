//! A source that fails on demand, and counts the bytes that it has given out.

use std::alloc::Layout;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use epoch_arena::{Heap, Pages, Region, Source, SourceError};

/// The heap, with faults.
#[derive(Debug)]
pub struct Faulty {
    /// Bit `i`: call `i` fails, counted anew after 32 calls.
    plan: u32,
    calls: AtomicU32,
    faults: Faults,
}

/// The record of a [`Faulty`].
#[derive(Clone, Debug, Default)]
pub struct Faults {
    outstanding: Arc<AtomicUsize>,
    failures: Arc<AtomicUsize>,
}

/// A region that is counted as long as it exists.
struct Counted {
    outstanding: Arc<AtomicUsize>,
    region: Region,
}

impl Faulty {
    /// The heap that fails at the calls of `plan`, and its figures.
    pub fn new(plan: u32) -> (Self, Faults) {
        let faults = Faults::default();
        let source = Self {
            plan,
            calls: AtomicU32::new(0),
            faults: faults.clone(),
        };
        (source, faults)
    }
}

// Relaxed, throughout: the threads of a program take turns, and the one that gives the turn publishes.
impl Faults {
    /// Bytes that are not returned yet.
    pub fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    /// Calls that failed.
    pub fn failures(&self) -> usize {
        self.failures.load(Ordering::Relaxed)
    }
}

impl Source for Faulty {
    fn acquire(&self, layout: Layout, pages: Pages) -> Result<Region, SourceError> {
        // No heap has it, and a sanitizer's says so by ending the process.
        const MOST: usize = 64 << 20;
        let call = self.calls.fetch_add(1, Ordering::Relaxed) % 32;
        if self.plan >> call & 1 == 1 || layout.size() > MOST {
            self.faults.failures.fetch_add(1, Ordering::Relaxed);
            // Every other one breaks the contract instead: half as much as was asked for.
            return if call.is_multiple_of(2) || layout.size() > MOST {
                Err(SourceError::OutOfMemory)
            } else {
                let half = Layout::from_size_align(layout.size() / 2, layout.align());
                Heap.acquire(half.map_err(|_| SourceError::TooLarge)?, pages)
            };
        }
        let region = Heap.acquire(layout, pages)?;
        let (base, len) = (region.base(), region.len());
        let outstanding = self.faults.outstanding.clone();
        outstanding.fetch_add(len, Ordering::Relaxed);
        let owner = Box::new(Counted {
            outstanding,
            region,
        });
        // SAFETY: `owner` has the region of `base` and `len` until it is dropped, and nothing
        // else has.
        Ok(unsafe { Region::from_raw_parts(base, len, owner) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let len = self.region.len();
        self.outstanding.fetch_sub(len, Ordering::Relaxed);
    }
}
