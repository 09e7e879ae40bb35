//! A source that fails now and then, and knows the most it ever had out.

use std::alloc::Layout;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use epoch_arena::{Pages, Region, Source, SourceError};

use crate::rng::mix;

/// A source with faults.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    seed: u64,
    /// One call in so many fails.
    rarity: u64,
    ledger: Arc<Ledger>,
}

/// The bytes that a source gave out.
#[derive(Debug, Default)]
pub struct Ledger {
    calls: AtomicU64,
    faults: AtomicU64,
    out: AtomicUsize,
    most: AtomicUsize,
}

struct Counted {
    ledger: Arc<Ledger>,
    region: Region,
}

impl<S: Source> Faulty<S> {
    /// `inner`, with one fault in `rarity` calls.
    pub fn new(inner: S, seed: u64, rarity: u64) -> (Self, Arc<Ledger>) {
        let ledger = Arc::new(Ledger::default());
        let source = Self {
            inner,
            seed,
            rarity,
            ledger: ledger.clone(),
        };
        (source, ledger)
    }
}

// Relaxed, throughout: each figure stands for itself. A sum that an addition returns is one that
// was really out at some moment, since the region comes before the addition and goes after the
// subtraction.
impl Ledger {
    /// Calls that failed.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Bytes that are out.
    pub fn out(&self) -> usize {
        self.out.load(Ordering::Relaxed)
    }

    /// The most bytes that were out at any moment.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

impl<S: Source> Source for Faulty<S> {
    fn acquire(&self, layout: Layout, pages: Pages) -> Result<Region, SourceError> {
        let call = self.ledger.calls.fetch_add(1, Ordering::Relaxed);
        if mix(self.seed ^ mix(call)).is_multiple_of(self.rarity) {
            self.ledger.faults.fetch_add(1, Ordering::Relaxed);
            return Err(SourceError::OutOfMemory);
        }
        let region = self.inner.acquire(layout, pages)?;
        let (base, len) = (region.base(), region.len());
        let out = self.ledger.out.fetch_add(len, Ordering::Relaxed) + len;
        self.ledger.most.fetch_max(out, Ordering::Relaxed);
        let ledger = self.ledger.clone();
        let owner = Box::new(Counted { ledger, region });
        // SAFETY: 1. and 2. `owner` has the region of `base` and `len` until it is dropped, and
        // nothing else has; 3. it is a region's length.
        Ok(unsafe { Region::from_raw_parts(base, len, owner) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let len = self.region.len();
        self.ledger.out.fetch_sub(len, Ordering::Relaxed);
    }
}
