//! What the types are.

use epoch_arena_map::{ArenaMap, Entry, InsertError, MapError, OwnedEntry, Range, RangeAt, Writer};
use epoch_arena_pool::ArenaPool;
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

#[test]
fn errors_say_what_to_do() {
    let now = ArenaPool::builder().build().unwrap().current_epoch();
    for (shown, to_do) in [
        (
            InsertError::Frozen { now }.to_string(),
            "write to the map that ArenaMap::rotate",
        ),
        (
            InsertError::Exists.to_string(),
            "insert with a higher version",
        ),
        (MapError::Rotated.to_string(), "take the map that it gets"),
    ] {
        assert!(shown.contains(to_do), "{shown}");
    }
}
