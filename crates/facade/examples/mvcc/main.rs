//! A bank with versions. Writers move money between accounts, in place, and keep each earlier
//! balance as a version, for as long as a reader may ask for it. A reader takes a snapshot and adds
//! up all accounts while the writers go on: if its view is consistent, the sum never changes.
//! The accounts are named by the lines of a file.
//!
//! `arena.rs` keeps the versions in the epochs of a pool: an epoch's versions are garbage at once.
//! `boxes.rs` has a `Box<[u8]>` for each version, frees one by one, and lists which.
//!
//! `cargo run --release --example mvcc -- [FILE | LINES] [THREADS]`

mod account;
mod arena;
mod boxes;
#[path = "../shared/mod.rs"]
mod shared;

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use account::Transfer;
use shared::compare::{Outcome, Program, Side};
use shared::input::Input;
use shared::{Failure, Work, on_threads, progress, scatter};

const PROGRAM: Program = Program {
    usage: "mvcc [FILE | LINES] [THREADS]",
    lines: 10_000,
    sides: [
        Side {
            name: "arena",
            run: |input| run(arena::Bank::new(input.lines.clone())?, input),
        },
        Side {
            name: "Box<[u8]>",
            run: |input| run(boxes::Bank::new(input.lines.clone()), input),
        },
    ],
    expected: |input| {
        let mut balances = vec![START; input.lines.len()];
        for number in 0..transfers(input) {
            let Transfer { from, to, amount } = Transfer::new(number, balances.len());
            balances[from] -= amount;
            balances[to] += amount;
        }
        figures(input, &balances)
    },
};

fn main() -> ExitCode {
    shared::compare::main(&PROGRAM)
}

/// The first balance of each account.
pub const START: i64 = 1_000;

/// How long a version is current: then the next begins.
const TICK: Duration = Duration::from_millis(5);

fn transfers(input: &Input) -> usize {
    4 * input.lines.len()
}

/// The transfers, and a sum over the balances that no two states are likely to share.
fn figures(input: &Input, balances: &[i64]) -> Vec<(&'static str, u64)> {
    let each = balances.iter().enumerate();
    let sum = each.fold(0_u64, |sum, (account, balance)| {
        sum.wrapping_add(scatter(account).wrapping_mul(*balance as u64))
    });
    vec![
        ("transfers", transfers(input) as u64),
        ("as the check sum of the balances", sum),
    ]
}

/// Accounts with versions.
pub trait Bank: Sync {
    /// The versions that one reader sees.
    type Snapshot;

    /// Makes the transfers with these numbers.
    fn transfer(&self, numbers: Range<usize>) -> Result<(), Failure>;

    /// Begins the next version: what was done is now for readers to see. Frees the versions that no
    /// reader needs any more.
    fn tick(&self) -> Result<(), Failure>;

    /// The latest version that is complete.
    fn snapshot(&self) -> Result<Self::Snapshot, Failure>;

    /// The balances of all accounts in that version.
    fn balances(&self, snapshot: &Self::Snapshot) -> Result<Vec<i64>, Failure>;

    /// A summary at the end.
    fn report(&self) -> String;
}

/// Readers, beside the writers.
const READERS: usize = 2;

fn run<B: Bank>(bank: B, input: &Input) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let work = Work::new(transfers(input));
    let bar = progress("transferred", transfers(input));
    let (writing, ticks) = (AtomicUsize::new(input.threads), AtomicUsize::new(0));
    let failed = AtomicBool::new(false);
    // Relaxed, here and below: these say when to stop; everything else is behind locks.
    let go_on = || writing.load(Ordering::Relaxed) > 0 && !failed.load(Ordering::Relaxed);
    let write = || {
        while let Some(numbers) = work.take() {
            bar.inc(numbers.len() as u64);
            bank.transfer(numbers)?;
        }
        writing.fetch_sub(1, Ordering::Relaxed);
        Ok((0, started.elapsed()))
    };
    let tick = || {
        while go_on() {
            std::thread::sleep(TICK);
            bank.tick()?;
            ticks.fetch_add(1, Ordering::Relaxed);
        }
        Ok((0, Duration::ZERO))
    };
    let read = || {
        let mut sums = 0;
        while go_on() {
            add_up(&bank)?;
            sums += 1;
        }
        Ok((sums, Duration::ZERO))
    };
    let done = on_threads(input.threads + 1 + READERS, |thread| {
        let done = match thread.checked_sub(input.threads) {
            None => write(),
            Some(0) => tick(),
            Some(_) => read(),
        };
        failed.fetch_or(done.is_err(), Ordering::Relaxed);
        done
    })?;
    let took = started.elapsed();
    bar.finish_and_clear();
    bank.tick()?; // now the last writes can be read
    let balances = add_up(&bank)?;
    let wrote = done.iter().map(|(_, wrote)| *wrote).max();
    let mut outcome = Outcome::default()
        .time("transfer", wrote.unwrap_or_default())
        .time("all", took);
    for (what, count) in figures(input, &balances) {
        outcome = outcome.found(what, count);
    }
    let sums: usize = done.iter().map(|(sums, _)| *sums).sum();
    let ticks = ticks.into_inner();
    Ok(outcome
        .report(format!("{sums} consistent sums over {ticks} versions"))
        .report(bank.report()))
}

/// Reads all accounts in one version, and sees that no money was made or lost.
fn add_up<B: Bank>(bank: &B) -> Result<Vec<i64>, Failure> {
    let balances = bank.balances(&bank.snapshot()?)?;
    let (sum, expected) = (balances.iter().sum::<i64>(), START * balances.len() as i64);
    if sum != expected {
        return Err(format!("a reader saw {sum} where there is {expected}").into());
    }
    Ok(balances)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::compare::assert_both_sides_are_right;
    use shared::input::made_up;

    /// A snapshot shows the same for as long as it is kept, and the next one shows later changes.
    fn snapshots_stay<B: Bank>(bank: B, accounts: usize) {
        bank.transfer(0..50).unwrap();
        bank.tick().unwrap();
        let snapshot = bank.snapshot().unwrap();
        let before = bank.balances(&snapshot).unwrap();
        for round in 1..=20 {
            bank.transfer(50 * round..50 * (round + 1)).unwrap();
            bank.tick().unwrap();
            assert_eq!(bank.balances(&snapshot).unwrap(), before, "round {round}");
        }
        assert_ne!(add_up(&bank).unwrap(), before);
        assert_eq!(before.len(), accounts);
    }

    #[test]
    fn a_snapshot_of_versions_in_epochs_stays_as_it_is() {
        let lines = Input::new(made_up(40), 1).lines;
        snapshots_stay(arena::Bank::new(lines.clone()).unwrap(), 40);
        snapshots_stay(boxes::Bank::new(lines), 40);
    }

    #[test]
    fn readers_of_both_sides_see_consistent_sums() {
        assert_both_sides_are_right(&PROGRAM, &Input::new(made_up(300), 2));
    }

    #[test]
    fn an_account_alone_has_what_it_had() {
        assert_both_sides_are_right(&PROGRAM, &Input::new(b"one".to_vec(), 2));
    }
}
