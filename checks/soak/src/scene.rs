//! The state that all threads share: memories, pools that are replaced while in use, leases that lie about.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crossbeam_skiplist::SkipMap;
use epoch_arena::crossbeam_epoch::{self, Collector};
use epoch_arena::{Alignment, AnonymousMap, ArenaKey, ArenaPool, Heap, KeyWriter, Memory};

use crate::counts::{Counts, one};
use crate::faulty::{Faulty, Ledger};
use crate::lend::Lent;
use crate::maps::Kept;
use crate::rng::Rng;

/// Pools at a time.
const SLOTS: usize = 6;
/// Places through which threads get each other's keys, per pool.
const SHELVES: usize = 2048;
/// Leases and snapshots that lie about.
const LENT: usize = 48;
/// Maps of pools at a time.
const MAPS: usize = 4;

/// Everything.
pub struct Scene {
    /// Of all decisions.
    pub seed: u64,
    /// Time is up.
    pub done: AtomicBool,
    /// Workers hold the read lock; `calm` takes the write lock.
    pub gate: RwLock<()>,
    /// The pools.
    pub slots: Vec<Mutex<Arc<Slot>>>,
    /// Leases and snapshots.
    pub lent: Vec<Mutex<Option<Lent>>>,
    /// Maps of pools.
    pub maps: Vec<Mutex<Option<Arc<Kept>>>>,
    /// A map of the default collector's, whose values are keys of pools.
    pub map: SkipMap<u64, ArenaKey>,
    /// The counts of operations.
    pub counts: Counts,
    /// Where blocks come from.
    pub stores: [Store; 2],
    /// For pools of which something is forgotten: it never comes back.
    pub lost: Store,
    /// The collector that pools share.
    pub shared: Collector,
    failures: Mutex<Vec<String>>,
}

/// A memory and its source's ledger.
pub struct Store {
    /// The memory.
    pub memory: Memory,
    /// The source's.
    pub ledger: Arc<Ledger>,
    /// The memory's.
    pub budget: usize,
}

/// A pool in use.
pub struct Slot {
    /// The pool.
    pub pool: ArenaPool,
    /// How its keys are made.
    pub keys: KeyWriter,
    /// Its collector, if users may pin it themselves.
    pub collector: Option<Collector>,
    /// Keys that were written.
    pub shelves: Vec<Mutex<Option<ArenaKey>>>,
}

impl Scene {
    /// The scene of a seed.
    pub fn new(seed: u64) -> Self {
        const MIB: usize = 1 << 20;
        let mut rng = Rng::new(seed, 0);
        let large = Store::new(
            AnonymousMap::new(),
            rng.next(),
            (2 * MIB, 48 * MIB, 16 * MIB),
        );
        let small = Store::new(Heap, rng.next(), (64 << 10, 6 * MIB + 12_345, 2 * MIB));
        let lost = Store::new(Heap, rng.next(), (64 << 10, 32 * MIB, 0));
        let stores = [large, small];
        let (shared, counts) = (Collector::new(), Counts::default());
        let slot = |_| Mutex::new(Arc::new(Slot::new(&mut rng, &stores, &shared, &counts)));
        Self {
            slots: (0..SLOTS).map(slot).collect(),
            seed,
            done: AtomicBool::new(false),
            gate: RwLock::new(()),
            lent: (0..LENT).map(|_| Mutex::new(None)).collect(),
            maps: (0..MAPS).map(|_| Mutex::new(None)).collect(),
            map: SkipMap::new(),
            counts,
            stores,
            lost,
            shared,
            failures: Mutex::new(Vec::new()),
        }
    }

    /// Whether to stop.
    pub fn is_done(&self) -> bool {
        // Relaxed: a little later will do.
        self.done.load(Ordering::Relaxed)
    }

    /// Something is wrong; all workers stop.
    pub fn fail(&self, failure: String) {
        lock(&self.failures).push(failure);
        self.done.store(true, Ordering::Relaxed);
    }

    /// One of the pools.
    pub fn slot(&self, rng: &mut Rng) -> Arc<Slot> {
        lock(&self.slots[rng.below(SLOTS)]).clone()
    }

    /// Puts a new pool in the place of one, which lives as long as a worker has it.
    pub fn replace(&self, rng: &mut Rng) {
        let new = Arc::new(Slot::new(rng, &self.stores, &self.shared, &self.counts));
        let old = std::mem::replace(&mut *lock(&self.slots[rng.below(SLOTS)]), new);
        drop(old); // perhaps the last owner
    }

    /// The place of a map.
    pub fn map_place(&self, rng: &mut Rng) -> &Mutex<Option<Arc<Kept>>> {
        &self.maps[rng.below(MAPS)]
    }

    /// The place of a lease.
    pub fn lent(&self, rng: &mut Rng) -> MutexGuard<'_, Option<Lent>> {
        lock(&self.lent[rng.below(LENT)])
    }

    /// All stores and their names.
    pub fn named_stores(&self) -> [(&'static str, &Store); 3] {
        [
            ("maps", &self.stores[0]),
            ("heap", &self.stores[1]),
            ("lost", &self.lost),
        ]
    }

    /// Drops everything, checks that nothing is left, and reports the failures.
    pub fn end(self) -> Vec<String> {
        let mut failures = self
            .failures
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        drop((self.lent, self.maps, self.slots, self.map));
        for store in self.stores {
            crate::calm::move_on(&store, &self.shared);
            let stats = store.memory.stats();
            if stats.in_use != 0 {
                failures.push(format!("in use with all pools dropped: {stats}"));
            }
            drop(store.memory);
            if store.ledger.out() != 0 {
                failures.push(format!("{} bytes never returned", store.ledger.out()));
            }
        }
        failures
    }
}

impl Store {
    fn new(
        source: impl epoch_arena::Source,
        seed: u64,
        (block, budget, high_water): (usize, usize, usize),
    ) -> Self {
        let (source, ledger) = Faulty::new(source, seed, 50);
        let memory = Memory::builder().source(source).block_size(block);
        let memory = memory.budget(budget).high_water(high_water).build();
        Self {
            memory: memory.expect("valid settings"),
            ledger,
            budget,
        }
    }
}

impl Slot {
    fn new(rng: &mut Rng, stores: &[Store; 2], shared: &Collector, counts: &Counts) -> Self {
        let retained = 1 + rng.below(4);
        let store = &stores[usize::from(rng.once_in(3))];
        let builder = ArenaPool::builder()
            .memory(store.memory.clone())
            .retained_epochs(retained as u32);
        let keys = KeyWriter::new()
            .max_len(1 << 20)
            .alignment(Alignment::new(1 << rng.below(5)).unwrap_or_default());
        let collector = match rng.below(3) {
            0 => None,
            1 => Some(shared.clone()),
            _ => Some(crossbeam_epoch::default_collector().clone()),
        };
        let builder = match rng.below(6) {
            0 => builder.poison_on_reclaim(true),
            1 => builder.zero_on_reclaim(true),
            _ => builder,
        };
        let builder = match &collector {
            Some(collector) => builder.collector(collector.clone()),
            None => builder,
        };
        one(&counts.pools);
        Self {
            pool: builder.build().expect("valid settings"),
            keys,
            collector,
            shelves: (0..SHELVES).map(|_| Mutex::new(None)).collect(),
        }
    }

    /// A key that was written, perhaps long ago.
    pub fn key(&self, rng: &mut Rng) -> Option<ArenaKey> {
        *lock(&self.shelves[rng.below(SHELVES)])
    }

    /// Shows a key to the others.
    pub fn show(&self, rng: &mut Rng, key: ArenaKey) {
        *lock(&self.shelves[rng.below(SHELVES)]) = Some(key);
    }
}

/// The lock, also after a panic: its value is replaced as a whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
