//! The pool's state: which epochs are live, which are retired, under one lock.
//!
//! Nothing here calls crossbeam-epoch: what must be deferred is returned to the caller, who does
//! so without the lock. (A pin or a flush runs *foreign* closures, which may call back.)

use std::collections::{BTreeMap, VecDeque};
use std::panic::Location;

use epoch_arena_block::raw::{Account, Generation, Scrub};
use epoch_arena_block::{Memory, UserKind};
use epoch_arena_core::raw::EpochCounter;
use epoch_arena_core::{Epoch, pack};

use crate::begun::Begun;
use crate::domain::Domain;
use crate::error::AdvanceError;
use crate::hold::{self, HeldBy, Hold, LEASE, POOL, WRITERS};
use crate::lease_entry::LeaseList;
use crate::slots::Slots;
use crate::sync::{Arc, Mutex, MutexGuard, Ordering, StaticAtomicU64, lock};

/// The first line of it is what pins and puts look at; it is hardly ever written but for the current stamp.
#[repr(C, align(64))]
pub(crate) struct Core {
    pub slots: Slots,
    /// Never reused, so that a thread's cached state of a dead pool matches no other.
    pub id: u64,
    pub memory: Memory,
    pub account: Arc<Account>,
    pub domain: Arc<Domain>,
    /// Chunks that threads had begun when they ended.
    pub begun: Arc<Begun>,
    pub settings: Settings,
    counter: &'static EpochCounter,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct Settings {
    pub retained_epochs: usize,
    pub scrub: Scrub,
}

/// Invariant: the stamps of the live epochs are set, and no others.
pub(crate) struct State {
    /// Oldest first; the last is the current one, which is never retired.
    pub live: VecDeque<Live>,
    /// Epochs that are retired, by stamp: those that are held, and some whose memory is free already.
    pub retired: BTreeMap<u64, Retired>,
    /// Where the next look at `retired` begins.
    swept: u64,
    /// Epochs that the memory has made free, and their bytes, as far as they were told of.
    told: Reclaimed,
    pub leases: LeaseList,
}

/// An epoch that is live.
pub(crate) struct Live {
    pub generation: Arc<Generation>,
    /// When it was opened, by the domain's clock.
    pub opened: u64,
}

/// An epoch that is retired.
pub(crate) struct Retired {
    pub generation: Arc<Generation>,
    pub opened: u64,
    /// When it was retired: a thread that has pinned later does not see it.
    pub at: u64,
}

impl Retired {
    /// Whether its memory is free, and the memory has let it go.
    fn is_done(&self) -> bool {
        self.generation.holds() == 0 && Arc::strong_count(&self.generation) == 1
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
    /// Bytes of their chunks.
    pub bytes: usize,
}

impl Retirement {
    /// Adds an epoch that is retired.
    pub fn add(&mut self, retired: &RetiredHold) {
        self.epochs += 1;
        self.newest = retired.stamp;
        self.bytes += retired.bytes;
    }
}

/// The pool's hold on an epoch that is retired: to be let go when no guard is left that could see it.
pub(crate) struct RetiredHold {
    pub hold: Hold,
    stamp: u64,
    bytes: usize,
}

/// What `publish` did.
pub(crate) struct Published {
    pub now: u64,
    pub before: u64,
    /// The epoch before.
    pub last: Arc<Generation>,
    /// The hold of the writers of the epoch before: to be let go when none is left.
    pub seal: Hold,
    /// The epoch that fell out of the window, if any.
    pub retired: Option<RetiredHold>,
}

impl Core {
    /// A core in its first epoch, or `None` if there are no numbers left.
    pub fn new(
        settings: Settings,
        memory: &Memory,
        domain: Arc<Domain>,
        counter: &'static EpochCounter,
        place: &'static Location<'static>,
    ) -> Option<Self> {
        static POOLS: StaticAtomicU64 = StaticAtomicU64::new(0);
        let core = Self {
            // Relaxed: only uniqueness is needed.
            id: POOLS.fetch_add(1, Ordering::Relaxed),
            slots: Slots::new(slots(settings.retained_epochs)),
            memory: memory.clone(),
            account: memory.open_account(UserKind::Pool, place),
            domain,
            begun: Arc::default(),
            settings,
            counter,
            state: Mutex::new(State {
                live: VecDeque::new(),
                retired: BTreeMap::new(),
                swept: 0,
                told: Reclaimed::default(),
                leases: LeaseList::default(),
            }),
        };
        core.open(&mut core.state())?;
        Some(core)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Makes a new epoch current. The slot is its number's lowest bits, so numbers whose slot is
    /// taken are passed over: at most half of them are. It takes its first chunk with the first put.
    fn open(&self, state: &mut State) -> Option<u64> {
        let vacant = |number| self.slots.is_vacant(pack::stamp(number));
        let stamp = pack::stamp(self.counter.draw(vacant)?);
        let scrub = self.settings.scrub;
        let holds = POOL | WRITERS;
        let generation = self.memory.generation(&self.account, stamp, holds, scrub);
        self.slots.publish(&generation);
        let opened = self.domain.clock.tick();
        state.live.push_back(Live { generation, opened });
        Some(stamp)
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
        let last = state.live.back().map(|live| live.generation.clone());
        let now = self.open(&mut state);
        let (Some(last), Some(now)) = (last, now) else {
            return Err(AdvanceError::EpochsExhausted);
        };
        // SAFETY: held since it was opened, and only here is that given away, as `current` has left it.
        let seal = unsafe { Hold::new(&last, WRITERS) };
        let over = state.live.len() > self.settings.retained_epochs;
        let retired = over.then(|| self.retire_oldest(&mut state));
        state.sweep();
        Ok(Published {
            now,
            before,
            last,
            seal,
            retired: retired.flatten(),
        })
    }

    /// Retires the oldest live epoch if it is before `before`; the current one never is.
    pub fn retire_one_before(&self, before: Epoch) -> Option<RetiredHold> {
        let mut state = self.state();
        let oldest = state.live.front()?.generation.name;
        (epoch(oldest) < before)
            .then(|| self.retire_oldest(&mut state))
            .flatten()
    }

    /// Clears the oldest stamp. The caller must have the drop of its hold deferred.
    fn retire_oldest(&self, state: &mut State) -> Option<RetiredHold> {
        if state.live.len() < 2 {
            return None;
        }
        let Live { generation, opened } = state.live.pop_front()?;
        self.slots.clear(generation.name);
        let retired = RetiredHold {
            // SAFETY: held since it was opened, and only here is that given away, as it was live.
            hold: unsafe { Hold::new(&generation, POOL) },
            stamp: generation.name,
            bytes: generation.chunks.bytes(),
        };
        let stamp = generation.name;
        let at = self.domain.clock.tick();
        let retirement = Retired {
            generation,
            opened,
            at,
        };
        state.retired.insert(stamp, retirement);
        Some(retired)
    }

    /// Makes free what nothing holds, overwrites what is to be; says what became free since the last time.
    pub fn reclaim(&self) -> Reclaimed {
        self.memory.reclaim();
        self.reclaimed()
    }

    /// What became free since this was asked last, by whatever thread and pool.
    pub fn reclaimed(&self) -> Reclaimed {
        let (epochs, bytes) = self.account.given();
        let mut state = self.state();
        // Another thread may have told of more by now.
        let news = Reclaimed {
            epochs: epochs.saturating_sub(state.told.epochs),
            bytes: bytes.saturating_sub(state.told.bytes),
        };
        state.told.epochs += news.epochs;
        state.told.bytes += news.bytes;
        news
    }

    /// Epochs of which some deferred closure may not have run: retired and seen by a guard, or
    /// left by `advance` and not sealed.
    pub fn pending(&self) -> usize {
        let state = self.state();
        let held = |retired: &&Retired| HeldBy::of(&retired.generation) == HeldBy::Pool;
        // The current epoch is not sealed, and nothing is pending for it.
        let live = state.live.iter().rev().skip(1);
        let unsealed = live.filter(|live| !hold::is_sealed(&live.generation));
        state.retired.values().filter(held).count() + unsealed.count()
    }

    /// The oldest epoch that has a lease.
    pub fn oldest_lease(&self) -> Option<Epoch> {
        let state = self.state();
        // What is retired is older than what is live.
        let retired = state.retired.values().map(|retired| &retired.generation);
        let mut all = retired.chain(state.live.iter().map(|live| &live.generation));
        let oldest = all.find(|generation| hold::is_leased(generation))?;
        Some(epoch(oldest.name))
    }

    /// Bytes of the pool's retired epochs, and of those that are confined.
    pub fn retired_bytes(&self) -> usize {
        let state = self.state();
        let live = state.live.iter().map(|live| live.generation.chunks.bytes());
        self.account.bytes().saturating_sub(live.sum())
    }
}

impl State {
    fn live_at(&self, wanted: Epoch) -> Option<usize> {
        let stamp = pack::stamp(wanted.number());
        self.live
            .binary_search_by_key(&stamp, |live| live.generation.name)
            .ok()
    }

    /// The memory of `wanted`, if it is live.
    pub fn find_live(&self, wanted: Epoch) -> Option<&Arc<Generation>> {
        Some(&self.live[self.live_at(wanted)?].generation)
    }

    /// The memory of `wanted`, if it is held.
    pub fn find(&self, wanted: Epoch) -> Option<&Arc<Generation>> {
        let retired = self.retired.get(&pack::stamp(wanted.number()));
        let held = retired.filter(|retired| HeldBy::of(&retired.generation) != HeldBy::Nothing);
        self.find_live(wanted)
            .or(held.map(|retired| &retired.generation))
    }

    /// Looks at a few of the retired epochs, in turns, and forgets those whose memory is free: more than one
    /// call can retire, so that they do not add up.
    fn sweep(&mut self) {
        const STEP: usize = 4;
        let next = self.retired.range(self.swept..).take(STEP);
        let mut seen = [None; STEP];
        for (seen, (stamp, retired)) in seen.iter_mut().zip(next) {
            *seen = Some((*stamp, retired.is_done()));
        }
        // Where fewer are left, the next look begins at the oldest.
        self.swept = seen[STEP - 1].map_or(0, |(stamp, _)| stamp + 1);
        for (stamp, _) in seen.into_iter().flatten().filter(|(_, done)| *done) {
            self.retired.remove(&stamp);
        }
    }

    /// Forgets all retired epochs whose memory is free: for a report.
    pub fn sweep_all(&mut self) {
        self.retired.retain(|_, retired| !retired.is_done());
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let state = state.unwrap_or_else(std::sync::PoisonError::into_inner);
        let current = state.live.back().map(|live| live.generation.name);
        let retired = std::mem::take(&mut state.retired).into_values();
        let retired = retired.map(|retired| (retired.generation, 0));
        let live = std::mem::take(&mut state.live).into_iter().map(|live| {
            let is_current = Some(live.generation.name) == current;
            (
                live.generation,
                if is_current { POOL | WRITERS } else { POOL },
            )
        });
        for (generation, own) in live.chain(retired) {
            self.end(&generation, own);
        }
        self.memory.end_account(&self.account);
        // What its chunks make whole blocks goes back, as far as the memory is not to keep it.
        self.memory.trim_to_high_water();
    }
}

impl Core {
    /// Ends an epoch with its pool, which has `own` of its holds. No guard of the pool is left, so only leases
    /// can still see the epoch.
    fn end(&mut self, generation: &Arc<Generation>, own: u64) {
        // With a hold of this call's, whatever closures are pending do not make the epoch free meanwhile.
        if !generation.try_hold(LEASE) {
            // It is free already, or another thread is about to make it so; or it is in quarantine, which ends with
            // the account.
            return;
        }
        // SAFETY: taken above, and the pool's own.
        let hold = unsafe { Hold::new(generation, LEASE + own) };
        if generation.holds() & !(POOL | WRITERS) == LEASE {
            // No lease is left but this call's, and there will be none, as the pool is gone. The closures that
            // are pending find nothing to give up.
            // SAFETY: no lease and no guard: nothing reads or claims, and the hold keeps it from the ready stack.
            unsafe { self.memory.end_generation(generation) };
        }
        // Otherwise the last lease makes it free.
        hold.let_go();
    }
}

/// The slots of a pool: at least twice as many as live epochs, so that at least every other number fits, on
/// average. One more is live while the next one is opened.
fn slots(retained: usize) -> usize {
    // Models reuse them soon.
    const FEWEST: usize = if cfg!(epoch_arena_loom) { 2 } else { 4 };
    (2 * retained).next_power_of_two().max(FEWEST)
}

/// The epoch of a stamp.
pub(crate) fn epoch(stamp: u64) -> Epoch {
    // SAFETY: stamps are made in `open`, of numbers that were drawn.
    unsafe { Epoch::from_number(pack::epoch(stamp)) }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArenaPool")
            .field("id", &self.id)
            .field("current", &epoch(self.slots.current()))
            .field("retained_epochs", &self.settings.retained_epochs)
            .finish_non_exhaustive()
    }
}

// With its generation, its slots and its account, a pool without a key is less than a kilobyte.
const _: () = assert!(size_of::<Core>() <= 256 || cfg!(epoch_arena_loom));
