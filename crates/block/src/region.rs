//! A region: raw memory with its owner.

use alloc::boxed::Box;
use core::any::Any;
use core::fmt;
use core::ptr::NonNull;

#[cfg(feature = "std")]
use crate::error::SourceError;
use crate::os::Owned;

/// Memory that a [`Source`](crate::Source) gave, and its owner; dropped, it is given back.
///
/// The bytes are to be taken as uninitialised. Regions of the built-in sources can only be made
/// by them; memory of your own becomes a region through [`Region::from_raw_parts`].
///
/// ```
/// # use epoch_arena_block::{Heap, Pages, Source};
/// # use std::alloc::Layout;
/// let region = Heap.acquire(Layout::from_size_align(4096, 8)?, Pages::Small)?;
/// assert_eq!((region.len(), region.is_empty()), (4096, false));
/// drop(region); // back to the heap
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Region {
    /// Invariant: `base .. base + len` is valid for reads and writes, and this region's alone, for as
    /// long as `owner` lives.
    base: NonNull<u8>,
    len: usize,
    owner: Owner,
}

enum Owner {
    System(Owned),
    /// Never read: it is dropped with the region, and that gives the memory back.
    User(
        #[cfg_attr(
            not(feature = "std"),
            expect(dead_code, reason = "held for its destructor")
        )]
        Box<dyn Any + Send + Sync>,
    ),
}

// SAFETY: a region owns its memory exclusively (the invariant of `base`), so moving it to another
// thread moves all access; `Owner` is `Send` for the user's part by its bound, and the system's
// part is plain memory without thread affinity.
unsafe impl Send for Region {}
// SAFETY: through `&Region` one gets only addresses and lengths, no access to the bytes.
unsafe impl Sync for Region {}

impl Region {
    /// A region over memory of your own: a static buffer, shared memory, another allocator's.
    ///
    /// `owner` is dropped with the region and gives the memory back then, if it is to be given
    /// back.
    ///
    /// # Safety
    ///
    /// 1. `base .. base + len` is valid for reads and writes until `owner` is dropped.
    /// 2. Until then nothing else reads or writes it.
    /// 3. `len` is at most `isize::MAX`.
    ///
    /// ```
    /// # use epoch_arena_block as epoch_arena;
    /// use epoch_arena::{Block, Region};
    /// use std::ptr::NonNull;
    ///
    /// let mut buffer = vec![0_u8; 4096];
    /// let (base, len) = (NonNull::new(buffer.as_mut_ptr()).unwrap(), buffer.len());
    /// // SAFETY: 1. the vector owns these bytes and goes along as the owner; 2. it is moved
    /// // there, out of reach of all other code; 3. a vector is never larger.
    /// let region = unsafe { Region::from_raw_parts(base, len, Box::new(buffer)) };
    /// let block = Block::from(region);
    /// assert_eq!(block.capacity(), 4096);
    /// ```
    pub unsafe fn from_raw_parts(
        base: NonNull<u8>,
        len: usize,
        owner: Box<dyn Any + Send + Sync>,
    ) -> Self {
        Self {
            base,
            len,
            owner: Owner::User(owner),
        }
    }

    /// A region of the system's memory.
    pub(crate) fn owned(base: NonNull<u8>, len: usize, owned: Owned) -> Self {
        Self {
            base,
            len,
            owner: Owner::System(owned),
        }
    }

    /// The first byte.
    ///
    /// ```
    /// # use epoch_arena_block::{Heap, Pages, Source};
    /// # use std::alloc::Layout;
    /// let region = Heap.acquire(Layout::from_size_align(64, 64)?, Pages::Small)?;
    /// assert_eq!(region.base().addr().get() % 64, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The length in bytes.
    ///
    /// ```
    /// # use epoch_arena_block::{Heap, Pages, Source};
    /// # use std::alloc::Layout;
    /// assert_eq!(Heap.acquire(Layout::from_size_align(100, 1)?, Pages::Small)?.len(), 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the region has no bytes.
    ///
    /// ```
    /// # use epoch_arena_block::{Heap, Pages, Source};
    /// # use std::alloc::Layout;
    /// assert!(Heap.acquire(Layout::from_size_align(0, 1)?, Pages::Small)?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives it back to where it came from; or returns it, with its bytes lost and its pages out of
    /// physical memory, where the system refuses to take it.
    #[cfg(feature = "std")]
    pub(crate) fn give_back(self) -> Result<(), Self> {
        let Self { base, len, owner } = self;
        match owner {
            Owner::User(owner) => drop(owner),
            Owner::System(owned) => {
                if let Err(owned) = owned.give_back() {
                    // SAFETY: a map, hence whole pages (but its end, which is the map's as well), and
                    // nothing in it is of use.
                    unsafe { crate::os::discard(base, len) };
                    return Err(Self::owned(base, len, owned));
                }
            }
        }
        Ok(())
    }

    /// Faults all its pages in. Their contents are lost, so it is for fresh regions only.
    #[cfg(feature = "std")]
    pub(crate) fn populate(&self) -> Result<(), SourceError> {
        // SAFETY: the region owns these bytes, and it is fresh, so they hold nothing.
        unsafe { crate::os::populate(self.base, self.len) }
    }

    /// Bytes of it that are in physical memory now, in whole pages; `None` where the system
    /// does not tell.
    ///
    /// ```
    /// # use epoch_arena_block::Memory;
    /// let block = Memory::builder().build()?.block(1)?;
    /// assert!(block.region().resident().is_none_or(|bytes| bytes <= block.capacity()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resident(&self) -> Option<usize> {
        crate::os::resident(self.base, self.len)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.owner {
            Owner::System(owned) => owned.kind(),
            Owner::User(_) => "user",
        };
        f.debug_struct("Region")
            .field("kind", &kind)
            .field("base", &self.base)
            .field("len", &self.len)
            .finish()
    }
}
