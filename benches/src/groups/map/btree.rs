//! The standard library's B tree: alone, for one thread, and behind a lock.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Map, Scan, Size, first, sum};

type Tree = BTreeMap<Box<[u8]>, Box<[u8]>>;

impl Map for Tree {
    fn new(_size: Size) -> Self {
        Self::new()
    }

    fn share(&self) -> Option<Self> {
        None
    }

    fn put(&mut self, key: &[u8], value: &[u8], _version: u64) {
        self.insert(key.into(), value.into());
    }

    fn get(&self, key: &[u8]) -> u64 {
        Self::get(self, key).map_or(0, |value| first(value))
    }

    fn scan(&self, scan: Scan<'_>) -> u64 {
        let from = |key| self.range::<[u8], _>((Bound::Included(key), Bound::Unbounded));
        sum(scan, || self.iter(), from, |(_, value)| first(value))
    }
}

/// The same behind a lock.
#[derive(Default)]
pub struct Locked(Arc<RwLock<Tree>>);

impl Locked {
    fn read(&self) -> RwLockReadGuard<'_, Tree> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tree> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Map for Locked {
    fn new(_size: Size) -> Self {
        Self::default()
    }

    fn share(&self) -> Option<Self> {
        Some(Self(self.0.clone()))
    }

    fn put(&mut self, key: &[u8], value: &[u8], _version: u64) {
        // Made before the lock is taken.
        let (key, value) = (key.into(), value.into());
        self.write().insert(key, value);
    }

    fn get(&self, key: &[u8]) -> u64 {
        Map::get(&*self.read(), key)
    }

    fn scan(&self, scan: Scan<'_>) -> u64 {
        self.read().scan(scan)
    }
}
