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
