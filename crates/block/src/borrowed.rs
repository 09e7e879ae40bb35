//! A block over memory that the caller lends.

use alloc::boxed::Box;
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::ptr::NonNull;

use crate::block::Block;
use crate::region::Region;

/// A [`Block`] over memory that is only lent to it, from [`Block::from_slice`]: on the stack, in a
/// static, in a page that another allocator gave.
///
/// All that a `&Block` can do, it can: it is one, by `Deref`. There is no `&mut Block` to be had,
/// with which the block could be moved out and outlive the memory; [`reset`](Self::reset) is here
/// instead. When it goes, the memory is the lender's again, with the bytes that were written since the
/// last reset; the rest is to be taken as uninitialised.
///
/// To forget it ([`mem::forget`](core::mem::forget)) is safe, but not for builds with a sanitizer
/// (`--cfg epoch_arena_asan` or `epoch_arena_msan`): bytes that were not claimed stay forbidden there, and the
/// sanitizer reports the lender's use of them.
///
/// ```
/// # use epoch_arena_block as epoch_arena;
/// use epoch_arena::Block;
/// use std::mem::MaybeUninit;
///
/// let mut page = [MaybeUninit::uninit(); 4096];
/// let mut block = Block::from_slice(&mut page);
/// assert_eq!(block.alloc_copy(b"key")?, b"key");
/// block.reset();
/// assert_eq!(block.remaining(), 4096);
/// # Ok::<(), epoch_arena_block::BlockFull>(())
/// ```
///
/// The memory stays lent as long as the block is used:
///
/// ```compile_fail,E0499
/// # use epoch_arena_block::Block;
/// # use std::mem::MaybeUninit;
/// let mut page = [MaybeUninit::uninit(); 4096];
/// let block = Block::from_slice(&mut page);
/// let other = Block::from_slice(&mut page);
/// assert!(block.alloc_copy(b"key").is_ok());
/// ```
///
/// ```compile_fail,E0597
/// # use epoch_arena_block::Block;
/// # use std::mem::MaybeUninit;
/// let block = {
///     let mut page = [MaybeUninit::uninit(); 4096];
///     Block::from_slice(&mut page)
/// };
/// assert!(block.alloc_copy(b"key").is_ok());
/// ```
///
/// To its end, as in builds with a sanitizer that is a use:
///
/// ```compile_fail,E0597
/// # use epoch_arena_block::Block;
/// # use std::mem::MaybeUninit;
/// let block;
/// let mut page = vec![MaybeUninit::uninit(); 4096];
/// block = Block::from_slice(&mut page);
/// assert!(block.alloc_copy(b"key").is_ok());
/// // `page` goes before `block`
/// ```
///
/// And the block cannot be taken out of it:
///
/// ```compile_fail,E0596
/// # use epoch_arena_block::Block;
/// # use std::{alloc::Layout, mem::MaybeUninit};
/// let mut page = [MaybeUninit::uninit(); 4096];
/// let mut lent = Block::from_slice(&mut page);
/// let other = Block::new(Layout::from_size_align(64, 1).unwrap()).unwrap();
/// let taken: Block = std::mem::replace(&mut *lent, other);
/// ```
pub struct BorrowedBlock<'a> {
    /// Invariant: leaves this struct by a shared borrow only, so that it, and with it its region,
    /// does not outlive 'a.
    block: Block,
    memory: PhantomData<&'a mut [MaybeUninit<u8>]>,
}

impl Block {
    /// A block over `memory`, all of it, at whatever address it has. Nothing is allocated. Constant
    /// time.
    ///
    /// ```
    /// # use epoch_arena_block as epoch_arena;
    /// use epoch_arena::Block;
    /// use std::alloc::Layout;
    /// use std::mem::MaybeUninit;
    ///
    /// let mut memory = [MaybeUninit::uninit(); 1000];
    /// let block = Block::from_slice(&mut memory);
    /// std::thread::scope(|s| {
    ///     s.spawn(|| block.alloc_copy(b"from one thread"));
    ///     s.spawn(|| block.alloc_copy(b"and another"));
    /// });
    /// let aligned = block.alloc(Layout::new::<u128>())?;
    /// assert_eq!(aligned.addr().get() % align_of::<u128>(), 0);
    /// # Ok::<(), epoch_arena_block::BlockFull>(())
    /// ```
    pub fn from_slice(memory: &mut [MaybeUninit<u8>]) -> BorrowedBlock<'_> {
        let len = memory.len();
        let base = NonNull::from(memory).cast::<u8>();
        // A box of nothing: nothing is allocated, and nothing to be given back.
        let owner = Box::new(());
        // SAFETY: 1. and 2. the result has borrowed `memory` alone for its lifetime, and by the
        // invariant of `block` the region does not outlive it; 3. a slice is never larger.
        let region = unsafe { Region::from_raw_parts(base, len, owner) };
        BorrowedBlock {
            block: Block::from(region),
            memory: PhantomData,
        }
    }
}

impl BorrowedBlock<'_> {
    /// Forgets all allocations; the memory is used again. Constant time.
    ///
    /// ```
    /// # use epoch_arena_block::Block;
    /// # use std::mem::MaybeUninit;
    /// let mut memory = [MaybeUninit::uninit(); 8];
    /// let mut block = Block::from_slice(&mut memory);
    /// for _ in 0..1_000 {
    ///     block.alloc_copy(b"12345678")?; // all of it, each time
    ///     block.reset();
    /// }
    /// # Ok::<(), epoch_arena_block::BlockFull>(())
    /// ```
    pub fn reset(&mut self) {
        self.block.reset();
    }
}

impl Drop for BorrowedBlock<'_> {
    /// Nothing by itself. But a type with a destructor must not outlive its lifetimes, and the block's
    /// own tells a sanitizer about the memory.
    fn drop(&mut self) {}
}

impl Deref for BorrowedBlock<'_> {
    type Target = Block;

    fn deref(&self) -> &Block {
        &self.block
    }
}

impl fmt::Debug for BorrowedBlock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.block.fmt(f)
    }
}
