//! Lanes: a thread gets the chunks back that it has filled, as their cache lines are with its core.

#![forbid(unsafe_code)]

use crate::sync::{Ordering, StaticAtomicUsize};

/// Threads that have blocks and lists of chunks of their own; those beyond share them.
pub const LANES: usize = if cfg!(epoch_arena_loom) { 1 } else { 8 };

/// The lanes of the process.
static ALL: Lanes = Lanes::new();

/// The lane of this thread, below [`LANES`]: at its first call, the first of those with the fewest threads. A thread
/// that ends leaves its lane to the next one.
#[inline]
pub fn own_lane() -> usize {
    thread_local!(static OWN: Own<'static> = ALL.take());
    // While the thread's last values are dropped, any lane will do.
    OWN.try_with(|own| own.lane).unwrap_or(0)
}

/// How many threads have each lane.
struct Lanes([StaticAtomicUsize; LANES]);

impl Lanes {
    const fn new() -> Self {
        Self([const { StaticAtomicUsize::new(0) }; LANES])
    }

    fn take(&self) -> Own<'_> {
        loop {
            // Relaxed, all: the chunks of a lane pass from thread to thread under the lock of a memory.
            let threads = self.0.iter().map(|of| of.load(Ordering::Relaxed));
            let fewest = threads.enumerate().min_by_key(|(_, threads)| *threads);
            let (lane, few) = fewest.unwrap_or_default(); // There are lanes.
            let (now, relaxed) = (few + 1, Ordering::Relaxed);
            if self.0[lane]
                .compare_exchange(few, now, relaxed, relaxed)
                .is_ok()
            {
                return Own { lanes: self, lane };
            }
            // Another thread came or went, and this one looks again: two threads that come at once get two lanes.
        }
    }
}

/// A thread's lane, as long as it runs.
struct Own<'l> {
    lanes: &'l Lanes,
    lane: usize,
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        // Relaxed: as in `take`.
        self.lanes.0[self.lane].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(epoch_arena_loom)))]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn threads_of_one_time_are_spread_and_lanes_are_taken_again() {
        let lanes = Lanes::new();
        let mut taken = std::thread::scope(|s| {
            let threads: Vec<_> = (0..LANES).map(|_| s.spawn(|| lanes.take())).collect();
            let taken = threads.into_iter().map(|thread| thread.join().unwrap());
            taken.collect::<Vec<_>>()
        });
        taken.sort_unstable_by_key(|own| own.lane);
        let all = taken.iter().map(|own| own.lane);
        assert_eq!(
            all.collect::<Vec<_>>(),
            (0..LANES).collect::<Vec<_>>(),
            "one for each"
        );
        let shared = lanes.take();
        assert_eq!(shared.lane, 0, "then they are shared");
        drop(taken.remove(5));
        assert_eq!([lanes.take(), lanes.take()].map(|own| own.lane), [5, 1]);
    }

    #[test]
    fn a_thread_keeps_its_lane() {
        let lane = own_lane();
        assert!(lane < LANES);
        assert_eq!(own_lane(), lane);
    }

    /// Of so many that live at once, not all have one lane, whatever other threads of the process there are.
    #[test]
    fn threads_have_several_lanes() {
        /// Each thread takes its lane, then starts the next one, and lives as long as that.
        fn take(lanes: &mut BTreeSet<usize>, threads: usize) {
            lanes.insert(own_lane());
            if threads > 1 {
                std::thread::scope(|s| {
                    s.spawn(|| take(lanes, threads - 1));
                });
            }
        }
        let mut lanes = BTreeSet::new();
        take(&mut lanes, 8 * LANES);
        assert!(lanes.len() > 1, "{lanes:?}");
    }
}
