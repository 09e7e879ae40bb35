//! A block: fixed memory, bumped by many threads without a lock.

use core::alloc::Layout;
use core::fmt;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr::NonNull;

use crate::bump::{Alignment, place};
use crate::error::{BlockFull, SourceError};
#[cfg(feature = "std")]
use crate::memory::Memory;
use crate::region::Region;
use crate::resize::Bump;
use crate::shadow;
use crate::source::{Heap, Pages, Source};
use crate::sync::{AtomicUsize, Ordering};

/// Fixed memory with an atomic bump offset: any number of threads allocate from `&Block` at once,
/// without a lock, each with one compare-and-swap.
///
/// Where a collection takes an allocator, `&Block` is one, with the feature `allocator-api2`; its
/// last allocation grows in place and gives its bytes back.
///
/// All other memory is given up at once: by [`reset`](Block::reset), which needs `&mut` and so proves
/// that no allocation is in use, or by dropping the block, which gives the memory back to where
/// it came from.
///
/// ```
/// # use epoch_arena_block as epoch_arena;
/// use epoch_arena::Block;
/// use std::alloc::Layout;
///
/// let mut block = Block::new(Layout::from_size_align(1 << 20, 4096)?)?;
/// std::thread::scope(|s| {
///     for _ in 0..4 {
///         s.spawn(|| assert_eq!(block.alloc_copy(b"key").unwrap(), b"key"));
///     }
/// });
/// assert_eq!(block.used(), 12);
/// block.reset();
/// assert_eq!(block.used(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A reference into a block cannot outlive it, nor a reset:
///
/// ```compile_fail,E0505
/// # use epoch_arena_block::Block;
/// # use std::alloc::Layout;
/// let block = Block::new(Layout::from_size_align(4096, 1).unwrap()).unwrap();
/// let key = block.alloc_copy(b"key").unwrap();
/// drop(block);
/// assert_eq!(key, b"key");
/// ```
///
/// ```compile_fail,E0502
/// # use epoch_arena_block::Block;
/// # use std::alloc::Layout;
/// let mut block = Block::new(Layout::from_size_align(4096, 1).unwrap()).unwrap();
/// let key = block.alloc_copy(b"key").unwrap();
/// block.reset();
/// assert_eq!(key, b"key");
/// ```
pub struct Block {
    /// Invariant: taken only by `Drop`.
    region: ManuallyDrop<Region>,
    /// Offset of the first free byte.
    /// Invariant: at most the region's length, and every byte that belongs to a caller is below it.
    /// Between resets it changes only by exchanges that expect the value they were computed from, so
    /// one that succeeds knows that no allocation has a byte from there on. It grows by bytes that
    /// the caller gets, and falls only by bytes that the caller had. It may leave a value and come
    /// back to it meanwhile: that does no harm, as no allocation has a byte above the value then either.
    used: AtomicUsize,
    /// Where the region goes when the block is dropped.
    #[cfg(feature = "std")]
    home: Option<Memory>,
}

impl Block {
    /// A block of `layout`'s size from the heap, on its own: it belongs to no
    /// [`Memory`](crate::Memory) and counts against no budget.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the heap has no such memory.
    ///
    /// ```
    /// # use epoch_arena_block as epoch_arena;
    /// use epoch_arena::Block;
    /// use std::alloc::Layout;
    /// let block = Block::new(Layout::from_size_align(4096, 64)?)?;
    /// assert_eq!(block.region().base().addr().get() % 64, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(layout: Layout) -> Result<Self, SourceError> {
        Heap.acquire(layout, Pages::Small).map(Self::from)
    }

    /// A block that returns to `home`.
    #[cfg(feature = "std")]
    pub(crate) fn of(home: Memory, region: Region) -> Self {
        let mut block = Self::from(region);
        block.home = Some(home);
        block
    }

    /// Claims `layout` and returns its address, aligned as asked. The bytes are uninitialised.
    /// A size of zero is allowed and claims at most padding.
    ///
    /// Lock-free; one compare-and-swap when no other thread interferes.
    ///
    /// # Errors
    ///
    /// [`BlockFull`] if the request with its padding does not fit; the offset stays as it was,
    /// however often one tries.
    ///
    /// ```
    /// # use epoch_arena_block::Block;
    /// # use std::alloc::Layout;
    /// let block = Block::new(Layout::from_size_align(8192, 1)?)?;
    /// let page = block.alloc(Layout::from_size_align(64, 4096)?)?;
    /// assert_eq!(page.addr().get() % 4096, 0); // the address is aligned, whatever the base is
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn alloc(&self, layout: Layout) -> Result<NonNull<[u8]>, BlockFull> {
        let size = layout.size();
        // A layout's alignment is a power of two by its own invariant.
        let align = Alignment::new(layout.align()).unwrap_or(Alignment::BYTE);
        let start = self.claim(size, align)?;
        let base = self.region.base();
        // SAFETY: `claim` gives offsets with `start + size <= region.len()`, inside one region.
        let first = unsafe { base.add(start) };
        Ok(NonNull::slice_from_raw_parts(first, size))
    }

    /// Allocates `bytes.len()` bytes, packed, and copies `bytes` there.
    ///
    /// # Errors
    ///
    /// [`BlockFull`], as for [`alloc`](Block::alloc).
    ///
    /// ```
    /// # use epoch_arena_block::Block;
    /// # use std::alloc::Layout;
    /// let block = Block::new(Layout::from_size_align(4096, 1)?)?;
    /// let key = block.alloc_copy(b"key")?;
    /// key[0] = b'K'; // no other allocation has these bytes
    /// assert_eq!(key, b"Key");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::mut_from_ref, reason = "each call gives bytes of its own")]
    pub fn alloc_copy(&self, bytes: &[u8]) -> Result<&mut [u8], BlockFull> {
        let start = self.claim(bytes.len(), Alignment::BYTE)?;
        // SAFETY: `claim` gave `start .. start + len`, inside the region.
        let first = unsafe { self.region.base().add(start) }.as_ptr();
        // SAFETY: these bytes are this call's alone until a reset or drop, so `bytes`, which the caller
        // has borrowed, is elsewhere.
        unsafe { first.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        // SAFETY: just initialised, and this call's alone until a reset or drop, which the borrow
        // of `self` excludes.
        Ok(unsafe { core::slice::from_raw_parts_mut(first, bytes.len()) })
    }

    /// Allocates `layout` and lends it, uninitialised.
    ///
    /// # Errors
    ///
    /// [`BlockFull`], as for [`alloc`](Block::alloc).
    ///
    /// ```
    /// # use epoch_arena_block::Block;
    /// # use std::alloc::Layout;
    /// let block = Block::new(Layout::from_size_align(4096, 1)?)?;
    /// let room = block.alloc_uninit(Layout::from_size_align(3, 1)?)?;
    /// room[0].write(b'k');
    /// assert_eq!(room.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::mut_from_ref, reason = "each call gives bytes of its own")]
    pub fn alloc_uninit(&self, layout: Layout) -> Result<&mut [MaybeUninit<u8>], BlockFull> {
        let bytes = self.alloc(layout)?;
        // SAFETY: `alloc` claimed these bytes for this call alone (see `alloc_copy`), and
        // `MaybeUninit` has no requirement on their contents.
        Ok(unsafe {
            core::slice::from_raw_parts_mut(bytes.as_ptr().cast::<MaybeUninit<u8>>(), bytes.len())
        })
    }

    /// The offset of a claimed range.
    fn claim(&self, size: usize, align: Alignment) -> Result<usize, BlockFull> {
        let base = self.region.base().addr().get();
        let capacity = self.region.len();
        // Relaxed: a guess, which the exchange confirms.
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            let Some(at) = place(base, used, capacity, size, align) else {
                return Err(BlockFull {
                    remaining: capacity - used,
                });
            };
            // Acquire on success: pairs with the Release in `retract`. Every access to bytes that
            // another thread has given back happens before this. Every change of the offset is a
            // read-modify-write, so this one is in the release sequence of each `retract` before it. It
            // publishes nothing: a caller that hands an allocation to another thread publishes it.
            // Relaxed on failure: another guess.
            match self.used.compare_exchange_weak(
                used,
                at.end,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    // SAFETY: inside the region, by `place`.
                    let first = unsafe { self.region.base().add(at.start) };
                    // SAFETY: claimed just now, for the caller.
                    unsafe { shadow::allow(first, size) };
                    return Ok(at.start);
                }
                Err(now) => used = now,
            }
        }
    }

    /// Forgets all allocations; the memory stays and is used again. Constant time.
    ///
    /// ```
    /// # use epoch_arena_block::Block;
    /// # use std::alloc::Layout;
    /// let mut block = Block::new(Layout::from_size_align(8, 1)?)?;
    /// for _ in 0..1_000 {
    ///     block.alloc_copy(b"12345678")?; // all of it, each time
    ///     block.reset();
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset(&mut self) {
        // Relaxed: `&mut` excludes every other access.
        self.used.store(0, Ordering::Relaxed);
        self.forbid();
    }

    /// For sanitizers: nothing is claimed.
    fn forbid(&self) {
        // SAFETY: the block owns the region, and no thread uses its bytes: the block is new, or `reset`
        // has it by `&mut`, so every borrow that claimed them has ended.
        unsafe { shadow::forbid(self.region.base(), self.region.len()) }
    }

    /// Bytes in all.
    ///
    /// ```
    /// # use epoch_arena_block::Block;
    /// # use std::alloc::Layout;
    /// let block = Block::new(Layout::from_size_align(64, 1)?)?;
    /// assert_eq!(block.capacity(), 64);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capacity(&self) -> usize {
        self.region.len()
    }

    /// Bytes claimed so far, padding included.
    ///
    /// ```
    /// # use epoch_arena_block::Block;
    /// # use std::alloc::Layout;
    /// let block = Block::new(Layout::from_size_align(64, 8)?)?;
    /// block.alloc_copy(b"abc")?;
    /// block.alloc(Layout::new::<u64>())?;
    /// assert_eq!(block.used(), 3 + 5 + 8); // five of padding
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn used(&self) -> usize {
        // Relaxed: a figure, possibly old by the time it is read.
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes not claimed yet.
    ///
    /// ```
    /// # use epoch_arena_block::Block;
    /// # use std::alloc::Layout;
    /// let block = Block::new(Layout::from_size_align(64, 1)?)?;
    /// block.alloc_copy(b"four")?;
    /// assert_eq!((block.capacity(), block.used(), block.remaining()), (64, 4, 60));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remaining(&self) -> usize {
        self.capacity() - self.used()
    }

    /// The memory below.
    ///
    /// ```
    /// # use epoch_arena_block::Block;
    /// # use std::alloc::Layout;
    /// let block = Block::new(Layout::from_size_align(64, 1)?)?;
    /// let first = block.alloc(Layout::new::<u8>())?;
    /// assert_eq!(first.cast::<u8>(), block.region().base());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn region(&self) -> &Region {
        &self.region
    }
}

// SAFETY: 1. by the invariant of `used`, `claim` and `extend` give bytes that no other allocation has, inside
// the region; 2. `extend` changes no byte; 3. by the Release in `retract` and the Acquire in the others.
unsafe impl Bump for Block {
    fn claim(&self, layout: Layout) -> Option<NonNull<[u8]>> {
        self.alloc(layout).ok()
    }

    unsafe fn extend(&self, first: NonNull<u8>, len: usize, new_len: usize) -> Option<NonNull<u8>> {
        let base = self.region.base();
        // By 1. inside the region, so that neither this nor the next can wrap.
        let start = first.addr().get() - base.addr().get();
        let end = start + len;
        let new_end = start.checked_add(new_len)?;
        if new_end > self.region.len() {
            return None;
        }
        // Acquire on success: as in `claim`, for the bytes that are added. Relaxed on failure:
        // another allocation is the last, and the offset stays.
        self.used
            .compare_exchange(end, new_end, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        // SAFETY: inside the region, as above. By its address, for all of its bytes.
        let first = unsafe { base.add(start) };
        // SAFETY: its bytes, and by the exchange those behind them, are the caller's.
        unsafe { shadow::allow(first, new_len) };
        Some(first)
    }

    unsafe fn retract(&self, first: NonNull<u8>, len: usize, new_len: usize) {
        let start = first.addr().get() - self.region.base().addr().get();
        // SAFETY: by 2. inside the allocation, or at its end.
        let rest = unsafe { first.add(new_len) };
        // Before they can be claimed again; if another allocation is the last, they stay forbidden until a reset.
        // SAFETY: by 1. and 3. no thread uses them.
        unsafe { shadow::forbid_amid(rest, len - new_len) };
        // Release on success: pairs with the Acquire in `claim` and `extend`, which orders the next
        // owner of these bytes after all earlier accesses to them. Relaxed on failure: another
        // allocation is the last, and the offset stays.
        let _ = self.used.compare_exchange(
            start + len,
            start + new_len,
            Ordering::Release,
            Ordering::Relaxed,
        );
    }
}

impl From<Region> for Block {
    fn from(region: Region) -> Self {
        let block = Self {
            region: ManuallyDrop::new(region),
            used: AtomicUsize::new(0),
            #[cfg(feature = "std")]
            home: None,
        };
        block.forbid();
        block
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: by the field's invariant only this takes it, and a drop runs once.
        let region = unsafe { ManuallyDrop::take(&mut self.region) };
        // SAFETY: the block owns all of it, and gives it back.
        unsafe { shadow::allow(region.base(), region.len()) };
        #[cfg(feature = "std")]
        if let Some(home) = self.home.take() {
            return home.take_back(region);
        }
        drop(region);
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("region", &*self.region)
            .field("used", &self.used())
            .finish_non_exhaustive()
    }
}
