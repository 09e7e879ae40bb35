//! The memtables of a log-structured store. Several threads write batches into the current memtable. A thread that
//! finds it full rotates it; the others go on in the next one, which they find without a lock. A thread of its own
//! writes each memtable that was left to a sorted file. In the end the files are read back and compared with the input.
//!
//! A memtable is an `ArenaMap`; and, for comparison, a skip list with a `Box<[u8]>` for each key and each value. Both
//! are in `../shared/tables.rs`.
//!
//! `cargo run --release --example memtable -- [FILE | LINES] [THREADS]`

#[path = "../shared/mod.rs"]
mod shared;
mod sorted;

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use epoch_arena::ArenaMap;
use shared::compare::{Outcome, Program};
use shared::input::{Input, Lines};
use shared::tables::{self, Boxes, Table};
use shared::{Failure, Work, on_threads, poisoned, progress, scatter};
use sorted::Folder;

const PROGRAM: Program = Program {
    usage: "memtable [FILE | LINES] [THREADS]",
    lines: 1_000_000,
    sides: tables::sides(run::<ArenaMap>, run::<Boxes>),
    expected: |input| {
        let (lines, bytes) = (input.lines.len() as u64, input.lines.bytes() as u64);
        vec![("records", lines), ("bytes of keys", bytes)]
    },
};

fn main() -> ExitCode {
    shared::compare::main(&PROGRAM)
}

/// The value of a line.
fn value_of(number: usize) -> [u8; 16] {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&number.to_le_bytes());
    value[8..].copy_from_slice(&scatter(number).to_le_bytes());
    value
}

/// A memtable, and the one that writers go on in when it is full.
struct Link<T> {
    table: T,
    /// Why there is none, if it could not be made.
    next: OnceLock<Result<Arc<Self>, String>>,
}

impl<T: Table> Link<T> {
    fn new(table: T) -> Arc<Self> {
        let next = OnceLock::new();
        Arc::new(Self { table, next })
    }

    /// The next memtable. Of the threads that find this one full together, one makes the next and does `then`, and the
    /// others wait for it. Later ones only load it.
    fn next(&self, then: impl FnOnce()) -> Result<Arc<Self>, Failure> {
        let rotate = || {
            let next = self.table.rotate().map_err(|error| error.to_string())?;
            then();
            Ok(Self::new(next))
        };
        Ok(self.next.get_or_init(rotate).clone()?)
    }
}

/// Puts lines, each as a key, with its number as the version, until `work` is done.
fn write<T: Table>(
    mut link: Arc<Link<T>>,
    lines: &Lines,
    (work, full): (&Work, usize),
    left: &SyncSender<()>,
) -> Result<(), Failure> {
    while let Some(mut numbers) = work.take() {
        loop {
            let batch = numbers.clone();
            let batch = batch.map(|number| (&lines[number], number as u64, value_of(number)));
            numbers.start += link.table.put(batch)?;
            if numbers.is_empty() && link.table.len() < full {
                break;
            }
            // Full, or left by another thread: what is not put yet goes into the next one.
            let mut first = false;
            link = link.next(|| first = true)?;
            if first {
                left.send(()).map_err(|_| "the flusher has failed")?; // waits if the disk is slower
            }
        }
    }
    Ok(())
}

/// Writes each memtable that is left, and in the end the last one, to a file of `folder`. Returns how many there are,
/// and the time that dropping the memtables took.
fn flush<T: Table>(
    mut link: Arc<Link<T>>,
    folder: &Folder,
    left: Receiver<()>,
) -> Result<(usize, Duration, String), Failure> {
    let mut dropping = Duration::ZERO;
    for number in 0.. {
        let more = left.recv().is_ok();
        let next = link.next(|| ())?; // if there is no more, the writers are gone: this leaves the last one
        link.table.freeze()?;
        sorted::write(&link.table, &folder.file(number))?;
        let flushed = std::mem::replace(&mut link, next);
        let started = Instant::now();
        drop(flushed);
        dropping += started.elapsed();
        if !more {
            return Ok((number + 1, dropping, link.table.report()));
        }
    }
    Err("there were too many memtables".into())
}

fn run<T: Table>(input: &Input) -> Result<Outcome, Failure> {
    let (lines, folder) = (&input.lines, Folder::new()?);
    let full = (lines.len() / 8).clamp(1, 100_000); // several memtables, whatever the input
    let work = Work::new(lines.len());
    let bar = progress("written", lines.len());
    let started = Instant::now();
    let first = Link::new(T::first()?);
    // Each thread takes one: a link that was kept here would hold all that come after it.
    let links = Mutex::new(vec![first.clone(); input.threads]);
    let (sender, left) = sync_channel(1);
    let (wrote, flushed) = std::thread::scope(|s| {
        let flusher = s.spawn(|| flush(first, &folder, left));
        let wrote = on_threads(input.threads, |_| {
            let link = links.lock().map_err(poisoned)?.pop();
            write(
                link.ok_or("a link for each")?,
                lines,
                (&work, full),
                &sender,
            )
        });
        let took = started.elapsed();
        drop(sender);
        let flushed = flusher.join().map_err(|_| "the flusher panicked")?;
        // Its own error says more than that it could not be reached.
        flushed.and_then(|flushed| wrote.map(|_| (took, flushed)))
    })?;
    let (files, dropping, report) = flushed;
    let all = started.elapsed();
    bar.finish_and_clear();
    let (records, bytes) = read_back(&folder, files, lines)?;
    Ok(Outcome::default()
        .found("records", records)
        .found("bytes of keys", bytes)
        .time("write", wrote)
        .time("flush, too", all)
        .time("drop", dropping)
        .report(format!("{files} files of {records} records"))
        .report(report))
}

/// Counts the records of all files. Each line must be there once, with its value.
fn read_back(folder: &Folder, files: usize, lines: &Lines) -> Result<(u64, u64), Failure> {
    let mut missing = vec![true; lines.len()];
    let (mut records, mut bytes) = (0, 0);
    for file in 0..files {
        sorted::read(&folder.file(file), |key, version, value| {
            let number = usize::try_from(version)?;
            if lines.get(number) != Some(key) || *value != value_of(number) {
                return Err(format!("{} has another key's record", key.escape_ascii()).into());
            }
            if !std::mem::take(&mut missing[number]) {
                return Err(format!("line {number} is there twice").into());
            }
            records += 1;
            bytes += key.len() as u64;
            Ok(())
        })?;
    }
    Ok((records, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::compare::assert_both_sides_are_right;
    use shared::input::made_up;

    #[test]
    fn all_that_was_written_to_memtables_is_in_the_files() {
        assert_both_sides_are_right(&PROGRAM, &Input::new(made_up(3_000), 3));
    }

    #[test]
    fn memtables_of_one_record_are_flushed_as_well() {
        assert_both_sides_are_right(&PROGRAM, &Input::new(made_up(8), 2));
        assert_both_sides_are_right(&PROGRAM, &Input::new(b"\n".to_vec(), 2));
    }

    #[test]
    fn of_two_threads_that_find_a_memtable_full_one_makes_the_next() {
        let link = Link::new(ArenaMap::first().unwrap());
        let made = std::sync::atomic::AtomicUsize::new(0);
        let count = || _ = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let next = on_threads(2, |_| link.next(count)).unwrap();
        assert!(Arc::ptr_eq(&next[0], &next[1]));
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn a_flushed_memtable_gives_its_memory_back() {
        let link = Link::new(ArenaMap::first().unwrap());
        let put = |link: &Link<ArenaMap>| link.table.put([(&b"key"[..], 0, [1; 16])].into_iter());
        assert_eq!(put(&link).unwrap(), 1);
        let next = link.next(|| ()).unwrap();
        assert_eq!(put(&link).unwrap(), 0, "it belongs to the next one");
        let pool = next.table.pool().clone();
        assert_eq!(pool.stats().held_by_leases.epochs, 1);
        drop(link);
        pool.maintain();
        assert_eq!(pool.stats().retired_epochs, 0);
    }
}
