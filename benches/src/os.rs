//! Memory straight from the system, and its resident bytes.

use std::fs;
use std::ptr::{self, NonNull};

/// Memory fresh from the system, aligned to 2 MiB, given back on drop.
///
/// Written apart from the library's own source on purpose: the floor must not share a weakness with the library.
#[derive(Debug)]
pub struct Region {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a region owns its map, and nothing about a map is bound to a thread.
unsafe impl Send for Region {}

/// The size of the pages that a [`Region`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// 4 KiB, whatever the system would like.
    Small,
    /// Transparent huge pages.
    Huge,
}

const HUGE: usize = 2 << 20;

impl Region {
    /// Maps at least `len` bytes.
    ///
    /// # Panics
    /// When the system has no such memory: a benchmark has no use for less.
    pub fn new(len: usize, pages: Pages) -> Self {
        let len = len.max(1).next_multiple_of(HUGE);
        let mapped = len + HUGE;
        // SAFETY: a fresh anonymous map touches no memory that exists.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        assert_ne!(
            start,
            libc::MAP_FAILED,
            "cannot map {mapped} bytes: {}",
            std::io::Error::last_os_error()
        );
        let start = start.cast::<u8>();
        let head = start.align_offset(HUGE);
        // SAFETY: head + len <= mapped, so both margins and the middle lie within the map.
        unsafe {
            if head > 0 {
                libc::munmap(start.cast(), head);
            }
            let base = start.add(head);
            if head < HUGE {
                libc::munmap(base.add(len).cast(), HUGE - head);
            }
            let advice = if pages == Pages::Huge {
                libc::MADV_HUGEPAGE
            } else {
                libc::MADV_NOHUGEPAGE
            };
            // A refusal (a kernel without huge pages) costs speed, nothing else.
            libc::madvise(base.cast(), len, advice);
            Self {
                base: NonNull::new_unchecked(base),
                len,
            }
        }
    }

    /// Where it starts.
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none; never.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: `new` mapped and kept this range.
        unsafe { libc::munmap(self.base().cast(), self.len) };
    }
}

/// The resident bytes of this process, exact: `smaps_rollup` walks the page table where `statm` keeps lazy counters.
/// Without the pages of files: those of the program itself, touched for the first time, would be most of a small map.
pub fn resident() -> usize {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let kib = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Anonymous:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<usize>().ok());
    kib.expect("Linux tells what is resident in /proc/self/smaps_rollup") * 1024
}

/// The page faults of this thread so far, those that needed no disk.
pub fn faults() -> u64 {
    // SAFETY: the structure is numbers, for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a valid place for the result.
    let failed = unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    assert_eq!(failed, 0, "Linux tells every thread its usage");
    usage.ru_minflt.unsigned_abs()
}

/// Keeps the calling thread to one core, `nth` of those it may use. A pass is shorter than the time after which the
/// kernel would separate two threads that it has put on one core; then it would measure the scheduler.
pub fn keep_to_core(nth: usize) {
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: a CPU set is bits, and all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` has the size that is said; 0 is this thread.
    if unsafe { libc::sched_getaffinity(0, size, &raw mut set) } != 0 {
        return;
    }
    // SAFETY: any index below the set's size may be asked for.
    let cores: Vec<usize> = (0..size * 8)
        .filter(|core| unsafe { libc::CPU_ISSET(*core, &set) })
        .collect();
    let Some(core) = cores.get(nth % cores.len().max(1)) else {
        return;
    };
    // SAFETY: as above, all zeros is the empty set.
    let mut one: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: a core that was in the set of the same size.
    unsafe { libc::CPU_SET(*core, &mut one) };
    // SAFETY: as with sched_getaffinity. If it is refused, the thread stays where it is.
    unsafe { libc::sched_setaffinity(0, size, &raw const one) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_aligned_writable_and_becomes_resident() {
        let region = Region::new(8 << 20, Pages::Small);
        assert_eq!(region.base().align_offset(HUGE), 0);
        let before = resident();
        // SAFETY: the region is that long and no other thread knows it.
        unsafe { ptr::write_bytes(region.base(), 1, region.len()) };
        assert!(resident() >= before + (7 << 20));
    }
}
