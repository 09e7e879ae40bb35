//! Keys against the slices they are copies of: order, equality, hash.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};

use arbitrary::Unstructured;
use epoch_arena::{
    Alignment, ArenaKey, ArenaPool, Heap, KeyError, KeyRef, KeyWriter, Memory, OwnedKey, sort_keys,
};

const LONGEST: usize = 24;

/// Checks the keys that `data` makes.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    // It never fails: missing bytes are zero.
    let align = 1 << (input.arbitrary::<u8>().unwrap_or(0) % 8);
    let keys: Vec<Vec<u8>> = (0..24).map_while(|_| key(&mut input)).collect();

    let memory = Memory::builder()
        .source(Heap)
        .block_size(4096)
        .build()
        .expect("valid");
    let align = Alignment::new(align).expect("a power of two");
    let builder = ArenaPool::builder().memory(memory);
    let pool = builder.build().expect("valid");
    let writer = KeyWriter::new().max_len(LONGEST).alignment(align);
    let guard = pool.pin();
    let lease = pool.lease(pool.current_epoch()).expect("it is live");
    let mut stored = Vec::new();
    for bytes in &keys {
        match writer.copy(bytes, &guard) {
            Ok(key) => {
                assert_eq!((key.len(), key.is_empty()), (bytes.len(), bytes.is_empty()));
                stored.push((key, bytes));
            }
            Err(KeyError::TooLong { max }) => {
                assert!(max as usize == LONGEST && bytes.len() > LONGEST);
            }
            Err(other) => panic!("{other}"),
        }
    }
    let owned =
        |key: ArenaKey| OwnedKey::new(lease.owned(key.handle()).expect("of the leased epoch"));
    for (key, bytes) in &stored {
        let resolved = key.resolve(&guard).expect("live");
        assert_eq!(resolved.as_bytes(), &bytes[..]);
        assert_eq!(resolved.as_bytes().as_ptr().addr() % align.get(), 0);
        let again = ArenaKey::from_handle(key.handle(), &guard).expect("live");
        let again = again.resolve(&guard).expect("live");
        for (other, others) in &stored {
            let other = (other.resolve(&guard).expect("live"), owned(*other));
            let order = bytes.cmp(others);
            assert_eq!(resolved.cmp(&other.0), order);
            assert_eq!(again.cmp(&KeyRef::new(others)), order);
            assert_eq!(owned(*key).cmp(&other.1), order);
            assert_eq!(resolved == other.0, bytes == others);
            assert_eq!(owned(*key) == other.1, bytes == others);
        }
    }
    maps(&stored, owned);
    sort(&keys);
}

/// Maps of keys, looked up by slices, are as maps of the slices.
#[expect(
    clippy::mutable_key_type,
    reason = "what changes in a lease is not what keys are compared by"
)]
fn maps(stored: &[(ArenaKey, &Vec<u8>)], owned: impl Fn(ArenaKey) -> OwnedKey) {
    let hasher = RandomState::new();
    let mut tree = BTreeMap::new();
    let mut table = HashMap::with_hasher(hasher.clone());
    let mut model = BTreeMap::new();
    for (at, (key, bytes)) in stored.iter().enumerate() {
        let key = owned(*key);
        let as_slice: &[u8] = key.borrow();
        assert_eq!(hasher.hash_one(&key), hasher.hash_one(as_slice));
        assert_eq!(hasher.hash_one(key.resolved()), hasher.hash_one(&bytes[..]));
        assert_eq!(tree.insert(key.clone(), at), model.insert(&bytes[..], at));
        table.insert(key, at);
    }
    assert!(
        tree.iter()
            .map(|(key, at)| (key.as_bytes(), at))
            .eq(model.iter().map(|(k, v)| (*k, v)))
    );
    assert_eq!(table.len(), model.len());
    for (bytes, at) in &model {
        assert_eq!((tree.get(*bytes), table.get(*bytes)), (Some(at), Some(at)));
    }
}

/// `sort_keys` sorts as slices are sorted; also where keys are many, and begin alike.
fn sort(keys: &[Vec<u8>]) {
    let joined = keys
        .iter()
        .flat_map(|head| keys.iter().map(|tail| [&head[..], tail].concat()));
    let mut joined: Vec<_> = joined.collect();
    let mut sorted: Vec<_> = joined.iter().map(|bytes| KeyRef::new(bytes)).collect();
    sort_keys(&mut sorted);
    let sorted: Vec<_> = sorted.iter().map(|key| key.as_bytes().to_vec()).collect();
    joined.sort();
    assert_eq!(sorted, joined);
}

/// A key of few letters, so that many share prefixes; at times too long.
fn key(input: &mut Unstructured<'_>) -> Option<Vec<u8>> {
    if input.is_empty() {
        return None;
    }
    let len = input.arbitrary::<u8>().ok()? as usize % (LONGEST + 3);
    let letters = [0, 1, 0x7f, 0x80, 0xff, b'a'];
    let byte = |input: &mut Unstructured<'_>| {
        let byte = input.arbitrary::<u8>().unwrap_or(0);
        letters.get(byte as usize % 8).copied().unwrap_or(byte)
    };
    Some((0..len).map(|_| byte(input)).collect())
}
