//! crossbeam's skip list: ordered, with a node per key.

use crossbeam_skiplist::SkipMap;

use super::Engine;
use super::bytes::Bytes;

/// A map of keys and values that `B` makes.
pub struct Map<B: Bytes> {
    bytes: B,
    map: SkipMap<B::Key, B::Value>,
}

impl<B: Bytes> Map<B> {
    /// An empty map.
    pub fn new(bytes: B) -> Self {
        let map = SkipMap::new();
        Self { bytes, map }
    }
}

impl<B: Bytes> Engine for Map<B> {
    fn put(&self, key: &[u8], value: &[u8]) {
        let (key, value) = self.bytes.record(key, value);
        self.map.insert(key, value);
    }

    fn read(&self, key: &[u8]) -> Option<u64> {
        let entry = self.map.get(key)?;
        Some(self.bytes.look(entry.value()))
    }
}
