//! The thread-local registry: where a thread finds its states, one per pool, and its participants, one per domain.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::ptr::NonNull;
use std::rc::Rc;

use crossbeam_epoch::Guard;

use super::pinned::Pinned;
use super::state::{Keeper, Local, Owner};
use crate::domain::record::Record;
use crate::epochs::core::Core;

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
    domains: HashMap<u64, Rc<Keeper>, BuildHasherDefault<Mixed>>,
    /// How many there may be before those of dead pools and domains are taken out.
    purge_at: usize,
}

impl Entries {
    /// Takes out the states of dead pools and domains, if there may be many by now: constant time, amortised. They
    /// are to be dropped without a borrow, as that may run foreign code.
    fn purge(&mut self) -> Self {
        const FEW: usize = 16;
        let mut dead = Self::default();
        if self.pools.len() + self.domains.len() < self.purge_at.max(FEW) {
            return dead;
        }
        LAST.set(None);
        dead.pools
            .extend(self.pools.extract_if(|_, local| local.is_dead()));
        dead.domains
            .extend(self.domains.extract_if(|_, keeper| keeper.is_dead()));
        self.purge_at = 2 * (self.pools.len() + self.domains.len());
        dead
    }
}

impl Registry {
    /// This thread's state in a pool, which this owns; it is the last that was used from here on.
    fn find(&self, pool: u64) -> Option<NonNull<Local>> {
        let local = self.0.borrow().pools.get(&pool)?.as_ptr();
        LAST.set(Some(local));
        Some(local)
    }

    /// This thread's participant in a domain.
    fn keeper(&self, domain: u64) -> Option<Rc<Keeper>> {
        self.0.borrow().domains.get(&domain).cloned()
    }

    /// Enters a participant of this thread. If foreign code has entered another one meanwhile, there are two, each
    /// complete; the first is used from then on.
    fn enter(&self, domain: u64, keeper: &Rc<Keeper>) {
        let mut entries = self.0.borrow_mut();
        entries
            .domains
            .entry(domain)
            .or_insert_with(|| keeper.clone());
    }

    /// Enters a state of this thread; of two, as above.
    fn insert(&self, local: &Owner) {
        let mut entries = self.0.borrow_mut();
        if let Entry::Vacant(entry) = entries.pools.entry(local.pool()) {
            entry.insert(local.clone());
            LAST.set(Some(local.as_ptr()));
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        LAST.set(None);
        // The drops run foreign code, which may pin again: it finds no registry and makes do
        // with a state for that one guard.
        drop(self.0.take());
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
    let pool = unsafe { last.as_ref() }.pool();
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
pub(crate) fn pin(core: &Core) -> Pinned<'_> {
    let (local, guard) = match last(core) {
        // SAFETY: alive, by the invariant of LAST. The registry owns it until the pool is gone, which
        // `core` excludes, or the thread's registry is destroyed, which does not happen inside a
        // call.
        Some(local) => (local, unsafe { Local::pin(local) }),
        None => find_and_pin(core),
    };
    // SAFETY: 1. alive: pinned; and this thread's state there; 2. pinned above.
    unsafe { Pinned::new(core, local, guard) }
}

#[cold]
#[inline(never)]
fn find_and_pin(core: &Core) -> (NonNull<Local>, Guard) {
    if let Ok(Some(local)) = REGISTRY.try_with(|registry| registry.find(core.id)) {
        // SAFETY: alive, and the registry owns it: as in `pin`.
        return (local, unsafe { Local::pin(local) });
    }
    let owner = find_or_register(core);
    // SAFETY: alive, and `owner` owns it until this returns. From then on the guard keeps it.
    (owner.as_ptr(), unsafe { Local::pin(owner.as_ptr()) })
}

/// This thread's state in a pool, in constant time, whatever the number of pools.
fn find_or_register(core: &Core) -> Owner {
    match REGISTRY.try_with(|registry| registry.find(core.id)) {
        // SAFETY: alive, as the registry owns it.
        Ok(Some(local)) => unsafe { Owner::of(local) },
        Ok(None) => register(core),
        // The registry is gone: a thread-local's destructor is pinning. The state lives as long as its guard.
        Err(_) => Local::register(core, Record::of_ending_thread()),
    }
}

#[cold]
fn register(core: &Core) -> Owner {
    // No borrow is held when the dead are dropped: that may run foreign code.
    drop(REGISTRY.try_with(|registry| registry.0.borrow_mut().purge()));
    let domain = &core.domain;
    let found = REGISTRY.try_with(|registry| registry.keeper(domain.id));
    let keeper = found.ok().flatten().unwrap_or_else(|| {
        let keeper = Keeper::register(domain, Record::of_this_thread());
        let _ = REGISTRY.try_with(|registry| registry.enter(domain.id, &keeper));
        keeper
    });
    let local = Local::with(core, keeper);
    let _ = REGISTRY.try_with(|registry| registry.insert(&local));
    local
}
