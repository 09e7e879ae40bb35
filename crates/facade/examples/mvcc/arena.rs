//! Versions in the epochs of a pool: one epoch is one version of the bank.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use epoch_arena::{ArenaGuard, ArenaHandle, ArenaPool, Epoch, Lease};

use crate::account::{Accounts, Transfer, parse};
use crate::shared::input::Lines;
use crate::shared::{Failure, poisoned};

/// Versions that are kept if a reader takes long; then the bank stays in the one it is in.
const MOST_VERSIONS: u32 = 1_000;

/// How long a tick waits for writers of the version it ends; they are pinned for some dozens of
/// transfers.
const PATIENCE: Duration = Duration::from_secs(60);

/// Accounts that a reader reads under one pin.
const PER_PIN: usize = 256;

pub struct Bank {
    pool: ArenaPool,
    names: Arc<Lines>,
    accounts: Accounts<Epoch, ArenaHandle>,
    /// The latest version that is complete: sealed, so that no writer is left in it.
    complete: Mutex<Epoch>,
}

impl Bank {
    pub fn new(names: Arc<Lines>) -> Result<Self, Failure> {
        // The window is not a number here: `tick` retires the versions that are over.
        let pool = ArenaPool::builder()
            .retained_epochs(MOST_VERSIONS)
            .build()?;
        let complete = pool.current_epoch();
        pool.advance()?;
        Ok(Self {
            pool,
            accounts: Accounts::new(names.len()),
            names,
            complete: Mutex::new(complete),
        })
    }

    fn transfer_one(&self, transfer: Transfer, guard: &ArenaGuard<'_>) -> Result<(), Failure> {
        let Some([mut from, mut to]) = self.accounts.lock_both(transfer)? else {
            return Ok(());
        };
        // The epoch is drawn under the locks: who has them later draws the same or a later one.
        // And once for both, so that no version has half of a transfer.
        let names = [&self.names[transfer.from], &self.names[transfer.to]];
        let mut room = guard.batch(16 + names[0].len() + names[1].len())?;
        let now = room.epoch();
        let changes = [(&mut from, -transfer.amount), (&mut to, transfer.amount)];
        for ((account, amount), name) in changes.into_iter().zip(names) {
            let before = if account.is_first_change(now) {
                Some(room.push_concat([&account.balance.to_be_bytes(), name])?)
            } else {
                None
            };
            if before.is_some() {
                // Handles that do not resolve are of versions that no reader needs.
                account.before.retain(|(_, old)| guard.get(*old).is_some());
            }
            account.change(now, amount, before);
        }
        Ok(()) // the unused room is given back
    }
}

impl crate::Bank for Bank {
    /// Reads one version. It needs what was before later versions; so the lease is here to say that
    /// this version is read, and `tick` goes by it.
    type Snapshot = Lease;

    fn transfer(&self, numbers: Range<usize>) -> Result<(), Failure> {
        let guard = self.pool.pin(); // one for the batch
        for number in numbers {
            self.transfer_one(Transfer::new(number, self.accounts.len()), &guard)?;
        }
        Ok(())
    }

    fn tick(&self) -> Result<(), Failure> {
        let stats = self.pool.stats();
        if stats.live_epochs + 1 >= MOST_VERSIONS as usize {
            return Ok(()); // a reader still needs the oldest
        }
        self.pool.advance()?;
        self.pool.wait_sealed(stats.current, PATIENCE)?;
        // Under the lock, so that no reader takes a version that is just being retired.
        let mut complete = self.complete.lock().map_err(poisoned)?;
        *complete = stats.current;
        // A reader of a version needs the values before later ones, and none of its own version.
        let oldest_read = self.pool.oldest_lease();
        self.pool.retire_before(oldest_read.unwrap_or(*complete));
        Ok(())
    }

    fn snapshot(&self) -> Result<Lease, Failure> {
        let complete = self.complete.lock().map_err(poisoned)?;
        let lease = self.pool.lease(*complete);
        Ok(lease.ok_or("the complete version is live")?)
    }

    fn balances(&self, snapshot: &Lease) -> Result<Vec<i64>, Failure> {
        let mut balances = Vec::with_capacity(self.accounts.len());
        let mut guard = self.pool.pin();
        for (number, name) in self.names.iter().enumerate() {
            // However long all of this takes, no pin is long, and garbage goes meanwhile.
            if number % PER_PIN == PER_PIN - 1 {
                guard.refresh();
            }
            let account = self.accounts.lock(number)?;
            balances.push(match account.seen_at(snapshot.epoch()) {
                Err(balance) => balance,
                Ok(before) => {
                    let bytes = guard
                        .get(*before)
                        .ok_or("a version was retired too early")?;
                    parse(bytes, name)?
                }
            });
        }
        Ok(balances)
    }

    fn report(&self) -> String {
        self.pool.stats().to_string()
    }
}
