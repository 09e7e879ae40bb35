//! How a request is met: from free bytes, from bytes that are about to be free, from the source; and the steps before a
//! refusal.

use std::alloc::Layout;

use super::Shared;
use super::regions::Before;
use super::request::{Owner, Request};
use super::store::Store;
use crate::chunks::chunk::Chunk;
use crate::chunks::generation::Generation;
use crate::error::{MemoryError, OverBudget, SourceError};
use crate::region::Region;
use crate::source::Pages;
use crate::sync::{Arc, MutexGuard, lock, wait};

/// Every block is at least this well aligned, whatever its size.
pub(super) const BLOCK_ALIGN: usize = 4096;

/// A request, and how to meet it from a store.
pub(super) trait Want {
    type Got;

    /// The best that the store has.
    fn find(&self, store: &mut Store) -> Option<Self::Got>;

    /// Anything that is just enough; before a refusal.
    fn find_any(&self, store: &mut Store) -> Option<Self::Got>;

    /// Bytes of the region that the source is asked for.
    fn region(&self) -> usize;

    /// Bytes that are just enough.
    fn least(&self) -> usize;
}

/// The attempts of one request.
#[derive(Default)]
struct Tried {
    /// Bytes of chunks that were put on their lists for it.
    filed: usize,
    /// The source's error.
    source: Option<SourceError>,
    /// How often the system has refused to take a region back, and which of them was tried last.
    refused: usize,
    before: Before,
}

/// Regions that one request offers to the system in vain before it is refused.
const OFFERS: usize = 8;

impl Shared {
    /// Meets a request from free bytes if that can be, else from the source. Before a refusal it has looked at
    /// everything that could serve, under the lock under which it refuses.
    pub(super) fn supply<W: Want>(&self, want: &W) -> Result<W::Got, MemoryError> {
        let size = want.region();
        let layout =
            Layout::from_size_align(size, BLOCK_ALIGN).map_err(|_| MemoryError::TooLarge)?;
        let mut tried = Tried::default();
        let mut store = lock(&self.store);
        loop {
            if let Some(got) = want.find(&mut store) {
                return Ok(got);
            }
            // Chunks that came back may be joined to a chunk that fits: it looks at as many bytes of them as the source
            // would give.
            if tried.filed < size {
                let filed = store.file();
                if filed > 0 {
                    tried.filed += filed;
                    store = self.pause(store);
                    continue;
                }
            }
            if self.settings.budget - store.reserved >= size && tried.source.is_none() {
                let reserved = store.reserve(size);
                drop(store);
                let acquired = self.acquire(layout, reserved);
                store = lock(&self.store);
                match acquired {
                    Ok(region) => {
                        store.moving -= size;
                        store.free.keep(region, None);
                        // Under the lock under which the region was kept: this fails only if a table cannot grow.
                        let got = want.find(&mut store);
                        return got.ok_or(SourceError::OutOfMemory.into());
                    }
                    Err(refused) => tried.source = Some(refused),
                }
            }
            store = match self.make_room(store, size, &mut tried) {
                Ok(store) => store,
                Err(mut store) => {
                    let last = want.find_any(&mut store);
                    return last.ok_or_else(|| self.refusal(&store, want, &tried));
                }
            };
        }
    }

    /// Lets go of the lock for a moment, as the work that goes on may take long.
    fn pause<'a>(&'a self, store: MutexGuard<'a, Store>) -> MutexGuard<'a, Store> {
        drop(store);
        lock(&self.store)
    }

    /// One step towards room; `Err` where there is none left to take.
    fn make_room<'a>(
        &'a self,
        mut store: MutexGuard<'a, Store>,
        size: usize,
        tried: &mut Tried,
    ) -> Result<MutexGuard<'a, Store>, MutexGuard<'a, Store>> {
        // Generations whose last hold is gone, and chunks that are not on their lists yet.
        store.settle(&self.ready);
        if store.file() > 0 || !self.ready.is_empty() {
            return Ok(self.pause(store));
        }
        if let Some(generation) = store.take_dirty() {
            drop(store);
            return Ok(self.clean(generation));
        }
        if store.cleaning > 0 {
            // Another thread overwrites bytes that will be free. It calls no foreign code, and waits only for the lock,
            // which this wait releases; so the wait ends.
            return Ok(wait(&self.cleaned, store));
        }
        // Free regions of other sizes, but only if that helps.
        let taken = store.reserved - store.free.bytes();
        let helps = self.settings.budget - taken >= size
            && tried.refused < OFFERS.min(store.free.count())
            && tried.source.is_none();
        let coldest = helps.then(|| store.free.take_coldest(&mut tried.before));
        if let Some(region) = coldest.flatten() {
            // Its bytes count until the source has them back.
            store.moving += region.len();
            drop(store);
            tried.refused += usize::from(!self.release(region));
            return Ok(lock(&self.store));
        }
        Err(store)
    }

    fn refusal<W: Want>(&self, store: &Store, want: &W, tried: &Tried) -> MemoryError {
        if let Some(refused) = tried.source {
            return refused.into();
        }
        MemoryError::OverBudget(OverBudget {
            wanted: want.least(),
            used: store.in_use + store.moving,
            budget: self.settings.budget,
            own: 0,
            reclaimable: 0,
        })
    }

    /// A new region whose bytes are reserved already; if it fails, it takes the reservation back. `reserved` bytes were
    /// reserved in all, with these. Takes the lock; no lock is held while the source is asked.
    pub(super) fn acquire(&self, layout: Layout, reserved: usize) -> Result<Region, SourceError> {
        let reservation = Reservation {
            shared: self,
            bytes: layout.size(),
        };
        let pages = if reserved > self.settings.huge_pages_from {
            Pages::Huge
        } else {
            Pages::Small
        };
        let region = suitable(self.settings.source.acquire(layout, pages)?, layout)?;
        std::mem::forget(reservation);
        // Only now do they count for the peak: a request that fails changes nothing.
        let mut store = lock(&self.store);
        store.peak = store.peak.max(reserved);
        drop(store);
        Ok(region)
    }

    /// Gives a region that is on no list to the source; says whether the system has taken it. If not, it is
    /// free again, and still counts. No lock is held while it goes.
    pub(super) fn release(&self, region: Region) -> bool {
        let reservation = Reservation {
            shared: self,
            bytes: region.len(),
        };
        let Err(region) = region.give_back() else {
            return true;
        };
        std::mem::forget(reservation);
        let mut store = lock(&self.store);
        store.moving -= region.len();
        // As the warmest: it is used again first, and the other blocks are offered to the system before it.
        store.free.keep(region, None);
        false
    }

    /// Overwrites a generation of [`Store::take_dirty`]; then it is free, or confined.
    pub(super) fn clean(&self, generation: Arc<Generation>) -> MutexGuard<'_, Store> {
        // SAFETY: it was taken off the ready stack, so it has no holds, and `take_dirty` gave it to this thread alone.
        let usable = unsafe { generation.clean() };
        let mut store = lock(&self.store);
        // SAFETY: `clean` returned it.
        let late = unsafe { store.cleaned(generation, usable) };
        self.cleaned.notify_all();
        let Some(generation) = late else {
            return store;
        };
        drop(store);
        self.end_quarantine(&generation)
    }

    /// Makes the chunks of a confined generation accessible again, without the lock as the system is called for each;
    /// then they are free.
    pub(super) fn end_quarantine(&self, generation: &Generation) -> MutexGuard<'_, Store> {
        let refused = generation.release();
        let mut store = lock(&self.store);
        // SAFETY: it was confined, and `release` returned `refused`.
        unsafe { store.released(generation, refused) };
        store
    }
}

impl Store {
    /// Reserves bytes for a region; gives how many are reserved then.
    pub(super) fn reserve(&mut self, size: usize) -> usize {
        self.reserved += size;
        self.moving += size;
        self.reserved
    }
}

/// Bytes on their way to or from the source; given up when the source fails, or panics, or has them back.
struct Reservation<'a> {
    shared: &'a Shared,
    bytes: usize,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut store = lock(&self.shared.store);
        store.reserved -= self.bytes;
        store.moving -= self.bytes;
    }
}

/// Refuses a region that breaks the contract of [`Source::acquire`](crate::Source::acquire).
fn suitable(region: Region, layout: Layout) -> Result<Region, SourceError> {
    let aligned = region.base().addr().get() % layout.align() == 0;
    // Accounting and recycling go by length, so more than asked for is as wrong as less.
    if aligned && region.len() == layout.size() {
        Ok(region)
    } else {
        Err(SourceError::Unsuitable)
    }
}

/// A whole region, for a [`Block`](crate::Block).
pub(super) struct Whole(pub usize);

impl Want for Whole {
    type Got = Region;

    fn find(&self, store: &mut Store) -> Option<Region> {
        let region = store.free.take(self.0, true)?;
        store.in_use += region.len();
        Some(region)
    }

    fn find_any(&self, _store: &mut Store) -> Option<Region> {
        None
    }

    fn region(&self) -> usize {
        self.0
    }

    fn least(&self) -> usize {
        self.0
    }
}

/// Chunks for an owner.
pub(super) struct ForOwner<'a> {
    pub shared: &'a Shared,
    pub owner: Owner<'a>,
    /// The calling thread's lane. It is read before the lock is taken, as the first read makes a thread-local value,
    /// which may allocate.
    pub lane: usize,
    pub request: Request,
}

impl ForOwner<'_> {
    fn hand_out(&self, store: &mut Store, found: Option<Chunk>) -> Option<Chunk> {
        let chunk = found?;
        store.hand_out(self.owner, self.lane, chunk);
        Some(chunk)
    }
}

impl Want for ForOwner<'_> {
    type Got = Chunk;

    fn find(&self, store: &mut Store) -> Option<Self::Got> {
        let found = store.find(self.request, self.lane, &self.shared.ready);
        self.hand_out(store, found)
    }

    fn find_any(&self, store: &mut Store) -> Option<Self::Got> {
        let found = store.find_any(self.request);
        self.hand_out(store, found)
    }

    fn region(&self) -> usize {
        match self.request {
            Request::Chunk { .. } => self.shared.settings.block_size,
            Request::Alone(size) => size,
        }
    }

    fn least(&self) -> usize {
        self.request.least()
    }
}
