//! Accounts, as both sides have them: the balance in place, and its earlier values.

use std::sync::{Mutex, MutexGuard};

use crate::START;
use crate::shared::{Failure, poisoned, scatter};

/// Money on its way.
#[derive(Clone, Copy)]
pub struct Transfer {
    pub from: usize,
    pub to: usize,
    pub amount: i64,
}

impl Transfer {
    /// The transfer of that number: every other one is among a sixteenth of the accounts.
    pub fn new(number: usize, accounts: usize) -> Self {
        let few = if number.is_multiple_of(2) {
            accounts.div_ceil(16)
        } else {
            accounts
        };
        let random = scatter(number);
        let (from, to) = (random as u32 as usize, (random >> 32) as usize);
        Self {
            from: from % few,
            to: to % few,
            amount: (random % 100) as i64,
        }
    }
}

/// An account; `E` is the number of a version, `V` where the bytes of an older one are.
pub struct Account<E, V> {
    pub balance: i64,
    /// The version in which the balance was changed last.
    pub changed: Option<E>,
    /// The balance before a version first changed it, with that version; oldest first.
    pub before: Vec<(E, V)>,
}

impl<E: Copy + Ord, V> Account<E, V> {
    /// The view of a reader of version `at`: the balance, or the bytes of an earlier one.
    pub fn seen_at(&self, at: E) -> Result<&V, i64> {
        let later = self.before.iter().find(|(version, _)| *version > at);
        later.map(|(_, bytes)| bytes).ok_or(self.balance)
    }

    /// Whether a change in version `now` overwrites a value that readers may see.
    pub fn is_first_change(&self, now: E) -> bool {
        self.changed != Some(now)
    }

    /// Changes the balance in version `now`; `before` is the value to keep, if `is_first_change` asked for it.
    pub fn change(&mut self, now: E, amount: i64, before: Option<V>) {
        self.before.extend(before.map(|bytes| (now, bytes)));
        self.changed = Some(now);
        self.balance += amount;
    }
}

/// All accounts, each behind a lock of its own.
pub struct Accounts<E, V>(Vec<Mutex<Account<E, V>>>);

/// An account that is locked.
pub type Locked<'a, E, V> = MutexGuard<'a, Account<E, V>>;

impl<E, V> Accounts<E, V> {
    pub fn new(count: usize) -> Self {
        let account = |_| {
            Mutex::new(Account {
                balance: START,
                changed: None,
                before: Vec::new(),
            })
        };
        Self((0..count).map(account).collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn lock(&self, account: usize) -> Result<Locked<'_, E, V>, Failure> {
        self.0[account].lock().map_err(poisoned)
    }

    /// Locks both sides of a transfer, in the order of their numbers, so that no two wait for each
    /// other. `None` if they are one.
    pub fn lock_both(&self, transfer: Transfer) -> Result<Option<[Locked<'_, E, V>; 2]>, Failure> {
        let Transfer { from, to, .. } = transfer;
        Ok(match from.cmp(&to) {
            std::cmp::Ordering::Less => {
                let from = self.lock(from)?;
                Some([from, self.lock(to)?])
            }
            std::cmp::Ordering::Greater => {
                let to = self.lock(to)?;
                Some([self.lock(from)?, to])
            }
            std::cmp::Ordering::Equal => None,
        })
    }
}

/// Reads a version's bytes: a balance, then the account's name, which is checked.
pub fn parse(bytes: &[u8], name: &[u8]) -> Result<i64, Failure> {
    match bytes.split_first_chunk() {
        Some((balance, rest)) if rest == name => Ok(i64::from_be_bytes(*balance)),
        _ => Err(format!(
            "a version of {} reads {}",
            name.escape_ascii(),
            bytes.escape_ascii()
        )
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_what_was_before_the_next_version_of_an_account() {
        let accounts: Accounts<u32, &str> = Accounts::new(1);
        let mut account = accounts.lock(0).unwrap();
        assert!(account.is_first_change(3));
        account.change(3, 10, Some("before 3"));
        assert!(!account.is_first_change(3));
        account.change(3, 10, None);
        account.change(5, 1, Some("before 5"));
        assert_eq!(account.seen_at(2), Ok(&"before 3"));
        assert_eq!(
            [account.seen_at(3), account.seen_at(4)],
            [Ok(&"before 5"); 2]
        );
        assert_eq!(account.seen_at(5), Err(START + 21));
    }

    #[test]
    fn an_account_sends_itself_nothing() {
        let accounts: Accounts<u32, ()> = Accounts::new(2);
        let transfer = |from, to| Transfer {
            from,
            to,
            amount: 1,
        };
        assert!(accounts.lock_both(transfer(1, 1)).unwrap().is_none());
        for (from, to) in [(0, 1), (1, 0)] {
            let [mut from, to] = accounts.lock_both(transfer(from, to)).unwrap().unwrap();
            from.balance -= 5;
            assert!(to.balance > from.balance, "in the order that was asked for");
            from.balance += 5;
        }
    }
}
