//! `Send` and `Sync`, exactly as intended; and the sizes.

use epoch_arena_core::*;
use static_assertions::{assert_impl_all, assert_not_impl_any};

assert_impl_all!(EpochArena: Send, Sync);
assert_impl_all!(ArenaHandle: Send, Sync, Copy, Eq, std::hash::Hash);
assert_impl_all!(Epoch: Send, Sync, Copy, Ord, std::hash::Hash);
assert_impl_all!(ArenaStats: Send, Sync, Copy);
assert_impl_all!(AllocError: std::error::Error, Send, Sync, Copy);
assert_not_impl_any!(EpochArena: Clone);
// Handles of equal bytes differ, and those of a gone epoch have none: no order.
assert_not_impl_any!(ArenaHandle: PartialOrd);
// A thread's chunk is that thread's alone.
assert_not_impl_any!(epoch_arena_core::raw::Writer: Sync);

/// The assertions above are checked by the compiler; these figures are shown when they fail.
#[test]
fn a_handle_has_16_bytes_also_as_an_option() {
    assert_eq!(size_of::<ArenaHandle>(), 16);
    assert_eq!(size_of::<Option<ArenaHandle>>(), 16);
    // The figures of a refused budget, and which it is.
    assert_eq!(size_of::<AllocError>(), 48);
    assert!(size_of::<Epoch>() <= 8);
    // Two words for each lane, and little beside them.
    assert!(size_of::<EpochArena>() <= 8 * (2 * epoch_arena_block::raw::LANES + 7));
}
