//! scc's B+ tree and hash index.

use ::scc::hash_index::Entry;
use ::scc::{HashIndex, TreeIndex};

use super::Engine;
use super::bytes::Bytes;

/// An ordered map. It clones keys when a leaf splits.
pub struct Tree<B: Bytes> {
    bytes: B,
    map: TreeIndex<B::Key, B::Value>,
}

impl<B: Bytes> Tree<B> {
    /// An empty map.
    pub fn new(bytes: B) -> Self {
        let map = TreeIndex::new();
        Self { bytes, map }
    }
}

impl<B: Bytes> Engine for Tree<B>
where
    B::Key: Clone,
    B::Value: Clone,
{
    fn put(&self, key: &[u8], value: &[u8]) {
        let (key, value) = self.bytes.record(key, value);
        self.map.upsert_sync(key, value);
    }

    fn read(&self, key: &[u8]) -> Option<u64> {
        self.map.peek_with(key, |_, value| self.bytes.look(value))
    }
}

/// A hash map whose readers take no lock.
pub struct Hash<B: Bytes> {
    bytes: B,
    map: HashIndex<B::Key, B::Value>,
}

impl<B: Bytes> Hash<B> {
    /// An empty map.
    pub fn new(bytes: B) -> Self {
        let map = HashIndex::new();
        Self { bytes, map }
    }
}

impl<B: Bytes> Engine for Hash<B>
where
    B::Key: Clone,
    B::Value: Clone,
{
    fn put(&self, key: &[u8], value: &[u8]) {
        let (key, value) = self.bytes.record(key, value);
        match self.map.entry_sync(key) {
            Entry::Occupied(mut entry) => entry.update(value),
            Entry::Vacant(entry) => drop(entry.insert_entry(value)),
        }
    }

    fn read(&self, key: &[u8]) -> Option<u64> {
        self.map.peek_with(key, |_, value| self.bytes.look(value))
    }
}
