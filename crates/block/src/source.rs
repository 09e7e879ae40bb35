//! Where regions come from.

use core::alloc::Layout;
use core::fmt;

use crate::error::SourceError;
use crate::os;
use crate::region::Region;

/// A giver of [`Region`]s. Implement it for memory of your own.
///
/// The trait is safe to implement: the code that makes a [`Region`] vouches for its memory
/// ([`Region::from_raw_parts`] is unsafe), and [`Memory`](crate::Memory) checks the region's size and alignment.
///
/// No lock of this library is held during [`acquire`](Source::acquire) or a region's drop.
///
/// ```
/// # use epoch_arena_block as epoch_arena;
/// use epoch_arena::{Heap, Memory, Pages, Region, Source, SourceError};
/// use std::alloc::Layout;
///
/// /// A heap that refuses everything over a mebibyte.
/// #[derive(Debug)]
/// struct Modest;
/// impl Source for Modest {
///     fn acquire(&self, layout: Layout, pages: Pages) -> Result<Region, SourceError> {
///         if layout.size() > 1 << 20 { return Err(SourceError::OutOfMemory); }
///         Heap.acquire(layout, pages)
///     }
/// }
/// let memory = Memory::builder().source(Modest).block_size(64 << 10).build()?;
/// assert!(memory.block(1).is_ok() && memory.block(2 << 20).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Source: Send + Sync + fmt::Debug + 'static {
    /// A region of exactly `layout.size()` bytes whose base is aligned to `layout.align()`. `pages` is a wish of
    /// the caller's; a source may ignore it.
    ///
    /// # Errors
    ///
    /// [`SourceError`], with nothing kept.
    ///
    /// ```
    /// # use epoch_arena_block::{AnonymousMap, Pages, Source};
    /// # use std::alloc::Layout;
    /// let layout = Layout::from_size_align(2 << 20, 4096)?;
    /// let region = AnonymousMap::new().acquire(layout, Pages::Huge)?;
    /// assert_eq!(region.len(), 2 << 20); // exactly
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn acquire(&self, layout: Layout, pages: Pages) -> Result<Region, SourceError>;
}

/// The pages that a region's bytes should be on: a wish, which a source may ignore.
///
/// ```
/// # use epoch_arena_block::{AnonymousMap, Pages, Source};
/// # use std::alloc::Layout;
/// let small = AnonymousMap::new().acquire(Layout::from_size_align(2 << 20, 4096)?, Pages::Small)?;
/// // A write takes one page of 4 KiB into memory, and not 2 MiB.
/// assert!(small.resident().is_none_or(|bytes| bytes == 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// The smallest: a region takes physical memory only for the small pages that it uses.
    Small,
    /// The largest that the region fills: cheaper to fault in, and to read at random.
    Huge,
}

/// Memory of the global allocator. Works everywhere; no huge pages, and the allocator decides
/// when memory goes back to the system.
///
/// ```
/// # use epoch_arena_block::{Heap, Pages, Source};
/// # use std::alloc::Layout;
/// let region = Heap.acquire(Layout::from_size_align(4096, 64)?, Pages::Small)?;
/// assert_eq!(region.base().addr().get() % 64, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

impl Source for Heap {
    fn acquire(&self, layout: Layout, _pages: Pages) -> Result<Region, SourceError> {
        os::heap(layout)
    }
}

#[cfg(feature = "mmap")]
pub use maps::{AnonymousMap, TempFile};

#[cfg(feature = "mmap")]
mod maps {
    use super::{Layout, Pages, Region, Source, SourceError, os};
    use std::path::PathBuf;

    /// The size of a huge page: maps of this size or more are aligned to it.
    const HUGE_PAGE: usize = 2 << 20;

    /// Anonymous maps: memory straight from the system, aligned to 2 MiB so that transparent
    /// huge pages apply, and given back to the system at once when a block is.
    ///
    /// The maps are private. A child process that has forked has a copy of them, made page by page as
    /// either side writes; it may read the bytes that its thread could read, and must not do more: see
    /// [`Memory`](crate::Memory#fork).
    ///
    /// ```
    /// # use epoch_arena_block as epoch_arena;
    /// use epoch_arena::{AnonymousMap, Memory};
    /// let memory = Memory::builder()
    ///     .source(AnonymousMap::new().huge_pages(true).populate(true))
    ///     .build()?;
    /// let block = memory.block(1)?;
    /// // Populated: every page is in memory before the first write.
    /// assert!(block.region().resident().is_none_or(|bytes| bytes == block.capacity()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[derive(Clone, Copy, Debug)]
    pub struct AnonymousMap {
        huge_pages: bool,
        populate: bool,
    }

    impl AnonymousMap {
        /// With transparent huge pages where the system has them, not populated.
        ///
        /// ```
        /// # use epoch_arena_block::{AnonymousMap, Memory};
        /// const SOURCE: AnonymousMap = AnonymousMap::new();
        /// let memory = Memory::builder().source(SOURCE).huge_pages_from(0).build()?;
        /// assert_eq!(memory.block(1)?.region().base().addr().get() % (2 << 20), 0);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub const fn new() -> Self {
            Self {
                huge_pages: true,
                populate: false,
            }
        }

        /// Whether to ask for transparent huge pages where [`Pages::Huge`] is asked for (default: yes).
        /// A first write then takes a huge page at once, six times cheaper per byte than small ones;
        /// without, a block takes physical memory only for the small pages that it uses.
        ///
        /// ```
        /// # use epoch_arena_block::{AnonymousMap, Memory};
        /// let thrifty = Memory::builder().source(AnonymousMap::new().huge_pages(false)).build()?;
        /// let block = thrifty.block(1)?;
        /// block.alloc_copy(b"one small page, unless the system makes all pages huge")?;
        /// println!("{:?} bytes are resident", block.region().resident());
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn huge_pages(mut self, yes: bool) -> Self {
            self.huge_pages = yes;
            self
        }

        /// Whether to fault all pages in when a block is made (default: no): making it takes
        /// longer, and no later write meets a page fault.
        ///
        /// ```
        /// # use epoch_arena_block::{AnonymousMap, Memory};
        /// let ready = Memory::builder().source(AnonymousMap::new().populate(true)).build()?;
        /// let block = ready.block(1)?;
        /// assert!(block.region().resident().is_none_or(|bytes| bytes == block.capacity()));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn populate(mut self, yes: bool) -> Self {
            self.populate = yes;
            self
        }
    }

    impl Default for AnonymousMap {
        fn default() -> Self {
            Self::new()
        }
    }

    impl Source for AnonymousMap {
        fn acquire(&self, layout: Layout, pages: Pages) -> Result<Region, SourceError> {
            let huge = self.huge_pages && pages == Pages::Huge && layout.size() >= HUGE_PAGE;
            let (align, pages) = if huge {
                (layout.align().max(HUGE_PAGE), Pages::Huge)
            } else {
                (layout.align(), Pages::Small)
            };
            let layout =
                Layout::from_size_align(layout.size(), align).map_err(|_| SourceError::TooLarge)?;
            os::map(layout, pages, self.populate)
        }
    }

    /// Maps of temporary files without a name: arenas larger than memory, paged to disk by the
    /// system. The disk space is allocated first, so that a full disk is an error and never a
    /// signal; nothing is left behind, however the process ends (but for an empty file, if it is
    /// killed in the instant between making and unlinking it).
    ///
    /// These maps are shared with the file, so on Linux they are kept out of forked children, which
    /// could write to the parent's data: a child that touches one faults. It must not drop one
    /// either, as other memory may be in its place there.
    ///
    /// ```
    /// # use epoch_arena_block as epoch_arena;
    /// use epoch_arena::{Memory, TempFile};
    /// let memory = Memory::builder().source(TempFile::in_dir(std::env::temp_dir())).build()?;
    /// assert_eq!(memory.block(1)?.capacity(), memory.block_size());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[derive(Clone, Debug)]
    pub struct TempFile {
        dir: PathBuf,
    }

    impl TempFile {
        /// Files in the system's temporary directory. Note that it is in memory on some systems
        /// (`tmpfs`): then name a directory on a disk with [`in_dir`](Self::in_dir).
        ///
        /// ```
        /// # use epoch_arena_block::{Memory, TempFile};
        /// let memory = Memory::builder().source(TempFile::new()).block_size(64 << 10).build()?;
        /// memory.block(1)?.alloc_copy(b"paged to disk by the system")?;
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn new() -> Self {
            Self::in_dir(std::env::temp_dir())
        }

        /// Files in `dir`, which must exist and be writable when a block is made.
        ///
        /// ```
        /// # use epoch_arena_block::{Memory, MemoryError, TempFile};
        /// let nowhere = TempFile::in_dir("/no/such/directory");
        /// let memory = Memory::builder().source(nowhere).build()?;
        /// assert!(matches!(memory.block(1), Err(MemoryError::Source(_)))); // not before
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
            Self { dir: dir.into() }
        }
    }

    impl Default for TempFile {
        fn default() -> Self {
            Self::new()
        }
    }

    impl Source for TempFile {
        fn acquire(&self, layout: Layout, _pages: Pages) -> Result<Region, SourceError> {
            os::file(layout, &self.dir)
        }
    }
}
