//! `ArenaPool`: epochs come and go; crossbeam-epoch decides when their memory does.

use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use crossbeam_epoch::Guard;
use epoch_arena_block::Memory;
use epoch_arena_block::raw::Generation;
use epoch_arena_core::{ArenaStats, Epoch};

use crate::builder::PoolBuilder;
use crate::error::{AdvanceError, ForeignGuard, WaitError};
use crate::guard::ArenaGuard;
use crate::hold::{self, Hold, LEASE};
use crate::lease::{Lease, Snapshot};
use crate::lease_entry::LeaseEntry;
use crate::local::{self, LocalPool, Owner};
use crate::state::{self, Core, Reclaimed, Retirement, State};
use crate::stats::{MaintainReport, PoolStats};
use crate::sync::Arc;
use crate::trace;

/// Epochs of arenas: any thread writes into the current epoch and reads all live ones; `advance`
/// opens the next and retires the oldest; its memory is reclaimed, all at once, when no guard is
/// left that could see it.
///
/// Cloning is cheap and gives the same pool.
///
/// ```
/// use epoch_arena_pool::ArenaPool;
///
/// let pool = ArenaPool::builder().retained_epochs(4).build()?;
/// let guard = pool.pin();
/// let handle = guard.alloc_copy(b"user:12345:profile")?;
/// assert_eq!(guard.get(handle), Some(&b"user:12345:profile"[..]));
/// drop(guard);
///
/// for _ in 0..4 {
///     pool.advance()?;
/// }
/// assert!(pool.pin().get(handle).is_none()); // expired: `None`, never dangling
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ArenaPool {
    pub(crate) core: Arc<Core>,
}

impl ArenaPool {
    /// A builder with the defaults: two retained epochs, a memory and a collector of its own.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().build()?;
    /// assert_eq!(pool.current_epoch(), pool.pin().epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> PoolBuilder {
        PoolBuilder::new()
    }

    pub(crate) fn from_core(core: Core) -> Self {
        Self {
            core: Arc::new(core),
        }
    }

    /// Pins this thread. A few nanoseconds; the first time on a thread about a microsecond, to
    /// register it, which takes the pool's lock and allocates. Every later pin takes no lock and
    /// frees nothing of the pool's. Pin per batch of operations, not per key.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let guard = pool.pin();
    /// let handle = guard.alloc_copy(b"key")?;
    /// assert_eq!(guard.get(handle), Some(&b"key"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn pin(&self) -> ArenaGuard<'_> {
        local::pin(&self.core)
    }

    /// This thread's state in the pool, to keep at hand.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let local = pool.local();
    /// assert_eq!(local.pin().epoch(), pool.current_epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn local(&self) -> LocalPool {
        LocalPool::new(self.core.clone())
    }

    /// Pins this thread beside a crossbeam-epoch guard of your own, and for no longer: to use a
    /// `crossbeam_skiplist::SkipMap` and this pool under one guard. The pool must have been given
    /// the guard's collector, so that both are held back, and let go, together.
    ///
    /// The pool's guard has a pin of its own, so it protects whatever becomes of yours in between
    /// (`repin`, say). It costs what [`pin`](Self::pin) costs.
    ///
    /// # Errors
    ///
    /// [`ForeignGuard`] if the guard is of another collector, or the unprotected one.
    ///
    /// ```
    /// use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder()
    ///     .collector(crossbeam_epoch::default_collector().clone())
    ///     .build()?;
    /// let yours = crossbeam_epoch::pin();
    /// let guard = pool.pin_with(&yours)?;
    /// let handle = guard.alloc_copy(b"key")?;
    /// assert_eq!(guard.get(handle), Some(&b"key"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn pin_with<'a>(&'a self, guard: &'a Guard) -> Result<ArenaGuard<'a>, ForeignGuard> {
        if guard.collector() != Some(&self.core.domain.collector) {
            return Err(ForeignGuard);
        }
        // A pin of its own, which does not lean on the user's: that guard may have been repinned,
        // which in crossbeam-epoch 0.9.21 has no fence, or even be unpinned, after a panic in
        // `Guard::repin_after`. It costs no more than the fence that would be needed.
        Ok(local::pin(&self.core))
    }

    /// The current epoch; it may move on at any moment. One load.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let before = pool.current_epoch();
    /// assert!(pool.advance()? > before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn current_epoch(&self) -> Epoch {
        state::epoch(self.core.slots.current())
    }

    /// Whether handles of `epoch` resolve at this moment. Takes the pool's lock; logarithmic in
    /// the live epochs.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?; // two epochs retained
    /// let epoch = pool.current_epoch();
    /// pool.advance()?;
    /// assert!(pool.is_live(epoch));
    /// pool.advance()?;
    /// assert!(!pool.is_live(epoch));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_live(&self, epoch: Epoch) -> bool {
        self.core.state().find_live(epoch).is_some()
    }

    /// Whether no writer is left in `epoch`, so that its figures are final: true some time after
    /// `advance` has left it, when every guard that was pinned then is gone, and ever after.
    /// `false` for the current epoch and any later one. Of another pool's epochs it knows nothing:
    /// it takes those before its current one for its own, long gone. Takes the pool's lock; linear in
    /// the retired epochs that are held.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let epoch = pool.current_epoch();
    /// let writer = pool.pin();
    /// pool.advance()?;
    /// assert!(!pool.is_sealed(epoch)); // `writer` may still write to it
    /// drop(writer);
    /// pool.maintain();
    /// assert!(pool.is_sealed(epoch));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_sealed(&self, epoch: Epoch) -> bool {
        let state = self.core.state();
        match state.find(epoch) {
            Some(generation) => hold::is_sealed(generation),
            None => epoch < self.current_epoch(),
        }
    }

    /// Waits until `epoch` is sealed, for at most `timeout`: until `advance` has left it and every
    /// guard that was pinned then is gone. Its figures are final then, and so is the set of its
    /// keys: what a flush to disk waits for.
    ///
    /// Nothing wakes the waiting thread: it looks again after a while, from microseconds to a
    /// millisecond, and drives the grace period meanwhile. (To wake it, a reader's pin would have to
    /// call the system.) Waiting for the current epoch waits for somebody to advance, too.
    ///
    /// # Errors
    ///
    /// [`WaitError::Pinned`] if a guard of this pool is alive on this thread, which would
    /// wait for itself; [`WaitError::TimedOut`] when the time is over. A guard of the user's own on
    /// this thread, of a shared collector, cannot be seen and ends in the latter.
    ///
    /// ```
    /// # use epoch_arena_pool::{ArenaPool, WaitError};
    /// # use std::time::Duration;
    /// # let pool = ArenaPool::builder().build()?;
    /// let epoch = pool.current_epoch();
    /// assert_eq!(pool.wait_sealed(epoch, Duration::ZERO), Err(WaitError::TimedOut));
    /// pool.advance()?;
    /// pool.wait_sealed(epoch, Duration::from_secs(10))?;
    /// let figures = pool.stats_of(epoch).expect("two epochs are retained"); // final
    /// # assert_eq!(figures.allocations, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_sealed(&self, epoch: Epoch, timeout: Duration) -> Result<(), WaitError> {
        const LONGEST_NAP: Duration = Duration::from_millis(1);
        let local = local::owner(&self.core);
        let start = Instant::now();
        let mut nap = Duration::from_micros(1);
        loop {
            if self.is_sealed(epoch) {
                return Ok(());
            }
            if local.is_pinned() {
                return Err(WaitError::Pinned);
            }
            let Some(left) = timeout.checked_sub(start.elapsed()) else {
                return Err(WaitError::TimedOut);
            };
            self.settle(local.pin(&self.core), &local);
            if !self.is_sealed(epoch) {
                std::thread::sleep(nap.min(left));
                nap = (2 * nap).min(LONGEST_NAP);
            }
        }
    }

    /// Opens the next epoch and makes it current; the oldest retained one is retired if there
    /// are more than the builder was told. The new epoch's arena is ready before any thread can
    /// see its number. Constant time, whatever the number of keys (unless their bytes are to be
    /// overwritten: [`poison_on_reclaim`](PoolBuilder::poison_on_reclaim)).
    ///
    /// # Panics
    ///
    /// Only if a closure panics that somebody else deferred to the same collector and that is run
    /// in here; whether the epoch has moved on then, [`current_epoch`](Self::current_epoch) tells.
    /// Any pin may run such closures: so may [`pin`](Self::pin), [`pin_with`](Self::pin_with),
    /// [`retire_before`](Self::retire_before), [`maintain`](Self::maintain),
    /// [`ArenaGuard::refresh`], and a put that meets the memory's budget. With the feature `tracing`
    /// also if a subscriber panics: the epoch has moved on then, and nothing is lost.
    ///
    /// # Errors
    ///
    /// [`AdvanceError::EpochsExhausted`] when the 40 bits of the epochs are used up; the pool stays as it was.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let epoch = pool.advance()?;
    /// assert_eq!(epoch, pool.current_epoch());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance(&self) -> Result<Epoch, AdvanceError> {
        self.advance_if(None)
    }

    /// As [`advance`](Self::advance), if the current epoch still is `from`: of several writers
    /// that find an epoch full, one advances.
    ///
    /// # Errors
    ///
    /// [`AdvanceError::Moved`] with the current epoch if it is not `from`; and as for `advance`.
    ///
    /// ```
    /// # use epoch_arena_pool::{AdvanceError, ArenaPool};
    /// # let pool = ArenaPool::builder().build()?;
    /// let full = pool.current_epoch();
    /// let winners = std::thread::scope(|s| {
    ///     let writers = [(); 4].map(|()| s.spawn(|| pool.advance_from(full).is_ok()));
    ///     writers.map(|writer| usize::from(writer.join().unwrap())).iter().sum::<usize>()
    /// });
    /// assert_eq!(winners, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance_from(&self, from: Epoch) -> Result<Epoch, AdvanceError> {
        self.advance_if(Some(from))
    }

    fn advance_if(&self, expected: Option<Epoch>) -> Result<Epoch, AdvanceError> {
        self.advance_as(&local::owner(&self.core), expected)
    }

    /// Advances as the thread with this state. (A model of loom's brings the states along, as all
    /// its threads share one set of thread-locals.)
    pub(crate) fn advance_as(
        &self,
        local: &Owner,
        expected: Option<Epoch>,
    ) -> Result<Epoch, AdvanceError> {
        let core = &*self.core;
        let guard = local.pin(core);
        let published = core.publish(expected)?;
        defer(&guard, published.seal);
        let mut retirement = Retirement::default();
        if let Some(retired) = published.retired {
            retirement.add(&retired);
            defer(&guard, retired.hold);
        }
        guard.pinned().flush();
        drop(guard);
        // Everything is deferred by now, and will happen even if a subscriber panics in here.
        trace::advance(core, published.before, published.now);
        trace::retire(core, retirement);
        // What was deferred runs in the order in which it was flushed: with the writers' hold, all that was deferred
        // before is gone too.
        self.settle_unpinned(local, 0, || hold::is_sealed(&published.last));
        Ok(state::epoch(published.now))
    }

    /// Retires every live epoch before `epoch`, but never the current one; returns how many.
    /// Their memory is reclaimed when nobody can see them. Linear in the epochs that are retired.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().retained_epochs(8).build()?;
    /// for _ in 0..3 {
    ///     pool.advance()?;
    /// }
    /// assert_eq!(pool.retire_before(pool.current_epoch()), 3);
    /// assert_eq!(pool.stats().live_epochs, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retire_before(&self, epoch: Epoch) -> usize {
        let core = &*self.core;
        let local = local::owner(core);
        let guard = local.pin(core);
        let mut retirement = Retirement::default();
        while let Some(retired) = core.retire_one_before(epoch) {
            retirement.add(&retired);
            defer(&guard, retired.hold);
        }
        guard.pinned().flush();
        drop(guard);
        trace::retire(core, retirement);
        self.settle_unpinned(&local, retirement.epochs, || false);
        retirement.epochs
    }

    /// Does what is better done off the put path, from a thread of the user's choice: reclaims
    /// what no guard can see, returns the memory's free blocks above its high-water
    /// mark to the system, faults in the blocks that it is to keep ready
    /// (`MemoryBuilder::prefault`), and reports what is still held and which threads are pinned. Call it now
    /// and then; nothing depends on it but memory. Looks at the chunks that came back since the last time,
    /// of all pools over the memory, a few at a time; linear in the epochs that are held.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// pool.pin().alloc_copy(b"key")?;
    /// pool.advance()?;
    /// pool.advance()?;
    /// let done = pool.maintain();
    /// assert_eq!(done.held_by_guards.epochs, 0);
    /// assert_eq!(pool.bytes(), 0); // what the key had is the memory's again
    /// println!("{done}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn maintain(&self) -> MaintainReport {
        let core = &*self.core;
        let local = local::owner(core);
        let reclaimed = self.settle_all(&local);
        let returned = core.memory.trim_to_high_water();
        trace::trim(core, returned);
        core.memory.prepare();
        MaintainReport::new(core, reclaimed.epochs, returned)
    }

    /// Holds `epoch` without a pin; `None` if it is not live. Takes the pool's lock; logarithmic in
    /// the live epochs, whatever is leased already. Statistics list the lease with the place of this
    /// call.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let lease = pool.lease(pool.current_epoch()).expect("the current epoch is live");
    /// # drop(lease);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn lease(&self, epoch: Epoch) -> Option<Lease> {
        let place = Location::caller();
        let now = Instant::now();
        let mut state = self.core.state();
        let generation = state.find_live(epoch)?.clone();
        Some(self.lease_live(&mut state, generation, now, place))
    }

    /// Holds all live epochs without a pin: a lease of each. Takes the pool's lock; linear in the
    /// live epochs. Statistics list the leases with the place of this call.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let handle = pool.pin().alloc_copy(b"key")?;
    /// let snapshot = pool.snapshot();
    /// assert_eq!(snapshot.get(handle), Some(&b"key"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        let place = Location::caller();
        let now = Instant::now();
        let mut state = self.core.state();
        let leases = (0..state.live.len()).map(|at| {
            let generation = state.live[at].generation.clone();
            self.lease_live(&mut state, generation, now, place)
        });
        Snapshot::new(leases.collect())
    }

    /// The oldest epoch that any lease or snapshot of this pool holds, live or retired, or `None` if
    /// there is none: what an engine that retires by its readers goes by. A lease that is taken or
    /// dropped meanwhile may count or not. Takes the pool's lock; linear in the epochs that are live
    /// or held, whatever the number of leases.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// let pool = ArenaPool::builder().retained_epochs(100).build()?;
    /// pool.advance()?;
    /// let reader = pool.lease(pool.current_epoch()).expect("the current epoch is live");
    /// pool.advance()?;
    /// assert_eq!(pool.oldest_lease(), Some(reader.epoch()));
    /// // Retire what no reader needs any more.
    /// let needed = pool.oldest_lease().unwrap_or(pool.current_epoch());
    /// assert_eq!(pool.retire_before(needed), 1);
    /// drop(reader);
    /// assert_eq!(pool.oldest_lease(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn oldest_lease(&self) -> Option<Epoch> {
        self.core.oldest_lease()
    }

    /// A lease of an epoch that is live; under the lock.
    fn lease_live(
        &self,
        state: &mut State,
        generation: Arc<Generation>,
        now: Instant,
        place: &'static Location<'static>,
    ) -> Lease {
        // Under the lock, under which alone epochs are retired: it is live, so the pool holds it.
        generation.hold(LEASE);
        let core = &*self.core;
        // SAFETY: added above.
        let entry = unsafe { LeaseEntry::new(core.id, &core.memory, generation, now, place) };
        let entry = Arc::new(entry);
        state.leases.add(&entry);
        Lease::new(entry)
    }

    /// Bytes of the chunks of all the pool's epochs, live and held. One load.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// assert_eq!(pool.bytes(), 0);
    /// pool.pin().alloc_copy(b"key")?;
    /// assert_eq!(pool.bytes(), 512); // the smallest chunk
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bytes(&self) -> usize {
        self.core.account.bytes()
    }

    /// Figures of the pool. Takes the pool's lock, linear in the epochs, walks the chunks of the live ones without,
    /// and asks the system for residency: for reports, not for a hot path.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// pool.pin().alloc_copy(b"key")?;
    /// let stats = pool.stats();
    /// assert_eq!((stats.live_epochs, stats.payload, stats.allocations), (1, 3, 1));
    /// println!("{stats}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> PoolStats {
        PoolStats::new(&self.core)
    }

    /// Figures of one epoch, or `None` if it is reclaimed or of another pool. Takes the pool's lock to find it, and
    /// walks the epoch's chunks without.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// pool.pin().alloc_copy(b"key")?;
    /// let stats = pool.stats_of(pool.current_epoch()).expect("it is live");
    /// assert_eq!((stats.payload, stats.chunks), (3, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats_of(&self, epoch: Epoch) -> Option<ArenaStats> {
        let generation = self.core.state().find(epoch)?.clone();
        // Without the lock, as it may take long; hence with a hold, or the chunks could be another's by then.
        if !generation.try_hold(LEASE) {
            return None;
        }
        // SAFETY: held.
        let stats = ArenaStats::new(unsafe { generation.chunks.usage() });
        // SAFETY: taken above.
        unsafe { Hold::new(&generation, LEASE) }.let_go();
        self.core.memory.try_reclaim();
        Some(stats)
    }

    /// The memory that the pool's chunks come from.
    ///
    /// ```
    /// # use epoch_arena_pool::ArenaPool;
    /// # let pool = ArenaPool::builder().build()?;
    /// let beside = ArenaPool::builder().memory(pool.memory().clone()).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn memory(&self) -> &Memory {
        &self.core.memory
    }

    /// Sees that deferred closures run if no guard holds them up, and reclaims what that frees;
    /// says what that was. A flush moves the closures on, and each pin after it can pass one
    /// of crossbeam's two grace periods, if this thread is not pinned otherwise.
    pub(crate) fn settle(&self, guard: ArenaGuard<'_>, local: &Owner) -> Reclaimed {
        guard.pinned().flush();
        drop(guard);
        self.settle_unpinned(local, 0, || false)
    }

    /// As [`settle`](Self::settle), and goes on while closures of this pool are pending. A flush runs no more than eight
    /// bags, `advance` makes one or more, and so does crossbeam's queue of what it throws away: so there are as many
    /// rounds as `pending` epochs can need, and some more for what is before them in the queue.
    fn settle_all(&self, local: &Owner) -> Reclaimed {
        const ROUNDS: usize = 8;
        const MORE: usize = 8;
        let mut reclaimed = self.settle(local.pin(&self.core), local);
        for _ in 0..MORE {
            let pending = self.core.pending();
            if pending == 0 || local.is_pinned() {
                break;
            }
            reclaimed += self.settle_unpinned(local, ROUNDS + pending / ROUNDS, || false);
        }
        reclaimed
    }

    /// The rest of [`settle`](Self::settle), after the flush, with some rounds more, until it is done.
    fn settle_unpinned(&self, local: &Owner, more: usize, is_done: impl Fn() -> bool) -> Reclaimed {
        for _ in 0..2 + more {
            if is_done() || local.is_pinned() {
                break;
            }
            local.pin(&self.core).pinned().flush();
        }
        let reclaimed = self.core.reclaim();
        trace::reclaim(&self.core, reclaimed);
        reclaimed
    }
}

/// Lets an epoch go when no guard is left that is pinned now.
///
/// The closure runs inside any thread's pin: one or two atomic operations on memory that it keeps alive, two words,
/// no lock, no free, no user code. (The last one of a memory that is gone frees the generation.)
pub(crate) fn defer(guard: &ArenaGuard<'_>, hold: Hold) {
    guard.pinned().defer(move || hold.let_go());
}

impl fmt::Debug for ArenaPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.core, f)
    }
}
