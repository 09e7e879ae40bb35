//! The standard library's B tree behind a lock: the obvious solution, which needs no peer.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::Engine;
use super::bytes::Bytes;

/// A map of keys and values that `B` makes.
pub struct Map<B: Bytes> {
    bytes: B,
    map: RwLock<BTreeMap<B::Key, B::Value>>,
}

impl<B: Bytes> Map<B> {
    /// An empty map.
    pub fn new(bytes: B) -> Self {
        let map = RwLock::default();
        Self { bytes, map }
    }
}

impl<B: Bytes> Engine for Map<B> {
    fn put(&self, key: &[u8], value: &[u8]) {
        let (key, value) = self.bytes.record(key, value);
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.insert(key, value);
    }

    fn read(&self, key: &[u8]) -> Option<u64> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.get(key).map(|value| self.bytes.look(value))
    }
}
