//! The next epoch is opened, and old ones are retired, as the user says.

use epoch_arena_core::Epoch;

use super::ArenaPool;
use crate::epochs::advance::Retirement;
use crate::epochs::{hold, slots};
use crate::error::AdvanceError;
use crate::grace::{defer, settle_unpinned};
use crate::local::registry;
use crate::local::state::Owner;
use crate::trace;

impl ArenaPool {
    /// Opens the next epoch and makes it current; the oldest retained one is retired if there
    /// are more than the builder was told. The new epoch's arena is ready before any thread can
    /// see its number. Constant time, whatever the number of keys (unless their bytes are to be
    /// overwritten: [`poison_on_reclaim`](crate::PoolBuilder::poison_on_reclaim)).
    ///
    /// # Panics
    ///
    /// Only if a foreign closure panics, one that other code deferred to the same collector and that is run
    /// in here; whether the epoch has moved on then, [`current_epoch`](Self::current_epoch) tells.
    /// Any pin may run such closures: so may [`pin`](Self::pin), [`pin_with`](Self::pin_with),
    /// [`retire_before`](Self::retire_before), [`maintain`](Self::maintain),
    /// [`ArenaGuard::refresh`](crate::ArenaGuard::refresh), and a put that meets the memory's budget.
    /// With the feature `tracing` also if a subscriber panics: the epoch has moved on then, and nothing
    /// is lost.
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
        self.advance_as(&registry::owner(&self.core), expected)
    }

    /// Advances as the thread with this state. (A model of loom's brings the states along, as all
    /// its threads share one set of thread-locals.)
    pub(crate) fn advance_as(
        &self,
        local: &Owner,
        expected: Option<Epoch>,
    ) -> Result<Epoch, AdvanceError> {
        let core = &*self.core;
        let pin = local.pin(core);
        let published = core.publish(expected)?;
        defer(&pin, published.seal);
        let mut retirement = Retirement::default();
        if let Some(retired) = published.retired {
            retirement.add(&retired);
            defer(&pin, retired.hold);
        }
        pin.guard().flush();
        drop(pin);
        // Everything is deferred by now, and will happen even if a subscriber panics in here.
        trace::advance(core, published.before, published.now);
        trace::retire(core, retirement);
        // The deferred closures run in the order in which they were flushed: when the writers' hold is gone, so is
        // everything that was deferred before it.
        settle_unpinned(core, local, 0, || hold::is_sealed(&published.last));
        Ok(slots::epoch(published.now))
    }

    /// Retires every live epoch before `epoch`, but never the current one; returns how many.
    /// Their memory is reclaimed when no thread can see them. Linear in the epochs that are retired.
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
        let local = registry::owner(core);
        let pin = local.pin(core);
        let mut retirement = Retirement::default();
        while let Some(retired) = core.retire_one_before(epoch) {
            retirement.add(&retired);
            defer(&pin, retired.hold);
        }
        pin.guard().flush();
        drop(pin);
        trace::retire(core, retirement);
        settle_unpinned(core, &local, retirement.epochs, || false);
        retirement.epochs
    }
}
