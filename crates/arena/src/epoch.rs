//! `Epoch`: a number that is drawn once in the life of the process.

use std::fmt;

use crate::pack::MAX_EPOCH;
use crate::sync::{Ordering, StaticAtomicU64};

/// The number of an epoch: opaque, ordered, and never drawn twice in the life of the process,
/// whatever the number of pools.
///
/// The epochs of a single pool count by one from zero. Several pools draw from the same counter, and
/// a pool passes over numbers that do not suit it, so their epochs have gaps. There is no public
/// constructor: an `Epoch` is always one that a pool had. (The global epoch of crossbeam-epoch is
/// another number: it counts grace periods, and this library never shows it.)
///
/// An epoch has 40 bits, which last 35 years at a thousand epochs a second.
///
/// ```
/// # use epoch_arena_core as epoch_arena;
/// use epoch_arena::Epoch;
/// /// How many epochs a pool that has the process for itself has opened since.
/// fn age(of: Epoch, now: Epoch) -> u64 {
///     assert!(of <= now);
///     now.number() - of.number()
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(
    /// The 40 bits, most significant byte first, so that the derived order is the numbers'. Five
    /// bytes and not eight: errors that carry an epoch stay within eight.
    [u8; 5],
);

impl Epoch {
    /// The epoch of a number that was drawn from an [`EpochCounter`].
    ///
    /// # Safety
    ///
    /// `number` was drawn from a counter.
    #[doc(hidden)]
    pub const unsafe fn from_number(number: u64) -> Self {
        debug_assert!(number <= MAX_EPOCH);
        let [_, _, _, a, b, c, d, e] = number.to_be_bytes();
        Self([a, b, c, d, e])
    }

    /// The number, to print and to compare; it cannot be made into an `Epoch` again.
    ///
    /// ```
    /// # use epoch_arena_core::Epoch;
    /// fn show(epoch: Epoch) {
    ///     println!("filling epoch {}", epoch.number());
    /// }
    /// ```
    pub const fn number(self) -> u64 {
        let [a, b, c, d, e] = self.0;
        u64::from_be_bytes([0, 0, 0, a, b, c, d, e])
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({})", self.number())
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.number(), f)
    }
}

/// As its number. There is no `Deserialize`: an epoch is always one that a pool had.
#[cfg(feature = "serde")]
impl serde::Serialize for Epoch {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.number())
    }
}

/// A counter that gives each number once and stops at the last.
#[doc(hidden)]
#[derive(Debug)]
pub struct EpochCounter {
    /// The next number; one above [`MAX_EPOCH`] when all are used up.
    next: StaticAtomicU64,
}

/// The counter of this process.
#[doc(hidden)]
pub static EPOCHS: EpochCounter = EpochCounter::starting_at(0);

impl EpochCounter {
    /// A counter of its own; tests use it near the end.
    ///
    /// Epochs of two counters can be equal, and with them the handles: a second counter may
    /// serve pools only where no handle or epoch of one counter's pools meets another's.
    pub const fn starting_at(next: u64) -> Self {
        Self {
            next: StaticAtomicU64::new(next),
        }
    }

    /// The next number that `fits`, passing over those that do not; or `None` when no number that
    /// fits is left. Some number below `next + slots` must fit, or it counts to the end.
    pub fn draw(&self, fits: impl Fn(u64) -> bool) -> Option<u64> {
        // Relaxed, here and in both outcomes: a number need only be unique, which the exchange
        // guarantees by itself; an epoch is published through the pool's `current`. An exchange
        // and not fetch_add, so that attempts after the end do not wrap it.
        let mut next = self.next.load(Ordering::Relaxed);
        loop {
            let number = (next..=MAX_EPOCH).find(|number| fits(*number))?;
            match self.next.compare_exchange_weak(
                next,
                number + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(number),
                Err(now) => next = now,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_gives_each_number_once_and_stops_at_the_last() {
        let counter = EpochCounter::starting_at(MAX_EPOCH - 1);
        assert_eq!(counter.draw(|_| true), Some(MAX_EPOCH - 1));
        assert_eq!(counter.draw(|_| true), Some(MAX_EPOCH));
        for _ in 0..3 {
            assert_eq!(counter.draw(|_| true), None, "nothing wraps");
        }
        let counter = EpochCounter::starting_at(5);
        assert_eq!(counter.draw(|n| n % 4 == 3), Some(7));
        assert_eq!(
            counter.draw(|_| true),
            Some(8),
            "those passed over are gone"
        );
    }

    #[test]
    fn epochs_order_as_their_numbers() {
        // SAFETY: compared here only; no pool or handle ever sees them.
        let epoch = |number| unsafe { Epoch::from_number(number) };
        let numbers = [0, 1, 255, 256, 65_536, MAX_EPOCH - 1, MAX_EPOCH];
        for pair in numbers.windows(2) {
            assert!(epoch(pair[0]) < epoch(pair[1]));
            assert_eq!(epoch(pair[1]).number(), pair[1]);
        }
    }
}
