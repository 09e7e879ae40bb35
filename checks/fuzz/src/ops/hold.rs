//! A guard or view, with everything that is borrowed from it. In a program these live in lists, so
//! the borrows are spelled with longer lifetimes than they have; the order of the fields is the
//! order in which they are dropped, and is what the borrow checker would ask for.

use std::rc::Rc;

use epoch_arena::crossbeam_epoch::{Collector, Guard, LocalHandle};
use epoch_arena::{
    ArenaGuard, ArenaPool, Batch, Epoch, ForeignGuard, LocalArena, UninitBytes, View,
};

use super::world::{Seen, World};

/// A guard or view.
pub struct Hold {
    /// Bytes that it gave.
    pub seen: Vec<Seen>,
    /// Batches that are open.
    pub batches: Vec<OpenBatch>,
    /// Allocations that are to be written yet.
    pub rooms: Vec<Room>,
    /// `None` only within `refresh`.
    pinned: Option<Rc<Pinned>>,
    user: Option<User>,
    _local: Option<Rc<LocalArena>>,
    keeper: Rc<ArenaPool>,
    /// The pool's index.
    pub pool: usize,
    thread: usize,
}

enum Pinned {
    Guard(ArenaGuard<'static>),
    View(View<'static>),
}

/// A guard of the user's own, in the shared collector.
struct User {
    guard: Rc<Guard>,
    _handle: LocalHandle,
    /// As which participant the model knows it.
    participant: usize,
}

/// A batch, and what it must know.
pub struct OpenBatch {
    /// The batch.
    pub batch: Batch<'static>,
    /// Its epoch.
    pub epoch: Epoch,
    /// The bytes that were asked for.
    pub room: usize,
    /// The lengths of what was pushed.
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
        Self::new(thread, pool, keeper, Pinned::Guard(guard), None, local)
    }

    /// A view beside a guard of the user's.
    ///
    /// # Errors
    ///
    /// [`ForeignGuard`], where `collector` is not the pool's.
    pub fn view_of(
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
        let view = user.view(&keeper)?;
        Ok(Self::new(
            thread,
            pool,
            keeper,
            Pinned::View(view),
            Some(user),
            None,
        ))
    }

    fn new(
        thread: usize,
        pool: usize,
        keeper: Rc<ArenaPool>,
        pinned: Pinned,
        user: Option<User>,
        local: Option<Rc<LocalArena>>,
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

    /// The view, for what this hold keeps in its lists.
    pub fn view(&self) -> &'static View<'static> {
        let pinned = self.pinned.as_deref().expect("not within refresh");
        // SAFETY: in an `Rc` of this hold's; whoever borrows from the result keeps what he got in
        // `seen`, `batches` or `rooms`, which are dropped first, and emptied before a refresh; or
        // lets it go at the end of his step.
        match unsafe { outlive(pinned) } {
            Pinned::Guard(guard) => guard,
            Pinned::View(view) => view,
        }
    }

    /// The pool.
    pub fn keeper(&self) -> &ArenaPool {
        &self.keeper
    }

    /// As which participant the model knows the user's guard, if there is one.
    pub fn participant(&self) -> Option<usize> {
        self.user.as_ref().map(|user| user.participant)
    }

    /// Lets go of what is borrowed, and pins anew.
    pub fn refresh(&mut self, world: &mut World) {
        self.account(world);
        self.seen.clear();
        self.batches.clear();
        self.rooms.clear();
        let pinned = self.pinned.take().expect("not within refresh");
        let mut pinned = Rc::into_inner(pinned).expect("the only one");
        let alone = world.is_alone(self.thread, self.pool);
        match (&mut pinned, &mut self.user) {
            (Pinned::Guard(guard), _) => assert_eq!(guard.refresh(), alone),
            (Pinned::View(_), Some(user)) => {
                drop(pinned);
                let guard = Rc::get_mut(&mut user.guard).expect("the only one");
                move_on(guard);
                let view = user.view(&self.keeper).expect("its collector is the same");
                pinned = Pinned::View(view);
            }
            (Pinned::View(_), None) => unreachable!("a view has a user's guard"),
        }
        self.pinned = Some(Rc::new(pinned));
        world.refreshed(self.thread, self.pool, self.participant());
    }

    /// Checks what was seen, and tells the model what becomes of the batches.
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
    fn view(&self, keeper: &Rc<ArenaPool>) -> Result<View<'static>, ForeignGuard> {
        // SAFETY: both are in an `Rc` of the hold's, behind `pinned` in the order of drops; the
        // guard is changed only while there is no view.
        let (pool, guard) = unsafe { (outlive(&**keeper), outlive(&*self.guard)) };
        pool.view(guard)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a view must bear what a user may do"
)]
fn move_on(guard: &mut Guard) {
    guard.repin();
}

impl OpenBatch {
    /// Tells the model what is counted when the batch is dropped.
    pub fn account(&self, world: &mut World, pool: usize) {
        let bytes: usize = self.pushed.iter().sum();
        let epoch = world.pools[pool].epoch(self.epoch);
        epoch.count(
            self.pushed.len() as isize - 1,
            bytes as isize - self.room as isize,
        );
    }
}
