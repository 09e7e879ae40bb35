//! The index over the leaves: inner pages in levels, each a list of pages in order.
//!
//! It is only ever a hint. The pages of each level are linked in order, so a thread that is led too far to the left
//! goes right; and an index that misses a page, because its writer is about to enter it or had no memory
//! to, costs steps and nothing else.

use std::ptr::NonNull;

use super::key::Target;
use super::page::draft::{Draft, Fresh};
use super::page::{Header, Page};
use super::place::Place;
use super::record::Record;
use crate::sync::{AtomicPtr, Ordering};

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
            first: first.header_ptr(),
        }
    }

    pub fn first(&self) -> Page<'_> {
        // SAFETY: held by the invariant; published with this value.
        unsafe { Page::from_ptr(self.first) }
    }

    #[inline(always)]
    fn root(&self) -> Option<Page<'_>> {
        // Acquire: pairs with the exchange in `grow`: the root is seen complete.
        let root = self.root.load(Ordering::Acquire);
        // SAFETY: as in `first`; published by the above.
        NonNull::new(root).map(|root| unsafe { Page::from_ptr(root) })
    }

    /// Where the target is, if its record is in the map.
    #[inline]
    pub fn find(&self, target: &Target<'_>) -> Place<'_> {
        self.descend_for::<false>(target, 0)
    }

    /// Where each of several targets is. All go down one level, then the next, so that the pages of a level are
    /// waited for together.
    #[inline]
    pub fn find_many<const N: usize>(&self, targets: &[Target<'_>; N]) -> [Place<'_>; N] {
        self.descend::<false, N>(targets, 0)
    }

    /// A leaf whose least record is before the one with the target's place.
    pub fn find_before(&self, target: &Target<'_>) -> Page<'_> {
        self.descend_for::<true>(target, 0).page
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
    fn descend_for<const STRICT: bool>(&self, target: &Target<'_>, level: u16) -> Place<'_> {
        let [place] = self.descend::<STRICT, 1>(std::array::from_ref(target), level);
        place
    }

    /// The same for each of several targets.
    #[inline(always)]
    fn descend<const STRICT: bool, const N: usize>(
        &self,
        targets: &[Target<'_>; N],
        level: u16,
    ) -> [Place<'_>; N] {
        let page = self.root().unwrap_or(self.first());
        let mut places = [Place::unknown(page); N];
        // Counted, so that the page below is not waited for.
        for below in (level..page.level()).rev() {
            for (place, target) in places.iter_mut().zip(targets) {
                *place = place.page.choose::<STRICT>(place.behind, target);
                match below {
                    0 => place.page.prefetch_leaf(),
                    _ => place.page.prefetch_inner(),
                }
            }
        }
        places
    }

    /// Tells the index of a page that was split off another. If this fails, the page is found by going
    /// right. `fresh` gives memory for a page; it is asked under no lock.
    pub fn enter<'m, E>(
        &'m self,
        child: Page<'m>,
        mut fresh: impl FnMut() -> Result<Fresh<'m>, E>,
    ) -> Result<(), E> {
        let mut child = child;
        while let Some(low) = child.low() {
            match self.enter_one(child, low, &mut fresh)? {
                Some(right) => child = right,
                None => break,
            }
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
            let mut place = self.descend_for::<false>(&target, level);
            // The holder of the lock may be suspended. Then this page waits to be entered, and not its writer:
            // a writer that is led past it will enter it.
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
        root.set(0, 0, below.header_ptr().cast());
        let root = root.finish(None, 0, 1, true);
        let old = old.map_or(std::ptr::null_mut(), Page::as_ptr);
        // Release on success: pairs with the Acquire in `root`: the page is complete. Relaxed on failure:
        // another thread has made one, and this one is wasted.
        let _ =
            self.root
                .compare_exchange(old, root.as_ptr(), Ordering::Release, Ordering::Relaxed);
    }
}
