//! A thread's state in a pool, and the registry that finds it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;

use crossbeam_epoch::{Collector, Guard, LocalHandle};
use crossbeam_utils::CachePadded;
use epoch_arena_core::raw::Writer;

use crate::guard::ArenaGuard;
use crate::record::Record;
use crate::state::Core;
use crate::sync::Arc;

/// One thread's state in one pool. It owns nothing of the pool's memory; what it remembers of it
/// (in `writer`) is looked at only under a guard of that pool.
///
/// It is alive while it has an [`Owner`] (the registry, a [`LocalPool`], a call in progress) or its
/// handle is pinned. Guards are not counted beside that: crossbeam-epoch counts them. Whichever goes
/// last frees it: if the last owner goes while a guard is alive, the end of the last guard does; if
/// the last guard goes first, the end of the last owner does. All of them are on one thread, so there
/// is no race. A guard that is forgotten leaks the state.
pub(crate) struct Local {
    pool: u64,
    owners: Cell<usize>,
    /// Shared with the pool. Only one owner left: the pool is gone, or the thread.
    record: Arc<CachePadded<Record>>,
    /// Never handed out, so that it cannot be repinned from outside: see `ArenaPool::pin_with`.
    pub handle: LocalHandle,
    /// Behind the handle: dropped last, so that the end of the handle never frees its own collector,
    /// whose memory that would run in.
    #[expect(
        dead_code,
        reason = "kept for the order in which the fields are dropped"
    )]
    collector: Collector,
    pub writer: Writer,
}

impl Local {
    /// The state of a thread that has none in this pool.
    pub fn register(core: &Core, record: Record) -> Owner {
        let record = Arc::new(CachePadded::new(record));
        let handle = core.collector.register();
        let mut state = core.state();
        // Those of threads that have ended. Their drop is ours alone: a name and a word.
        state.records.retain(|record| Arc::strong_count(record) > 1);
        state.records.push(record.clone());
        let lane = state.threads;
        state.threads = lane.wrapping_add(1);
        drop(state);
        Owner::new(Self {
            pool: core.id,
            owners: Cell::new(0),
            record,
            handle,
            collector: core.collector.clone(),
            writer: Writer::new(lane),
        })
    }

    fn is_dead(&self) -> bool {
        Arc::strong_count(&self.record) == 1
    }

    /// Pins, and shows since when if this is the outermost pin; `unpin` when the guard goes.
    ///
    /// # Safety
    ///
    /// `this` is alive, and has an owner until this returns.
    #[inline(always)]
    unsafe fn pin(this: NonNull<Self>, core: &Core) -> Guard {
        // SAFETY: alive by the contract.
        let local = unsafe { this.as_ref() };
        // A nested pin needs no fence: the participant is ours alone, so its outermost pin was a real
        // one (never a user's `repin`), and everything since is under it.
        let outermost = !local.handle.is_pinned();
        // Foreign closures may run in the pin; nothing of ours is borrowed or half done. What they
        // pin in there is nested in this and shown by it. (If one of them keeps such a guard and
        // another panics, the guard is reported as one that cannot be named.)
        let guard = local.handle.pin();
        if outermost {
            local.mark(core);
        }
        guard
    }

    /// Shows since when this thread is pinned.
    #[inline(always)]
    pub fn mark(&self, core: &Core) {
        self.record.pin(core.slots.current());
    }

    /// Unpins; the end of a guard.
    ///
    /// # Safety
    ///
    /// 1. `this` is alive.
    /// 2. `guard` came from `pin` on it; and if it has no owner, the caller does not use it after the
    ///    last of its guards is gone.
    #[inline(always)]
    pub unsafe fn unpin(this: NonNull<Self>, guard: Guard) {
        // SAFETY: alive by 1., until it is freed below.
        let local = unsafe { this.as_ref() };
        drop(guard);
        if !local.handle.is_pinned() {
            local.record.unpin();
            if local.owners.get() == 0 {
                // SAFETY: no owner, and by 2. no guard: nothing else refers to it.
                unsafe { Self::free(this) };
            }
        }
    }

    /// # Safety
    ///
    /// `this` came from [`Owner::new`], and nothing uses it any more: it is not pinned and has no
    /// owner.
    #[cold]
    #[inline(never)]
    unsafe fn free(this: NonNull<Self>) {
        // SAFETY: made by `Box::into_raw`, and freed once, by the contract.
        let local = unsafe { Box::from_raw(this.as_ptr()) };
        // The end of the handle may run foreign closures. They do not find this state any more.
        drop(local);
    }
}

/// Keeps a thread's state alive, as an `Rc` would.
/// Invariant: counted in `owners`.
pub(crate) struct Owner(NonNull<Local>);

impl Owner {
    fn new(local: Local) -> Self {
        local.owners.set(1);
        // SAFETY: a box is not null.
        Self(unsafe { NonNull::new_unchecked(Box::into_raw(Box::new(local))) })
    }

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
        let guard = unsafe { Local::pin(self.0, core) };
        // SAFETY: 1. alive, and the caller's state there; 2. pinned above.
        unsafe { ArenaGuard::new(core, self.0, guard) }
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
        if owners == 0 && !self.handle.is_pinned() {
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

    static REGISTRY: Registry = const { Registry(RefCell::new(Vec::new())) };
}

/// The states of this thread, one per pool it has used. Never borrowed while foreign code runs.
struct Registry(RefCell<Vec<Owner>>);

impl Registry {
    fn find(&self, pool: u64) -> Option<Owner> {
        let mut locals = self.0.borrow_mut();
        let index = locals.iter().position(|local| local.pool == pool)?;
        // To the front: a thread that changes between few of many pools finds them soon.
        locals.swap(0, index);
        LAST.set(Some(locals[0].0));
        Some(locals[0].clone())
    }

    /// Takes out the states of dead pools. The caller drops them, without a borrow.
    fn purge(&self) -> Vec<Owner> {
        LAST.set(None);
        let mut locals = self.0.borrow_mut();
        locals.extract_if(.., |local| local.is_dead()).collect()
    }

    fn insert(&self, local: &Owner) {
        self.0.borrow_mut().push(local.clone());
        LAST.set(Some(local.0));
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
        Some(local) => (local, unsafe { Local::pin(local, core) }),
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
    (owner.0, unsafe { Local::pin(owner.0, core) })
}

#[cold]
fn find_or_register(core: &Core) -> Owner {
    let found = REGISTRY.try_with(|registry| registry.find(core.id));
    if let Ok(Some(local)) = found {
        return local;
    }
    // No borrow is held when the dead are dropped: that may run foreign code.
    let Ok(dead) = REGISTRY.try_with(Registry::purge) else {
        // The registry is gone: a thread-local's destructor is pinning. The state lives as long
        // as its guard.
        return Local::register(core, Record::of_ending_thread());
    };
    drop(dead);
    let local = Local::register(core, Record::of_this_thread());
    // Where foreign code registered the same pool meanwhile, there are two states, each
    // complete; the one found first is used from then on.
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
            .field("pinned", &self.local.handle.is_pinned())
            .finish_non_exhaustive()
    }
}
