//! Keys in the maps they are made for, against maps of plain bytes.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use crossbeam_skiplist::SkipMap;
use epoch_arena_key::{ArenaKey, OwnedKey};
use epoch_arena_pool::ArenaPool;
use hashbrown::HashTable;

/// Words with long common beginnings, some of them twice.
fn words() -> Vec<Vec<u8>> {
    let count = if cfg!(miri) { 40 } else { 2_000_u32 };
    (0..count)
        .map(|i| match i % 4 {
            0 => format!("tenant:{}", i % 100).into_bytes(),
            1 => format!("a common beginning/{}", i % 61).into_bytes(),
            2 => vec![0; (i % 13) as usize],
            _ => i.to_be_bytes().to_vec(),
        })
        .collect()
}

/// A hasher for which all keys are equal, so that the table must compare bytes.
#[derive(Default)]
struct Same;

impl Hasher for Same {
    fn write(&mut self, _: &[u8]) {}
    fn finish(&self) -> u64 {
        7
    }
}

/// Equal hashes are no equal keys.
fn count_words(hasher: &impl BuildHasher) {
    let pool = ArenaPool::builder().build().unwrap();
    let guard = pool.pin();
    let mut table: HashTable<(u64, ArenaKey, u32)> = HashTable::new();
    let mut model: HashMap<Vec<u8>, u32> = HashMap::new();
    for word in words() {
        let hash = hasher.hash_one(&word[..]);
        let same = |entry: &(u64, ArenaKey, u32)| {
            entry
                .1
                .resolve(&guard)
                .is_some_and(|key| key.as_bytes() == word)
        };
        match table.find_mut(hash, same) {
            Some(entry) => entry.2 += 1,
            None => {
                let key = ArenaKey::copy_from(&word, &guard).unwrap();
                table.insert_unique(hash, (hash, key, 1), |entry| entry.0);
            }
        }
        *model.entry(word).or_default() += 1;
    }
    assert_eq!(table.len(), model.len());
    for (_, key, count) in &table {
        assert_eq!(model[key.resolve(&guard).unwrap().as_bytes()], *count);
    }
    assert_eq!(pool.stats().allocations, model.len());
}

#[test]
fn a_hash_table_of_keys_counts_words() {
    count_words(&hashbrown::DefaultHashBuilder::default());
    count_words(&BuildHasherDefault::<Same>::default());
}

/// An ordered memtable: filled by several threads, read after its epoch was retired.
#[test]
fn a_skip_map_of_owned_keys_is_ordered_and_holds_its_epoch() {
    let pool = ArenaPool::builder().build().unwrap();
    let map: SkipMap<OwnedKey, usize> = SkipMap::new();
    let words = words();
    let epoch = pool.current_epoch();
    std::thread::scope(|s| {
        for part in 0..4 {
            let (pool, map, words) = (&pool, &map, &words);
            s.spawn(move || {
                let guard = pool.pin();
                let lease = pool.lease(epoch).unwrap();
                for (at, word) in words.iter().enumerate().skip(part).step_by(4) {
                    let key = lease.owned(guard.alloc_copy(word).unwrap());
                    map.insert(OwnedKey::new(key.unwrap()), at);
                }
            });
        }
    });
    for _ in 0..5 {
        pool.advance().unwrap();
        pool.pin().alloc_copy(&[0xff; 5_000]).unwrap();
    }
    let model: BTreeMap<&[u8], ()> = words.iter().map(|word| (&word[..], ())).collect();
    assert!(
        map.iter()
            .map(|e| e.key().to_vec())
            .eq(model.keys().map(|key| key.to_vec()))
    );
    for entry in map.iter() {
        assert_eq!(words[*entry.value()], entry.key().as_bytes());
    }
    assert!(map.get(&b"tenant:0"[..]).is_some() && map.get(&b"tenant"[..]).is_none());
    assert_eq!(pool.stats().held_by_leases.epochs, 1);
    assert!(!pool.is_live(epoch), "by guards it is not seen any more");
}

/// The epoch goes when the last of its keys is gone.
#[test]
fn owned_keys_hold_their_epoch_until_the_last() {
    let pool = ArenaPool::builder().build().unwrap();
    let key = ArenaKey::copy_from(b"key", &pool.pin()).unwrap();
    let owned = OwnedKey::new(pool.snapshot().owned(key.handle()).unwrap());
    let again = owned.clone();
    for _ in 0..3 {
        pool.advance().unwrap();
    }
    drop(owned);
    pool.maintain();
    assert_eq!(
        (again.as_bytes(), pool.stats().retired_epochs),
        (&b"key"[..], 1)
    );
    assert_eq!(again.owned().lease().epoch(), key.epoch());
    drop(again);
    assert_eq!(pool.maintain().reclaimed_epochs, 1);
}
