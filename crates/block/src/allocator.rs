//! `&Block` as an allocator, for collections that take one.

use core::alloc::Layout;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator};

use crate::block::Block;
use crate::resize;

/// Collections that take an allocator live in a block: those of `allocator-api2`, hashbrown's, and
/// others. Any number of threads may use one block so, at the same time.
///
/// The last allocation grows in place, shrinks in place, and gives its bytes back when it is
/// deallocated. Any other is moved to grow, and its bytes are of no use before the block is reset.
/// So a collection that grows alone wastes nothing; several that grow in turns waste up to their
/// own size each. Ask for what you need, with `with_capacity_in`, where you know it.
///
/// Each call is lock-free. One that stays in place is a compare-and-swap; a move copies. A block
/// that has no room is an `AllocError` and changes nothing: `try_reserve` hands it on, while
/// `push` ends the process, as with any allocator.
///
/// ```
/// # use epoch_arena_block as epoch_arena;
/// use epoch_arena::allocator_api2::vec::Vec;
/// use epoch_arena::Block;
/// use std::alloc::Layout;
///
/// let mut block = Block::new(Layout::from_size_align(4096, 16)?)?;
/// let mut numbers = Vec::new_in(&block);
/// for number in 0..100_u64 {
///     numbers.push(number);
/// }
/// assert_eq!(block.used(), numbers.capacity() * 8); // it grew where it was
/// assert_eq!(numbers.iter().sum::<u64>(), 4950);
/// assert!(numbers.try_reserve(1000).is_err()); // an error, and the numbers are as they were
/// drop(numbers);
/// assert_eq!(block.used(), 0); // the last allocation gives its bytes back
/// block.reset();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It is the reference that allocates, never the block itself. So a collection holds the block
/// borrowed, and neither a reset nor a drop can take the memory from under it:
///
/// ```compile_fail,E0502
/// # use epoch_arena_block::allocator_api2::vec::Vec;
/// # use epoch_arena_block::Block;
/// # use std::alloc::Layout;
/// let mut block = Block::new(Layout::from_size_align(4096, 16).unwrap()).unwrap();
/// let mut numbers = Vec::new_in(&block);
/// block.reset();
/// numbers.push(1);
/// ```
///
/// ```compile_fail,E0505
/// # use epoch_arena_block::allocator_api2::vec::Vec;
/// # use epoch_arena_block::Block;
/// # use std::alloc::Layout;
/// let block = Block::new(Layout::from_size_align(4096, 16).unwrap()).unwrap();
/// let mut numbers = Vec::new_in(&block);
/// drop(block);
/// numbers.push(1);
/// ```
///
/// ```compile_fail,E0277
/// # use epoch_arena_block::allocator_api2::vec::Vec;
/// # use epoch_arena_block::Block;
/// # use std::alloc::Layout;
/// let block = Block::new(Layout::from_size_align(4096, 16).unwrap()).unwrap();
/// let numbers: Vec<u64, Block> = Vec::new_in(block);
/// ```
// SAFETY: allocations are valid while the block is borrowed (1. and 2. of `Bump`), hence while this
// reference or a copy of it exists. All copies are the same block. A current allocation was claimed and
// not given up, so any of the methods may get it.
unsafe impl Allocator for &Block {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.alloc(layout).map_err(|_| AllocError)
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
