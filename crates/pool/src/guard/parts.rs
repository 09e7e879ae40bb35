//! Several parts that are written as one value.

use std::ptr::NonNull;

use epoch_arena_core::raw::copy;

/// The sum of the lengths, if it can be.
pub(super) fn total_len(parts: &[&[u8]]) -> Option<usize> {
    parts
        .iter()
        .try_fold(0_usize, |sum, part| sum.checked_add(part.len()))
}

/// Copies the parts one behind the other.
///
/// # Safety
///
/// `first` is valid for writes of the sum of the lengths, and overlaps no part.
pub(super) unsafe fn copy_all(parts: &[&[u8]], first: NonNull<u8>) {
    let mut to = first;
    for part in parts {
        // SAFETY: what is left holds this part, as all of it holds all parts.
        unsafe { copy(part, to) };
        // SAFETY: at most one past the end, for the same reason.
        to = unsafe { to.add(part.len()) };
    }
}
