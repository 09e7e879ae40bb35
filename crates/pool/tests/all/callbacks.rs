//! Foreign code inside the pool's calls: crossbeam-epoch runs deferred closures in any thread's pin or
//! flush, and they may do whatever they like with the pool, but find no lock held.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_epoch::{Collector, Guard};
use epoch_arena_pool::{ArenaGuard, ArenaPool, Lease, Memory};

use crate::ends::{limit, until};
use crate::pools::{SMALLEST, adds_up, advance, builder, find, memory, pool, put};
use crate::support::caught;

fn shared() -> (Collector, ArenaPool) {
    let collector = Collector::new();
    let pool = builder(2).collector(collector.clone()).build().unwrap();
    (collector, pool)
}

/// Defers so much from a participant of the user's that it becomes due in others' calls.
fn defer_many(collector: &Collector, count: usize, defer: impl Fn(&Guard)) {
    let participant = collector.register();
    // What was deferred before may run, and panic, in here.
    let mut guard = None;
    until(|| {
        guard = caught(|| participant.pin());
        guard.is_some()
    });
    let guard = guard.unwrap();
    (0..count).for_each(|_| defer(&guard));
}

/// A thread that builds a pool looks at the collectors of the others. One of them may end just then, by whose end what was
/// deferred to it runs: here a closure that builds a pool, too.
#[test]
fn collectors_may_end_while_a_pool_is_built() {
    const ROUNDS: usize = if cfg!(miri) { 10 } else { 20_000 };
    let _limit = limit();
    let memory = memory();
    let build = |memory: Memory, collector| {
        let builder = ArenaPool::builder().memory(memory);
        builder.collector(collector).build().unwrap()
    };
    let ran = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                for _ in 0..ROUNDS {
                    let (collector, memory, ran) = (Collector::new(), memory.clone(), ran.clone());
                    let beside = memory.clone();
                    collector.register().pin().defer(move || {
                        drop(build(beside, Collector::new()));
                        ran.fetch_add(1, Ordering::Relaxed);
                    });
                    drop(build(memory, collector));
                }
            });
        }
    });
    assert_eq!(ran.load(Ordering::Relaxed), 2 * ROUNDS);
}

#[test]
fn deferred_closures_may_use_the_pool_from_inside_our_pins() {
    let _limit = limit();
    let (collector, pool) = shared();
    let ran = Arc::new(AtomicUsize::new(0));
    for round in 0..if cfg!(miri) { 3 } else { 30 } {
        defer_many(&collector, 70, |guard| {
            let (pool, ran) = (pool.clone(), ran.clone());
            guard.defer(move || {
                let guard = pool.pin();
                let handle = guard.alloc_copy(b"from inside").unwrap();
                assert_eq!(guard.get(handle), Some(&b"from inside"[..]));
                drop(guard);
                // May find all slots taken, as it may be nested in whatever.
                let _ = pool.advance();
                pool.retire_before(pool.current_epoch());
                pool.maintain();
                let lease = pool.lease(pool.current_epoch());
                drop((lease, pool.snapshot(), pool.stats(), pool.local()));
                ran.fetch_add(1, Ordering::Relaxed);
            });
        });
        let handle = put(&pool, &[round; 100]);
        let guard = pool.pin();
        let bytes = guard.get(handle).map(<[u8]>::to_vec);
        assert!(bytes.is_none_or(|bytes| bytes == [round; 100]));
        drop(guard);
        let _ = pool.advance();
        (0..200).for_each(|_| drop(pool.pin()));
        pool.maintain();
        adds_up(&pool);
    }
    until(|| {
        pool.maintain();
        ran.load(Ordering::Relaxed) >= 70
    });
    advance(&pool, 4);
    adds_up(&pool);
}

/// The last owners of a pool, a lease and a local state go inside somebody's pin.
#[test]
fn deferred_drops_of_pools_and_leases() {
    let _limit = limit();
    struct Value {
        _pool: ArenaPool,
        lease: Lease,
        handle: epoch_arena_pool::ArenaHandle,
        dropped: Arc<AtomicUsize>,
    }
    impl Drop for Value {
        fn drop(&mut self) {
            assert_eq!(self.lease.get(self.handle), Some(&b"leased"[..]));
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (collector, outer) = shared();
    let (memory, dropped) = (memory(), Arc::new(AtomicUsize::new(0)));
    const COUNT: usize = 130;
    defer_many(&collector, COUNT, |guard| {
        let inner = ArenaPool::builder().memory(memory.clone());
        let inner = inner.collector(collector.clone()).build().unwrap();
        let handle = put(&inner, b"leased");
        let value = Value {
            lease: inner.lease(handle.epoch()).unwrap(),
            _pool: inner,
            handle,
            dropped: dropped.clone(),
        };
        guard.defer(move || drop(value));
    });
    assert_eq!(memory.stats().in_use, COUNT * SMALLEST);
    until(|| {
        // Each of these may run some; the pool that is used here is another.
        put(&outer, b"key");
        advance(&outer, 1);
        dropped.load(Ordering::Relaxed) >= 128
    });
    // What is to be overwritten is so by the next thread that comes to the memory, and not inside a pin.
    memory.trim(0);
    let left = COUNT - dropped.load(Ordering::Relaxed);
    assert_eq!(memory.stats().in_use, left * SMALLEST);
}

/// A closure that panics surfaces in the call that runs it; the pool is in order.
#[test]
fn a_deferred_panic_in_any_call_leaves_the_pool_in_order() {
    let (collector, pool) = shared();
    let mut panics = 0;
    for round in 0..if cfg!(miri) { 5 } else { 100_u8 } {
        defer_many(&collector, 65, |guard| {
            guard.defer(|| panic!("as arranged"))
        });
        let before = pool.current_epoch();
        let calls: [&dyn Fn(); 5] = [
            &|| assert!(pool.advance().is_ok()),
            &|| drop(pool.maintain()),
            &|| assert!(pool.retire_before(pool.current_epoch()) < 2),
            &|| assert_eq!(put(&pool, &[round; 10]).len(), 10),
            &|| (0..130).for_each(|_| drop(pool.pin())),
        ];
        panics += calls.iter().filter(|call| caught(call).is_none()).count();
        assert!(pool.current_epoch() >= before);
        assert!(pool.is_live(pool.current_epoch()));
        adds_up(&pool);
    }
    assert!(panics > 0, "no call met the panic: no test");
    until(|| caught(|| pool.maintain()).is_some());
    let handle = put(&pool, b"in order");
    assert_eq!(find(&pool, handle), Some(b"in order".to_vec()));
    until(|| (0..4).all(|_| caught(|| advance(&pool, 1)).is_some()));
    pool.maintain();
    assert_eq!(
        (find(&pool, handle), pool.stats().retired_epochs),
        (None, 0)
    );
    assert!(pool.stats().pinned.is_empty(), "no pin is left behind");
}

/// A closure that runs inside of our pin keeps a guard of its own: that outlives the pin, is reported,
/// and protects; also where the next closure panics, and the pin comes to nothing.
#[test]
fn a_guard_that_a_closure_keeps_outlives_the_pin_it_ran_in() {
    let _limit = limit();
    thread_local! {
        static KEPT: RefCell<Option<ArenaGuard<'static>>> = const { RefCell::new(None) };
    }
    static SHARED: OnceLock<(Collector, ArenaPool)> = OnceLock::new();
    let (collector, pool) = SHARED.get_or_init(|| {
        let (collector, _) = shared();
        let pool = builder(1).collector(collector.clone()).build().unwrap();
        (collector, pool)
    });
    for panics in [false, true] {
        let participant = collector.register();
        let deferring = participant.pin();
        // One bag full, which the closure after the last sends off.
        deferring.defer(|| KEPT.set(Some(pool.pin())));
        deferring.defer(move || assert!(!panics, "as arranged"));
        (0..63).for_each(|_| deferring.defer(|| {}));
        drop(deferring);
        let mut met = false;
        for _ in 0..2_000 {
            met |= caught(|| drop(pool.pin())).is_none();
        }
        assert_eq!(met, panics);
        let kept = KEPT.take().expect("the closure has run");
        let handle = kept.alloc_copy(b"kept").unwrap();
        let bytes = kept.get(handle).unwrap();
        // Under a pin that is not its own, or after it.
        drop(pool.pin());
        advance(pool, 3);
        let report = pool.maintain();
        assert_eq!(report.held_by_guards.epochs, 3);
        // It goes by the pin that it was nested in, also where that came to nothing.
        assert_eq!((report.pinned.len(), report.held_unseen.epochs), (1, 0));
        assert_eq!(bytes, b"kept");
        assert_eq!((kept.get(handle), pool.pin().get(handle)), (None, None));
        drop(kept);
        let report = pool.maintain();
        assert_eq!((report.held_by_guards.epochs, report.pinned), (0, vec![]));
    }
}

/// `alloc_with`'s closure may use the guard it is called from.
#[test]
fn alloc_with_may_be_re_entered() {
    let _limit = limit();
    let pool = pool(4);
    let guard = pool.pin();
    let inner = Cell::new(None);
    let outer = guard.alloc_with(100, |bytes| {
        bytes.fill(1);
        let handle = guard.alloc_with(50, |bytes| {
            bytes.fill(2);
            for _ in 0..300 {
                guard.alloc_copy(&[3; 100]).unwrap();
            }
            advance(&pool, 1);
            inner.set(Some(pool.pin().alloc_copy(&[4; 10]).unwrap()));
        });
        assert_eq!(guard.get(handle.unwrap()), Some(&[2; 50][..]));
        assert!(bytes.iter().all(|b| *b == 1), "its bytes are its own");
    });
    let (outer, inner) = (outer.unwrap(), inner.get().unwrap());
    assert_eq!(guard.get(outer), Some(&[1; 100][..]));
    assert_eq!(guard.get(inner), Some(&[4; 10][..]));
    assert!(
        inner.epoch() > outer.epoch(),
        "the handle is of the epoch of its reservation"
    );
}

/// A handle may be stale at birth.
#[test]
fn alloc_with_that_retires_its_own_epoch_gives_a_stale_handle() {
    let _limit = limit();
    let pool = pool(1);
    let guard = pool.pin();
    let before = guard.epoch();
    let handle = guard.alloc_with(1_000, |bytes| {
        advance(&pool, 2);
        for round in 0..50 {
            put(&pool, &[round; 1_000]);
            advance(&pool, 1);
        }
        // Under the guard: its epoch is retired, but no other epoch has its memory yet.
        assert!(bytes.iter().all(|b| *b == 0));
        bytes.fill(9);
    });
    let handle = handle.unwrap();
    assert_eq!((handle.epoch(), guard.get(handle)), (before, None));
}

#[test]
fn a_panic_in_alloc_with_wastes_its_bytes_and_nothing_else() {
    let pool = pool(2);
    let guard = pool.pin();
    let before = guard.alloc_copy(b"before").unwrap();
    let fault = |len| caught(|| guard.alloc_with(len, |_| panic!("as arranged")));
    for len in [0, 1, 1_000, 100_000] {
        assert!(fault(len).is_none());
    }
    let after = guard.alloc_copy(b"after").unwrap();
    assert_eq!(guard.get(before), Some(&b"before"[..]));
    assert_eq!(guard.get(after), Some(&b"after"[..]));
    drop(guard);
    adds_up(&pool);
    advance(&pool, 2);
    assert_eq!(
        pool.stats().memory.free,
        pool.stats().memory.reserved,
        "wasted until the epoch goes"
    );
}
