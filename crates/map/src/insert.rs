//! How a record gets into a map: memory first, then the lock of its leaf.

use epoch_arena_pool::{ArenaGuard, RawError};

use crate::error::InsertError;
use crate::map::ArenaMap;
use crate::sums::{self, Room};
use crate::sync::{Step, at};
use crate::tree::key::Target;
use crate::tree::leaf::Append;
use crate::tree::page::Page;
use crate::tree::page::draft::Fresh;
use crate::tree::page::locked::Locked;
use crate::tree::place::Place;
use crate::tree::record::Record;

impl ArenaMap {
    /// Inserts a record. Pins this thread; for many records, [`writer`](Self::writer) pins once.
    ///
    /// # Errors
    ///
    /// [`InsertError`]; no reader sees a difference then.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// map.insert(b"key", 1, b"value")?;
    /// assert_eq!(map.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn insert(&self, key: &[u8], version: u64, value: &[u8]) -> Result<(), InsertError> {
        let guard = self.pool().pin();
        self.put(&guard, None, key, version, value).map(drop)
    }

    /// Memory for a page.
    fn fresh(&self, guard: &ArenaGuard<'_>) -> Result<Fresh<'_>, RawError> {
        let slots = self.shape.page;
        let first = guard.alloc_raw(self.epoch(), Fresh::size(slots), Fresh::ALIGN)?;
        // SAFETY: 1. just allocated with this size and alignment, and used for this alone; 2. of the map's
        // epoch, which its lease holds; 3. a shape is like that.
        Ok(unsafe { Fresh::new(first, slots) })
    }

    /// Inserts a record, into `near` if that is its leaf; where it went. `guard` may be of any pool.
    pub(crate) fn put<'m>(
        &'m self,
        guard: &ArenaGuard<'_>,
        near: Option<Page<'m>>,
        key: &[u8],
        version: u64,
        value: &[u8],
    ) -> Result<Page<'m>, InsertError> {
        let target = Target::new(key, version);
        let near = near.and_then(|leaf| Place::of_leaf(leaf, &target));
        let mut place = near.unwrap_or_else(|| self.index.find(&target));
        let record = self.write(guard, key, version, value)?;
        // Memory is taken before a lock is: what gives it may be a user's code.
        let mut memory = None;
        let (mut steps, mut entered) = (0_u32, false);
        loop {
            while place.goes_right(place.page.next(), &target) {
                place.step(place.page.next());
                steps += 1;
            }
            let leaf = place.page.lock();
            if place.goes_right(leaf.page().next(), &target) {
                continue; // it was split just now
            }
            let alone = match leaf.append(&target, record) {
                Append::Done => {
                    self.count.add(1, record.bytes());
                    break;
                }
                Append::Exists => return Err(InsertError::Exists),
                Append::Full { alone } => alone,
            };
            let Some((fresh, room)) = memory.take() else {
                drop(leaf);
                memory = Some((self.fresh(guard)?, self.room(guard)?));
                continue;
            };
            self.begin_count(&leaf, room);
            let right = if alone {
                leaf.extend(fresh, record)
            } else {
                leaf.split(fresh)
            };
            let records = u64::from(alone);
            let bytes = if alone { record.bytes() } else { 0 };
            self.count
                .add(records, bytes + Fresh::size(self.shape.page));
            drop(leaf);
            at(Step::Split);
            entered = true;
            self.enter(guard, right);
            if alone {
                place.page = right;
                break;
            }
            place = Place::unknown(place.page);
        }
        if steps != 0 && !entered {
            // The index did not lead here: perhaps there was no memory when this leaf was split.
            self.enter(guard, place.page);
        }
        Ok(place.page)
    }

    /// Tells the index of a leaf. If that fails for want of memory, or as the pool has advanced, the leaf is
    /// found from its left.
    fn enter<'m>(&'m self, guard: &ArenaGuard<'_>, leaf: Page<'m>) {
        let _ = self.index.enter(leaf, || self.fresh(guard));
    }

    /// Writes a record that no other thread knows yet.
    #[inline]
    fn write(
        &self,
        guard: &ArenaGuard<'_>,
        key: &[u8],
        version: u64,
        value: &[u8],
    ) -> Result<Record<'_>, InsertError> {
        // What cannot be counted is too long, which the allocation says.
        let size = Record::size(key.len(), value.len()).unwrap_or(usize::MAX);
        let first = guard.alloc_raw(self.epoch(), size, Record::ALIGN)?;
        // SAFETY: 1. just allocated, and no handle or other use is made of them; 2. of the map's
        // epoch, which its lease holds.
        Ok(unsafe { Record::write(first, key, version, value) })
    }

    /// Memory for the counters, if there are none.
    fn room(&self, guard: &ArenaGuard<'_>) -> Result<Option<Room<'_>>, RawError> {
        if self.count.has_begun() {
            return Ok(None);
        }
        let first = guard.alloc_raw(self.epoch(), sums::SIZE, sums::ALIGN)?;
        // SAFETY: 1. just allocated with this size and alignment; 2. of the map's epoch, which its lease
        // holds.
        Ok(Some(unsafe { Room::new(first) }))
    }

    /// Before the first split, under the lock of the only leaf: counts what is in it.
    fn begin_count(&self, leaf: &Locked<'_>, room: Option<Room<'_>>) {
        if let Some(room) = room.filter(|_| !self.count.has_begun()) {
            debug_assert!(leaf.page() == self.index.first());
            // SAFETY: of the map's epoch, which is held for as long as the map.
            unsafe { self.count.begin(room, self.only_leaf()) };
        }
    }
}
