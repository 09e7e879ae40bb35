//! A thread's state in a pool, its participant in the pool's domain, and the registry that finds both.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Deref;
use std::ptr::NonNull;

use crossbeam_epoch::Guard;
use epoch_arena_core::raw::Writer;

use crate::begun::Begun;
use crate::guard::ArenaGuard;
use crate::participant::Participant;
use crate::record::Record;
use crate::state::Core;
use crate::sync::{Arc, Weak};

/// One thread's state in one pool. It owns nothing of the pool's memory; what it remembers of it
/// (in `writer`) is looked at only under a guard of that pool.
///
/// It is alive while it has an [`Owner`] (the registry, a [`LocalPool`], a call in progress) or its
/// participant is pinned. Guards are not counted beside that: crossbeam-epoch counts them. If the last owner goes
/// while the participant is pinned, the participant keeps the state until it is unpinned; otherwise the last owner
/// frees it. All of them are on one thread, so there is no race. A guard that is forgotten leaks the state.
pub(crate) struct Local {
    pool: u64,
    owners: Cell<usize>,
    /// Invariant: alive, as this state is one of its owners.
    participant: NonNull<Participant>,
    /// The pool's; gone with it.
    begun: Weak<Begun>,
    pub writer: Writer,
    /// The next of the states that a participant keeps.
    pub next: Cell<Option<NonNull<Local>>>,
}

impl Local {
    /// The state of a thread that has none in this pool, with a participant that only it has.
    pub fn register(core: &Core, record: Record) -> Owner {
        let participant = Participant::register(&core.domain, record);
        let owner = Self::new(core, participant);
        // SAFETY: registered above, with one owner, which is the new state's from here on.
        unsafe { Participant::leave(participant) };
        owner
    }

    /// A state by `participant`, which is alive and of the pool's domain.
    fn new(core: &Core, participant: NonNull<Participant>) -> Owner {
        // SAFETY: alive by the contract.
        unsafe { participant.as_ref() }.join();
        let local = Box::new(Self {
            pool: core.id,
            owners: Cell::new(1),
            participant,
            begun: Arc::downgrade(&core.begun),
            writer: Writer::new(),
            next: Cell::new(None),
        });
        // SAFETY: a box is not null.
        Owner(unsafe { NonNull::new_unchecked(Box::into_raw(local)) })
    }

    #[inline(always)]
    pub fn participant(&self) -> &Participant {
        // SAFETY: by the invariant of `participant`.
        unsafe { self.participant.as_ref() }
    }

    fn is_dead(&self) -> bool {
        self.begun.strong_count() == 0
    }

    /// Pins; `unpin` when the guard goes.
    ///
    /// # Safety
    ///
    /// `this` is alive, and has an owner until this returns.
    #[inline(always)]
    unsafe fn pin(this: NonNull<Self>) -> Guard {
        // SAFETY: alive by the contract.
        unsafe { this.as_ref() }.participant().pin()
    }

    /// Unpins; the end of a guard.
    ///
    /// # Safety
    ///
    /// 1. `this` is alive.
    /// 2. `guard` came from `pin` on it; and if it has no owner, the caller does not use it after the
    ///    last guard of its participant is gone.
    #[inline(always)]
    pub unsafe fn unpin(this: NonNull<Self>, guard: Guard) {
        // SAFETY: alive by 1.
        let participant = unsafe { this.as_ref() }.participant;
        // SAFETY: alive, as the state owns it, and pinned by `guard`. By 2. a state that this frees is not
        // used after it.
        unsafe { Participant::unpin(participant, guard) }
    }

    /// Frees a state that has no owner.
    ///
    /// # Safety
    ///
    /// `this` came from [`Local::new`], nothing uses it any more, and its participant is not pinned.
    #[cold]
    #[inline(never)]
    pub unsafe fn free(this: NonNull<Self>) {
        // SAFETY: made by `Box::into_raw`, and freed once, by the contract.
        let local = unsafe { Box::from_raw(this.as_ptr()) };
        // No guard of this thread is left, so no batch is, either: another thread may fill the chunk further.
        if let Some((stamp, chunk)) = local.writer.leave()
            && let Some(begun) = local.begun.upgrade()
        {
            begun.leave(stamp, chunk);
        }
        let participant = local.participant;
        drop(local);
        // SAFETY: the state was one of its owners. The end of a participant may run foreign closures. They do not
        // find this state any more.
        unsafe { Participant::leave(participant) };
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
    unsafe fn of(local: NonNull<Local>) -> Self {
        // SAFETY: by the contract.
        let owners = unsafe { &local.as_ref().owners };
        owners.set(owners.get() + 1);
        Self(local)
    }

    /// Pins this thread in the pool of `core`, whose state this is.
    #[inline(always)]
    pub fn pin<'a>(&self, core: &'a Core) -> ArenaGuard<'a> {
        debug_assert_eq!(self.pool, core.id);
        // SAFETY: alive, and this is an owner.
        let guard = unsafe { Local::pin(self.0) };
        // SAFETY: 1. alive, and the caller's state there; 2. pinned above.
        unsafe { ArenaGuard::new(core, self.0, guard) }
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
            self.participant().keep(self.0);
        } else {
            // SAFETY: made by `new`; this was the last owner, and there is no guard.
            unsafe { Local::free(self.0) };
        }
    }
}

thread_local! {
    /// The state that was used last: the fast path of `pin`.
    /// Invariant: if there is one, `REGISTRY` owns it.
    /// Without a destructor, so that it can be read while other thread-locals are destroyed.
    static LAST: Cell<Option<NonNull<Local>>> = const { Cell::new(None) };

    static REGISTRY: Registry = const {
        Registry(RefCell::new(Entries {
            pools: HashMap::with_hasher(BuildHasherDefault::new()),
            domains: HashMap::with_hasher(BuildHasherDefault::new()),
            purge_at: 0,
        }))
    };
}

/// The states of this thread, one per pool it has used, and its participants, one per domain. Never borrowed while
/// foreign code runs.
struct Registry(RefCell<Entries>);

#[derive(Default)]
struct Entries {
    pools: HashMap<u64, Owner, BuildHasherDefault<Mixed>>,
    /// Invariant: each is alive, as this is one of its owners.
    domains: HashMap<u64, NonNull<Participant>, BuildHasherDefault<Mixed>>,
    /// How many there may be before those of dead pools and domains are taken out.
    purge_at: usize,
}

/// What is taken out of a registry: to be dropped without a borrow, as that may run foreign code.
#[derive(Default)]
struct Purged {
    pools: Vec<Owner>,
    domains: Vec<NonNull<Participant>>,
}

impl Drop for Purged {
    fn drop(&mut self) {
        self.pools.clear();
        for participant in self.domains.drain(..) {
            // SAFETY: the registry was one of its owners.
            unsafe { Participant::leave(participant) };
        }
    }
}

impl Entries {
    /// Takes out the states of dead pools and domains, if there may be many by now: constant time, amortised.
    fn purge(&mut self) -> Purged {
        const FEW: usize = 16;
        if self.pools.len() + self.domains.len() < self.purge_at.max(FEW) {
            return Purged::default();
        }
        LAST.set(None);
        let pools = self.pools.extract_if(|_, local| local.is_dead());
        let pools = pools.map(|(_, local)| local).collect();
        // SAFETY: alive, by the invariant of `domains`.
        let is_dead =
            |participant: &NonNull<Participant>| unsafe { participant.as_ref() }.is_dead();
        let domains = self
            .domains
            .extract_if(|_, participant| is_dead(participant));
        let domains = domains.map(|(_, participant)| participant).collect();
        self.purge_at = 2 * (self.pools.len() + self.domains.len());
        Purged { pools, domains }
    }
}

impl Registry {
    fn find(&self, pool: u64) -> Option<Owner> {
        let entries = self.0.borrow();
        let local = entries.pools.get(&pool)?;
        LAST.set(Some(local.0));
        Some(local.clone())
    }

    fn participant(&self, domain: u64) -> Option<NonNull<Participant>> {
        self.0.borrow().domains.get(&domain).copied()
    }

    /// Enters a participant that has one owner, which is the registry from here on; or gives it back, if foreign code
    /// has entered another meanwhile.
    fn enter(
        &self,
        domain: u64,
        participant: NonNull<Participant>,
    ) -> Option<NonNull<Participant>> {
        let mut entries = self.0.borrow_mut();
        if entries.domains.contains_key(&domain) {
            return Some(participant);
        }
        entries.domains.insert(domain, participant);
        None
    }

    fn insert(&self, local: &Owner) {
        let mut entries = self.0.borrow_mut();
        // Where foreign code has registered the same pool meanwhile, there are two states, each complete; the
        // first is used from then on.
        if !entries.pools.contains_key(&local.pool) {
            entries.pools.insert(local.pool, local.clone());
            LAST.set(Some(local.0));
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        LAST.set(None);
        let Entries { pools, domains, .. } = self.0.take();
        // The drops run foreign code, which may pin again: it finds no registry and makes do
        // with a state for that one guard.
        drop(Purged {
            pools: pools.into_values().collect(),
            domains: domains.into_values().collect(),
        });
    }
}

/// Hashes a number that is one more with each pool or domain.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("the keys are `u64`");
    }

    fn write_u64(&mut self, number: u64) {
        // The map looks at the lowest and at the highest bits.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

/// This thread's state in the pool of `core`, if it was the last that was used.
#[inline(always)]
fn last(core: &Core) -> Option<NonNull<Local>> {
    let last = LAST.get()?;
    // SAFETY: alive, by the invariant of LAST.
    let pool = unsafe { last.as_ref().pool };
    (pool == core.id).then_some(last)
}

/// This thread's state in the pool of `core`.
pub(crate) fn owner(core: &Core) -> Owner {
    match last(core) {
        // SAFETY: alive, by the invariant of LAST.
        Some(local) => unsafe { Owner::of(local) },
        None => find_or_register(core),
    }
}

/// Pins this thread in the pool of `core`.
#[inline(always)]
pub(crate) fn pin(core: &Core) -> ArenaGuard<'_> {
    let (local, guard) = match last(core) {
        // SAFETY: alive, by the invariant of LAST. The registry owns it until the pool is gone, which
        // `core` excludes, or the thread's registry is destroyed, which does not happen inside a
        // call.
        Some(local) => (local, unsafe { Local::pin(local) }),
        None => find_and_pin(core),
    };
    // SAFETY: 1. alive: pinned; and this thread's state there; 2. pinned above.
    unsafe { ArenaGuard::new(core, local, guard) }
}

#[cold]
#[inline(never)]
fn find_and_pin(core: &Core) -> (NonNull<Local>, Guard) {
    let owner = find_or_register(core);
    // SAFETY: alive, and `owner` owns it until this returns. From then on the guard keeps it.
    (owner.0, unsafe { Local::pin(owner.0) })
}

/// This thread's state in a pool, in constant time, whatever the number of pools.
fn find_or_register(core: &Core) -> Owner {
    let Ok(found) = REGISTRY.try_with(|registry| registry.find(core.id)) else {
        // The registry is gone: a thread-local's destructor is pinning. The state lives as long
        // as its guard.
        return Local::register(core, Record::of_ending_thread());
    };
    found.unwrap_or_else(|| register(core))
}

#[cold]
fn register(core: &Core) -> Owner {
    // No borrow is held when the dead are dropped: that may run foreign code.
    drop(REGISTRY.try_with(|registry| registry.0.borrow_mut().purge()));
    let domain = &core.domain;
    let found = REGISTRY.try_with(|registry| registry.participant(domain.id));
    let local = match found {
        Ok(Some(participant)) => Local::new(core, participant),
        _ => {
            let participant = Participant::register(domain, Record::of_this_thread());
            let local = Local::new(core, participant);
            let entered = REGISTRY.try_with(|registry| registry.enter(domain.id, participant));
            // The state has an owner's share of it; the first one is the registry's, or is given up.
            if !matches!(entered, Ok(None)) {
                // SAFETY: registered above, with one owner.
                unsafe { Participant::leave(participant) };
            }
            local
        }
    };
    let _ = REGISTRY.try_with(|registry| registry.insert(&local));
    local
}

/// This thread's state in a pool, held explicitly: what [`ArenaPool::pin`](crate::ArenaPool::pin)
/// looks up in a thread-local is at hand here.
///
/// It is the same state: guards of both nest, and share one chunk. It keeps the pool alive, and is
/// `!Send`, as the state is its thread's.
///
/// ```
/// use epoch_arena_pool::ArenaPool;
/// let pool = ArenaPool::builder().build()?;
/// std::thread::scope(|s| {
///     for _ in 0..2 {
///         s.spawn(|| {
///             let local = pool.local();
///             for batch in [["a", "b"], ["c", "d"]] {
///                 let guard = local.pin();
///                 for key in batch {
///                     let handle = guard.alloc_copy(key.as_bytes()).unwrap();
///                     assert_eq!(guard.get(handle), Some(key.as_bytes()));
///                 }
///             }
///         });
///     }
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// send(epoch_arena_pool::ArenaPool::builder().build().unwrap().local());
/// ```
#[must_use = "it only spares `pin` a look-up; keep it and pin by it"]
pub struct LocalPool {
    // Before `core`: dropping the state may run foreign code, with the pool still there.
    local: Owner,
    core: Arc<Core>,
}

impl LocalPool {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self {
            local: owner(&core),
            core,
        }
    }

    /// Pins this thread: as [`ArenaPool::pin`](crate::ArenaPool::pin), without the look-up.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let local = pool.local();
    /// let guard = local.pin();
    /// assert_eq!(guard.epoch(), pool.current_epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn pin(&self) -> ArenaGuard<'_> {
        self.local.pin(&self.core)
    }
}

impl fmt::Debug for LocalPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalPool")
            .field("pool", &self.core)
            .field("pinned", &self.local.is_pinned())
            .finish_non_exhaustive()
    }
}
