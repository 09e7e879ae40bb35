//! Stages tsan and miri.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

struct Shared {
    value: UnsafeCell<u64>,
    ready: AtomicBool,
    /// Threads that came to a meeting: TSan may forget the accesses of one that has ended.
    there: AtomicU64,
}

// SAFETY: not safe, and meant to be found.
unsafe impl Sync for Shared {}

impl Shared {
    const fn new() -> Self {
        Self {
            value: UnsafeCell::new(0),
            ready: AtomicBool::new(false),
            there: AtomicU64::new(0),
        }
    }

    fn add(&self) {
        for _ in 0..100 {
            // SAFETY: not safe, and meant to be found.
            unsafe { *self.value.get() += 1 };
        }
    }

    /// Waits until `count` threads came. Relaxed: it orders nothing.
    fn meet(&self, count: u64) {
        self.there.fetch_add(1, Ordering::Relaxed);
        while self.there.load(Ordering::Relaxed) < count {
            std::thread::yield_now();
        }
    }
}

#[test]
fn data_race() {
    let shared = Shared::new();
    let meet_and_add = || {
        shared.meet(2);
        shared.add();
        shared.meet(4);
    };
    std::thread::scope(|s| {
        s.spawn(meet_and_add);
        s.spawn(meet_and_add);
    });
}

#[test]
fn relaxed_publication() {
    let shared = Shared::new();
    std::thread::scope(|s| {
        s.spawn(|| {
            shared.add();
            shared.ready.store(true, Ordering::Relaxed);
            shared.meet(2);
        });
        s.spawn(|| {
            while !shared.ready.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            shared.add();
            shared.meet(2);
        });
    });
}
