//! Scans in a tokio runtime. Tasks append the lines of a file to a log, which keeps the most recent
//! ones only. Meanwhile clients ask for all recent lines: a scan sends them the lines that
//! were there when it began, awaiting the client again and again, while the log moves on.
//!
//! `arena.rs` has the lines in the epochs of a pool, and holds a snapshot across the awaits;
//! `arcs.rs` has an `Arc<[u8]>` for each line, as a scan would hold without an arena.
//!
//! `cargo run --release --example async_scan -- [FILE | LINES] [THREADS]`

mod arcs;
mod arena;
mod cursor;
#[path = "../shared/mod.rs"]
mod shared;

use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use shared::compare::{Outcome, Program, Side};
use shared::input::{Input, Lines};
use shared::{Failure, Work, progress};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, yield_now};

const PROGRAM: Program = Program {
    usage: "async_scan [FILE | LINES] [THREADS]",
    lines: 50_000,
    sides: [
        Side {
            name: "arena",
            run: |input| run(arena::Log::new(segment(input))?, input),
        },
        Side {
            name: "Arc<[u8]>",
            run: |input| run(arcs::Log::new(segment(input)), input),
        },
    ],
    expected: |input| {
        let (lines, bytes) = (input.lines.len() as u64, input.lines.bytes() as u64);
        vec![("lines", lines), ("bytes", bytes)]
    },
};

fn main() -> ExitCode {
    shared::compare::main(&PROGRAM)
}

/// Lines of a segment: the log forgets one at a time.
fn segment(input: &Input) -> usize {
    (input.lines.len() / 40).max(1)
}

/// How many segments the log has, the one that is written to included.
pub const SEGMENTS: u32 = 4;

/// A log of recent lines, each with its number before it. Cloning gives the same log.
pub trait Log: Clone + Send + Sync + 'static {
    /// The log as it was at one moment, for as long as it is kept, on any thread.
    type Scan: Send + 'static;

    /// Appends lines; when a segment is full, the oldest is forgotten.
    fn append(&self, lines: &Lines, numbers: Range<usize>) -> Result<(), Failure>;

    /// All that the log has now.
    fn scan(&self) -> Result<Self::Scan, Failure>;

    /// The next records of the scan; none at its end.
    fn next(scan: &mut Self::Scan, most: usize) -> Result<Records, Failure>;

    /// How many segments of the scan the log has forgotten since.
    fn forgotten(&self, scan: &Self::Scan) -> usize;

    /// A summary at the end.
    fn report(&self) -> String;
}

/// Copies of some records, to be sent.
pub type Records = Vec<Vec<u8>>;

/// The number that a record begins with, and its line.
fn parse(record: &[u8]) -> Option<(usize, &[u8])> {
    let (number, line) = record.split_first_chunk()?;
    Some((u64::from_be_bytes(*number) as usize, line))
}

/// Clients that ask for scans.
const CLIENTS: usize = 4;

/// Scans of a client, one after the other, spread over the time of the writing.
const SCANS: usize = 8;

/// Records that are sent at a time.
const PER_MESSAGE: usize = 64;

/// The counts of the scans.
#[derive(Default)]
struct Scanned {
    records: u64,
    forgotten: usize,
}

fn run<L: Log>(log: L, input: &Input) -> Result<Outcome, Failure> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(input.threads)
        .build()?;
    let started = Instant::now();
    let bar = progress("appended", input.lines.len());
    let work = Arc::new(Work::new(input.lines.len()));
    let (appended, seen) = watch::channel(0);
    let appended = Arc::new(appended);
    let (bytes, scanned, took) = runtime.block_on(async {
        let writers: Vec<_> = (0..input.threads)
            .map(|_| {
                let (log, lines) = (log.clone(), input.lines.clone());
                let (work, bar, appended) = (work.clone(), bar.clone(), appended.clone());
                tokio::spawn(async move {
                    let mut bytes = 0;
                    while let Some(numbers) = work.take() {
                        log.append(&lines, numbers.clone())?;
                        bytes += numbers.clone().map(|n| lines[n].len() as u64).sum::<u64>();
                        bar.inc(numbers.len() as u64);
                        appended.send_modify(|count| *count += numbers.len());
                        yield_now().await;
                    }
                    Ok(bytes)
                })
            })
            .collect();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| tokio::spawn(client(log.clone(), input.lines.clone(), seen.clone())))
            .collect();
        let bytes: u64 = all(writers).await?.into_iter().sum();
        let scanned = all(clients).await?;
        Ok::<_, Failure>((bytes, scanned, started.elapsed()))
    })?;
    bar.finish_and_clear();
    let records: u64 = scanned.iter().map(|scanned| scanned.records).sum();
    let forgotten: usize = scanned.iter().map(|scanned| scanned.forgotten).sum();
    let lines = *seen.borrow() as u64;
    let scans = CLIENTS * SCANS;
    Ok(Outcome::default()
        .found("lines", lines)
        .found("bytes", bytes)
        .time("all", took)
        .report(format!(
            "{scans} scans of {records} records, {forgotten} segments forgotten meanwhile"
        ))
        .report(log.report()))
}

/// Waits for tasks; the first failure fails all.
async fn all<T>(tasks: Vec<JoinHandle<Result<T, Failure>>>) -> Result<Vec<T>, Failure> {
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await??);
    }
    Ok(results)
}

/// Asks for scans, and checks the answers.
async fn client<L: Log>(
    log: L,
    lines: Arc<Lines>,
    mut appended: watch::Receiver<usize>,
) -> Result<Scanned, Failure> {
    let mut sum = Scanned::default();
    for number in 1..=SCANS {
        let goal = lines.len() * number / (SCANS + 1);
        appended.wait_for(|count| *count >= goal).await?;
        let mut scan = log.scan()?;
        let (send, mut receive) = mpsc::channel::<Records>(1);
        let sender = tokio::spawn(async move {
            loop {
                let records = L::next(&mut scan, PER_MESSAGE)?;
                // Here the scan is suspended, with all it holds, until the client has room.
                if records.is_empty() || send.send(records).await.is_err() {
                    return Ok::<_, Failure>(scan);
                }
            }
        });
        while let Some(records) = receive.recv().await {
            for record in &records {
                let parsed = parse(record);
                if parsed.is_none_or(|(number, line)| lines.get(number) != Some(line)) {
                    return Err(format!("no line is {}", record.escape_ascii()).into());
                }
            }
            sum.records += records.len() as u64;
            yield_now().await; // others' turn
        }
        sum.forgotten += log.forgotten(&sender.await??);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::compare::assert_both_sides_are_right;
    use shared::input::made_up;

    fn numbers<L: Log>(scan: &mut L::Scan) -> Vec<usize> {
        let mut numbers = Vec::new();
        loop {
            let records = L::next(scan, 3).unwrap();
            if records.is_empty() {
                return numbers;
            }
            numbers.extend(records.iter().map(|record| parse(record).unwrap().0));
        }
    }

    fn a_scan_stays<L: Log>(log: L) {
        let lines = Input::new(made_up(200), 1).lines;
        log.append(&lines, 0..10).unwrap();
        log.append(&lines, 10..25).unwrap();
        let mut scan = log.scan().unwrap();
        for start in 25..200 {
            log.append(&lines, start..start + 1).unwrap();
        }
        assert!(log.forgotten(&scan) > 0);
        assert_eq!(numbers::<L>(&mut scan), (0..25).collect::<Vec<_>>());
        let recent = numbers::<L>(&mut log.scan().unwrap());
        assert_eq!(recent.last(), Some(&199));
        let most = 10 * SEGMENTS as usize;
        assert!((20..=most).contains(&recent.len()), "{}", recent.len());
    }

    #[test]
    fn a_scan_keeps_what_the_log_had_while_the_log_moves_on() {
        a_scan_stays(arena::Log::new(10).unwrap());
        a_scan_stays(arcs::Log::new(10));
    }

    #[test]
    fn tasks_of_both_sides_append_and_scan() {
        assert_both_sides_are_right(&PROGRAM, &Input::new(made_up(5_000), 2));
    }

    #[test]
    fn a_log_of_one_line_can_be_scanned() {
        assert_both_sides_are_right(&PROGRAM, &Input::new(b"one".to_vec(), 2));
    }
}
