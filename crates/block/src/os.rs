//! The one door to the system: heap, maps, files, residency. `clippy.toml` closes it elsewhere.
#![allow(
    clippy::disallowed_methods,
    reason = "this is the one file that may call them; without `std` they have other names"
)]

use alloc::alloc::{alloc, dealloc};
use core::alloc::Layout;
use core::ptr::NonNull;

use crate::error::SourceError;
use crate::region::Region;

/// System memory; dropped, it goes back to where it came from.
pub(crate) enum Owned {
    Heap(#[expect(dead_code, reason = "held for its destructor")] HeapMemory),
    #[cfg(feature = "mmap")]
    Anonymous(#[expect(dead_code, reason = "held for its destructor")] memmap2::MmapMut),
    #[cfg(feature = "mmap")]
    File(#[expect(dead_code, reason = "held for its destructor")] memmap2::MmapMut),
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
}

pub(crate) struct HeapMemory {
    /// Invariant: allocated by the global allocator with `layout`, freed only by our drop.
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

/// Bytes of `base .. base + len` in physical memory, in whole pages, at most `len`.
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
        // page; of pages that are not mapped (any more) it says so.
        let answer = unsafe { libc::mincore(from.cast(), count * page, told.as_mut_ptr()) };
        if answer != 0 {
            return None;
        }
        resident += told[..count].iter().filter(|byte| **byte & 1 == 1).count();
    }
    Some((resident * page).min(len))
}

#[cfg(not(all(feature = "mmap", target_os = "linux", not(miri))))]
pub(crate) fn resident(_base: NonNull<u8>, _len: usize) -> Option<usize> {
    None
}

#[cfg(all(feature = "mmap", unix, not(miri)))]
fn page_size() -> usize {
    // SAFETY: sysconf reads a constant of the system; it has no preconditions.
    let answer = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(answer).unwrap_or(4096)
}

/// Faults all pages of `base .. base + len` in, so that no write does.
///
/// # Safety
///
/// The range is the caller's alone, and what it holds is of no use.
#[cfg(feature = "std")]
pub(crate) unsafe fn populate(base: NonNull<u8>, len: usize) -> Result<(), SourceError> {
    const PAGE: usize = 4096;
    #[cfg(all(feature = "mmap", target_os = "linux", not(miri)))]
    if base.addr().get().is_multiple_of(page_size()) {
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

/// Makes the whole pages inside the range fault when they are touched, or accessible again. The page is
/// the system's; what of the range is not a whole page stays as it is, as the rest of that page may be
/// somebody else's. Says whether, apart from that, the range is as asked; where nothing was refused, be
/// it that there is no whole page or no such system call, it is accessible.
///
/// # Safety
///
/// The range is inside one region that the caller owns, and nobody uses it, nor is about to, while it is
/// not accessible.
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
    // SAFETY: whole pages inside the range; by the contract they are the caller's, and what faults is not used.
    unsafe { libc::mprotect(first.cast(), pages.len(), mode) == 0 }
}

#[cfg(not(all(feature = "mmap", unix, not(miri))))]
pub(crate) unsafe fn protect(_base: NonNull<u8>, _len: usize, accessible: bool) -> bool {
    accessible
}

#[cfg(feature = "mmap")]
pub(crate) use maps::{file, map};

#[cfg(feature = "mmap")]
mod maps {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::path::Path;
    use std::sync::atomic::{AtomicU64, Ordering};

    use memmap2::{MmapMut, MmapOptions};

    use super::{Layout, NonNull, Owned, Region, SourceError};

    /// Maps are at least this well aligned, on every platform.
    const PAGE: usize = 4096;

    /// `layout` from an anonymous map.
    pub(crate) fn map(layout: Layout, huge: bool, populate: bool) -> Result<Region, SourceError> {
        // Recent kernels align maps of a huge page or more by themselves; where the first map
        // happens to be aligned, no address space is wasted.
        let exact = anonymous(layout.size().max(1))?;
        let (map, start) = if (exact.as_ptr().addr()) & (layout.align() - 1) == 0 {
            (exact, 0)
        } else {
            drop(exact);
            let roomy = anonymous(with_room(layout)?)?;
            let start = padding(&roomy, layout);
            (roomy, start)
        };
        let len = layout.size();
        // A private map: a forked child has a copy of its own, written on demand, and may read it.
        if huge {
            advise(&map, start, len, Advice::HugePage);
        }
        let region = region(map, start, len, Owned::Anonymous)?;
        if populate {
            region.populate()?;
        }
        Ok(region)
    }

    /// `layout` from an unlinked temporary file in `dir`, its disk space allocated.
    pub(crate) fn file(layout: Layout, dir: &Path) -> Result<Region, SourceError> {
        let len = layout.size();
        let size = if layout.align() <= PAGE {
            len.max(1)
        } else {
            with_room(layout)?
        };
        let file = unlinked(dir).map_err(os)?;
        allocate(&file, size).map_err(os)?;
        // SAFETY: the file is ours alone: it has no name any more, and the descriptor is closed
        // here; so nobody can truncate it or write to it behind the map.
        let map = unsafe { MmapOptions::new().len(size).map_mut(&file) }.map_err(os)?;
        let start = padding(&map, layout);
        // A shared map: what a forked child wrote would be written here. It gets no such map.
        advise(&map, start, len, Advice::DontFork);
        region(map, start, len, Owned::File)
    }

    fn anonymous(len: usize) -> Result<MmapMut, SourceError> {
        MmapOptions::new().len(len).map_anon().map_err(os)
    }

    /// The size with which an aligned middle of `layout`'s size must exist.
    fn with_room(layout: Layout) -> Result<usize, SourceError> {
        layout
            .size()
            .max(1)
            .checked_add(layout.align())
            .ok_or(SourceError::TooLarge)
    }

    fn padding(map: &MmapMut, layout: Layout) -> usize {
        map.as_ptr().addr().wrapping_neg() & (layout.align() - 1)
    }

    fn region(
        mut map: MmapMut,
        start: usize,
        len: usize,
        owned: fn(MmapMut) -> Owned,
    ) -> Result<Region, SourceError> {
        let base = map[start..start + len].as_mut_ptr();
        let base = NonNull::new(base).ok_or(SourceError::OutOfMemory)?;
        Ok(Region::owned(base, len, owned(map)))
    }

    fn os(error: io::Error) -> SourceError {
        match error.raw_os_error() {
            Some(code) => SourceError::Os(code),
            // Without a code: memmap2's own refusal of a length that cannot be.
            None => SourceError::TooLarge,
        }
    }

    enum Advice {
        HugePage,
        DontFork,
    }

    /// Advice is a wish: a kernel that does not know it still gave us working memory.
    #[cfg(all(target_os = "linux", not(miri)))]
    fn advise(map: &MmapMut, start: usize, len: usize, advice: Advice) {
        let advice = match advice {
            Advice::HugePage => memmap2::Advice::HugePage,
            Advice::DontFork => memmap2::Advice::DontFork,
        };
        let _ = map.advise_range(advice, start, len);
    }

    #[cfg(not(all(target_os = "linux", not(miri))))]
    fn advise(_map: &MmapMut, _start: usize, _len: usize, _advice: Advice) {}

    /// A new file in `dir` that only its descriptor reaches.
    fn unlinked(dir: &Path) -> io::Result<File> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        loop {
            // Relaxed: only uniqueness within the process is needed; nothing is published.
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = dir.join(format!(".epoch-arena-{}-{number}", std::process::id()));
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            #[cfg(windows)]
            {
                const DELETE_ON_CLOSE: u32 = 0x0400_0000;
                std::os::windows::fs::OpenOptionsExt::custom_flags(&mut options, DELETE_ON_CLOSE);
            }
            match options.open(&path) {
                Ok(file) => {
                    #[cfg(not(windows))]
                    std::fs::remove_file(&path)?;
                    return Ok(file);
                }
                // Left by a process of the same number that was killed in between: next number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives the file `size` bytes of disk, so that a full disk is an error now and not a bus
    /// error at a later write.
    #[cfg(target_os = "linux")]
    fn allocate(file: &File, size: usize) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        let size = libc::off_t::try_from(size).map_err(|_| io::ErrorKind::InvalidInput)?;
        loop {
            // SAFETY: the descriptor is open for writing; fallocate touches no memory of ours.
            if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, size) } == 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EOPNOTSUPP) => return write_zeros(file, size as u64),
                _ => return Err(error),
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn allocate(file: &File, size: usize) -> io::Result<()> {
        write_zeros(file, size as u64)
    }

    fn write_zeros(mut file: &File, size: u64) -> io::Result<()> {
        io::copy(&mut io::Read::take(io::repeat(0), size), &mut file)?;
        Ok(())
    }
}
