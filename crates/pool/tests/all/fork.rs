//! A child process that has forked: it may read, and nothing else. The children here read, compare,
//! and leave with a code; an alarm ends one that waits for a lock.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

use epoch_arena_block::{AnonymousMap, Heap, Source};
use epoch_arena_pool::{Alignment, ArenaGuard, ArenaHandle, ArenaPool, Lease, Memory, Snapshot};

use crate::alone::alone;
use crate::ends::Finish;
use crate::pools::{BLOCK, put, put_many};

/// How a child ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Code(i32),
    Signal(i32),
}

/// Forks; the child runs `body` and leaves with what it returns.
fn child(body: impl FnOnce() -> i32) -> End {
    // SAFETY: the child has one thread. It reads memory, takes no lock, and leaves with `_exit`,
    // which runs no destructor and no handler of the parent's.
    let process = unsafe { libc::fork() };
    assert!(process >= 0, "the system has no process left");
    if process == 0 {
        // SAFETY: ends this process if it hangs; no handler is installed.
        unsafe { libc::alarm(20) };
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `none` is a limit; a child that faults on purpose leaves no core behind.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
        let code = body();
        // SAFETY: always.
        unsafe { libc::_exit(code) }
    }
    let mut status = 0;
    // SAFETY: the child from above, waited for once; `status` is ours.
    let waited = unsafe { libc::waitpid(process, &raw mut status, 0) };
    assert_eq!(waited, process);
    if libc::WIFSIGNALED(status) {
        End::Signal(libc::WTERMSIG(status))
    } else {
        End::Code(libc::WEXITSTATUS(status))
    }
}

fn pool_over(source: impl Source) -> ArenaPool {
    let memory = Memory::builder().source(source).block_size(BLOCK);
    let memory = memory.build().expect("valid settings");
    let builder = ArenaPool::builder().memory(memory);
    builder.retained_epochs(3).build().expect("valid settings")
}

/// What a thread has when it forks.
struct Held<'p> {
    pool: &'p ArenaPool,
    guard: ArenaGuard<'p>,
    lease: Lease,
    snapshot: Snapshot,
    handles: [ArenaHandle; 2],
}

impl Held<'_> {
    /// Reads in every way there is; zero, or the number of the first that failed.
    fn read(&self, expected: u8) -> i32 {
        let right = |found: Option<&[u8]>| found == Some(&[expected; 3_000][..]);
        let [old, new] = self.handles;
        if !right(self.guard.get(old)) || !right(self.guard.get(new)) {
            return 1;
        }
        if !right(self.lease.get(old)) || !right(self.snapshot.get(new)) {
            return 2;
        }
        // Pins enough for crossbeam-epoch to collect inside some of them.
        for _ in 0..1_000 {
            let nested = self.pool.pin();
            if !right(nested.get(old)) || !right(nested.get(new)) {
                return 3;
            }
        }
        0
    }
}

/// Reads in children while other threads write, advance and ask for figures, so that most forks
/// find locks held; an outermost pin in the child among them.
fn read_in_children(source: impl Source, children: u8) {
    let (kept, busy) = (pool_over(source), pool_over(Heap));
    // The forking thread is known to this one; its first pin would take a lock in the child.
    let warm = put(&busy, b"warm");
    let done = AtomicBool::new(false);
    std::thread::scope(|s| {
        let _finish = Finish(&done);
        for _ in 0..2 {
            s.spawn(|| {
                let parked = kept.pin();
                while !done.load(Ordering::Relaxed) {
                    // Small, as it holds back all of `kept`.
                    put(&kept, b"more");
                    put_many(&busy, 10, &[1; 5_000]);
                    for pool in [&kept, &busy] {
                        let _ = pool.stats();
                        pool.maintain();
                    }
                    // Threads that are not scheduled may hold all slots.
                    let _ = busy.advance();
                }
                drop(parked);
            });
        }
        for round in 0..children {
            let old = put(&kept, &[round; 3_000]);
            kept.advance().unwrap();
            let held = Held {
                pool: &kept,
                guard: kept.pin(),
                lease: kept.lease(old.epoch()).unwrap(),
                snapshot: kept.snapshot(),
                handles: [old, put(&kept, &[round; 3_000])],
            };
            let end = child(|| {
                let outermost = (0..1_000).all(|_| {
                    // It may have expired; it is not wrong.
                    let found = busy.pin().get(warm) == Some(b"warm");
                    found || busy.pin().get(warm).is_none()
                });
                if outermost { held.read(round) } else { 4 }
            });
            assert_eq!(end, End::Code(0), "in child {round}");
            assert_eq!(held.read(round), 0, "and here");
        }
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri does not fork")]
fn a_child_reads_under_guards_leases_and_new_pins() {
    alone(
        "fork::a_child_reads_under_guards_leases_and_new_pins",
        || {
            read_in_children(AnonymousMap::new().huge_pages(false), 30);
            read_in_children(AnonymousMap::new(), 10);
            read_in_children(Heap, 30);
        },
    );
}

/// What the child writes to its copy is not the parent's, nor the other way round.
#[test]
#[cfg_attr(miri, ignore = "Miri does not fork")]
fn a_childs_memory_is_a_copy() {
    alone("fork::a_childs_memory_is_a_copy", || {
        let pool = pool_over(AnonymousMap::new());
        let guard = pool.pin();
        let kept = guard.alloc_copy(&[1; 100]).unwrap();
        let mut room = guard.alloc_uninit(100, Alignment::BYTE).unwrap();
        let fill = |room: &mut [MaybeUninit<u8>], byte| room.fill(MaybeUninit::new(byte));
        fill(&mut room, 2);
        let end = child(|| {
            fill(&mut room, 3);
            i32::from(guard.get(kept) != Some(&[1; 100][..]))
        });
        assert_eq!(end, End::Code(0));
        // SAFETY: filled above.
        let handle = unsafe { room.assume_init() };
        assert_eq!(guard.get(handle), Some(&[2; 100][..]));
    });
}

/// A map of a file is shared: the child has none of it, so that it cannot write to the parent's.
#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "Miri does not fork")]
fn a_child_that_touches_a_temporary_file_faults() {
    alone("fork::a_child_that_touches_a_temporary_file_faults", || {
        let pool = pool_over(epoch_arena_block::TempFile::new());
        let guard = pool.pin();
        let handle = guard.alloc_copy(&[1; 100]).unwrap();
        let bytes = guard.get(handle).unwrap();
        let end = child(|| {
            // SAFETY: the child's own; a handler, as a sanitizer has one, would report the fault and exit.
            unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
            i32::from(std::hint::black_box(bytes[50]) == 1)
        });
        assert_eq!(end, End::Signal(libc::SIGSEGV));
        assert_eq!(bytes, [1; 100]);
    });
}
