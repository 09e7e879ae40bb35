//! How often each operation was done.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of the whole run.
        #[derive(Debug, Default)]
        pub struct Counts { $($(#[$doc])* pub $name: AtomicU64,)* }

        impl Counts {
            /// Names and values.
            pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
                // Relaxed: figures.
                [$((stringify!($name), self.$name.load(Ordering::Relaxed)),)*].into_iter()
            }
        }
    };
}

counts! {
    /// Values written.
    puts,
    /// Values read and compared.
    reads,
    /// Handles that gave nothing, as their epoch is over.
    stale,
    /// Handles looked up in other pools, which must give nothing.
    foreign,
    /// Values moved on to the current epoch.
    promoted,
    /// Epochs opened.
    epochs,
    /// Epochs found sealed, and their figures final.
    sealed,
    /// Leases and snapshots taken.
    leases,
    /// Records inserted into maps.
    inserted,
    /// Records of maps that were scanned.
    scanned,
    /// Maps that were followed by others.
    rotations,
    /// Guards.
    pins,
    /// Readers that parked under a guard.
    parked,
    /// Pools made.
    pools,
    /// Threads started.
    threads,
    /// Threads that ended in a panic, in the middle of a batch.
    killed,
    /// Closures that panicked.
    panics,
    /// Guards, leases and snapshots that were forgotten, in pools that were dropped then.
    forgotten,
    /// Batches that were forgotten.
    abandoned,
    /// Calls of a source that failed.
    faults,
    /// Puts that found no memory.
    refused,
}

/// One more.
pub fn one(count: &AtomicU64) {
    add(count, 1);
}

/// So many more.
pub fn add(count: &AtomicU64, more: usize) {
    // Relaxed: figures.
    count.fetch_add(more as u64, Ordering::Relaxed);
}
