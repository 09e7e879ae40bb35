//! The state that the threads of a program share, and the model of it.

use std::sync::Arc;
use std::time::Duration;

use epoch_arena::crossbeam_epoch::Collector;
use epoch_arena::{
    AllocError, ArenaHandle, ArenaKey, ArenaPool, Block, Epoch, KeyRef, Lease, MAX_LEN, Memory,
    MemoryError, Resolve, Snapshot, WaitError,
};

use super::pool::{Domain, PoolModel, Time};
use super::program::{Pick, Program};
use crate::faulty::{Faults, Faulty};
use crate::setup::{MemorySetup, PoolSetup, Scrub, bytes_of};

/// The most pools of a program.
const MOST_POOLS: usize = 5;
/// The most leases and blocks at a time.
const MOST_HELD: usize = 24;
/// The most that an allocation takes beside its bytes: a chunk's header, and some more.
const HEADER: usize = 64;

/// Everything but the threads' own state.
pub struct World {
    clock: Time,
    /// The collector that pools may share.
    pub collector: Collector,
    /// The memories.
    pub memories: Vec<MemoryModel>,
    /// All pools there ever were.
    pub pools: Vec<PoolModel>,
    /// All handles there ever were.
    pub made: Vec<Made>,
    leases: Vec<Leased>,
    blocks: Vec<(usize, Block)>,
    pins: Vec<Pin>,
    seeds: u64,
}

/// A memory and its source.
pub struct MemoryModel {
    setup: MemorySetup,
    faults: Faults,
    memory: Memory,
}

/// A handle, and the bytes that it stands for.
pub struct Made {
    pool: usize,
    handle: ArenaHandle,
    key: Option<ArenaKey>,
    bytes: Vec<u8>,
}

/// Bytes that were borrowed, and of which handle.
pub struct Seen {
    bytes: &'static [u8],
    made: usize,
}

/// A lease or snapshot.
struct Leased {
    /// Bytes that it gave; dropped before it.
    seen: Vec<Seen>,
    lessor: Arc<Lessor>,
    pool: usize,
    epochs: Vec<Epoch>,
}

enum Lessor {
    Lease(Lease),
    Snapshot(Snapshot),
}

/// A participant that is pinned.
struct Pin {
    domain: Domain,
    thread: usize,
    whose: Whose,
    since: Time,
    guards: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The thread's, by what all pools of a memory and a collector have in common.
    Pool(usize),
    /// The user's own.
    User(usize),
}

impl World {
    /// The world as a program begins.
    pub fn new(program: &Program) -> Self {
        let memories = program.memories.map(|setup| {
            let (source, faults) = Faulty::new(setup.plan);
            MemoryModel {
                setup,
                faults,
                memory: setup.build(source),
            }
        });
        let mut world = Self {
            clock: 0,
            collector: Collector::new(),
            memories: memories.into(),
            pools: Vec::new(),
            made: Vec::new(),
            leases: Vec::new(),
            blocks: Vec::new(),
            pins: Vec::new(),
            seeds: 0,
        };
        world.new_pool(program.pool);
        world
    }

    /// One moment later.
    pub fn tick(&mut self) -> Time {
        self.clock += 1;
        self.clock
    }

    // Pools.

    /// Makes one, if there are not many already.
    pub fn new_pool(&mut self, setup: PoolSetup) {
        if self.pools.len() < MOST_POOLS {
            let memories: Vec<_> = self.memories.iter().map(|m| m.memory.clone()).collect();
            let pool = setup.build(&memories, &self.collector);
            assert!(
                self.pools
                    .iter()
                    .all(|old| old.current() < pool.current_epoch())
            );
            self.pools.push(PoolModel::new(setup, pool));
        }
    }

    /// One of the pools that the program has a handle of.
    pub fn pool(&self, pick: Pick) -> Option<(usize, ArenaPool)> {
        let mut pools: Vec<_> = self.present().collect();
        let at = index(&pools, pick)?;
        Some(pools.swap_remove(at))
    }

    /// All of them.
    pub fn present(&self) -> impl Iterator<Item = (usize, ArenaPool)> {
        let pools = self.pools.iter().enumerate();
        pools.filter_map(|(at, model)| Some((at, model.pool.clone()?)))
    }

    /// An epoch, of the pool or, at times, of another one.
    pub fn epoch(&self, pool: usize, pick: Pick) -> Epoch {
        let pool = if pick < 24 {
            pool
        } else {
            usize::from(pick) % self.pools.len()
        };
        let epochs = &self.pools[pool].epochs;
        epochs[epochs.len() - 1 - usize::from(pick) % epochs.len()].epoch
    }

    // Who is pinned.

    /// A guard of this pool is there, beside the guard of a participant or not.
    pub fn pinned(&mut self, thread: usize, pool: usize, participant: Option<usize>) {
        let since = self.tick();
        self.pools[pool].keepers += 1;
        let domain = self.pools[pool].domain;
        let whose = self.whose(pool);
        for whose in participant.map(Whose::User).into_iter().chain([whose]) {
            if self.pin_of(thread, whose).is_none() {
                self.pins.push(Pin {
                    domain,
                    thread,
                    whose,
                    since,
                    guards: 0,
                });
            }
        }
        let pin = self.pin_of(thread, whose).expect("just added");
        pin.guards += 1;
    }

    /// It goes.
    pub fn unpinned(&mut self, thread: usize, pool: usize, participant: Option<usize>) {
        self.tick();
        self.pools[pool].keepers -= 1;
        let pin = self.pin_of(thread, self.whose(pool)).expect("pinned");
        pin.guards -= 1;
        let gone = |pin: &Pin| match pin.whose {
            Whose::Pool(_) => pin.guards == 0,
            Whose::User(user) => pin.thread == thread && Some(user) == participant,
        };
        self.pins.retain(|pin| !gone(pin));
    }

    /// It was refreshed.
    pub fn refreshed(&mut self, thread: usize, pool: usize, participant: Option<usize>) {
        let now = self.tick();
        if self.is_alone(thread, pool) {
            self.pin_of(thread, self.whose(pool)).expect("pinned").since = now;
        }
        if let Some(user) = participant {
            self.pin_of(thread, Whose::User(user))
                .expect("pinned")
                .since = now;
        }
    }

    /// Whether the thread has exactly one guard of the pool, and none of its neighbours.
    pub fn is_alone(&mut self, thread: usize, pool: usize) -> bool {
        let pin = self.pin_of(thread, self.whose(pool)).expect("pinned");
        pin.guards == 1
    }

    /// The participants of a pool's threads.
    fn whose(&self, pool: usize) -> Whose {
        Whose::Pool(self.pools[pool].participants)
    }

    fn pin_of(&mut self, thread: usize, whose: Whose) -> Option<&mut Pin> {
        let mut pins = self.pins.iter_mut();
        pins.find(|pin| pin.thread == thread && pin.whose == whose)
    }

    /// Whether a pinned thread holds back this pool.
    pub fn is_pinned(&self, pool: usize) -> bool {
        self.is_pinned_since(pool, Time::MAX)
    }

    /// Whether one that pinned before `time` does.
    fn is_pinned_since(&self, pool: usize, time: Time) -> bool {
        let domain = self.pools[pool].domain;
        let mut pins = self.pins.iter();
        pins.any(|pin| pin.domain == domain && pin.since < time)
    }

    // Allocations.

    /// A new allocation's bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        self.seeds += 1;
        bytes_of(self.seeds, len)
    }

    /// Failures of the pool's source.
    pub fn failures(&self, pool: usize) -> usize {
        let memory = self.pools[pool].setup.memory;
        self.memories[memory].faults.failures()
    }

    /// An allocation was made and counts.
    pub fn put(&mut self, pool: usize, handle: ArenaHandle, bytes: Vec<u8>) {
        let current = self.pools[pool].current();
        self.counted(pool, current, bytes.len());
        self.made(pool, current, handle, bytes, None);
    }

    /// An allocation counts, whether or not it becomes a handle.
    pub fn counted(&mut self, pool: usize, epoch: Epoch, len: usize) {
        self.pools[pool].epoch(epoch).count(1, len as isize);
    }

    /// There is a handle.
    pub fn made(
        &mut self,
        pool: usize,
        epoch: Epoch,
        handle: ArenaHandle,
        bytes: Vec<u8>,
        key: Option<ArenaKey>,
    ) {
        assert_eq!((handle.epoch(), handle.len()), (epoch, bytes.len()));
        self.made.push(Made {
            pool,
            handle,
            key,
            bytes,
        });
    }

    /// An allocation was refused, with this many failures of the source before it: rightly?
    pub fn refused(
        &self,
        pool: usize,
        (len, align): (usize, usize),
        before: usize,
        error: AllocError,
    ) {
        let memory = &self.memories[self.pools[pool].setup.memory];
        match error {
            AllocError::TooLong => assert!(len > MAX_LEN),
            AllocError::Memory(MemoryError::OverBudget(_)) => {
                let budget = memory.setup.budget.expect("there is a budget");
                let needed = (len + align + HEADER).next_multiple_of(memory.setup.block);
                // Free blocks go; the rest is in blocks of which a part is in use.
                memory.memory.trim(0);
                let reserved = memory.memory.stats().reserved;
                assert!(
                    reserved + needed > budget,
                    "{reserved} + {needed} are within {budget}"
                );
            }
            AllocError::Memory(MemoryError::Source(_)) => {
                assert!(self.failures(pool) > before, "the source did not fail");
            }
            other => panic!("{other}"),
        }
    }

    // Looking.

    /// One of the handles.
    pub fn handle(&self, pick: Pick) -> Option<(usize, ArenaHandle)> {
        // The latest are the more interesting.
        let at = index(&self.made, pick)?;
        let at = self.made.len() - 1 - at;
        Some((at, self.made[at].handle))
    }

    /// Looks handle `at` up in `resolve`, of this pool; it must give its bytes, if its epoch is
    /// one for which `live` holds, and nothing else.
    fn look<'r>(
        &self,
        at: usize,
        pool: usize,
        resolve: &'r impl Resolve,
        live: impl Fn(Epoch) -> bool,
    ) -> Option<&'r [u8]> {
        let made = &self.made[at];
        let expected = made.pool == pool && live(made.handle.epoch());
        let found = resolve.get(made.handle);
        assert_eq!(found.is_some(), expected, "handle {at} in pool {pool}");
        if let Some(found) = found {
            assert!(found == made.bytes, "handle {at} has other bytes");
        }
        if let Some(key) = made.key {
            let key = key.resolve(resolve);
            assert_eq!(key.is_some(), expected);
            assert!(key.is_none_or(|key| key == KeyRef::new(&made.bytes)));
        }
        found
    }

    /// Looks a handle up under a guard, which lives as long as the result is used.
    pub fn look_under(&self, at: usize, pool: usize, guard: &'static impl Resolve) -> Option<Seen> {
        let found = self.look(at, pool, guard, |epoch| self.pools[pool].is_live(epoch));
        found.map(|bytes| Seen { bytes, made: at })
    }

    /// Looks all handles up under a guard.
    pub fn look_all(&self, pool: usize, guard: &impl Resolve) {
        for at in 0..self.made.len() {
            self.look(at, pool, guard, |epoch| self.pools[pool].is_live(epoch));
        }
    }

    /// Bytes that are still borrowed must not have changed.
    pub fn check_seen(&self, seen: &[Seen]) {
        for seen in seen {
            let bytes = &self.made[seen.made].bytes;
            assert!(
                seen.bytes == bytes,
                "handle {} changed while borrowed",
                seen.made
            );
        }
    }

    // Leases.

    /// A lease of one epoch.
    pub fn lease(&mut self, pool: usize, handle: &ArenaPool, epoch: Epoch) {
        let lease = handle.lease(epoch);
        assert_eq!(lease.is_some(), self.pools[pool].is_live(epoch));
        if let Some(lease) = lease {
            assert_eq!(lease.epoch(), epoch);
            self.leased(pool, vec![epoch], Lessor::Lease(lease));
        }
    }

    /// A snapshot.
    pub fn snapshot(&mut self, pool: usize, handle: &ArenaPool) {
        let snapshot = handle.snapshot();
        let epochs: Vec<_> = snapshot.epochs().collect();
        let live = self.pools[pool].live().iter().map(|live| live.epoch);
        assert!(live.eq(epochs.iter().copied()));
        self.leased(pool, epochs, Lessor::Snapshot(snapshot));
    }

    fn leased(&mut self, pool: usize, epochs: Vec<Epoch>, lessor: Lessor) {
        if self.leases.len() < MOST_HELD {
            self.pools[pool].keepers += 1;
            self.leases.push(Leased {
                seen: Vec::new(),
                lessor: Arc::new(lessor),
                pool,
                epochs,
            });
        }
    }

    /// Another of a lease or snapshot.
    pub fn clone_lease(&mut self, pick: Pick) {
        if let Some(at) = index(&self.leases, pick) {
            let Leased {
                pool,
                ref epochs,
                ref lessor,
                ..
            } = self.leases[at];
            let epochs = epochs.clone();
            let lessor = match &**lessor {
                Lessor::Lease(lease) => Lessor::Lease(lease.clone()),
                Lessor::Snapshot(snapshot) => Lessor::Snapshot(snapshot.clone()),
            };
            self.leased(pool, epochs, lessor);
        }
    }

    /// A lease or snapshot goes.
    pub fn drop_lease(&mut self, pick: Pick) {
        if let Some(at) = index(&self.leases, pick) {
            let lease = self.leases.swap_remove(at);
            self.check_seen(&lease.seen);
            self.pools[lease.pool].keepers -= 1;
        }
    }

    /// All of them go.
    pub fn drop_leases(&mut self) {
        while !self.leases.is_empty() {
            self.drop_lease(0);
        }
    }

    /// A handle is looked up in a lease or snapshot, and its bytes are kept.
    pub fn look_leased(&mut self, lease: Pick, which: Pick) {
        let (Some(lease), Some((at, _))) = (index(&self.leases, lease), self.handle(which)) else {
            return;
        };
        if let Some(bytes) = self.look_in(at, &self.leases[lease]) {
            // SAFETY: the lessor stays in its `Arc`, behind `seen` in the order of drops.
            let bytes = unsafe { &*std::ptr::from_ref(bytes) };
            self.leases[lease].seen.push(Seen { bytes, made: at });
        }
    }

    fn look_in<'l>(&self, at: usize, lease: &'l Leased) -> Option<&'l [u8]> {
        let held = |epoch| lease.epochs.contains(&epoch);
        match &*lease.lessor {
            Lessor::Lease(lessor) => self.look(at, lease.pool, lessor, held),
            Lessor::Snapshot(lessor) => self.look(at, lease.pool, lessor, held),
        }
    }

    /// Every handle in every lease, and under a fresh guard of every pool.
    pub fn look_around(&self) {
        for lease in &self.leases {
            self.check_seen(&lease.seen);
            for at in 0..self.made.len() {
                self.look_in(at, lease);
            }
        }
        for (pool, handle) in self.present() {
            self.look_all(pool, &handle.pin());
        }
    }

    fn is_leased(&self, epoch: Epoch) -> bool {
        let mut leases = self.leases.iter();
        leases.any(|lease| lease.epochs.contains(&epoch))
    }

    /// Retired epochs of the pool that are leased.
    pub fn leased_retired(&self, pool: usize) -> usize {
        let retired = self.pools[pool].retired().iter();
        retired.filter(|epoch| self.is_leased(epoch.epoch)).count()
    }

    /// Whether a retired epoch cannot be reclaimed yet.
    fn must_be_there(&self, pool: usize, epoch: Epoch, retired: Time) -> bool {
        self.is_leased(epoch) || self.is_pinned_since(pool, retired)
    }

    // Figures.

    /// Everything a pool can be asked.
    pub fn ask(&mut self, pool: usize, handle: &ArenaPool) {
        let model = &self.pools[pool];
        let stats = handle.stats();
        let sum = stats.live + stats.retired + stats.quarantined;
        assert_eq!(handle.bytes(), sum);
        assert_eq!(
            (stats.current, handle.current_epoch()),
            (model.current(), model.current())
        );
        assert_eq!(stats.live_epochs, model.live().len());
        let allocations = model.live().iter().map(|epoch| epoch.allocations);
        assert_eq!(stats.allocations, allocations.sum::<usize>());
        assert_eq!(
            stats.payload,
            model.live().iter().map(|e| e.payload).sum::<usize>()
        );
        let (guards, leases) = (stats.held_by_guards, stats.held_by_leases);
        // There may also be epochs that nothing holds and that are not reclaimed yet.
        assert!(stats.retired_epochs >= guards.epochs + leases.epochs);
        assert!(stats.retired >= guards.bytes + leases.bytes);
        assert!(leases.epochs <= self.leased_retired(pool));
        let owners = stats.leases.iter().map(|lease| lease.owners);
        let leases = self.leases.iter().filter(|lease| lease.pool == pool);
        // A snapshot is a lease of each.
        let leased = leases.map(|lease| lease.epochs.len());
        assert_eq!(owners.sum::<usize>(), leased.sum::<usize>());
        let pins = self.pins.iter().filter(|pin| pin.whose == self.whose(pool));
        assert_eq!(stats.pinned.len(), pins.count());

        let mut there = 0;
        for epoch in &model.epochs {
            let of = handle.stats_of(epoch.epoch);
            match epoch.retired {
                None => assert!(of.is_some()),
                Some(time) => {
                    assert!(of.is_some() || !self.must_be_there(pool, epoch.epoch, time));
                    there += usize::from(of.is_some());
                }
            }
            if let Some(of) = of {
                assert_eq!(
                    (of.payload, of.allocations),
                    (epoch.payload, epoch.allocations)
                );
                assert!(of.payload <= of.used && of.used <= of.capacity);
            }
            assert_eq!(handle.is_live(epoch.epoch), epoch.retired.is_none());
        }
        // Others are to be overwritten, or are not forgotten yet.
        assert!(there <= stats.retired_epochs);
        for other in self
            .pools
            .iter()
            .filter(|other| other.current() != model.current())
        {
            for epoch in &other.epochs {
                assert!(!handle.is_live(epoch.epoch) && handle.stats_of(epoch.epoch).is_none());
            }
        }
        self.ask_sealed(pool, handle);
    }

    /// `wait_sealed`, on a thread that has a guard of the pool or not.
    pub fn wait_sealed(&mut self, pool: usize, handle: &ArenaPool, pick: Pick, thread: usize) {
        let here = self.pin_of(thread, self.whose(pool)).is_some();
        let model = &self.pools[pool];
        let at = model.epochs.len() - 1 - usize::from(pick) % model.epochs.len();
        let current = at == model.epochs.len() - 1;
        let own = self.is_alone_there(pool);
        let certain = own && !current && !self.is_pinned(pool);
        let patience = Duration::from_secs(if certain { 60 } else { 0 });
        let epoch = model.epochs[at].epoch;
        match handle.wait_sealed(epoch, patience) {
            Ok(()) => assert!(!current && handle.is_sealed(epoch)),
            Err(WaitError::Pinned) => assert!(here),
            Err(WaitError::TimedOut) => assert!(!here && !certain),
            Err(other) => panic!("{other}"),
        }
        self.ask_sealed(pool, handle);
    }

    /// A sealed epoch stays so; an epoch that a guard may write to is not sealed.
    fn ask_sealed(&mut self, pool: usize, handle: &ArenaPool) {
        for at in 0..self.pools[pool].epochs.len() {
            let epoch = &self.pools[pool].epochs[at];
            let sealed = handle.is_sealed(epoch.epoch);
            assert!(sealed || !epoch.sealed, "unsealed again");
            let written = epoch
                .left
                .is_none_or(|left| self.is_pinned_since(pool, left));
            assert!(!(sealed && written), "sealed under a writer");
            self.pools[pool].epochs[at].sealed = sealed;
        }
    }

    /// The state that `maintain` must have reached where no thread was pinned.
    pub fn maintained(&mut self, pool: usize, handle: &ArenaPool) {
        let report = handle.maintain();
        let leased = self.leased_retired(pool);
        assert!(report.held_by_leases.epochs <= leased);
        let clean = !self.is_pinned(pool) && self.is_alone_there(pool);
        if clean {
            self.assert_clean(pool, handle);
        }
        assert!(self.is_pinned(pool) || report.pinned.is_empty());
    }

    /// Whether no other pool has callbacks before this one's.
    fn is_alone_there(&self, pool: usize) -> bool {
        let domain = self.pools[pool].domain;
        let all = self.pools.iter().filter(|model| model.domain == domain);
        matches!(domain, Domain::Own(_)) && all.count() == 1
    }

    fn assert_clean(&mut self, pool: usize, handle: &ArenaPool) {
        let (leased, stats) = (self.leased_retired(pool), handle.stats());
        assert_eq!(stats.held_by_guards.epochs, 0, "nobody is pinned: {stats}");
        assert_eq!(stats.held_by_leases.epochs, leased, "{stats}");
        let (_, left) = self.pools[pool]
            .epochs
            .split_last()
            .expect("one is current");
        assert!(left.iter().all(|epoch| handle.is_sealed(epoch.epoch)));
    }

    // Memories.

    /// A block beside the pools.
    pub fn take_block(&mut self, memory: Pick, len: usize) {
        let at = usize::from(memory) % self.memories.len();
        if self.blocks.len() < MOST_HELD
            && let Ok(block) = self.memories[at].memory.block(len)
        {
            self.blocks.push((at, block));
        }
    }

    /// One of them goes back.
    pub fn give_block(&mut self, pick: Pick) {
        if let Some(at) = index(&self.blocks, pick) {
            self.blocks.swap_remove(at);
        }
    }

    /// A memory is trimmed.
    pub fn trim(&self, memory: Pick, keep: usize) {
        let memory = &self.memories[usize::from(memory) % self.memories.len()];
        memory.memory.trim(keep);
        assert_eq!(memory.memory.trim(keep), 0, "no more than that can go");
    }

    /// The memories' figures, after every step.
    pub fn check_memories(&self) {
        for (at, memory) in self.memories.iter().enumerate() {
            let stats = memory.memory.stats();
            assert!(stats.reserved <= stats.budget.unwrap_or(usize::MAX));
            assert_eq!(stats.reserved, stats.in_use + stats.free);
            assert_eq!(stats.reserved, memory.faults.outstanding());
            let blocks = self.blocks.iter().filter(|(of, _)| *of == at);
            let blocks: usize = blocks.map(|(_, block)| block.capacity()).sum();
            assert!(stats.in_use >= blocks);
        }
    }

    /// The bytes in use are the pools' and the blocks', exactly.
    pub fn check_in_use(&self) {
        for (at, memory) in self.memories.iter().enumerate() {
            // Callbacks of dropped pools wait for the next user of the collector.
            for shared in [false, true] {
                let helper = ArenaPool::builder().memory(memory.memory.clone());
                let helper = match shared {
                    true => helper.collector(self.collector.clone()),
                    false => helper,
                };
                let helper = helper.build().expect("valid settings");
                for _ in 0..64 {
                    helper.maintain();
                }
            }
            let blocks = self.blocks.iter().filter(|(of, _)| *of == at);
            let mut sum: usize = blocks.map(|(_, block)| block.capacity()).sum();
            let mut exact = true;
            for model in self.pools.iter().filter(|model| model.setup.memory == at) {
                match &model.pool {
                    Some(pool) => sum += pool.bytes(),
                    None => exact &= model.keepers == 0,
                }
            }
            let in_use = memory.memory.stats().in_use;
            assert!(
                sum == in_use || sum < in_use && !exact,
                "{sum} of {in_use}: {}",
                memory.memory.usage()
            );
        }
    }

    // The end.

    /// The program's handles go.
    pub fn drop_pools(&mut self) {
        for model in &mut self.pools {
            model.pool = None;
        }
    }

    /// When nothing is held any more, all memory comes back.
    pub fn end(mut self) {
        assert!(self.pins.is_empty());
        self.look_around();
        self.drop_leases();
        for (pool, handle) in self.present().collect::<Vec<_>>() {
            // Callbacks of other pools that share the collector are in front of this one's.
            for _ in 0..64 {
                handle.maintain();
            }
            self.assert_clean(pool, &handle);
            handle.advance().expect("it is never refused");
            handle.retire_before(handle.current_epoch());
            for _ in 0..4 {
                handle.maintain();
            }
            let stats = handle.stats();
            assert_eq!((stats.retired_epochs, stats.live), (0, 0), "{stats}");
            let quarantined = self.pools[pool].setup.scrub == Scrub::Quarantine;
            assert!(quarantined || handle.bytes() == 0, "{stats}");
        }
        self.check_in_use();
        self.drop_pools();
        self.check_in_use();
        self.blocks.clear();
        for memory in self.memories {
            assert_eq!(memory.memory.stats().in_use, 0);
            drop(memory.memory);
            assert_eq!(memory.faults.outstanding(), 0);
        }
    }
}

/// An index into `items`, if there are any.
pub fn index<T>(items: &[T], pick: Pick) -> Option<usize> {
    (!items.is_empty()).then(|| usize::from(pick) % items.len())
}
