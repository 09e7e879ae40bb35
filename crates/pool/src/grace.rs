//! The grace period: what is deferred to its end, and how that is brought about.

use crate::domain::backlog::Waiting;
use crate::epochs::core::Core;
use crate::epochs::hold::Hold;
use crate::epochs::lists::Reclaimed;
use crate::local::pinned::Pinned;
use crate::local::state::Owner;
use crate::trace;

/// Lets an epoch go when no guard is left that is pinned now.
///
/// The closure runs inside any thread's pin: two or three atomic operations on memory that it keeps alive, three words,
/// no lock, no free, no user code. (The last one of a memory that is gone frees the generation and the backlog.)
pub(crate) fn defer(pin: &Pinned<'_>, hold: Hold) {
    let waiting = pin.core().domain.backlog.wait();
    pin.guard().defer(move || {
        hold.let_go();
        drop(waiting);
    });
}

/// Sees that deferred closures run if no guard holds them up, and reclaims what that frees;
/// says what that was. A flush moves the closures on, and each pin after it can pass one
/// of crossbeam's two grace periods, if this thread is not pinned otherwise.
pub(crate) fn settle(core: &Core, pin: Pinned<'_>, local: &Owner) -> Reclaimed {
    pin.guard().flush();
    drop(pin);
    settle_unpinned(core, local, 0, || false)
}

/// As [`settle`], and goes on while closures of this pool are pending: so many rounds as their number can need, and some
/// more for what is before them in the queue, each time twice as many.
///
/// A flush runs no more than eight bags. `advance` makes one or more. And each flush, of any thread, makes one of what
/// crossbeam's queue throws away for those it has run: so behind closures that waited for long are an eighth as many bags
/// that have none.
pub(crate) fn settle_all(core: &Core, local: &Owner) -> Reclaimed {
    const ROUNDS: usize = 8;
    const TURNS: u32 = 8;
    let mut reclaimed = settle(core, local.pin(core), local);
    for turn in 0..TURNS {
        let pending = core.state().pending();
        if pending == 0 || local.is_pinned() {
            break;
        }
        let rounds = (ROUNDS << turn) + pending / ROUNDS;
        reclaimed += settle_unpinned(core, local, rounds, || false);
    }
    reclaimed
}

/// The rest of [`settle`], after the flush, with some rounds more, until it is done.
pub(crate) fn settle_unpinned(
    core: &Core,
    local: &Owner,
    more: usize,
    is_done: impl Fn() -> bool,
) -> Reclaimed {
    for _ in 0..2 + more {
        if is_done() || local.is_pinned() {
            break;
        }
        local.pin(core).guard().flush();
    }
    let reclaimed = core.reclaim();
    trace::reclaim(core, reclaimed);
    reclaimed
}

// So much crossbeam-epoch keeps in place; of more it makes an allocation, which would be freed inside a pin.
const _: () = assert!(size_of::<(Hold, Waiting)>() <= 3 * size_of::<usize>());
