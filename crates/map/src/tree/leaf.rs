//! Leaves: records in the order they came, found by their tags.
//!
//! A leaf's `fill` says which slots have a record. An insert stores a free slot, then its bit. A split puts
//! the upper records into a new page, links it, takes their bits away, and ends the version; only then may
//! their slots be used again. So at every moment `fill` and then `next`, loaded in this order, are a whole: a
//! record that is gone from the first is behind the second. A reader waits for no one, and looks again
//! only if a split has ended meanwhile.

use std::cmp::Ordering;

use super::entries::{Entries, Entry, bits, outdated};
use super::key::{Target, VERSIONS, skip_between, tag};
use super::page::draft::{Draft, Fresh};
use super::page::locked::Locked;
use super::page::{MOST_SLOTS, Page, Seen};
use super::record::Record;
use crate::sync::{Step, at};

/// The mask of the `count` lowest bits.
fn lowest(count: usize) -> u64 {
    match count {
        0..MOST_SLOTS => (1 << count) - 1,
        _ => u64::MAX,
    }
}

/// How an insert into one leaf ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Append {
    Done,
    Exists,
    /// There is no room; whether the record is to go into a leaf of its own, behind this one.
    Full {
        alone: bool,
    },
}

/// What a reader has seen of a leaf.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'m> {
    pub seen: Seen,
    /// Loaded before `filled`, which was loaded before `next`.
    pub older: u64,
    pub filled: u64,
    pub next: Option<Page<'m>>,
    /// The slots in `filled` whose tag is the target's.
    pub alike: u64,
}

impl Sight<'_> {
    /// Those among `alike` that may be the newest of their key.
    #[inline(always)]
    fn current(&self) -> u64 {
        self.alike & !self.older
    }
}

impl<'m> Page<'m> {
    /// The first record at or behind the target that has its key, among those that were seen: the newest that is not
    /// newer. It means something only if the page `is_still` as it was seen.
    #[inline(always)]
    pub fn first_of_key(self, target: &Target<'_>, sight: &Sight<'m>) -> Option<Record<'m>> {
        let newest = self.newest(target.key, u64::MAX, sight.current());
        let found = match newest {
            Some((_, newest)) if newest.version() > target.version => {
                self.newest(target.key, target.version, self.perhaps(target, sight))
            }
            newest => newest,
        };
        found.map(|(_, record)| record)
    }

    /// Those among `alike` that may be the newest version of the target's key that is not newer.
    fn perhaps(self, target: &Target<'_>, sight: &Sight<'m>) -> u64 {
        let (skip, alike) = (self.skip(), sight.alike);
        if skip != VERSIONS || sight.seen.is_writing() {
            return alike;
        }
        let head = target.head(skip);
        let heads = bits(alike).map(|index| (self.load_head(index), index));
        let nearest = heads.filter(|(other, _)| *other >= head).min();
        nearest.map_or(0, |(_, index)| 1 << index)
    }

    /// The newest record of a key that is not newer than `at`, among `candidates`, and its slot.
    #[inline(always)]
    fn newest(self, key: &[u8], at: u64, candidates: u64) -> Option<(usize, Record<'m>)> {
        // SAFETY: a leaf; named by the `fill` that the caller has loaded.
        let records = bits(candidates).map(|index| (index, unsafe { self.record(index) }));
        records
            .filter(|(_, record)| record.key() == key && record.version() <= at)
            .max_by_key(|(_, record)| record.version())
    }

    /// Asks for the record that will most probably be found.
    #[inline(always)]
    pub fn prefetch_record(self, sight: &Sight<'m>) {
        if let Some(index) = bits(sight.current()).next() {
            // SAFETY: a leaf; named by the `fill` that was loaded.
            unsafe { self.record(index) }.prefetch();
        }
    }

    /// Whether this leaf has as many records as a split leaves it with. Behind one that has fewer, no leaf is begun
    /// with one record: else each of many that come in descending order would get a page.
    fn is_half_full(self) -> bool {
        self.fill().count_ones() as usize >= self.slots() / 2
    }
}

impl<'m> Draft<'m> {
    /// Puts a record into a slot of a leaf.
    pub fn put(&mut self, index: usize, head: u64, record: Record<'m>) {
        self.set(index, head, record.as_ptr());
        self.set_tag(index, tag(record.key()));
    }
}

impl<'m> Locked<'m> {
    /// Puts a record into this leaf, whose place it is: between its least record and the next leaf's.
    pub fn append(&self, target: &Target<'_>, record: Record<'m>) -> Append {
        let page = self.page();
        at(Step::Locked);
        let (filled, older) = (page.fill(), page.older());
        let head = target.head(page.skip());
        let ascending = self.is_ascending();
        let behind = ascending.then(|| self.behind_all(target, head, filled));
        let (behind_all, alike, current) = match behind.flatten() {
            Some(last) => (true, 0, last),
            None => {
                let alike = page.slots_with(target.tag, filled);
                (false, alike, alike & !older)
            }
        };
        let free = (!filled).trailing_zeros() as usize;
        // Which slot has an older version now: that of the newest one so far, or the new one.
        let outdated = match page.newest(target.key, u64::MAX, current) {
            None => None,
            Some((slot, newest)) if newest.version() < target.version => Some(slot),
            Some(_) if self.has(target, head, alike) => return Append::Exists,
            Some(_) => Some(free),
        };
        if free >= page.slots() {
            let alone = behind_all && page.next().is_none_or(Page::is_half_full);
            return Append::Full { alone };
        }
        if ascending && !behind_all {
            self.set_descending();
        }
        self.set(free, head, record.as_ptr());
        self.set_tag(free, target.tag);
        at(Step::SlotStored);
        // From here on readers see it.
        self.set_fill(filled | 1 << free);
        if let Some(slot) = outdated {
            at(Step::FillStored);
            // A reader that sees this sees the newer version, too. One that does not, looks at both.
            self.set_older(older | 1 << slot);
        }
        Append::Done
    }

    /// If the target is behind the last record of this leaf, which is in order: the slot of that record, as a mask, if it
    /// may have the target's key. No other has it then, or the last one has it, too.
    fn behind_all(&self, target: &Target<'_>, head: u64, filled: u64) -> Option<u64> {
        let Some(last) = (MOST_SLOTS - filled.leading_zeros() as usize).checked_sub(1) else {
            return Some(0);
        };
        let page = self.page();
        match page.load_head(last).cmp(&head) {
            Ordering::Less if page.skip() != VERSIONS => return Some(0),
            Ordering::Less => {}
            Ordering::Equal => {
                // SAFETY: a leaf, as `append` is for leaves; named by `fill`.
                let record = unsafe { page.record(last) };
                if record.cmp_target(target) != Ordering::Less {
                    return None;
                }
            }
            Ordering::Greater => return None,
        }
        Some(1 << last)
    }

    /// Whether one of the records has the target's key and version, and so its head.
    fn has(&self, target: &Target<'_>, head: u64, candidates: u64) -> bool {
        let page = self.page();
        bits(candidates).any(|index| {
            // SAFETY: a leaf, as `append` is for leaves; named by the `fill` of the caller.
            let record = || unsafe { page.record(index) };
            page.load_head(index) == head && record().cmp_target(target) == Ordering::Equal
        })
    }

    /// Moves the upper half of a full leaf to a new one behind it.
    pub fn split(&self, fresh: Fresh<'m>) -> Page<'m> {
        let page = self.page();
        let mut entries: Entries<'m> = [Entry::NONE; MOST_SLOTS];
        let filled = page.fill();
        let (len, _) = page.gather(filled, false, &mut entries);
        let upper = &entries[len / 2..len];
        let Some(low) = upper.first().and_then(|entry| entry.record) else {
            unreachable!("a full leaf has at least two slots");
        };
        let (old, next) = (page.skip(), page.next());
        let mut right = Draft::new(fresh, 0, Some(low));
        let skip = page.skip_from(low);
        for (index, entry) in upper.iter().enumerate() {
            if let Some(record) = entry.record {
                let head = if skip == old {
                    entry.head
                } else {
                    record.head(skip)
                };
                right.put(index, head, record);
            }
        }
        right.set_older(outdated(upper));
        let right = right.finish(next, skip, lowest(upper.len()), true);
        // If a reader sees `next` before this, the records are here for it; if after it, they are there,
        // and here as well until `fill` lets go of them.
        self.link(right);
        at(Step::Linked);
        let lower = entries[..len / 2].iter();
        let kept = lower.fold(0, |mask, entry| mask | 1 << entry.slot);
        self.set_fill(kept);
        at(Step::FillStored);
        // Of what is left no record has its newer version on the right.
        self.set_older(page.older() & kept);
        self.narrow(low);
        right
    }

    /// Puts a record that is behind all of this full leaf into a new one behind it, and leaves this one full.
    pub fn extend(&self, fresh: Fresh<'m>, record: Record<'m>) -> Page<'m> {
        let next = self.page().next();
        let mut right = Draft::new(fresh, 0, Some(record));
        let high = next.and_then(Page::low);
        let skip = high.map_or(0, |high| skip_between(record.key(), high.key()));
        right.put(0, record.head(skip), record);
        let right = right.finish(next, skip, 1, true);
        // From here on readers see it.
        self.link(right);
        at(Step::Linked);
        self.narrow(record);
        right
    }

    /// Ends the version, now that this leaf ends before `high`: with heads from further behind, if its
    /// records share more now.
    fn narrow(&self, high: Record<'m>) {
        let page = self.page();
        let skip = page.skip_below(high);
        if skip == page.skip() {
            return self.end_version();
        }
        self.write(|| {
            self.set_skip(skip);
            for index in bits(page.fill()) {
                // SAFETY: a leaf; named by `fill`.
                let record = unsafe { page.record(index) };
                self.set_head(index, record.head(skip));
                at(Step::HeadStored);
            }
        });
    }
}
