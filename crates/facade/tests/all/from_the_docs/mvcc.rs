//! A multi-version store over maps: transactions, snapshots, and a collection that merges old generations.
//!
//! Each generation is one map. Writers insert into the newest one, and readers look into all of them. `collect` merges
//! the older ones into one map that keeps only what a snapshot can still see.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use epoch_arena::{ArenaMap, ArenaPool, Entry, Error, InsertError, Memory, RangeAt};

/// A map has a version for each record. Its lowest bit says whether the record is a value or a tombstone, and the other
/// bits are the sequence number of the transaction.
const fn version(sequence: u64, is_value: bool) -> u64 {
    sequence << 1 | is_value as u64
}

const fn sequence_of(version: u64) -> u64 {
    version >> 1
}

fn is_value(entry: &Entry<'_>) -> bool {
    entry.version() & 1 == 1
}

/// One map, and what is known of its age.
struct Generation {
    map: ArenaMap,
    /// When the map was opened, all transactions up to this number were complete. So all their records are in older
    /// maps.
    born: u64,
}

/// The generations at one moment, newest first. Writers insert into the first one.
type View = Vec<Arc<Generation>>;

struct State {
    /// The last number that a transaction got.
    last: u64,
    /// The numbers of transactions that are not complete.
    in_flight: BTreeSet<u64>,
    /// How many snapshots are open at each number.
    open: BTreeMap<u64, usize>,
    view: Arc<View>,
}

impl State {
    /// All transactions up to this number are complete.
    fn visible(&self) -> u64 {
        self.in_flight.first().map_or(self.last, |first| first - 1)
    }
}

struct Store {
    /// The maps that writers insert into, one for each epoch.
    fresh: ArenaPool,
    /// The merged maps, one for each epoch. They have a pool of their own: a map takes records only while its pool
    /// stays in its epoch, and the writers move `fresh` on at any time.
    merged: ArenaPool,
    /// A writer that finds the newest map larger than this opens the next one.
    generation_bytes: usize,
    state: Mutex<State>,
    /// Held by the thread that merges.
    collecting: Mutex<()>,
}

/// What a call of [`Store::collect`] did.
#[derive(Clone, Copy, Debug)]
struct Collected {
    generations: usize,
    records_before: usize,
    records_after: usize,
}

impl Store {
    fn new(memory: Memory, generation_bytes: usize) -> Result<Self, Error> {
        // A map holds its own epoch, so a pool of maps needs to retain no other one. With debug assertions a pool would
        // overwrite the bytes of an epoch before they are free, in its next `advance` or `maintain`.
        let pool = || {
            ArenaPool::builder()
                .memory(memory.clone())
                .retained_epochs(1)
                .poison_on_reclaim(false)
        };
        let fresh = pool().build()?;
        // A merge pins its thread for long. With a collector of its own it holds back nothing of `fresh`.
        let merged = pool().private_collector(true).build()?;
        let first = Generation {
            map: ArenaMap::new(&fresh)?,
            born: 0,
        };
        let state = State {
            last: 0,
            in_flight: BTreeSet::new(),
            open: BTreeMap::new(),
            view: Arc::new(vec![Arc::new(first)]),
        };
        Ok(Self {
            fresh,
            merged,
            generation_bytes,
            state: Mutex::new(state),
            collecting: Mutex::new(()),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn view(&self) -> Arc<View> {
        self.state().view.clone()
    }

    /// Bytes of all generations that exist, also of those that only a snapshot holds.
    fn bytes(&self) -> usize {
        self.fresh.bytes() + self.merged.bytes()
    }

    /// How many generations new snapshots see.
    fn generations(&self) -> usize {
        self.view().len()
    }

    /// Begins a transaction and gives it the next sequence number.
    fn begin(&self) -> Transaction<'_> {
        let mut state = self.state();
        state.last += 1;
        let sequence = state.last;
        state.in_flight.insert(sequence);
        Transaction {
            store: self,
            sequence,
            writes: BTreeMap::new(),
            half_written: false,
        }
    }

    /// Opens a snapshot of all transactions up to the newest one that has no incomplete one before it.
    fn snapshot(&self) -> Snapshot<'_> {
        let mut state = self.state();
        let sequence = state.visible();
        *state.open.entry(sequence).or_default() += 1;
        Snapshot {
            store: self,
            sequence,
            view: state.view.clone(),
        }
    }

    /// Inserts the records of a transaction. Part of them may go to one map and the rest to the next.
    fn write(&self, sequence: u64, writes: &Writes) -> Result<(), Error> {
        let mut writes = writes.iter().peekable();
        while writes.peek().is_some() {
            let view = self.view();
            let newest = &view[0];
            {
                let guard = self.fresh.pin();
                let mut writer = newest.map.writer(&guard);
                while let Some((key, value)) = writes.peek() {
                    let version = version(sequence, value.is_some());
                    match writer.insert(key, version, value.as_deref().unwrap_or_default()) {
                        Ok(()) => writes.next(),
                        Err(InsertError::Frozen { .. }) => break, // there is a newer map by now
                        Err(other) => return Err(other.into()),
                    };
                }
            } // the guard goes before this thread waits for a lock
            if newest.map.bytes() > self.generation_bytes {
                self.rotate_from(newest)?;
            }
        }
        Ok(())
    }

    /// Opens a new generation, whatever the size of the newest one.
    fn rotate(&self) -> Result<(), Error> {
        self.rotate_from(&self.view()[0])
    }

    /// Opens a new generation, unless another thread has done so since `full` was the newest.
    fn rotate_from(&self, full: &Arc<Generation>) -> Result<(), Error> {
        let mut state = self.state();
        if !Arc::ptr_eq(full, &state.view[0]) {
            return Ok(());
        }
        let next = Generation {
            map: full.map.rotate()?,
            born: state.visible(),
        };
        let mut view = vec![Arc::new(next)];
        view.extend(state.view.iter().cloned());
        let before = mem::replace(&mut state.view, Arc::new(view));
        drop(state);
        drop(before);
        Ok(())
    }

    /// Merges all generations but the newest into one, and gives the old ones up. A snapshot that is open goes on
    /// reading them, and the last such snapshot frees their memory.
    fn collect(&self) -> Result<Collected, Error> {
        let _turn = self.collecting.lock().unwrap();
        let (view, watermark) = {
            let state = self.state();
            // No snapshot is older than this. And all records up to this number are in the maps to be merged: otherwise
            // a tombstone could be dropped before the value that it hides.
            let oldest = state.open.keys().next().map_or(u64::MAX, |oldest| *oldest);
            let watermark = oldest.min(state.view[0].born);
            (state.view.clone(), watermark)
        };
        let old = &view[1..];
        for generation in old {
            // A merged map is complete since its merge was over. (Its pool stays in its epoch, so `freeze` would wait.)
            if generation.map.epoch() != self.merged.current_epoch() {
                generation.map.freeze(Duration::from_secs(10))?;
            }
        }
        self.merged.advance()?;
        let merged = ArenaMap::new(&self.merged)?;
        merge(old, &merged, watermark)?;
        let done = Collected {
            generations: old.len(),
            records_before: old.iter().map(|generation| generation.map.len()).sum(),
            records_after: merged.len(),
        };

        let mut state = self.state();
        // Writers may have opened generations meanwhile, which come before those that were merged.
        let newer = state.view.len() - old.len();
        let mut next = state.view[..newer].to_vec();
        next.push(Arc::new(Generation {
            map: merged,
            born: 0,
        }));
        let before = mem::replace(&mut state.view, Arc::new(next));
        drop(state);
        drop((before, view)); // here the old maps go, if no snapshot has them
        self.fresh.maintain(); // gives blocks that are free to the system, if there are many
        Ok(done)
    }
}

/// Copies into `merged` what a snapshot at `watermark` or later can see.
fn merge(old: &[Arc<Generation>], merged: &ArenaMap, watermark: u64) -> Result<(), Error> {
    let guard = merged.pool().pin();
    let mut writer = merged.writer(&guard);
    let mut sources: Vec<_> = old
        .iter()
        .map(|generation| generation.map.iter().peekable())
        .collect();
    let mut settled = None; // the key whose older versions nobody sees
    loop {
        let heads = sources
            .iter_mut()
            .enumerate()
            .filter_map(|(index, source)| {
                let head = source.peek()?;
                Some((head.key(), Reverse(head.version()), index))
            });
        let Some(entry) = heads.min().and_then(|(_, _, index)| sources[index].next()) else {
            return Ok(());
        };
        if settled == Some(entry.key()) {
            continue;
        }
        if sequence_of(entry.version()) <= watermark {
            settled = Some(entry.key());
            if !is_value(&entry) {
                continue; // nothing is left for this tombstone to hide
            }
        }
        writer.insert(entry.key(), entry.version(), entry.value())?;
    }
}

/// The writes of a transaction: a value, or none for a delete.
type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Collects writes, which all become visible together. Dropped without a commit, it has changed nothing.
struct Transaction<'s> {
    store: &'s Store,
    sequence: u64,
    writes: Writes,
    half_written: bool,
}

impl Transaction<'_> {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.writes.insert(key.to_vec(), Some(value.to_vec()));
    }

    fn delete(&mut self, key: &[u8]) {
        self.writes.insert(key.to_vec(), None);
    }

    /// Inserts the writes. If that fails half way, the transaction stays incomplete for ever, so that no snapshot sees
    /// a part of it, nor anything newer.
    fn commit(mut self) -> Result<(), Error> {
        self.half_written = true;
        self.store.write(self.sequence, &self.writes)?;
        self.half_written = false;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.half_written {
            self.store.state().in_flight.remove(&self.sequence);
        }
    }
}

/// Reads the store as it was at a sequence number.
struct Snapshot<'s> {
    store: &'s Store,
    sequence: u64,
    /// The maps that have everything up to `sequence`. They hold their epochs.
    view: Arc<View>,
}

impl Snapshot<'_> {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    const fn at(&self) -> u64 {
        version(self.sequence, true)
    }

    /// Lets go of generations that were collected since the snapshot was opened. It still reads the same: a merge keeps
    /// what an open snapshot can see.
    fn renew(&mut self) {
        self.view = self.store.view();
    }

    /// The value of a key. The newest version may be in any map, as two transactions may insert in another order than
    /// that of their numbers.
    fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let found = self
            .view
            .iter()
            .filter_map(|generation| generation.map.get(key, self.at()));
        found
            .max_by_key(Entry::version)
            .filter(is_value)
            .map(|entry| entry.value())
    }

    /// The values of several keys.
    fn get_each(&self, keys: &[&[u8]]) -> Vec<Option<&[u8]>> {
        let mut newest: Vec<Option<Entry<'_>>> = vec![None; keys.len()];
        for generation in self.view.iter() {
            for (newest, found) in newest
                .iter_mut()
                .zip(generation.map.get_each(keys, self.at()))
            {
                *newest = [*newest, found]
                    .into_iter()
                    .flatten()
                    .max_by_key(Entry::version);
            }
        }
        newest
            .into_iter()
            .map(|entry| entry.filter(is_value).map(|entry| entry.value()))
            .collect()
    }

    /// The keys and values in a range, in order, from both ends.
    fn range<K: AsRef<[u8]>>(&self, keys: impl RangeBounds<K>) -> Scan<'_> {
        let start = keys.start_bound().map(AsRef::as_ref);
        let end = keys.end_bound().map(AsRef::as_ref);
        let sources = self.view.iter().map(|generation| Source {
            front: None,
            rest: generation.map.range_at::<&[u8], _>((start, end), self.at()),
            back: None,
        });
        Scan {
            sources: sources.collect(),
        }
    }

    fn iter(&self) -> Scan<'_> {
        self.range::<&[u8]>(..)
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        let mut state = self.store.state();
        if let Some(count) = state.open.get_mut(&self.sequence) {
            *count -= 1;
            if *count == 0 {
                state.open.remove(&self.sequence);
            }
        }
    }
}

/// What is left of one map's range, with an entry that was looked at on either side.
struct Source<'s> {
    front: Option<Entry<'s>>,
    rest: RangeAt<'s>,
    back: Option<Entry<'s>>,
}

impl<'s> Source<'s> {
    fn front(&mut self) -> &mut Option<Entry<'s>> {
        if self.front.is_none() {
            self.front = self.rest.next().or_else(|| self.back.take());
        }
        &mut self.front
    }

    fn back(&mut self) -> &mut Option<Entry<'s>> {
        if self.back.is_none() {
            self.back = self.rest.next_back().or_else(|| self.front.take());
        }
        &mut self.back
    }
}

/// Iterates over a range at a snapshot: the newest version of each key that is no tombstone.
struct Scan<'s> {
    sources: Vec<Source<'s>>,
}

type Item<'s> = (&'s [u8], &'s [u8]);

impl<'s> Scan<'s> {
    /// Goes on with the first key that is not less than `key`; never back.
    fn seek(&mut self, key: &[u8]) {
        for source in &mut self.sources {
            source.front.take_if(|entry| entry.key() < key);
            source.back.take_if(|entry| entry.key() < key);
            source.rest.seek(key);
        }
    }

    /// Takes the next key from the end that `peek` looks at, where `choose` says which of two keys comes first.
    fn step(
        &mut self,
        peek: for<'a> fn(&'a mut Source<'s>) -> &'a mut Option<Entry<'s>>,
        choose: fn(&'s [u8], &'s [u8]) -> &'s [u8],
    ) -> Option<Item<'s>> {
        loop {
            let keys = self
                .sources
                .iter_mut()
                .filter_map(|source| Some((*peek(source))?.key()));
            let key = keys.reduce(choose)?;
            let found = self
                .sources
                .iter_mut()
                .filter_map(|source| peek(source).take_if(|entry| entry.key() == key));
            if let Some(entry) = found.max_by_key(Entry::version).filter(is_value) {
                return Some((key, entry.value()));
            }
        }
    }
}

impl<'s> Iterator for Scan<'s> {
    type Item = Item<'s>;

    fn next(&mut self) -> Option<Item<'s>> {
        self.step(Source::front, Ord::min)
    }
}

impl DoubleEndedIterator for Scan<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(Source::back, Ord::max)
    }
}

type Values = BTreeMap<Vec<u8>, Vec<u8>>;

/// The transactions that wrote a key, each with a value, or none for a delete.
type Versions = BTreeMap<u64, Option<Vec<u8>>>;

/// All that was ever committed, for each key.
#[derive(Default)]
struct Model(Mutex<BTreeMap<Vec<u8>, Versions>>);

impl Model {
    fn write(&self, key: &[u8], sequence: u64, value: Option<&[u8]>) {
        let mut keys = self.0.lock().unwrap();
        keys.entry(key.to_vec())
            .or_default()
            .insert(sequence, value.map(<[u8]>::to_vec));
    }

    /// The keys and values at a sequence number.
    fn at(&self, sequence: u64) -> Values {
        let keys = self.0.lock().unwrap();
        let newest = keys.iter().filter_map(|(key, versions)| {
            let (_, value) = versions.range(..=sequence).next_back()?;
            Some((key.clone(), value.clone()?))
        });
        newest.collect()
    }
}

/// Numbers from a seed, by splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) % end
    }

    /// Keys of several lengths. Some are the beginning of others, and one is empty.
    fn key(&mut self) -> Vec<u8> {
        (0..self.below(4))
            .map(|_| b"\0aemz"[self.below(5) as usize])
            .collect()
    }

    /// Values of several lengths, the empty one among them.
    fn value(&mut self) -> Vec<u8> {
        let byte = self.below(256) as u8;
        vec![byte; self.below(60) as usize]
    }

    fn bound(&mut self) -> Bound<Vec<u8>> {
        match self.below(3) {
            0 => Bound::Unbounded,
            1 => Bound::Included(self.key()),
            _ => Bound::Excluded(self.key()),
        }
    }
}

/// Whether two iterators over keys and values give the same.
fn same<'a>(
    left: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    right: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>,
) {
    let left: Vec<_> = left.collect();
    let right: Vec<_> = right.map(|(key, value)| (&key[..], &value[..])).collect();
    assert_eq!(left, right);
}

/// Reads a snapshot in every way, and compares with what it should have.
fn check(snapshot: &Snapshot<'_>, expected: &Values, random: &mut Random) {
    // All of it, in both directions.
    same(snapshot.iter(), expected.iter());
    same(snapshot.iter().rev(), expected.iter().rev());

    // One key at a time, and several: those that are there, and those that are not.
    let keys: Vec<_> = (0..21).map(|_| random.key()).collect();
    let slices: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
    let values: Vec<_> = keys
        .iter()
        .map(|key| expected.get(key).map(|value| &value[..]))
        .collect();
    assert_eq!(snapshot.get_each(&slices), values);
    assert!(
        slices
            .iter()
            .zip(values)
            .all(|(key, value)| snapshot.get(key) == value)
    );

    for _ in 0..4 {
        let bounds = (random.bound(), random.bound());
        let inside = || expected.iter().filter(|(key, _)| bounds.contains(*key));
        // A part, in both directions.
        same(snapshot.range(bounds.clone()), inside());
        same(snapshot.range(bounds.clone()).rev(), inside().rev());

        // A part, from both ends in turns.
        let (mut scan, mut model) = (snapshot.range(bounds.clone()), inside());
        loop {
            let (found, wanted) = match random.below(2) {
                0 => (scan.next(), model.next()),
                _ => (scan.next_back(), model.next_back()),
            };
            assert_eq!(found, wanted.map(|(key, value)| (&key[..], &value[..])));
            if found.is_none() {
                break;
            }
        }

        // A part, with a seek after a step from each end.
        let target = random.key();
        let (mut scan, mut model) = (snapshot.range(bounds.clone()), inside());
        assert_eq!(scan.next().is_some(), model.next().is_some());
        assert_eq!(scan.next_back().is_some(), model.next_back().is_some());
        scan.seek(&target);
        same(scan, model.filter(|(key, _)| **key >= target));
    }
}

/// Two writers and two readers, while this thread collects. Each snapshot is what the model was at its number, from
/// when it is opened to when it is closed, whatever is collected meanwhile.
#[test]
fn snapshots_agree_with_a_model_while_generations_are_collected() -> Result<(), Error> {
    let store = &Store::new(Memory::builder().build()?, 16 << 10)?;
    let model = &Model::default();

    let write = |seed| {
        let mut random = Random(seed);
        for _ in 0..800 {
            let mut transaction = store.begin();
            let gives_up = random.below(20) == 0;
            for _ in 0..=random.below(5) {
                let (key, value) = (random.key(), (random.below(4) > 0).then(|| random.value()));
                match &value {
                    Some(value) => transaction.put(&key, value),
                    None => transaction.delete(&key),
                }
                if !gives_up {
                    // The model has it before any snapshot can see it.
                    model.write(&key, transaction.sequence(), value.as_deref());
                }
            }
            if !gives_up {
                transaction.commit()?;
            }
        }
        Ok::<(), Error>(())
    };
    let read = |seed| {
        let mut random = Random(seed);
        let mut last = 0;
        for _ in 0..6 {
            let mut snapshot = store.snapshot();
            assert!(snapshot.sequence() >= last);
            last = snapshot.sequence();
            let expected = model.at(last);
            for _ in 0..2 {
                check(&snapshot, &expected, &mut random);
                thread::yield_now(); // others write and collect
            }
            snapshot.renew();
            check(&snapshot, &expected, &mut random);
        }
    };
    thread::scope(|s| {
        let writers = [1, 2].map(|seed| s.spawn(move || write(seed)));
        let readers = [3, 4].map(|seed| s.spawn(move || read(seed)));
        while !(writers.iter().all(|writer| writer.is_finished())
            && readers.iter().all(|reader| reader.is_finished()))
        {
            if store.generations() > 2 {
                store.collect()?;
            }
            thread::sleep(Duration::from_millis(1));
        }
        for writer in writers {
            writer.join().unwrap()?;
        }
        for reader in readers {
            reader.join().unwrap();
        }
        Ok::<(), Error>(())
    })?;

    // With all snapshots closed, one record is left for each key.
    store.rotate()?;
    let done = store.collect()?;
    let snapshot = store.snapshot();
    let expected = model.at(snapshot.sequence());
    check(&snapshot, &expected, &mut Random(5));
    assert_eq!(done.records_after, expected.len());
    Ok(())
}

/// A snapshot reads a generation that the store has given up, and is the last to hold its memory.
#[test]
fn a_collected_generation_is_held_by_its_readers_alone() -> Result<(), Error> {
    let store = Store::new(Memory::builder().build()?, usize::MAX)?;
    let put_all = |value: &[u8]| {
        let mut transaction = store.begin();
        for key in 0..100_u8 {
            transaction.put(&[key], value);
        }
        transaction.commit()
    };
    for round in 0..50 {
        put_all(&[round; 100])?;
    }
    let mut snapshot = store.snapshot();
    put_all(b"new")?;
    let mut transaction = store.begin();
    transaction.delete(&[7]);
    transaction.commit()?;

    let full = store.bytes();
    assert!(full > 50 * 100 * 100);
    store.rotate()?;
    let done = store.collect()?;
    // Of each key what the snapshot sees and the new value, and the tombstone.
    assert_eq!(
        (done.generations, done.records_before, done.records_after),
        (1, 5_101, 201)
    );
    assert!(store.bytes() > full); // the snapshot has the old map

    let is_old = |snapshot: &Snapshot<'_>| {
        snapshot
            .iter()
            .map(|(_, value)| value)
            .eq([&[49; 100][..]; 100])
    };
    assert!(is_old(&snapshot));
    snapshot.renew();
    assert!(store.bytes() < full / 10); // the old map is gone
    assert!(is_old(&snapshot));
    assert_eq!(store.snapshot().iter().count(), 99);

    drop(snapshot);
    store.rotate()?;
    let done = store.collect()?;
    assert_eq!(
        (done.generations, done.records_before, done.records_after),
        (2, 201, 99)
    );
    Ok(())
}

/// A transaction with an older number writes a key after a newer one has deleted it. The key stays deleted.
#[test]
fn a_tombstone_stays_while_an_older_value_may_come() -> Result<(), Error> {
    let store = Store::new(Memory::builder().build()?, usize::MAX)?;
    let mut older = store.begin();
    let mut newer = store.begin();
    newer.delete(b"key");
    newer.commit()?;
    assert_eq!(store.snapshot().sequence(), 0); // an older one is not complete
    store.rotate()?;
    older.put(b"key", b"late");
    older.commit()?;
    assert_eq!(store.snapshot().sequence(), 2);

    for records_left in [1, 0] {
        assert_eq!(store.snapshot().get(b"key"), None);
        assert_eq!(store.snapshot().get_each(&[b"key"]), [None]);
        assert_eq!(store.snapshot().iter().next(), None);
        assert_eq!(store.collect()?.records_after, records_left);
        store.rotate()?;
    }
    assert_eq!(store.snapshot().get(b"key"), None);
    Ok(())
}

/// A budget is enough for many times its bytes, because a collected generation is free memory at once.
#[test]
fn a_store_writes_many_times_its_budget() -> Result<(), Error> {
    let memory = Memory::builder()
        .block_size(256 << 10)
        .budget(4 << 20)
        .build()?;
    let store = Store::new(memory.clone(), 512 << 10)?;
    let mut written = 0;
    while written < 6 * (4 << 20) {
        let mut transaction = store.begin();
        for key in 0..64_u8 {
            transaction.put(&[key], &[key; 1_000]);
            written += 1_000;
        }
        transaction.commit()?;
        if store.generations() > 2 {
            store.collect()?;
        }
    }
    assert_eq!(store.snapshot().iter().count(), 64);
    assert!(memory.stats().peak <= 4 << 20);
    Ok(())
}
