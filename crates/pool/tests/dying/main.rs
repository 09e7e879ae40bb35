//! A domain that ends while a thread sorts out those that have ended: a binary of its own, for its allocator, which lets
//! another thread end one in between.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering};

use crossbeam_epoch::Collector;
use epoch_arena_pool::{ArenaPool, Memory};

struct Pausing;

thread_local! {
    /// The allocations of this thread until it pauses; 0 for never.
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// Whether the other thread is to begin, and whether it is done.
static STEP: AtomicU8 = AtomicU8::new(IDLE);
const IDLE: u8 = 0;
const BEGIN: u8 = 1;
const DONE: u8 = 2;

/// Takes a step when it is dropped, also in a panic: so neither thread waits for ever.
struct AtEnd(u8);

impl Drop for AtEnd {
    fn drop(&mut self) {
        STEP.store(self.0, Ordering::Release);
    }
}

// SAFETY: the system's allocator, which some calls reach late.
unsafe impl GlobalAlloc for Pausing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let left = LEFT.get();
        LEFT.set(left.saturating_sub(1));
        if left == 1 {
            STEP.store(BEGIN, Ordering::Release);
            while STEP.load(Ordering::Acquire) != DONE {
                std::thread::yield_now();
            }
        }
        // SAFETY: the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Pausing = Pausing;

/// Half of the domains that a thread has before it looks for the dead ones.
const HALF: usize = 8;

fn pool(memory: &Memory, collector: &Collector) -> ArenaPool {
    let builder = ArenaPool::builder().memory(memory.clone());
    let pool = builder.collector(collector.clone()).build();
    pool.expect("the defaults build")
}

/// A closure that is deferred to a collector runs when the collector ends. It may use pools, wherever that is.
#[test]
fn a_domain_that_ends_while_the_dead_are_sorted_out_may_run_closures() {
    // At each allocation of a thread's first pin in a pool.
    for pause in 1..20 {
        let memory = Memory::builder().build().expect("the defaults build");
        STEP.store(IDLE, Ordering::Relaxed);
        std::thread::scope(|s| {
            let sorts = s.spawn(|| {
                // Each domain lives on in a pool that this thread does not use.
                let kept: Vec<_> = (0..HALF)
                    .map(|_| {
                        let collector = Collector::new();
                        let memory_of_its_own = memory.clone();
                        let runs = move || drop(pool(&memory_of_its_own, &Collector::new()).pin());
                        collector.register().pin().defer(runs);
                        let unused = pool(&memory, &collector);
                        drop(pool(&memory, &collector).pin());
                        unused
                    })
                    .collect();
                for _ in 0..HALF {
                    drop(pool(&memory, &Collector::new()).pin());
                }
                let next = pool(&memory, &Collector::new());
                s.spawn(|| {
                    while STEP.load(Ordering::Acquire) == IDLE {
                        std::thread::yield_now();
                    }
                    let _done = AtEnd(DONE);
                    drop::<Vec<ArenaPool>>(kept);
                });
                // If the pin has fewer allocations, or fails.
                let _begin = AtEnd(BEGIN);
                LEFT.set(pause);
                drop(next.pin());
                LEFT.set(0);
            });
            assert!(sorts.join().is_ok(), "paused at allocation {pause}");
        });
    }
}
