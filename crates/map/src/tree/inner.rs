//! Inner pages: the choice of a child, and how one is put among the others.
//!
//! A page of level *n* has pages of level *n* - 1 in its slots, in the order of their least records. Slot 0 never
//! changes: where a page is being written, a reader does not wait, but goes on from there.

use super::key::{Target, VERSIONS};
use super::page::draft::{Draft, Fresh};
use super::page::locked::Locked;
use super::page::{MOST_SLOTS, Page};
use super::place::{Place, is_behind};
use super::record::Record;
use crate::sync::{Step, at as at_step};

/// How often a reader looks again at a page that changes before it makes do with slot 0.
const LOOKS: usize = if cfg!(epoch_arena_loom) { 2 } else { 8 };

impl<'m> Page<'m> {
    /// # Safety
    ///
    /// This is an inner page, and its `fill` has named the slot, in this thread's past.
    #[inline(always)]
    pub unsafe fn child(self, index: usize) -> Page<'m> {
        debug_assert_ne!(self.level(), 0);
        // SAFETY: named, by the contract.
        let slot = unsafe { self.load_slot(index) };
        // SAFETY: the slots of an inner page have pages, complete before they were stored.
        unsafe { Page::from_ptr(slot.cast()) }
    }

    /// The page below this inner page, or one to its right, in which to look for the target.
    #[inline(always)]
    pub fn choose<const STRICT: bool>(
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
        // The writer of the page has been interrupted, or it is far to the left.
        // SAFETY: an inner page, which has a first child from the beginning.
        Place::unknown(unsafe { here.page.child(0) })
    }

    /// As `choose`, if the page does not change meanwhile.
    #[inline(always)]
    fn search<const STRICT: bool>(self, next: Option<Page<'m>>, target: &Target<'_>) -> Place<'m> {
        let count = (self.fill() as usize).clamp(1, self.slots());
        let skip = self.skip();
        let head = target.head(skip);
        let mut at = self.last_child(count, |_, other| other <= head);
        // SAFETY: an inner page; `at` is below `fill`.
        let is_behind = |at| is_behind::<STRICT>(unsafe { self.child(at) }, target);
        if at > 0 && self.load_head(at) == head && is_behind(at) {
            // Where heads are equal, the records say more.
            at = self.last_child(at, |at, other| other < head || !is_behind(at));
        }
        // SAFETY: an inner page; `at` is below `fill`.
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
    pub fn position(&self, target: &Target<'_>, child: Page<'m>) -> Option<usize> {
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
    pub fn insert(&self, at: usize, child: Page<'m>, target: &Target<'_>) {
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
            self.set(at, head, child.header_ptr().cast());
            self.set_fill(count as u64 + 1);
        });
    }

    /// Moves the upper pages of a full inner page to a new one behind it, and puts `child` at `at`, in the
    /// one or the other. At the end of the last page of a level it goes alone: then pages that come in order
    /// leave full ones behind.
    pub fn split_at(&self, fresh: Fresh<'m>, at: usize, child: Page<'m>) -> Page<'m> {
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
        let skip = page.skip_from(low);
        for (index, (head, child)) in with_heads(upper, old, skip).enumerate() {
            right.set(index, head, child.header_ptr().cast());
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
        let skip = page.skip_below(high);
        self.set_skip(skip);
        for (index, (head, child)) in with_heads(lower, old, skip).enumerate() {
            self.set(index, head, child.header_ptr().cast());
        }
        self.set_fill(lower.len() as u64);
    }
}

/// Children that had heads of a page with `old`, with those of one with `skip`.
fn with_heads<'m>(
    children: &[Option<(u64, Page<'m>)>],
    old: u32,
    skip: u32,
) -> impl Iterator<Item = (u64, Page<'m>)> {
    children.iter().flatten().map(move |(head, child)| {
        if skip == old {
            (*head, *child)
        } else {
            (child.low().map_or(0, |low| low.head(skip)), *child)
        }
    })
}
