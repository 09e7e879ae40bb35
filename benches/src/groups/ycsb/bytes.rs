//! The types of keys and values.

use std::borrow::Borrow;
use std::hash::Hash;
#[cfg(any(feature = "peer-scc", feature = "peer-skiplist"))]
use std::sync::Arc;

use epoch_arena::{ArenaHandle, ArenaKey, ArenaPool, Lease, OwnedKey};

/// Makes a map's keys and values of bytes.
pub trait Bytes: Send + Sync + 'static {
    /// A key: compared and hashed as its bytes are.
    type Key: Borrow<[u8]> + Ord + Hash + Send + Sync + 'static;
    /// A value.
    type Value: Send + Sync + 'static;

    /// A record.
    fn record(&self, key: &[u8], value: &[u8]) -> (Self::Key, Self::Value);

    /// The result of a read.
    fn look(&self, value: &Self::Value) -> u64;
}

fn first(value: &[u8]) -> u64 {
    value.first().copied().map_or(0, u64::from)
}

/// A heap allocation each.
#[derive(Debug)]
pub struct Boxed;

impl Bytes for Boxed {
    type Key = Box<[u8]>;
    type Value = Box<[u8]>;

    fn record(&self, key: &[u8], value: &[u8]) -> (Box<[u8]>, Box<[u8]>) {
        (key.into(), value.into())
    }

    fn look(&self, value: &Box<[u8]>) -> u64 {
        first(value)
    }
}

/// A heap allocation each, with a reference count: for maps that clone keys and values.
#[cfg(any(feature = "peer-scc", feature = "peer-skiplist"))]
#[derive(Debug)]
pub struct Arcs;

#[cfg(any(feature = "peer-scc", feature = "peer-skiplist"))]
impl Bytes for Arcs {
    type Key = Arc<[u8]>;
    type Value = Arc<[u8]>;

    fn record(&self, key: &[u8], value: &[u8]) -> (Arc<[u8]>, Arc<[u8]>) {
        (key.into(), value.into())
    }

    fn look(&self, value: &Arc<[u8]>) -> u64 {
        first(value)
    }
}

/// This library, as a memtable uses it: the map is one epoch's. Its keys hold the epoch, and one lease of the map's
/// own reads the values.
#[derive(Debug)]
pub struct InArena {
    pool: ArenaPool,
    lease: Lease,
}

impl InArena {
    /// An empty epoch.
    pub fn new() -> Self {
        let pool = ArenaPool::builder()
            .build()
            .expect("the default settings build");
        let lease = pool
            .lease(pool.current_epoch())
            .expect("the current epoch is live");
        Self { pool, lease }
    }
}

impl Bytes for InArena {
    type Key = OwnedKey;
    type Value = ArenaHandle;

    fn record(&self, key: &[u8], value: &[u8]) -> (OwnedKey, ArenaHandle) {
        let guard = self.pool.pin();
        let key = ArenaKey::copy_from(key, &guard).expect("no budget is set");
        let value = guard.alloc_copy(value).expect("no budget is set");
        let key = OwnedKey::new(key, self.lease.clone()).expect("there is one epoch only");
        (key, value)
    }

    fn look(&self, value: &ArenaHandle) -> u64 {
        first(self.lease.get(*value).expect("the lease holds it"))
    }
}
