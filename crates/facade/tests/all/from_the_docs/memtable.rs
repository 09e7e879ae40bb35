//! A memtable as a program would build it: two threads write batches, two read snapshots, and one flushes full
//! tables to sorted files.
//!
//! A batch writes all members of a group with one version. A reader must find all of them or none, so a group
//! whose members differ in version would show that a snapshot is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use epoch_arena::{ArenaMap, ArenaPool, InsertError, MapError, Memory};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A table that has more bytes is full.
const LIMIT: usize = 64 << 10;
const BUDGET: usize = 16 << 20;
/// What takes longer has failed.
const LONG: Duration = Duration::from_secs(60);
const WRITERS: usize = 2;
const READERS: usize = 2;
const GROUPS: usize = 20;
const MEMBERS: usize = 8;
const BATCHES: usize = 500;

/// Gives versions to writers, and tells readers up to which version all writes are complete.
#[derive(Default)]
struct Clock(Mutex<Versions>);

#[derive(Default)]
struct Versions {
    last: u64,
    in_flight: BTreeSet<u64>,
}

impl Clock {
    fn begin(&self) -> u64 {
        let mut versions = self.0.lock().expect("nothing panics under this lock");
        versions.last += 1;
        let version = versions.last;
        versions.in_flight.insert(version);
        version
    }

    /// All records of `version` are inserted.
    fn end(&self, version: u64) {
        self.0
            .lock()
            .expect("nothing panics under this lock")
            .in_flight
            .remove(&version);
    }

    /// The newest version that no write in flight can change.
    fn complete(&self) -> u64 {
        let versions = self.0.lock().expect("nothing panics under this lock");
        versions
            .in_flight
            .first()
            .map_or(versions.last, |oldest| oldest - 1)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    key: Vec<u8>,
    version: u64,
    value: Vec<u8>,
}

/// Every version of every key of one table, by key, and by version from the newest to the oldest.
struct SortedFile {
    path: PathBuf,
}

impl SortedFile {
    fn write(path: PathBuf, table: &ArenaMap) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(&path)?);
        for entry in table {
            file.write_all(&entry.version().to_le_bytes())?;
            for bytes in [entry.key(), entry.value()] {
                file.write_all(&(bytes.len() as u64).to_le_bytes())?;
                file.write_all(bytes)?;
            }
        }
        file.flush()?;
        Ok(Self { path })
    }

    fn records(&self) -> Result<Vec<Record>> {
        let file = std::fs::read(&self.path)?;
        let mut rest = file.as_slice();
        let mut records = Vec::new();
        while !rest.is_empty() {
            let version = take_number(&mut rest)?;
            let key = take_bytes(&mut rest)?;
            let value = take_bytes(&mut rest)?;
            records.push(Record {
                key,
                version,
                value,
            });
        }
        Ok(records)
    }
}

fn take_number(rest: &mut &[u8]) -> Result<u64> {
    let (number, others) = rest
        .split_first_chunk()
        .ok_or("the file ends within a number")?;
    *rest = others;
    Ok(u64::from_le_bytes(*number))
}

fn take_bytes(rest: &mut &[u8]) -> Result<Vec<u8>> {
    let length = usize::try_from(take_number(rest)?)?;
    let (bytes, others) = rest
        .split_at_checked(length)
        .ok_or("the file ends within a record")?;
    *rest = others;
    Ok(bytes.to_vec())
}

/// Where the records are. Each record is in exactly one of these.
#[derive(Clone)]
struct Tables {
    active: Arc<ArenaMap>,
    frozen: Vec<Arc<ArenaMap>>,
    files: Vec<Arc<SortedFile>>,
}

/// The state of the store at one version. It holds its tables, so a rotation or a flush does not change it.
struct Snapshot {
    tables: Tables,
    version: u64,
}

impl Snapshot {
    /// The newest record of each key in `from..to`, as of the snapshot's version.
    fn scan(&self, from: &[u8], to: &[u8]) -> Result<Vec<Record>> {
        let mut newest = BTreeMap::new();
        let mut offer = |record: Record| {
            let known = newest
                .entry(record.key.clone())
                .or_insert_with(|| record.clone());
            // A table that was made later may have the older version: versions are drawn before a table is chosen.
            if known.version < record.version {
                *known = record;
            }
        };
        for table in self.tables.frozen.iter().chain([&self.tables.active]) {
            table
                .range_at(from..to, self.version)
                .map(|entry| to_record(&entry))
                .for_each(&mut offer);
        }
        for file in &self.tables.files {
            let is_seen = |record: &Record| {
                (from..to).contains(&record.key.as_slice()) && record.version <= self.version
            };
            file.records()?
                .into_iter()
                .filter(is_seen)
                .for_each(&mut offer);
        }
        Ok(newest.into_values().collect())
    }

    fn group(&self, group: usize) -> Result<Vec<Record>> {
        // ';' is the byte after ':'.
        self.scan(
            format!("{group:04}:").as_bytes(),
            format!("{group:04};").as_bytes(),
        )
    }
}

fn to_record(entry: &epoch_arena::Entry<'_>) -> Record {
    Record {
        key: entry.key().to_vec(),
        version: entry.version(),
        value: entry.value().to_vec(),
    }
}

struct Store {
    tables: RwLock<Tables>,
    clock: Clock,
    /// How many threads got the next table from `rotate`.
    rotations: AtomicUsize,
}

impl Store {
    fn new(pool: &ArenaPool) -> Result<Self> {
        let active = Arc::new(ArenaMap::new(pool)?);
        let tables = Tables {
            active,
            frozen: Vec::new(),
            files: Vec::new(),
        };
        Ok(Self {
            tables: RwLock::new(tables),
            clock: Clock::default(),
            rotations: AtomicUsize::new(0),
        })
    }

    fn tables(&self) -> Tables {
        self.tables
            .read()
            .expect("nothing panics under this lock")
            .clone()
    }

    fn change_tables(&self, change: impl FnOnce(&mut Tables)) {
        change(&mut self.tables.write().expect("nothing panics under this lock"));
    }

    fn active(&self) -> Arc<ArenaMap> {
        self.tables
            .read()
            .expect("nothing panics under this lock")
            .active
            .clone()
    }

    /// The version is read under the lock: a table with a complete write was there before, so it is in `tables`.
    fn snapshot(&self) -> Snapshot {
        let tables = self.tables.read().expect("nothing panics under this lock");
        Snapshot {
            version: self.clock.complete(),
            tables: tables.clone(),
        }
    }

    /// Writes a batch with one version, and gives the version. Snapshots have all of the batch or nothing of it, also
    /// if an error ends it halfway: its version never becomes complete then.
    fn write(
        &self,
        batch: &[(Vec<u8>, Vec<u8>)],
        flush: &SyncSender<Arc<ArenaMap>>,
    ) -> Result<u64> {
        let version = self.clock.begin();
        let began = Instant::now();
        let mut rest = batch;
        let last = loop {
            let table = self.active();
            rest = insert(&table, version, rest)?;
            if rest.is_empty() {
                break table;
            }
            self.rotate(&table, flush)?; // it was frozen: go to the next one
            if began.elapsed() > LONG {
                return Err("the next table does not come".into());
            }
        };
        self.clock.end(version);
        if last.bytes() > LIMIT {
            self.rotate(&last, flush)?;
        }
        Ok(version)
    }

    /// Of all threads that find a table full or frozen, one replaces it and sends it to be flushed.
    fn rotate(&self, full: &Arc<ArenaMap>, flush: &SyncSender<Arc<ArenaMap>>) -> Result {
        match full.rotate() {
            Ok(next) => {
                self.rotations.fetch_add(1, Ordering::Relaxed);
                self.change_tables(|tables| {
                    tables.frozen.push(full.clone());
                    tables.active = Arc::new(next);
                });
                // This waits while the flush lags. This thread has no guard here, or the flush would wait for it.
                Ok(flush
                    .send(full.clone())
                    .map_err(|_| "the flush has ended")?)
            }
            Err(MapError::Rotated) => {
                thread::yield_now(); // another thread is about to publish the next table
                Ok(())
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Runs until all writers are gone.
    fn flush(&self, full: Receiver<Arc<ArenaMap>>, folder: &Path) -> Result {
        for (number, table) in full.into_iter().enumerate() {
            table.freeze(LONG)?;
            assert!(
                table.bytes() > LIMIT && table.bytes() < LIMIT + (16 << 10),
                "{}",
                table.bytes()
            );
            let path = folder.join(format!("{number:04}.sorted"));
            let file = Arc::new(SortedFile::write(path, &table)?);
            self.change_tables(|tables| {
                tables.frozen.retain(|frozen| !Arc::ptr_eq(frozen, &table));
                tables.files.push(file);
            });
        } // here the table is dropped: its memory is free as soon as no snapshot has it
        Ok(())
    }
}

/// Inserts under one guard, and gives the records that found the table frozen.
fn insert<'a>(
    table: &ArenaMap,
    version: u64,
    batch: &'a [(Vec<u8>, Vec<u8>)],
) -> Result<&'a [(Vec<u8>, Vec<u8>)]> {
    let guard = table.pool().pin();
    let mut writer = table.writer(&guard);
    for (done, (key, value)) in batch.iter().enumerate() {
        match writer.insert(key, version, value) {
            Ok(()) => {}
            Err(InsertError::Frozen { .. }) => return Ok(&batch[done..]),
            Err(other) => return Err(other.into()),
        }
    }
    Ok(&[])
}

/// All members of a group, with one value.
fn batch(group: usize, value: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    (0..MEMBERS)
        .map(|member| {
            (
                format!("{group:04}:{member}").into_bytes(),
                value.as_bytes().to_vec(),
            )
        })
        .collect()
}

/// Everything that was written, to be compared with what is found.
type Written = BTreeMap<(Vec<u8>, u64), Vec<u8>>;

fn write_all(store: &Store, writer: usize, flush: SyncSender<Arc<ArenaMap>>) -> Result<Written> {
    let mut written = Written::new();
    for number in 0..BATCHES {
        // Both writers go through all groups, one forwards and one backwards.
        let step = number % GROUPS;
        let group = if writer == 0 { step } else { GROUPS - 1 - step };
        let batch = batch(group, &format!("batch {number} of writer {writer}"));
        let version = store.write(&batch, &flush)?;
        written.extend(
            batch
                .into_iter()
                .map(|(key, value)| ((key, version), value)),
        );
    }
    Ok(written)
}

/// Scans until the writers are done.
fn read_all(store: &Store, reader: usize, are_writing: &AtomicUsize) -> Result {
    let mut seen = [0; GROUPS];
    let mut scans = 0;
    loop {
        let is_last_round = are_writing.load(Ordering::Acquire) == 0;
        let group = (scans + reader) % GROUPS;
        let snapshot = store.snapshot();
        let records = snapshot.group(group)?;
        assert_eq!(
            records.len(),
            MEMBERS,
            "all members were loaded before the readers began"
        );
        let Record { version, value, .. } = &records[0];
        assert!(*version <= snapshot.version);
        assert!(
            records
                .iter()
                .all(|record| (&record.version, &record.value) == (version, value))
        );
        assert!(*version >= seen[group], "a later snapshot is not older");
        seen[group] = *version;
        thread::yield_now(); // writers go on
        assert_eq!(
            snapshot.group(group)?,
            records,
            "a snapshot does not change"
        );
        scans += 1;
        if is_last_round {
            return Ok(());
        }
    }
}

/// Tells the readers that a writer has ended, also by a panic.
struct Ends<'a>(&'a AtomicUsize);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// A folder for the files of one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A store after all its threads have ended.
struct Outcome {
    pool: ArenaPool,
    store: Store,
    written: Written,
    /// A snapshot from before the threads began, and what it gave then.
    early: Snapshot,
    as_loaded: Vec<Record>,
}

fn run(folder: &Path) -> Result<Outcome> {
    let memory = Memory::builder().budget(BUDGET).build()?;
    // Each map holds its own epoch. So the pool need not retain any but the current one.
    let pool = ArenaPool::builder()
        .memory(memory)
        .retained_epochs(1)
        .build()?;
    let store = Store::new(&pool)?;
    let (flush, full) = sync_channel(2);

    let mut written = Written::new();
    for group in 0..GROUPS {
        let batch = batch(group, "loaded");
        let version = store.write(&batch, &flush)?;
        let rotations = store.rotations.load(Ordering::Relaxed);
        assert_eq!(rotations, 0, "no thread receives full tables yet");
        written.extend(
            batch
                .into_iter()
                .map(|(key, value)| ((key, version), value)),
        );
    }
    let early = store.snapshot();
    let as_loaded = early.scan(b"", b"~")?;
    assert_eq!(as_loaded.len(), GROUPS * MEMBERS);

    let are_writing = AtomicUsize::new(WRITERS);
    thread::scope(|s| {
        let (store, are_writing) = (&store, &are_writing);
        let flusher = s.spawn(move || store.flush(full, folder));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let flush = flush.clone();
                s.spawn(move || {
                    let _ends = Ends(are_writing);
                    write_all(store, writer, flush)
                })
            })
            .collect();
        drop(flush); // the flush ends with the last writer
        let readers: Vec<_> = (0..READERS)
            .map(|reader| s.spawn(move || read_all(store, reader, are_writing)))
            .collect();
        for writer in writers {
            written.extend(writer.join().expect("a writer panicked")?);
        }
        for reader in readers {
            reader.join().expect("a reader panicked")?;
        }
        flusher.join().expect("the flush panicked")
    })?;
    Ok(Outcome {
        pool,
        store,
        written,
        early,
        as_loaded,
    })
}

#[test]
#[cfg_attr(miri, ignore = "it writes files")]
fn one_thread_rotates_and_every_version_is_in_one_file_or_the_memtable() -> Result {
    let folder = Folder::new("memtable-versions")?;
    let outcome = run(&folder.0)?;
    let Tables {
        active,
        frozen,
        files,
    } = outcome.store.tables();
    assert!(frozen.is_empty(), "all full tables are flushed");
    assert!(files.len() > 2);
    assert_eq!(outcome.store.rotations.load(Ordering::Relaxed), files.len());

    let mut found: Vec<Record> = active.iter().map(|entry| to_record(&entry)).collect();
    for file in &files {
        let records = file.records()?;
        assert!(
            records.is_sorted_by(|a, b| {
                a.key < b.key || (a.key == b.key && a.version > b.version)
            })
        );
        found.extend(records);
    }
    assert_eq!(
        found.len(),
        outcome.written.len(),
        "no record is in two places"
    );
    let found: Written = found
        .into_iter()
        .map(|record| ((record.key, record.version), record.value))
        .collect();
    assert_eq!(found, outcome.written);
    Ok(())
}

#[test]
#[cfg_attr(miri, ignore = "it writes files")]
fn a_snapshot_reads_its_table_after_rotation_and_flush_and_then_gives_up_the_memory() -> Result {
    let folder = Folder::new("memtable-snapshot")?;
    let Outcome {
        pool,
        store,
        early,
        as_loaded,
        ..
    } = run(&folder.0)?;
    let first = early.tables.active.epoch();
    assert!(first < store.active().epoch() && !pool.is_live(first));
    assert_eq!(early.scan(b"", b"~")?, as_loaded);

    pool.maintain();
    let held = pool.stats();
    assert_eq!((held.live_epochs, held.retired_epochs), (1, 1));
    assert_eq!(held.held_by_leases.epochs, 1);
    assert!(held.held_by_leases.bytes > LIMIT);

    drop(early);
    pool.maintain();
    let stats = pool.stats();
    assert_eq!((stats.live_epochs, stats.retired_epochs), (1, 0));
    assert_eq!(pool.bytes(), held.live, "only the memtable has memory");
    assert!(stats.memory.peak <= BUDGET);
    Ok(())
}
