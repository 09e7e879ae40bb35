//! A record: key, version and value in one allocation, written before it is published, never changed.

use std::cmp::Ordering;
use std::marker::PhantomData;
use std::ptr::NonNull;

use epoch_arena_pool::Alignment;
use epoch_arena_pool::raw::prefetch;

use super::key::{self, Target, WORD};

/// A record of a map: `key_len:32, value_len:32 | key | version:64 | value`.
///
/// Words are read wherever they are, so that a record wastes no byte for its alignment.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Record<'m> {
    /// Invariant: a record that `write` has written, in an epoch that is held for `'m`; nothing
    /// writes to it again.
    first: NonNull<u8>,
    life: PhantomData<&'m [u8]>,
}

// SAFETY: immutable bytes, by the invariant.
unsafe impl Send for Record<'_> {}
// SAFETY: as above.
unsafe impl Sync for Record<'_> {}

impl<'m> Record<'m> {
    pub const ALIGN: Alignment = Alignment::BYTE;

    /// The bytes that a record takes; `None` if they cannot be counted.
    #[inline]
    pub fn size(key: usize, value: usize) -> Option<usize> {
        if key >= u32::MAX as usize || value >= u32::MAX as usize {
            return None;
        }
        key.checked_add(value)?.checked_add(2 * WORD)
    }

    /// Writes a record.
    ///
    /// # Safety
    ///
    /// 1. `size(key.len(), value.len())` bytes from `first` on are valid for writes, and the caller's
    ///    alone, who writes to them no more.
    /// 2. They are of an epoch that is held for `'m`.
    #[inline]
    pub unsafe fn write(first: NonNull<u8>, key: &[u8], version: u64, value: &[u8]) -> Self {
        let lens = key.len() as u64 | (value.len() as u64) << 32;
        // SAFETY: for all of the block, 1.: each write is inside the size, which is the sum of these parts.
        unsafe {
            first.cast::<u64>().write_unaligned(lens);
            let at = first.add(WORD);
            at.copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            let at = at.add(key.len());
            at.cast::<u64>().write_unaligned(version);
            let at = at.add(WORD);
            at.copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
        }
        Self {
            first,
            life: PhantomData,
        }
    }

    /// # Safety
    ///
    /// The pointer is from [`as_ptr`](Self::as_ptr), and the epoch is held for `'m`.
    #[inline(always)]
    pub unsafe fn from_ptr(first: NonNull<u8>) -> Self {
        Self {
            first,
            life: PhantomData,
        }
    }

    /// # Safety
    ///
    /// The bytes are [`as_bytes`](Self::as_bytes) of a record, and its epoch is held for `'m`.
    #[inline(always)]
    pub unsafe fn from_bytes(bytes: &'m [u8]) -> Self {
        Self {
            first: NonNull::from(bytes).cast(),
            life: PhantomData,
        }
    }

    /// All of it: `write` has written every byte.
    pub fn as_bytes(self) -> &'m [u8] {
        // SAFETY: by the invariant written, unchanging and held for 'm.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.bytes()) }
    }

    #[inline(always)]
    pub fn as_ptr(self) -> NonNull<u8> {
        self.first
    }

    /// The eight bytes at `offset`, which are inside the record.
    ///
    /// # Safety
    ///
    /// They are.
    #[inline(always)]
    unsafe fn load(self, offset: usize) -> u64 {
        // SAFETY: inside, by the contract; written and unchanging by the invariant.
        unsafe { self.first.add(offset).cast::<u64>().read_unaligned() }
    }

    /// The lengths of key and value.
    #[inline(always)]
    fn lens(self) -> (usize, usize) {
        // SAFETY: every record begins with this word.
        let lens = unsafe { self.load(0) };
        (lens as u32 as usize, (lens >> 32) as usize)
    }

    #[inline(always)]
    pub fn key(self) -> &'m [u8] {
        let len = self.lens().0;
        // SAFETY: the key's bytes, written, unchanging and held for 'm by the invariant.
        unsafe { std::slice::from_raw_parts(self.first.add(WORD).as_ptr(), len) }
    }

    #[inline(always)]
    pub fn version(self) -> u64 {
        // SAFETY: behind the key.
        unsafe { self.load(WORD + self.lens().0) }
    }

    #[inline(always)]
    pub fn value(self) -> &'m [u8] {
        let (key, len) = self.lens();
        let offset = 2 * WORD + key;
        // SAFETY: the value's bytes, as for the key.
        unsafe { std::slice::from_raw_parts(self.first.add(offset).as_ptr(), len) }
    }

    /// The bytes it takes.
    pub fn bytes(self) -> usize {
        let (key, value) = self.lens();
        2 * WORD + key + value
    }

    #[inline(always)]
    pub fn head(self, skip: u32) -> u64 {
        key::head(self.key(), self.version(), skip)
    }

    /// Its key against the target's.
    #[inline(always)]
    pub fn cmp_key(self, target: &Target<'_>) -> Ordering {
        self.key().cmp(target.key)
    }

    /// Its place in the order of records against the target's.
    #[inline(always)]
    pub fn cmp_target(self, target: &Target<'_>) -> Ordering {
        self.cmp_key(target)
            .then_with(|| target.version.cmp(&self.version()))
    }

    /// Whether it has the target's key.
    #[inline(always)]
    pub fn has_key(self, target: &Target<'_>) -> bool {
        self.key() == target.key
    }

    /// Whether both have one key.
    pub fn same_key(self, other: Record<'_>) -> bool {
        self.key() == other.key()
    }

    /// Two records in their order.
    #[inline]
    pub fn cmp_record(self, other: Record<'_>) -> Ordering {
        self.key()
            .cmp(other.key())
            .then_with(|| other.version().cmp(&self.version()))
    }

    pub fn target(self) -> Target<'m> {
        Target::new(self.key(), self.version())
    }

    /// Asks for its first two lines, which have the lengths, the beginning of the key, and mostly that of
    /// the value.
    #[inline(always)]
    pub fn prefetch(self) {
        let first = self.first.as_ptr();
        // Only hints, so it does not matter where the record ends.
        prefetch(first);
        prefetch(first.wrapping_add(64));
    }
}
