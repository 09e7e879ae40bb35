//! A process whose maps are used up: the system then refuses to unmap a range amid a larger map.

use epoch_arena_block::Memory;

use crate::support::alone;

const BUDGET: usize = 64 << 20;

/// Other code's maps: one for every second page, until the process may have no more.
struct Others(*mut libc::c_void, usize);

impl Others {
    /// `None` if the system lets the process have as many as it likes.
    fn take_all() -> Option<Self> {
        const LEN: usize = 1 << 30;
        let (none, flags) = (
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
        );
        // SAFETY: a new map, of which nothing is used.
        let first = unsafe { libc::mmap(std::ptr::null_mut(), LEN, libc::PROT_READ, flags, -1, 0) };
        assert_ne!(first, libc::MAP_FAILED);
        let others = Self(first, LEN);
        for page in (0..LEN).step_by(8192) {
            let page = first.wrapping_byte_add(page);
            // SAFETY: a page of that map.
            if unsafe { libc::mprotect(page, 4096, none) } != 0 {
                return Some(others);
            }
        }
        None
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        // SAFETY: the whole map of `take_all`, which no code uses any more.
        unsafe { libc::munmap(self.0, self.1) };
    }
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "the maps are the kernel's")]
#[cfg_attr(
    any(epoch_arena_asan, epoch_arena_msan),
    ignore = "without a map left the sanitizer's heap has no memory"
)]
fn with_the_maps_used_up_the_budget_holds_and_blocks_go_when_they_can() {
    if !alone("unmap::with_the_maps_used_up_the_budget_holds_and_blocks_go_when_they_can") {
        return;
    }
    let memory = Memory::builder()
        .budget(BUDGET)
        .high_water(0)
        .huge_pages_from(usize::MAX);
    let memory = memory.build().unwrap();
    let before = resident();
    let fill = |memory: &Memory| {
        let blocks: Vec<_> = std::iter::from_fn(|| memory.block(1).ok()).collect();
        for block in &blocks {
            while block.alloc_copy(&[1; 4096]).is_ok() {}
        }
        blocks
    };
    let mut refused = 0;
    let mut blocks = fill(&memory);
    for _ in 0..4 {
        assert_eq!((blocks.len(), memory.stats().in_use), (32, BUDGET));
        let Some(others) = Others::take_all() else {
            return;
        };
        // Those in between: unmapping one needs one map more.
        let (mut at, count) = (0, blocks.len() / 2);
        blocks.retain(|_| {
            at += 1;
            at % 2 == 0
        });
        let stats = memory.stats();
        assert_eq!(
            (stats.in_use, stats.reserved),
            (count * (2 << 20), stats.in_use + stats.free)
        );
        refused += stats.free;
        drop(others);
        blocks.extend(fill(&memory));
        assert!(memory.stats().reserved <= BUDGET);
        assert!(
            resident() < before + BUDGET + (8 << 20),
            "no more than the budget in memory"
        );
    }
    assert!(refused > 0, "nothing was refused: no test");
    let Some(others) = Others::take_all() else {
        return;
    };
    drop(blocks);
    drop(others);
    memory.trim(0);
    assert_eq!(memory.stats().reserved, 0, "offered again, and taken");
    assert!(resident() < before + (8 << 20));
}
