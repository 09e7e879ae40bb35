//! What is told to `tracing`, where the feature is on; nothing else knows of it.
//!
//! A subscriber is foreign code: it may take its time, panic, and call back into the pool. So
//! each of these is called with no lock of the library held, no borrow of the thread-local registry
//! alive, and nothing half done: the holds of retired epochs are deferred, reclaimed chunks are on
//! the free lists. None is called from a deferred closure, which may run inside any thread's pin,
//! and none by a put that finds room in its thread's chunk.

use epoch_arena_block::OverBudget;

use crate::epochs::advance::Retirement;
use crate::epochs::core::Core;
use crate::epochs::lists::Reclaimed;
use crate::epochs::slots::epoch;

/// An event with typed fields. Where the feature is off, or no subscriber listens, the values are not
/// even computed.
macro_rules! tell {
    ($level:ident, $what:literal, $($field:ident = $value:expr),+ $(,)?) => {
        #[cfg(feature = "tracing")]
        tracing::event!(
            name: $what,
            target: "epoch_arena",
            tracing::Level::$level,
            $($field = $value,)+
            $what
        );
        #[cfg(not(feature = "tracing"))]
        let _ = || ($($value,)+);
    };
}

/// A new epoch is current.
pub(crate) fn advance(core: &Core, before: u64, now: u64) {
    tell!(
        DEBUG,
        "advance",
        pool = core.id,
        epoch = epoch(now).number(),
        before = epoch(before).number(),
    );
}

/// Epochs are live no more.
pub(crate) fn retire(core: &Core, retired: Retirement) {
    if retired.epochs > 0 {
        tell!(
            DEBUG,
            "retire",
            pool = core.id,
            epoch = epoch(retired.newest).number(),
            epochs = retired.epochs,
            bytes = retired.bytes,
        );
    }
}

/// The memory of epochs can be used again.
pub(crate) fn reclaim(core: &Core, reclaimed: Reclaimed) {
    if reclaimed.epochs > 0 {
        tell!(
            DEBUG,
            "reclaim",
            pool = core.id,
            epochs = reclaimed.epochs,
            bytes = reclaimed.bytes,
        );
    }
}

/// Free blocks went back to the source.
pub(crate) fn trim(core: &Core, bytes: usize) {
    if bytes > 0 {
        tell!(DEBUG, "trim", pool = core.id, bytes = bytes);
    }
}

/// A put of `len` bytes was refused for the budget.
pub(crate) fn over_budget(core: &Core, stamp: u64, len: usize, over: OverBudget) {
    tell!(
        WARN,
        "over budget",
        pool = core.id,
        epoch = epoch(stamp).number(),
        len = len,
        used = over.used,
        budget = over.budget,
        wanted = over.wanted,
        own = over.own,
        reclaimable = over.reclaimable,
    );
}
