//! `Resolve`: the part of a guard, a lease or a snapshot that keys need.

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
/// use epoch_arena_core::{ArenaHandle, Resolve};
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
    /// use epoch_arena_core::{ArenaHandle, Resolve};
    /// fn is_prefix_of(prefix: &[u8], handle: ArenaHandle, by: &impl Resolve) -> bool {
    ///     by.get(handle).is_some_and(|bytes| bytes.starts_with(prefix))
    /// }
    /// ```
    fn get(&self, handle: ArenaHandle) -> Option<&[u8]>;
}
