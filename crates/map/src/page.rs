//! A page: the header, heads and slots that leaves and inner pages share, its lock and its version.
//!
//! Every word of a page that threads share is an atomic. After a page is published each store to it is a
//! Release and each load an Acquire, but for those of the thread that holds its lock. One rule follows
//! for readers, who take no lock: *what was read between two looks at the state that agree is of one
//! version.* For if a reader has read a word that a later change stored, it has acquired all that
//! the changing thread did before, the store of the state that began or ended the version among it; so its
//! second look finds another state than the first one did.

use std::marker::PhantomData;
use std::ptr::NonNull;

use epoch_arena_pool::Alignment;

use crate::key::VERSIONS;
use crate::record::{Record, prefetch};
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Backoff, Ordering};

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
    /// The page behind this one on its level, or null.
    /// Invariant: a page of the same map that was complete before it was stored here.
    next: AtomicPtr<Header>,
    /// The least record that is or may be here; null in the first page of a level.
    /// Invariant: a record of the same map; never changed.
    low: *mut u8,
    /// What heads are made of; see [`head`](crate::key::head).
    skip: AtomicU32,
    /// How many slots there are; never changed.
    slots: u16,
    /// 0 for a leaf; the level of its children plus one for an inner page; never changed.
    level: u16,
}

/// The most slots of a page: as many as its mask has bits.
pub(crate) const MOST_SLOTS: usize = 64;

const HEADS: usize = size_of::<Header>().next_multiple_of(align_of::<AtomicU64>());

const fn slots_at(slots: usize) -> usize {
    (HEADS + slots * size_of::<AtomicU64>()).next_multiple_of(align_of::<AtomicPtr<u8>>())
}

/// Memory for a page, of nobody yet.
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
                next: AtomicPtr::new(std::ptr::null_mut()),
                low: low.map_or(std::ptr::null_mut(), |low| low.as_ptr().as_ptr()),
                skip: AtomicU32::new(0),
                slots: fresh.slots,
                level,
            });
        }
        for index in 0..page.slots() {
            // SAFETY: as above, for the heads; below the number of slots.
            unsafe { page.head_at(index).write(AtomicU64::new(0)) };
            // SAFETY: as above, for the slots.
            unsafe {
                page.slot_at(index)
                    .write(AtomicPtr::new(std::ptr::null_mut()));
            }
        }
        Self(page)
    }

    /// Puts something into a slot.
    pub fn set(&mut self, index: usize, head: u64, slot: NonNull<u8>) {
        // Relaxed, here and below: no other thread knows the page, and the Release store that
        // publishes it carries all of this.
        self.0.head(index).store(head, Ordering::Relaxed);
        self.0.slot(index).store(slot.as_ptr(), Ordering::Relaxed);
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

    /// # Safety
    ///
    /// `index` is below the number of slots.
    #[inline(always)]
    unsafe fn head_at(self, index: usize) -> NonNull<AtomicU64> {
        debug_assert!(index < self.slots());
        // SAFETY: the heads are behind the header, as many as there are slots.
        unsafe { self.header.cast::<u8>().add(HEADS).cast().add(index) }
    }

    /// # Safety
    ///
    /// `index` is below the number of slots.
    #[inline(always)]
    unsafe fn slot_at(self, index: usize) -> NonNull<AtomicPtr<u8>> {
        debug_assert!(index < self.slots());
        let first = slots_at(self.slots());
        // SAFETY: the slots are behind the heads.
        unsafe { self.header.cast::<u8>().add(first).cast().add(index) }
    }

    #[inline(always)]
    fn head(self, index: usize) -> &'m AtomicU64 {
        assert!(index < self.slots());
        // SAFETY: `index` is below the number of slots; initialised by `Draft::new`.
        unsafe { self.head_at(index).as_ref() }
    }

    #[inline(always)]
    fn slot(self, index: usize) -> &'m AtomicPtr<u8> {
        assert!(index < self.slots());
        // SAFETY: as in `head`.
        unsafe { self.slot_at(index).as_ref() }
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

    /// Whether, moreover, no thread has had the lock since.
    #[inline(always)]
    pub fn is_quiet(self, seen: Seen) -> bool {
        // Relaxed: as in `is_still`; whoever has stored to the page has taken the lock before.
        let now = self.header().state.load(Ordering::Relaxed);
        now == seen.0 && now & LOCKED == 0
    }

    #[inline(always)]
    pub fn fill(self) -> u64 {
        // Acquire: pairs with the Release in `set_fill`: the slots that it names, and the records in
        // them, are seen; and the page behind this one, if records have gone there.
        self.header().fill.load(Ordering::Acquire)
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

    #[inline(always)]
    pub fn load_head(self, index: usize) -> u64 {
        // Acquire: pairs with the Release in `set`; see the rule for readers.
        self.head(index).load(Ordering::Acquire)
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

    /// The slots, as a mask, whose head is `head`.
    #[inline(always)]
    pub fn slots_with(self, head: u64) -> u64 {
        let mut found = 0;
        for index in (0..self.slots()).rev() {
            // SAFETY: below the number of slots.
            let other = unsafe { self.head_at(index) };
            // SAFETY: initialised by `Draft::new`.
            let other = unsafe { other.as_ref() };
            // Acquire: as in `load_head`.
            let other = other.load(Ordering::Acquire);
            found = found << 1 | u64::from(other == head);
        }
        found
    }

    /// Asks for the lines of the header and the heads.
    #[inline(always)]
    pub fn prefetch(self) {
        const LINE: usize = Alignment::LINE.get();
        let first = self.header.cast::<u8>().as_ptr();
        for line in 0..(HEADS + 61 * size_of::<u64>()).div_ceil(LINE) {
            // Only a hint, so it does not matter where the page ends.
            if let Some(at) = NonNull::new(first.wrapping_add(line * LINE)) {
                prefetch(at);
            }
        }
    }

    /// Asks for the lines of the slots.
    #[inline(always)]
    pub fn prefetch_slots(self) {
        const LINE: usize = Alignment::LINE.get();
        let first = self.header.cast::<u8>().as_ptr();
        let (from, to) = (slots_at(self.slots()), Fresh::size(self.slots()));
        for offset in (from..to).step_by(LINE) {
            if let Some(at) = NonNull::new(first.wrapping_add(offset)) {
                prefetch(at);
            }
        }
    }

    /// Waits for the lock. What is done under it is short, allocates nothing and calls nothing foreign.
    pub fn lock(self) -> Locked<'m> {
        let mut backoff = Backoff::default();
        loop {
            if let Some(locked) = self.lock_now() {
                return locked;
            }
            backoff.wait();
        }
    }

    /// Waits for the lock a while.
    pub fn try_lock(self) -> Option<Locked<'m>> {
        const TURNS: usize = if cfg!(epoch_arena_loom) { 1 } else { 256 };
        let mut backoff = Backoff::default();
        for _ in 0..TURNS {
            if let Some(locked) = self.lock_now() {
                return Some(locked);
            }
            backoff.wait();
        }
        None
    }

    #[inline]
    fn lock_now(self) -> Option<Locked<'m>> {
        let state = &self.header().state;
        // Relaxed: a guess, which the exchange confirms.
        let now = state.load(Ordering::Relaxed);
        if now & LOCKED != 0 {
            return None;
        }
        // Acquire on success: pairs with the Release in `set_state`, by which the last holder unlocked: what
        // it did is seen. Relaxed on failure: another thread is faster, or has just let go.
        let locked =
            state.compare_exchange(now, now | LOCKED, Ordering::Acquire, Ordering::Relaxed);
        locked.is_ok().then(|| Locked(self))
    }
}

// SAFETY: an address of shared atomics and unchanging words.
unsafe impl Send for Page<'_> {}
// SAFETY: as above.
unsafe impl Sync for Page<'_> {}

/// A page whose lock this thread holds; only through it is a published page changed. Dropped, it
/// unlocks, also in a panic, though nothing that is done under it can panic.
pub(crate) struct Locked<'m>(Page<'m>);

impl<'m> Locked<'m> {
    pub fn page(&self) -> Page<'m> {
        self.0
    }

    /// The state, which only this thread stores.
    fn state(&self) -> u64 {
        // Relaxed: as this thread holds the lock, it is its own store or one that it has acquired.
        self.0.header().state.load(Ordering::Relaxed)
    }

    /// Stores the state.
    fn set_state(&self, state: u64) {
        // Release: pairs with the Acquire in `look` and in `lock`: all that this thread, and the
        // holders before it, did to the page comes before the new state; and with the Acquire loads of
        // what is stored later, which carry this store.
        self.0.header().state.store(state, Ordering::Release);
    }

    pub fn is_ascending(&self) -> bool {
        self.state() & ASCENDING != 0
    }

    pub fn set_descending(&self) {
        self.set_state(self.state() & !ASCENDING);
    }

    /// Begins another version: readers that began before look again.
    pub fn end_version(&self) {
        self.set_state((self.state() & !WRITING) + VERSION);
    }

    /// Changes what readers cannot make sense of meanwhile, as one step.
    pub fn write(&self, change: impl FnOnce()) {
        self.set_state(self.state() | WRITING);
        change();
        self.end_version();
    }

    pub fn set(&self, index: usize, head: u64, slot: NonNull<u8>) {
        self.set_head(index, head);
        // Release: pairs with the Acquire in `load_slot`: what is in the slot is complete, and the
        // version in which the slot was free is over.
        self.0.slot(index).store(slot.as_ptr(), Ordering::Release);
    }

    pub fn set_head(&self, index: usize, head: u64) {
        // Release: pairs with the Acquire in `load_head`; see the rule for readers.
        self.0.head(index).store(head, Ordering::Release);
    }

    pub fn set_fill(&self, fill: u64) {
        // Release: pairs with the Acquire in `fill`: the slots it names are stored, and where to find
        // what it names no more is linked.
        self.0.header().fill.store(fill, Ordering::Release);
    }

    pub fn set_skip(&self, skip: u32) {
        // Release: pairs with the Acquire in `skip`; see the rule for readers.
        self.0.header().skip.store(skip, Ordering::Release);
    }

    /// Links a complete page behind this one.
    pub fn link(&self, right: Page<'m>) {
        // Release: pairs with the Acquire in `next`: the page and all it has are complete.
        let next = &self.0.header().next;
        next.store(right.as_ptr(), Ordering::Release);
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.set_state(self.state() & !LOCKED);
    }
}

/// The `skip` for a page that had `old` and is to have `new`, which is no less: a few bytes more are not
/// worth the heads of its records, which have to be read for them.
pub(crate) fn worthwhile(old: u32, new: u32) -> u32 {
    const FEW: u32 = 4;
    if new == VERSIONS || new - old.min(new) >= FEW {
        new
    } else {
        old
    }
}
