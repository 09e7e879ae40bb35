//! What becomes of reclaimed bytes: poisoned, zeroed, or out of reach.

use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use epoch_arena_block::{Heap, Pages, Region, Source, SourceError};
use epoch_arena_pool::{ArenaPool, Lease, Memory, PoolBuilder};

use crate::ends::{Finish, Meeting};
use crate::pools::{
    BLOCK, adds_up, advance, all_reclaimed, in_order, maintain_until, put, put_many,
};
use crate::support::read_on_purpose;

const SECRET: &[u8] = b"correct horse battery staple";

/// Memory that outlives the pool and can be looked at after it.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<Box<[u64]>>>>);

impl Source for Kept {
    fn acquire(&self, layout: Layout, _pages: Pages) -> Result<Region, SourceError> {
        // Two pages more than asked for, to find an aligned place in.
        let mut words = vec![0_u64; (layout.size() + layout.align()) / 8].into_boxed_slice();
        let first = words.as_mut_ptr().cast::<u8>();
        let first = first.wrapping_add(first.align_offset(layout.align()));
        let first = NonNull::new(first).ok_or(SourceError::OutOfMemory)?;
        self.0.lock().unwrap().push(words);
        // SAFETY: the words are never freed while the test runs, and looked at only when the
        // region is gone; the size is that of a layout.
        Ok(unsafe { Region::from_raw_parts(first, layout.size(), Box::new(self.clone())) })
    }
}

impl Kept {
    /// How often `bytes` is anywhere in the memory. All regions must be gone.
    fn count(&self, bytes: &[u8]) -> usize {
        let all = self.0.lock().unwrap();
        let count = |words: &[u64]| {
            // SAFETY: the words, which were written by `acquire`; no region is left that they are in.
            unsafe { read_on_purpose(NonNull::from(words).cast(), size_of_val(words)) };
            let memory: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
            memory.windows(bytes.len()).filter(|w| *w == bytes).count()
        };
        all.iter().map(|words| count(words)).sum()
    }
}

fn builder(kept: &Kept) -> PoolBuilder {
    let memory = Memory::builder().source(kept.clone()).block_size(BLOCK);
    let builder = ArenaPool::builder().memory(memory.build().unwrap());
    builder.retained_epochs(1).poison_on_reclaim(false)
}

/// Every way of writing: packed, aligned, in a batch, in place, oversize.
fn write_secrets(pool: &ArenaPool) {
    let guard = pool.pin();
    guard.alloc_copy(SECRET).unwrap();
    let align = epoch_arena_pool::Alignment::new(64).unwrap();
    guard.alloc_copy_aligned(SECRET, align).unwrap();
    guard.batch(1_000).unwrap().push(SECRET).unwrap();
    let mut large = SECRET.repeat(10_000);
    large.extend(SECRET);
    guard.alloc_copy(&large).unwrap();
    let len = SECRET.len();
    guard
        .alloc_with(len, |b| b.copy_from_slice(SECRET))
        .unwrap();
}

#[test]
fn secrets_are_zeroed_when_their_epoch_is_reclaimed() {
    let kept = Kept::default();
    let pool = builder(&kept).zero_on_reclaim(true).build().unwrap();
    for _ in 0..3 {
        write_secrets(&pool);
        advance(&pool, 1);
        adds_up(&pool);
    }
    let memory = pool.memory().stats();
    assert_eq!((pool.bytes(), memory.free), (0, memory.reserved));
    assert_eq!(pool.memory().trim(0), memory.reserved);
    assert_eq!(kept.count(SECRET), 0);
    // The test can see: without the option they stay.
    let careless = Kept::default();
    let pool = builder(&careless).build().unwrap();
    write_secrets(&pool);
    advance(&pool, 1);
    drop(pool);
    assert!(careless.count(SECRET) >= 5);
}

/// Those of live epochs, too, when the pool goes; but not before the last lease.
#[test]
fn secrets_are_zeroed_when_the_pool_goes() {
    let kept = Kept::default();
    let pool = builder(&kept).zero_on_reclaim(true).build().unwrap();
    write_secrets(&pool);
    let handle = put(&pool, SECRET);
    let lease = pool.lease(handle.epoch()).unwrap();
    drop(pool);
    assert_eq!(lease.get(handle), Some(SECRET));
    drop(lease);
    assert_eq!(kept.count(SECRET), 0);
}

/// A callback that is pending still holds the epoch when the pool, the last lease and the memory go: its bytes are
/// zeroed all the same before they leave.
#[test]
fn secrets_are_zeroed_when_the_memory_goes_while_a_callback_is_pending() {
    let kept = Kept::default();
    let collector = crossbeam_epoch::Collector::new();
    let participant = collector.register();
    let foreign = participant.pin();
    let pool = builder(&kept)
        .zero_on_reclaim(true)
        .collector(collector.clone());
    let pool = pool.build().unwrap();
    write_secrets(&pool);
    let lease = pool.lease(pool.current_epoch()).unwrap();
    advance(&pool, 1);
    write_secrets(&pool);
    drop(pool);
    drop(lease);
    assert_eq!(kept.count(SECRET), 0);
    drop(foreign);
}

/// A lease that outlives a pool with a quarantine: there is none any more when it goes, and the memory is of use again.
#[test]
fn a_quarantine_ends_with_its_pool_even_if_a_lease_does_not() {
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    let memory = memory.build().unwrap();
    let other = ArenaPool::builder().memory(memory.clone()).build().unwrap();
    for leased_first in [false, true] {
        let builder = ArenaPool::builder().memory(memory.clone()).quarantine(true);
        let pool = builder.retained_epochs(1).build().unwrap();
        put(&pool, b"in quarantine");
        advance(&pool, 1);
        let handle = put(&pool, b"leased");
        let lease = pool.lease(handle.epoch()).unwrap();
        advance(&pool, 1);
        if leased_first {
            drop(lease);
            drop(pool);
        } else {
            drop(pool);
            assert_eq!(lease.get(handle), Some(&b"leased"[..]));
            drop(lease);
        }
        other.maintain();
        assert_eq!(memory.stats().in_use, other.bytes(), "nothing is left");
        put_many(&other, 100, &[1; 1_000]);
    }
}

#[test]
fn reclaimed_bytes_are_poisoned() {
    let kept = Kept::default();
    let pool = builder(&kept).poison_on_reclaim(true).build().unwrap();
    write_secrets(&pool);
    advance(&pool, 1);
    drop(pool);
    assert_eq!(kept.count(SECRET), 0);
    assert!(kept.count(&[0xdd; 28]) > 280_000, "all of them");
}

/// Who asks for zeros has them, also where debug assertions have the pattern on.
#[test]
fn zeros_go_before_the_pattern() {
    let kept = Kept::default();
    let pool = builder(&kept).poison_on_reclaim(true).zero_on_reclaim(true);
    let pool = pool.build().unwrap();
    write_secrets(&pool);
    advance(&pool, 1);
    drop(pool);
    assert_eq!((kept.count(SECRET), kept.count(&[0xdd; 8])), (0, 0));
}

/// Reclaiming while others put, read, lease and look, with the bytes overwritten outside the lock.
#[test]
fn scrubbing_races_with_everything_else() {
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    let builder = ArenaPool::builder().memory(memory.build().unwrap());
    let pool = builder.zero_on_reclaim(true).build().unwrap();
    let rounds = if cfg!(miri) { 20 } else { 1_000 };
    std::thread::scope(|s| {
        for t in 0..3_u8 {
            let pool = &pool;
            s.spawn(move || {
                for i in 0..rounds {
                    let guard = pool.pin();
                    let value = vec![t + 1; 1 + i * 37 % 5_000];
                    let handle = guard.alloc_copy(&value).unwrap();
                    if let Some(bytes) = guard.get(handle) {
                        std::thread::yield_now();
                        assert_eq!(bytes, value);
                    }
                    drop(guard);
                    match i % 16 {
                        0..4 => drop(pool.advance()),
                        4 => in_order(&pool.stats()),
                        5 => drop(pool.snapshot()),
                        6 => drop(pool.maintain()),
                        _ => {}
                    }
                }
            });
        }
    });
    advance(&pool, 3);
    maintain_until(&pool, all_reclaimed);
    adds_up(&pool);
}

#[test]
fn memory_in_quarantine_is_never_used_again_and_comes_back_with_the_pool() {
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    let memory = memory.budget(4 * BLOCK).build().unwrap();
    let builder = ArenaPool::builder().memory(memory.clone()).quarantine(true);
    let pool = builder.retained_epochs(1).build().unwrap();
    let mut seen = Vec::new();
    while let Ok(handle) = pool.pin().alloc_copy(&[7; 3_000]) {
        seen.push(pool.pin().get(handle).unwrap().as_ptr().addr());
        advance(&pool, 1);
        adds_up(&pool);
    }
    let stats = pool.stats();
    assert!(stats.quarantined > 3 * BLOCK, "{stats}");
    assert!(stats.to_string().contains("in quarantine"));
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count, "no address twice");
    drop(pool);
    assert_eq!(memory.stats().in_use, 0);
    // And the next owner can use it.
    let pool = ArenaPool::builder().memory(memory).build().unwrap();
    for _ in 0..60 {
        put(&pool, &[8; 3_000]);
    }
}

/// What a lease holds when a quarantining pool goes is overwritten when it is let go, and not out of reach for ever.
#[test]
fn memory_of_a_lease_that_outlives_a_quarantining_pool_comes_back() {
    for retired in [false, true] {
        let memory = Memory::builder().source(Heap).block_size(BLOCK);
        let memory = memory.build().unwrap();
        let builder = ArenaPool::builder().memory(memory.clone()).quarantine(true);
        let pool = builder.retained_epochs(1).build().unwrap();
        let handle = put(&pool, &[7; 30_000]);
        let lease = pool.lease(handle.epoch()).unwrap();
        if retired {
            advance(&pool, 1);
        }
        drop(pool);
        assert_eq!(lease.get(handle), Some(&[7; 30_000][..]));
        drop(lease);
        // Another pool has it confined, and at once released.
        let other = ArenaPool::builder().memory(memory.clone()).build().unwrap();
        advance(&other, 3);
        assert_eq!(memory.stats().in_use, 0);
        assert_eq!(memory.usage().users.len(), 1, "the first is not listed");
        while !put(&other, &[8; 3_000]).is_empty() && other.bytes() < 4 * BLOCK {}
    }
}

/// Pools with a quarantine go while another thread has what they retired confined.
#[test]
fn quarantining_pools_that_go_beside_a_reclaim_leave_nothing_out_of_reach() {
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    let memory = memory.build().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|s| {
        let _finish = Finish(&done);
        s.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                memory.trim(usize::MAX);
            }
        });
        for round in 0..if cfg!(miri) { 5 } else { 500_u32 } {
            let builder = ArenaPool::builder().memory(memory.clone()).quarantine(true);
            let pool = builder.retained_epochs(1).build().unwrap();
            let lease = pool.lease(put(&pool, &[7; 3_000]).epoch());
            advance(&pool, 1);
            put(&pool, &[8; 3_000]);
            if round % 2 == 0 {
                advance(&pool, 1);
            }
            drop(lease);
            drop(pool);
        }
    });
    memory.trim(usize::MAX);
    assert_eq!(memory.stats().in_use, 0);
    assert_eq!(memory.usage().users, []);
    assert_eq!(memory.trim(0), memory.stats().peak);
}

/// The point of a quarantine: a program that uses a reclaimed key dies there and then.
#[cfg(all(unix, not(miri)))]
#[test]
fn a_late_use_of_memory_in_quarantine_faults() {
    const CHILD: &str = "EPOCH_ARENA_TEST_LATE_USE";
    if std::env::var_os(CHILD).is_some() {
        let pool = ArenaPool::builder().quarantine(true).build().unwrap();
        // Large, so that there are whole pages inside its chunk, whatever size the system's have.
        let handle = put(&pool, &[SECRET[0]; 512 << 10]);
        let stale = &raw const pool.pin().get(handle).unwrap()[256 << 10];
        // SAFETY: the epoch is live.
        assert_eq!(unsafe { stale.read_volatile() }, SECRET[0]);
        advance(&pool, 3);
        // SAFETY: none, on purpose: this is the bug that must not go on.
        let byte = unsafe { stale.read_volatile() };
        println!("still alive, and read {byte}");
        std::process::exit(0);
    }
    let test = "scrub::a_late_use_of_memory_in_quarantine_faults";
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let child = child.args(["--exact", test, "--nocapture"]).env(CHILD, "1");
    let child = crate::ends::output(child);
    use std::os::unix::process::ExitStatusExt;
    let signal = child.status.signal();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(!output.contains("still alive"), "{output}");
    // A sanitizer reports it and exits instead.
    assert!(signal.is_some() || !child.status.success(), "{output}");
}

/// What takes a moment to overwrite, and fills the budget.
const LARGE: usize = if cfg!(miri) { BLOCK } else { 64 * BLOCK };

/// An epoch of `LARGE` bytes that is retired and that only a lease holds, with no callback pending,
/// in a pool over a memory that it fills.
fn held_by_a_lease_alone() -> (ArenaPool, Lease) {
    let memory = Memory::builder().source(Heap).block_size(BLOCK);
    let memory = memory.budget(LARGE).high_water(0).build().unwrap();
    let builder = ArenaPool::builder().memory(memory).zero_on_reclaim(true);
    let pool = builder.retained_epochs(1).build().unwrap();
    while pool.pin().alloc_copy(&[7; 3_000]).is_ok() {}
    let lease = pool.lease(pool.current_epoch()).unwrap();
    advance(&pool, 1);
    assert_eq!(pool.maintain().held_by_leases.epochs, 1);
    (pool, lease)
}

/// Has `act` run in another thread while this one overwrites an epoch that nothing holds. (It may come
/// before or after that, too. In most rounds it does not.)
fn beside_a_scrub(act: impl Fn(&ArenaPool) + Sync) {
    for _ in 0..if cfg!(miri) { 1 } else { 30 } {
        let (pool, lease) = held_by_a_lease_alone();
        let start = Meeting::new(2);
        std::thread::scope(|s| {
            s.spawn(|| {
                start.wait();
                std::thread::sleep(Duration::from_micros(500));
                act(&pool);
            });
            drop(lease);
            start.wait();
            // Reclaims, and trims nothing.
            pool.retire_before(pool.current_epoch());
        });
        assert_eq!(pool.stats().retired, 0);
    }
}

#[test]
fn a_put_is_not_refused_while_another_thread_overwrites_what_nothing_holds() {
    beside_a_scrub(|pool| put_many(pool, 1, b"there is room soon"));
    beside_a_scrub(|pool| put_many(pool, 1, &[1; BLOCK]));
}

#[test]
fn nor_is_a_put_of_another_pool_over_the_memory() {
    beside_a_scrub(|pool| {
        let beside = ArenaPool::builder().memory(pool.memory().clone());
        put(&beside.build().unwrap(), b"there is room soon");
    });
}

#[test]
fn nor_is_an_advance() {
    beside_a_scrub(|pool| {
        pool.advance().unwrap();
        pool.maintain();
    });
}
