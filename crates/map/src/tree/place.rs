//! Where a target is looked for: a leaf or an inner page, and what is known of the pages behind it.

use std::cmp::Ordering;

use super::key::Target;
use super::leaf::Sight;
use super::page::Page;
use super::record::Record;
use crate::sync::{Step, at};

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
    pub fn goes_right_as<const STRICT: bool>(
        &self,
        next: Option<Page<'m>>,
        target: &Target<'_>,
    ) -> bool {
        next != self.behind && next.is_some_and(|next| !is_behind::<STRICT>(next, target))
    }

    /// The first record at or behind the target that has its key, from this leaf on.
    #[inline]
    pub fn get(mut self, target: &Target<'_>) -> Option<Record<'m>> {
        let sight = self.see(target);
        self.get_seen(sight, target)
    }

    /// Looks at this leaf or, where that is the target's, at one to its right.
    #[inline(always)]
    pub fn see(&mut self, target: &Target<'_>) -> Sight<'m> {
        loop {
            let leaf = self.page;
            let seen = leaf.look();
            // In this order: of what `older` has, `filled` has newer versions; what `filled` does not have any more,
            // `next` has.
            let older = leaf.older();
            let filled = leaf.fill();
            at(Step::FillLoaded);
            let next = leaf.next();
            if self.goes_right(next, target) {
                self.step(next);
                continue;
            }
            let alike = leaf.slots_with(target.tag, filled);
            return Sight {
                seen,
                older,
                filled,
                next,
                alike,
            };
        }
    }

    /// As `get`, from what `see` has seen on.
    #[inline(always)]
    pub fn get_seen(mut self, mut sight: Sight<'m>, target: &Target<'_>) -> Option<Record<'m>> {
        loop {
            let (leaf, next) = (self.page, sight.next);
            let mut found = leaf.first_of_key(target, &sight);
            let mut whole = true;
            if found.is_none() && (!self.apart || next != self.behind) {
                // All records here are before the target or of other keys; the next leaf begins behind it.
                found = next.and_then(Page::low).filter(|low| low.has_key(target));
                // Perhaps it was linked after `filled` was loaded, and newer versions came here between the two:
                // then this leaf has other records now, or has begun another version.
                whole = found.is_none() || leaf.fill() == sight.filled;
            }
            if whole && leaf.is_still(sight.seen) {
                return found;
            }
            sight = self.see(target);
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
pub(super) fn is_behind<const STRICT: bool>(page: Page<'_>, target: &Target<'_>) -> bool {
    page.low().is_some_and(|low| match low.cmp_target(target) {
        Ordering::Greater => true,
        Ordering::Equal => STRICT,
        Ordering::Less => false,
    })
}
