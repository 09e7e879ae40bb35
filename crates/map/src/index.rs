//! The index over the leaves: inner pages in levels, each a list of pages in order.
//!
//! A page of level *n* has pages of level *n* - 1 in its slots, in the order of their least records. It is
//! only ever a hint. The pages of each level are linked in order, so whoever is led too far to the left
//! goes right; and an index that misses a page, because its writer is about to enter it or had no memory
//! to, costs steps and nothing else. Slot 0 never changes: where a page is being written, a reader does not
//! wait, but goes on from there.

use std::cmp::Ordering;
use std::ptr::NonNull;

use crate::key::{Target, VERSIONS, skip_between};
use crate::page::{Draft, Fresh, Header, Locked, MOST_SLOTS, Page, worthwhile};
use crate::record::Record;
use crate::sync::{AtomicPtr, Ordering as Order, Step, at as at_step};

/// How often a reader looks again at a page that changes before it makes do with slot 0.
const LOOKS: usize = if cfg!(epoch_arena_loom) { 2 } else { 8 };

/// Where a target is to be looked for.
#[derive(Clone, Copy)]
pub(crate) struct Place<'m> {
    /// The target is here or to the right.
    pub page: Page<'m>,
    /// A page of that level whose least record is behind the target, if one is known.
    pub behind: Option<Page<'m>>,
    /// Whether that record has another key than the target.
    pub apart: bool,
}

impl<'m> Place<'m> {
    /// A page of which nothing else is known.
    pub fn unknown(page: Page<'m>) -> Self {
        Self {
            page,
            behind: None,
            apart: false,
        }
    }

    /// A leaf, if it is the target's.
    pub fn of_leaf(leaf: Page<'m>, target: &Target<'_>) -> Option<Self> {
        let low = leaf.low();
        if low.is_some_and(|low| low.cmp_target(target) == Ordering::Greater) {
            return None;
        }
        let next = leaf.next();
        if next.is_some_and(|next| !is_behind::<false>(next, target)) {
            return None;
        }
        Some(Self {
            behind: next,
            ..Self::unknown(leaf)
        })
    }

    /// Whether the target's place is behind this page, given its `next`, as loaded now.
    #[inline(always)]
    pub fn goes_right(&self, next: Option<Page<'m>>, target: &Target<'_>) -> bool {
        self.goes_right_as::<false>(next, target)
    }

    /// With `STRICT`, the place is where the target would be if it came a little before.
    #[inline(always)]
    fn goes_right_as<const STRICT: bool>(
        &self,
        next: Option<Page<'m>>,
        target: &Target<'_>,
    ) -> bool {
        next != self.behind && next.is_some_and(|next| !is_behind::<STRICT>(next, target))
    }

    /// The first record at or behind the target that has its key, from this leaf on.
    #[inline]
    pub fn get(mut self, target: &Target<'_>) -> Option<Record<'m>> {
        loop {
            let leaf = self.page;
            let seen = leaf.look();
            // In this order: what `filled` does not have any more, `next` has.
            let filled = leaf.fill();
            let next = leaf.next();
            if self.goes_right(next, target) {
                self.step(next);
                continue;
            }
            let found = leaf.first_of_key(target, seen.is_writing(), filled);
            if !leaf.is_still(seen) {
                continue; // a split has ended meanwhile
            }
            if found.is_some() {
                return found;
            }
            // All records here are before the target or of other keys; the next leaf begins behind it.
            let next = next?;
            if self.apart && Some(next) == self.behind {
                return None;
            }
            return next.low().filter(|low| low.has_key(target));
        }
    }

    /// One page to the right.
    #[cold]
    pub fn step(&mut self, next: Option<Page<'m>>) {
        if let Some(page) = next {
            *self = Self::unknown(page);
        }
    }
}

/// Whether all of a page is behind the target; with `STRICT`, or begins with it.
#[inline(always)]
fn is_behind<const STRICT: bool>(page: Page<'_>, target: &Target<'_>) -> bool {
    page.low().is_some_and(|low| match low.cmp_target(target) {
        Ordering::Greater => true,
        Ordering::Equal => STRICT,
        Ordering::Less => false,
    })
}

/// The index of one map.
pub(crate) struct Index {
    /// The first page of the highest level; null while there is one leaf.
    /// Invariant: a page that was complete before it was stored here.
    root: AtomicPtr<Header>,
    /// The first leaf.
    /// Invariant: of an epoch that is held for as long as this value.
    first: NonNull<Header>,
}

// SAFETY: addresses of pages, which threads share by their atomics.
unsafe impl Send for Index {}
// SAFETY: as above.
unsafe impl Sync for Index {}

impl Index {
    /// # Safety
    ///
    /// The epoch of `first`, and of each page that is entered, is held for as long as this value.
    pub unsafe fn new(first: Page<'_>) -> Self {
        Self {
            root: AtomicPtr::new(std::ptr::null_mut()),
            first: NonNull::from(first),
        }
    }

    pub fn first(&self) -> Page<'_> {
        // SAFETY: held by the invariant; published with this value.
        unsafe { Page::from_ptr(self.first) }
    }

    #[inline(always)]
    fn root(&self) -> Option<Page<'_>> {
        // Acquire: pairs with the exchange in `grow`: the root is seen complete.
        let root = self.root.load(Order::Acquire);
        // SAFETY: as in `first`; published by the above.
        NonNull::new(root).map(|root| unsafe { Page::from_ptr(root) })
    }

    /// Where the target is, if its record is in the map.
    #[inline]
    pub fn find(&self, target: &Target<'_>) -> Place<'_> {
        self.descend::<false>(target, 0)
    }

    /// A leaf whose least record is before the one with the target's place.
    pub fn find_before(&self, target: &Target<'_>) -> Page<'_> {
        self.descend::<true>(target, 0).page
    }

    /// A leaf that is the last one, or was.
    pub fn find_last(&self) -> Page<'_> {
        let Some(mut page) = self.root() else {
            return self.first();
        };
        while page.level() != 0 {
            let last = (page.fill() as usize).saturating_sub(1);
            // SAFETY: an inner page, which has at least one child; named by `fill`.
            page = unsafe { page.child(last) };
        }
        page
    }

    /// A page of `level` for the target; with `STRICT`, one that begins before it.
    #[inline(always)]
    fn descend<const STRICT: bool>(&self, target: &Target<'_>, level: u16) -> Place<'_> {
        let page = self.root().unwrap_or(self.first());
        let mut place = Place::unknown(page);
        // Counted, so that the page below is not waited for.
        for _ in level..page.level() {
            place = place.page.choose::<STRICT>(place.behind, target);
            place.page.prefetch();
        }
        place
    }

    /// Tells the index of a page that was split off another. If this fails, the page is found by going
    /// right. `fresh` gives memory for a page; it is asked under no lock.
    pub fn enter<'m, E>(
        &'m self,
        child: Page<'m>,
        mut fresh: impl FnMut() -> Result<Fresh<'m>, E>,
    ) -> Result<(), E> {
        let mut child = child;
        while let Some(low) = child.low()
            && let Some(right) = self.enter_one(child, low, &mut fresh)?
        {
            child = right;
        }
        Ok(())
    }

    /// Enters a page on the level above it; the page that this has split off there.
    fn enter_one<'m, E>(
        &'m self,
        child: Page<'m>,
        low: Record<'m>,
        fresh: &mut impl FnMut() -> Result<Fresh<'m>, E>,
    ) -> Result<Option<Page<'m>>, E> {
        let (target, level) = (low.target(), child.level() + 1);
        let mut memory = None;
        loop {
            if self.root().is_none_or(|root| root.level() < level) {
                self.grow(level, memory.take().map_or_else(&mut *fresh, Ok)?);
                continue;
            }
            let mut place = self.descend::<false>(&target, level);
            // Whoever has the lock may be suspended. Then this page waits to be entered, and not its writer:
            // who is led past it will enter it.
            let Some(mut page) = place.page.try_lock() else {
                return Ok(None);
            };
            while place.goes_right(page.page().next(), &target) {
                place.step(page.page().next());
                drop(page);
                page = match place.page.try_lock() {
                    Some(page) => page,
                    None => return Ok(None),
                };
            }
            let at = page.position(&target, child);
            let Some(at) = at else {
                return Ok(None);
            };
            if (page.page().fill() as usize) < page.page().slots() {
                page.insert(at, child, &target);
                return Ok(None);
            }
            match memory.take() {
                Some(memory) => return Ok(Some(page.split_at(memory, at, child))),
                None => {
                    drop(page);
                    memory = Some(fresh()?);
                }
            }
        }
    }

    /// Makes a root of `level` above the present one, unless another thread is faster.
    fn grow<'m>(&'m self, level: u16, memory: Fresh<'m>) {
        let old = self.root();
        let below = old.unwrap_or(self.first());
        if below.level() + 1 != level {
            return; // another thread was faster
        }
        let mut root = Draft::new(memory, level, None);
        root.set(0, 0, NonNull::from(below).cast());
        let root = root.finish(None, 0, 1, true);
        let old = old.map_or(std::ptr::null_mut(), Page::as_ptr);
        // Release on success: pairs with the Acquire in `root`: the page is complete. Relaxed on failure:
        // another thread has made one, and this one is wasted.
        let _ = self
            .root
            .compare_exchange(old, root.as_ptr(), Order::Release, Order::Relaxed);
    }
}

impl<'m> Page<'m> {
    /// # Safety
    ///
    /// This is an inner page, and its `fill` has named the slot, in this thread's past.
    #[inline(always)]
    unsafe fn child(self, index: usize) -> Page<'m> {
        debug_assert_ne!(self.level(), 0);
        // SAFETY: named, by the contract.
        let slot = unsafe { self.load_slot(index) };
        // SAFETY: the slots of an inner page have pages, complete before they were stored.
        unsafe { Page::from_ptr(slot.cast()) }
    }

    /// The page below this inner page, or one to its right, in which to look for the target.
    #[inline(always)]
    fn choose<const STRICT: bool>(
        self,
        behind: Option<Page<'m>>,
        target: &Target<'_>,
    ) -> Place<'m> {
        let mut here = Place {
            behind,
            ..Place::unknown(self)
        };
        for _ in 0..LOOKS {
            let seen = here.page.look();
            let next = here.page.next();
            if here.goes_right_as::<STRICT>(next, target) {
                here.step(next);
                continue;
            }
            if seen.is_writing() {
                std::hint::spin_loop();
                continue;
            }
            let found = here.page.search::<STRICT>(next, target);
            if here.page.is_still(seen) {
                return found;
            }
        }
        // Whoever changes the page has been interrupted, or it is far to the left.
        // SAFETY: an inner page, which has a first child from the beginning.
        Place::unknown(unsafe { here.page.child(0) })
    }

    /// As `choose`, if the page does not change meanwhile.
    #[inline(always)]
    fn search<const STRICT: bool>(self, next: Option<Page<'m>>, target: &Target<'_>) -> Place<'m> {
        let count = (self.fill() as usize).clamp(1, self.slots());
        let skip = self.skip();
        let head = target.head(skip);
        let (mut at, mut size) = (0, count);
        while size > 1 {
            let half = size / 2;
            if self.load_head(at + half) <= head {
                at += half;
            }
            size -= half;
        }
        // The first child is never too far right, so its head is not looked at.
        while at > 0 && self.load_head(at) == head {
            // SAFETY: an inner page; `at` is below `fill`.
            let child = unsafe { self.child(at) };
            if !is_behind::<STRICT>(child, target) {
                break;
            }
            at -= 1;
        }
        // SAFETY: as above.
        let page = unsafe { self.child(at) };
        if at + 1 < count {
            return Place {
                page,
                // SAFETY: as above.
                behind: Some(unsafe { self.child(at + 1) }),
                apart: skip != VERSIONS && self.load_head(at + 1) > head,
            };
        }
        Place {
            page,
            // SAFETY: an inner page, as this one is, with a first child from the beginning; it is where
            // that page begins, which is behind the target.
            behind: next.map(|next| unsafe { next.child(0) }),
            apart: false,
        }
    }
}

/// The children of a full inner page and one more, with their heads.
type Children<'m> = [Option<(u64, Page<'m>)>; MOST_SLOTS + 1];

impl<'m> Locked<'m> {
    /// Where a page with this least record belongs; none if it is here.
    fn position(&self, target: &Target<'_>, child: Page<'m>) -> Option<usize> {
        let page = self.page();
        let found = page.search::<false>(page.next(), target);
        if found.page == child {
            return None;
        }
        let count = page.fill() as usize;
        // SAFETY: an inner page; below `fill`.
        let at = (0..count).find(|at| unsafe { page.child(*at) } == found.page);
        at.map(|at| at + 1)
    }

    /// Puts a page into a free slot, at its place in the order.
    fn insert(&self, at: usize, child: Page<'m>, target: &Target<'_>) {
        let page = self.page();
        let count = page.fill() as usize;
        let head = target.head(page.skip());
        self.write(|| {
            for index in (at..count).rev() {
                // SAFETY: below `fill`.
                let moved = unsafe { page.load_slot(index) };
                self.set(index + 1, page.load_head(index), moved);
                at_step(Step::ChildMoved);
            }
            self.set(at, head, NonNull::from(child).cast());
            self.set_fill(count as u64 + 1);
        });
    }

    /// Moves the upper pages of a full inner page to a new one behind it, and puts `child` at `at`, in the
    /// one or the other. At the end of the last page of a level it goes alone: then pages that come in order
    /// leave full ones behind.
    fn split_at(&self, fresh: Fresh<'m>, at: usize, child: Page<'m>) -> Page<'m> {
        let page = self.page();
        let (count, next, old) = (page.fill() as usize, page.next(), page.skip());
        let mut children: Children<'m> = [None; MOST_SLOTS + 1];
        for (index, to) in children[..=count].iter_mut().enumerate() {
            let from = index - usize::from(index > at);
            *to = if index == at {
                child.low().map(|low| (low.head(old), child))
            } else {
                // SAFETY: an inner page; below `fill`, as one in `count + 1` is the new one.
                Some((page.load_head(from), unsafe { page.child(from) }))
            };
        }
        let middle = match next {
            None if at == count => count,
            _ => count.div_ceil(2),
        };
        let (lower, upper) = children[..=count].split_at(middle);
        let low = upper.first().copied().flatten();
        let Some(low) = low.and_then(|(_, page)| page.low()) else {
            unreachable!("only the first page of a level has no least record");
        };
        let mut right = Draft::new(fresh, page.level(), Some(low));
        let skip = match next.and_then(Page::low) {
            Some(high) => worthwhile(old, skip_between(low.key(), high.key())),
            None => 0,
        };
        for (index, (head, child)) in upper.iter().flatten().enumerate() {
            let head = if skip == old {
                *head
            } else {
                head_of(*child, skip)
            };
            right.set(index, head, NonNull::from(*child).cast());
        }
        let right = right.finish(next, skip, upper.len() as u64, true);
        self.write(|| {
            self.link(right);
            at_step(Step::ChildrenLinked);
            self.keep(lower, low);
        });
        right
    }

    /// Writes the children that are left, all of which are before `high`.
    fn keep(&self, lower: &[Option<(u64, Page<'m>)>], high: Record<'m>) {
        let page = self.page();
        let old = page.skip();
        let skip = match page.low() {
            Some(low) => worthwhile(old, skip_between(low.key(), high.key())),
            None => old,
        };
        self.set_skip(skip);
        for (index, (head, child)) in lower.iter().flatten().enumerate() {
            let head = if skip == old {
                *head
            } else {
                head_of(*child, skip)
            };
            self.set(index, head, NonNull::from(*child).cast());
        }
        self.set_fill(lower.len() as u64);
    }
}

/// The head of a page's least record.
fn head_of(page: Page<'_>, skip: u32) -> u64 {
    page.low().map_or(0, |low| low.head(skip))
}

impl From<Page<'_>> for NonNull<Header> {
    fn from(page: Page<'_>) -> Self {
        page.header_ptr()
    }
}
