//! Thread-locals of the user's whose destructors use the pool, set up before or after
//! the first use of it, so that they run on either side of the pool's own.

use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use epoch_arena_pool::{ArenaGuard, ArenaHandle, ArenaPool, Lease, LocalPool};

use crate::pools::{adds_up, advance, find, pool, put};

/// Uses a pool in every way there is when it is dropped.
struct AtExit {
    pool: ArenaPool,
    handle: ArenaHandle,
    lease: Option<Lease>,
    left: Arc<Mutex<Vec<ArenaHandle>>>,
}

impl AtExit {
    fn new(pool: &ArenaPool, handle: ArenaHandle, left: &Arc<Mutex<Vec<ArenaHandle>>>) -> Self {
        Self {
            pool: pool.clone(),
            handle,
            lease: pool.lease(handle.epoch()),
            left: left.clone(),
        }
    }
}

impl Drop for AtExit {
    fn drop(&mut self) {
        let guard = self.pool.pin();
        if let Some(lease) = &self.lease {
            assert_eq!(lease.get(self.handle), Some(&b"before the end"[..]));
        }
        let nested = self.pool.local();
        let handle = nested.pin().alloc_copy(b"at the end").unwrap();
        assert_eq!(guard.get(handle), Some(&b"at the end"[..]));
        self.left.lock().unwrap().push(handle);
        drop((guard, nested));
        self.pool.maintain();
        assert!(self.pool.stats().allocations > 0);
        // A pool that lives within this destructor.
        let brief = pool(1);
        let handle = put(&brief, b"brief");
        assert_eq!(find(&brief, handle), Some(b"brief".to_vec()));
        advance(&brief, 2);
    }
}

thread_local! {
    static EARLY: RefCell<Option<AtExit>> = const { RefCell::new(None) };
    static LATE: RefCell<Option<AtExit>> = const { RefCell::new(None) };
    static LOCAL: RefCell<Option<LocalPool>> = const { RefCell::new(None) };
    static GUARD: RefCell<Option<ArenaGuard<'static>>> = const { RefCell::new(None) };
}

#[test]
fn destructors_of_thread_locals_may_use_the_pool() {
    let pool = pool(1000);
    let left = Arc::new(Mutex::new(Vec::new()));
    let handle = put(&pool, b"before the end");
    let rounds = if cfg!(miri) { 2 } else { 50 };
    for _ in 0..rounds {
        std::thread::scope(|s| {
            s.spawn(|| {
                // Destructors run in the order of registration on most platforms, in the reverse
                // on some: one of these two runs after the pool's own in either case.
                EARLY.set(Some(AtExit::new(&pool, handle, &left)));
                put(&pool, b"first use on this thread");
                LATE.set(Some(AtExit::new(&pool, handle, &left)));
            })
            .join()
            .unwrap();
        });
    }
    let left = left.lock().unwrap();
    assert_eq!(left.len(), 2 * rounds);
    for handle in left.iter() {
        assert_eq!(find(&pool, *handle), Some(b"at the end".to_vec()));
    }
    assert!(pool.stats().pinned.is_empty());
    adds_up(&pool);
}

/// What was forgotten in a thread-local lets go when the thread ends, on either side.
#[test]
fn guards_and_locals_in_thread_locals_end_with_the_thread() {
    static POOL: OnceLock<ArenaPool> = OnceLock::new();
    let pool: &'static ArenaPool = POOL.get_or_init(|| pool(1));
    let held = AtomicUsize::new(0);
    for early in [true, false] {
        std::thread::scope(|s| {
            s.spawn(|| {
                if early {
                    GUARD.set(None); // registers their destructors first
                    LOCAL.set(None);
                }
                put(pool, b"first use on this thread");
                GUARD.set(Some(pool.pin()));
                LOCAL.set(Some(pool.local()));
                advance(pool, 1);
                held.store(pool.maintain().held_by_guards.epochs, Ordering::Relaxed);
            })
            .join()
            .unwrap();
        });
        assert_eq!(held.load(Ordering::Relaxed), 1, "pinned until the end");
        let report = pool.maintain();
        assert_eq!((report.held_by_guards.epochs, report.pinned), (0, vec![]));
        assert_eq!(pool.stats().retired_epochs, 0);
    }
}

/// Pins by a local handle while the thread's locals are destroyed, on either side of the registry that
/// had the state as well: with a guard from before, without one, nested, and again after each.
struct PinsAtExit {
    guard: Option<ArenaGuard<'static>>,
    local: LocalPool,
    handle: ArenaHandle,
}

impl Drop for PinsAtExit {
    fn drop(&mut self) {
        for _ in 0..3 {
            let first = self.local.pin();
            let second = self.local.pin();
            assert_eq!(first.get(self.handle), Some(&b"held"[..]));
            drop(first);
            assert_eq!(second.get(self.handle), Some(&b"held"[..]));
            drop(second);
            // The last pin but for the one from before, in the first round.
            drop(self.guard.take());
        }
        let mut guard = self.local.pin();
        assert!(guard.refresh(), "no other guard is left");
        assert!(guard.alloc_copy(b"the end").is_ok());
    }
}

#[test]
fn local_handles_pin_on_after_their_registry_is_gone() {
    thread_local! {
        static PINS: RefCell<Option<PinsAtExit>> = const { RefCell::new(None) };
    }
    static POOL: OnceLock<ArenaPool> = OnceLock::new();
    let pool: &'static ArenaPool = POOL.get_or_init(|| pool(2));
    for early in [true, false] {
        for pinned in [true, false] {
            std::thread::spawn(move || {
                if early {
                    PINS.set(None); // registers its destructor first
                }
                let handle = put(pool, b"held");
                PINS.set(Some(PinsAtExit {
                    guard: pinned.then(|| pool.pin()),
                    local: pool.local(),
                    handle,
                }));
            })
            .join()
            .unwrap();
            assert_eq!(pool.stats().pinned, []);
            advance(pool, 2);
            assert_eq!(pool.maintain().held_by_guards.epochs, 0);
        }
    }
}

/// The last owner of a pool is a thread-local: the pool goes while the thread's locals do.
#[test]
fn a_pool_may_die_in_a_thread_locals_destructor() {
    for early in [true, false] {
        let memory = crate::pools::memory();
        let inner = memory.clone();
        std::thread::spawn(move || {
            if early {
                LOCAL.set(None);
            }
            let pool = crate::pools::builder(2).memory(inner).build().unwrap();
            put(&pool, b"key");
            LOCAL.set(Some(pool.local()));
        })
        .join()
        .unwrap();
        assert_eq!(memory.stats().in_use, 0);
    }
}
