//! Entries: when they are equal, what is kept of them, and what `Debug` shows of a map's types.

use epoch_arena_map::ArenaMap;
use epoch_arena_pool::ArenaPool;

fn map() -> ArenaMap {
    ArenaMap::new(&ArenaPool::builder().build().unwrap()).unwrap()
}

#[test]
fn entries_are_equal_by_key_version_and_value() {
    let (one, other) = (map(), map());
    for map in [&one, &other] {
        map.insert(b"key", 1, b"value").unwrap();
        map.insert(b"key", 2, b"value").unwrap();
    }
    one.insert(b"yek", 1, b"value").unwrap();
    one.insert(b"of one", 1, b"its value").unwrap();
    other.insert(b"of one", 1, b"another").unwrap();
    let at = |map, key: &str, version| ArenaMap::get(map, key.as_bytes(), version).unwrap();
    assert_eq!(at(&one, "key", 1), at(&other, "key", 1), "of two maps");
    assert_ne!(at(&one, "key", 1), at(&one, "key", 2));
    assert_ne!(at(&one, "key", 1), at(&one, "yek", 1));
    assert_ne!(at(&one, "of one", 1), at(&other, "of one", 1));
}

/// An entry of its own outlives the map, and so does its value alone.
#[test]
fn an_entry_that_is_kept_outlives_its_map() {
    let map = map();
    map.insert(b"key", 7, b"the value").unwrap();
    let kept = map.get(b"key", 9).unwrap().to_owned();
    drop(map);
    assert_eq!((kept.key(), kept.version()), (&b"key"[..], 7));
    assert_eq!(kept.value(), b"the value");
    assert_eq!((&*kept, kept.as_ref()), (kept.value(), kept.value()));
    assert_eq!(&*kept.clone().into_value(), b"the value");
}

/// A log has the key and how long the value is, and not the value.
#[test]
fn debug_shows_keys_and_no_values() {
    let map = map();
    map.insert(b"key\xff", 7, b"secret").unwrap();
    let entry = map.get(b"key\xff", 7).unwrap();
    let fields = r#" { key: "key\\xff", version: 7, value_len: 6 }"#;
    assert_eq!(format!("{entry:?}"), format!("Entry{fields}"));
    let kept = entry.to_owned();
    assert_eq!(format!("{kept:?}"), format!("OwnedEntry{fields}"));
    let (epoch, bytes) = (map.epoch(), map.bytes());
    let shown = format!("ArenaMap {{ epoch: {epoch:?}, len: 1, bytes: {bytes}, .. }}");
    assert_eq!(format!("{map:?}"), shown);
    let guard = map.pool().pin();
    let writer = map.writer(&guard);
    assert_eq!(
        format!("{writer:?}"),
        format!("Writer {{ map: {shown}, .. }}")
    );
    assert_eq!(format!("{:?}", map.iter()), "Range { .. }");
    let versions = map.range_at::<&[u8], _>(.., 7);
    assert_eq!(format!("{versions:?}"), "RangeAt { at: 7, .. }");
}
