//! `&EpochArena` as an allocator, for collections that take one.

use std::alloc::Layout;
use std::num::NonZero;
use std::ptr::NonNull;

use epoch_arena_block::raw::Live;
use epoch_arena_block::resize::Bump;
use epoch_arena_block::{Alignment, shadow};

use crate::arena::EpochArena;

// SAFETY: 1. by `EpochArena::claim_bytes`, and by the invariant of a chunk's `filled`; 2. `extend_shared`
// changes no byte; 3. by the Release in `retract_shared` and the Acquire in the others.
unsafe impl Bump for EpochArena {
    fn claim(&self, layout: Layout) -> Option<NonNull<[u8]>> {
        let align = Alignment::new(layout.align()).ok()?;
        // An empty allocation is not counted: it may be given back without having been claimed.
        let first = match layout.size() {
            0 => NonNull::dangling().with_addr(NonZero::new(layout.align())?),
            size => self.claim_bytes(size, align).ok()?,
        };
        Some(NonNull::slice_from_raw_parts(first, layout.size()))
    }

    unsafe fn extend(&self, first: NonNull<u8>, len: usize, new_len: usize) -> Option<NonNull<u8>> {
        // SAFETY: 1. by the contract: where it is found in a chunk, it is the arena's, and the
        // caller's; 2. likewise.
        let extend = |live: Live<'_>| unsafe { live.extend_shared(first, len, new_len) };
        self.mine().find_map(extend)
    }

    unsafe fn retract(&self, first: NonNull<u8>, len: usize, new_len: usize) {
        // An allocation shrunk to no bytes ends here: no later call gives it back.
        let ended = u32::from(new_len == 0);
        // SAFETY: by the contract; it ends if no byte is left, as its bytes are then not the caller's.
        unsafe { self.retract_last(first, len, new_len, ended) }
    }

    unsafe fn give_back(&self, first: NonNull<u8>, len: usize) {
        // SAFETY: by the contract; it ends.
        unsafe { self.retract_last(first, len, 0, 1) }
    }
}

impl EpochArena {
    /// Gives up the end of an allocation, and takes `ended` off the count. If it is the last one in a chunk that
    /// this thread fills, its bytes can be claimed again.
    ///
    /// # Safety
    ///
    /// As for [`Live::retract_shared`], with any chunk of this arena.
    unsafe fn retract_last(&self, first: NonNull<u8>, len: usize, new_len: usize, ended: u32) {
        // SAFETY: inside the allocation, or at its end.
        let rest = unsafe { first.add(new_len) };
        // Before they can be claimed again; if they cannot, they stay forbidden until a reset.
        // SAFETY: by the contract no thread uses them any more.
        unsafe { shadow::forbid_amid(rest, len - new_len) };
        // SAFETY: the same contract: where it is found in a chunk, it is of this arena.
        let retract = |live: Live<'_>| unsafe { live.retract_shared(first, len, new_len, ended) };
        if !self.mine().any(retract) {
            self.count_beside(-(ended as isize), -((len - new_len) as isize));
        }
    }
}

#[cfg(feature = "allocator-api2")]
mod api {
    use std::alloc::Layout;
    use std::ptr::NonNull;

    use allocator_api2::alloc::{AllocError, Allocator};
    use epoch_arena_block::resize::{self, Bump};

    use crate::arena::EpochArena;

    /// Collections that take an allocator live in an arena: those of `allocator-api2`, hashbrown's,
    /// and others. Any number of threads may use one arena so, at the same time.
    ///
    /// As for a `&Block` of `epoch-arena-block`: the last allocation grows and shrinks in place, and
    /// gives its bytes back when it is deallocated. Any other is moved to grow, and its bytes are
    /// of no use before the arena is reset. "Last" means the last in the chunk that threads of this
    /// lane share at the time; the arena does not come back to chunks before it. A large allocation
    /// has a region of its own, and grows there as far as the region goes. There is no limit of
    /// length but the memory's.
    ///
    /// Lock-free unless a chunk is full. A refusal is an `AllocError`, which has no reason, and
    /// changes nothing.
    ///
    /// ```
    /// # mod epoch_arena { pub use epoch_arena_block::*; pub use epoch_arena_core::*; }
    /// use epoch_arena::allocator_api2::vec::Vec;
    /// use epoch_arena::{EpochArena, Memory};
    /// use hashbrown::{DefaultHashBuilder, HashMap};
    ///
    /// let mut arena = EpochArena::new(&Memory::builder().build()?);
    /// let mut groups = HashMap::new_in(&arena);
    /// for word in ["apple", "avocado", "banana", "blueberry", "cherry"] {
    ///     let group = groups.entry(&word[..1]).or_insert_with(|| Vec::new_in(&arena));
    ///     group.push(word);
    /// }
    /// assert_eq!(groups["b"], ["banana", "blueberry"]);
    /// # let _: &HashMap<&str, Vec<&str, &EpochArena>, DefaultHashBuilder, &EpochArena> = &groups;
    /// drop(groups);
    /// arena.reset(); // the next epoch, in the same memory
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A collection borrows its arena, so no reset can take the memory from under it:
    ///
    /// ```compile_fail,E0502
    /// # use epoch_arena_block::allocator_api2::vec::Vec;
    /// # use epoch_arena_block::Memory;
    /// # use epoch_arena_core::EpochArena;
    /// let mut arena = EpochArena::new(&Memory::builder().build().unwrap());
    /// let mut numbers = Vec::new_in(&arena);
    /// arena.reset();
    /// numbers.push(1);
    /// ```
    ///
    /// ```compile_fail,E0505
    /// # use epoch_arena_block::allocator_api2::vec::Vec;
    /// # use epoch_arena_block::Memory;
    /// # use epoch_arena_core::EpochArena;
    /// let arena = EpochArena::new(&Memory::builder().build().unwrap());
    /// let mut numbers = Vec::new_in(&arena);
    /// drop(arena);
    /// numbers.push(1);
    /// ```
    // SAFETY: allocations are valid while the arena is borrowed (1. and 2. of `Bump`), hence while
    // this reference or a copy of it exists. All copies are the same arena. A current allocation was
    // claimed and not given up, so any of the methods may get it.
    unsafe impl Allocator for &EpochArena {
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            self.claim(layout).ok_or(AllocError)
        }

        unsafe fn deallocate(&self, first: NonNull<u8>, layout: Layout) {
            // SAFETY: by the contract, which is the same: `layout` fits, and as an allocation is never
            // larger than asked for, its size is the allocation's.
            unsafe { resize::give_back(*self, first, layout) }
        }

        unsafe fn grow(
            &self,
            first: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            // SAFETY: 1. and 2. by the contract, as in `deallocate`.
            unsafe { resize::grow(*self, first, old, new) }.ok_or(AllocError)
        }

        unsafe fn grow_zeroed(
            &self,
            first: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            // SAFETY: 1. and 2. by the contract, as in `deallocate`.
            unsafe { resize::grow_zeroed(*self, first, old, new) }.ok_or(AllocError)
        }

        unsafe fn shrink(
            &self,
            first: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            // SAFETY: 1. and 2. by the contract, as in `deallocate`.
            unsafe { resize::shrink(*self, first, old, new) }.ok_or(AllocError)
        }
    }
}
