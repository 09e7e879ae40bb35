//! The records of a leaf, one by one and in order.

use std::cmp::Ordering;

use super::page::{MOST_SLOTS, Page};
use super::record::Record;

/// The places of the bits of a mask.
pub(crate) fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (index < MOST_SLOTS).then_some(index)
    })
}

/// A record of a leaf.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'m> {
    pub(super) head: u64,
    /// None in an entry that is not in use.
    pub record: Option<Record<'m>>,
    pub(super) slot: u8,
}

/// As many as a page can have.
pub(crate) type Entries<'m> = [Entry<'m>; MOST_SLOTS];

impl<'m> Entry<'m> {
    pub const NONE: Self = Self {
        head: 0,
        record: None,
        slot: 0,
    };

    /// By heads, and where they are equal by the records.
    #[inline(always)]
    fn order(&self, other: &Self) -> Ordering {
        let ties = || match (self.record, other.record) {
            (Some(record), Some(other)) => record.cmp_record(other),
            _ => Ordering::Equal,
        };
        self.head.cmp(&other.head).then_with(ties)
    }
}

/// Sorts entries: first by what is left of their heads if their places are put into the last bits, as words without a branch.
/// Mostly that is all; a stable sort makes use of what is in order, and mends the rest. It takes no memory for so few, so it
/// may run under a lock.
fn sort(entries: &mut [Entry<'_>]) {
    const PLACE: u64 = MOST_SLOTS as u64 - 1;
    let mut words = [0; MOST_SLOTS];
    let words = &mut words[..entries.len()];
    for (place, (word, entry)) in words.iter_mut().zip(&*entries).enumerate() {
        *word = entry.head & !PLACE | place as u64;
    }
    words.sort_unstable();
    let mut sorted = [Entry::NONE; MOST_SLOTS];
    for (entry, word) in sorted.iter_mut().zip(&*words) {
        *entry = entries[(word & PLACE) as usize];
    }
    entries.copy_from_slice(&sorted[..entries.len()]);
    if !entries.is_sorted_by(|entry, next| entry.order(next) == Ordering::Less) {
        entries.sort_by(Entry::order);
    }
}

/// The places of sorted entries that have a newer version of their key before them.
pub(super) fn outdated(entries: &[Entry<'_>]) -> u64 {
    let pairs = entries.windows(2).enumerate();
    let is_older = |pair: &[Entry<'_>]| match (pair[0].record, pair[1].record) {
        (Some(newer), Some(record)) => record.same_key(newer),
        _ => false,
    };
    pairs.fold(0, |mask, (index, pair)| {
        mask | u64::from(is_older(pair)) << (index + 1)
    })
}

impl<'m> Page<'m> {
    /// # Safety
    ///
    /// This is a leaf, and its `fill` has named the slot, in this thread's past.
    #[inline(always)]
    pub unsafe fn record(self, index: usize) -> Record<'m> {
        debug_assert_eq!(self.level(), 0);
        // SAFETY: named, by the contract.
        let slot = unsafe { self.load_slot(index) };
        // SAFETY: the slots of a leaf have records, from `as_ptr`, of the map's epoch.
        unsafe { Record::from_ptr(slot) }
    }

    /// Calls `look` with each record of this leaf, in no order.
    pub fn for_each(self, mut look: impl FnMut(Record<'m>)) {
        for index in bits(self.fill()) {
            // SAFETY: a leaf; named by `fill`.
            look(unsafe { self.record(index) });
        }
    }

    /// The records in `filled`, into `into`, in order; how many there are, and whether they had to be sorted.
    ///
    /// Mostly a reader before has left their order, and no record has come since, or few: then there is nothing to sort, or
    /// little. The order that was left may be of other records; whatever it is, only the sort is longer.
    #[inline(always)]
    pub(super) fn gather(
        self,
        filled: u64,
        writing: bool,
        into: &mut Entries<'m>,
    ) -> (usize, bool) {
        let (mut len, mut sorted) = (0, true);
        let mut add = |slot: usize| {
            // SAFETY: a leaf; named by the `fill` that the caller has loaded.
            let record = unsafe { self.record(slot) };
            record.prefetch();
            into[len] = Entry {
                head: if writing { 0 } else { self.load_head(slot) },
                record: Some(record),
                slot: slot as u8,
            };
            sorted &= len == 0 || into[len - 1].order(&into[len]) == Ordering::Less;
            len += 1;
        };
        // First as it was left, as long as that names slots that are filled, each once; then the others.
        let mut others = filled;
        for slot in self.order() {
            let bit = 1_u64.checked_shl(slot.into()).unwrap_or(0);
            if others & bit == 0 {
                break;
            }
            others &= !bit;
            add(slot.into());
        }
        bits(others).for_each(add);
        if !sorted {
            sort(&mut into[..len]);
        }
        (len, !sorted)
    }

    /// The records of this leaf at one moment, in order, into `into`; how many, and the leaf behind.
    pub fn copy_sorted(self, into: &mut Entries<'m>) -> (usize, Option<Page<'m>>) {
        loop {
            let seen = self.look();
            let filled = self.fill();
            let next = self.next();
            let (mut len, found_order) = self.gather(filled, seen.is_writing(), into);
            if !self.is_still(seen) {
                continue;
            }
            if found_order {
                let mut slots = [0; MOST_SLOTS];
                let found = slots.iter_mut().zip(&into[..len]);
                found.for_each(|(slot, entry)| *slot = entry.slot);
                self.leave_order(slots);
            }
            if !self.is_quiet(seen) {
                // Perhaps `fill` was loaded before a split that `next` was loaded after: then the upper
                // records are behind `next` as well.
                if let Some(low) = next.and_then(Page::low) {
                    let behind = |record: Record<'_>| record.cmp_record(low) != Ordering::Less;
                    while len > 0 && into[len - 1].record.is_some_and(behind) {
                        len -= 1;
                    }
                }
            }
            return (len, next);
        }
    }
}
