//! The process as a whole: limits that the system sets, and what is left of pools and threads by the
//! thousand. Each test is alone in a process of its own. What a process has under a sanitizer is mostly the sanitizer's,
//! terabytes of it.
#![cfg(all(
    target_os = "linux",
    not(any(miri, epoch_arena_asan, epoch_arena_msan))
))]

use epoch_arena_block::{AnonymousMap, Heap, MemoryError, Source, SourceError};
use epoch_arena_pool::{AllocError, ArenaHandle, ArenaPool, Memory};

use crate::alone::{alone, resident};
use crate::pools::{BLOCK, adds_up, advance, builder, find, memory, put, put_many};

/// Lets this process have `more` bytes than it has now, by the count of `resource`.
fn limit(resource: libc::__rlimit_resource_t, more: usize) {
    let now = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: Vec<usize> = now.split_whitespace().map(|n| n.parse().unwrap()).collect();
    // Its size, and of that data and stack.
    let now = match resource {
        libc::RLIMIT_AS => pages[0],
        _ => pages[5],
    };
    let most = (now * 4096 + more) as libc::rlim_t;
    let most = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    // SAFETY: `most` is a limit.
    let answer = unsafe { libc::setrlimit(resource, &raw const most) };
    assert_eq!(answer, 0);
}

/// Fills until the system refuses, which is an error that says so; all that was written before is
/// there, epochs go on, and with the next ones memory comes back, again and again.
///
/// Only of maps is the room the same each time. What has gone back to the heap, the allocator may
/// keep in pieces that are of no use for blocks: glibc's does.
fn fill_to_the_limit(source: impl Source, same_room: bool) {
    const VALUE: usize = 1_000;
    let memory = Memory::builder().source(source).high_water(0).build();
    let builder = ArenaPool::builder().memory(memory.unwrap());
    let pool = builder.retained_epochs(1).build().unwrap();
    let fill = |handles: &mut Vec<ArenaHandle>| {
        handles.clear();
        let guard = pool.pin();
        loop {
            match guard.alloc_copy(&[handles.len() as u8; VALUE]) {
                Ok(handle) => handles.push(handle),
                Err(refused) => return refused,
            }
        }
    };
    // Room for all of them, as a test's own lists abort where there is no memory.
    let mut handles = Vec::with_capacity(8 * LIMIT / VALUE);
    let mut first = 0;
    for round in 0..4 {
        let refused = fill(&mut handles);
        let typed = matches!(
            refused,
            AllocError::Memory(MemoryError::Source(
                SourceError::Os(libc::ENOMEM) | SourceError::OutOfMemory
            ))
        );
        assert!(typed, "{refused:?}");
        if round == 0 {
            first = handles.len();
            assert!(first > LIMIT / VALUE / 2, "{first} values");
        }
        let same = handles.len() >= first / 10 * 9;
        assert!(same || !same_room, "{} after {first}", handles.len());
        let before = pool.stats();
        for _ in 0..100 {
            assert_eq!(pool.pin().alloc_copy(&[1; 100_000]), Err(refused));
        }
        assert_eq!(
            pool.stats().memory.reserved,
            before.memory.reserved,
            "a refusal costs nothing"
        );
        let guard = pool.pin();
        for (number, handle) in handles.iter().enumerate() {
            assert_eq!(guard.get(*handle), Some(&[number as u8; VALUE][..]));
        }
        drop(guard);
        adds_up(&pool);
        advance(&pool, 1);
        assert_eq!(find(&pool, handles[0]), None);
        assert!(pool.stats().memory.free > 0, "reclaimed");
        let after = put(&pool, b"goes on");
        assert_eq!(find(&pool, after), Some(b"goes on".to_vec()));
        if round % 2 == 1 {
            advance(&pool, 1);
            assert!(pool.maintain().returned > 0, "and given back to the system");
        }
    }
}

const LIMIT: usize = 48 << 20;

#[test]
fn a_limit_on_data_is_an_error_and_not_the_end() {
    let name = "process::a_limit_on_data_is_an_error_and_not_the_end";
    alone(name, || {
        limit(libc::RLIMIT_DATA, LIMIT);
        fill_to_the_limit(AnonymousMap::new(), true);
        fill_to_the_limit(Heap, false);
    });
}

#[test]
fn a_limit_on_address_space_is_an_error_and_not_the_end() {
    let name = "process::a_limit_on_address_space_is_an_error_and_not_the_end";
    alone(name, || {
        limit(libc::RLIMIT_AS, LIMIT);
        fill_to_the_limit(AnonymousMap::new(), true);
        fill_to_the_limit(Heap, false);
    });
}

/// Pages that can be written to again count as data. Where the limit leaves no room for them, what was in quarantine is
/// neither used again nor given to its source: a heap would hand out bytes that cannot be written to.
#[test]
fn a_quarantine_that_the_system_does_not_end_is_left_alone() {
    const KEYS: usize = 2_000;
    let name = "process::a_quarantine_that_the_system_does_not_end_is_left_alone";
    alone(name, || {
        let memory = Memory::builder().build().unwrap();
        let builder = ArenaPool::builder()
            .memory(memory.clone())
            .retained_epochs(1);
        let pool = builder.quarantine(true).build().unwrap();
        put_many(&pool, KEYS, &[1; 8_000]);
        let address = pool
            .pin()
            .get(put(&pool, b"the last"))
            .unwrap()
            .as_ptr()
            .addr();
        advance(&pool, 1);
        pool.maintain();
        let quarantined = pool.stats().quarantined;
        assert!(quarantined > KEYS * 8_000);
        limit(libc::RLIMIT_DATA, 1 << 20);
        drop(pool);
        let in_use = memory.stats().in_use;
        assert!(in_use > quarantined / 2, "{in_use} of {quarantined}");
        drop(memory);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let is_there = |line: &str| {
            let bounds = line.split([' ', '-']).take(2);
            let bounds: Vec<_> = bounds
                .map(|at| usize::from_str_radix(at, 16).unwrap())
                .collect();
            (bounds[0]..bounds[1]).contains(&address)
        };
        assert!(maps.lines().any(is_there), "it was given to the system");
    });
}

/// Pools come and go, and nothing of them stays.
#[test]
fn a_hundred_thousand_pools_leave_no_growth() {
    let name = "process::a_hundred_thousand_pools_leave_no_growth";
    alone(name, || {
        // One memory for all, so that a pool costs what a pool costs.
        let memory = memory();
        let pools = |count| {
            for _ in 0..count {
                let pool = builder(2).memory(memory.clone()).build().unwrap();
                put(&pool, b"key");
                advance(&pool, 1);
            }
        };
        pools(10_000);
        let before = resident();
        pools(90_000);
        let grown = resident().saturating_sub(before);
        // Ten bytes that each leaves would show.
        assert!(grown < 90_000 * 10, "{grown} bytes");
        assert_eq!((memory.stats().in_use, memory.stats().reserved), (0, BLOCK));
    });
}
