//! The parts of a memory for pools and arenas: chunks for an owner, generations, accounts.

use std::any::Any;
use std::panic::Location;

use super::supply::ForOwner;
use super::{Account, Memory, Owner, Request, UserKind};
use crate::chunks::chunk::Chunk;
use crate::chunks::generation::Generation;
use crate::chunks::scrub::Scrub;
use crate::error::MemoryError;
use crate::lane::own_lane;
use crate::sync::{Arc, Ordering, TryLockError, lock};

/// Not for use elsewhere: no promise of stability.
#[doc(hidden)]
impl Memory {
    /// A chunk for `owner`, with nothing claimed; it is the owner's until it is given up.
    pub fn take(&self, owner: Owner<'_>, request: Request) -> Result<Chunk, MemoryError> {
        let shared = &*self.shared;
        shared.supply(&ForOwner {
            shared,
            owner,
            lane: own_lane(),
            request,
        })
    }

    /// Takes all chunks of an owner back. Constant time.
    ///
    /// # Safety
    ///
    /// They are of this memory, and no thread reads or claims bytes of them any more, nor will.
    pub unsafe fn give_up(&self, owner: Owner<'_>) {
        // SAFETY: the same contract.
        unsafe { lock(&self.shared.store).give_up(owner) };
    }

    /// Opens an account for a user that was made at `place`.
    pub fn open_account(&self, kind: UserKind, place: &'static Location<'static>) -> Arc<Account> {
        lock(&self.shared.store).accounts.open(kind, place)
    }

    /// The user is gone. Its account is listed as long as it has bytes. Its chunks in quarantine can be used again.
    pub fn end_account(&self, account: &Account) {
        let confined = lock(&self.shared.store).end(account);
        for generation in confined {
            drop(self.shared.end_quarantine(&generation));
        }
    }

    /// An empty generation, held as `holds` says, which is not zero.
    pub fn generation(
        &self,
        account: &Arc<Account>,
        name: u64,
        holds: u64,
        scrub: Scrub,
    ) -> Arc<Generation> {
        if let Some(fill) = scrub.fill() {
            // Relaxed: read when the memory ends, which happens after all of its users are gone.
            self.shared
                .wiped_with
                .store(usize::from(fill) + 1, Ordering::Relaxed);
        }
        let ready = self.shared.ready.clone();
        Generation::new(ready, account.clone(), name, holds, scrub)
    }

    /// Frees the generations that have no holds; overwrites first those that must be overwritten.
    pub fn reclaim(&self) {
        let shared = &*self.shared;
        let mut store = lock(&shared.store);
        loop {
            store.settle(&shared.ready);
            if let Some(generation) = store.take_dirty() {
                drop(store);
                store = shared.clean(generation);
            } else if shared.ready.is_empty() {
                return;
            } else {
                drop(store);
                store = lock(&shared.store);
            }
        }
    }

    /// Frees generations that have no holds, in one step and only if the lock is free: for a caller that must not wait
    /// for another thread.
    pub fn try_reclaim(&self) {
        match self.shared.store.try_lock() {
            Ok(mut store) => store.settle(&self.shared.ready),
            // As in `lock`: a thread that panicked with the lock left the store consistent.
            Err(TryLockError::Poisoned(store)) => store.into_inner().settle(&self.shared.ready),
            Err(TryLockError::WouldBlock) => {}
        }
    }

    /// Ends a generation whose owner ends: overwrites its bytes as its `scrub` says, and takes its chunks.
    ///
    /// # Safety
    ///
    /// 1. No thread reads or claims bytes of its chunks any more, nor will.
    /// 2. The caller has a hold, which keeps the generation from the ready stack.
    pub unsafe fn end_generation(&self, generation: &Generation) {
        // SAFETY: 1. by 2. the memory does not take them, and by 1. no thread adds one; 2. by 1.
        unsafe { generation.chunks.scrub(generation.scrub) };
        // SAFETY: by 1. no thread uses its chunks.
        unsafe { lock(&self.shared.store).give_up_generation(generation) };
    }

    /// The value that a layer above keeps with this memory, made at the first call. There is one such layer.
    pub fn extension(
        &self,
        make: impl FnOnce() -> Box<dyn Any + Send + Sync>,
    ) -> &(dyn Any + Send + Sync) {
        &**self.shared.extension.get_or_init(make)
    }
}
