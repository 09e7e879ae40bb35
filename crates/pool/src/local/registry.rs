//! The thread-local registry: where a thread finds its states, one per pool, and its participants, one per domain.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::ptr::NonNull;
use std::rc::Rc;

use crossbeam_epoch::Guard;

use super::pinned::Pinned;
use super::state::{Keeper, Local, Owner};
use super::states::States;
use crate::domain::record::Record;
use crate::epochs::core::Core;

thread_local! {
    /// The state that was used last: the fast path of `pin`.
    /// Invariant: if there is one, `REGISTRY` owns it.
    /// Without a destructor, so that it can be read while other thread-locals are destroyed.
    static LAST: Cell<Option<NonNull<Local>>> = const { Cell::new(None) };

    /// The states of `REGISTRY`, if it has some and they are not being changed: without a destructor, as above.
    static STATES: Cell<Option<NonNull<States>>> = const { Cell::new(None) };

    static REGISTRY: Registry = const {
        Registry(RefCell::new(Entries {
            states: States::new(),
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
    states: States,
    domains: HashMap<u64, Rc<Keeper>, BuildHasherDefault<DefaultHasher>>,
    /// How many domains there may be before the dead ones are taken out.
    purge_at: usize,
}

impl Registry {
    /// This thread's participant in a domain.
    fn keeper(&self, domain: u64) -> Option<Rc<Keeper>> {
        self.0.borrow().domains.get(&domain).cloned()
    }

    /// Enters a participant of this thread. If foreign code has entered another one meanwhile, there are two, each
    /// complete; the first is used from then on. Returns those of dead domains, if there may be many by now: constant
    /// time, amortised. They are to be dropped without a borrow, as that may run foreign code.
    fn enter(&self, domain: u64, keeper: &Rc<Keeper>) -> Vec<Rc<Keeper>> {
        const FEW: usize = 16;
        let entries = &mut *self.0.borrow_mut();
        let mut dead = Vec::new();
        if entries.domains.len() >= entries.purge_at.max(FEW) {
            entries.domains.retain(|_, keeper| {
                // Asked once: another thread may end a domain at any moment.
                let is_alive = !keeper.is_dead();
                if !is_alive {
                    dead.push(keeper.clone());
                }
                is_alive
            });
            entries.purge_at = 2 * entries.domains.len();
        }
        let entry = entries.domains.entry(domain);
        entry.or_insert_with(|| keeper.clone());
        dead
    }

    /// Enters a state of this thread; of two, as above. Returns those of dead pools, to be dropped as above.
    fn insert(&self, local: &Owner) -> Vec<Owner> {
        let mut entries = self.0.borrow_mut();
        if entries.states.find(local.pool()).is_some() {
            return Vec::new();
        }
        // While the table is made anew, the registry owns no state. A global allocator that pins in here finds none, and
        // then meets the borrow.
        LAST.set(None);
        STATES.set(None);
        let dead = entries.states.enter(local.clone());
        drop(entries);
        // SAFETY: inside the cell, which this borrows.
        STATES.set(NonNull::new(unsafe { &raw mut (*self.0.as_ptr()).states }));
        LAST.set(Some(local.as_ptr()));
        dead
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        LAST.set(None);
        STATES.set(None);
        // The drops run foreign code, which may pin again: it finds no registry and makes do
        // with a state for that one guard.
        drop(self.0.take());
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

/// This thread's state in the pool of `core`, if it has one that was not the last: in constant time, whatever the number
/// of pools.
#[inline(never)]
fn find(core: &Core) -> Option<NonNull<Local>> {
    let states = STATES.get()?;
    // SAFETY: alive, by the invariant of STATES; and not being changed, by the same: what changes the states clears STATES
    // for the time. (`enter` has all of the entries by a `&mut` with STATES set, and touches the states only after that.)
    let local = unsafe { states.as_ref() }.find(core.id)?.as_ptr();
    LAST.set(Some(local));
    Some(local)
}

/// This thread's state in the pool of `core`.
pub(crate) fn owner(core: &Core) -> Owner {
    match last(core).or_else(|| find(core)) {
        // SAFETY: alive, as the registry owns it.
        Some(local) => unsafe { Owner::of(local) },
        None => register(core),
    }
}

/// Pins this thread in the pool of `core`.
#[inline(always)]
pub(crate) fn pin(core: &Core) -> Pinned<'_> {
    let (local, guard) = match last(core).or_else(|| find(core)) {
        // SAFETY: alive. The registry owns it until the pool is gone, which `core` excludes, or the
        // thread's registry is destroyed, which does not happen inside a call.
        Some(local) => (local, unsafe { Local::pin(local) }),
        None => register_and_pin(core),
    };
    // SAFETY: 1. alive: pinned; and this thread's state there; 2. pinned above.
    unsafe { Pinned::new(core, local, guard) }
}

#[cold]
#[inline(never)]
fn register_and_pin(core: &Core) -> (NonNull<Local>, Guard) {
    let owner = register(core);
    // SAFETY: alive, and `owner` owns it until this returns. From then on the guard keeps it.
    (owner.as_ptr(), unsafe { Local::pin(owner.as_ptr()) })
}

#[cold]
fn register(core: &Core) -> Owner {
    let domain = &core.domain;
    let Ok(found) = REGISTRY.try_with(|registry| registry.keeper(domain.id)) else {
        // The registry is gone: a thread-local's destructor is pinning. The state lives as long as its guard.
        return Local::register(core, Record::of_ending_thread());
    };
    let keeper = found.unwrap_or_else(|| {
        let keeper = Keeper::register(domain, Record::of_this_thread());
        // No borrow is held when the dead are dropped: that may run foreign code.
        drop(REGISTRY.try_with(|registry| registry.enter(domain.id, &keeper)));
        keeper
    });
    let local = Local::with(core, keeper);
    drop(REGISTRY.try_with(|registry| registry.insert(&local)));
    local
}

#[cfg(all(test, not(epoch_arena_loom)))]
mod tests {
    use super::*;
    use crate::ArenaPool;

    /// Pools: as many as Miri takes seconds for.
    const MANY: usize = if cfg!(miri) { 40 } else { 1000 };

    /// Puts a key into a new pool.
    fn pool() -> ArenaPool {
        let pool = ArenaPool::builder()
            .build()
            .expect("the default settings build");
        pool.pin().alloc_copy(b"key").expect("there is memory");
        pool
    }

    #[test]
    fn each_of_many_pools_finds_its_state() {
        let pools: Vec<_> = (0..MANY).map(|_| pool()).collect();
        for pool in &pools {
            let local = find(&pool.core).expect("it was used");
            assert_eq!(pool.pin().local().pool(), pool.core.id);
            assert_eq!(last(&pool.core), Some(local));
        }
        let unused = ArenaPool::builder()
            .build()
            .expect("the default settings build");
        assert!(find(&unused.core).is_none());
    }

    #[test]
    fn what_belongs_to_dead_pools_and_domains_does_not_pile_up() {
        drop((0..MANY).map(|_| pool()).collect::<Vec<_>>());
        let alive = pool();
        for _ in 0..2 * MANY {
            drop(pool());
        }
        assert!(find(&alive.core).is_some());
        REGISTRY.with(|registry| {
            assert!(registry.keeper(alive.core.domain.id).is_some());
            let entries = registry.0.borrow();
            assert_eq!(entries.states.len(), 8, "the fewest places");
            assert!(entries.domains.len() <= 16, "{}", entries.domains.len());
        });
    }
}
