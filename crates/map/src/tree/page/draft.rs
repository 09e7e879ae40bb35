//! A page in the making: memory for it, and what is written before other threads know it.

use std::marker::PhantomData;
use std::ptr::NonNull;

use epoch_arena_pool::Alignment;

use super::{ASCENDING, Header, MOST_SLOTS, Page, slots_at};
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::tree::record::Record;

/// Memory for a page, unused.
pub(crate) struct Fresh<'m> {
    /// Invariant: room for a page of `slots` slots, aligned, this value's alone, of an epoch that is
    /// held for `'m`.
    first: NonNull<u8>,
    slots: u16,
    life: PhantomData<&'m Header>,
}

impl Fresh<'_> {
    pub const ALIGN: Alignment = Alignment::LINE;

    /// The bytes of a page with so many slots.
    pub const fn size(slots: usize) -> usize {
        slots_at(slots) + slots * size_of::<AtomicPtr<u8>>()
    }

    /// # Safety
    ///
    /// 1. `size(slots)` bytes from `first` on, which is aligned as [`ALIGN`](Self::ALIGN) says, are
    ///    valid for reads and writes and the caller's alone, who uses them no more.
    /// 2. They are of an epoch that is held for as long as the lifetime of the result.
    /// 3. `slots` is at least 2 and at most [`MOST_SLOTS`].
    pub unsafe fn new(first: NonNull<u8>, slots: usize) -> Self {
        debug_assert!((2..=MOST_SLOTS).contains(&slots));
        Self {
            first,
            slots: slots as u16,
            life: PhantomData,
        }
    }
}

/// A page that no other thread knows yet.
pub(crate) struct Draft<'m>(Page<'m>);

impl<'m> Draft<'m> {
    /// An empty page; `low` as in [`Page::low`].
    pub fn new(fresh: Fresh<'m>, level: u16, low: Option<Record<'m>>) -> Self {
        let header = fresh.first.cast::<Header>();
        let page = Page {
            header,
            life: PhantomData,
        };
        // SAFETY: room for a page, aligned and unshared, by the invariant of `first`.
        unsafe {
            header.write(Header {
                state: AtomicU64::new(0),
                fill: AtomicU64::new(0),
                older: AtomicU64::new(0),
                next: AtomicPtr::new(std::ptr::null_mut()),
                tags: std::array::from_fn(|_| AtomicU64::new(0)),
                order: std::array::from_fn(|_| AtomicU64::new(0)),
                low: low.map_or(std::ptr::null_mut(), |low| low.as_ptr().as_ptr()),
                skip: AtomicU32::new(0),
                slots: fresh.slots,
                level,
            });
        }
        for index in 0..page.slots() {
            // SAFETY: as above, for the heads.
            let head = unsafe { page.heads_ptr().add(index) };
            // SAFETY: as above.
            unsafe { head.write(AtomicU64::new(0)) };
            // SAFETY: as above, for the slots.
            let slot = unsafe { page.slots_ptr().add(index) };
            // SAFETY: as above.
            unsafe { slot.write(AtomicPtr::new(std::ptr::null_mut())) };
        }
        Self(page)
    }

    /// Puts something into a slot.
    pub fn set(&mut self, index: usize, head: u64, slot: NonNull<u8>) {
        // Relaxed, here and below: no other thread knows the page, and the Release store that
        // publishes it carries all of this.
        self.0.heads()[index].store(head, Ordering::Relaxed);
        self.0.slot(index).store(slot.as_ptr(), Ordering::Relaxed);
    }

    /// The tag of a slot that has not had one.
    pub fn set_tag(&mut self, index: usize, tag: u8) {
        // Relaxed, as in `set`.
        self.0.add_tag(index, tag, Ordering::Relaxed);
    }

    /// The slots of a leaf whose key has a newer version in it.
    pub fn set_older(&mut self, older: u64) {
        // Relaxed, as in `set`.
        self.0.header().older.store(older, Ordering::Relaxed);
    }

    /// The page, to be published by a Release store of its address.
    pub fn finish(self, next: Option<Page<'m>>, skip: u32, fill: u64, ascending: bool) -> Page<'m> {
        let header = self.0.header();
        let next = next.map_or(std::ptr::null_mut(), Page::as_ptr);
        // Relaxed, as in `set`.
        header.next.store(next, Ordering::Relaxed);
        header.skip.store(skip, Ordering::Relaxed);
        header.fill.store(fill, Ordering::Relaxed);
        let state = if ascending { ASCENDING } else { 0 };
        header.state.store(state, Ordering::Relaxed);
        self.0
    }
}
