//! Notes for a sanitizer: the bytes of a block that no code may touch now.
//!
//! A sanitizer sees one large allocation in place of blocks, chunks and keys, so an overrun from
//! one into the next would pass. In its builds, `--cfg epoch_arena_asan` or `epoch_arena_msan`,
//! bytes that are not claimed are forbidden, and each claim allows its own. In all other
//! builds these functions do nothing.

use core::ptr::NonNull;

#[cfg(epoch_arena_asan)]
use crate::sync::{Mutex, lock};

/// ASan has one byte of notes for eight bytes of memory, which two threads with neighbouring claims share: of two
/// notes at the same time one would be lost.
#[cfg(epoch_arena_asan)]
static NOTES: Mutex<()> = Mutex::new(());

#[cfg(any(epoch_arena_asan, epoch_arena_msan))]
unsafe extern "C" {
    #[cfg(epoch_arena_asan)]
    fn __asan_poison_memory_region(first: *const u8, len: usize);
    #[cfg(epoch_arena_asan)]
    fn __asan_unpoison_memory_region(first: *const u8, len: usize);
    #[cfg(epoch_arena_msan)]
    fn __msan_poison(first: *const u8, len: usize);
}

/// From now on, a read or write of `first .. first + len` is an error (ASan), or a read of bytes that were not written
/// again (MSan).
///
/// # Safety
///
/// The range is in one region that exists, and no thread uses it.
#[inline(always)]
pub unsafe fn forbid(first: NonNull<u8>, len: usize) {
    #[cfg(epoch_arena_asan)]
    let _notes = lock(&NOTES);
    #[cfg(epoch_arena_asan)]
    // SAFETY: it changes the sanitizer's notes only.
    unsafe {
        __asan_poison_memory_region(first.as_ptr(), len);
    }
    #[cfg(epoch_arena_msan)]
    // SAFETY: it changes the sanitizer's notes only.
    unsafe {
        __msan_poison(first.as_ptr(), len);
    }
    let _ = (first, len);
}

/// As [`forbid`], while other threads are allowed the bytes before and behind. ASan takes notes of
/// eight bytes at a time, and not atomically: those that are not in the range as a whole are left
/// as they are.
///
/// # Safety
///
/// As for [`forbid`].
#[inline(always)]
pub unsafe fn forbid_amid(first: NonNull<u8>, len: usize) {
    #[cfg(epoch_arena_asan)]
    {
        let unit = 8;
        let skipped = first.addr().get().wrapping_neg() % unit;
        if let Some(rest) = len.checked_sub(skipped) {
            // SAFETY: inside the range.
            let first = unsafe { first.add(skipped) };
            // SAFETY: the same contract.
            unsafe { forbid(first, rest - rest % unit) };
        }
    }
    #[cfg(not(epoch_arena_asan))]
    // SAFETY: the same contract.
    unsafe {
        forbid(first, len);
    }
}

/// `first .. first + len` may be used again.
///
/// # Safety
///
/// As for [`forbid`]; it is the caller's to use or to give back.
#[inline(always)]
pub unsafe fn allow(first: NonNull<u8>, len: usize) {
    #[cfg(epoch_arena_asan)]
    let _notes = lock(&NOTES);
    #[cfg(epoch_arena_asan)]
    // SAFETY: it changes the sanitizer's notes only.
    unsafe {
        __asan_unpoison_memory_region(first.as_ptr(), len);
    }
    let _ = (first, len);
}
