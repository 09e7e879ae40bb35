//! A guard, with everything that is borrowed from it. In a program these live in lists, so
//! the borrows are spelled with longer lifetimes than they have; the order of the fields is the
//! order in which they are dropped, and is what the borrow checker would ask for.

use std::rc::Rc;

use epoch_arena::crossbeam_epoch::{Collector, Guard, LocalHandle};
use epoch_arena::{ArenaGuard, ArenaPool, Batch, Epoch, ForeignGuard, LocalPool, UninitBytes};

use super::world::{Seen, World};

/// A guard.
pub struct Hold {
    /// Bytes that it gave.
    pub seen: Vec<Seen>,
    /// Batches that are open.
    pub batches: Vec<OpenBatch>,
    /// Allocations that are to be written yet.
    pub rooms: Vec<Room>,
    /// `None` only within `refresh`.
    pinned: Option<Rc<ArenaGuard<'static>>>,
    user: Option<User>,
    _local: Option<Rc<LocalPool>>,
    keeper: Rc<ArenaPool>,
    /// The pool's index.
    pub pool: usize,
    thread: usize,
}

/// A guard of the user's own, in the shared collector.
struct User {
    guard: Rc<Guard>,
    _handle: LocalHandle,
    /// As which participant the model knows it.
    participant: usize,
}

/// A batch, and the model of it.
pub struct OpenBatch {
    /// The batch.
    pub batch: Batch<'static>,
    /// Its epoch.
    pub epoch: Epoch,
    /// The bytes that were asked for.
    pub room: usize,
    /// The lengths of the pushed values.
    pub pushed: Vec<usize>,
}

/// Bytes to be written.
pub struct Room {
    /// The bytes.
    pub bytes: UninitBytes<'static>,
    /// The epoch that was current.
    pub epoch: Epoch,
}

/// A longer life for a borrow.
///
/// # Safety
///
/// The referent stays where it is, and is not changed but through the result, for as long as the
/// result or anything borrowed from it is used.
unsafe fn outlive<'a, T>(borrow: &T) -> &'a T {
    // SAFETY: by the contract.
    unsafe { &*std::ptr::from_ref(borrow) }
}

impl Hold {
    /// A guard.
    pub fn pin(thread: usize, pool: usize, keeper: &ArenaPool, local: bool) -> Self {
        let keeper = Rc::new(keeper.clone());
        let local = local.then(|| Rc::new(keeper.local()));
        let guard = match &local {
            // SAFETY: in an `Rc` of this hold's, behind `pinned` in the order of drops.
            Some(local) => unsafe { outlive(&**local) }.pin(),
            // SAFETY: likewise.
            None => unsafe { outlive(&*keeper) }.pin(),
        };
        Self::new(thread, pool, keeper, guard, None, local)
    }

    /// A guard beside one of the user's.
    ///
    /// # Errors
    ///
    /// [`ForeignGuard`], where `collector` is not the pool's.
    pub fn beside(
        (thread, participant): (usize, usize),
        pool: usize,
        keeper: &ArenaPool,
        collector: &Collector,
        repin: bool,
    ) -> Result<Self, ForeignGuard> {
        let keeper = Rc::new(keeper.clone());
        let handle = collector.register();
        let mut guard = handle.pin();
        if repin {
            move_on(&mut guard);
        }
        let user = User {
            guard: Rc::new(guard),
            _handle: handle,
            participant,
        };
        let guard = user.pin_with(&keeper)?;
        Ok(Self::new(thread, pool, keeper, guard, Some(user), None))
    }

    fn new(
        thread: usize,
        pool: usize,
        keeper: Rc<ArenaPool>,
        pinned: ArenaGuard<'static>,
        user: Option<User>,
        local: Option<Rc<LocalPool>>,
    ) -> Self {
        Self {
            seen: Vec::new(),
            batches: Vec::new(),
            rooms: Vec::new(),
            pinned: Some(Rc::new(pinned)),
            user,
            _local: local,
            keeper,
            pool,
            thread,
        }
    }

    /// The guard, for the borrows in this hold's lists.
    pub fn guard(&self) -> &'static ArenaGuard<'static> {
        let pinned = self.pinned.as_deref().expect("not within refresh");
        // SAFETY: in an `Rc` of this hold's. A caller keeps its borrows in `seen`, `batches` or `rooms`,
        // which are dropped first and emptied before a refresh, or only until its step ends.
        unsafe { outlive(pinned) }
    }

    /// The pool.
    pub fn keeper(&self) -> &ArenaPool {
        &self.keeper
    }

    /// As which participant the model knows the user's guard, if there is one.
    pub fn participant(&self) -> Option<usize> {
        self.user.as_ref().map(|user| user.participant)
    }

    /// Drops all borrows, and pins anew.
    pub fn refresh(&mut self, world: &mut World) {
        self.account(world);
        self.seen.clear();
        self.batches.clear();
        self.rooms.clear();
        let pinned = self.pinned.take().expect("not within refresh");
        let mut pinned = Rc::into_inner(pinned).expect("the only one");
        let alone = world.is_alone(self.thread, self.pool);
        match &mut self.user {
            None => assert_eq!(pinned.refresh(), alone),
            Some(user) => {
                drop(pinned);
                let guard = Rc::get_mut(&mut user.guard).expect("the only one");
                move_on(guard);
                pinned = user.pin_with(&self.keeper).expect("the same collector");
            }
        }
        self.pinned = Some(Rc::new(pinned));
        world.refreshed(self.thread, self.pool, self.participant());
    }

    /// Checks the bytes that were seen, and updates the model for the batches.
    fn account(&mut self, world: &mut World) {
        world.check_seen(&self.seen);
        for batch in &self.batches {
            batch.account(world, self.pool);
        }
    }

    /// Tells the model that this hold is about to go.
    pub fn leave(&mut self, world: &mut World) {
        self.account(world);
        let participant = self.participant();
        world.unpinned(self.thread, self.pool, participant);
    }
}

impl User {
    fn pin_with(&self, keeper: &Rc<ArenaPool>) -> Result<ArenaGuard<'static>, ForeignGuard> {
        // SAFETY: both are in an `Rc` of the hold's, behind `pinned` in the order of drops; the
        // guard is changed only while there is none of the pool's beside it.
        let (pool, guard) = unsafe { (outlive(&**keeper), outlive(&*self.guard)) };
        pool.pin_with(guard)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a user may do must be borne"
)]
fn move_on(guard: &mut Guard) {
    guard.repin();
}

impl OpenBatch {
    /// Updates the model's counts for a dropped batch.
    pub fn account(&self, world: &mut World, pool: usize) {
        let bytes: usize = self.pushed.iter().sum();
        let epoch = world.pools[pool].epoch(self.epoch);
        epoch.count(
            self.pushed.len() as isize - 1,
            bytes as isize - self.room as isize,
        );
    }
}
