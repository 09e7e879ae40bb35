//! The one door to the system: heap, maps, files, residency. `clippy.toml` closes it elsewhere.
#![allow(
    clippy::disallowed_methods,
    reason = "this folder is the one that may call them; without `std` they have other names"
)]

use alloc::alloc::{alloc, dealloc};
use core::alloc::Layout;
use core::ptr::NonNull;

use crate::error::SourceError;
use crate::region::Region;

/// System memory; dropped, it goes back to where it came from.
pub(crate) enum Owned {
    Heap(
        #[cfg_attr(
            not(feature = "std"),
            expect(dead_code, reason = "held for its destructor")
        )]
        HeapMemory,
    ),
    #[cfg(feature = "mmap")]
    Anonymous(memmap2::MmapMut),
    #[cfg(feature = "mmap")]
    File(memmap2::MmapMut),
}

impl Owned {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Heap(_) => "heap",
            #[cfg(feature = "mmap")]
            Self::Anonymous(_) => "anonymous map",
            #[cfg(feature = "mmap")]
            Self::File(_) => "temporary file",
        }
    }

    /// Gives the memory back; or returns it, still usable, where the system refuses to take it. The system refuses
    /// where unmapping a part of a larger map would need one map more than the process may have.
    #[cfg(feature = "std")]
    pub(crate) fn give_back(self) -> Result<(), Self> {
        match self {
            Self::Heap(memory) => drop(memory),
            #[cfg(feature = "mmap")]
            Self::Anonymous(map) => maps::unmap(map).map_err(Self::Anonymous)?,
            #[cfg(feature = "mmap")]
            Self::File(map) => maps::unmap(map).map_err(Self::File)?,
        }
        Ok(())
    }
}

pub(crate) struct HeapMemory {
    /// Invariant: allocated by the global allocator with `layout`, freed only by the drop of this.
    base: NonNull<u8>,
    layout: Layout,
}

impl Drop for HeapMemory {
    fn drop(&mut self) {
        // SAFETY: by the invariant of `base` this is its allocation and layout, freed once.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}

/// `layout` from the global allocator.
pub(crate) fn heap(layout: Layout) -> Result<Region, SourceError> {
    let len = layout.size();
    let layout = at_least_one_byte(layout)?;
    // SAFETY: the size is not zero.
    let base = NonNull::new(unsafe { alloc(layout) }).ok_or(SourceError::OutOfMemory)?;
    let owned = Owned::Heap(HeapMemory { base, layout });
    Ok(Region::owned(base, len, owned))
}

fn at_least_one_byte(layout: Layout) -> Result<Layout, SourceError> {
    Layout::from_size_align(layout.size().max(1), layout.align()).map_err(|_| SourceError::TooLarge)
}

/// Bytes of `base .. base + len` in physical memory, in whole pages, at most `len`; `None` where the system
/// does not tell. A page that is not mapped (any more) is not in memory.
#[cfg(all(feature = "mmap", target_os = "linux", not(miri)))]
pub(crate) fn resident(base: NonNull<u8>, len: usize) -> Option<usize> {
    const PAGES: usize = 512;
    let page = page_size();
    let first = base.as_ptr().map_addr(|address| address & !(page - 1));
    let pages = (base.addr().get() + len - first.addr()).div_ceil(page);
    let mut resident = 0;
    let mut told = [0_u8; PAGES];
    for done in (0..pages).step_by(PAGES) {
        let count = PAGES.min(pages - done);
        let from = first.wrapping_add(done * page);
        // SAFETY: mincore reads page tables and writes only to `told`, which has a byte for each
        // page; where a page is not mapped (any more) it fails.
        let answer = unsafe { libc::mincore(from.cast(), count * page, told.as_mut_ptr()) };
        if answer == 0 {
            resident += told[..count].iter().filter(|byte| **byte & 1 == 1).count();
        }
    }
    Some((resident * page).min(len))
}

#[cfg(not(all(feature = "mmap", target_os = "linux", not(miri))))]
pub(crate) fn resident(_base: NonNull<u8>, _len: usize) -> Option<usize> {
    None
}

#[cfg(all(feature = "mmap", unix, not(miri)))]
pub(crate) fn page_size() -> usize {
    // SAFETY: sysconf reads a constant of the system; it has no preconditions.
    let answer = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(answer).unwrap_or(4096)
}

#[cfg(all(feature = "std", not(all(feature = "mmap", unix, not(miri)))))]
pub(crate) fn page_size() -> usize {
    4096
}

/// Takes the pages of `base .. base + len` out of physical memory, where the system can.
///
/// # Safety
///
/// The range is whole pages of the caller's alone, and its contents are of no use.
#[cfg(feature = "std")]
pub(crate) unsafe fn discard(base: NonNull<u8>, len: usize) {
    #[cfg(all(feature = "mmap", unix, not(miri)))]
    // SAFETY: by the contract the pages hold nothing of use. Where the system refuses, they stay.
    unsafe {
        libc::madvise(base.as_ptr().cast(), len, libc::MADV_DONTNEED);
    }
    let _ = (base, len);
}

/// Faults all pages of `base .. base + len` in, so that no write does.
///
/// # Safety
///
/// The range is the caller's alone, and its contents are of no use.
#[cfg(feature = "std")]
pub(crate) unsafe fn populate(base: NonNull<u8>, len: usize) -> Result<(), SourceError> {
    const PAGE: usize = 4096;
    #[cfg(all(feature = "mmap", target_os = "linux", not(miri)))]
    if base.addr().get() % page_size() == 0 {
        // SAFETY: it faults pages in and changes no byte; the range is the caller's.
        let done = unsafe { libc::madvise(base.as_ptr().cast(), len, libc::MADV_POPULATE_WRITE) };
        match std::io::Error::last_os_error().raw_os_error() {
            _ if done == 0 => return Ok(()),
            // Older than Linux 5.14: touch the pages by hand, below.
            Some(libc::EINVAL) | None => {}
            Some(code) => return Err(SourceError::Os(code)),
        }
    }
    for page in (0..len).step_by(PAGE) {
        // SAFETY: inside the range.
        let first = unsafe { base.add(page) };
        // SAFETY: the caller's alone, and of no use.
        unsafe { first.write_volatile(0) };
    }
    Ok(())
}

/// Makes the whole pages inside the range fault when they are touched, or accessible again. Pages are those of
/// the system. A page that is only partly in the range stays as it is, as another owner may have the rest of it. Says
/// whether the whole pages are now as asked. Where there is no whole page, or no such system call, the range is
/// accessible.
///
/// # Safety
///
/// The range is inside one region that the caller owns, and no thread uses it while it is not accessible.
#[cfg(all(feature = "mmap", unix, not(miri)))]
pub(crate) unsafe fn protect(base: NonNull<u8>, len: usize, accessible: bool) -> bool {
    let pages = crate::bump::pages_inside(base.addr().get(), len, page_size());
    if pages.is_empty() {
        return accessible;
    }
    let mode = if accessible {
        libc::PROT_READ | libc::PROT_WRITE
    } else {
        libc::PROT_NONE
    };
    let first = base.as_ptr().wrapping_add(pages.start);
    // SAFETY: whole pages inside the range; by the contract they are the caller's, and no thread uses those that fault.
    unsafe { libc::mprotect(first.cast(), pages.len(), mode) == 0 }
}

#[cfg(all(feature = "std", not(all(feature = "mmap", unix, not(miri)))))]
pub(crate) unsafe fn protect(_base: NonNull<u8>, _len: usize, accessible: bool) -> bool {
    accessible
}

#[cfg(feature = "mmap")]
pub(crate) use maps::{file, map};

#[cfg(all(test, feature = "mmap", unix, not(any(miri, epoch_arena_loom))))]
pub(crate) use maps::refusal;

#[cfg(feature = "mmap")]
mod maps;
