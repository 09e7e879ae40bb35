//! What a sanitizer is told: which bytes of a block nobody may touch now.
//!
//! A sanitizer sees one large allocation where we see blocks, chunks and keys, so an overrun from
//! one into the next would pass. In its builds, `--cfg epoch_arena_asan` or `epoch_arena_msan`,
//! bytes that nobody has claimed are forbidden, and allowed one claim at a time. In all other
//! builds these functions are nothing.

use core::ptr::NonNull;

#[cfg(epoch_arena_asan)]
use crate::sync::{Mutex, lock};

/// ASan's notes are one byte for eight of ours, which two threads with neighbouring claims share: told at the same
/// time, it would forget one of them.
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

/// From now on, nobody reads or writes `first .. first + len` (ASan), or reads what is not written
/// again (MSan).
///
/// # Safety
///
/// The range is in one region that exists, and in nobody's use.
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
