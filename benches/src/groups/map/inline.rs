//! Trees that keep keys in their nodes: scc's, concurrent-map's and blart's. Keys of one length are arrays, the best case;
//! others are vectors.

use std::borrow::Borrow;

use super::{Map, Scan, Size, first, sum};

/// A key as such a tree keeps it, and as it is looked for.
pub trait Key: Borrow<Self::Probe> + Ord + Clone + Send + Sync + 'static {
    /// What is compared with it.
    type Probe: Ord + ?Sized;
    /// A key.
    fn key(bytes: &[u8]) -> Self;
    /// The bytes, to be looked for.
    fn probe(bytes: &[u8]) -> &Self::Probe;
}

impl<const N: usize> Key for [u8; N] {
    type Probe = Self;

    fn key(bytes: &[u8]) -> Self {
        *Self::probe(bytes)
    }

    fn probe(bytes: &[u8]) -> &Self {
        bytes.try_into().expect("all keys have this length")
    }
}

impl Key for Vec<u8> {
    type Probe = [u8];

    fn key(bytes: &[u8]) -> Self {
        bytes.to_vec()
    }

    fn probe(bytes: &[u8]) -> &[u8] {
        bytes
    }
}

/// scc's B+ tree. It clones keys and values when a leaf splits, so the values count their owners.
#[cfg(feature = "peer-scc")]
pub struct TreeIndex<K>(std::sync::Arc<scc::TreeIndex<K, std::sync::Arc<[u8]>>>);

#[cfg(feature = "peer-scc")]
impl<K: Key> Map for TreeIndex<K> {
    fn new(_size: Size) -> Self {
        Self(std::sync::Arc::default())
    }

    fn share(&self) -> Option<Self> {
        Some(Self(self.0.clone()))
    }

    fn put(&mut self, key: &[u8], value: &[u8], _version: u64) {
        self.0.upsert_sync(K::key(key), value.into());
    }

    fn load<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>, value: &[u8]) {
        keys.for_each(|key| {
            let inserted = self.0.insert_sync(K::key(key), value.into());
            assert!(inserted.is_ok(), "no two keys are equal");
        });
    }

    fn get(&self, key: &[u8]) -> u64 {
        let found = self.0.peek_with(K::probe(key), |_, value| first(value));
        found.unwrap_or(0)
    }

    fn scan(&self, scan: Scan<'_>) -> u64 {
        let guard = scc::Guard::new();
        let from = |key| self.0.range(K::key(key).., &guard);
        sum(
            scan,
            || self.0.iter(&guard),
            from,
            |(_, value)| first(value),
        )
    }
}

/// komora's B+ tree. A get clones the value, so the values count their owners.
#[cfg(feature = "peer-concurrent-map")]
pub struct Concurrent<K>(concurrent_map::ConcurrentMap<K, std::sync::Arc<[u8]>>)
where
    K: Key + concurrent_map::Minimum;

#[cfg(feature = "peer-concurrent-map")]
impl<K: Key + concurrent_map::Minimum> Map for Concurrent<K> {
    fn new(_size: Size) -> Self {
        Self(concurrent_map::ConcurrentMap::new())
    }

    fn share(&self) -> Option<Self> {
        Some(Self(self.0.clone()))
    }

    fn put(&mut self, key: &[u8], value: &[u8], _version: u64) {
        self.0.insert(K::key(key), value.into());
    }

    fn get(&self, key: &[u8]) -> u64 {
        let value = self.0.get(K::probe(key));
        value.map_or(0, |value| first(&value))
    }

    fn scan(&self, scan: Scan<'_>) -> u64 {
        let from = |key| self.0.range::<K, _>(K::key(key)..);
        sum(scan, || self.0.iter(), from, |(_, value)| first(&value))
    }
}

/// blart's adaptive radix tree, for one thread.
#[cfg(feature = "peer-blart")]
pub struct Radix<K>(blart::TreeMap<K, Box<[u8]>>);

#[cfg(feature = "peer-blart")]
impl<K: Key<Probe: blart::AsBytes> + blart::AsBytes> Map for Radix<K> {
    fn new(_size: Size) -> Self {
        Self(blart::TreeMap::new())
    }

    fn share(&self) -> Option<Self> {
        None
    }

    fn put(&mut self, key: &[u8], value: &[u8], _version: u64) {
        let inserted = self.0.try_insert(K::key(key), value.into());
        inserted.expect("no key is the beginning of another");
    }

    fn get(&self, key: &[u8]) -> u64 {
        let value = self.0.get(K::probe(key));
        value.map_or(0, |value| first(value))
    }

    fn scan(&self, scan: Scan<'_>) -> u64 {
        let from = |key| {
            let from = std::ops::Bound::Included(K::probe(key));
            self.0.range((from, std::ops::Bound::Unbounded))
        };
        sum(scan, || self.0.iter(), from, |(_, value)| first(value))
    }
}
