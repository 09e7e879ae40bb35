//! `Core`: what a pool consists of, how its epochs are opened, and its end.

use std::panic::Location;

use epoch_arena_block::raw::{Account, Generation, Scrub};
use epoch_arena_block::{Memory, UserKind};
use epoch_arena_core::pack;
use epoch_arena_core::raw::EpochCounter;

use super::begun::Begun;
use super::hold::{Hold, LEASE, POOL, WRITERS};
use super::lists::{Live, State};
use super::slots::{self, Slots};
use crate::domain::Domain;
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
            slots: Slots::new(slots::count(settings.retained_epochs)),
            memory: memory.clone(),
            account: memory.open_account(UserKind::Pool, place),
            domain,
            begun: Arc::default(),
            settings,
            counter,
            state: Mutex::default(),
        };
        core.open(&mut core.state())?;
        Some(core)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Makes a new epoch current. The slot is its number's lowest bits, so numbers whose slot is
    /// taken are passed over: at most half of them are. It takes its first chunk with the first put.
    pub fn open(&self, state: &mut State) -> Option<u64> {
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

    /// Bytes of the pool's retired epochs, and of those that are confined.
    pub fn retired_bytes(&self) -> usize {
        let state = self.state();
        self.account.bytes().saturating_sub(state.live_bytes())
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let state = state.unwrap_or_else(std::sync::PoisonError::into_inner);
        let current = state.live.back().map(|live| live.generation.name);
        let retired = std::mem::take(&mut state.retired).into_generations();
        let retired = retired.map(|generation| (generation, 0));
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

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArenaPool")
            .field("id", &self.id)
            .field("current", &slots::epoch(self.slots.current()))
            .field("retained_epochs", &self.settings.retained_epochs)
            .finish_non_exhaustive()
    }
}

// With its generation, its slots and its account, a pool without a key is less than a kilobyte.
const _: () = assert!(size_of::<Core>() <= 320 || cfg!(epoch_arena_loom));
