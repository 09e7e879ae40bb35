//! The users of a memory, and the bytes of each.

use std::fmt;
use std::panic::Location;

use crate::bytes::{Bytes, Count};
use crate::memory::MemoryStats;
use crate::sync::{Arc, AtomicUsize, Ordering};

/// The bytes of one user of a memory. It is changed under the memory's lock, and read by one load.
#[derive(Debug)]
pub struct Account {
    kind: UserKind,
    place: &'static Location<'static>,
    /// Bytes of its chunks.
    bytes: AtomicUsize,
    /// Bytes of its chunks that are confined.
    confined: AtomicUsize,
    /// Generations that were given up so far, and the bytes they had.
    given: [AtomicUsize; 2],
    /// Where it is among the memory's accounts.
    index: AtomicUsize,
    /// 1 when its owner is gone: then it is listed only as long as it has bytes.
    ended: AtomicUsize,
}

impl Account {
    /// Bytes of its chunks.
    pub fn bytes(&self) -> usize {
        // Relaxed, here and below: figures; changes are made under the memory's lock, by plain stores.
        self.bytes.load(Ordering::Relaxed)
    }

    /// Generations that were given up so far, and the bytes they had.
    pub fn given(&self) -> (usize, usize) {
        let [generations, bytes] = &self.given;
        (
            generations.load(Ordering::Relaxed),
            bytes.load(Ordering::Relaxed),
        )
    }

    /// Bytes of chunks that are confined: those of a quarantine.
    pub fn confined(&self) -> usize {
        self.confined.load(Ordering::Relaxed)
    }

    /// Whether its owner is gone.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed) != 0
    }

    pub(super) fn confine(&self, bytes: usize) {
        self.confined
            .store(self.confined() + bytes, Ordering::Relaxed);
    }

    pub(super) fn add(&self, bytes: usize) {
        self.bytes.store(self.bytes() + bytes, Ordering::Relaxed);
    }

    pub(super) fn take(&self, bytes: usize) {
        self.bytes.store(self.bytes() - bytes, Ordering::Relaxed);
    }

    pub(super) fn give_up(&self, bytes: usize) {
        let (generations, before) = self.given();
        self.given[0].store(generations + 1, Ordering::Relaxed);
        self.given[1].store(before + bytes, Ordering::Relaxed);
    }
}

/// The accounts of a memory, under its lock.
#[derive(Default)]
pub(super) struct Accounts(Vec<Arc<Account>>);

impl Accounts {
    pub fn open(&mut self, kind: UserKind, place: &'static Location<'static>) -> Arc<Account> {
        let account = Arc::new(Account {
            kind,
            place,
            bytes: AtomicUsize::new(0),
            confined: AtomicUsize::new(0),
            given: [AtomicUsize::new(0), AtomicUsize::new(0)],
            index: AtomicUsize::new(self.0.len()),
            ended: AtomicUsize::new(0),
        });
        self.0.push(account.clone());
        account
    }

    /// The owner of the account is gone.
    pub fn end(&mut self, account: &Account) {
        // Relaxed: a thread that acts on it reads it again under the lock.
        account.ended.store(1, Ordering::Relaxed);
        self.close(account);
    }

    /// Takes an account off the list, if its owner is gone and it has no bytes.
    pub fn close(&mut self, account: &Account) {
        if account.bytes() > 0 || !account.is_ended() {
            return;
        }
        // Relaxed, here and below: under the lock.
        let index = account.index.load(Ordering::Relaxed);
        account.index.store(usize::MAX, Ordering::Relaxed);
        if index < self.0.len() {
            self.0.swap_remove(index);
            if let Some(moved) = self.0.get(index) {
                // Relaxed: as above.
                moved.index.store(index, Ordering::Relaxed);
            }
        }
    }

    pub fn users(&self) -> Vec<MemoryUser> {
        let user = |account: &Arc<Account>| MemoryUser {
            kind: account.kind,
            place: account.place,
            bytes: account.bytes(),
        };
        self.0.iter().map(user).collect()
    }
}

/// The kind of a memory's user.
///
/// ```
/// # use epoch_arena_block::UserKind;
/// assert_eq!(UserKind::Pool.to_string(), "pool");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum UserKind {
    /// An `ArenaPool`.
    Pool,
    /// An `EpochArena`.
    Arena,
}

impl fmt::Display for UserKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pool => "pool",
            Self::Arena => "arena",
        })
    }
}

/// One user of a memory, as [`MemoryUsage`] lists it.
///
/// ```
/// # use epoch_arena_block::Memory;
/// # let memory = Memory::builder().build()?;
/// for user in memory.usage().users {
///     println!("{} has {} bytes, made at {}", user.kind, user.bytes, user.place);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MemoryUser {
    /// A pool, or an arena.
    pub kind: UserKind,
    /// Where it was made; serialised as `file:line:column`.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize_place"))]
    pub place: &'static Location<'static>,
    /// Bytes of its chunks, those included that were given up and are still held by guards or leases.
    pub bytes: usize,
}

/// As `file:line:column`.
///
/// # Errors
///
/// The serializer's.
#[cfg(feature = "serde")]
pub fn serialize_place<S: serde::Serializer>(
    place: &Location<'static>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(place)
}

impl fmt::Display for MemoryUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} in the {} of {}",
            Bytes(self.bytes),
            self.kind,
            self.place
        )
    }
}

/// The users of a [`Memory`](crate::Memory) and their bytes, from [`Memory::usage`](crate::Memory::usage).
///
/// ```
/// # use epoch_arena_block::Memory;
/// let memory = Memory::builder().build()?;
/// let block = memory.block(1)?;
/// let usage = memory.usage();
/// assert_eq!((usage.users.len(), usage.memory.in_use), (0, memory.block_size()));
/// println!("{usage}"); // 2.0 MiB reserved ...: 0 users
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct MemoryUsage {
    /// The pools and arenas, the largest first.
    pub users: Vec<MemoryUser>,
    /// The figures of the whole memory.
    pub memory: MemoryStats,
}

impl MemoryUsage {
    pub(super) fn new(mut users: Vec<MemoryUser>, memory: MemoryStats) -> Self {
        users.sort_by_key(|user| std::cmp::Reverse(user.bytes));
        Self { users, memory }
    }
}

impl fmt::Display for MemoryUsage {
    /// The ten that use most, and how much the others use together.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 10;
        write!(f, "{}: {}", self.memory, Count(self.users.len(), "user"))?;
        for user in self.users.iter().take(SHOWN) {
            write!(f, "\n{user}")?;
        }
        if let Some(rest) = self.users.get(SHOWN..).filter(|rest| !rest.is_empty()) {
            let bytes = rest.iter().map(|user| user.bytes).sum();
            write!(f, "\n{} in {} more", Bytes(bytes), rest.len())?;
        }
        Ok(())
    }
}
