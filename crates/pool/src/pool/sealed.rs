//! Whether an epoch's last writer is gone, and waiting for that.

use std::time::{Duration, Instant};

use epoch_arena_core::Epoch;

use super::ArenaPool;
use crate::epochs::hold;
use crate::error::WaitError;
use crate::grace::settle;
use crate::local::registry;

impl ArenaPool {
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
    /// millisecond, and drives the grace period meanwhile. (To wake it, a reader's unpin would have to
    /// call the system.) Waiting for the current epoch waits for a thread that advances, too.
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
        let local = registry::owner(&self.core);
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
            settle(&self.core, local.pin(&self.core), &local);
            if !self.is_sealed(epoch) {
                std::thread::sleep(nap.min(left));
                nap = (2 * nap).min(LONGEST_NAP);
            }
        }
    }
}
