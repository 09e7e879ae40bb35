//! `Resolve`: the part of a guard, a lease or a snapshot that keys need.

use std::array;
use std::borrow::Borrow;

use crate::ahead::ahead;
use crate::handle::ArenaHandle;

/// It seals the traits.
#[doc(hidden)]
pub mod sealed {
    /// Implemented by the pool's types only.
    pub trait Sealed {}
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` does not resolve handles by itself",
    label = "not a guard, a lease or a snapshot",
    note = "pass `&pool.pin()`, or a reference to a guard, a `Lease` or a `Snapshot` that you hold"
)]
/// Something that turns a handle into its bytes: a guard, a lease or a snapshot.
///
/// The trait is sealed; use it as a bound where any of the three will do.
///
/// ```
/// # use epoch_arena_core as epoch_arena;
/// use epoch_arena::{ArenaHandle, Resolve};
///
/// /// The length of the longest of `handles` that can still be seen.
/// fn longest(handles: &[ArenaHandle], by: &impl Resolve) -> usize {
///     handles.iter().filter_map(|h| by.get(*h)).map(<[u8]>::len).max().unwrap_or(0)
/// }
/// ```
pub trait Resolve: sealed::Sealed {
    /// The bytes of `handle`, or `None` if its epoch is not live (or not the lease's), or it is
    /// of another pool. Constant time.
    ///
    /// ```
    /// # use epoch_arena_core as epoch_arena;
    /// use epoch_arena::{ArenaHandle, Resolve};
    /// fn is_prefix_of(prefix: &[u8], handle: ArenaHandle, by: &impl Resolve) -> bool {
    ///     by.get(handle).is_some_and(|bytes| bytes.starts_with(prefix))
    /// }
    /// ```
    fn get(&self, handle: ArenaHandle) -> Option<&[u8]>;

    /// The bytes of a few handles that are read next, each as [`get`](Self::get) gives them: the processor is asked for
    /// all of them at once. For many handles [`get_each`](Self::get_each) is faster, as it looks further ahead; for
    /// bytes that are in the cache `get` is.
    ///
    /// ```
    /// # use epoch_arena_core as epoch_arena;
    /// use epoch_arena::{ArenaHandle, Resolve};
    /// fn is_between(key: &[u8], first: ArenaHandle, last: ArenaHandle, by: &impl Resolve) -> bool {
    ///     let [first, last] = by.get_many(&[first, last]);
    ///     first.zip(last).is_some_and(|(first, last)| (first..=last).contains(&key))
    /// }
    /// ```
    #[inline]
    fn get_many<const N: usize>(&self, handles: &[ArenaHandle; N]) -> [Option<&[u8]>; N]
    where
        Self: Sized,
    {
        array::from_fn(|index| {
            handles[index].prefetch();
            self.get(handles[index])
        })
    }

    /// The bytes of any number of handles, in their order, each as [`get`](Self::get) gives them when their turn comes.
    /// The processor is asked for them 32 turns before, by a clone of the iterator: so their cache misses are
    /// overlapped, as by [`get_many`](Self::get_many).
    ///
    /// ```
    /// # use epoch_arena_core as epoch_arena;
    /// use epoch_arena::{ArenaHandle, Resolve};
    /// fn contains(word: &[u8], handles: &[ArenaHandle], by: &impl Resolve) -> bool {
    ///     by.get_each(handles).any(|bytes| bytes == Some(word))
    /// }
    /// ```
    #[inline]
    fn get_each<I>(&self, handles: I) -> impl Iterator<Item = Option<&[u8]>>
    where
        I: IntoIterator<Item: Borrow<ArenaHandle>, IntoIter: Clone>,
        Self: Sized,
    {
        let handles = ahead(handles.into_iter(), |handle| handle.borrow().prefetch());
        handles.map(|handle| self.get(*handle.borrow()))
    }
}
