//! The budget of a memory.

use core::alloc::Layout;
use std::sync::Arc;

use crate::sync::{AtomicUsize, Mutex, Ordering, lock};
use crate::twin::caught;
use crate::{Heap, Memory, Pages, Region, Source, SourceError};

#[test]
fn budget_is_never_exceeded() {
    loom::model(|| {
        let memory = Memory::builder()
            .source(Heap)
            .block_size(4096)
            .budget(4096)
            .build()
            .unwrap();
        let other = loom::thread::spawn({
            let memory = memory.clone();
            move || memory.block(1).ok().map(drop)
        });
        let block = memory.block(1);
        assert!(memory.stats().reserved <= 4096);
        other.join().unwrap();
        drop(block);
        assert_eq!(memory.stats().in_use, 0);
    });
}

#[test]
fn budget_twin_that_checks_and_adds_apart_is_caught() {
    caught(|| {
        let reserved = Arc::new(Mutex::new(0));
        let reserve = |reserved: &Mutex<usize>| {
            let fits = *lock(reserved) + 4096 <= 4096;
            if fits {
                *lock(reserved) += 4096;
            }
        };
        let other = loom::thread::spawn({
            let reserved = reserved.clone();
            move || reserve(&reserved)
        });
        reserve(&reserved);
        other.join().unwrap();
        assert!(*lock(&reserved) <= 4096);
    });
}

/// The heap, which counts the bytes that it has given out. Relaxed, so that counting orders nothing; by
/// loom's atomics, so that another thread may come before it.
#[derive(Debug, Default)]
struct Counted(Arc<AtomicUsize>);

const BUDGET: usize = 8192;

impl Source for Counted {
    fn acquire(&self, layout: Layout, pages: Pages) -> Result<Region, SourceError> {
        let region = Heap.acquire(layout, pages)?;
        let live = self.0.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        assert!(live <= BUDGET, "{live} bytes at once");
        let (base, len) = (region.base(), region.len());
        let owner = Box::new((region, Given(self.0.clone(), len)));
        // SAFETY: 1. the region is the owner's; 2. nothing else has it; 3. as a region.
        Ok(unsafe { Region::from_raw_parts(base, len, owner) })
    }
}

/// Bytes that are given back when it is dropped.
struct Given(Arc<AtomicUsize>, usize);

impl Drop for Given {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// A free region of the wrong size takes all of the budget, and two threads want another size: it
/// is given up for them, and the source never has more out than the budget.
#[test]
fn budget_holds_while_free_regions_are_evicted() {
    loom::model(|| {
        let builder = Memory::builder().source(Counted::default());
        let memory = builder.block_size(4096).budget(BUDGET).build().unwrap();
        drop(memory.block(BUDGET).unwrap());
        let other = loom::thread::spawn({
            let memory = memory.clone();
            move || memory.block(1)
        });
        let mine = memory.block(1);
        let other = other.join().unwrap();
        // One may be refused while the other gives the region up.
        let taken = [&mine, &other].iter().filter(|taken| taken.is_ok()).count();
        assert!(taken > 0, "the budget has room for two");
        let stats = memory.stats();
        assert_eq!((stats.in_use, stats.free), (taken * 4096, 0));
        assert_eq!(stats.reserved, stats.in_use);
    });
}

/// The twin gives an evicted region's bytes back to the budget before the region to the source.
#[test]
fn budget_twin_that_counts_before_it_releases_is_caught() {
    caught(|| {
        // Bytes reserved, and bytes that the source has out; one free region takes all.
        let state = Arc::new((Mutex::new(BUDGET), Mutex::new(BUDGET)));
        let other = loom::thread::spawn({
            let state = state.clone();
            move || {
                let (reserved, out) = &*state;
                let mut reserved = lock(reserved);
                let fits = *reserved + 4096 <= BUDGET;
                *reserved += if fits { 4096 } else { 0 };
                drop(reserved);
                let mut out = lock(out);
                *out += if fits { 4096 } else { 0 };
                assert!(*out <= BUDGET, "{} bytes at once", *out);
            }
        });
        let (reserved, out) = &*state;
        *lock(reserved) -= BUDGET;
        *lock(out) -= BUDGET;
        other.join().unwrap();
    });
}
