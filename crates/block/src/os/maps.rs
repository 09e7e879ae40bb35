//! Anonymous maps and maps of temporary files.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapMut, MmapOptions};

use super::{Layout, NonNull, Owned, Region, SourceError};
use crate::source::Pages;

/// Maps are at least this well aligned, on every platform.
const PAGE: usize = 4096;

/// `layout` from an anonymous map.
pub(crate) fn map(layout: Layout, pages: Pages, populate: bool) -> Result<Region, SourceError> {
    // Recent kernels align maps of a huge page or more by themselves; if the first map
    // is aligned, no address space is wasted.
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
    let advice = match pages {
        Pages::Huge => Advice::HugePage,
        Pages::Small => Advice::NoHugePage,
    };
    advise(&map, start, len, advice);
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
    // SAFETY: only this function reaches the file: it has no name any more, and the descriptor is
    // closed here; so no code can truncate it or write to it behind the map.
    let map = unsafe { MmapOptions::new().len(size).map_mut(&file) }.map_err(os)?;
    let start = padding(&map, layout);
    // A shared map: the writes of a forked child would change it here too, so a child gets no such map.
    advise(&map, start, len, Advice::DontFork);
    region(map, start, len, Owned::File)
}

/// Unmaps a whole map; or returns it where the system refuses.
#[cfg(all(unix, not(miri)))]
pub(super) fn unmap(map: MmapMut) -> Result<(), MmapMut> {
    #[cfg(all(test, not(epoch_arena_loom)))]
    if refusal::is_due() {
        return Err(map);
    }
    let mut map = std::mem::ManuallyDrop::new(map);
    let (base, len) = (map.as_mut_ptr(), map.len());
    // SAFETY: this function owns the map, which begins at a page and is used no more; its destructor, which would
    // unmap it too, does not run.
    if unsafe { libc::munmap(base.cast(), len) } == 0 {
        return Ok(());
    }
    Err(std::mem::ManuallyDrop::into_inner(map))
}

#[cfg(not(all(unix, not(miri))))]
pub(super) fn unmap(map: MmapMut) -> Result<(), MmapMut> {
    drop(map);
    Ok(())
}

/// Refuses this thread's next calls of `unmap`, as a system does that has no map left.
#[cfg(all(test, unix, not(any(miri, epoch_arena_loom))))]
pub(crate) mod refusal {
    use std::cell::Cell;

    thread_local!(static REFUSED: Cell<usize> = const { Cell::new(0) });

    /// Whether this call is to be refused.
    pub fn is_due() -> bool {
        let left = REFUSED.get();
        REFUSED.set(left.saturating_sub(1));
        left > 0
    }

    /// The next `calls` calls are refused.
    pub fn refuse(calls: usize) {
        REFUSED.set(calls);
    }
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
    NoHugePage,
    DontFork,
}

/// Advice is a wish: a kernel that does not know it still gave working memory.
#[cfg(all(target_os = "linux", not(miri)))]
fn advise(map: &MmapMut, start: usize, len: usize, advice: Advice) {
    let advice = match advice {
        Advice::HugePage => memmap2::Advice::HugePage,
        Advice::NoHugePage => memmap2::Advice::NoHugePage,
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
        // SAFETY: the descriptor is open for writing; fallocate touches no memory of the process.
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

#[cfg(all(test, not(any(miri, epoch_arena_loom))))]
mod tests {
    use super::*;

    /// What is done where the file system cannot allocate.
    #[test]
    fn a_file_is_allocated_by_writing_zeros() {
        let file = unlinked(&std::env::temp_dir()).expect("it can be written");
        write_zeros(&file, 100_000).expect("there is room");
        assert_eq!(file.metadata().expect("it is open").len(), 100_000);
    }
}
