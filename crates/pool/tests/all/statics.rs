//! `Send` and `Sync`, exactly as intended; and the sizes.

use epoch_arena_pool::*;
use static_assertions::{assert_impl_all, assert_not_impl_any};

assert_impl_all!(ArenaPool: Send, Sync, Clone);
assert_impl_all!(PoolBuilder: Send, Sync);
assert_impl_all!(Lease: Send, Sync, Clone);
assert_impl_all!(Snapshot: Send, Sync, Clone);
assert_impl_all!(OwnedBytes: Send, Sync, Clone, Ord, std::hash::Hash, AsRef<[u8]>, std::borrow::Borrow<[u8]>);
#[cfg(feature = "bytes")]
assert_impl_all!(bytes::Bytes: From<OwnedBytes>);
#[cfg(feature = "stable_deref_trait")]
assert_impl_all!(OwnedBytes: stable_deref_trait::CloneStableDeref);
assert_impl_all!(PoolStats: Send, Sync, Clone);
assert_impl_all!(MaintainReport: Send, Sync, Clone);
assert_impl_all!(EpochBytes: Send, Sync, Copy);
assert_impl_all!(PinInfo: Send, Sync, Clone);
assert_impl_all!(LeaseInfo: Send, Sync, Copy);
assert_impl_all!(AdvanceError: std::error::Error, Send, Sync, Copy);
assert_impl_all!(BuildError: std::error::Error, Send, Sync, Copy);
assert_impl_all!(PromoteError: std::error::Error, Send, Sync, Copy);
assert_impl_all!(ForeignGuard: std::error::Error, Send, Sync, Copy);
assert_impl_all!(BatchFull: std::error::Error, Send, Sync, Copy);
// What is pinned stays on its thread, and with it whatever writes to the thread's chunk.
assert_not_impl_any!(ArenaGuard<'static>: Send, Sync, Clone);
assert_not_impl_any!(LocalPool: Send, Sync, Clone);
assert_not_impl_any!(Batch<'static>: Send, Sync, Clone);
assert_not_impl_any!(BytesWriter<'static>: Send, Sync, Clone);
assert_not_impl_any!(UninitBytes<'static>: Send, Sync, Clone);

/// The assertions above are checked by the compiler; these figures are shown when they fail.
#[test]
fn errors_are_small() {
    assert!(size_of::<AdvanceError>() <= 8);
    assert!(size_of::<BuildError>() <= 8);
    // It may carry the figures of a refused budget.
    assert!(size_of::<PromoteError>() <= 48);
    assert_eq!(size_of::<BatchFull>(), 8);
    assert_eq!(size_of::<ForeignGuard>(), 0);
    assert_eq!(size_of::<ArenaHandle>(), 16);
    assert_eq!(size_of::<Option<ArenaHandle>>(), 16);
}
