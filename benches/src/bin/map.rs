//! Ordered maps beside `ArenaMap`: each contestant in a process of its own, ratios to `SkipMap` with boxes.
//!
//! `cargo run --release -p epoch-arena-bench --features peers-map --bin map -- [user|random] [records] [rounds] [names]`

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::Bound;
use std::process::Command;
use std::sync::{Arc, RwLock};

use concurrent_map::ConcurrentMap;
use crossbeam_skiplist::SkipMap;
use epoch_arena::{AnonymousMap, ArenaPool, Memory};
use epoch_arena_bench::clock::time;
use epoch_arena_bench::shuffle::shuffle;
use epoch_arena_map::ArenaMap;
use scc::TreeIndex;

const NAMES: [&str; 8] = [
    "skipmap",
    "rwlock",
    "btree",
    "scc",
    "concurrent-map",
    "blart",
    "ours",
    "ours-writer",
];
const STEPS: [&str; 11] = [
    "insert",
    "get",
    "get many",
    "miss",
    "forward",
    "backward",
    "range 100",
    "sorted",
    "2 threads",
    "B/record",
    "drop us",
];

type Boxed = Box<[u8]>;

/// The operations on a map. `get` and the scans give the first bytes of values, so that these are touched.
trait Engine<const N: usize>: Sized {
    fn new() -> Self;
    fn insert(&mut self, key: &[u8; N], value: &[u8]);
    fn insert_all<'k>(&mut self, keys: impl Iterator<Item = &'k [u8; N]>, value: &[u8]) {
        keys.for_each(|key| self.insert(key, value));
    }
    fn share(&self, _: &[u8; N], _: &[u8]) {}
    fn get(&self, key: &[u8; N]) -> u64;
    fn get_eight(&self, keys: &[&[u8; N]; 8]) -> u64 {
        keys.iter().map(|key| self.get(key)).sum()
    }
    fn forward(&self) -> u64;
    fn backward(&self) -> u64;
    fn range(&self, from: &[u8; N], count: usize) -> u64;
    fn bytes(&self) -> Option<usize> {
        None
    }
}

fn first(value: &[u8]) -> u64 {
    u64::from(value[0])
}

impl<const N: usize> Engine<N> for SkipMap<Boxed, Boxed> {
    fn new() -> Self {
        SkipMap::new()
    }
    fn insert(&mut self, key: &[u8; N], value: &[u8]) {
        SkipMap::insert(self, key[..].into(), value.into());
    }
    fn share(&self, key: &[u8; N], value: &[u8]) {
        SkipMap::insert(self, key[..].into(), value.into());
    }
    fn get(&self, key: &[u8; N]) -> u64 {
        SkipMap::get(self, &key[..]).map_or(0, |entry| first(entry.value()))
    }
    fn forward(&self) -> u64 {
        self.iter().map(|entry| first(entry.value())).sum()
    }
    fn backward(&self) -> u64 {
        self.iter().rev().map(|entry| first(entry.value())).sum()
    }
    fn range(&self, from: &[u8; N], count: usize) -> u64 {
        let from = (Bound::Included(&from[..]), Bound::Unbounded);
        let range = SkipMap::range::<[u8], _>(self, from);
        range.take(count).map(|entry| first(entry.value())).sum()
    }
}

impl<const N: usize> Engine<N> for BTreeMap<Boxed, Boxed> {
    fn new() -> Self {
        BTreeMap::new()
    }
    fn insert(&mut self, key: &[u8; N], value: &[u8]) {
        BTreeMap::insert(self, key[..].into(), value.into());
    }
    fn get(&self, key: &[u8; N]) -> u64 {
        BTreeMap::get(self, &key[..]).map_or(0, |value| first(value))
    }
    fn forward(&self) -> u64 {
        self.values().map(|value| first(value)).sum()
    }
    fn backward(&self) -> u64 {
        self.values().rev().map(|value| first(value)).sum()
    }
    fn range(&self, from: &[u8; N], count: usize) -> u64 {
        let from = (Bound::Included(&from[..]), Bound::Unbounded);
        let range = BTreeMap::range::<[u8], _>(self, from);
        range.take(count).map(|(_, value)| first(value)).sum()
    }
}

impl<const N: usize> Engine<N> for RwLock<BTreeMap<Boxed, Boxed>> {
    fn new() -> Self {
        RwLock::default()
    }
    fn insert(&mut self, key: &[u8; N], value: &[u8]) {
        Engine::<N>::share(self, key, value);
    }
    fn share(&self, key: &[u8; N], value: &[u8]) {
        let (key, value) = (key[..].into(), value.into());
        self.write().unwrap().insert(key, value);
    }
    fn get(&self, key: &[u8; N]) -> u64 {
        Engine::<N>::get(&*self.read().unwrap(), key)
    }
    fn forward(&self) -> u64 {
        Engine::<N>::forward(&*self.read().unwrap())
    }
    fn backward(&self) -> u64 {
        Engine::<N>::backward(&*self.read().unwrap())
    }
    fn range(&self, from: &[u8; N], count: usize) -> u64 {
        self.read().unwrap().range_of(from, count)
    }
}

trait RangeOf<const N: usize> {
    fn range_of(&self, from: &[u8; N], count: usize) -> u64;
}

impl<const N: usize> RangeOf<N> for BTreeMap<Boxed, Boxed> {
    fn range_of(&self, from: &[u8; N], count: usize) -> u64 {
        Engine::<N>::range(self, from, count)
    }
}

impl<const N: usize> Engine<N> for TreeIndex<[u8; N], Arc<[u8]>> {
    fn new() -> Self {
        TreeIndex::new()
    }
    fn insert(&mut self, key: &[u8; N], value: &[u8]) {
        self.share(key, value);
    }
    fn share(&self, key: &[u8; N], value: &[u8]) {
        let _ = self.insert_sync(*key, value.into());
    }
    fn get(&self, key: &[u8; N]) -> u64 {
        self.peek_with(key, |_, value| first(value)).unwrap_or(0)
    }
    fn forward(&self) -> u64 {
        let guard = scc::Guard::new();
        self.iter(&guard).map(|(_, value)| first(value)).sum()
    }
    fn backward(&self) -> u64 {
        let guard = scc::Guard::new();
        self.iter(&guard).rev().map(|(_, value)| first(value)).sum()
    }
    fn range(&self, from: &[u8; N], count: usize) -> u64 {
        let guard = scc::Guard::new();
        let range = TreeIndex::range(self, *from.., &guard);
        range.take(count).map(|(_, value)| first(value)).sum()
    }
}

impl<const N: usize> Engine<N> for ConcurrentMap<[u8; N], Arc<[u8]>> {
    fn new() -> Self {
        ConcurrentMap::new()
    }
    fn insert(&mut self, key: &[u8; N], value: &[u8]) {
        ConcurrentMap::insert(self, *key, value.into());
    }
    fn get(&self, key: &[u8; N]) -> u64 {
        ConcurrentMap::get(self, key).map_or(0, |value| first(&value))
    }
    fn forward(&self) -> u64 {
        self.iter().map(|(_, value)| first(&value)).sum()
    }
    fn backward(&self) -> u64 {
        self.iter().rev().map(|(_, value)| first(&value)).sum()
    }
    fn range(&self, from: &[u8; N], count: usize) -> u64 {
        let range = ConcurrentMap::range(self, *from..);
        range.take(count).map(|(_, value)| first(&value)).sum()
    }
}

impl<const N: usize> Engine<N> for blart::TreeMap<[u8; N], Boxed> {
    fn new() -> Self {
        blart::TreeMap::new()
    }
    fn insert(&mut self, key: &[u8; N], value: &[u8]) {
        let _ = blart::TreeMap::insert(self, *key, value.into());
    }
    fn get(&self, key: &[u8; N]) -> u64 {
        blart::TreeMap::get(self, key).map_or(0, |value| first(value))
    }
    fn forward(&self) -> u64 {
        self.values().map(|value| first(value)).sum()
    }
    fn backward(&self) -> u64 {
        self.values().rev().map(|value| first(value)).sum()
    }
    fn range(&self, from: &[u8; N], count: usize) -> u64 {
        let range = blart::TreeMap::range(self, *from..);
        range.take(count).map(|(_, value)| first(value)).sum()
    }
}

/// A map with its pool; `WRITER`: inserts go by one writer.
struct Ours<const WRITER: bool>(ArenaMap);

impl<const N: usize, const WRITER: bool> Engine<N> for Ours<WRITER> {
    fn new() -> Self {
        let source = AnonymousMap::new();
        let memory = Memory::builder().source(source).build().unwrap();
        let pool = ArenaPool::builder().memory(memory).build().unwrap();
        Self(ArenaMap::new(&pool).unwrap())
    }
    fn insert(&mut self, key: &[u8; N], value: &[u8]) {
        Engine::<N>::share(self, key, value);
    }
    fn insert_all<'k>(&mut self, keys: impl Iterator<Item = &'k [u8; N]>, value: &[u8]) {
        if !WRITER {
            return keys.for_each(|key| self.0.insert(key, 0, value).unwrap());
        }
        let guard = self.0.pool().pin();
        let mut writer = self.0.writer(&guard);
        keys.for_each(|key| writer.insert(key, 0, value).unwrap());
    }
    fn share(&self, key: &[u8; N], value: &[u8]) {
        self.0.insert(key, 0, value).unwrap();
    }
    fn get(&self, key: &[u8; N]) -> u64 {
        self.0.get(key, 0).map_or(0, |entry| first(entry.value()))
    }
    fn get_eight(&self, keys: &[&[u8; N]; 8]) -> u64 {
        let found = self.0.get_many(keys.map(|key| &key[..]), 0);
        found
            .iter()
            .flatten()
            .map(|entry| first(entry.value()))
            .sum()
    }
    fn forward(&self) -> u64 {
        self.0.iter().map(|entry| first(entry.value())).sum()
    }
    fn backward(&self) -> u64 {
        self.0.iter().rev().map(|entry| first(entry.value())).sum()
    }
    fn range(&self, from: &[u8; N], count: usize) -> u64 {
        let range = self.0.range(&from[..]..);
        range.take(count).map(|entry| first(entry.value())).sum()
    }
    fn bytes(&self) -> Option<usize> {
        let stats = self.0.pool().stats_of(self.0.epoch())?;
        Some(stats.capacity)
    }
}

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// All figures of one engine.
fn measure<const N: usize, E: Engine<N>>(
    keys: &[[u8; N]],
    value: &[u8],
    two_threads: fn(&[[u8; N]], &[u8]) -> f64,
) -> Vec<f64> {
    let n = keys.len() as f64;
    let misses: Vec<[u8; N]> = keys.iter().map(|key| beside(*key)).collect();
    let mut probes: Vec<&[u8; N]> = keys.iter().collect();
    shuffle(&mut probes);
    let before = resident();
    let mut map = E::new();
    let (insert, ()) = time(|| map.insert_all(keys.iter(), value));
    let bytes = map.bytes().unwrap_or_else(|| resident() - before);
    let (get, sum) = time(|| probes.iter().map(|key| map.get(key)).sum::<u64>());
    assert_eq!(sum, keys.len() as u64 * first(value));
    let (eights, _) = probes.as_chunks();
    let (many, _) = time(|| eights.iter().map(|keys| map.get_eight(keys)).sum::<u64>());
    let (miss, sum) = time(|| misses.iter().map(|key| map.get(key)).sum::<u64>());
    assert_eq!(sum, 0);
    let (forward, sum) = time(|| map.forward());
    assert_eq!(sum, keys.len() as u64 * first(value));
    let (backward, sum) = time(|| map.backward());
    assert_eq!(sum, keys.len() as u64 * first(value));
    let starts = &probes[..probes.len() / 100];
    let (range, _) = time(|| starts.iter().map(|key| map.range(key, 100)).sum::<u64>());
    let (dropped, ()) = time(|| drop(map));

    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    let mut map = E::new();
    let (in_order, ()) = time(|| map.insert_all(sorted.iter(), value));
    black_box(&map);
    drop(map);
    let two = two_threads(keys, value);
    vec![
        insert / n,
        get / n,
        many / n,
        miss / n,
        forward / n,
        backward / n,
        range / starts.len() as f64,
        in_order / n,
        two / n,
        bytes as f64 / n,
        dropped / 1000.0,
    ]
}

/// Two threads that insert a half each, and look their records up; CPU time of both.
fn two_threads<const N: usize, E: Engine<N> + Sync>(keys: &[[u8; N]], value: &[u8]) -> f64 {
    let map = E::new();
    let (one, other) = keys.split_at(keys.len() / 2);
    let work = |half: &[[u8; N]]| {
        let mut sum = 0;
        for (at, key) in half.iter().enumerate() {
            map.share(key, value);
            sum += map.get(&half[at / 2]);
        }
        sum
    };
    std::thread::scope(|s| {
        let threads = [one, other].map(|half| s.spawn(move || time(|| work(half)).0));
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    })
}

/// A key that is not there, next to one that is.
fn beside<const N: usize>(mut key: [u8; N]) -> [u8; N] {
    key[N - 1] ^= 0x80;
    key
}

fn mixed(n: u64) -> u64 {
    let mut x = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn user(n: u64) -> [u8; 24] {
    let text = format!("user{:020}", mixed(n));
    text.as_bytes().try_into().unwrap()
}

fn random(n: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&mixed(n).to_le_bytes());
    key[8..].copy_from_slice(&mixed(!n).to_le_bytes());
    key
}

fn one(kind: &str, records: u64, name: &str) {
    let figures = if kind == "user" {
        let keys: Vec<_> = (0..records).map(user).collect();
        run(name, &keys, &[7; 100])
    } else {
        let keys: Vec<_> = (0..records).map(random).collect();
        run(name, &keys, &[7; 8])
    };
    println!(
        "{}",
        figures
            .iter()
            .map(f64::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    );
}

fn shared<const N: usize, E: Engine<N> + Sync>(keys: &[[u8; N]], value: &[u8]) -> Vec<f64> {
    measure::<N, E>(keys, value, two_threads::<N, E>)
}

fn run<const N: usize>(name: &str, keys: &[[u8; N]], value: &[u8]) -> Vec<f64> {
    let alone = |_: &[[u8; N]], _: &[u8]| f64::NAN;
    match name {
        "skipmap" => shared::<N, SkipMap<Boxed, Boxed>>(keys, value),
        "rwlock" => shared::<N, RwLock<BTreeMap<Boxed, Boxed>>>(keys, value),
        "btree" => measure::<N, BTreeMap<Boxed, Boxed>>(keys, value, alone),
        "scc" => shared::<N, TreeIndex<[u8; N], Arc<[u8]>>>(keys, value),
        "concurrent-map" => measure::<N, ConcurrentMap<[u8; N], Arc<[u8]>>>(keys, value, alone),
        "blart" => measure::<N, blart::TreeMap<[u8; N], Boxed>>(keys, value, alone),
        "ours" => shared::<N, Ours<false>>(keys, value),
        "ours-writer" => shared::<N, Ours<true>>(keys, value),
        _ => panic!("no map has the name {name}"),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument =
        |at: usize, otherwise: &'static str| arguments.get(at).map_or(otherwise, String::as_str);
    let (kind, records) = (argument(0, "user"), argument(1, "1000000"));
    if argument(2, "") == "one" {
        return one(kind, records.parse().unwrap(), argument(3, ""));
    }
    let rounds: usize = argument(2, "3").parse().unwrap();
    let names = argument(3, "");
    let names: Vec<&str> = if names.is_empty() {
        NAMES.to_vec()
    } else {
        names.split(',').collect()
    };
    let mut figures = vec![vec![Vec::new(); STEPS.len()]; names.len()];
    for _ in 0..rounds {
        for (name, figures) in names.iter().zip(&mut figures) {
            let this = std::env::current_exe().unwrap();
            let child = Command::new(this)
                .args([kind, records, "one", name])
                .output()
                .unwrap();
            assert!(
                child.status.success(),
                "{name}: {}",
                String::from_utf8_lossy(&child.stderr)
            );
            let text = String::from_utf8(child.stdout).unwrap();
            for (all, figure) in figures.iter_mut().zip(text.split_whitespace()) {
                all.push(figure.parse::<f64>().unwrap());
            }
        }
    }
    print!("{kind}, {records} records, median of {rounds}\n{:16}", "");
    STEPS.iter().for_each(|step| print!("{step:>16}"));
    println!();
    let median = |all: &[f64]| {
        let mut all = all.to_vec();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let base: Vec<f64> = figures[0].iter().map(|all| median(all)).collect();
    for (name, figures) in names.iter().zip(&figures) {
        print!("{name:16}");
        for (all, base) in figures.iter().zip(&base) {
            let figure = median(all);
            print!("{:>16}", format!("{figure:.1} ({:.2})", figure / base));
        }
        println!();
    }
}
