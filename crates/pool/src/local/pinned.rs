//! `Pinned`: a pin of a thread's state, from its beginning to its end.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crossbeam_epoch::{Guard, LocalHandle};

use super::state::{Local, Owner};
use crate::epochs::core::Core;

/// A pinned thread: what a guard of the pool is made of.
pub(crate) struct Pinned<'a> {
    /// Invariant: pinned on this thread, by `local`'s handle; but for a moment inside `repin`,
    /// where nothing can be borrowed from this.
    guard: ManuallyDrop<Guard>,
    core: &'a Core,
    /// Invariant: alive, as `guard` is pinned by its handle (see `Local`).
    local: NonNull<Local>,
}

impl<'a> Pinned<'a> {
    /// # Safety
    ///
    /// 1. `local` is alive, and this thread's state in the pool of `core`.
    /// 2. `guard` came from [`Local::pin`] on it, and goes into this value only.
    // Always inlined: so the parts stay in registers in a loop over `get`.
    #[inline(always)]
    pub unsafe fn new(core: &'a Core, local: NonNull<Local>, guard: Guard) -> Self {
        Self {
            guard: ManuallyDrop::new(guard),
            core,
            local,
        }
    }

    #[inline(always)]
    pub fn core(&self) -> &'a Core {
        self.core
    }

    /// This thread's state; alive as long as the pin.
    #[inline(always)]
    pub fn local(&self) -> &Local {
        // SAFETY: by the invariant of `local`.
        unsafe { self.local.as_ref() }
    }

    /// The pin itself, to defer and to flush by.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Unpins and pins again; whether that let go what was seen before, which a nested pin does not.
    pub fn repin(&mut self) -> bool {
        // SAFETY: by the invariant of `local`; and between the two pins nothing frees the state, as
        // that is done by the end of an `ArenaGuard` or an `Owner` only, and this guard goes on.
        let local = unsafe { self.local.as_ref() };
        let repin = Repin {
            guard: &mut self.guard,
            handle: local.participant().handle(),
        };
        // Not `Guard::repin`, which in crossbeam-epoch 0.9.21 has no fence.
        // SAFETY: written anew below, or by the drop of `repin`, before it is used or dropped again.
        unsafe { ManuallyDrop::drop(repin.guard) };
        let unpinned = !repin.handle.is_pinned();
        let fresh = repin.handle.pin();
        repin.done(fresh);
        if unpinned {
            local.participant().mark();
        }
        unpinned
    }
}

impl Drop for Pinned<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: taken once, as the pin is dropped once.
        let guard = unsafe { ManuallyDrop::take(&mut self.guard) };
        // SAFETY: 1. by the invariant of `local`; 2. `guard` is its own, and this pin is not used any more.
        unsafe { Local::unpin(self.local, guard) }
    }
}

impl Owner {
    /// Pins this thread in the pool of `core`, whose state this is.
    #[inline(always)]
    pub fn pin<'a>(&self, core: &'a Core) -> Pinned<'a> {
        debug_assert_eq!(self.pool(), core.id);
        // SAFETY: alive, and this is an owner.
        let guard = unsafe { Local::pin(self.as_ptr()) };
        // SAFETY: 1. alive, and the caller's state there; 2. pinned above.
        unsafe { Pinned::new(core, self.as_ptr(), guard) }
    }
}

/// Sees that a guard is pinned again, even if a foreign closure panics inside the pin: the guard
/// lives on then, and must protect what is read through it.
struct Repin<'g> {
    guard: &'g mut ManuallyDrop<Guard>,
    handle: &'g LocalHandle,
}

impl Repin<'_> {
    fn done(self, fresh: Guard) {
        let mut this = ManuallyDrop::new(self);
        *this.guard = ManuallyDrop::new(fresh);
    }
}

impl Drop for Repin<'_> {
    #[cold]
    fn drop(&mut self) {
        // Runs no closures: crossbeam-epoch collects with every 128th pin, and the one that
        // panicked was that.
        *self.guard = ManuallyDrop::new(self.handle.pin());
    }
}
