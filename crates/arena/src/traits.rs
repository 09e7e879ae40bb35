//! `Resolve` and `Store`: what keys need of a guard, a view, a lease or a snapshot.

use epoch_arena_block::Alignment;

use crate::error::AllocError;
use crate::handle::ArenaHandle;

/// What the traits are sealed with.
#[doc(hidden)]
pub mod sealed {
    /// Implemented by the pool's types only.
    pub trait Sealed {}
}

/// Something that turns a handle into its bytes: a guard, a view, a lease or a snapshot.
///
/// The trait is sealed; use it as a bound where any of the four will do.
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

/// Something that allocates in the current epoch as well: a guard or a view.
///
/// The trait is sealed; use it as a bound where either will do.
///
/// ```
/// use epoch_arena_core::{AllocError, ArenaHandle, Resolve, Store};
///
/// /// A second copy of `handle`'s bytes, in the current epoch.
/// fn again(handle: ArenaHandle, by: &impl Store) -> Result<Option<ArenaHandle>, AllocError> {
///     by.get(handle).map(|bytes| by.alloc_copy(bytes)).transpose()
/// }
/// ```
pub trait Store: Resolve {
    /// Copies `bytes` into the current epoch, packed.
    ///
    /// # Errors
    ///
    /// [`AllocError`]; nothing is changed.
    ///
    /// ```
    /// use epoch_arena_core::{AllocError, ArenaHandle, Store};
    /// fn put_all(keys: &[&str], store: &impl Store) -> Result<Vec<ArenaHandle>, AllocError> {
    ///     keys.iter().map(|key| store.alloc_copy(key.as_bytes())).collect()
    /// }
    /// ```
    fn alloc_copy(&self, bytes: &[u8]) -> Result<ArenaHandle, AllocError>;

    /// Copies `bytes` into the current epoch, at an address of the given alignment.
    ///
    /// # Errors
    ///
    /// [`AllocError`]; nothing is changed.
    ///
    /// ```
    /// use epoch_arena_block::Alignment;
    /// use epoch_arena_core::{AllocError, ArenaHandle, Store};
    /// fn put_line(line: &[u8; 64], store: &impl Store) -> Result<ArenaHandle, AllocError> {
    ///     store.alloc_copy_aligned(line, Alignment::new(64).unwrap_or_default())
    /// }
    /// ```
    fn alloc_copy_aligned(&self, bytes: &[u8], align: Alignment)
    -> Result<ArenaHandle, AllocError>;

    /// The most bytes a key may have in this pool.
    ///
    /// ```
    /// use epoch_arena_core::Store;
    /// fn clipped<'k>(key: &'k [u8], store: &impl Store) -> &'k [u8] {
    ///     &key[..key.len().min(store.max_key_len())]
    /// }
    /// ```
    fn max_key_len(&self) -> usize;

    /// The alignment of keys in this pool.
    ///
    /// ```
    /// use epoch_arena_core::Store;
    /// fn is_packed(store: &impl Store) -> bool {
    ///     store.key_alignment().get() == 1
    /// }
    /// ```
    fn key_alignment(&self) -> Alignment;
}
