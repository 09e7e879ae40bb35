//! The map against a `BTreeMap`, with pages so small that a few dozen records make a deep index.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::ops::Bound;

use proptest::prelude::*;

use super::map_of;
use crate::{ArenaMap, Entry, InsertError};

type Model = BTreeMap<(Vec<u8>, Reverse<u64>), Vec<u8>>;

const CASES: u32 = if cfg!(miri) { 3 } else { 400 };
const INSERTS: usize = if cfg!(miri) { 40 } else { 300 };

/// Keys that share what they begin with, of every length, and keys that differ in trailing zeros only.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(vec![0_u8, 1, b'a', 255]);
    let short = prop::collection::vec(byte, 0..4);
    (
        prop::sample::select(vec![0_usize, 1, 7, 8, 9, 24, 100]),
        short,
    )
        .prop_map(|(prefix, end)| {
            let mut key = vec![b'p'; prefix];
            key.extend(end);
            key
        })
}

fn version() -> impl Strategy<Value = u64> {
    prop_oneof![0..20_u64, Just(u64::MAX), Just(u64::MAX - 1)]
}

#[derive(Clone, Debug)]
enum Op {
    Insert(Vec<u8>, u64, usize),
    Get(Vec<u8>, u64),
    GetEach(Vec<Vec<u8>>, u64),
    Range(Bound<Vec<u8>>, Bound<Vec<u8>>, u64, u64),
    Seek(Vec<u8>, Vec<u8>),
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        Just(Bound::Unbounded),
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        20 => (key(), version(), 0..20_usize).prop_map(|(k, v, n)| Op::Insert(k, v, n)),
        5 => (key(), version()).prop_map(|(k, v)| Op::Get(k, v)),
        2 => (prop::collection::vec(key(), 0..20), version()).prop_map(|(k, v)| Op::GetEach(k, v)),
        1 => (bound(), bound(), version(), any::<u64>())
            .prop_map(|(a, b, at, turns)| Op::Range(a, b, at, turns)),
        1 => (key(), key()).prop_map(|(a, b)| Op::Seek(a, b)),
    ]
}

fn owned(entry: Entry<'_>) -> (Vec<u8>, u64, Vec<u8>) {
    (
        entry.key().to_vec(),
        entry.version(),
        entry.value().to_vec(),
    )
}

fn inside(key: &[u8], (lower, upper): (&Bound<Vec<u8>>, &Bound<Vec<u8>>)) -> bool {
    let above = match lower {
        Bound::Included(lower) => key >= &lower[..],
        Bound::Excluded(lower) => key > &lower[..],
        Bound::Unbounded => true,
    };
    above
        && match upper {
            Bound::Included(upper) => key <= &upper[..],
            Bound::Excluded(upper) => key < &upper[..],
            Bound::Unbounded => true,
        }
}

type Line = (Vec<u8>, u64, Vec<u8>);

fn all(model: &Model) -> impl DoubleEndedIterator<Item = Line> + '_ {
    let line = |((key, Reverse(version)), value): (&(Vec<u8>, _), &Vec<u8>)| {
        (key.clone(), *version, value.clone())
    };
    model.iter().map(line)
}

fn newest(lines: impl Iterator<Item = Line>, at: u64) -> Vec<Line> {
    let mut found: Vec<Line> = Vec::new();
    for line in lines.filter(|(_, version, _)| *version <= at) {
        if found.last().is_none_or(|(key, _, _)| *key != line.0) {
            found.push(line);
        }
    }
    found
}

/// Takes from both ends in the order that the bits of `turns` say.
pub(super) fn both_ends<T>(iter: &mut impl DoubleEndedIterator<Item = T>, turns: u64) -> Vec<T> {
    let (mut front, mut back) = (Vec::new(), Vec::new());
    for turn in 0.. {
        let (next, end) = match turns.rotate_left(turn) & 1 {
            0 => (iter.next(), &mut front),
            _ => (iter.next_back(), &mut back),
        };
        let Some(item) = next else { break };
        end.push(item);
    }
    front.extend(back.into_iter().rev());
    front
}

/// The same, of an iterator that has no more then.
fn drain<T>(mut iter: impl DoubleEndedIterator<Item = T>, turns: u64) -> Vec<T> {
    let all = both_ends(&mut iter, turns);
    assert!(iter.next().is_none() && iter.next_back().is_none());
    all
}

fn check(map: &ArenaMap, model: &mut Model, op: Op) {
    match op {
        Op::Insert(key, version, len) => {
            let value = vec![b'v'; len];
            let inserted = map.insert(&key, version, &value);
            match model.entry((key, Reverse(version))) {
                Slot::Occupied(_) => assert_eq!(inserted, Err(InsertError::Exists)),
                Slot::Vacant(slot) => {
                    inserted.unwrap();
                    slot.insert(value);
                }
            }
            assert_eq!(map.len(), model.len());
        }
        Op::Get(key, at) => {
            let found = map.get(&key, at).map(owned);
            let mut from = model.range((key.clone(), Reverse(at))..);
            let expected = from.next().filter(|((other, _), _)| *other == key);
            let expected = expected.map(|((key, version), v)| (key.clone(), version.0, v.clone()));
            assert_eq!(found, expected);
        }
        Op::GetEach(keys, at) => {
            let expected: Vec<_> = keys.iter().map(|key| map.get(key, at)).collect();
            assert_eq!(map.get_each(&keys, at).collect::<Vec<_>>(), expected);
            for (eight, expected) in keys.chunks_exact(8).zip(expected.chunks(8)) {
                let eight: [_; 8] = std::array::from_fn(|at| &eight[at][..]);
                assert_eq!(map.get_many(eight, at), expected);
            }
        }
        Op::Range(lower, upper, at, turns) => {
            let lines = || all(model).filter(|line| inside(&line.0, (&lower, &upper)));
            let range = || map.range::<Vec<u8>, _>((lower.clone(), upper.clone()));
            let expected: Vec<Line> = lines().collect();
            assert_eq!(range().map(owned).collect::<Vec<_>>(), expected);
            assert_eq!(drain(range().map(owned), turns), expected);
            let backwards: Vec<Line> = lines().rev().collect();
            assert_eq!(range().rev().map(owned).collect::<Vec<_>>(), backwards);
            let at_range = || map.range_at::<Vec<u8>, _>((lower.clone(), upper.clone()), at);
            let expected = newest(lines(), at);
            assert_eq!(at_range().map(owned).collect::<Vec<_>>(), expected);
            assert_eq!(drain(at_range().map(owned), turns), expected);
            let mut backwards: Vec<Line> = at_range().rev().map(owned).collect();
            backwards.reverse();
            assert_eq!(backwards, expected);
        }
        Op::Seek(from, to) => {
            let mut range = map.range::<Vec<u8>, _>(from.clone()..);
            let first = range.next().map(owned);
            let mut lines = all(model).skip_while(|line| line.0 < from);
            assert_eq!(first, lines.next());
            range.seek(&to);
            let expected: Vec<Line> = lines.skip_while(|line| line.0 < to).collect();
            assert_eq!(range.map(owned).collect::<Vec<_>>(), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_map_agrees_with_its_model(
        first in 2..4_usize,
        page in 2..9_usize,
        ops in prop::collection::vec(op(), 0..INSERTS),
    ) {
        let (map, mut model) = (map_of(first, page), Model::new());
        for op in ops {
            check(&map, &mut model, op);
        }
        let everything = (Bound::Unbounded, Bound::Unbounded);
        check(&map, &mut model, Op::Range(everything.0, everything.1, u64::MAX, 0b0110_1001));
    }
}

/// Runs of one key that fill many leaves, and neighbours that differ in trailing zeros.
#[test]
fn each_of_thousands_of_versions_of_a_key_is_found() {
    let versions = if cfg!(miri) { 60 } else { 5_000 };
    for page in [3, 53] {
        let (map, mut model) = (map_of(2, page), Model::new());
        for step in 0..versions {
            // All of them once, in an order that is not sorted.
            let version = step * 7_919 % versions;
            for key in [&b"key"[..], b"key\0", b"kez"] {
                if key == b"key" || version % 50 == 0 {
                    let op = Op::Insert(key.to_vec(), 2 * version, version as usize % 3);
                    check(&map, &mut model, op);
                }
            }
        }
        for at in (0..2 * versions).step_by(if cfg!(miri) { 10 } else { 1 }) {
            check(&map, &mut model, Op::Get(b"key".to_vec(), at));
            check(&map, &mut model, Op::Get(b"key\0".to_vec(), at));
        }
        let range = Op::Range(
            Bound::Included(b"key".to_vec()),
            Bound::Included(b"key".to_vec()),
            versions,
            0b1011_0100,
        );
        check(&map, &mut model, range);
    }
}

/// Few keys that share all but their ends, each with many versions, among keys with one.
#[test]
fn each_version_of_keys_that_share_long_prefixes_is_found() {
    let key = |number: u64| {
        let (folders, file) = ("folder/".repeat(9), "file".repeat(5));
        format!("{folders}/{number:03}/{file}").into_bytes()
    };
    let (versions, keys) = if cfg!(miri) { (7, 4) } else { (300, 20) };
    let orders: [&dyn Fn(u64) -> u64; 3] =
        [&|step| step * 7_919 % versions, &|step| step, &|step| {
            versions - 1 - step
        }];
    for page in [3, 8, 53] {
        for order in &orders[..if cfg!(miri) { 1 } else { 3 }] {
            let (map, mut model) = (map_of(2, page), Model::new());
            for step in 0..versions {
                let version = 2 * order(step);
                // Key 0 has all versions, and the others fewer.
                for number in (0..keys).filter(|number| step % (number + 1) == 0) {
                    let len = number as usize;
                    check(&map, &mut model, Op::Insert(key(number), version, len));
                    // The same again, and what is found now.
                    check(&map, &mut model, Op::Insert(key(number), version, 0));
                    check(&map, &mut model, Op::Get(key(number), u64::MAX));
                    check(&map, &mut model, Op::Get(key(number), version / 2));
                }
            }
            for number in 0..=keys {
                for at in 0..=2 * versions {
                    check(&map, &mut model, Op::Get(key(number), at));
                }
            }
            let all = (0..=keys).map(key).collect();
            check(&map, &mut model, Op::GetEach(all, versions));
            let everything = (Bound::Unbounded, Bound::Unbounded);
            let range = Op::Range(everything.0, everything.1, versions, 0b0110_1001);
            check(&map, &mut model, range);
        }
    }
}

#[test]
fn records_that_come_in_any_order_are_sorted() {
    let many = if cfg!(miri) { 24 } else { 20_000 };
    let orders: [&dyn Fn(u64) -> u64; 4] = [
        &|n| n,
        &|n| many - 1 - n,
        &|n| n * 7_919 % many,
        // Two runs that meet.
        &|n| if n % 2 == 0 { n / 2 } else { many - 1 - n / 2 },
    ];
    for (first, page) in [(2, 4), (12, 53)] {
        for order in orders {
            let map = map_of(first, page);
            let guard = map.pool().pin();
            let mut writer = map.writer(&guard);
            for n in 0..many {
                let key = format!("a long prefix that all share {:020}", order(n));
                writer
                    .insert(key.as_bytes(), n, &order(n).to_be_bytes())
                    .unwrap();
            }
            assert_eq!(map.len() as u64, many);
            let numbers = map
                .iter()
                .map(|e| u64::from_be_bytes(e.value().try_into().unwrap()));
            assert!(numbers.eq(0..many));
            let mut backwards = map.iter().rev();
            for n in (0..many).rev() {
                let key = format!("a long prefix that all share {n:020}");
                assert_eq!(backwards.next().unwrap().key(), key.as_bytes());
                assert_eq!(
                    map.get(key.as_bytes(), u64::MAX).unwrap().key(),
                    key.as_bytes()
                );
            }
        }
    }
}

/// Sorted records leave full leaves behind them.
#[test]
fn a_sorted_load_fills_its_leaves() {
    let (map, many) = (map_of(4, 8), if cfg!(miri) { 80 } else { 800 });
    for n in 0..many as u64 {
        map.insert(&n.to_be_bytes(), 0, b"").unwrap();
    }
    let leaves = (map.bytes() - many * 24) / crate::tree::page::draft::Fresh::size(8);
    assert!(leaves <= many / 8 + 2, "{leaves} leaves of 8");
}

#[test]
fn a_map_of_ten_records_takes_at_most_2_kib() {
    let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build().unwrap()).unwrap();
    assert!(map.bytes() + size_of::<ArenaMap>() <= 1024);
    for n in 0..10_u64 {
        map.insert(&[n as u8; 16], n, &[0; 24]).unwrap();
    }
    assert!(
        map.bytes() + size_of::<ArenaMap>() <= 2048,
        "{}",
        map.bytes()
    );
}

/// Of records that are inserted where full leaves in order meet, each has not a page of its own.
#[test]
fn records_between_full_leaves_fill_few_pages() {
    let many = if cfg!(miri) { 30 } else { 1_000 };
    let map = map_of(8, 8);
    for n in 0..32_u8 {
        map.insert(&[n], 0, b"").unwrap();
    }
    let leaf = crate::tree::page::draft::Fresh::size(8);
    let leaves = |records| (map.bytes() - records * 17) / leaf;
    assert_eq!(leaves(32), 4);
    // Each newer version of the first key of a leaf is behind all of the leaf before it.
    for version in 1..=many {
        map.insert(&[16], version, b"").unwrap();
    }
    let more = leaves(32 + many as usize) - 4;
    assert!(
        more <= many as usize / 2,
        "{more} leaves for {many} records"
    );
}

/// A key comes once, also where an older version of it came from the back before a newer one was inserted.
#[test]
fn a_range_at_gives_a_key_once_from_both_ends() {
    let map = map_of(2, 4);
    for (key, version) in [(b"a", 1), (b"k", 3), (b"k", 9)] {
        map.insert(key, version, b"").unwrap();
    }
    let mut range = map.range_at::<&[u8], _>(.., 5);
    assert_eq!(range.next_back().unwrap().version(), 3);
    map.insert(b"k", 5, b"").unwrap();
    assert_eq!(range.next().unwrap().key(), b"a");
    assert_eq!(range.next(), None);
    assert_eq!(range.next_back(), None);
}
