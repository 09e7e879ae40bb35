//! Interns the lines of a file with `hashbrown::HashTable`, on several threads: once with keys in
//! an arena and once with `Box<[u8]>`, and prints counts, bytes and times of both.
//!
//! `cargo run --release --example dedup -- FILE [threads]`

use std::error::Error;
use std::hash::BuildHasher;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use epoch_arena::{ArenaKey, ArenaPool};
use hashbrown::{DefaultHashBuilder, HashTable};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments
        .next()
        .ok_or("name a file: cargo run --release --example dedup -- FILE [threads]")?;
    let threads: usize = match arguments.next() {
        Some(argument) => argument.parse()?,
        None => std::thread::available_parallelism().map_or(2, usize::from),
    };
    let text = std::fs::read(&file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    println!(
        "{file}: {} lines, {} bytes, {threads} threads",
        lines.len(),
        text.len()
    );

    // Alternating rounds, the best of each: the first one meets cold caches, whoever it is.
    let mut arena: Option<Outcome> = None;
    let mut boxes: Option<Outcome> = None;
    for _ in 0..ROUNDS {
        let better = |best: Option<Outcome>, now: Outcome| match best {
            Some(best) if best.intern <= now.intern => Some(best),
            _ => Some(now),
        };
        arena = better(arena, in_arena(&lines, threads.max(1))?);
        boxes = better(boxes, in_boxes(&lines, threads.max(1))?);
    }
    let (Some(arena), Some(boxes)) = (arena, boxes) else {
        return Err("no round was run".into());
    };
    println!("\n{}", arena.report);
    println!(
        "\n{:>12} {:>10} {:>12} {:>12} {:>12}",
        "", "unique", "key bytes", "intern", "free"
    );
    for (name, result) in [("arena", &arena), ("Box<[u8]>", &boxes)] {
        println!(
            "{name:>12} {:>10} {:>12} {:>12.1?} {:>12.1?}",
            result.unique, result.bytes, result.intern, result.free
        );
    }
    if arena.unique != boxes.unique || arena.bytes != boxes.bytes {
        return Err("the two do not agree".into());
    }
    Ok(())
}

/// Times each of the two is run.
const ROUNDS: usize = 5;

struct Outcome {
    report: String,
    unique: usize,
    bytes: usize,
    intern: Duration,
    free: Duration,
}

/// Each thread interns the lines whose hash is its own, into a table of its own.
fn sharded<'l, T: Send>(
    lines: &'l [&'l [u8]],
    threads: usize,
    intern: impl Fn(&mut dyn Iterator<Item = (u64, &'l [u8])>) -> Result<T, String> + Sync,
) -> Result<Vec<T>, String> {
    let hasher = DefaultHashBuilder::default();
    std::thread::scope(|s| {
        let workers: Vec<_> = (0..threads)
            .map(|shard| {
                let (hasher, intern) = (&hasher, &intern);
                s.spawn(move || {
                    let mut own = lines.iter().filter_map(move |line| {
                        let hash = hasher.hash_one(line);
                        ((hash >> 32) as usize % threads == shard).then_some((hash, *line))
                    });
                    intern(&mut own)
                })
            })
            .collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined
            .map(|result| result.map_err(|_| "a worker panicked".to_owned())?)
            .collect()
    })
}

fn in_arena(lines: &[&[u8]], threads: usize) -> Result<Outcome, Box<dyn Error>> {
    let longest = lines.iter().map(|line| line.len()).max().unwrap_or(0);
    let pool = ArenaPool::builder().max_key_len(longest).build()?;
    let started = Instant::now();
    let tables = sharded(lines, threads, |own| {
        let mut table: HashTable<(u64, ArenaKey)> = HashTable::new();
        let mut guard = pool.pin();
        for (number, (hash, line)) in own.enumerate() {
            // One pin per batch: nothing is held back for long.
            if number % 1024 == 1023 {
                guard.refresh();
            }
            let same = |(_, key): &(u64, ArenaKey)| {
                key.resolve(&guard)
                    .is_some_and(|key| key.as_bytes() == line)
            };
            if table.find(hash, same).is_none() {
                let key = ArenaKey::copy_from(line, &guard).map_err(|error| error.to_string())?;
                table.insert_unique(hash, (hash, key), |(hash, _)| *hash);
            }
        }
        Ok(table)
    })?;
    let intern = started.elapsed();
    let unique = tables.iter().map(HashTable::len).sum();
    let bytes = tables.iter().flatten().map(|(_, key)| key.len()).sum();
    let report = pool.stats().to_string();
    let started = Instant::now();
    drop(tables);
    pool.advance()?;
    pool.retire_before(pool.current_epoch());
    Ok(Outcome {
        report,
        unique,
        bytes,
        intern,
        free: started.elapsed(),
    })
}

fn in_boxes(lines: &[&[u8]], threads: usize) -> Result<Outcome, Box<dyn Error>> {
    let started = Instant::now();
    let tables = sharded(lines, threads, |own| {
        let mut table: HashTable<(u64, Box<[u8]>)> = HashTable::new();
        for (hash, line) in own {
            if table.find(hash, |(_, key)| **key == *line).is_none() {
                table.insert_unique(hash, (hash, line.into()), |(hash, _)| *hash);
            }
        }
        Ok(table)
    })?;
    let intern = started.elapsed();
    let unique = tables.iter().map(HashTable::len).sum();
    let bytes = tables.iter().flatten().map(|(_, key)| key.len()).sum();
    let started = Instant::now();
    drop(tables);
    Ok(Outcome {
        report: String::new(),
        unique,
        bytes,
        intern,
        free: started.elapsed(),
    })
}
