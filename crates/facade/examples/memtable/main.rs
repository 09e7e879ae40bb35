//! The memtables of a log-structured store. Several threads write into the current memtable, which
//! keeps the lines of a file in order, over `crossbeam_skiplist::SkipMap`. One that is full is
//! frozen and written to a sorted file by a thread of its own, while the writers go on in the next.
//! In the end the files are read back, merged, and compared with the input.
//!
//! `arena.rs` has an epoch of a pool for each memtable; `boxes.rs` a `Box<[u8]>` for each key and
//! each value.
//!
//! `cargo run --release --example memtable -- [FILE | LINES] [THREADS]`

mod arena;
mod boxes;
#[path = "../shared/mod.rs"]
mod shared;
mod sorted;

use std::collections::HashSet;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use shared::compare::{Outcome, Program, Side};
use shared::input::{Input, Lines};
use shared::{Failure, Work, on_threads, progress};
use sorted::{Folder, SortedFile};

const PROGRAM: Program = Program {
    usage: "memtable [FILE | LINES] [THREADS]",
    lines: 20_000,
    sides: [
        Side {
            name: "arena",
            run: |input| {
                run(
                    arena::Memtables::new(full(input), input.lines.longest())?,
                    input,
                )
            },
        },
        Side {
            name: "Box<[u8]>",
            run: |input| run(boxes::Memtables::new(full(input)), input),
        },
    ],
    expected: |input| {
        let distinct: HashSet<&[u8]> = input.lines.iter().collect();
        let bytes = distinct.iter().map(|key| key.len() as u64).sum();
        vec![("keys", distinct.len() as u64), ("bytes of keys", bytes)]
    },
};

fn main() -> ExitCode {
    shared::compare::main(&PROGRAM)
}

/// Entries of a memtable that is full: of any input, there are several memtables.
fn full(input: &Input) -> usize {
    (input.lines.len() / 8).clamp(1, 100_000)
}

/// The one memtable that is written to, and how it is left behind.
pub trait Engine: Sync {
    /// A memtable.
    type Table: Send + Sync;

    /// Puts each line with its number as the value. The memtable that this has filled is given
    /// back, to be flushed; of several writers that find it full, one gets it.
    fn put(&self, lines: &Lines, numbers: Range<usize>) -> Result<Frozen<Self>, Failure>;

    /// Freezes the memtable that is current, however full it is.
    fn freeze(&self) -> Result<Arc<Self::Table>, Failure>;

    /// Waits until no thread writes to `table` any more, then passes on all its entries, in order.
    fn flush(&self, table: &Self::Table, file: &mut SortedFile) -> Result<(), Failure>;

    /// Drops a flushed memtable.
    fn discard(&self, table: Arc<Self::Table>);

    /// A summary at the end.
    fn report(&self) -> String;
}

/// A memtable that was just filled, if one was.
pub type Frozen<E> = Option<Arc<<E as Engine>::Table>>;

/// The value of a line: its number, as text.
pub fn value_of(number: usize) -> String {
    format!("line {number:>10}")
}

fn number_of(value: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(value).ok()?;
    text.strip_prefix("line ")?.trim_start().parse().ok()
}

fn run<E: Engine>(engine: E, input: &Input) -> Result<Outcome, Failure> {
    let folder = Folder::new("memtable")?;
    let started = Instant::now();
    let (full, frozen) = sync_channel(1); // writers wait if the disk is slower than they are
    let work = Work::new(input.lines.len());
    let bar = progress("written", input.lines.len());
    let (files, discarding) = std::thread::scope(|s| {
        let flusher = s.spawn(|| flush_all(&engine, &folder, frozen));
        let wrote = on_threads(input.threads, |_| {
            while let Some(numbers) = work.take() {
                bar.inc(numbers.len() as u64);
                // No guard is alive here: the flusher may wait for it, and this for the flusher.
                if let Some(table) = engine.put(&input.lines, numbers)? {
                    full.send(table).map_err(|_| "the flusher has failed")?;
                }
            }
            Ok(())
        });
        let last = wrote.and_then(|_| engine.freeze());
        let sent = last.and_then(|table| Ok(full.send(table).map_err(|_| "the flusher failed")?));
        drop(full);
        // Its own error says more than that it could not be reached.
        let flushed = flusher.join().map_err(|_| "the flusher panicked")??;
        sent.map(|()| flushed)
    })?;
    let took = started.elapsed();
    bar.finish_and_clear();
    let (keys, bytes) = read_back(&files, input)?;
    let entries: u64 = files.iter().map(|file| file.entries).sum();
    Ok(Outcome::default()
        .found("keys", keys)
        .found("bytes of keys", bytes)
        .time("write, flush", took)
        .time("discard", discarding)
        .report(format!("{} files of {entries} entries", files.len()))
        .report(engine.report()))
}

/// Writes each memtable to a file; returns these, and the time it took to discard the memtables.
fn flush_all<E: Engine>(
    engine: &E,
    folder: &Folder,
    frozen: Receiver<Arc<E::Table>>,
) -> Result<(Vec<sorted::Finished>, Duration), Failure> {
    let (mut files, mut discarding) = (Vec::new(), Duration::ZERO);
    for table in frozen {
        let mut file = folder.create(files.len())?;
        engine.flush(&table, &mut file)?;
        files.push(file.finish()?);
        let started = Instant::now();
        engine.discard(table);
        discarding += started.elapsed();
    }
    Ok((files, discarding))
}

/// Merges the files, and compares with the lines that were written: how many keys there are, and
/// of how many bytes.
fn read_back(files: &[sorted::Finished], input: &Input) -> Result<(u64, u64), Failure> {
    let (mut keys, mut bytes) = (0, 0);
    sorted::merge(files, |key, value| {
        // Of a line that occurs several times any may have been last.
        let written = number_of(value).and_then(|number| input.lines.get(number));
        if written.is_none_or(|line| line != key) {
            let (key, value) = (key.escape_ascii(), value.escape_ascii());
            return Err(format!("{key} has the value of another key: {value}").into());
        }
        keys += 1;
        bytes += key.len() as u64;
        Ok(())
    })?;
    Ok((keys, bytes))
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
    fn memtables_of_one_entry_are_flushed_as_well() {
        assert_both_sides_are_right(&PROGRAM, &Input::new(made_up(8), 2));
        assert_both_sides_are_right(&PROGRAM, &Input::new(b"\n".to_vec(), 2));
    }

    #[test]
    fn a_value_names_its_line() {
        assert_eq!(number_of(value_of(17).as_bytes()), Some(17));
        assert_eq!(number_of(b"nonsense"), None);
    }
}
