//! A page: the header, tags, heads and slots that leaves and inner pages share, and how they are read.
//!
//! Every word of a page that threads share is an atomic. After a page is published each store to it is a
//! Release and each load an Acquire, but for loads of the thread that holds its lock, the second look at the
//! state, and the order, which is a hint. One rule follows for readers, who take no lock: *what was read
//! between two looks at the state that agree is of one version.* For if a reader has read a word that a later
//! change stored, it has acquired all that the changing thread did before, the store of the state that began
//! or ended the version among it; so its second look finds another state than the first one did.

pub(crate) mod draft;
pub(crate) mod locked;

use std::marker::PhantomData;
use std::mem::offset_of;
use std::ops::Range;
use std::ptr::NonNull;

use epoch_arena_pool::Alignment;
use epoch_arena_pool::raw::prefetch;

use self::draft::Fresh;
use super::key::{skip_between, worthwhile};
use super::record::Record;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// A thread holds the lock.
const LOCKED: u64 = 1;
/// The records of a leaf are in the order of its slots, without a gap.
const ASCENDING: u64 = 2;
/// The heads, and in an inner page all slots but the first, are being changed.
const WRITING: u64 = 4;
/// Counts changes after which a reader has to look again; the three bits below are flags.
const VERSION: u64 = 8;

/// What a page begins with. Its heads follow, then its slots.
#[repr(C)]
pub(crate) struct Header {
    /// `version | writing | ascending | locked`. Only the holder of the lock stores it.
    state: AtomicU64,
    /// Of a leaf: which slots have a record, a bit each. Of an inner page: how many have a page.
    /// Invariant: a slot that it names was stored before, and is never null again.
    fill: AtomicU64,
    /// Of a leaf: slots whose key has a newer version in a slot that `fill` named before. It may lack some.
    older: AtomicU64,
    /// The page behind this one on its level, or null.
    /// Invariant: a page of the same map that was complete before it was stored here.
    next: AtomicPtr<Header>,
    /// The least record that is or may be here; null in the first page of a level.
    /// Invariant: a record of the same map; never changed.
    low: *mut u8,
    /// What heads are made of; see [`head`](super::key::head).
    skip: AtomicU32,
    /// How many slots there are; never changed.
    slots: u16,
    /// 0 for a leaf; the level of its children plus one for an inner page; never changed.
    level: u16,
    /// Of a leaf: the tag of slot `s` is byte `s / TAGS` of word `s % TAGS`; see [`slots_with`](Page::slots_with).
    tags: [AtomicU64; TAGS],
    /// Of a leaf: the slots of its records in order, a byte each, as some reader has found it. A hint, which says nothing:
    /// its users look whether it is so.
    order: [AtomicU64; TAGS],
}

/// The most slots of a page: as many as its mask has bits.
pub(crate) const MOST_SLOTS: usize = 64;

/// The slots of a page that is asked for before its header is seen: a page of 1 KiB.
pub(crate) const PREFETCHED: usize = 53;

/// How many words have the tags, and how many tags are in a word.
const TAGS: usize = size_of::<u64>();

const HEADS: usize = size_of::<Header>().next_multiple_of(align_of::<AtomicU64>());

const fn slots_at(slots: usize) -> usize {
    (HEADS + slots * size_of::<AtomicU64>()).next_multiple_of(align_of::<AtomicPtr<u8>>())
}

/// A published page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page<'m> {
    /// Invariant: made by `Draft`, with the provenance of the whole page, in an epoch that is held for
    /// `'m`; what publishes it happens before its use here.
    header: NonNull<Header>,
    life: PhantomData<&'m Header>,
}

/// What a reader saw of a page's state when it began.
#[derive(Clone, Copy)]
pub(crate) struct Seen(u64);

impl Seen {
    /// Whether the heads say nothing at the moment.
    #[inline(always)]
    pub fn is_writing(self) -> bool {
        self.0 & WRITING != 0
    }
}

impl<'m> Page<'m> {
    /// # Safety
    ///
    /// The pointer is from [`as_ptr`](Self::as_ptr), loaded so that its publication happens before; the
    /// epoch is held for `'m`.
    #[inline(always)]
    pub unsafe fn from_ptr(header: NonNull<Header>) -> Self {
        Self {
            header,
            life: PhantomData,
        }
    }

    #[inline(always)]
    pub fn as_ptr(self) -> *mut Header {
        self.header.as_ptr()
    }

    #[inline(always)]
    pub fn header_ptr(self) -> NonNull<Header> {
        self.header
    }

    #[inline(always)]
    fn header(self) -> &'m Header {
        // SAFETY: by the invariant it exists for 'm; it is changed through its atomics only.
        unsafe { self.header.as_ref() }
    }

    #[inline(always)]
    pub fn slots(self) -> usize {
        usize::from(self.header().slots)
    }

    #[inline(always)]
    pub fn level(self) -> u16 {
        self.header().level
    }

    /// Where the heads begin.
    #[inline(always)]
    fn heads_ptr(self) -> NonNull<AtomicU64> {
        // SAFETY: the heads are behind the header.
        unsafe { self.header.cast::<u8>().add(HEADS).cast() }
    }

    /// Where the slots begin.
    #[inline(always)]
    fn slots_ptr(self) -> NonNull<AtomicPtr<u8>> {
        let first = slots_at(self.slots());
        // SAFETY: the slots are behind the heads.
        unsafe { self.header.cast::<u8>().add(first).cast() }
    }

    #[inline(always)]
    fn heads(self) -> &'m [AtomicU64] {
        // SAFETY: as many as there are slots, initialised by `Draft::new`, and changed as atomics only.
        unsafe { NonNull::slice_from_raw_parts(self.heads_ptr(), self.slots()).as_ref() }
    }

    #[inline(always)]
    fn slot(self, index: usize) -> &'m AtomicPtr<u8> {
        assert!(index < self.slots());
        // SAFETY: below the number of slots.
        let slot = unsafe { self.slots_ptr().add(index) };
        // SAFETY: as above, initialised by `Draft::new`.
        unsafe { slot.as_ref() }
    }

    /// Where a reader begins.
    #[inline(always)]
    pub fn look(self) -> Seen {
        // Acquire: pairs with the Release stores of `Locked`: what was done before this version
        // began is seen; above all, the slots that it took away are not in `fill` any more.
        Seen(self.header().state.load(Ordering::Acquire))
    }

    /// Whether all that was loaded since `look` is of one version.
    #[inline(always)]
    pub fn is_still(self, seen: Seen) -> bool {
        // Relaxed: if anything that was loaded is of a later version, its Acquire load has seen the
        // store of `state` that came before, and so does this one.
        let now = self.header().state.load(Ordering::Relaxed);
        (now ^ seen.0) < WRITING
    }

    /// Whether, moreover, none of it is of a change that ends this version.
    #[inline(always)]
    pub fn is_quiet(self, seen: Seen) -> bool {
        // Relaxed: as in `is_still`; a thread that has stored to the page has taken the lock before, and if it lets go
        // of it in this version, it has put in a record and linked no page.
        let now = self.header().state.load(Ordering::Relaxed);
        now == seen.0 && now & LOCKED == 0
    }

    #[inline(always)]
    pub fn fill(self) -> u64 {
        // Acquire: pairs with the Release in `set_fill`: the slots that it names, and the records in
        // them, are seen; and the page behind this one, if records have gone there.
        self.header().fill.load(Ordering::Acquire)
    }

    /// To be loaded before `fill`, which then names a newer version of each of these slots' keys.
    #[inline(always)]
    pub fn older(self) -> u64 {
        // Acquire: pairs with the Release in `set_older`: what `fill` named before is seen.
        self.header().older.load(Ordering::Acquire)
    }

    #[inline(always)]
    pub fn next(self) -> Option<Page<'m>> {
        // Acquire: pairs with the Release in `link`: the page behind is seen complete.
        let next = self.header().next.load(Ordering::Acquire);
        // SAFETY: from `as_ptr` by the invariant of `next`; published by the above.
        NonNull::new(next).map(|next| unsafe { Page::from_ptr(next) })
    }

    /// The least record that is or may be here; none in the first page of a level.
    #[inline(always)]
    pub fn low(self) -> Option<Record<'m>> {
        // SAFETY: a record of the same map by the invariant of `low`, whose epoch is held for 'm.
        NonNull::new(self.header().low).map(|low| unsafe { Record::from_ptr(low) })
    }

    #[inline(always)]
    pub fn skip(self) -> u32 {
        // Acquire: pairs with the Release in `set_skip`; see the rule for readers.
        self.header().skip.load(Ordering::Acquire)
    }

    /// The `skip` for this page when it ends before `high`.
    pub fn skip_below(self, high: Record<'_>) -> u32 {
        let old = self.skip();
        self.low().map_or(old, |low| {
            worthwhile(old, skip_between(low.key(), high.key()))
        })
    }

    /// The `skip` for a page that is split off this one and begins with `low`.
    pub fn skip_from(self, low: Record<'_>) -> u32 {
        let high = self.next().and_then(Page::low);
        high.map_or(0, |high| {
            worthwhile(self.skip(), skip_between(low.key(), high.key()))
        })
    }

    #[inline(always)]
    pub fn load_head(self, index: usize) -> u64 {
        load_head(&self.heads()[index])
    }

    /// The last of `count` children, in order, whose head is such. The first is not asked about: it is never too far
    /// right.
    #[inline(always)]
    pub fn last_child(self, count: usize, begins: impl Fn(usize, u64) -> bool) -> usize {
        let heads = &self.heads()[..count];
        let (mut at, mut size) = (0, count);
        while size > 1 {
            let half = size / 2;
            if begins(at + half, load_head(&heads[at + half])) {
                at += half;
            }
            size -= half;
        }
        at
    }

    /// What is in a slot.
    ///
    /// # Safety
    ///
    /// `fill` has named the slot, in this thread's past.
    #[inline(always)]
    pub unsafe fn load_slot(self, index: usize) -> NonNull<u8> {
        // Acquire: pairs with the Release in `set`: the record or page is complete before it is in a
        // slot, whichever of those that were here in turn it is.
        let slot = self.slot(index).load(Ordering::Acquire);
        debug_assert!(!slot.is_null());
        // SAFETY: by the invariant of `fill` not null.
        unsafe { NonNull::new_unchecked(slot) }
    }

    /// Those of the slots in `filled` whose tag is `tag`. The words are so arranged that what is found in them needs one
    /// shift each to be the mask.
    #[inline(always)]
    pub fn slots_with(self, tag: u8, filled: u64) -> u64 {
        let mut found = 0;
        for (word, tags) in self.header().tags.iter().enumerate().take(self.slots()) {
            // Acquire: pairs with the Release in `set_tag`; see the rule for readers.
            let tags = tags.load(Ordering::Acquire);
            found |= equal_bytes(tags, tag) << word;
        }
        found & filled
    }

    /// The slots that a reader has left by [`leave_order`](Self::leave_order); or any others.
    #[inline(always)]
    pub fn order(self) -> [u8; MOST_SLOTS] {
        let mut slots = [0; MOST_SLOTS];
        for (word, bytes) in self.header().order.iter().zip(slots.chunks_exact_mut(TAGS)) {
            // Relaxed: a hint.
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        slots
    }

    /// Leaves the order of its slots to those who read this leaf later.
    pub fn leave_order(self, slots: [u8; MOST_SLOTS]) {
        for (word, bytes) in self.header().order.iter().zip(slots.chunks_exact(TAGS)) {
            let bytes = std::array::from_fn(|at| bytes[at]);
            // Relaxed: a hint. Words of several readers may mix.
            word.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        }
    }

    /// Asks for the lines that a search of this inner page may look at.
    #[inline(always)]
    pub fn prefetch_inner(self) {
        self.prefetch(0..slots_at(PREFETCHED));
    }

    /// Asks for the lines that a search of this leaf may look at.
    #[inline(always)]
    pub fn prefetch_leaf(self) {
        self.prefetch(0..offset_of!(Header, order));
        self.prefetch(slots_at(PREFETCHED)..Fresh::size(PREFETCHED));
    }

    /// Asks for all lines of this page.
    #[inline(always)]
    pub fn prefetch_whole(self) {
        self.prefetch(0..Fresh::size(PREFETCHED));
    }

    /// Asks for the lines of some bytes. Only a hint, so it does not matter where the page ends.
    #[inline(always)]
    fn prefetch(self, bytes: Range<usize>) {
        const LINE: usize = Alignment::LINE.get();
        let first = self.header.cast::<u8>().as_ptr();
        for line in bytes.start / LINE..bytes.end.div_ceil(LINE) {
            prefetch(first.wrapping_add(line * LINE));
        }
    }
}

#[inline(always)]
fn load_head(head: &AtomicU64) -> u64 {
    // Acquire: pairs with the Release in `set`; see the rule for readers.
    head.load(Ordering::Acquire)
}

/// The lowest bit of each byte of a word that is `byte`.
#[inline(always)]
fn equal_bytes(word: u64, byte: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = 0x7f * ONES;
    let other = word ^ (u64::from(byte) * ONES);
    // The highest bit of each byte that is zero, and no other bit: no sum carries into the next byte.
    let zero = !(((other & LOW) + LOW) | other | LOW);
    zero >> 7
}

// SAFETY: an address of shared atomics and unchanging words.
unsafe impl Send for Page<'_> {}
// SAFETY: as above.
unsafe impl Sync for Page<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_found_and_no_others() {
        for bytes in [
            [0, 1, 2, 3, 128, 127, 255, 0],
            [1, 0, 1, 0, 0, 1, 129, 128],
            [7; 8],
        ] {
            for byte in 0..=u8::MAX {
                let found = equal_bytes(u64::from_le_bytes(bytes), byte);
                for (place, other) in bytes.iter().enumerate() {
                    let is_equal = found >> (8 * place) & 0xff;
                    assert_eq!(
                        is_equal,
                        u64::from(*other == byte),
                        "{bytes:?} {byte} {place}"
                    );
                }
            }
        }
    }
}
