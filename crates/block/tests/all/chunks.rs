//! Chunks of a memory, from below: the parts of arenas and pools.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use epoch_arena_block::raw::{Account, Chunk, ChunkList, Class, Owner, Request, region_size};
use epoch_arena_block::{Memory, MemoryError, UserKind};

use crate::ends::Finish;
use crate::rng::Rng;
use crate::support::{FAULTS, Fault, Faulty, caught};

const BLOCK: usize = 16 << 10;

fn memory(source: &Faulty, blocks: usize) -> Memory {
    let builder = Memory::builder().source(source.clone()).block_size(BLOCK);
    builder.budget(blocks * BLOCK).build().unwrap()
}

/// A user of a memory, as the memory sees an arena.
struct User {
    memory: Memory,
    account: Arc<Account>,
    chunks: ChunkList,
}

impl User {
    #[track_caller]
    fn new(memory: &Memory) -> Self {
        Self {
            memory: memory.clone(),
            account: memory.open_account(UserKind::Arena, Location::caller()),
            chunks: ChunkList::new(),
        }
    }

    fn owner(&self) -> Owner<'_> {
        Owner {
            chunks: &self.chunks,
            account: &self.account,
        }
    }

    fn take(&self, request: Request) -> Result<Chunk, MemoryError> {
        self.memory.take(self.owner(), request)
    }

    fn give_up(&self) {
        // SAFETY: of this memory, and nothing is done with the bytes.
        unsafe { self.memory.give_up(self.owner()) }
    }
}

impl Drop for User {
    fn drop(&mut self) {
        self.give_up();
        self.memory.end_account(&self.account);
    }
}

fn chunk(wanted: usize, least: usize) -> Request {
    Request::Chunk {
        wanted: Class::of(wanted),
        least: Class::of(least),
        confined: false,
    }
}

/// Chunks of every class up to a block, whole pages to be confined, and regions of their own.
fn any(rng: &mut Rng) -> Request {
    let class = |rng: &mut Rng| 512 << rng.below(6);
    match rng.below(8) {
        0 => Request::Alone(region_size(1 + rng.below(3 * BLOCK)).unwrap()),
        1 => Request::Chunk {
            wanted: Class::of(class(rng).max(4096)),
            least: Class::of(4096),
            confined: true,
        },
        _ => {
            let wanted = class(rng);
            chunk(wanted, 512.max(wanted >> rng.below(4)))
        }
    }
}

fn adds_up(memory: &Memory) {
    let stats = memory.stats();
    assert!(stats.in_use + stats.free <= stats.reserved, "{stats}");
    assert!(stats.reserved <= stats.budget.unwrap(), "{stats}");
}

/// Nothing is in use: all of it can be given to the source, hence every chunk has become a block again.
fn is_whole(memory: &Memory, source: &Faulty) {
    let stats = memory.stats();
    assert_eq!((stats.in_use, stats.free), (0, stats.reserved), "{stats}");
    assert_eq!(memory.trim(0), stats.reserved);
    assert_eq!((memory.stats().reserved, source.regions()), (0, 0));
    assert!(memory.usage().users.is_empty());
}

#[test]
fn threads_take_and_give_up_chunks_and_all_of_it_is_free_and_whole_again() {
    let threads = if cfg!(miri) { 3 } else { 8 };
    let (source, blocks) = (Faulty::default(), 24);
    let memory = memory(&source, blocks);
    let done = AtomicBool::new(false);
    let until = Instant::now() + Duration::from_millis(800);
    let refused: usize = std::thread::scope(|s| {
        let finish = Finish(&done);
        let takers: Vec<_> = (0..threads)
            .map(|thread| {
                let (memory, done) = (&memory, &done);
                s.spawn(move || {
                    let mut rng = Rng::new(thread);
                    let users = [(); 3].map(|()| User::new(memory));
                    let (mut refused, mut rounds) = (0, 0);
                    while !done.load(Ordering::Relaxed) && (!cfg!(miri) || rounds < 15) {
                        rounds += 1;
                        let user = &users[rng.below(users.len())];
                        match user.take(any(&mut rng)) {
                            // SAFETY: taken just now, and given up by this thread only.
                            Ok(chunk) => check(unsafe { chunk.live() }.size(), user),
                            Err(MemoryError::OverBudget(_)) => refused += 1,
                            Err(other) => panic!("{other}"),
                        }
                        if rng.below(12) == 0 {
                            users[rng.below(users.len())].give_up();
                        }
                    }
                    refused
                })
            })
            .collect();
        while Instant::now() < until && !takers.iter().any(|taker| taker.is_finished()) {
            adds_up(&memory);
            assert!(memory.resident() <= blocks * BLOCK);
        }
        drop(finish);
        takers.into_iter().map(|taker| taker.join().unwrap()).sum()
    });
    assert!(
        cfg!(miri) || refused > 0,
        "the budget was never reached: no test"
    );
    assert!(source.most() <= blocks * BLOCK, "{} bytes", source.most());
    is_whole(&memory, &source);
}

/// The first block is on small pages. One 64th of it is for chunks of all sizes, so that a small memory has no other.
#[test]
fn a_small_memory_has_one_block() {
    let memory = Memory::builder().build().unwrap();
    let (block, user) = (memory.block_size(), User::new(&memory));
    let taken = |bytes: usize| {
        user.take(chunk(bytes, bytes)).unwrap();
        memory.stats().reserved / block
    };
    let mut bytes = 512;
    while bytes < block / 64 {
        assert_eq!(taken(bytes), 1, "{bytes}");
        bytes *= 2;
    }
    assert_eq!([taken(512), taken(4096)], [1, 2]);
}

fn check(size: usize, user: &User) {
    assert!(user.chunks.bytes() >= size);
    assert_eq!(user.account.bytes(), user.chunks.bytes());
}

/// The source may fail in any way at any call: the request fails, and every figure is as before it.
#[test]
fn a_source_that_fails_or_panics_at_the_kth_call_changes_no_figure() {
    for fault in FAULTS {
        for k in 1..=if cfg!(miri) { 2 } else { 12 } {
            let source = Faulty::default();
            let memory = memory(&source, 40);
            let user = User::new(&memory);
            let mut rng = Rng::new(k as u64);
            source.fail_once(k, fault);
            let mut failed = 0;
            for _ in 0..if cfg!(miri) { 12 } else { 200 } {
                let request = any(&mut rng);
                let before = (memory.stats(), user.chunks.bytes(), source.regions());
                match caught(|| user.take(request)) {
                    Some(Ok(_)) => {}
                    Some(Err(MemoryError::OverBudget(_))) => user.give_up(),
                    answer => {
                        assert_eq!(answer.is_none(), fault == Fault::Panic);
                        let after = (memory.stats(), user.chunks.bytes(), source.regions());
                        assert_eq!(after, before, "{fault:?} at call {k}");
                        failed += 1;
                    }
                }
                adds_up(&memory);
            }
            // Where a smaller chunk will do, that is had instead of an error.
            assert!(source.calls() >= k || cfg!(miri), "the fault was never met");
            assert!(failed == 1 || failed == 0 && (fault != Fault::Panic || cfg!(miri)));
            drop(user);
            is_whole(&memory, &source);
        }
    }
}

/// Nothing is refused while chunks that would do are free, be they of another shelf, and in parts.
#[test]
fn what_is_given_up_serves_any_other_request_before_it_is_refused() {
    let source = Faulty::default();
    let memory = memory(&source, 2);
    let [small, large] = [(); 2].map(|()| User::new(&memory));
    while small.take(chunk(512, 512)).is_ok() {}
    assert_eq!(memory.stats().in_use, 2 * BLOCK);
    assert!(large.take(chunk(512, 512)).is_err());
    small.give_up();
    assert_eq!(large.take(chunk(BLOCK, BLOCK)).map(drop), Ok(()));
    let alone = Request::Alone(BLOCK);
    assert_eq!(large.take(alone).map(drop), Ok(()));
    assert!(small.take(chunk(512, 512)).is_err());
    large.give_up();
    while small.take(chunk(512, 512)).is_ok() {}
    assert_eq!(small.chunks.bytes(), 2 * BLOCK);
    assert_eq!(memory.block(1).unwrap_err().to_string().lines().count(), 1);
    small.give_up();
    let block = memory.block(2 * BLOCK).unwrap();
    assert_eq!(block.capacity(), 2 * BLOCK);
}

/// A block whose chunks came back in two parts is whole, and serves before any block is given to the source.
#[test]
fn chunks_that_came_back_in_any_order_are_a_block_before_one_is_given_away() {
    let source = Faulty::default();
    let memory = memory(&source, 2);
    let users = [(); 2].map(|()| User::new(&memory));
    // Each has every other chunk of both blocks.
    while users.iter().all(|user| user.take(chunk(512, 512)).is_ok()) {}
    assert_eq!(memory.stats().in_use, 2 * BLOCK);
    users.iter().for_each(User::give_up);
    let block = memory.block(1).unwrap();
    assert_eq!((block.capacity(), source.regions()), (BLOCK, 2));
}

/// A block of which a few bytes were touched stays out of physical memory where another block will do.
#[test]
fn a_block_that_is_hardly_touched_is_used_after_the_others() {
    for few_first in [true, false] {
        let memory = memory(&Faulty::default(), 2);
        let [many, few] = [(); 2].map(|()| User::new(&memory));
        let touched = memory.block(1).unwrap().region().base(); // and it is free again
        while many.chunks.bytes() < BLOCK {
            many.take(chunk(512, 512)).unwrap();
        }
        few.take(chunk(512, 512)).unwrap();
        let order = if few_first {
            [&few, &many]
        } else {
            [&many, &few]
        };
        for user in order {
            user.give_up();
            memory.trim(usize::MAX); // its chunks are a block again
        }
        assert_eq!(memory.stats().free, 2 * BLOCK);
        assert_eq!(
            memory.block(1).unwrap().region().base(),
            touched,
            "{few_first}"
        );
    }
}

/// The last bytes of a budget are had in smaller chunks than those wanted.
#[test]
fn a_smaller_chunk_is_had_before_a_refusal() {
    let memory = memory(&Faulty::default(), 1);
    let user = User::new(&memory);
    user.take(chunk(512, 512)).unwrap();
    let sizes: Vec<_> = std::iter::from_fn(|| {
        let taken = user.take(chunk(BLOCK, 512)).ok()?;
        // SAFETY: taken just now.
        Some(unsafe { taken.live() }.size())
    })
    .collect();
    assert_eq!(sizes, [8192, 4096, 2048, 1024, 512]);
    assert_eq!(user.chunks.bytes(), BLOCK);
    let Err(MemoryError::OverBudget(over)) = user.take(chunk(BLOCK, 1024)) else {
        panic!("all of it is in use")
    };
    assert_eq!((over.wanted, over.used, over.budget), (1024, BLOCK, BLOCK));
}

/// A report of a thousand users is read by people.
#[test]
#[cfg_attr(miri, ignore = "a thousand users")]
fn usage_of_a_thousand_users_is_shown_in_twenty_lines() {
    let memory = memory(&Faulty::default(), 1000);
    let users: Vec<_> = (0..1000).map(|_| User::new(&memory)).collect();
    for (at, user) in users.iter().enumerate() {
        for _ in 0..at % 17 {
            user.take(chunk(512, 512)).unwrap();
        }
    }
    let usage = memory.usage();
    assert_eq!(usage.users.len(), 1000);
    assert!(
        usage
            .users
            .is_sorted_by_key(|user| std::cmp::Reverse(user.bytes))
    );
    let all = usage.users.iter().map(|user| user.bytes);
    assert_eq!(all.sum::<usize>(), usage.memory.in_use);
    let shown = usage.to_string();
    assert!(shown.lines().count() <= 20, "{shown}");
    assert!(
        shown.contains("1000 users") && shown.contains("in 990 more"),
        "{shown}"
    );
    // A user that is gone is not listed, whatever the order in which they go.
    let mut left = users;
    while left.len() > 1 {
        left.swap_remove(left.len() / 2);
        if left.len() % 100 == 0 {
            assert_eq!(memory.usage().users.len(), left.len());
        }
    }
    assert_eq!(memory.usage().users.len(), 1);
    assert_eq!(memory.usage().users[0].bytes, left[0].chunks.bytes());
}

/// A figure while blocks come and go, and never more than there may be.
#[test]
#[cfg_attr(miri, ignore = "residency is the kernel's")]
fn resident_is_a_figure_while_blocks_go() {
    const BUDGET: usize = 8 << 20;
    let memory = Memory::builder().block_size(64 << 10).budget(BUDGET);
    let memory = memory.high_water(0).build().unwrap();
    let done = AtomicBool::new(false);
    let until = Instant::now() + Duration::from_millis(300);
    std::thread::scope(|s| {
        let finish = Finish(&done);
        for _ in 0..2 {
            s.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let user = User::new(&memory);
                    for _ in 0..20 {
                        user.take(chunk(32 << 10, 32 << 10)).unwrap();
                    }
                    drop(user);
                    memory.trim(0);
                    drop(memory.block(100_000).unwrap().alloc_copy(&[1; 9000]));
                }
            });
        }
        while Instant::now() < until {
            assert!(memory.resident() <= BUDGET);
        }
        drop(finish);
    });
    memory.trim(0);
    assert_eq!(memory.resident(), 0);
}

/// The rest of a block for medium chunks serves large ones before the memory grows; a smaller chunk never takes from a
/// block for larger ones, which it would keep from being whole again.
#[test]
fn large_chunks_take_the_rest_of_medium_blocks_and_not_the_other_way_round() {
    const UNIT: usize = 1 << 20;
    let memory = Memory::builder().block_size(UNIT).build().unwrap();
    let user = User::new(&memory);
    let take = |size, count| {
        for _ in 0..count {
            user.take(chunk(size, size)).unwrap();
        }
        memory.stats().reserved / UNIT
    };
    assert_eq!(take(16 << 10, 1), 1);
    assert_eq!(
        take(64 << 10, UNIT / (64 << 10) - 1),
        1,
        "one block for both"
    );
    assert_eq!(take(64 << 10, 1), 2);
    assert_eq!(take(16 << 10, 3), 2, "what is left of the first");
    assert_eq!(take(16 << 10, 1), 3, "and not of the second");
    assert_eq!(take(512, 1), 4);
}
