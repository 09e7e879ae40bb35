//! This library.

use std::marker::PhantomData;

use epoch_arena::{
    AnonymousMap, ArenaGuard, ArenaHandle, ArenaPool, Memory, MemoryBuilder, Resolve,
};

use crate::contest::{Contestant, Plan, Resolver, look, store, timed};
use crate::groups::churn::Epochs;
use crate::wire::Keys;

/// One pin for 64 keys: how a write batch uses the library.
pub const PIN_PER_64: usize = 64;
/// One pin for each key.
pub const PIN_EACH: usize = 1;
/// One pin for all keys.
pub const PIN_ONCE: usize = usize::MAX;
/// The same, refreshed every 64 keys if it must.
pub const REFRESH: usize = PIN_ONCE - 1;
/// One pin, and the keys in batches of 64 whose bytes are known.
pub const BATCHES: usize = PIN_ONCE - 2;
/// One pin, and handles that are asked for before their turn.
pub const AHEAD: usize = PIN_ONCE - 3;

/// How the memory is set up; everything else is as it is by default.
pub trait Setup: Clone + Send + 'static {
    /// The settings for a load of so many bytes.
    fn memory(bytes: usize) -> MemoryBuilder;
}

/// The default settings.
#[derive(Clone, Copy, Debug)]
pub struct AsItIs;

/// With blocks for the whole load whose pages are in memory beforehand, by `maintain`.
#[derive(Clone, Copy, Debug)]
pub struct Prefaulted;

/// Without huge pages.
#[derive(Clone, Copy, Debug)]
pub struct SmallPages;

impl Setup for AsItIs {
    fn memory(_bytes: usize) -> MemoryBuilder {
        Memory::builder()
    }
}

impl Setup for Prefaulted {
    fn memory(bytes: usize) -> MemoryBuilder {
        // Chunks have headers and a rest: an eighth more, and a block.
        Memory::builder().prefault(bytes + bytes / 8 + (2 << 20))
    }
}

impl Setup for SmallPages {
    fn memory(_bytes: usize) -> MemoryBuilder {
        Memory::builder().source(AnonymousMap::new().huge_pages(false))
    }
}

/// A pool for the whole crew, each worker with its implicit per-thread arena.
#[derive(Clone)]
#[expect(
    missing_debug_implementations,
    reason = "a benchmark's worker is never shown"
)]
pub struct Ours<const WAY: usize, S = AsItIs>(ArenaPool, PhantomData<S>);

fn pool<S: Setup>(retained: u32, bytes: usize) -> ArenaPool {
    let memory = S::memory(bytes).build().expect("the settings are valid");
    let pool = ArenaPool::builder()
        .retained_epochs(retained)
        .memory(memory)
        .build()
        .expect("the default settings build");
    pool.maintain();
    pool
}

impl<const WAY: usize> Ours<WAY> {
    /// One worker over a pool that retains `live` epochs.
    pub fn retaining(live: u32) -> Self {
        Self(pool::<AsItIs>(live, 0), PhantomData)
    }
}

#[inline(always)]
fn copy_in(guard: &ArenaGuard<'_>, key: &[u8]) -> ArenaHandle {
    guard
        .alloc_copy(key)
        .expect("no budget is set, and a key is short")
}

impl<const WAY: usize, S> Ours<WAY, S> {
    /// Pins and unpins: a thread's first pin registers it, and that is no part of a put.
    pub fn register(&self) {
        drop(self.0.pin());
    }
}

impl<const WAY: usize, S: Setup> Contestant for Ours<WAY, S> {
    type Handle = ArenaHandle;

    fn crew(plan: Plan) -> Vec<Self> {
        vec![Self(pool::<S>(1, plan.bytes * plan.workers), PhantomData); plan.workers]
    }

    #[inline(always)]
    fn put(&mut self, key: &[u8]) -> ArenaHandle {
        copy_in(&self.0.pin(), key)
    }

    #[inline(never)]
    fn fill(&mut self, keys: &Keys, out: &mut Vec<ArenaHandle>) {
        match WAY {
            PIN_EACH => store(keys.iter(), out, |key| self.put(key)),
            REFRESH => {
                let mut guard = self.0.pin();
                for (start, end) in keys.parts(PIN_PER_64) {
                    guard.refresh_if_needed();
                    store(keys.range(start, end), out, |key| copy_in(&guard, key));
                }
            }
            BATCHES => {
                let guard = self.0.pin();
                for (start, end) in keys.parts(PIN_PER_64) {
                    let batch = guard.batch(keys.bytes_of(start, end));
                    let mut batch = batch.expect("no budget is set");
                    store(keys.range(start, end), out, |key| {
                        batch.push(key).expect("the batch is as long as its keys")
                    });
                }
            }
            _ => {
                for (start, end) in keys.parts(WAY) {
                    let guard = self.0.pin();
                    store(keys.range(start, end), out, |key| copy_in(&guard, key));
                }
            }
        }
    }

    fn fill_timed(&mut self, keys: &Keys, out: &mut Vec<ArenaHandle>, ticks: &mut Vec<u64>) {
        let mut guard = None;
        for (at, key) in keys.iter().enumerate() {
            // The first put of a batch pays for the last one's unpin and its own pin: nothing is left out.
            out.push(timed(ticks, || {
                if at % WAY == 0 {
                    drop(guard.take());
                }
                copy_in(guard.get_or_insert_with(|| self.0.pin()), key)
            }));
        }
    }

    fn reset(&mut self, out: &mut Vec<ArenaHandle>) {
        out.clear();
    }

    /// Retires the current epoch. With no thread pinned, `advance` reclaims it too, and the next keys find the same chunks.
    fn reset_shared(&mut self) {
        self.0
            .advance()
            .expect("it is never refused for what is held");
    }

    fn is_reclaimed(&self) -> bool {
        self.0.stats().retired_epochs == 0
    }

    fn reserved(&self) -> Option<usize> {
        Some(self.0.memory().stats().reserved)
    }
}

impl<const WAY: usize, S: Setup> Resolver for Ours<WAY, S> {
    #[inline(never)]
    fn resolve(&mut self, handles: &[ArenaHandle]) -> u64 {
        let look = |key: Option<&[u8]>| look(key.expect("the epoch is live"));
        let mut sum = 0;
        for part in handles.chunks(WAY) {
            let guard = self.0.pin();
            sum += if WAY == AHEAD {
                guard.get_each(part).map(look).sum::<u64>()
            } else {
                part.iter().map(|one| look(guard.get(*one))).sum()
            };
        }
        sum
    }
}

/// The pool's own window of epochs, as the churn loads use it.
#[expect(
    missing_debug_implementations,
    reason = "a benchmark's worker is never shown"
)]
pub struct OursEpochs(ArenaPool);

impl OursEpochs {
    /// A pool that retains `live` epochs.
    pub fn new<S: Setup>(live: u32) -> Self {
        Self(pool::<S>(live, 0))
    }
}

impl Epochs for OursEpochs {
    fn put(&mut self, key: &[u8]) {
        std::hint::black_box(copy_in(&self.0.pin(), key));
    }

    fn next_epoch(&mut self) {
        self.0
            .advance()
            .expect("it is never refused for what is held");
    }

    fn reserved(&self) -> Option<usize> {
        Some(self.0.memory().stats().reserved)
    }
}
