//! `ArenaHandle`: sixteen bytes that can be stored anywhere and never dangle.

use std::fmt;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use crate::epoch::Epoch;
use crate::pack;

/// Bytes in an arena, as a value: 16 bytes, `Copy`, `Send`, `Sync`, `'static`. It knows its epoch
/// and its length, and is worth nothing without a guard, view, lease or snapshot of the pool it
/// came from: [`Resolve::get`](crate::Resolve::get) gives the bytes while the epoch is live, and
/// `None` ever after, and for every other pool. It cannot dangle, because it cannot be read.
///
/// Equality and hash are those of the place, not of the bytes: two handles of equal bytes differ.
/// For order and equality of the bytes there is `ArenaKey` in `epoch-arena-key`.
///
/// ```
/// use epoch_arena_core::ArenaHandle;
/// assert_eq!(size_of::<ArenaHandle>(), 16);
/// assert_eq!(size_of::<Option<ArenaHandle>>(), 16);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArenaHandle {
    /// `slot:16 | address:48`. A pointer, so that the address keeps its provenance.
    place: NonNull<u8>,
    /// `epoch:40 | length:24`.
    /// Invariant: the owner word given to `new` and these bytes belong together: while the
    /// owner's arena is not reclaimed, `address .. address + length` is initialised, and nobody
    /// writes to it.
    tag: u64,
}

const _: () = {
    assert!(size_of::<ArenaHandle>() == 16);
    assert!(size_of::<Option<ArenaHandle>>() == 16);
};

// SAFETY: a handle is two numbers; its bytes are reached only through `bytes`, whose contract
// asks for protection by the pool, which is the same on every thread.
unsafe impl Send for ArenaHandle {}
// SAFETY: as for `Send`; there is nothing mutable in a handle.
unsafe impl Sync for ArenaHandle {}

impl ArenaHandle {
    /// The handle of `len` bytes at `first` in the arena of `owner`.
    ///
    /// # Safety
    ///
    /// 1. `first .. first + len` is inside a chunk that the arena of `owner` (see [`pack`]) has,
    ///    and initialised.
    /// 2. Nobody writes to these bytes until that arena is reclaimed.
    /// 3. `len` is at most [`pack::MAX_LEN`].
    #[doc(hidden)]
    #[inline(always)]
    pub unsafe fn new(first: NonNull<u8>, len: usize, owner: u64) -> Self {
        debug_assert!(len <= pack::MAX_LEN);
        let tagged = |address: NonZeroUsize| address | pack::place(owner, 0);
        Self {
            place: first.map_addr(tagged),
            tag: pack::tag(owner, len),
        }
    }

    /// The epoch in whose arena the bytes are.
    #[inline]
    pub const fn epoch(self) -> Epoch {
        // SAFETY: by the contract of `new` the owner's epoch was a pool's, hence drawn.
        unsafe { Epoch::from_number(pack::epoch(self.tag)) }
    }

    /// The length in bytes.
    #[inline]
    pub const fn len(self) -> usize {
        pack::tag_len(self.tag)
    }

    /// Whether the length is zero.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The slot in which the epoch lives or lived.
    #[doc(hidden)]
    #[inline(always)]
    pub fn slot(self) -> usize {
        pack::place_slot(self.place.addr().get())
    }

    /// What the slot's stamp is while the epoch is live.
    #[doc(hidden)]
    #[inline(always)]
    pub const fn stamp(self) -> u64 {
        pack::stamp(self.tag)
    }

    /// The bytes, if `stamp` is that of the handle's epoch.
    ///
    /// # Safety
    ///
    /// If `stamp` is that of the handle's epoch, the epoch's arena is not reclaimed for `'a`.
    #[doc(hidden)]
    #[inline(always)]
    pub unsafe fn bytes_under<'a>(self, stamp: u64) -> Option<&'a [u8]> {
        let len = pack::len_under(stamp, self.tag)?;
        // The address of bytes is never zero, and the mask takes off only the slot.
        let untagged = |place: NonZeroUsize| {
            let address = NonZeroUsize::new(pack::place_address(place.get()));
            // SAFETY: `new` was given this address by a `NonNull`.
            unsafe { address.unwrap_unchecked() }
        };
        let first = self.place.map_addr(untagged);
        // SAFETY: by the invariant of `tag` the bytes are initialised and unwritten while the
        // arena is not reclaimed, which the caller promises for 'a. `first` is the pointer that
        // `new` was given: tagging changed only bits that are zero in any region's addresses
        // (`Memory` refuses others), and map_addr kept its provenance.
        Some(unsafe { std::slice::from_raw_parts(first.as_ptr(), len) })
    }
}

impl fmt::Debug for ArenaHandle {
    /// Epoch and length; the bytes cannot be seen from here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArenaHandle")
            .field("epoch", &self.epoch().number())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m5_a_handle_tells_epoch_length_slot_and_bytes() {
        let bytes = *b"user:12345";
        let first = NonNull::from(&bytes).cast::<u8>();
        let owner = pack::owner(pack::MAX_EPOCH - 7, 0xffff);
        // SAFETY: 1. and 2. a local array, unwritten below; 3. ten bytes.
        let handle = unsafe { ArenaHandle::new(first, bytes.len(), owner) };
        assert_eq!(handle.epoch().number(), pack::MAX_EPOCH - 7);
        assert_eq!((handle.len(), handle.slot()), (10, 0xffff));
        // SAFETY: the "arena" is the array above.
        let bytes_under = |stamp| unsafe { handle.bytes_under(stamp) };
        assert_eq!(bytes_under(pack::stamp(owner)), Some(&b"user:12345"[..]));
        assert_eq!(bytes_under(pack::EMPTY), None);
        let shown = format!("{handle:?}");
        assert!(!shown.contains("user"), "Debug prints no bytes: {shown}");
    }
}
