//! Memtables with a heap allocation for each key and each value.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use crossbeam_skiplist::SkipMap;

use crate::shared::input::Lines;
use crate::shared::{Failure, poisoned};
use crate::sorted::SortedFile;
use crate::{Engine, Frozen, value_of};

pub struct Memtables {
    current: RwLock<Arc<Memtable>>,
    full: usize,
}

#[derive(Default)]
pub struct Memtable {
    map: SkipMap<Box<[u8]>, Box<[u8]>>,
    puts: AtomicUsize,
}

impl Memtables {
    pub fn new(full: usize) -> Self {
        Self {
            current: RwLock::default(),
            full,
        }
    }
}

impl Engine for Memtables {
    type Table = Memtable;

    fn put(&self, lines: &Lines, numbers: Range<usize>) -> Result<Frozen<Self>, Failure> {
        // Held for the whole batch: that is how a memtable knows that its writers are gone.
        let table = self.current.read().map_err(poisoned)?;
        for number in numbers.clone() {
            let value = value_of(number).into_bytes();
            table
                .map
                .insert(lines[number].to_vec().into_boxed_slice(), value.into());
        }
        // Relaxed: only a count; the lock publishes the entries.
        let before = table.puts.fetch_add(numbers.len(), Ordering::Relaxed);
        // One writer crosses the line.
        let fills = before < self.full && before + numbers.len() >= self.full;
        drop(table);
        fills.then(|| self.freeze()).transpose()
    }

    fn freeze(&self) -> Result<Arc<Memtable>, Failure> {
        let mut current = self.current.write().map_err(poisoned)?;
        Ok(std::mem::take(&mut *current))
    }

    fn flush(&self, table: &Memtable, file: &mut SortedFile) -> Result<(), Failure> {
        for entry in table.map.iter() {
            file.push(entry.key(), entry.value())?;
        }
        Ok(())
    }

    fn discard(&self, table: Arc<Memtable>) {
        drop(table);
    }

    fn report(&self) -> String {
        String::new()
    }
}
