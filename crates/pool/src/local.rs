//! A thread's state in a pool, and the registry that finds it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use crossbeam_epoch::{Guard, LocalHandle};
use crossbeam_utils::CachePadded;
use epoch_arena_core::pack;
use epoch_arena_core::raw::Writer;

use crate::core::Core;
use crate::guard::ArenaGuard;
use crate::record::Record;
use crate::sync::Arc;

/// One thread's state in one pool. It owns nothing of the pool's memory; what it remembers of it
/// (in `writer`) is looked at only under a guard of that pool.
pub(crate) struct Local {
    pool: u64,
    /// Never handed out, so that nobody can repin it: see `ArenaPool::view`.
    pub handle: LocalHandle,
    pub writer: Writer,
    /// Guards that are alive.
    pins: Cell<usize>,
    /// Views that are alive.
    views: Cell<usize>,
    /// Shared with the pool. Only one owner left: the pool is gone, or the thread.
    record: Arc<CachePadded<Record>>,
}

impl Local {
    /// The state of a thread that has none in this pool.
    pub fn register(core: &Core, record: Record) -> Rc<Self> {
        let record = Arc::new(CachePadded::new(record));
        let handle = core.collector.register();
        let mut state = core.state();
        // Those of threads that have ended. Their drop is ours alone: a name and two words.
        state.records.retain(|record| Arc::strong_count(record) > 1);
        state.records.push(record.clone());
        let lane = state.threads;
        state.threads = lane.wrapping_add(1);
        drop(state);
        Rc::new(Self {
            pool: core.id,
            handle,
            writer: Writer::new(lane),
            pins: Cell::new(0),
            views: Cell::new(0),
            record,
        })
    }

    fn is_dead(&self) -> bool {
        Arc::strong_count(&self.record) == 1
    }

    /// Pins, and counts the guard or view; `leave` when it goes.
    pub fn pin(&self, core: &Core, foreign: bool) -> Guard {
        // Foreign closures may run in here; nothing of ours is borrowed or half done.
        let guard = self.handle.pin();
        // A nested pin needs no fence: the participant is ours alone, so its outermost pin was a
        // real one (never a user's `repin`), and everything since is under it.
        let count = self.count(foreign);
        count.set(count.get() + 1);
        if count.get() == 1 {
            self.mark(core, foreign);
        }
        guard
    }

    /// Shows since when this thread is pinned.
    pub fn mark(&self, core: &Core, foreign: bool) {
        let epoch = pack::epoch(core.slots.current());
        self.record.pinned(foreign, Some(epoch));
    }

    #[inline]
    pub fn leave(&self, foreign: bool) {
        let count = self.count(foreign);
        count.set(count.get() - 1);
        if count.get() == 0 {
            self.record.pinned(foreign, None);
        }
    }

    fn count(&self, foreign: bool) -> &Cell<usize> {
        if foreign { &self.views } else { &self.pins }
    }
}

thread_local! {
    /// The state that was used last, or null: the fast path of `pin`.
    /// Invariant: if not null, it points into an `Rc` in `REGISTRY`.
    /// Without a destructor, so that it can be read while other thread-locals are destroyed.
    static LAST: Cell<*const Local> = const { Cell::new(std::ptr::null()) };

    static REGISTRY: Registry = const { Registry(RefCell::new(Vec::new())) };
}

/// The states of this thread, one per pool it has used. Never borrowed while foreign code runs.
struct Registry(RefCell<Vec<Rc<Local>>>);

impl Registry {
    fn find(&self, pool: u64) -> Option<Rc<Local>> {
        let mut locals = self.0.borrow_mut();
        let index = locals.iter().position(|local| local.pool == pool)?;
        // To the front: a thread that changes between few of many pools finds them soon.
        locals.swap(0, index);
        LAST.set(Rc::as_ptr(&locals[0]));
        Some(locals[0].clone())
    }

    /// Takes out the states of dead pools. The caller drops them, without a borrow.
    fn purge(&self) -> Vec<Rc<Local>> {
        LAST.set(std::ptr::null());
        let mut locals = self.0.borrow_mut();
        locals.extract_if(.., |local| local.is_dead()).collect()
    }

    fn insert(&self, local: &Rc<Local>) {
        self.0.borrow_mut().push(local.clone());
        LAST.set(Rc::as_ptr(local));
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        LAST.set(std::ptr::null());
        // The drops run foreign code, which may pin again: it finds no registry and makes do
        // with a state for that one guard.
        drop(self.0.take());
    }
}

/// This thread's state in the pool of `core`.
#[inline]
pub(crate) fn local(core: &Core) -> Rc<Local> {
    let last = LAST.get();
    // SAFETY: by the invariant of LAST it is null or points to a state that the registry of this
    // thread keeps alive.
    if let Some(local) = unsafe { last.as_ref() }
        && local.pool == core.id
    {
        // SAFETY: `last` came from `Rc::as_ptr`, and the registry's own `Rc` keeps it alive.
        unsafe { Rc::increment_strong_count(last) };
        // SAFETY: as above; the count that was just added is the new `Rc`'s.
        return unsafe { Rc::from_raw(last) };
    }
    find_or_register(core)
}

#[cold]
fn find_or_register(core: &Core) -> Rc<Local> {
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
/// It is the same state: guards of both nest, and share one chunk. It keeps the pool alive, and
/// stays on its thread.
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
pub struct LocalArena {
    // Before `core`: dropping the state may run foreign code, with the pool still there.
    local: Rc<Local>,
    core: Arc<Core>,
}

impl LocalArena {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self {
            local: local(&core),
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
        ArenaGuard::new(&self.core, self.local.clone())
    }
}

impl fmt::Debug for LocalArena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalArena")
            .field("pool", &self.core)
            .field("pinned", &self.local.handle.is_pinned())
            .finish_non_exhaustive()
    }
}
