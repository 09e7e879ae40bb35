//! `Range`: records in order, from both ends, leaf by leaf.

use std::cmp::Ordering;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::Bound;

use crate::entry::Entry;
use crate::map::ArenaMap;
use crate::tree::entries::{self, Entries};
use crate::tree::key::Target;
use crate::tree::page::{MOST_SLOTS, Page};
use crate::tree::record::Record;

/// The records of a leaf at one moment, in order, as far as they are still to come: `at .. end`.
struct Window<'m> {
    /// None before the first leaf.
    page: Option<Page<'m>>,
    /// The leaf behind it at that moment.
    next: Option<Page<'m>>,
    at: usize,
    end: usize,
    entries: Entries<'m>,
}

impl<'m> Window<'m> {
    fn new() -> Self {
        Self {
            page: None,
            next: None,
            at: 0,
            end: 0,
            entries: [entries::Entry::NONE; MOST_SLOTS],
        }
    }

    fn load(&mut self, page: Page<'m>) {
        self.page = Some(page);
        self.at = 0;
        (self.end, self.next) = page.copy_sorted(&mut self.entries);
    }

    fn left(&self) -> &[entries::Entry<'m>] {
        &self.entries[self.at..self.end]
    }

    /// How many of those that are left, from the front, are as `is` says.
    fn count(&self, is: impl Fn(Record<'m>) -> bool) -> usize {
        self.left()
            .partition_point(|entry| entry.record.is_some_and(&is))
    }
}

/// Iterates over the records in a range, from both ends; from [`ArenaMap::range`] and
/// [`ArenaMap::iter`].
///
/// It has every record that was in the map when it was made, each once and in order. It copies the places of
/// a leaf's records at one moment, so that of records that are inserted meanwhile it may have some and not
/// others. It takes no lock and no pin.
///
/// ```
/// # use epoch_arena_map::{ArenaMap, Range};
/// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
/// for key in ["a", "b", "c"] {
///     map.insert(key.as_bytes(), 0, b"")?;
/// }
/// let mut range: Range<'_> = map.range("a".."c");
/// assert_eq!(range.next_back().unwrap().key(), b"b");
/// assert_eq!(range.next().unwrap().key(), b"a");
/// assert!(range.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Range<'m> {
    map: &'m ArenaMap,
    lower: Bound<Box<[u8]>>,
    upper: Bound<Box<[u8]>>,
    front: Window<'m>,
    back: Window<'m>,
    /// The last record that came from the front, and from the back.
    first: Option<Record<'m>>,
    last: Option<Record<'m>>,
}

impl<'m> Range<'m> {
    pub(crate) fn new(map: &'m ArenaMap, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Self {
        Self {
            map,
            lower: lower.map(Box::from),
            upper: upper.map(Box::from),
            front: Window::new(),
            back: Window::new(),
            first: None,
            last: None,
        }
    }

    /// Goes on with the first record, in the range, whose key is not less than `key`; never back.
    ///
    /// ```
    /// # use epoch_arena_map::ArenaMap;
    /// # let map = ArenaMap::new(&epoch_arena_pool::ArenaPool::builder().build()?)?;
    /// for key in ["a", "c", "e"] {
    ///     map.insert(key.as_bytes(), 0, b"")?;
    /// }
    /// let mut iter = map.iter();
    /// iter.seek("b");
    /// assert_eq!(iter.next().unwrap().key(), b"c");
    /// iter.seek("a");
    /// assert_eq!(iter.next().unwrap().key(), b"e");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn seek(&mut self, key: impl AsRef<[u8]>) {
        let key = key.as_ref();
        let come = self.first.is_some_and(|first| first.key() >= key);
        let is_lower = match &self.lower {
            Bound::Included(lower) | Bound::Excluded(lower) => key <= &**lower,
            Bound::Unbounded => false,
        };
        if come || is_lower {
            return;
        }
        self.lower = Bound::Included(Box::from(key));
        let left = self.front.count(|record| record.key() < key);
        self.front.at += left;
        if self.front.at == self.front.end {
            self.front.page = None; // to be looked for
        }
    }

    pub(crate) fn entry(&self, record: Record<'m>) -> Entry<'m> {
        Entry::new(record, &self.map.lease)
    }

    /// Whether a record is before the range.
    fn is_below(&self, record: Record<'_>) -> bool {
        match &self.lower {
            Bound::Included(lower) => record.key() < &**lower,
            Bound::Excluded(lower) => record.key() <= &**lower,
            Bound::Unbounded => false,
        }
    }

    /// Whether a record is behind the range.
    fn is_above(&self, record: Record<'_>) -> bool {
        match &self.upper {
            Bound::Included(upper) => record.key() > &**upper,
            Bound::Excluded(upper) => record.key() >= &**upper,
            Bound::Unbounded => false,
        }
    }

    /// Loads a leaf into the front window: what is in the range.
    fn load_front(&mut self, leaf: Page<'m>) {
        self.front.load(leaf);
        if let Some(next) = self.front.next {
            next.prefetch_whole();
        }
        let ends = self.front.left().last().and_then(|entry| entry.record);
        if ends.is_some_and(|record| self.is_above(record)) {
            self.front.end = self.front.count(|record| !self.is_above(record));
            self.front.next = None;
        }
    }

    /// The first leaf, and the first record there that is in the range.
    fn start_front(&mut self) {
        let index = &self.map.index;
        let leaf = match &self.lower {
            Bound::Included(key) => index.find(&Target::new(key, u64::MAX)).page,
            Bound::Excluded(key) => index.find(&Target::new(key, 0)).page,
            Bound::Unbounded => index.first(),
        };
        self.load_front(leaf);
        loop {
            self.front.at += self.front.count(|record| self.is_below(record));
            match self.front.next {
                Some(next) if self.front.at == self.front.end => self.load_front(next),
                _ => return,
            }
        }
    }

    #[inline]
    pub(crate) fn next_record(&mut self) -> Option<Record<'m>> {
        if self.front.page.is_none() {
            self.start_front();
        }
        while self.front.at == self.front.end {
            let next = self.front.next?;
            self.load_front(next);
        }
        let record = self.front.entries[self.front.at].record?;
        let is_last = |last| record.cmp_record(last) != Ordering::Less;
        if self.last.is_some_and(is_last) {
            return None;
        }
        self.front.at += 1;
        self.first = Some(record);
        Some(record)
    }

    /// The last leaf, and the last record there that is in the range.
    fn start_back(&mut self) {
        let index = &self.map.index;
        let target = match &self.upper {
            Bound::Included(key) => Some(Target::new(key, 0)),
            Bound::Excluded(key) => Some(Target::new(key, u64::MAX)),
            Bound::Unbounded => None,
        };
        let mut leaf = match &target {
            Some(target) => index.find(target).page,
            None => index.find_last(),
        };
        let goes_on = |next: Page<'_>| match (&target, next.low()) {
            (Some(target), Some(low)) => low.cmp_target(target) != Ordering::Greater,
            _ => true,
        };
        loop {
            while let Some(next) = leaf.next().filter(|next| goes_on(*next)) {
                leaf = next;
            }
            self.back.load(leaf);
            match self.back.next.filter(|next| goes_on(*next)) {
                Some(next) => leaf = next, // it was split just now
                None => break,
            }
        }
        self.back.end = self.back.count(|record| !self.is_above(record));
    }

    /// Loads the leaf before the one in the back window, if there is one.
    fn load_before(&mut self) -> Option<()> {
        let current = self.back.page?;
        let low = current.low()?;
        if self.is_below(low) {
            return None;
        }
        let mut leaf = self.map.index.find_before(&low.target());
        loop {
            // Leaves are linked in order and stay, so this one is met on the way.
            while let Some(next) = leaf.next().filter(|next| *next != current) {
                leaf = next;
            }
            self.back.load(leaf);
            match self.back.next {
                Some(next) if next != current => leaf = next, // it was split just now
                _ => break,
            }
        }
        Some(())
    }

    /// The record that `take_back` takes.
    #[inline]
    pub(crate) fn peek_back(&mut self) -> Option<Record<'m>> {
        if self.back.page.is_none() {
            self.start_back();
        }
        while self.back.at == self.back.end {
            self.load_before()?;
        }
        let record = self.back.entries[self.back.end - 1].record?;
        let met = |first: Record<'_>| record.cmp_record(first) != Ordering::Greater;
        if self.first.is_some_and(met) || self.is_below(record) {
            return None;
        }
        Some(record)
    }

    /// Takes the record that `peek_back` has just given.
    #[inline]
    pub(crate) fn take_back(&mut self, record: Record<'m>) {
        self.back.end -= 1;
        self.last = Some(record);
    }
}

impl<'m> Iterator for Range<'m> {
    type Item = Entry<'m>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'m>> {
        self.next_record().map(|record| self.entry(record))
    }
}

impl<'m> DoubleEndedIterator for Range<'m> {
    #[inline]
    fn next_back(&mut self) -> Option<Entry<'m>> {
        let record = self.peek_back()?;
        self.take_back(record);
        Some(self.entry(record))
    }
}

impl FusedIterator for Range<'_> {}

impl fmt::Debug for Range<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Range").finish_non_exhaustive()
    }
}
