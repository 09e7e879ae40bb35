//! A thread's state in a pool, its participant in the pool's domain, and how long both live.

use std::cell::Cell;
use std::ops::Deref;
use std::ptr::NonNull;
use std::rc::Rc;

use crossbeam_epoch::Guard;
use epoch_arena_core::raw::Writer;

use crate::domain::Domain;
use crate::domain::participant::Participant;
use crate::domain::record::Record;
use crate::epochs::begun::Begun;
use crate::epochs::core::Core;
use crate::sync::{Arc, Weak};

/// A participant, and the states that it keeps. Owned by them, by all other states of the thread in the domain's pools,
/// and by the registry.
///
/// While it is pinned it has an owner: the state by which it is pinned is alive.
pub(crate) struct Keeper {
    participant: Participant,
    /// States without an owner, which guards may use until the last of them is gone.
    kept: Cell<Option<NonNull<Local>>>,
}

impl Keeper {
    /// A new participant of this thread.
    pub fn register(domain: &Arc<Domain>, record: Record) -> Rc<Self> {
        Rc::new(Self {
            participant: Participant::register(domain, record),
            kept: Cell::new(None),
        })
    }

    /// Whether the domain is gone.
    pub fn is_dead(&self) -> bool {
        self.participant.is_dead()
    }

    /// Frees the states that are kept.
    ///
    /// # Safety
    ///
    /// The participant is not pinned, and the caller uses no state that has no owner any more.
    #[cold]
    #[inline(never)]
    unsafe fn free_kept(self: Rc<Self>) {
        while let Some(local) = self.kept.get() {
            // SAFETY: kept, hence alive.
            self.kept.set(unsafe { local.as_ref() }.next.get());
            // SAFETY: it has no owner, and no guard is left.
            unsafe { Local::free(local) };
        }
    }
}

/// One thread's state in one pool. It owns nothing of the pool's memory; what it remembers of it
/// (in `writer`) is looked at only under a guard of that pool.
///
/// It is alive while it has an [`Owner`] (the registry, a `LocalPool`, a call in progress) or its
/// participant is pinned. Guards are not counted beside that: crossbeam-epoch counts them. If the last owner goes
/// while the participant is pinned, the participant keeps the state until it is unpinned; otherwise the last owner
/// frees it. All of them are on one thread, so there is no race. A guard that is forgotten leaks the state.
pub(crate) struct Local {
    pool: u64,
    owners: Cell<usize>,
    /// The pool's; gone with it.
    begun: Weak<Begun>,
    pub writer: Writer,
    /// The next of the states that the participant keeps.
    next: Cell<Option<NonNull<Local>>>,
    /// Behind the rest, as its end may run foreign closures.
    keeper: Rc<Keeper>,
}

impl Local {
    /// The state of a thread that has none in this pool, with a participant that only it has.
    pub fn register(core: &Core, record: Record) -> Owner {
        Self::with(core, Keeper::register(&core.domain, record))
    }

    /// A state by a participant in the pool's domain.
    pub fn with(core: &Core, keeper: Rc<Keeper>) -> Owner {
        let local = Box::new(Self {
            pool: core.id,
            owners: Cell::new(1),
            begun: Arc::downgrade(&core.begun),
            writer: Writer::new(),
            next: Cell::new(None),
            keeper,
        });
        // SAFETY: a box is not null.
        Owner(unsafe { NonNull::new_unchecked(Box::into_raw(local)) })
    }

    /// The id of its pool.
    #[inline(always)]
    pub fn pool(&self) -> u64 {
        self.pool
    }

    #[inline(always)]
    pub fn participant(&self) -> &Participant {
        &self.keeper.participant
    }

    /// Whether the pool is gone.
    pub fn is_dead(&self) -> bool {
        self.begun.strong_count() == 0
    }

    /// Pins; `unpin` when the guard goes.
    ///
    /// # Safety
    ///
    /// `this` is alive, and has an owner until this returns.
    #[inline(always)]
    pub unsafe fn pin(this: NonNull<Self>) -> Guard {
        // SAFETY: alive by the contract.
        unsafe { this.as_ref() }.participant().pin()
    }

    /// Unpins; the end of a guard. The last one frees what has no owner.
    ///
    /// # Safety
    ///
    /// 1. `this` is alive.
    /// 2. `guard` came from `pin` on it; and if it has no owner, the caller does not use it after the
    ///    last guard of its participant is gone.
    #[inline(always)]
    pub unsafe fn unpin(this: NonNull<Self>, guard: Guard) {
        // SAFETY: alive by 1.
        let keeper = unsafe { &this.as_ref().keeper };
        if keeper.participant.unpin(guard) && keeper.kept.get().is_some() {
            // SAFETY: not pinned. By 2. a state that this frees is not used after it.
            unsafe { keeper.clone().free_kept() };
        }
    }

    /// Frees a state that has no owner.
    ///
    /// # Safety
    ///
    /// `this` came from [`Local::with`], nothing uses it any more, and its participant is not pinned.
    #[cold]
    #[inline(never)]
    unsafe fn free(this: NonNull<Self>) {
        // SAFETY: made by `Box::into_raw`, and freed once, by the contract.
        let local = unsafe { Box::from_raw(this.as_ptr()) };
        // No guard of this thread is left, so no batch is, either: another thread may fill the chunk further.
        let left = local.writer.leave();
        if let Some(((stamp, chunk), begun)) = left.zip(local.begun.upgrade()) {
            begun.leave(stamp, chunk);
        }
        // The end of the participant, if this was its last owner, may run foreign closures. They do not find this
        // state any more.
        drop(local);
    }
}

/// Keeps a thread's state alive, as an `Rc` would.
/// Invariant: counted in `owners`.
pub(crate) struct Owner(NonNull<Local>);

impl Owner {
    /// One more owner.
    ///
    /// # Safety
    ///
    /// `local` is alive.
    pub unsafe fn of(local: NonNull<Local>) -> Self {
        // SAFETY: by the contract.
        let owners = unsafe { &local.as_ref().owners };
        owners.set(owners.get() + 1);
        Self(local)
    }

    #[inline(always)]
    pub fn as_ptr(&self) -> NonNull<Local> {
        self.0
    }

    /// Whether a guard of the pool's domain is alive on this thread.
    pub fn is_pinned(&self) -> bool {
        self.participant().is_pinned()
    }
}

impl Clone for Owner {
    fn clone(&self) -> Self {
        // SAFETY: alive, as this is an owner.
        unsafe { Self::of(self.0) }
    }
}

impl Deref for Owner {
    type Target = Local;

    #[inline(always)]
    fn deref(&self) -> &Local {
        // SAFETY: alive, as this is an owner.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let owners = self.owners.get() - 1;
        self.owners.set(owners);
        if owners > 0 {
            return;
        }
        if self.is_pinned() {
            // A guard may use it still. It has no owner any more, and is kept once.
            self.next.set(self.keeper.kept.replace(Some(self.0)));
        } else {
            // SAFETY: made by `with`; this was the last owner, and there is no guard.
            unsafe { Local::free(self.0) };
        }
    }
}
