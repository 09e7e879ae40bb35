//! All ways to write a value, a source that fails and a closure that panics included.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use epoch_arena::{
    Alignment, AllocError, ArenaGuard, ArenaKey, KeyError, MemoryError, PromoteError,
};

use crate::counts::{add, one};
use crate::key::Value;
use crate::rng::Rng;
use crate::scene::{Scene, Slot};

/// A panic that is part of the run. Thrown so that no hook hears of it.
pub struct Planned;

/// Throws it.
pub fn panic_as_planned() -> ! {
    resume_unwind(Box::new(Planned))
}

/// Where a thread is pinned.
#[derive(Clone, Copy)]
pub struct Under<'a, 'g> {
    /// The scene.
    pub scene: &'a Scene,
    /// One of its pools.
    pub slot: &'a Slot,
    /// A guard of that.
    pub guard: &'a ArenaGuard<'g>,
}

/// There is no memory at the moment.
pub struct Stalled;

impl From<AllocError> for Stalled {
    fn from(error: AllocError) -> Self {
        match error {
            AllocError::Memory(MemoryError::OverBudget(_) | MemoryError::Source(_)) => Self,
            other => panic!("{other}"),
        }
    }
}

impl From<KeyError> for Stalled {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Alloc(error) => error.into(),
            other => panic!("{other}"),
        }
    }
}

/// Writes one value, in one of all ways, and shows it to the others.
pub fn put(at: Under<'_, '_>, rng: &mut Rng) -> Result<(), Stalled> {
    let Under { scene, slot, guard } = at;
    let value = Value::new(rng);
    let (sum, body, len) = (&value.sum[..], &value.body[..], value.len());
    let handle = match rng.below(8) {
        0 | 1 => guard.alloc_concat([sum, body])?,
        2 => guard.alloc_copy(&[sum, body].concat())?,
        3 => {
            let align = Alignment::new(1 << rng.below(9)).unwrap_or_default();
            guard.alloc_copy_aligned(&[sum, body].concat(), align)?
        }
        4 => {
            let align = Alignment::new(1 << rng.below(9)).unwrap_or_default();
            let mut room = guard.alloc_uninit(len, align)?;
            for (to, from) in room.iter_mut().zip(sum.iter().chain(body)) {
                to.write(*from);
            }
            // SAFETY: the loop wrote all `len` bytes.
            unsafe { room.assume_init() }
        }
        5 => return batches(at, rng),
        6 => {
            let panics = rng.once_in(8);
            let fill = |room: &mut [u8]| {
                value.write(room);
                if panics {
                    panic_as_planned();
                }
            };
            match catch_unwind(AssertUnwindSafe(|| guard.alloc_with(len, fill))) {
                Ok(answer) => answer?,
                Err(panic) if panic.is::<Planned>() => {
                    one(&scene.counts.panics);
                    return Ok(());
                }
                Err(panic) => resume_unwind(panic),
            }
        }
        _ => slot.keys.copy([sum, body].concat(), guard)?.handle(),
    };
    one(&scene.counts.puts);
    // None, if the pool has moved on by a whole window meanwhile.
    if let Some(key) = ArenaKey::from_handle(handle, guard) {
        slot.show(rng, key);
    }
    Ok(())
}

/// Two batches at a time, filled in turns and dropped in any order; at times the thread dies of a
/// panic in the middle.
fn batches(at: Under<'_, '_>, rng: &mut Rng) -> Result<(), Stalled> {
    let Under { scene, slot, guard } = at;
    let mut open = vec![guard.batch(rng.below(6_000))?, guard.batch(rng.below(500))?];
    let mut keys = Vec::new();
    for _ in 0..rng.below(40) {
        let (value, which) = (Value::new(rng), rng.below(open.len()));
        // One that is full refuses, and stays as it was.
        if let Ok(handle) = open[which].push_concat([&value.sum, &value.body]) {
            keys.extend(ArenaKey::from_handle(handle, guard));
        }
        if rng.once_in(10) && open.len() > 1 {
            drop(open.swap_remove(rng.below(2)));
        }
        if rng.once_in(100_000) {
            panic_as_planned();
        }
    }
    if rng.once_in(200) {
        open.drain(..).for_each(std::mem::forget);
        one(&scene.counts.abandoned);
    }
    drop(open);
    add(&scene.counts.puts, keys.len());
    for key in keys {
        slot.show(rng, key);
    }
    Ok(())
}

/// Moves one value on to the current epoch.
pub fn promote(at: Under<'_, '_>, rng: &mut Rng) -> Result<(), Stalled> {
    let Under { scene, slot, guard } = at;
    match slot.key(rng).map(|key| slot.keys.promote(key, guard)) {
        Some(Ok(key)) => {
            one(&scene.counts.promoted);
            slot.show(rng, key);
            Ok(())
        }
        Some(Err(PromoteError::Alloc(error))) => Err(error.into()),
        _ => Ok(()),
    }
}
