//! Versions with a heap allocation each. Freeing them takes a list of them. And there is a lock
//! under which no transfer is half done: when a version begins, all writers stand still, until the
//! last has finished its batch.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, RwLock};

use crate::account::{Accounts, Transfer, parse};
use crate::shared::input::Lines;
use crate::shared::{Failure, poisoned};

pub struct Bank {
    names: Arc<Lines>,
    accounts: Accounts<u64, Box<[u8]>>,
    /// The version that is written to. Writers hold it for a batch of transfers, so that none is
    /// left in a version when the next begins.
    now: RwLock<u64>,
    readers: Arc<Mutex<Readers>>,
    /// The accounts that keep something from before each version.
    garbage: Mutex<VecDeque<(u64, Vec<usize>)>>,
}

/// How many readers each version has.
type Readers = BTreeMap<u64, usize>;

/// A version that is read.
pub struct Snapshot {
    version: u64,
    readers: Arc<Mutex<Readers>>,
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // If a thread has panicked under the lock, the program is over.
        let Ok(mut readers) = self.readers.lock() else {
            return;
        };
        if let Some(count) = readers.get_mut(&self.version) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.version);
            }
        }
    }
}

impl Bank {
    pub fn new(names: Arc<Lines>) -> Self {
        Self {
            accounts: Accounts::new(names.len()),
            names,
            now: RwLock::new(1),
            readers: Arc::default(),
            garbage: Mutex::default(),
        }
    }

    /// Makes the transfer; adds to `touched` which accounts have kept something.
    fn transfer_one(
        &self,
        transfer: Transfer,
        now: u64,
        touched: &mut Vec<usize>,
    ) -> Result<(), Failure> {
        let Some([mut from, mut to]) = self.accounts.lock_both(transfer)? else {
            return Ok(());
        };
        let changes = [
            (&mut from, transfer.from, -transfer.amount),
            (&mut to, transfer.to, transfer.amount),
        ];
        for (account, number, amount) in changes {
            let before = account.is_first_change(now).then(|| {
                touched.push(number);
                [&account.balance.to_be_bytes(), &self.names[number]]
                    .concat()
                    .into_boxed_slice()
            });
            account.change(now, amount, before);
        }
        Ok(())
    }
}

impl crate::Bank for Bank {
    type Snapshot = Snapshot;

    fn transfer(&self, numbers: Range<usize>) -> Result<(), Failure> {
        let now = self.now.read().map_err(poisoned)?;
        let mut touched = Vec::new();
        for number in numbers {
            let transfer = Transfer::new(number, self.accounts.len());
            self.transfer_one(transfer, *now, &mut touched)?;
        }
        let mut garbage = self.garbage.lock().map_err(poisoned)?;
        match garbage.back_mut() {
            Some((version, accounts)) if *version == *now => accounts.append(&mut touched),
            _ => garbage.push_back((*now, touched)),
        }
        Ok(())
    }

    fn tick(&self) -> Result<(), Failure> {
        let mut now = self.now.write().map_err(poisoned)?;
        let complete = *now;
        *now += 1;
        // Before the next reader comes, which would take a version that is complete.
        let readers = self.readers.lock().map_err(poisoned)?;
        let oldest_read = readers.keys().next().copied().unwrap_or(complete);
        drop((now, readers));
        let mut garbage = self.garbage.lock().map_err(poisoned)?;
        let over = garbage.partition_point(|(version, _)| *version <= oldest_read);
        let over: Vec<_> = garbage.drain(..over).collect();
        drop(garbage);
        for account in over.into_iter().flat_map(|(_, accounts)| accounts) {
            let mut account = self.accounts.lock(account)?;
            account.before.retain(|(version, _)| *version > oldest_read);
        }
        Ok(())
    }

    fn snapshot(&self) -> Result<Snapshot, Failure> {
        let now = self.now.read().map_err(poisoned)?;
        let version = *now - 1;
        let mut readers = self.readers.lock().map_err(poisoned)?;
        *readers.entry(version).or_default() += 1;
        Ok(Snapshot {
            version,
            readers: self.readers.clone(),
        })
    }

    fn balances(&self, snapshot: &Snapshot) -> Result<Vec<i64>, Failure> {
        let read = |(number, name): (usize, &[u8])| {
            let account = self.accounts.lock(number)?;
            match account.seen_at(snapshot.version) {
                Err(balance) => Ok(balance),
                Ok(before) => parse(before, name),
            }
        };
        self.names.iter().enumerate().map(read).collect()
    }

    fn report(&self) -> String {
        String::new()
    }
}
