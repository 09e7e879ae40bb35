//! The state of a pool: slots, arenas, and the list of which epoch is where, under one lock.
//!
//! Nothing here calls crossbeam-epoch: what must be deferred is returned to the caller, who does
//! so without the lock. (A pin or a flush runs *foreign* closures, which may call back.)

use std::collections::VecDeque;

use crossbeam_epoch::Collector;
use crossbeam_utils::CachePadded;
use epoch_arena_block::{Memory, Relieve};
use epoch_arena_core::raw::{Chunks, EpochCounter, Scrub};
use epoch_arena_core::{Epoch, pack};

use crate::error::AdvanceError;
use crate::lease_entry::LeaseList;
use crate::record::Record;
use crate::slots::Slots;
use crate::status::{HeldBy, Status};
use crate::sync::{
    Arc, Condvar, Mutex, MutexGuard, OnceLock, Ordering, StaticAtomicU64, lock, wait,
};
use crate::trace;

pub(crate) struct Core {
    /// Never reused, so that a thread's cached state of a dead pool matches no other.
    pub id: u64,
    pub slots: Slots,
    /// Arena `i` is slot `i`'s.
    pub chunks: Chunks,
    pub collector: Collector,
    pub settings: Settings,
    /// Per slot. Shared with the deferred closures, which may outlive the pool.
    pub statuses: Arc<[CachePadded<Status>]>,
    counter: &'static EpochCounter,
    state: Mutex<State>,
    /// With `state`: an epoch is claimed no more.
    unclaimed: Condvar,
}

#[derive(Debug)]
pub(crate) struct Settings {
    pub retained_epochs: usize,
    pub scrub: Scrub,
}

/// Invariant: every slot is taken by exactly one of `live` and `retired`, or vacant; the stamps of
/// the live are set, and no others. All have room for all slots, so nothing here allocates.
pub(crate) struct State {
    /// Stamps, oldest first; the last is the current one, which is never retired.
    pub live: VecDeque<u64>,
    /// Epochs whose arena is not reclaimed yet, in no order.
    pub retired: Vec<Retired>,
    /// Per slot, whether a live or retired epoch has it.
    taken: Box<[bool]>,
    /// Threads that have used the pool, ever: each goes to the next lane of the chunks.
    pub threads: usize,
    /// One per thread that uses the pool.
    pub records: Vec<Arc<CachePadded<Record>>>,
    pub leases: LeaseList,
}

/// An epoch that is retired and not reclaimed.
pub(crate) struct Retired {
    pub stamp: u64,
    /// The stamp that was current when it was retired, for reports: who pinned in a later epoch
    /// does not see it.
    pub during: u64,
    /// Whether a thread is about to reclaim it, and overwrites its bytes without the lock.
    claimed: bool,
}

/// A thread's claim to reclaim an epoch. It ends if overwriting the bytes should panic, so that
/// nobody waits for ever.
struct Claim<'a> {
    core: &'a Core,
    stamp: u64,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.core.state();
        let claimed = state.retired.iter_mut().find(|r| r.stamp == self.stamp);
        if let Some(retired) = claimed {
            retired.claimed = false;
        }
        self.core.unclaimed.notify_all();
    }
}

/// What was reclaimed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reclaimed {
    pub epochs: usize,
    /// Bytes of their chunks.
    pub bytes: usize,
}

impl std::ops::AddAssign for Reclaimed {
    fn add_assign(&mut self, more: Self) {
        self.epochs += more.epochs;
        self.bytes += more.bytes;
    }
}

/// What was retired by one call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Retirement {
    pub epochs: usize,
    /// The stamp of the last of them.
    pub newest: u64,
    /// Bytes of their chunks; counted only where `tracing` is told.
    pub bytes: usize,
}

impl Retirement {
    /// Adds an epoch that is retired; before the drop of its hold is deferred, so that its chunks
    /// are its own.
    pub fn add(&mut self, core: &Core, stamp: u64) {
        self.epochs += 1;
        self.newest = stamp;
        if cfg!(feature = "tracing") {
            self.bytes += core.chunks.bytes(core.slots.slot(stamp));
        }
    }
}

/// What `publish` did.
pub(crate) struct Published {
    pub now: u64,
    /// The stamp that was current before: to be sealed once its writers are gone.
    pub before: u64,
    /// The stamp that fell out of the window, if any: the pool's hold is to be dropped.
    pub retired: Option<u64>,
}

impl Core {
    /// A core in its first epoch, or `None` if there are no numbers left.
    pub fn new(
        settings: Settings,
        slots: usize,
        memory: &Memory,
        collector: Collector,
        counter: &'static EpochCounter,
    ) -> Option<Self> {
        static POOLS: StaticAtomicU64 = StaticAtomicU64::new(0);
        let core = Self {
            // Relaxed: only uniqueness is needed.
            id: POOLS.fetch_add(1, Ordering::Relaxed),
            slots: Slots::new(slots),
            chunks: Chunks::new(memory, slots, lanes(), settings.scrub),
            collector,
            settings,
            statuses: (0..slots).map(|_| CachePadded::default()).collect(),
            counter,
            state: Mutex::new(State {
                live: VecDeque::with_capacity(slots),
                retired: Vec::with_capacity(slots),
                taken: vec![false; slots].into(),
                threads: 0,
                records: Vec::new(),
                leases: LeaseList::default(),
            }),
            unclaimed: Condvar::new(),
        };
        core.open(&mut core.state()).ok()?;
        Some(core)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Makes a new epoch current. The slot is its number's lowest bits, so numbers whose slot is
    /// taken are passed over. Its arena is empty: it was reclaimed, and takes its first chunk
    /// with the first put.
    fn open(&self, state: &mut State) -> Result<u64, AdvanceError> {
        if state.live.len() + state.retired.len() == state.taken.len() {
            return Err(self.too_many(state));
        }
        let slot = |number| self.slots.slot(pack::stamp(number));
        let drawn = self.counter.draw(|number| !state.taken[slot(number)]);
        let Some(number) = drawn else {
            return Err(AdvanceError::EpochsExhausted);
        };
        state.taken[slot(number)] = true;
        let stamp = pack::stamp(number);
        self.status(stamp).arm();
        self.slots.publish(stamp);
        state.live.push_back(stamp);
        Ok(stamp)
    }

    /// Opens the next epoch, if the current one is still `expected`, and retires the one that
    /// falls out of the window. On failure nothing is changed.
    pub fn publish(&self, expected: Option<Epoch>) -> Result<Published, AdvanceError> {
        let mut state = self.state();
        let before = self.slots.current();
        let current = epoch(before);
        if expected.is_some_and(|expected| expected != current) {
            return Err(AdvanceError::Moved(current));
        }
        let now = self.open(&mut state)?;
        let over = state.live.len() > self.settings.retained_epochs;
        Ok(Published {
            now,
            before,
            retired: if over {
                self.retire_oldest(&mut state, before)
            } else {
                None
            },
        })
    }

    /// Retires the oldest live epoch if it is before `before`; the current one never is.
    pub fn retire_one_before(&self, before: Epoch) -> Option<u64> {
        let mut state = self.state();
        let oldest = *state.live.front()?;
        (epoch(oldest) < before)
            .then(|| self.retire_oldest(&mut state, self.slots.current()))
            .flatten()
    }

    /// Clears the oldest stamp. The caller must have the drop of its hold deferred.
    fn retire_oldest(&self, state: &mut State, during: u64) -> Option<u64> {
        if state.live.len() < 2 {
            return None;
        }
        let stamp = state.live.pop_front()?;
        self.slots.clear(stamp);
        state.retired.push(Retired {
            stamp,
            during,
            claimed: false,
        });
        Some(stamp)
    }

    /// Reclaims every retired epoch that nobody holds; says what that was. Calls nothing foreign,
    /// takes constant time per epoch unless its bytes are to be scrubbed, and so may run in the
    /// slow path of a put. What another thread scrubs it leaves to that: see
    /// [`wait_for_scrubs`](Self::wait_for_scrubs).
    pub fn reclaim_ready(&self) -> Reclaimed {
        let mut state = self.state();
        let (mut at, mut reclaimed) = (0, Reclaimed::default());
        while let Some(retired) = state.retired.get_mut(at) {
            let stamp = retired.stamp;
            if retired.claimed || !self.status(stamp).is_reclaimable() {
                at += 1;
                continue;
            }
            let slot = self.slots.slot(stamp);
            if self.chunks.scrubs() {
                retired.claimed = true;
                // Others need not wait for the bytes, unless they would be refused.
                drop(state);
                let claim = Claim { core: self, stamp };
                // SAFETY: as below.
                unsafe { self.chunks.scrub(slot) };
                std::mem::forget(claim);
                state = self.state();
                let found = state.retired.iter().position(|r| r.stamp == stamp);
                // Only who has claimed it takes it off the list. Another thread may have moved one
                // from behind this to where this one has looked; that thread looks at it itself.
                let Some(found) = found else { continue };
                at = found;
            }
            // SAFETY: the epoch is retired and nobody holds it: the pool's hold was dropped by
            // the closure that was deferred after its stamp was cleared and `current` moved on,
            // so no guard that found either is left; and every lease is gone. That is final,
            // as leases are added to live epochs only.
            reclaimed.bytes += unsafe { self.chunks.reclaim(slot) };
            state.taken[slot] = false;
            // What comes in its place is looked at next, before the lock is let go.
            state.retired.swap_remove(at);
            reclaimed.epochs += 1;
            if self.chunks.scrubs() {
                self.unclaimed.notify_all();
            }
        }
        reclaimed
    }

    /// Waits until no epoch is claimed of those that are retired now: before a refusal, as they
    /// make room and nobody holds them. For no longer than they take to overwrite: who has claimed
    /// one calls nothing foreign, and waits for no lock but those of the chunks. The caller has no
    /// lock.
    pub fn wait_for_scrubs(&self) {
        let mut state = self.state();
        // What is retired later is younger than all of these, and not waited for.
        let Some(newest) = state.retired.iter().map(|retired| retired.stamp).max() else {
            return;
        };
        let is_claimed = |retired: &Retired| retired.claimed && retired.stamp <= newest;
        while state.retired.iter().any(is_claimed) {
            state = wait(&self.unclaimed, state);
        }
    }

    /// Epochs of which some deferred closure may not have run: retired and seen by a guard, or
    /// left by `advance` and not sealed.
    pub fn pending(&self) -> usize {
        let state = self.state();
        let held = |retired: &&Retired| self.status(retired.stamp).is_held_by_pool();
        let unsealed = |stamp: &&u64| !self.status(**stamp).is_sealed(pack::epoch(**stamp));
        // The current epoch is not sealed, and nothing is pending for it.
        let live = state.live.iter().rev().skip(1);
        state.retired.iter().filter(held).count() + live.filter(unsealed).count()
    }

    /// The oldest epoch that has a lease.
    pub fn oldest_lease(&self) -> Option<Epoch> {
        let state = self.state();
        let is_leased = |stamp: &u64| self.status(*stamp).is_leased();
        // What is retired is older than what is live, and in no order.
        let retired = state.retired.iter().map(|retired| retired.stamp);
        let oldest = retired.filter(is_leased).min();
        let oldest = oldest.or_else(|| state.live.iter().copied().find(is_leased));
        oldest.map(epoch)
    }

    pub fn status(&self, stamp: u64) -> &Status {
        status(&self.statuses, stamp)
    }

    fn too_many(&self, state: &State) -> AdvanceError {
        // What nobody holds, as the news came only now, is neither's.
        let (mut held_by_guards, mut held_by_leases) = (0, 0);
        for retired in &state.retired {
            // At most 65,535 are retired, as one of the slots is the current epoch's.
            match self.status(retired.stamp).held_by() {
                HeldBy::Pool => held_by_guards += 1,
                HeldBy::Leases => held_by_leases += 1,
                HeldBy::Nobody => {}
            }
        }
        AdvanceError::TooManyEpochs {
            held_by_guards,
            held_by_leases,
        }
    }
}

impl State {
    /// The stamp of `wanted`, if it is live.
    pub fn find_live(&self, wanted: Epoch) -> Option<u64> {
        let index = self
            .live
            .binary_search_by_key(&wanted, |stamp| epoch(*stamp));
        index.ok().map(|index| self.live[index])
    }

    /// The stamp of `wanted`, if its arena is not reclaimed.
    pub fn find(&self, wanted: Epoch) -> Option<u64> {
        let retired = || self.retired.iter().map(|retired| retired.stamp);
        let find_retired = || retired().find(|stamp| epoch(*stamp) == wanted);
        self.find_live(wanted).or_else(find_retired)
    }
}

impl Relieve for Core {
    fn relieve(&self) {
        let reclaimed = self.reclaim_ready();
        self.wait_for_scrubs();
        let trimmed = self.chunks.trim();
        trace::reclaim(self, reclaimed);
        trace::trim(self, trimmed);
    }
}

/// The epoch of a stamp.
pub(crate) fn epoch(stamp: u64) -> Epoch {
    // SAFETY: stamps are made in `open`, of numbers that were drawn.
    unsafe { Epoch::from_number(pack::epoch(stamp)) }
}

/// Lanes of a pool's chunks: one per core, up to eight. One in a model run, which must not depend
/// on the machine, and where each lock multiplies what loom has to try.
fn lanes() -> usize {
    if cfg!(epoch_arena_loom) {
        return 1;
    }
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES
        .get_or_init(|| std::thread::available_parallelism().map_or(1, |cores| cores.get().min(8)))
}

/// The status of a stamp's slot.
pub(crate) fn status(statuses: &[CachePadded<Status>], stamp: u64) -> &Status {
    &statuses[pack::slot(stamp, statuses.len() - 1)]
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArenaPool")
            .field("id", &self.id)
            .field("current", &epoch(self.slots.current()))
            .finish_non_exhaustive()
    }
}
