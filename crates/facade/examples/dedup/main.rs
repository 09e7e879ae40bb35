//! Interns the lines of a file: each distinct line is stored once, in `hashbrown::HashTable`s, by
//! several threads. Once with keys in an arena, and once with `Box<[u8]>`.
//!
//! `cargo run --release --example dedup -- [FILE | LINES] [THREADS]`

#[path = "../shared/mod.rs"]
mod shared;

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::process::ExitCode;
use std::time::Instant;

use epoch_arena::{ArenaKey, ArenaPool, KeyWriter};
use hashbrown::{DefaultHashBuilder, HashTable};
use shared::compare::{Outcome, Program, Side};
use shared::input::Input;
use shared::{Failure, on_threads, progress};

const PROGRAM: Program = Program {
    usage: "dedup [FILE | LINES] [THREADS]",
    lines: 50_000,
    sides: [
        Side {
            name: "arena",
            run: in_arena,
        },
        Side {
            name: "Box<[u8]>",
            run: in_boxes,
        },
    ],
    expected: |input| {
        let distinct: HashSet<&[u8]> = input.lines.iter().collect();
        let bytes = distinct.iter().map(|line| line.len()).sum();
        figures(distinct.len(), bytes).to_vec()
    },
};

fn main() -> ExitCode {
    shared::compare::main(&PROGRAM)
}

/// The result that both sides must find.
fn figures(distinct: usize, bytes: usize) -> [(&'static str, u64); 2] {
    [
        ("distinct lines", distinct as u64),
        ("bytes of them", bytes as u64),
    ]
}

/// Each thread interns the lines whose hash is its own, into a table of its own.
fn sharded<T: Send>(
    input: &Input,
    intern: impl Fn(&mut dyn Iterator<Item = (u64, &[u8])>) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    let hasher = DefaultHashBuilder::default();
    let bar = progress("interned", input.lines.len());
    let tables = on_threads(input.threads, |shard| {
        let own = input.lines.iter().enumerate().filter_map(|(number, line)| {
            if number % PER_PIN == PER_PIN - 1 && (number / PER_PIN) % input.threads == shard {
                bar.inc(PER_PIN as u64); // seldom: it looks at the clock
            }
            let hash = hasher.hash_one(line);
            ((hash >> 32) as usize % input.threads == shard).then_some((hash, line))
        });
        intern(&mut { own })
    });
    bar.finish_and_clear();
    tables
}

/// Lines that are interned under one pin: nothing is held back for long.
const PER_PIN: usize = 1024;

fn in_arena(input: &Input) -> Result<Outcome, Failure> {
    let pool = ArenaPool::builder().build()?;
    let keys = KeyWriter::new().max_len(input.lines.longest());
    let started = Instant::now();
    let tables = sharded(input, |own| {
        // The hash beside the key: one that is stale has none.
        let mut table: HashTable<(u64, ArenaKey)> = HashTable::new();
        let mut guard = pool.pin();
        for (number, (hash, line)) in own.enumerate() {
            if number % PER_PIN == PER_PIN - 1 {
                guard.refresh();
            }
            let same = |(_, key): &(u64, ArenaKey)| {
                let key = key.resolve(&guard);
                key.is_some_and(|key| key.as_bytes() == line)
            };
            if table.find(hash, same).is_none() {
                let key = keys.copy(line, &guard)?;
                table.insert_unique(hash, (hash, key), |(hash, _)| *hash);
            }
        }
        Ok(table)
    })?;
    let interned = started.elapsed();
    let outcome = outcome(&tables, |(_, key)| key.len()).report(pool.stats());
    let started = Instant::now();
    drop(tables);
    pool.retire_before(pool.advance()?); // all keys at once
    Ok(outcome
        .time("intern", interned)
        .time("free", started.elapsed()))
}

fn in_boxes(input: &Input) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let tables = sharded(input, |own| {
        let mut table: HashTable<(u64, Box<[u8]>)> = HashTable::new();
        for (hash, line) in own {
            if table.find(hash, |(_, key)| **key == *line).is_none() {
                table.insert_unique(hash, (hash, line.into()), |(hash, _)| *hash);
            }
        }
        Ok(table)
    })?;
    let interned = started.elapsed();
    let outcome = outcome(&tables, |(_, key)| key.len());
    let started = Instant::now();
    drop(tables);
    Ok(outcome
        .time("intern", interned)
        .time("free", started.elapsed()))
}

/// How many entries there are in the tables, and of how many bytes.
fn outcome<E>(tables: &[HashTable<E>], len: impl Fn(&E) -> usize) -> Outcome {
    let distinct = tables.iter().map(HashTable::len).sum();
    let bytes = tables.iter().flatten().map(len).sum();
    let found = figures(distinct, bytes);
    found
        .into_iter()
        .fold(Outcome::default(), |all, (what, n)| all.found(what, n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::compare::assert_both_sides_are_right;

    #[test]
    fn both_sides_intern_each_line_once() {
        let text = b"to\nbe\nor\nnot\nto\nbe\n\n\nthat\nis\nthe\nquestion\n";
        let input = Input::new(text.to_vec(), 3);
        assert_both_sides_are_right(&PROGRAM, &input);
        assert_eq!((PROGRAM.expected)(&input), figures(9, 26));
    }
}
