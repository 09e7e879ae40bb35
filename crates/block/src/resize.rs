//! Allocations that get longer or shorter. The last one of a bump does so in place; any other is moved, or leaves its
//! bytes unused.
//!
//! The proof is here, once, for blocks and for arenas. The trait of `allocator-api2` is put on top
//! of it where the feature is on.
//!
//! Collections deallocate empty allocations that they never allocated, at an address of their
//! choice: `Box<()>` does. So this code never looks at the address of an empty allocation.

use core::alloc::Layout;
use core::ptr::NonNull;

/// Memory that is claimed from one end, so that its last allocation can change its length.
///
/// An allocation belongs to the caller that claimed it, who may pass it on, until it is given to
/// [`retract`](Self::retract) down to no bytes.
///
/// # Safety
///
/// While the memory is borrowed:
///
/// 1. [`claim`](Self::claim) gives bytes that are valid for reads and writes, aligned as asked, and
///    no other allocation's until they are given to [`retract`](Self::retract).
/// 2. So does [`extend`](Self::extend), for the bytes that were added; those before them stay where
///    they are, and as they are.
/// 3. Every access to bytes before they are given to `retract` happens before every access of the allocation that
///    gets them next.
pub unsafe trait Bump {
    /// Bytes of a new allocation.
    fn claim(&self, layout: Layout) -> Option<NonNull<[u8]>>;

    /// Makes the allocation `first .. first + len` one of `new_len` bytes, if it is the last one
    /// and there is room; otherwise it changes nothing. Returns the address.
    ///
    /// # Safety
    ///
    /// 1. The allocation is of this memory, and the caller's.
    /// 2. `len <= new_len`.
    unsafe fn extend(&self, first: NonNull<u8>, len: usize, new_len: usize) -> Option<NonNull<u8>>;

    /// Gives up all but the first `new_len` bytes of the allocation `first .. first + len`. If it is
    /// the last one, they can be claimed again; else they are of no use until the memory is reset.
    ///
    /// # Safety
    ///
    /// 1. The allocation is of this memory, and the caller's.
    /// 2. `new_len <= len`.
    /// 3. No thread uses the bytes that are given up any more.
    unsafe fn retract(&self, first: NonNull<u8>, len: usize, new_len: usize);

    /// Gives up the whole allocation.
    ///
    /// # Safety
    ///
    /// As for [`retract`](Self::retract).
    unsafe fn give_back(&self, first: NonNull<u8>, len: usize) {
        // SAFETY: 1. and 3. by the contract; 2. zero is at most any length.
        unsafe { self.retract(first, len, 0) }
    }
}

/// Gives up an allocation.
///
/// # Safety
///
/// `first` is an allocation of `layout` from `bump`, and the caller's; or there are no bytes, and
/// `first` is anything.
pub unsafe fn give_back<B: Bump + ?Sized>(bump: &B, first: NonNull<u8>, layout: Layout) {
    if layout.size() != 0 {
        // SAFETY: 1. to 3. by the contract.
        unsafe { bump.give_back(first, layout.size()) }
    }
}

/// Makes an allocation longer: in place if that can be, else by a move, which wastes the old bytes.
/// `None` if there is no room; the allocation is then as it was.
///
/// # Safety
///
/// 1. As for [`give_back`], with `old`; after success, the result is in its place.
/// 2. `old.size() <= new.size()`.
pub unsafe fn grow<B: Bump + ?Sized>(
    bump: &B,
    first: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Option<NonNull<[u8]>> {
    if old.size() != 0 && is_aligned(first, new) {
        // SAFETY: 1. and 2. by the contract.
        let extended = unsafe { bump.extend(first, old.size(), new.size()) };
        if let Some(first) = extended {
            return Some(NonNull::slice_from_raw_parts(first, new.size()));
        }
    }
    // SAFETY: 1. by the contract; 2. `old` is the smaller one.
    unsafe { relocate(bump, first, old, new, old.size()) }
}

/// As [`grow`]; the bytes that are added are zero.
///
/// # Safety
///
/// As for [`grow`].
pub unsafe fn grow_zeroed<B: Bump + ?Sized>(
    bump: &B,
    first: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Option<NonNull<[u8]>> {
    // SAFETY: the same contract.
    let grown = unsafe { grow(bump, first, old, new) }?;
    // SAFETY: inside, as `old` is not larger than `new`.
    let added = unsafe { grown.cast::<u8>().add(old.size()) };
    // SAFETY: the rest of the allocation, which is the caller's alone.
    unsafe { added.write_bytes(0, new.size() - old.size()) };
    Some(grown)
}

/// Makes an allocation shorter: in place, unless the new alignment is larger and not met by chance.
/// `None` if it has to be moved and there is no room; the allocation is then as it was.
///
/// # Safety
///
/// 1. As for [`give_back`], with `old`; after success, the result is in its place.
/// 2. `new.size() <= old.size()`.
pub unsafe fn shrink<B: Bump + ?Sized>(
    bump: &B,
    first: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Option<NonNull<[u8]>> {
    if is_aligned(first, new) {
        if old.size() != 0 {
            // SAFETY: 1. and 2. by the contract; 3. it gives up the bytes beyond the new size.
            unsafe { bump.retract(first, old.size(), new.size()) };
        }
        return Some(NonNull::slice_from_raw_parts(first, new.size()));
    }
    // SAFETY: 1. by the contract; 2. `new` is the smaller one.
    unsafe { relocate(bump, first, old, new, new.size()) }
}

fn is_aligned(first: NonNull<u8>, layout: Layout) -> bool {
    first.addr().get() % layout.align() == 0
}

/// Moves an allocation, with its first `kept` bytes.
///
/// # Safety
///
/// 1. As for [`give_back`], with `old`; after success, the result is in its place.
/// 2. `kept` is neither more than the size of `old` nor than that of `new`.
unsafe fn relocate<B: Bump + ?Sized>(
    bump: &B,
    first: NonNull<u8>,
    old: Layout,
    new: Layout,
    kept: usize,
) -> Option<NonNull<[u8]>> {
    let moved = bump.claim(new)?;
    // SAFETY: by 2. inside both, which are apart, as both belong to the caller now; or nothing.
    unsafe { first.copy_to_nonoverlapping(moved.cast(), kept) };
    // SAFETY: by 1.; from here on the caller uses the new one.
    unsafe { give_back(bump, first, old) };
    Some(moved)
}
