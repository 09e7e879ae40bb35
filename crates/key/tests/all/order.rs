//! Equality and order by prefix or hash alone.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound::{Included, Unbounded};

use epoch_arena_key::{ArenaKey, KeyRef, OwnedKey};
use epoch_arena_pool::{ArenaPool, Resolve};
use proptest::collection::vec;
use proptest::prelude::*;

fn pool() -> ArenaPool {
    ArenaPool::builder()
        .build()
        .expect("the defaults are valid")
}

/// Everything that compares or hashes keys says what the slices say.
fn agrees(a: &[u8], b: &[u8]) {
    let hasher = RandomState::new();
    let pool = pool();
    let guard = pool.pin();
    let lease = pool.lease(guard.epoch()).unwrap();
    let keys = [a, b].map(|bytes| ArenaKey::copy_from(bytes, &guard).unwrap());
    let resolved = keys.each_ref().map(|key| key.resolve(&guard).unwrap());
    let made = [KeyRef::new(a), KeyRef::new(b)];
    let owned = keys.map(|key| OwnedKey::new(lease.owned(key.handle()).unwrap()));
    for (x, y) in [
        (resolved[0], resolved[1]),
        (made[0], made[1]),
        (made[0], resolved[1]),
    ] {
        assert_eq!(x.cmp(&y), a.cmp(b), "{a:?} {b:?}");
        assert_eq!(x.partial_cmp(&y), a.partial_cmp(b));
        assert_eq!((x == y, x < y, x >= y), (a == b, a < b, a >= b));
    }
    assert_eq!(owned[0].cmp(&owned[1]), a.cmp(b));
    assert_eq!((owned[0] == owned[1], owned[0] < owned[1]), (a == b, a < b));
    for (at, bytes) in [a, b].into_iter().enumerate() {
        let hash = hasher.hash_one(bytes);
        assert_eq!(hasher.hash_one(resolved[at]), hash);
        assert_eq!(hasher.hash_one(made[at]), hash);
        assert_eq!(hasher.hash_one(&owned[at]), hash);
        let borrowed: (&[u8], &[u8]) = (resolved[at].borrow(), owned[at].borrow());
        assert_eq!(borrowed, (bytes, bytes));
        assert_eq!((&*resolved[at], &*owned[at]), (bytes, bytes));
        assert_eq!((resolved[at].as_ref(), owned[at].as_ref()), (bytes, bytes));
    }
}

/// The hard ones by name: equal prefixes, prefixes filled with zeros, lengths around eight.
#[test]
fn keys_with_equal_prefixes_compare_by_all_their_bytes() {
    let hard: [&[u8]; 16] = [
        b"",
        b"\0",
        b"\0\0",
        b"\0\0\0\0\0\0\0\0",
        b"\0\0\0\0\0\0\0\0\0",
        b"a",
        b"a\0",
        b"a\0\0\0\0\0\0\0",
        b"a\0\0\0\0\0\0\0\0",
        b"abcdefgh",
        b"abcdefgh\0",
        b"abcdefghi",
        b"abcdefghj",
        b"abcdefg\xff",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for a in hard {
        for b in hard {
            agrees(a, b);
        }
    }
}

/// Bytes that share a prefix often: few letters, zeros and 0xff among them.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let letter = prop::sample::select(vec![0, 1, b'a', 0x7f, 0x80, 0xff]);
    prop_oneof![
        vec(letter.clone(), 0..20),
        vec(any::<u8>(), 0..40),
        vec(letter, 0..4).prop_map(|tail| [b"the same", &tail[..]].concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 8 } else { 512 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_two_keys_compare_as_their_bytes(a in bytes(), b in bytes()) {
        agrees(&a, &b);
        agrees(&a, &a.clone());
    }

    /// Sorted, searched and ranged over as a map of plain bytes.
    #[test]
    fn a_btree_map_of_keys_is_one_of_bytes(all in vec(bytes(), 0..40), probe in bytes()) {
        let pool = pool();
        let guard = pool.pin();
        let keys: Vec<_> = all.iter().map(|b| ArenaKey::copy_from(b, &guard).unwrap()).collect();
        let entries = keys.iter().map(|key| key.resolve(&guard).unwrap()).zip(0..);
        let map: BTreeMap<KeyRef<'_>, usize> = entries.collect();
        let model: BTreeMap<&[u8], usize> = all.iter().map(Vec::as_slice).zip(0..).collect();
        let both = map.iter().map(|(key, value)| (key.as_bytes(), *value));
        prop_assert!(both.eq(model.iter().map(|(key, value)| (*key, *value))));
        prop_assert_eq!(map.get(&probe[..]), model.get(&probe[..]));
        let from = (Included(&probe[..]), Unbounded);
        let after = map.range::<[u8], _>(from).map(|(key, _)| key.as_bytes());
        prop_assert!(after.eq(model.range::<[u8], _>(from).map(|(key, _)| *key)));
    }
}

/// Debug shows text where it is text; keys that may be stale show no bytes.
#[test]
fn debug_is_for_people() {
    let pool = pool();
    let guard = pool.pin();
    let key = ArenaKey::copy_from(b"user:1", &guard).unwrap();
    assert_eq!(format!("{:?}", key.resolve(&guard).unwrap()), "\"user:1\"");
    assert_eq!(
        format!("{:?}", KeyRef::new(b"\xff\x00ab")),
        "b\"\\xff\\x00ab\""
    );
    let shown = format!("{key:?}");
    assert!(
        shown.contains("len: 6") && !shown.contains("user"),
        "{shown}"
    );
    let owned = OwnedKey::new(pool.snapshot().owned(key.handle()).unwrap());
    assert_eq!(format!("{owned:?}"), "\"user:1\"");
}

/// Many keys at once resolve as each of them does, and stay ordered by all their bytes.
#[test]
fn keys_resolve_many_at_a_time() {
    let pool = pool(); // two epochs retained
    let mut keys = Vec::new();
    for epoch in 0..3 {
        let guard = pool.pin();
        keys.extend((0..13).map(|n| {
            let key = format!("all share this, {epoch} {n}");
            ArenaKey::copy_from(key.as_bytes(), &guard).unwrap()
        }));
        pool.advance().unwrap();
    }
    let guard = pool.pin();
    let expected: Vec<_> = keys.iter().map(|key| key.resolve(&guard)).collect();
    assert_eq!(expected.iter().flatten().count(), 13, "of the last epoch");
    assert!(ArenaKey::resolve_each(&keys, &guard).eq(expected.iter().copied()));
    let handles = keys.iter().map(ArenaKey::handle);
    let made = guard.get_each(handles).map(|bytes| bytes.map(KeyRef::new));
    assert!(made.eq(expected));
}

#[test]
fn a_key_equals_its_bytes_and_its_text_and_is_shown_as_text() {
    let pool = pool();
    let guard = pool.pin();
    let lease = pool.lease(guard.epoch()).unwrap();
    let key = ArenaKey::copy_from("user:1", &guard).unwrap();
    let owned = OwnedKey::new(lease.owned(key.handle()).unwrap());
    let resolved = key.resolve(&guard).unwrap();
    assert!(resolved == *b"user:1" && resolved == b"user:1" && resolved == b"user:1"[..]);
    assert!(resolved == "user:1" && resolved == *"user:1");
    assert!(resolved != "user:2" && resolved != "user:" && resolved != b"user:1\0");
    assert!(owned == *b"user:1" && owned == "user:1");
    assert!(owned != b"user:2" && owned != "user:10");
    assert_eq!(format!("{resolved:>8}|{owned}"), "  user:1|user:1");
    let broken = ArenaKey::copy_from(b"a\xffb", &guard).unwrap();
    assert_eq!(broken.resolve(&guard).unwrap().to_string(), "a\u{fffd}b");
}
