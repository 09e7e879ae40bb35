//! The longest keys and values, and what is too long.

use epoch_arena_map::{ArenaMap, InsertError};
use epoch_arena_pool::{AllocError, ArenaPool};

/// A record is one allocation, and has 16 bytes of its own.
const MOST: usize = (16 << 20) - 1 - 16;

fn map() -> ArenaMap {
    ArenaMap::new(&ArenaPool::builder().build().unwrap()).unwrap()
}

#[test]
fn a_record_may_be_as_long_as_an_allocation() {
    let map = map();
    let long = vec![b'x'; MOST];
    map.insert(b"", 0, &long).unwrap();
    assert_eq!(map.get(b"", 0).unwrap().value().len(), MOST);
    let key = &long[..MOST / 8 * 8];
    map.insert(key, 0, b"").unwrap();
    assert_eq!(map.get(key, 0).unwrap().key().len(), key.len());
    assert!(map.get(&key[1..], 0).is_none());
    assert!(map.iter().map(|entry| entry.key().len()).eq([0, key.len()]));
}

#[test]
fn a_record_that_is_too_long_is_refused() {
    let map = map();
    let long = vec![b'x'; MOST + 1];
    let refused = Err(InsertError::Alloc(AllocError::TooLong));
    assert_eq!(map.insert(b"", 0, &long), refused);
    assert_eq!(map.insert(&long, 0, b""), refused);
    assert_eq!(map.insert(&long[MOST / 2..], 0, &long[MOST / 2..]), refused);
    assert!(map.is_empty() && map.iter().next().is_none());
}

#[test]
fn keys_that_differ_by_trailing_zeros_only_are_apart() {
    let map = map();
    let zeros = [0; 20];
    for len in (0..=20).rev() {
        map.insert(&zeros[..len], 0, &[len as u8]).unwrap();
    }
    for len in 0..=20 {
        assert_eq!(map.get(&zeros[..len], 0).unwrap().value(), [len as u8]);
    }
    let values = map.iter().map(|entry| entry.value()[0]);
    assert!(values.eq(0..=20));
}

#[test]
fn the_greatest_and_the_least_versions_are_in_order() {
    let map = map();
    for version in [u64::MAX, 0, u64::MAX - 1, 1] {
        map.insert(b"key", version, b"").unwrap();
    }
    let versions = map.iter().map(|entry| entry.version());
    assert!(versions.eq([u64::MAX, u64::MAX - 1, 1, 0]));
    assert_eq!(map.get(b"key", u64::MAX - 2).unwrap().version(), 1);
    assert_eq!(map.get(b"key", 0).unwrap().version(), 0);
}
