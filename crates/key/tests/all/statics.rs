//! `Send` and `Sync`, exactly as intended; and the sizes.

use epoch_arena_key::*;
use static_assertions::{assert_impl_all, assert_not_impl_any};

assert_impl_all!(ArenaKey: Send, Sync, Copy);
assert_impl_all!(KeyRef<'static>: Send, Sync, Copy, Ord, std::hash::Hash);
assert_impl_all!(OwnedKey: Send, Sync, Clone, Ord, std::hash::Hash);
assert_impl_all!(KeyError: std::error::Error, Send, Sync, Copy);
assert_impl_all!(KeyWriter: Send, Sync, Copy);
// A key that may be stale has no bytes to compare.
assert_not_impl_any!(ArenaKey: PartialEq, PartialOrd, std::hash::Hash);

/// The assertions above are checked by the compiler; these figures are shown when they fail.
#[test]
fn a_key_has_24_bytes() {
    assert_eq!(size_of::<ArenaKey>(), 24);
    assert_eq!(size_of::<Option<ArenaKey>>(), 24);
    assert_eq!(size_of::<KeyRef<'static>>(), 24);
    assert_eq!(size_of::<OwnedKey>(), 32);
    // They may carry the figures of a refused budget.
    assert!(size_of::<KeyError>() <= 48);
}
