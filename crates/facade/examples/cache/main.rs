//! A cache that never exceeds its budget. Several threads ask for the lines of a file, some of them
//! far more often than others, and load the lines that the cache does not have. It has generations:
//! an entry that is used moves on to the current one; the others go with their generation, all at
//! once.
//!
//! `arena.rs` has the entries in the epochs of a pool over a memory with a budget; `boxes.rs` has a
//! `Box<[u8]>` for each key and value, and counts their bytes.
//!
//! `cargo run --release --example cache -- [FILE | LINES] [THREADS]`

mod arena;
mod boxes;
mod shards;
#[path = "../shared/mod.rs"]
mod shared;

use std::process::ExitCode;
use std::time::Instant;

use shared::compare::{Outcome, Program, Side};
use shared::input::Input;
use shared::{Failure, Work, on_threads, progress, scatter};

const PROGRAM: Program = Program {
    usage: "cache [FILE | LINES] [THREADS]",
    lines: 20_000,
    sides: [
        Side {
            name: "arena",
            run: |input| {
                run(
                    arena::Cache::new(budget(input), input.lines.longest())?,
                    input,
                )
            },
        },
        Side {
            name: "Box<[u8]>",
            run: |input| run(boxes::Cache::new(budget(input)), input),
        },
    ],
    expected: |input| vec![("requests", requests(input) as u64)],
};

fn main() -> ExitCode {
    shared::compare::main(&PROGRAM)
}

fn requests(input: &Input) -> usize {
    4 * input.lines.len()
}

/// Room for a quarter of all entries, and at the least for some blocks of each generation.
fn budget(input: &Input) -> usize {
    let bytes = input.lines.bytes() + input.lines.len() * VALUE_LEN;
    (bytes / 4).max(1 << 20)
}

/// How many generations there are; an entry that is not asked for outlives all but one of them.
pub const GENERATIONS: u32 = 4;

/// A cache of values by keys; for all threads.
pub trait Cache: Sync {
    /// Passes the value of `key` to `see`, and loads it if there is none.
    fn get(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> Result<Found, Failure>;

    /// The most bytes it has ever had.
    fn most(&self) -> usize;

    /// A summary at the end.
    fn report(&self) -> String;
}

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It was there.
    Hit,
    /// It was not there, and is now.
    Miss,
    /// It was not there, and there was no room for it.
    NoRoom,
}

const VALUE_LEN: usize = 64;

/// A cached value.
pub type Value = [u8; VALUE_LEN];

/// The value of a key, as it would come from a disk. It can be told from that of any other.
fn load(key: &[u8]) -> Value {
    let mut value: Value = [0; VALUE_LEN];
    for (place, byte) in key.iter().enumerate() {
        let place = place % VALUE_LEN;
        value[place] = value[place].rotate_left(3) ^ byte;
    }
    value
}

/// The line that a request is for: of four requests three are for one of few lines, which are others
/// as time goes by.
fn line_of(request: usize, lines: usize) -> usize {
    let random = scatter(request) as usize;
    if random % 4 == 0 {
        return (random >> 2) % lines;
    }
    let few = lines.div_ceil(20);
    let first = request / lines * few; // others, whenever there were as many requests as lines
    (first + (random >> 2) % few) % lines
}

#[derive(Default)]
struct Tally {
    hits: u64,
    misses: u64,
    no_room: u64,
    wrong: u64,
}

fn run<C: Cache>(cache: C, input: &Input) -> Result<Outcome, Failure> {
    let lines = &input.lines;
    let started = Instant::now();
    let work = Work::new(requests(input));
    let bar = progress("requests", requests(input));
    let tallies = on_threads(input.threads, |_| {
        let mut tally = Tally::default();
        while let Some(numbers) = work.take() {
            bar.inc(numbers.len() as u64);
            for request in numbers {
                let key = &lines[line_of(request, lines.len())];
                let mut see = |value: &[u8]| tally.wrong += u64::from(value != load(key));
                match cache.get(key, &mut see)? {
                    Found::Hit => tally.hits += 1,
                    Found::Miss => tally.misses += 1,
                    Found::NoRoom => tally.no_room += 1,
                }
            }
        }
        Ok(tally)
    })?;
    let took = started.elapsed();
    bar.finish_and_clear();
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    let (hits, misses, no_room) = (sum(|t| t.hits), sum(|t| t.misses), sum(|t| t.no_room));
    if sum(|t| t.wrong) > 0 {
        return Err(format!("{} values were of other keys", sum(|t| t.wrong)).into());
    }
    let (most, budget) = (cache.most(), budget(input));
    if most > budget {
        return Err(format!("it had {most} bytes, and a budget of {budget}").into());
    }
    Ok(Outcome::default()
        .found("requests", hits + misses + no_room)
        .time("requests", took)
        .report(format!(
            "{hits} hits, {misses} misses, {no_room} without room"
        ))
        .report(format!("at most {most} bytes of a budget of {budget}"))
        .report(cache.report()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::compare::assert_both_sides_are_right;
    use shared::input::made_up;

    fn get(cache: &impl Cache, key: &[u8]) -> Found {
        let mut see = |value: &[u8]| assert_eq!(value, load(key));
        cache.get(key, &mut see).unwrap()
    }

    fn hot_entries_stay_and_cold_ones_go(cache: &impl Cache) {
        let budget = 1 << 20;
        assert_eq!(get(cache, b"hot"), Found::Miss);
        assert_eq!(get(cache, b"cold"), Found::Miss);
        assert_eq!(get(cache, b"cold"), Found::Hit);
        for number in 0..50_000_u32 {
            assert_ne!(get(cache, &number.to_be_bytes()), Found::Hit);
            assert_eq!(get(cache, b"hot"), Found::Hit, "after {number} others");
        }
        assert_eq!(get(cache, b"cold"), Found::Miss);
        assert!(cache.most() <= budget);
    }

    #[test]
    fn hot_entries_are_promoted_and_cold_ones_expire() {
        hot_entries_stay_and_cold_ones_go(&arena::Cache::new(1 << 20, 256).unwrap());
        hot_entries_stay_and_cold_ones_go(&boxes::Cache::new(1 << 20));
    }

    #[test]
    fn threads_together_stay_in_the_budget_and_see_the_right_values() {
        assert_both_sides_are_right(&PROGRAM, &Input::new(made_up(5_000), 3));
    }
}
