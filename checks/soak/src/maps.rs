//! Maps: any thread inserts, gets, scans, rotates and drops them, and no record may be wrong or missing.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use epoch_arena::{ArenaMap, ArenaPool, Entry, InsertError, MapError, WaitError};

use crate::counts::{add, one};
use crate::rng::{Rng, mix};
use crate::scene::{Scene, lock};

/// Records of one map; the map is rotated then.
const MOST: usize = 4096;
/// Its keys; each has several versions.
const KEYS: usize = 700;

/// A map in use.
pub struct Kept {
    map: ArenaMap,
    /// The number of the next record; its key, version and value follow from it.
    next: AtomicUsize,
    /// Which inserts have returned.
    done: Box<[AtomicBool]>,
}

/// Works with one of the maps for a while, or makes one.
pub fn visit(scene: &Scene, rng: &mut Rng) {
    let place = scene.map_place(rng);
    let kept = lock(place).clone();
    let Some(kept) = kept else {
        match ArenaMap::new(&pool(scene, rng)) {
            Ok(map) => *lock(place) = Some(Kept::new(map)),
            Err(error) => refused(scene, &error, matches!(error, MapError::Alloc(_))),
        }
        return;
    };
    let full = kept.insert(scene, rng);
    match rng.below(8) {
        0..3 => kept.get(scene, rng),
        3 => kept.scan(scene, rng),
        4 => kept.scan_at(scene, rng),
        5 if rng.once_in(30) => drop(lock(place).take()),
        _ => {}
    }
    if !full && !rng.once_in(50) {
        return;
    }
    let owned = kept.map.iter().next().map(|entry| entry.to_owned());
    match kept.map.rotate() {
        Ok(next) => {
            one(&scene.counts.rotations);
            *lock(place) = Some(Kept::new(next));
            kept.freeze(scene);
        }
        Err(MapError::Rotated) => {}
        Err(error) => refused(scene, &error, matches!(error, MapError::Alloc(_))),
    }
    drop(kept);
    if let Some(owned) = owned {
        let number = number(owned.value());
        if number.is_none_or(|number| owned.value() != value(number)) {
            scene.fail(format!("an entry that holds its map is wrong: {owned:?}"));
        }
    }
}

/// A pool that everything else happens in, too, so that maps are frozen early; or one for maps alone, where they grow.
fn pool(scene: &Scene, rng: &mut Rng) -> ArenaPool {
    if rng.once_in(2) {
        return scene.slot(rng).pool.clone();
    }
    one(&scene.counts.pools);
    let store = &scene.stores[rng.below(scene.stores.len())];
    let builder = ArenaPool::builder().memory(store.memory.clone());
    builder.build().expect("valid settings")
}

/// Nothing was changed, as there is no memory at the moment; if it was anything else, that is a failure.
fn refused(scene: &Scene, error: &impl Display, expected: bool) {
    one(&scene.counts.refused);
    if !expected {
        scene.fail(format!("a map: {error}"));
    }
}

fn key(number: usize) -> Vec<u8> {
    let key = mix((number % KEYS) as u64);
    // Some share much of what they begin with.
    let prefix = &b"a long beginning that many keys share"[..(key % 4) as usize * 9];
    [prefix, &key.to_be_bytes()].concat()
}

fn version(number: usize) -> u64 {
    // Not in the order of their numbers.
    mix((number / KEYS) as u64) % 1000 * 10 + (number / KEYS) as u64
}

fn value(number: usize) -> Vec<u8> {
    let words = number as u64 % 23;
    let rest = (0..words).flat_map(|word| mix(number as u64 ^ word << 32).to_be_bytes());
    (number as u64)
        .to_be_bytes()
        .into_iter()
        .chain(rest)
        .collect()
}

fn number(value: &[u8]) -> Option<usize> {
    let number = value.first_chunk()?;
    Some(u64::from_be_bytes(*number) as usize)
}

impl Kept {
    fn new(map: ArenaMap) -> Arc<Self> {
        Arc::new(Self {
            map,
            next: AtomicUsize::new(0),
            done: (0..MOST).map(|_| AtomicBool::new(false)).collect(),
        })
    }

    /// Inserts some records; whether the map takes no more.
    fn insert(&self, scene: &Scene, rng: &mut Rng) -> bool {
        for _ in 0..rng.below(80) {
            // Relaxed: numbers are divided among threads, and nothing else.
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(done) = self.done.get(number) else {
                return true;
            };
            match self
                .map
                .insert(&key(number), version(number), &value(number))
            {
                // Release: pairs with the Acquire in `done`: who sees this finds the record.
                Ok(()) => done.store(true, Ordering::Release),
                Err(InsertError::Frozen { .. }) => return true,
                Err(error) => {
                    refused(scene, &error, matches!(error, InsertError::Alloc(_)));
                    return false;
                }
            }
            one(&scene.counts.inserted);
        }
        false
    }

    /// The records whose inserts have returned.
    fn done(&self) -> Vec<usize> {
        let is_done = |number: &usize| {
            // Acquire: pairs with the Release in `insert`.
            self.done[*number].load(Ordering::Acquire)
        };
        (0..MOST).filter(is_done).collect()
    }

    fn get(&self, scene: &Scene, rng: &mut Rng) {
        for number in self.done().into_iter().filter(|_| rng.once_in(20)) {
            let found = self.map.get(&key(number), version(number));
            if found.is_none_or(|found| found.value() != value(number)) {
                scene.fail(format!("record {number} of a map: {found:?}"));
            }
            one(&scene.counts.reads);
        }
    }

    /// All that was there before, in order, from the front, the back, or both.
    fn scan(&self, scene: &Scene, rng: &mut Rng) {
        let before = self.done();
        let (turns, mut iter) = (1 + rng.below(3), self.map.iter());
        let (mut front, mut back) = (Vec::new(), Vec::new());
        loop {
            let (next, end) = match turns == 3 || (turns == 2 && rng.once_in(2)) {
                true => (iter.next_back(), &mut back),
                false => (iter.next(), &mut front),
            };
            let Some(entry) = next else { break };
            end.push(entry);
        }
        front.extend(back.into_iter().rev());
        let order = |a: &Entry<'_>, b: &Entry<'_>| (a.key(), b.version()) < (b.key(), a.version());
        if !front.is_sorted_by(order) {
            scene.fail("a scan of a map is not in order".into());
        }
        let mut seen = vec![false; MOST];
        for entry in &front {
            match number(entry.value()).filter(|number| *number < MOST) {
                Some(number) if entry.value() == value(number) && entry.key() == key(number) => {
                    seen[number] = true;
                }
                _ => scene.fail(format!("a wrong record of a map: {entry:?}")),
            }
        }
        if let Some(missing) = before.iter().find(|number| !seen[**number]) {
            scene.fail(format!("record {missing} of a map is missing in a scan"));
        }
        add(&scene.counts.scanned, front.len());
    }

    /// The newest of each key as of a version.
    fn scan_at(&self, scene: &Scene, rng: &mut Rng) {
        let at = rng.next() % 12_000;
        let before = self.done();
        let found: Vec<_> = self.map.range_at::<&[u8], _>(.., at).collect();
        if !found.is_sorted_by(|a, b| a.key() < b.key()) {
            scene.fail("a scan of versions of a map is not in order".into());
        }
        for number in before.into_iter().filter(|number| version(*number) <= at) {
            let key = key(number);
            let index = found.binary_search_by(|entry| entry.key().cmp(&key));
            let newest = index.ok().map(|index| found[index].version());
            if newest.is_none_or(|newest| newest < version(number) || newest > at) {
                scene.fail(format!("record {number} of a map, as of {at}: {newest:?}"));
            }
        }
        add(&scene.counts.scanned, found.len());
    }

    /// When no insert is under way the map is as it will be for ever.
    fn freeze(&self, scene: &Scene) {
        match self.map.freeze(Duration::from_millis(20)) {
            Ok(()) => self.check(scene),
            Err(WaitError::TimedOut) => {} // another thread has parked
            Err(error) => scene.fail(format!("{error}, on a thread without a guard")),
        }
    }

    /// The figures agree with what is there.
    pub fn check(&self, scene: &Scene) {
        let (len, count) = (self.map.len(), self.map.iter().count());
        let done = self.done().len();
        if len != count || done > count {
            scene.fail(format!(
                "{len} records counted, {count} there, {done} inserted"
            ));
        }
    }
}
