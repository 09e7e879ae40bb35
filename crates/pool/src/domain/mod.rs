//! A collector, and what the pools that use it have in common: a clock of retirements, what waits for a grace period,
//! and which threads are pinned.

pub(crate) mod backlog;
pub(crate) mod participant;
pub(crate) mod record;

use std::any::Any;

use crossbeam_epoch::Collector;
use crossbeam_utils::CachePadded;
use epoch_arena_block::Memory;

use backlog::Backlog;
use record::Record;

use crate::sync::{Arc, AtomicU64, Mutex, OnceLock, Ordering, StaticAtomicU64, Weak, lock};

pub(crate) struct Domain {
    /// Never reused, so that a thread's participant of a dead domain matches no other.
    pub id: u64,
    pub collector: Collector,
    pub clock: Arc<Clock>,
    pub backlog: Arc<Backlog>,
    records: Mutex<Records>,
}

/// One record for each thread that has a participant, and some of threads that have ended.
#[derive(Default)]
struct Records {
    list: Vec<Arc<CachePadded<Record>>>,
    /// How long the list may become before those of ended threads are taken out.
    prune_at: usize,
}

/// What a memory keeps: the domain of the pools that are told no collector, and those of collectors that its pools
/// were given.
#[derive(Default)]
struct Domains {
    own: OnceLock<Arc<Domain>>,
    given: Mutex<Vec<Weak<Domain>>>,
}

impl Domain {
    /// One whose collector only the library has.
    pub fn own() -> Arc<Self> {
        Self::with(Collector::new(), false)
    }

    /// One of a collector that others may defer to, too.
    fn shared(collector: Collector) -> Arc<Self> {
        Self::with(collector, true)
    }

    fn with(collector: Collector, is_shared: bool) -> Arc<Self> {
        static DOMAINS: StaticAtomicU64 = StaticAtomicU64::new(0);
        Arc::new(Self {
            // Relaxed: only uniqueness is needed.
            id: DOMAINS.fetch_add(1, Ordering::Relaxed),
            collector,
            clock: Arc::default(),
            backlog: Backlog::new(is_shared),
            records: Mutex::new(Records::default()),
        })
    }

    /// That of the pools over `memory` that use `collector`, or the memory's own.
    pub fn of(memory: &Memory, collector: Option<Collector>) -> Arc<Self> {
        let make = || Box::new(Domains::default()) as Box<dyn Any + Send + Sync>;
        let domains = memory.extension(make).downcast_ref::<Domains>();
        match (domains, collector) {
            (Some(domains), None) => domains.own.get_or_init(Self::own).clone(),
            (Some(domains), Some(collector)) => domains.given(collector),
            // Another layer than this keeps something there, so the pool is on its own.
            (None, collector) => collector.map_or_else(Self::own, Self::shared),
        }
    }

    /// Lists the record of a thread that gets a participant. Constant time, amortised.
    pub fn list(&self, record: &Arc<CachePadded<Record>>) {
        const FEW: usize = 16;
        let mut records = lock(&self.records);
        if records.list.len() >= records.prune_at {
            // Those of threads that have ended: a name and a word.
            records.list.retain(|record| Arc::strong_count(record) > 1);
            records.prune_at = (2 * records.list.len()).max(FEW);
        }
        records.list.push(record.clone());
    }

    /// The threads that are pinned: by name, and since when.
    pub fn pinned(&self) -> Vec<(String, u64)> {
        let records = lock(&self.records);
        let pinned = records.list.iter().filter_map(|record| {
            let since = record.since()?;
            Some((record.thread().to_owned(), since))
        });
        pinned.collect()
    }
}

/// Counts epochs that are opened or retired, of all pools of a domain: a pin shows by it when it was made.
#[derive(Debug, Default)]
pub(crate) struct Clock(CachePadded<AtomicU64>);

impl Clock {
    /// The time now.
    #[inline(always)]
    pub fn now(&self) -> u64 {
        // Relaxed: it is for reports, and nothing is decided by it.
        self.0.load(Ordering::Relaxed)
    }

    /// One more epoch is opened or retired; gives the time of that.
    pub fn tick(&self) -> u64 {
        // Relaxed: as above.
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Domains {
    fn given(&self, collector: Collector) -> Arc<Domain> {
        // Dropped after the lock: each may be the last reference by then, and the end of a collector runs foreign closures.
        let known: Vec<_>;
        let mut given = lock(&self.given);
        given.retain(|domain| domain.strong_count() > 0);
        known = given.iter().filter_map(Weak::upgrade).collect();
        let found = known.iter().find(|domain| domain.collector == collector);
        found.cloned().unwrap_or_else(|| {
            let domain = Domain::shared(collector);
            given.push(Arc::downgrade(&domain));
            domain
        })
    }
}

#[cfg(all(test, not(epoch_arena_loom)))]
mod tests;
