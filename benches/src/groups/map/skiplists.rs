//! Skip lists: crossbeam's with boxes, the memtable that lsm-tree makes of it, and skl's in an arena.

use std::ops::Bound::{Included, Unbounded};

use super::{Map, Scan, Size, first, sum};

/// crossbeam's, with a box for each key and each value.
#[cfg(feature = "peer-skiplist")]
#[derive(Default)]
pub struct Boxed(std::sync::Arc<BoxedMap>);

#[cfg(feature = "peer-skiplist")]
type BoxedMap = crossbeam_skiplist::SkipMap<Box<[u8]>, Box<[u8]>>;

#[cfg(feature = "peer-skiplist")]
impl Map for Boxed {
    fn new(_size: Size) -> Self {
        Self::default()
    }

    fn share(&self) -> Option<Self> {
        Some(Self(self.0.clone()))
    }

    fn put(&mut self, key: &[u8], value: &[u8], _version: u64) {
        self.0.insert(key.into(), value.into());
    }

    fn get(&self, key: &[u8]) -> u64 {
        let entry = self.0.get(key);
        entry.map_or(0, |entry| first(entry.value()))
    }

    fn scan(&self, scan: Scan<'_>) -> u64 {
        let from = |key| self.0.range::<[u8], _>((Included(key), Unbounded));
        sum(scan, || self.0.iter(), from, |entry| first(entry.value()))
    }
}

/// lsm-tree's: versions, and slices that are cloned out of it. Its ranges are not public.
#[cfg(feature = "peer-lsm-tree")]
pub struct Memtable(std::sync::Arc<lsm_tree::Memtable>);

#[cfg(feature = "peer-lsm-tree")]
impl Map for Memtable {
    const LACKS: &'static [&'static str] = &["range", "e"];

    fn new(_size: Size) -> Self {
        Self(std::sync::Arc::new(lsm_tree::Memtable::new(0)))
    }

    fn share(&self) -> Option<Self> {
        Some(Self(self.0.clone()))
    }

    fn put(&mut self, key: &[u8], value: &[u8], version: u64) {
        use lsm_tree::{InternalValue, ValueType};
        let record = InternalValue::from_components(key, value, version, ValueType::Value);
        self.0.insert(record);
    }

    fn get(&self, key: &[u8]) -> u64 {
        let record = self.0.get(key, lsm_tree::SeqNo::MAX);
        record.map_or(0, |record| first(&record.value))
    }

    fn scan(&self, scan: Scan<'_>) -> u64 {
        let records = self.0.iter();
        match scan {
            Scan::Forward => records.map(|record| first(&record.value)).sum(),
            Scan::Backward => records.rev().map(|record| first(&record.value)).sum(),
            Scan::From(..) => unreachable!("it lacks ranges"),
        }
    }
}

/// skl's: versions, in an arena of fixed size.
#[cfg(feature = "peer-skl")]
pub struct Skl(skl::dynamic::multiple_version::sync::SkipMap);

#[cfg(feature = "peer-skl")]
impl Map for Skl {
    fn new(size: Size) -> Self {
        // Its nodes have up to twenty levels of eight bytes; most have one or two.
        let room = size.bytes * 2 + size.records * 256 + (1 << 20);
        let room = u32::try_from(room).expect("skl's arenas stay below 4 GiB");
        let map = skl::dynamic::Builder::new().with_capacity(room).alloc();
        Self(map.expect("memory for the arena"))
    }

    fn share(&self) -> Option<Self> {
        Some(Self(self.0.clone()))
    }

    fn put(&mut self, key: &[u8], value: &[u8], version: u64) {
        use skl::dynamic::multiple_version::Map;
        let inserted = self.0.insert(version, key, value);
        inserted.expect("the arena has room");
    }

    fn get(&self, key: &[u8]) -> u64 {
        use skl::dynamic::multiple_version::Map;
        let entry = self.0.get(u64::MAX, key);
        entry.map_or(0, |entry| first(entry.value()))
    }

    fn scan(&self, scan: Scan<'_>) -> u64 {
        use skl::dynamic::multiple_version::Map;
        let from = |key| {
            self.0
                .range::<[u8], _>(u64::MAX, (Included(key), Unbounded))
        };
        let all = || self.0.iter(u64::MAX);
        sum(scan, all, from, |entry| first(entry.value()))
    }
}
