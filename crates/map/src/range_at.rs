//! `RangeAt`: of each key in a range, the newest record that is not newer than a version.

use std::fmt;
use std::iter::FusedIterator;

use crate::entry::Entry;
use crate::range::Range;
use crate::tree::record::Record;

/// Iterates over the newest record of each key that is not newer than a version, from both ends; from
/// [`ArenaMap::range_at`](crate::ArenaMap::range_at). It goes past all other versions, one by one.
///
/// ```
/// # use epoch_arena_map::{ArenaMap, RangeAt};
/// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
/// map.insert(b"a", 1, b"old")?;
/// map.insert(b"a", 2, b"new")?;
/// map.insert(b"b", 3, b"later")?;
/// let mut at_two: RangeAt<'_> = map.range_at("".., 2);
/// assert_eq!(at_two.next().unwrap().value(), b"new");
/// assert!(at_two.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RangeAt<'m> {
    records: Range<'m>,
    at: u64,
    /// The last record that came from the front, and from the back.
    first: Option<Record<'m>>,
    last: Option<Record<'m>>,
}

impl<'m> RangeAt<'m> {
    pub(crate) fn new(records: Range<'m>, at: u64) -> Self {
        Self {
            records,
            at,
            first: None,
            last: None,
        }
    }

    /// Goes on with the first key, in the range, that is not less than `key`; never back.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// for key in ["a", "b", "c"] {
    ///     map.insert(key.as_bytes(), 0, b"")?;
    /// }
    /// let mut range = map.range_at("a".., 0);
    /// range.seek("bb");
    /// assert_eq!(range.next().unwrap().key(), b"c");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn seek(&mut self, key: impl AsRef<[u8]>) {
        self.records.seek(key);
    }
}

impl<'m> Iterator for RangeAt<'m> {
    type Item = Entry<'m>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'m>> {
        loop {
            let record = self.records.next_record()?;
            // Its key came from the back, before this record was inserted or as it is too new.
            if self.last.is_some_and(|last| record.same_key(last)) {
                return None;
            }
            let older = |first: Record<'_>| record.same_key(first);
            if record.version() <= self.at && !self.first.is_some_and(older) {
                self.first = Some(record);
                return Some(self.records.entry(record));
            }
        }
    }
}

impl<'m> DoubleEndedIterator for RangeAt<'m> {
    fn next_back(&mut self) -> Option<Entry<'m>> {
        // From the oldest record of a key to the newest one that is not too new.
        let mut best: Option<Record<'m>> = None;
        while let Some(record) = self.records.peek_back() {
            let too_new = record.version() > self.at;
            if best.is_some_and(|best| too_new || !record.same_key(best)) {
                break;
            }
            self.records.take_back(record);
            if !too_new {
                best = Some(record);
            }
        }
        // If a newer record of its key came from the front, so did all keys before it.
        let come = |best: &Record<'m>| !self.first.is_some_and(|first| best.same_key(first));
        let best = best.filter(come)?;
        self.last = Some(best);
        Some(self.records.entry(best))
    }
}

impl FusedIterator for RangeAt<'_> {}

impl fmt::Debug for RangeAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeAt")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
