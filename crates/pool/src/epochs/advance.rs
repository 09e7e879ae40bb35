//! From epoch to epoch: the next one is opened, the oldest retired, and what nothing holds reclaimed.
//!
//! Nothing here calls crossbeam-epoch: what must be deferred is returned to the caller, who does
//! so without the lock. (A pin or a flush runs *foreign* closures, which may call back.)

use epoch_arena_block::raw::Generation;
use epoch_arena_core::Epoch;

use super::core::Core;
use super::hold::{Hold, POOL, WRITERS};
use super::lists::{Live, Reclaimed, State};
use super::retired::Retired;
use super::slots::epoch;
use crate::error::AdvanceError;
use crate::sync::Arc;

/// What was retired by one call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Retirement {
    pub epochs: usize,
    /// The stamp of the last of them.
    pub newest: u64,
    /// Bytes of their chunks.
    pub bytes: usize,
}

impl Retirement {
    /// Adds an epoch that is retired.
    pub fn add(&mut self, retired: &RetiredHold) {
        self.epochs += 1;
        self.newest = retired.stamp;
        self.bytes += retired.bytes;
    }
}

/// The pool's hold on an epoch that is retired: to be let go when no guard is left that could see it.
pub(crate) struct RetiredHold {
    pub hold: Hold,
    stamp: u64,
    bytes: usize,
}

/// What `publish` did.
pub(crate) struct Published {
    pub now: u64,
    pub before: u64,
    /// The epoch before.
    pub last: Arc<Generation>,
    /// The hold of the writers of the epoch before: to be let go when none is left.
    pub seal: Hold,
    /// The epoch that fell out of the window, if any.
    pub retired: Option<RetiredHold>,
}

impl Core {
    /// Opens the next epoch, if the current one is still `expected`, and retires the one that
    /// falls out of the window. On failure nothing is changed.
    pub fn publish(&self, expected: Option<Epoch>) -> Result<Published, AdvanceError> {
        let mut state = self.state();
        let before = self.slots.current();
        let current = epoch(before);
        if expected.is_some_and(|expected| expected != current) {
            return Err(AdvanceError::Moved(current));
        }
        let last = state.live.back().map(|live| live.generation.clone());
        let now = self.open(&mut state);
        let (Some(last), Some(now)) = (last, now) else {
            return Err(AdvanceError::EpochsExhausted);
        };
        // SAFETY: held since it was opened, and only here is that given away, as `current` has left it.
        let seal = unsafe { Hold::new(&last, WRITERS) };
        let over = state.live.len() > self.settings.retained_epochs;
        let retired = over.then(|| self.retire_oldest(&mut state));
        state.retired.sweep();
        Ok(Published {
            now,
            before,
            last,
            seal,
            retired: retired.flatten(),
        })
    }

    /// Retires the oldest live epoch if it is before `before`; the current one never is.
    pub fn retire_one_before(&self, before: Epoch) -> Option<RetiredHold> {
        let mut state = self.state();
        let oldest = state.live.front()?.generation.name;
        (epoch(oldest) < before)
            .then(|| self.retire_oldest(&mut state))
            .flatten()
    }

    /// Clears the oldest stamp. The caller must have the drop of its hold deferred.
    fn retire_oldest(&self, state: &mut State) -> Option<RetiredHold> {
        if state.live.len() < 2 {
            return None;
        }
        let Live { generation, opened } = state.live.pop_front()?;
        self.slots.clear(generation.name);
        let stamp = generation.name;
        let hold = RetiredHold {
            // SAFETY: held since it was opened, and only here is that given away, as it was live.
            hold: unsafe { Hold::new(&generation, POOL) },
            stamp,
            bytes: generation.chunks.bytes(),
        };
        let at = self.domain.clock.tick();
        let retired = Retired {
            generation,
            opened,
            at,
        };
        state.retired.push(retired);
        Some(hold)
    }

    /// Makes free what nothing holds, overwrites what is to be; says what became free since the last time, by
    /// whatever thread and pool.
    pub fn reclaim(&self) -> Reclaimed {
        self.memory.reclaim();
        let (epochs, bytes) = self.account.given();
        let mut state = self.state();
        // Another thread may have told of more by now.
        let new = Reclaimed {
            epochs: epochs.saturating_sub(state.told.epochs),
            bytes: bytes.saturating_sub(state.told.bytes),
        };
        state.told += new;
        new
    }
}
