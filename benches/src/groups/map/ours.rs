//! `ArenaMap`, in a pool with default settings: insert by insert, and by a `Writer`.

use std::sync::Arc;

use epoch_arena::ArenaPool;
use epoch_arena_map::{ArenaMap, Entry};

use super::{Map, Scan, Size, first, sum};

/// A map; with `WRITER`, each thread loads by one writer under one pin.
pub struct Ours<const WRITER: bool>(Arc<ArenaMap>);

impl<const WRITER: bool> Map for Ours<WRITER> {
    fn new(_size: Size) -> Self {
        let pool = ArenaPool::builder().build().expect("the defaults build");
        Self(Arc::new(
            ArenaMap::new(&pool).expect("there is memory for it"),
        ))
    }

    fn share(&self) -> Option<Self> {
        Some(Self(self.0.clone()))
    }

    fn put(&mut self, key: &[u8], value: &[u8], version: u64) {
        let inserted = self.0.insert(key, version, value);
        inserted.expect("no budget is set, and no two versions are equal");
    }

    fn load<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>, value: &[u8]) {
        if !WRITER {
            return keys.for_each(|key| self.put(key, value, 0));
        }
        let guard = self.0.pool().pin();
        let mut writer = self.0.writer(&guard);
        keys.for_each(|key| {
            let inserted = writer.insert(key, 0, value);
            inserted.expect("no budget is set, and no two keys are equal");
        });
    }

    fn get(&self, key: &[u8]) -> u64 {
        let entry = self.0.get(key, u64::MAX);
        entry.map_or(0, |entry| first(entry.value()))
    }

    fn scan(&self, scan: Scan<'_>) -> u64 {
        // As a reader of an engine does: the newest version of each key.
        let from = |key| self.0.range_at(key.., u64::MAX);
        let value = |entry: Entry<'_>| first(entry.value());
        sum(scan, || self.0.iter(), from, value)
    }
}
