//! What subscribers of `tracing` are told, and that they may do as they like: a subscriber is
//! foreign code, so it finds no lock held, and its panic leaves the pool in order.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use epoch_arena_block::Heap;
use epoch_arena_pool::{AdvanceError, ArenaPool, Memory, WaitError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::ends::{Finish, limit};
use crate::pools::{BLOCK, SMALLEST, adds_up, advance, builder, find, pool, put};
use crate::support::caught;

/// An event as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    name: &'static str,
    level: Level,
    fields: Vec<(&'static str, u64)>,
}

impl Told {
    fn field(&self, name: &str) -> u64 {
        let found = self.fields.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }
}

impl Visit for Told {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((field.name(), value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        assert_eq!(field.name(), "message", "a field without a type");
        assert_eq!(format!("{value:?}"), self.name);
    }
}

/// Does `act` with every event of the pool.
struct Listener<F>(F);

impl<F: Fn(Told) + 'static> Subscriber for Listener<F> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "epoch_arena"
    }

    fn event(&self, event: &Event<'_>) {
        let mut told = Told {
            name: event.metadata().name(),
            level: *event.metadata().level(),
            fields: Vec::new(),
        };
        event.record(&mut told);
        (self.0)(told);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn listening<T>(act: impl Fn(Told) + Send + Sync + 'static, f: impl FnOnce() -> T) -> T {
    // One subscriber listens always, so that `tracing` never remembers that none did: it looks that up once, and other
    // tests come by as well.
    static EVERYWHERE: std::sync::Once = std::sync::Once::new();
    EVERYWHERE.call_once(|| {
        let quiet = tracing::subscriber::set_global_default(Listener(drop::<Told>));
        quiet.expect("no other test sets one");
    });
    tracing::subscriber::with_default(Listener(act), f)
}

/// What is told on this thread while `f` runs.
fn told(f: impl FnOnce()) -> Vec<Told> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let sink = all.clone();
    listening(move |told| sink.lock().unwrap().push(told), f);
    all.lock().unwrap().clone()
}

fn names(all: &[Told]) -> Vec<&'static str> {
    all.iter().map(|told| told.name).collect()
}

#[test]
fn an_epochs_life_is_told_with_its_figures() {
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    let memory = memory.high_water(0).build().unwrap();
    let pool = ArenaPool::builder().memory(memory).build().unwrap();
    put(&pool, b"key");
    let first = pool.current_epoch();
    let all = told(|| {
        advance(&pool, 1);
        advance(&pool, 1);
        pool.maintain();
    });
    assert_eq!(
        names(&all),
        ["advance", "advance", "retire", "reclaim", "trim"]
    );
    let current = pool.current_epoch().number();
    assert_eq!(all[1].field("epoch"), current);
    assert_eq!(all[1].field("before"), all[0].field("epoch"));
    let [retire, reclaim, trim] = [&all[2], &all[3], &all[4]];
    assert_eq!(retire.field("epoch"), first.number());
    assert_eq!(
        (retire.field("epochs"), retire.field("bytes")),
        (1, SMALLEST as u64)
    );
    assert_eq!(
        (reclaim.field("epochs"), reclaim.field("bytes")),
        (1, SMALLEST as u64)
    );
    assert_eq!(trim.field("bytes"), BLOCK as u64);
    assert!(all.iter().all(|told| told.level == Level::DEBUG));
    let same = all.iter().all(|t| t.field("pool") == all[0].field("pool"));
    assert!(same, "all are of one pool");
    let nothing = told(|| {
        pool.maintain();
    });
    assert_eq!(nothing, [], "nothing was done");
}

#[test]
fn refusals_are_told_as_warnings() {
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    let memory = memory.budget(BLOCK).build().unwrap();
    let pool = ArenaPool::builder().memory(memory).retained_epochs(1);
    let pool = pool.build().unwrap();
    let all = told(|| while pool.pin().alloc_copy(&[1; 1_000]).is_ok() {});
    let over = all.last().unwrap();
    assert_eq!((over.name, over.level), ("over budget", Level::WARN));
    assert_eq!(over.field("len"), 1_000);
    assert_eq!(over.field("used"), BLOCK as u64);
    assert_eq!(over.field("budget"), BLOCK as u64);
    assert_eq!(over.field("reclaimable"), 0);
}

/// A subscriber that uses the pool from inside every event: with a lock held it would hang, and a
/// guard of this thread would be seen.
#[test]
fn a_subscriber_may_use_the_pool_and_finds_no_thread_pinned() {
    let _limit = limit();
    let (pool, calls) = (pool(2), Arc::new(AtomicUsize::new(0)));
    let (inner, count) = (pool.clone(), calls.clone());
    let act = move |told: Told| {
        count.fetch_add(1, Ordering::Relaxed);
        if told.name != "over budget" {
            let now = inner.current_epoch();
            let waited = inner.wait_sealed(now, Duration::ZERO);
            assert_eq!(waited, Err(WaitError::TimedOut), "{}: pinned", told.name);
        }
        let handle = put(&inner, b"from inside");
        assert!(inner.lease(handle.epoch()).is_some());
        let moved = inner.advance_from(handle.epoch());
        assert!(matches!(moved, Ok(_) | Err(AdvanceError::Moved(_))));
        inner.retire_before(inner.current_epoch());
        drop((inner.snapshot(), inner.stats(), inner.local()));
        inner.maintain();
        adds_up(&inner);
    };
    listening(act, || {
        for round in 0..20 {
            put(&pool, &[round; 1_000]);
            advance(&pool, 1);
            pool.retire_before(pool.current_epoch());
            pool.maintain();
        }
    });
    assert!(calls.load(Ordering::Relaxed) >= 20);
    advance(&pool, 2);
    assert_eq!(pool.stats().retired_epochs, 0);
    adds_up(&pool);
}

/// Also at the budget's edge, inside a put and inside another pool's call for memory.
#[test]
fn a_subscriber_may_use_the_pools_from_a_put_that_meets_the_budget() {
    let _limit = limit();
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    let memory = memory.budget(4 * BLOCK).build().unwrap();
    let on = |memory: &Memory| {
        let pool = ArenaPool::builder().memory(memory.clone());
        pool.retained_epochs(1).build().unwrap()
    };
    let pools = [on(&memory), on(&memory)];
    let (inner, calls) = (pools.clone(), Arc::new(AtomicUsize::new(0)));
    let count = calls.clone();
    let act = move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        for pool in &inner {
            let guard = pool.pin();
            if let Ok(handle) = guard.alloc_copy(&[7; 100]) {
                assert_eq!(guard.get(handle), Some(&[7; 100][..]));
            }
            let _ = pool.advance();
        }
    };
    let mut refused = 0;
    listening(act, || {
        for round in 0..2_000_usize {
            let guard = pools[round / 300 % 2].pin();
            match guard.alloc_copy(&[round as u8; 1_000]) {
                Ok(handle) => {
                    let bytes = guard.get(handle);
                    assert!(bytes.is_none_or(|bytes| bytes == [round as u8; 1_000]));
                }
                Err(_) => refused += 1,
            }
        }
    });
    assert!(refused > 0 && calls.load(Ordering::Relaxed) > 0);
    assert!(memory.stats().reserved <= 4 * BLOCK);
    pools.iter().for_each(adds_up);
}

#[test]
fn a_subscriber_that_panics_leaves_the_pool_in_order() {
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    let memory = memory.budget(4 * BLOCK).build().unwrap();
    let pool = ArenaPool::builder().memory(memory.clone());
    let pool = pool.retained_epochs(2).build().unwrap();
    let (panics, before) = (AtomicU64::new(0), pool.current_epoch());
    listening(
        |told| panic!("as arranged, at {}", told.name),
        || {
            for round in 0..50_u8 {
                let calls: [&dyn Fn(); 5] = [
                    // Twice, so that the second retires.
                    &|| assert!(pool.advance().is_ok()),
                    &|| assert!(pool.advance().is_ok()),
                    &|| drop(pool.maintain()),
                    &|| assert!(pool.retire_before(pool.current_epoch()) < 3),
                    &|| {
                        // With a batch, whose bytes are claimed when the subscriber panics.
                        let guard = pool.pin();
                        while let Ok(mut batch) = guard.batch(5_000) {
                            batch.push(&[round; 1_000]).unwrap();
                        }
                    },
                ];
                let count = calls.iter().filter(|call| caught(call).is_none()).count();
                panics.fetch_add(count as u64, Ordering::Relaxed);
                adds_up(&pool);
            }
        },
    );
    assert!(panics.load(Ordering::Relaxed) >= 100);
    assert!(pool.current_epoch() > before, "the epoch moves on first");
    assert!(memory.stats().reserved <= 4 * BLOCK);
    assert!(pool.stats().pinned.is_empty(), "no pin is left behind");
    advance(&pool, 2);
    pool.maintain();
    assert_eq!(pool.stats().retired_epochs, 0, "nothing was lost");
    let handle = put(&pool, b"in order");
    assert_eq!(find(&pool, handle), Some(b"in order".to_vec()));
    adds_up(&pool);
}

/// Readers are told nothing, whatever closures of the pool their pins run; nor is a put with room.
#[test]
fn pins_reads_and_puts_with_room_tell_nothing() {
    let pool = builder(2).build().unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|s| {
        let finish = Finish(&ended);
        let reader = s.spawn(|| {
            told(|| {
                let handle = put(&pool, b"in a chunk of its own");
                while !ended.load(Ordering::Relaxed) {
                    let guard = pool.pin();
                    assert!(guard.get(handle).is_none_or(|bytes| bytes.len() == 21));
                }
            })
        });
        for round in 0..200 {
            put(&pool, &[round; 100]);
            advance(&pool, 1);
        }
        drop(finish);
        assert_eq!(reader.join().unwrap(), []);
    });
}
