//! What leaves say of their records besides: which are older versions, and a reader's order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::map_of;
use crate::ArenaMap;
use crate::tree::page::Page;

fn leaves(map: &ArenaMap) -> impl Iterator<Item = Page<'_>> {
    std::iter::successors(Some(map.index.first()), |leaf| leaf.next())
}

/// However the versions of a key come, and wherever leaves are split: a get of the newest looks at one record.
#[test]
fn of_each_key_in_a_leaf_all_versions_but_the_newest_are_older() {
    let versions = if cfg!(miri) { 12 } else { 600 };
    let orders: [&dyn Fn(u64) -> u64; 3] =
        [&|n| n, &|n| versions - 1 - n, &|n| n * 7_919 % versions];
    for page in [3, 8, 53, 64] {
        for order in orders {
            let map = map_of(2, page);
            for version in (0..versions).map(order) {
                // One key fills leaves, the others are in leaves with it.
                for key in [&b"key"[..], b"key\0", b"kez"] {
                    if key == b"key" || version % 5 == 0 {
                        map.insert(key, version, b"").unwrap();
                    }
                }
            }
            for leaf in leaves(&map) {
                let mut keys = BTreeSet::new();
                leaf.for_each(|record| {
                    keys.insert(record.key());
                });
                let newest = leaf.fill() & !leaf.older();
                assert_eq!(newest.count_ones() as usize, keys.len());
            }
        }
    }
}

/// Whatever a reader has left as the order of a leaf, by mistake or in a race with another: all records come, in order.
#[test]
fn an_order_that_is_left_is_a_hint() {
    let keys = if cfg!(miri) { 60_u64 } else { 2_000 };
    let key = |number: u64| (number * 7_919 % keys).to_be_bytes();
    let lefts: [fn(u8) -> u8; 5] = [|at| at, |at| 63 - at, |_| 7, |at| at / 2, |at| at ^ 0xa5];
    let map = map_of(12, 53);
    let mut known = BTreeMap::new();
    for number in 0..keys {
        // Equal heads, of which the heads alone say nothing, and versions.
        let key = [&b"8 bytes."[..], &key(number / 2)].concat();
        map.insert(&key, number, b"").unwrap();
        known.insert((key, Reverse(number)), Vec::<u8>::new());
        let all = || {
            map.iter()
                .map(|entry| (entry.key().to_vec(), Reverse(entry.version())))
        };
        if number % (keys / 20) == 0 {
            assert!(all().eq(known.keys().cloned()));
            for left in lefts {
                for leaf in leaves(&map) {
                    leaf.leave_order(std::array::from_fn(|at| left(at as u8)));
                }
                assert!(all().eq(known.keys().cloned()));
                let back = map
                    .iter()
                    .rev()
                    .map(|entry| (entry.key().to_vec(), Reverse(entry.version())));
                assert!(back.eq(known.keys().rev().cloned()));
            }
        }
    }
}
