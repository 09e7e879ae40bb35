//! `Send` and `Sync`, exactly as intended; and the sizes.

use epoch_arena_block::*;
use static_assertions::{assert_impl_all, assert_not_impl_any};

assert_impl_all!(Block: Send, Sync);
assert_impl_all!(BorrowedBlock<'static>: Send, Sync);
assert_impl_all!(Memory: Send, Sync, Clone);
assert_impl_all!(MemoryBuilder: Send, Sync);
assert_impl_all!(MemoryStats: Send, Sync, Copy);
assert_impl_all!(MemoryUsage: Send, Sync, Clone);
assert_impl_all!(MemoryUser: Send, Sync, Copy);
assert_impl_all!(Pages: Send, Sync, Copy, Eq);
assert_impl_all!(Region: Send, Sync);
assert_impl_all!(Heap: Send, Sync, Copy);
assert_impl_all!(AnonymousMap: Send, Sync, Copy);
assert_impl_all!(TempFile: Send, Sync, Clone);
assert_impl_all!(Alignment: Send, Sync, Copy, Ord);
assert_impl_all!(BlockFull: std::error::Error, Send, Sync, Copy);
assert_impl_all!(MemoryError: std::error::Error, Send, Sync, Copy);
assert_impl_all!(SourceError: std::error::Error, Send, Sync, Copy);
assert_impl_all!(MemoryConfigError: std::error::Error, Send, Sync, Copy);
assert_impl_all!(BadAlignment: std::error::Error, Send, Sync, Copy);
// Owners of memory are not copied.
assert_not_impl_any!(Block: Clone);
assert_not_impl_any!(BorrowedBlock<'static>: Clone, std::ops::DerefMut);
assert_not_impl_any!(Region: Clone);

/// The assertions above are checked by the compiler; these figures are shown when they fail.
#[test]
fn errors_are_small() {
    assert_eq!(size_of::<BlockFull>(), 8);
    // The figures of a refusal, and which it is.
    assert_eq!(size_of::<MemoryError>(), 48);
    assert_eq!(size_of::<SourceError>(), 8);
    assert_eq!(size_of::<MemoryConfigError>(), 8);
}
