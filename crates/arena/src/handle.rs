//! `ArenaHandle`: sixteen bytes that can be stored anywhere and never dangle.

use std::fmt;
use std::ptr::NonNull;

use crate::ahead::prefetch;
use crate::epoch::Epoch;
use crate::pack;

/// Bytes in an arena, as a value: 16 bytes, `Copy`, `Send`, `Sync`, `'static`. It knows its epoch
/// and its length, and needs a guard, lease or snapshot of its pool to be read:
/// [`Resolve::get`](crate::Resolve::get) gives the bytes while the epoch is live, and `None`
/// afterwards, and always in any other pool. It cannot dangle.
///
/// Equality and hash are those of the place, not of the bytes: two handles of equal bytes differ, unless
/// these are empty. Empty values may share a place: two that are allocated in a row may have equal
/// handles, or handles that differ.
/// For order and equality of the bytes there is `ArenaKey` in `epoch-arena-key`.
///
/// ```
/// # use epoch_arena_core as epoch_arena;
/// use epoch_arena::ArenaHandle;
/// assert_eq!(size_of::<ArenaHandle>(), 16);
/// assert_eq!(size_of::<Option<ArenaHandle>>(), 16);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArenaHandle {
    first: NonNull<u8>,
    /// `epoch:40 | length:24`, see [`pack`].
    /// Invariant: `first` and this belong together, as promised to `new`: while the epoch's arena
    /// is not reclaimed, `first .. first + length` is initialised, and not written to.
    tag: u64,
}

const _: () = {
    assert!(size_of::<ArenaHandle>() == 16);
    assert!(size_of::<Option<ArenaHandle>>() == 16);
};

// SAFETY: a handle is two numbers; its bytes are reached only through `bytes_under`, whose contract
// asks for protection by the pool, which is the same on every thread.
unsafe impl Send for ArenaHandle {}
// SAFETY: as for `Send`; there is nothing mutable in a handle.
unsafe impl Sync for ArenaHandle {}

impl ArenaHandle {
    /// The handle of `len` bytes at `first` in the arena of the epoch with this stamp.
    ///
    /// # Safety
    ///
    /// 1. `first .. first + len` is inside a chunk that the epoch's arena has, and initialised.
    /// 2. These bytes are not written to until that arena is reclaimed.
    /// 3. `len` is at most [`pack::MAX_LEN`].
    #[doc(hidden)]
    #[inline(always)]
    pub const unsafe fn new(first: NonNull<u8>, len: usize, stamp: u64) -> Self {
        debug_assert!(len <= pack::MAX_LEN);
        Self {
            first,
            tag: pack::tag(stamp, len),
        }
    }

    /// The epoch in whose arena the bytes are.
    ///
    /// ```
    /// # use epoch_arena_core as epoch_arena;
    /// use epoch_arena::{ArenaHandle, Epoch};
    /// /// Those that are not older than `oldest`.
    /// fn since(handles: &mut Vec<ArenaHandle>, oldest: Epoch) {
    ///     handles.retain(|handle| handle.epoch() >= oldest);
    /// }
    /// ```
    #[inline]
    pub const fn epoch(self) -> Epoch {
        // SAFETY: by the contract of `new` the epoch was a pool's, hence drawn.
        unsafe { Epoch::from_number(pack::epoch(self.tag)) }
    }

    /// The length in bytes.
    ///
    /// ```
    /// # use epoch_arena_core as epoch_arena;
    /// use epoch_arena::ArenaHandle;
    /// /// The room that a batch must have.
    /// fn total(handles: &[ArenaHandle]) -> usize {
    ///     handles.iter().map(|handle| handle.len()).sum() // known without resolving
    /// }
    /// ```
    #[inline]
    pub const fn len(self) -> usize {
        pack::len(self.tag)
    }

    /// Whether the length is zero.
    ///
    /// ```
    /// # use epoch_arena_core as epoch_arena;
    /// use epoch_arena::ArenaHandle;
    /// fn without_empty(handles: &mut Vec<ArenaHandle>) {
    ///     handles.retain(|handle| !handle.is_empty());
    /// }
    /// ```
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The epoch and the length, as [`pack`] has them.
    #[doc(hidden)]
    #[inline(always)]
    pub const fn tag(self) -> u64 {
        self.tag
    }

    /// Asks the processor for the first of the bytes, which are to be read soon; a hint, also where they are gone.
    #[doc(hidden)]
    #[inline(always)]
    pub fn prefetch(self) {
        prefetch(self.first.as_ptr());
    }

    /// The bytes, if `stamp` is that of the handle's epoch.
    ///
    /// # Safety
    ///
    /// If `stamp` is that of the handle's epoch, the epoch's arena is not reclaimed for `'a`.
    #[doc(hidden)]
    #[inline(always)]
    pub const unsafe fn bytes_under<'a>(self, stamp: u64) -> Option<&'a [u8]> {
        let Some(len) = pack::len_under(stamp, self.tag) else {
            return None;
        };
        // SAFETY: by the invariant of `tag` the bytes are initialised and unwritten while the
        // arena is not reclaimed, which the caller promises for 'a.
        Some(unsafe { std::slice::from_raw_parts(self.first.as_ptr(), len) })
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
    fn a_handle_tells_epoch_length_and_bytes() {
        let bytes = *b"user:12345";
        let first = NonNull::from(&bytes).cast::<u8>();
        let stamp = pack::stamp(pack::MAX_EPOCH - 7);
        // SAFETY: 1. and 2. a local array, unwritten below; 3. ten bytes.
        let handle = unsafe { ArenaHandle::new(first, bytes.len(), stamp) };
        assert_eq!(handle.epoch().number(), pack::MAX_EPOCH - 7);
        assert_eq!(handle.len(), 10);
        assert_eq!(handle.tag(), pack::tag(stamp, 10));
        // SAFETY: as above, of no bytes.
        let empty = unsafe { ArenaHandle::new(first, 0, stamp) };
        assert!(empty.is_empty() && !handle.is_empty());
        // SAFETY: the "arena" is the array above.
        let bytes_under = |stamp| unsafe { handle.bytes_under(stamp) };
        assert_eq!(bytes_under(stamp), Some(&b"user:12345"[..]));
        assert_eq!(bytes_under(pack::stamp(7)), None);
        assert_eq!(bytes_under(pack::EMPTY), None);
        let shown = format!("{handle:?}");
        assert!(!shown.contains("user"), "Debug prints no bytes: {shown}");
    }
}
