//! What the types are.

use epoch_arena_map::{ArenaMap, Entry, InsertError, MapError, OwnedEntry, Range, RangeAt, Writer};
use static_assertions::{assert_impl_all, assert_not_impl_any};

assert_impl_all!(ArenaMap: Send, Sync);
assert_impl_all!(Entry<'static>: Copy, Send, Sync, Eq);
assert_impl_all!(OwnedEntry: Clone, Send, Sync, AsRef<[u8]>);
assert_impl_all!(Range<'static>: Send, Sync, DoubleEndedIterator);
assert_impl_all!(RangeAt<'static>: Send, Sync, DoubleEndedIterator);
assert_not_impl_any!(Writer<'static>: Send, Sync);

#[test]
fn errors_and_entries_of_maps_are_small() {
    assert!(size_of::<InsertError>() <= 48 && size_of::<MapError>() <= 48);
    assert_eq!(size_of::<Entry<'_>>(), 16);
}
