//! One thread of a program: its guards and its steps.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use epoch_arena::{
    AdvanceError, Alignment, ArenaHandle, ArenaPool, Epoch, KeyError, MAX_LEN, PromoteError,
};

use super::hold::{Hold, OpenBatch, Room};
use super::program::{Inside, Pick, Step};
use super::world::{World, index};

/// The most guards of a thread, and batches of one of them.
const MOST: usize = 8;
/// A length that cannot be allocated.
static TOO_LONG: [u8; MAX_LEN + 1] = [0; MAX_LEN + 1];

/// A panic that is part of the program. Thrown so that no hook hears of it.
struct Planned;

/// The thread's own state.
pub struct Thread {
    index: usize,
    holds: Vec<Hold>,
    users: usize,
}

impl Thread {
    /// The thread of this number.
    pub fn new(index: usize) -> Self {
        Self {
            index,
            holds: Vec::new(),
            users: 0,
        }
    }

    /// Does one step.
    pub fn step(&mut self, world: &mut World, step: &Step) {
        match *step {
            Step::Turn(_) | Step::End => unreachable!("not for a thread"),
            Step::NewPool(setup) => world.new_pool(setup),
            Step::DropPool(pool) => {
                // Not on the pool: no handle of it may be left.
                if let Some(at) = world.pool(pool).map(|(at, _)| at) {
                    world.pools[at].pool = None;
                    world.check_in_use();
                }
            }
            Step::Unpin(hold) => {
                if let Some(at) = index(&self.holds, hold) {
                    let mut hold = self.holds.remove(at);
                    hold.leave(world);
                }
            }
            Step::Refresh(hold) => {
                if let Some(at) = index(&self.holds, hold) {
                    self.holds[at].refresh(world);
                }
            }
            Step::GetAll => {
                for hold in &self.holds {
                    world.check_seen(&hold.seen);
                    world.look_all(hold.pool, hold.guard());
                }
            }
            Step::Leased { lease, which } => world.look_leased(lease, which),
            Step::LookAround => world.look_around(),
            Step::CloneLease(lease) => world.clone_lease(lease),
            Step::DropLease(lease) => world.drop_lease(lease),
            Step::TakeBlock(memory, len) => world.take_block(memory, len.0),
            Step::GiveBlock(block) => world.give_block(block),
            Step::Trim(memory, keep) => world.trim(memory, usize::from(keep) << 10),
            Step::Panic => self.panic(world),
            ref other => {
                if let Some((at, pool)) = pool_of(other).and_then(|pick| world.pool(pick)) {
                    self.on_pool(world, at, &pool, other);
                }
                if let Some(at) = hold_of(other).and_then(|pick| index(&self.holds, pick)) {
                    allocate(world, &mut self.holds[at], other);
                }
            }
        }
        world.check_memories();
    }

    /// Does a step on a pool.
    fn on_pool(&mut self, world: &mut World, at: usize, pool: &ArenaPool, step: &Step) {
        match *step {
            Step::Pin { local, .. } => {
                if self.holds.len() < MOST {
                    self.holds.push(Hold::pin(self.index, at, pool, local));
                    world.pinned(self.index, at, None);
                }
            }
            Step::PinWith { repin, .. } => self.pin_with(world, at, pool, repin),
            Step::Advance(_) => advanced(world, at, pool.advance()),
            Step::AdvanceFrom { epoch, .. } => advance_from(world, at, pool, epoch),
            Step::RetireBefore { epoch, .. } => {
                let (before, time) = (world.epoch(at, epoch), world.tick());
                let count = world.pools[at].retire_before(before, time);
                assert_eq!(pool.retire_before(before), count);
            }
            Step::WaitSealed { epoch, .. } => world.wait_sealed(at, pool, epoch, self.index),
            Step::Maintain(_) => world.maintained(at, pool),
            Step::Lease { epoch, .. } => {
                let epoch = world.epoch(at, epoch);
                world.lease(at, pool, epoch);
            }
            Step::Snapshot(_) => world.snapshot(at, pool),
            Step::Ask(_) => {
                world.ask(at, pool);
                world.check_in_use();
            }
            _ => unreachable!("not on a pool"),
        }
    }

    fn pin_with(&mut self, world: &mut World, at: usize, pool: &ArenaPool, repin: bool) {
        if self.holds.len() == MOST {
            return;
        }
        self.users += 1;
        let shared = world.pools[at].domain == super::pool::Domain::Shared;
        let who = (self.index, self.users);
        match Hold::beside(who, at, pool, &world.collector, repin) {
            Ok(hold) => {
                assert!(shared);
                self.holds.push(hold);
                world.pinned(self.index, at, Some(self.users));
            }
            Err(_) => assert!(!shared),
        }
    }

    /// Unwinds through everything.
    fn panic(&mut self, world: &mut World) {
        let mut holds = std::mem::take(&mut self.holds);
        for hold in &mut holds {
            hold.leave(world);
        }
        planned(|| {
            let _holds = holds;
            resume_unwind(Box::new(Planned))
        });
    }

    /// The thread is about to end: everything it has goes.
    pub fn end(&mut self, world: &mut World) {
        for mut hold in self.holds.drain(..) {
            hold.leave(world);
        }
        world.check_memories();
    }
}

/// The result of `run`, or `None` if it ended in a planned panic.
fn planned<T>(run: impl FnOnce() -> T) -> Option<T> {
    let other = |panic: Box<dyn Any + Send>| {
        if !panic.is::<Planned>() {
            resume_unwind(panic);
        }
    };
    catch_unwind(AssertUnwindSafe(run)).map_err(other).ok()
}

fn advanced(world: &mut World, at: usize, answer: Result<Epoch, AdvanceError>) {
    let time = world.tick();
    match answer {
        Ok(now) => world.pools[at].advanced(now, time),
        Err(error) => panic!("{error}: never, whatever is held"),
    }
}

fn advance_from(world: &mut World, at: usize, pool: &ArenaPool, epoch: Pick) {
    let from = world.epoch(at, epoch);
    let current = world.pools[at].current();
    match pool.advance_from(from) {
        Err(AdvanceError::Moved(now)) => assert!(now == current && from != current),
        answer => {
            assert_eq!(from, current);
            advanced(world, at, answer);
        }
    }
}

/// The pool of a step on one.
fn pool_of(step: &Step) -> Option<Pick> {
    match *step {
        Step::Pin { pool, .. }
        | Step::PinWith { pool, .. }
        | Step::Advance(pool)
        | Step::AdvanceFrom { pool, .. }
        | Step::RetireBefore { pool, .. }
        | Step::WaitSealed { pool, .. }
        | Step::Maintain(pool)
        | Step::Lease { pool, .. }
        | Step::Snapshot(pool)
        | Step::Ask(pool) => Some(pool),
        _ => None,
    }
}

/// The guard of a step under one.
fn hold_of(step: &Step) -> Option<Pick> {
    match *step {
        Step::Copy { hold, .. }
        | Step::Aligned { hold, .. }
        | Step::Concat { hold, .. }
        | Step::With { hold, .. }
        | Step::Uninit { hold, .. }
        | Step::Finish { hold, .. }
        | Step::Key { hold, .. }
        | Step::Batch { hold, .. }
        | Step::Push { hold, .. }
        | Step::EndBatch { hold, .. }
        | Step::Promote { hold, .. }
        | Step::Get { hold, .. } => Some(hold),
        _ => None,
    }
}

/// Does a step under a guard.
fn allocate(world: &mut World, hold: &mut Hold, step: &Step) {
    let (pool, guard) = (hold.pool, hold.guard());
    let before = world.failures(pool);
    match *step {
        Step::Copy { len, .. } => {
            let bytes = bytes(world, len.0);
            let answer = guard.alloc_copy(&bytes);
            put(world, pool, before, (bytes, 1), answer);
        }
        Step::Aligned { len, shift, .. } => {
            let bytes = bytes(world, len.0);
            let align = alignment(shift);
            let answer = guard.alloc_copy_aligned(&bytes, align);
            if let Ok(handle) = answer {
                let found = guard.get(handle).expect("just made");
                assert_eq!(found.as_ptr().addr() % align.get(), 0);
            }
            put(world, pool, before, (bytes, align.get()), answer);
        }
        Step::Concat { len, .. } => {
            let bytes = bytes(world, len.0);
            let (head, tail) = bytes.split_at(bytes.len() / 3);
            let (middle, tail) = tail.split_at(tail.len() / 2);
            let answer = guard.alloc_concat([head, middle, b"", tail]);
            put(world, pool, before, (bytes, 1), answer);
        }
        Step::With { len, inside, .. } => with(world, hold, len.0, inside),
        Step::Uninit { len, shift, .. } => uninit(world, hold, len.0, alignment(shift)),
        Step::Finish { which, write, .. } => finish(world, hold, which, write),
        Step::Key { len, .. } => key(world, hold, len.0),
        Step::Batch { room, .. } => batch(world, hold, room.0),
        Step::Push { batch, len, .. } => push(world, hold, batch, len.0),
        Step::EndBatch { batch, forget, .. } => {
            if let Some(at) = index(&hold.batches, batch) {
                let batch = hold.batches.remove(at);
                if forget {
                    // It counts as one allocation for ever, and its rest is never given back.
                    std::mem::forget(batch.batch);
                } else {
                    batch.account(world, pool);
                }
            }
        }
        Step::Promote { which, .. } => {
            let Some((at, handle)) = world.handle(which) else {
                return;
            };
            let bytes = world.look_under(at, pool, guard).map(|_| guard.get(handle));
            match (guard.promote(handle), bytes.flatten()) {
                (Ok(new), Some(bytes)) => world.put(pool, new, bytes.to_vec()),
                (Err(PromoteError::Stale), None) => {}
                (Err(PromoteError::Alloc(error)), Some(bytes)) => {
                    world.refused(pool, (bytes.len(), 1), before, error);
                }
                (answer, bytes) => panic!("{answer:?} for {bytes:?}"),
            }
        }
        Step::Get { which, .. } => {
            if let Some((at, _)) = world.handle(which) {
                hold.seen.extend(world.look_under(at, pool, guard));
            }
        }
        _ => unreachable!("not under a guard"),
    }
}

/// The bytes of a new allocation; those that are too long come from elsewhere.
fn bytes(world: &mut World, len: usize) -> Cow<'static, [u8]> {
    if len > MAX_LEN {
        Cow::Borrowed(&TOO_LONG)
    } else {
        Cow::Owned(world.bytes(len))
    }
}

fn alignment(shift: u8) -> Alignment {
    Alignment::new(1 << shift).expect("a power of two")
}

type Put<T> = Result<T, epoch_arena::AllocError>;

/// An allocation of `bytes` was asked for.
fn put(
    world: &mut World,
    pool: usize,
    before: usize,
    (bytes, align): (Cow<'static, [u8]>, usize),
    answer: Put<ArenaHandle>,
) {
    match answer {
        Ok(handle) => world.put(pool, handle, bytes.into_owned()),
        Err(error) => world.refused(pool, (bytes.len(), align), before, error),
    }
}

fn with(world: &mut World, hold: &Hold, len: usize, inside: Inside) {
    let (pool, guard) = (hold.pool, hold.guard());
    let keeper: &ArenaPool = hold.keeper();
    let before = world.failures(pool);
    let epoch = world.pools[pool].current();
    let bytes = world.bytes(if len > MAX_LEN { 0 } else { len });
    let other = world.bytes(40);
    let (mut nested, mut advance) = (None, None);
    let answer = planned(|| {
        guard.alloc_with(len, |room| {
            assert!(room.iter().all(|byte| *byte == 0), "not zeroed");
            match inside {
                Inside::Nothing => {}
                Inside::Panics => resume_unwind(Box::new(Planned)),
                Inside::Allocates => nested = Some(keeper.pin().alloc_copy(&other)),
                Inside::Advances => advance = Some(keeper.advance()),
            }
            room.copy_from_slice(&bytes);
        })
    });
    match answer {
        Some(Ok(handle)) => world.put(pool, handle, bytes),
        Some(Err(error)) => world.refused(pool, (len, 1), before, error),
        None => world.counted(pool, epoch, len),
    }
    if let Some(nested) = nested {
        put(world, pool, before, (other.into(), 1), nested);
    }
    if let Some(answer) = advance {
        advanced(world, pool, answer);
    }
}

fn uninit(world: &mut World, hold: &mut Hold, len: usize, align: Alignment) {
    if hold.rooms.len() == MOST {
        return;
    }
    let before = world.failures(hold.pool);
    match hold.guard().alloc_uninit(len, align) {
        Ok(bytes) => {
            assert_eq!((bytes.len(), bytes.as_ptr().addr() % align.get()), (len, 0));
            let epoch = world.pools[hold.pool].current();
            world.counted(hold.pool, epoch, len);
            hold.rooms.push(Room { bytes, epoch });
        }
        Err(error) => world.refused(hold.pool, (len, align.get()), before, error),
    }
}

fn finish(world: &mut World, hold: &mut Hold, which: Pick, write: bool) {
    let Some(at) = index(&hold.rooms, which) else {
        return;
    };
    let mut room = hold.rooms.swap_remove(at);
    if !write {
        return;
    }
    let bytes = world.bytes(room.bytes.len());
    for (to, from) in room.bytes.iter_mut().zip(&bytes) {
        to.write(*from);
    }
    // SAFETY: the loop wrote all.
    let handle = unsafe { room.bytes.assume_init() };
    world.made(hold.pool, room.epoch, handle, bytes, None);
}

fn key(world: &mut World, hold: &Hold, len: usize) {
    let (pool, bytes) = (hold.pool, bytes(world, len));
    let before = world.failures(pool);
    let setup = world.pools[pool].setup;
    match setup.keys().copy(&bytes, hold.guard()) {
        Ok(key) => {
            let epoch = world.pools[pool].current();
            assert!(bytes.len() <= setup.longest_key);
            world.counted(pool, epoch, bytes.len());
            world.made(pool, epoch, key.handle(), bytes.into_owned(), Some(key));
        }
        Err(KeyError::TooLong { max }) => {
            assert!(max as usize == setup.longest_key && bytes.len() > setup.longest_key);
        }
        Err(KeyError::Alloc(error)) => {
            world.refused(pool, (bytes.len(), setup.align), before, error);
        }
        Err(other) => panic!("{other}"),
    }
}

fn batch(world: &mut World, hold: &mut Hold, room: usize) {
    if hold.batches.len() == MOST {
        return;
    }
    let before = world.failures(hold.pool);
    match hold.guard().batch(room) {
        Ok(batch) => {
            let epoch = world.pools[hold.pool].current();
            assert_eq!((batch.epoch(), batch.remaining()), (epoch, room));
            world.counted(hold.pool, epoch, room);
            hold.batches.push(OpenBatch {
                batch,
                epoch,
                room,
                pushed: Vec::new(),
            });
        }
        Err(error) => world.refused(hold.pool, (room, 1), before, error),
    }
}

fn push(world: &mut World, hold: &mut Hold, batch: Pick, len: usize) {
    let Some(at) = index(&hold.batches, batch) else {
        return;
    };
    let bytes = bytes(world, len);
    let batch = &mut hold.batches[at];
    let left = batch.room - batch.pushed.iter().sum::<usize>();
    let answer = if len.is_multiple_of(2) {
        batch.batch.push(&bytes)
    } else {
        let (head, tail) = bytes.split_at(bytes.len() / 2);
        batch.batch.push_concat([head, tail])
    };
    match answer {
        Ok(handle) => {
            batch.pushed.push(bytes.len());
            let epoch = batch.epoch;
            world.made(hold.pool, epoch, handle, bytes.into_owned(), None);
        }
        Err(full) => assert!(full.remaining == left && bytes.len() > left),
    }
}
