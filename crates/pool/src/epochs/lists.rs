//! The lists under the pool's lock: which epochs are live, which are retired, which leases there are.

use std::collections::VecDeque;

use epoch_arena_block::raw::Generation;
use epoch_arena_core::{Epoch, pack};

use super::hold::{self, HeldBy};
use super::lease_entry::LeaseList;
use super::retired::{Retired, RetiredEpochs};
use super::slots;
use crate::sync::Arc;

/// Invariant: the stamps of the live epochs are set, and no others.
#[derive(Default)]
pub(crate) struct State {
    /// Oldest first; the last is the current one, which is never retired.
    pub live: VecDeque<Live>,
    pub retired: RetiredEpochs,
    /// Epochs that the memory has made free, and their bytes, as far as they were told of.
    pub told: Reclaimed,
    pub leases: LeaseList,
}

/// An epoch that is live.
pub(crate) struct Live {
    pub generation: Arc<Generation>,
    /// When it was opened, by the domain's clock.
    pub opened: u64,
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
        self.find_live(wanted).or_else(|| {
            let retired = self.retired.get(pack::stamp(wanted.number()))?;
            let is_held = HeldBy::of(&retired.generation) != HeldBy::Nothing;
            is_held.then_some(&retired.generation)
        })
    }

    /// Epochs of which some deferred closure may not have run: retired and seen by a guard, or
    /// left by `advance` and not sealed.
    pub fn pending(&self) -> usize {
        let held = |retired: &&Retired| HeldBy::of(&retired.generation) == HeldBy::Pool;
        // The current epoch is not sealed, and nothing is pending for it.
        let live = self.live.iter().rev().skip(1);
        let unsealed = live.filter(|live| !hold::is_sealed(&live.generation));
        self.retired.iter().filter(held).count() + unsealed.count()
    }

    /// The oldest epoch that has a lease.
    pub fn oldest_lease(&self) -> Option<Epoch> {
        // What is retired is older than what is live.
        let retired = self.retired.iter().map(|retired| &retired.generation);
        let mut all = retired.chain(self.live.iter().map(|live| &live.generation));
        let oldest = all.find(|generation| hold::is_leased(generation))?;
        Some(slots::epoch(oldest.name))
    }

    /// Bytes of the chunks of the live epochs.
    pub fn live_bytes(&self) -> usize {
        let live = self.live.iter();
        live.map(|live| live.generation.chunks.bytes()).sum()
    }
}
