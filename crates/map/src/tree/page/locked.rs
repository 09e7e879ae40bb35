//! The lock of a page, and how its holder changes the page.

use std::ptr::NonNull;

use super::{ASCENDING, LOCKED, Page, TAGS, VERSION, WRITING};
use crate::sync::{Backoff, Ordering};

impl<'m> Page<'m> {
    /// Stores the tag of a slot into its word. The page is this thread's, or its lock.
    pub(super) fn add_tag(self, index: usize, tag: u8, order: Ordering) {
        let word = &self.header().tags[index % TAGS];
        // Relaxed: as the page or its lock is this thread's, it is its own store or one that it has acquired.
        let mut tags = word.load(Ordering::Relaxed).to_le_bytes();
        tags[index / TAGS] = tag;
        word.store(u64::from_le_bytes(tags), order);
    }

    /// Waits for the lock. What is done under it is short, allocates nothing and calls nothing foreign.
    pub fn lock(self) -> Locked<'m> {
        let mut backoff = Backoff::default();
        loop {
            if let Some(locked) = self.lock_now() {
                return locked;
            }
            backoff.wait();
        }
    }

    /// Waits for the lock a while.
    pub fn try_lock(self) -> Option<Locked<'m>> {
        const TURNS: usize = if cfg!(epoch_arena_loom) { 1 } else { 256 };
        let mut backoff = Backoff::default();
        for _ in 0..TURNS {
            if let Some(locked) = self.lock_now() {
                return Some(locked);
            }
            backoff.wait();
        }
        None
    }

    #[inline]
    fn lock_now(self) -> Option<Locked<'m>> {
        let state = &self.header().state;
        // Relaxed: a guess, which the exchange confirms.
        let now = state.load(Ordering::Relaxed);
        if now & LOCKED != 0 {
            return None;
        }
        // Acquire on success: pairs with the Release in `set_state`, by which the last holder unlocked: what
        // it did is seen. Relaxed on failure: another thread is faster, or has just let go.
        let locked =
            state.compare_exchange(now, now | LOCKED, Ordering::Acquire, Ordering::Relaxed);
        locked.is_ok().then(|| Locked(self))
    }
}

/// A page whose lock this thread holds; only through it is a published page changed. Dropped, it
/// unlocks, also in a panic, though nothing that is done under it can panic.
pub(crate) struct Locked<'m>(Page<'m>);

impl<'m> Locked<'m> {
    pub fn page(&self) -> Page<'m> {
        self.0
    }

    /// The state, which only this thread stores.
    fn state(&self) -> u64 {
        // Relaxed: as this thread holds the lock, it is its own store or one that it has acquired.
        self.0.header().state.load(Ordering::Relaxed)
    }

    /// Stores the state.
    fn set_state(&self, state: u64) {
        // Release: pairs with the Acquire in `look` and in `lock`: all that this thread, and the
        // holders before it, did to the page comes before the new state; and with the Acquire loads of
        // what is stored later, which carry this store.
        self.0.header().state.store(state, Ordering::Release);
    }

    pub fn is_ascending(&self) -> bool {
        self.state() & ASCENDING != 0
    }

    pub fn set_descending(&self) {
        self.set_state(self.state() & !ASCENDING);
    }

    /// Begins another version: readers that began before look again.
    pub fn end_version(&self) {
        self.set_state((self.state() & !WRITING) + VERSION);
    }

    /// Changes what readers cannot make sense of meanwhile, as one step.
    pub fn write(&self, change: impl FnOnce()) {
        self.set_state(self.state() | WRITING);
        change();
        self.end_version();
    }

    pub fn set(&self, index: usize, head: u64, slot: NonNull<u8>) {
        self.set_head(index, head);
        // Release: pairs with the Acquire in `load_slot`: what is in the slot is complete, and the
        // version in which the slot was free is over.
        self.0.slot(index).store(slot.as_ptr(), Ordering::Release);
    }

    pub fn set_head(&self, index: usize, head: u64) {
        // Release: pairs with the Acquire in `load_head`; see the rule for readers.
        self.0.heads()[index].store(head, Ordering::Release);
    }

    /// The tag of a slot, which `fill` does not name.
    pub fn set_tag(&self, index: usize, tag: u8) {
        // Release: pairs with the Acquire in `slots_with`; see the rule for readers.
        self.0.add_tag(index, tag, Ordering::Release);
    }

    pub fn set_fill(&self, fill: u64) {
        // Release: pairs with the Acquire in `fill`: the slots it names are stored, and where to find
        // what it names no more is linked.
        self.0.header().fill.store(fill, Ordering::Release);
    }

    /// After `set_fill` has named the slots with the newer versions.
    pub fn set_older(&self, older: u64) {
        // Release: pairs with the Acquire in `older`: `fill` names the newer versions.
        self.0.header().older.store(older, Ordering::Release);
    }

    pub fn set_skip(&self, skip: u32) {
        // Release: pairs with the Acquire in `skip`; see the rule for readers.
        self.0.header().skip.store(skip, Ordering::Release);
    }

    /// Links a complete page behind this one.
    pub fn link(&self, right: Page<'m>) {
        // Release: pairs with the Acquire in `next`: the page and all it has are complete.
        let next = &self.0.header().next;
        next.store(right.as_ptr(), Ordering::Release);
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.set_state(self.state() & !LOCKED);
    }
}
