//! A store with versions. Several threads update keys, each update with a version of its own, a sequence number.
//! Readers take snapshots and look up all keys as of then, while the updates go on; each answer is checked.
//!
//! Garbage goes by the generation. A table is one: when it is full, writers go on in the next one, the versions that are
//! still needed are copied there, and the old table is dropped as a whole. A snapshot keeps the tables that it reads.
//!
//! A table is an `ArenaMap`; and, for comparison, a skip list with a `Box<[u8]>` for each key and each value. Both are in
//! `../shared/tables.rs`.
//!
//! `cargo run --release --example mvcc -- [FILE | LINES] [THREADS]`

#[path = "../shared/mod.rs"]
mod shared;
mod store;

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use epoch_arena::ArenaMap;
use shared::compare::{Outcome, Program};
use shared::input::Input;
use shared::tables::{self, Boxes, Table};
use shared::{Failure, Work, on_threads, progress, scatter};
use store::{Snapshot, Store};

const PROGRAM: Program = Program {
    usage: "mvcc [FILE | LINES] [THREADS]",
    lines: 100_000,
    sides: tables::sides(run::<ArenaMap>, run::<Boxes>),
    expected: |input| {
        let updates = Updates::of(input);
        let mut newest = vec![0; updates.keys.len()];
        updates.replay(&mut newest, 0, updates.count);
        figures(&newest)
    },
};

fn main() -> ExitCode {
    shared::compare::main(&PROGRAM)
}

/// Readers, beside the writers and the collector of garbage.
const READERS: usize = 2;

/// The updates of a run: of which keys, and how many.
struct Updates<'i> {
    keys: Vec<&'i [u8]>,
    count: usize,
}

impl<'i> Updates<'i> {
    fn of(input: &'i Input) -> Self {
        let mut keys: Vec<_> = input.lines.iter().collect();
        keys.sort_unstable();
        keys.dedup();
        let count = 10 * keys.len();
        Self { keys, count }
    }

    /// The key of an update: of two updates one is of a sixteenth of the keys.
    fn key_of(&self, update: usize) -> usize {
        let few = if update % 2 == 0 { 16 } else { 1 };
        scatter(update) as usize % self.keys.len().div_ceil(few)
    }

    /// Notes the newest version of each key after the updates from `from` to `to`. Update number 0 has version 1.
    fn replay(&self, newest: &mut [u64], from: usize, to: usize) {
        for update in from..to {
            newest[self.key_of(update)] = update as u64 + 1;
        }
    }
}

/// The keys, and a sum over their newest versions that no two states are likely to share.
fn figures(newest: &[u64]) -> Vec<(&'static str, u64)> {
    let each = newest.iter().enumerate();
    let sum = each.fold(0_u64, |sum, (key, version)| {
        sum.wrapping_add(scatter(key).wrapping_mul(*version))
    });
    vec![
        ("keys", newest.len() as u64),
        ("as the check sum of their versions", sum),
    ]
}

/// The value of a version.
fn value_of(version: u64) -> [u8; 16] {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&version.to_le_bytes());
    value[8..].copy_from_slice(&scatter(version as usize).to_le_bytes());
    value
}

/// Reads all keys, and sees that each has its version of `newest`, or none where that is 0.
fn check<T: Table>(snapshot: &Snapshot<T>, keys: &[&[u8]], newest: &[u64]) -> Result<(), Failure> {
    for (key, expected) in keys.iter().zip(newest) {
        let see = |version, value: &[u8]| (version, *value == value_of(version));
        let found = snapshot.get(key, see);
        if found != (*expected > 0).then_some((*expected, true)) {
            let key = key.escape_ascii();
            return Err(format!("{key} has {found:?} at {}, not {expected}", snapshot.at()).into());
        }
    }
    Ok(())
}

/// The work of a thread: how many reads, or collections of garbage, and the time for them, or until the last update.
type Done = (usize, Duration);

fn run<T: Table>(input: &Input) -> Result<Outcome, Failure> {
    let updates = Updates::of(input);
    let (keys, store) = (&updates.keys, Store::<T>::new(3 * updates.keys.len())?);
    let work = Work::new(updates.count);
    let bar = progress("updated", updates.count);
    let started = Instant::now();
    let writing = AtomicUsize::new(input.threads);
    let write = || {
        let _ends = Ends(&writing);
        while let Some(numbers) = work.take() {
            bar.inc(numbers.len() as u64);
            let batch = numbers.clone().map(|update| {
                let version = update as u64 + 1;
                (keys[updates.key_of(update)], version, value_of(version))
            });
            store.put(batch)?;
            store.commit(numbers)?;
        }
        Ok((0, started.elapsed()))
    };
    // Relaxed: it only says when to stop.
    let go_on = || writing.load(Ordering::Relaxed) > 0;
    let collect = || {
        let mut collected = 0;
        while go_on() {
            if store.collect_if_full()? {
                collected += 1;
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok((collected, Duration::ZERO))
    };
    let read = || {
        let (mut newest, mut replayed) = (vec![0; keys.len()], 0);
        let (mut reads, mut reading) = (0, Duration::ZERO);
        while go_on() {
            let snapshot = store.snapshot()?;
            updates.replay(&mut newest, replayed, snapshot.at());
            replayed = snapshot.at();
            let began = Instant::now();
            check(&snapshot, keys, &newest)?;
            reading += began.elapsed();
            reads += keys.len();
        }
        Ok((reads, reading))
    };
    let done: Vec<Done> = on_threads(input.threads + 1 + READERS, |thread| {
        match thread.checked_sub(input.threads) {
            None => write(),
            Some(0) => collect(),
            Some(_) => read(),
        }
    })?;
    bar.finish_and_clear();
    let (writers, others) = done.split_at(input.threads);
    let (collected, readers) = (others[0].0, &others[1..]);
    let took = writers.iter().map(|(_, wrote)| *wrote).max();
    let reads: usize = readers.iter().map(|(reads, _)| reads).sum();
    let reading: Duration = readers.iter().map(|(_, reading)| *reading).sum();

    let snapshot = store.snapshot()?;
    let newest = |key: &&[u8]| snapshot.get(key, |version, _| version).unwrap_or(0);
    let newest: Vec<u64> = keys.iter().map(newest).collect();
    let mut outcome = Outcome::default()
        .time("all updates", took.unwrap_or_default())
        .time("a read", reading.div_f64(reads.max(1) as f64));
    for (what, count) in figures(&newest) {
        outcome = outcome.found(what, count);
    }
    Ok(outcome
        .report(format!(
            "{} updates, {reads} reads of snapshots",
            updates.count
        ))
        .report(format!("{} generations", collected + 1))
        .report(store.report()?))
}

/// A writer, which ends also when it fails.
struct Ends<'w>(&'w AtomicUsize);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        // Relaxed: as where it is read.
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::compare::assert_both_sides_are_right;
    use shared::input::made_up;

    /// A snapshot shows the same for as long as it is kept, and the next one shows later updates.
    fn snapshots_stay<T: Table>() {
        let input = Input::new(made_up(40), 1);
        let updates = Updates::of(&input);
        let store = Store::<T>::new(1).unwrap();
        let update = |numbers: std::ops::Range<usize>| {
            let batch = numbers.clone().map(|update| {
                let version = update as u64 + 1;
                (
                    updates.keys[updates.key_of(update)],
                    version,
                    value_of(version),
                )
            });
            store.put(batch).unwrap();
            store.commit(numbers).unwrap();
        };
        let mut newest = vec![0; updates.keys.len()];
        update(0..64);
        updates.replay(&mut newest, 0, 64);
        let snapshot = store.snapshot().unwrap();
        for round in 1..=20 {
            update(64 * round..64 * (round + 1));
            assert!(
                store.collect_if_full().unwrap(),
                "it is full with one record"
            );
            check(&snapshot, &updates.keys, &newest).unwrap();
        }
        let later = store.snapshot().unwrap();
        assert!(check(&later, &updates.keys, &newest).is_err());
        updates.replay(&mut newest, 64, 64 * 21);
        check(&later, &updates.keys, &newest).unwrap();
    }

    #[test]
    fn a_snapshot_stays_as_it_is_while_generations_go() {
        snapshots_stay::<ArenaMap>();
        snapshots_stay::<Boxes>();
    }

    #[test]
    fn readers_of_both_sides_see_each_key_as_of_their_snapshot() {
        assert_both_sides_are_right(&PROGRAM, &Input::new(made_up(300), 2));
    }

    #[test]
    fn a_key_alone_has_its_last_version() {
        assert_both_sides_are_right(&PROGRAM, &Input::new(b"one".to_vec(), 2));
    }
}
