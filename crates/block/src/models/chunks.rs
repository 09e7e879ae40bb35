//! Chunks: taken from one store by several threads, given up by one and taken by another.

use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

use super::Content;
use crate::chunks::chunk::{Chunk, Live};
use crate::chunks::class::Class;
use crate::chunks::generation::Generation;
use crate::chunks::list::ChunkList;
use crate::chunks::scrub::Scrub;
use crate::memory::{Account, Owner, Request, UserKind};
use crate::sync::{AtomicUsize, Mutex, Ordering, lock};
use crate::twin::caught;
use crate::{Heap, Memory, MemoryError};

const BLOCK: usize = 4096;

fn memory(budget: usize) -> Memory {
    let builder = Memory::builder().source(Heap).block_size(BLOCK);
    builder.budget(budget).build().unwrap()
}

fn request(bytes: usize) -> Request {
    Request::Chunk {
        wanted: Class::of(bytes),
        least: Class::of(bytes),
        confined: false,
    }
}

/// A user of a memory.
struct User {
    memory: Memory,
    chunks: ChunkList,
    account: Arc<Account>,
}

impl User {
    fn new(memory: &Memory) -> Arc<Self> {
        Arc::new(Self {
            memory: memory.clone(),
            chunks: ChunkList::new(),
            account: memory.open_account(UserKind::Arena, Location::caller()),
        })
    }

    fn owner(&self) -> Owner<'_> {
        Owner {
            chunks: &self.chunks,
            account: &self.account,
        }
    }

    fn take(&self, bytes: usize) -> Result<Chunk, MemoryError> {
        self.memory.take(self.owner(), request(bytes))
    }

    fn give_up(&self) {
        // SAFETY: of this memory, and the models do nothing with the bytes.
        unsafe { self.memory.give_up(self.owner()) }
    }
}

fn live<'a>(chunk: Chunk) -> Live<'a> {
    // SAFETY: the models look at chunks that are taken only.
    unsafe { chunk.live() }
}

/// Two users carve the only block of the budget: each chunk goes to one of them, and no byte is lost.
#[test]
fn a_block_is_carved_into_disjoint_chunks() {
    loom::model(|| {
        let memory = memory(BLOCK);
        let users = [(); 2].map(|()| User::new(&memory));
        let other = loom::thread::spawn({
            let user = users[1].clone();
            move || user.take(512).ok()
        });
        let taken = [users[0].take(512).ok(), other.join().unwrap()];
        // One may be refused while the other has the block on its way.
        let taken: Vec<_> = taken.into_iter().flatten().map(live).collect();
        assert!(!taken.is_empty());
        if let [a, b] = &taken[..] {
            let distance = a.start().addr().get().abs_diff(b.start().addr().get());
            assert!(distance >= 512, "they overlap");
        }
        let stats = memory.stats();
        assert_eq!((stats.reserved, stats.in_use), (BLOCK, 512 * taken.len()));
        assert_eq!(stats.free, BLOCK - stats.in_use);
        let users = users.each_ref().map(|user| user.account.bytes());
        assert_eq!(users.iter().sum::<usize>(), stats.in_use);
    });
}

/// The twin looks at the frontier and moves it in two critical sections.
#[test]
fn carving_twin_that_looks_and_moves_the_frontier_apart_is_caught() {
    caught(|| {
        let frontier = Arc::new(Mutex::new(0));
        let take = |frontier: &Mutex<usize>| {
            let start = *lock(frontier);
            *lock(frontier) = start + 512;
            start
        };
        let other = loom::thread::spawn({
            let frontier = frontier.clone();
            move || take(&frontier)
        });
        let mine = take(&frontier);
        assert_ne!(mine, other.join().unwrap());
    });
}

/// One user gives up the only chunk while another takes it: the other takes it after every access of the first, or
/// is refused.
#[test]
fn a_chunk_that_is_given_up_carries_what_was_done_to_it() {
    loom::model(|| {
        let memory = memory(BLOCK);
        let [one, two] = [(); 2].map(|()| User::new(&memory));
        let content = Content::new();
        one.take(BLOCK).unwrap();
        let other = loom::thread::spawn({
            let content = content.clone();
            move || {
                content.change();
                one.give_up();
            }
        });
        let early = two.take(BLOCK).is_ok();
        if early {
            content.change();
        }
        other.join().unwrap();
        assert!(early || two.take(BLOCK).is_ok());
        let stats = memory.stats();
        assert_eq!(
            (stats.reserved, stats.in_use, stats.free),
            (BLOCK, BLOCK, 0)
        );
    });
}

/// A generation of `memory` that has all of a block, held once.
fn generation(memory: &Memory, account: &Arc<Account>, scrub: Scrub) -> Arc<Generation> {
    let generation = memory.generation(account, 0, 1, scrub);
    let owner = Owner {
        chunks: &generation.chunks,
        account,
    };
    memory.take(owner, request(BLOCK)).unwrap();
    generation
}

fn let_go(generation: &Arc<Generation>) {
    // SAFETY: 1. the models let go of holds that they have; 2. from an `Arc`.
    unsafe { Generation::let_go(NonNull::from(&**generation), 1) }
}

const CLEAN: Scrub = Scrub {
    poison: false,
    zero: false,
    quarantine: false,
};

/// The same where the last hold on a generation goes, without the lock.
#[test]
fn a_generation_that_is_let_go_serves_the_next_with_all_that_was_done_to_it() {
    loom::model(|| {
        let memory = memory(BLOCK);
        let (user, content) = (User::new(&memory), Content::new());
        let generation = generation(&memory, &user.account, CLEAN);
        let other = loom::thread::spawn({
            let (generation, content) = (generation.clone(), content.clone());
            move || {
                content.change();
                let_go(&generation);
            }
        });
        let early = user.take(BLOCK).is_ok();
        if early {
            content.change();
        }
        other.join().unwrap();
        assert!(
            early || user.take(BLOCK).is_ok(),
            "nothing holds it any more"
        );
        assert_eq!(
            (memory.stats().reserved, memory.stats().in_use),
            (BLOCK, BLOCK)
        );
    });
}

/// One of two takers overwrites the bytes that both need, and the other waits for it: neither is refused meanwhile.
#[test]
fn a_taker_waits_for_what_another_overwrites() {
    loom::model(|| {
        let memory = memory(BLOCK);
        let users = [(); 2].map(|()| User::new(&memory));
        let zero = Scrub {
            zero: true,
            ..CLEAN
        };
        let dirty = generation(&memory, &users[0].account, zero);
        let_go(&dirty);
        let other = loom::thread::spawn({
            let user = users[1].clone();
            move || user.take(512).is_ok()
        });
        assert!(users[0].take(512).is_ok());
        assert!(other.join().unwrap());
        assert_eq!(
            (memory.stats().reserved, memory.stats().in_use),
            (BLOCK, 1024)
        );
    });
}

/// The twin refuses without a look at the bytes that are being overwritten.
#[test]
fn twin_that_refuses_while_another_overwrites_is_caught() {
    caught(|| {
        // Blocks that are free, and that are to be overwritten.
        let store = Arc::new(Mutex::new((0, 1)));
        let take = |store: &Mutex<(u32, u32)>| {
            let mut held = lock(store);
            if held.1 > 0 {
                held.1 -= 1;
                drop(held);
                held = lock(store);
                held.0 += 2;
            }
            let found = held.0 > 0;
            held.0 -= u32::from(found);
            found
        };
        let other = loom::thread::spawn({
            let store = store.clone();
            move || take(&store)
        });
        let mine = take(&store);
        assert!(other.join().unwrap() && mine);
    });
}

/// The memory goes, with the chunks of a generation that another thread lets go: it touches none of them.
#[test]
fn a_memory_may_end_while_its_generations_are_let_go() {
    loom::model(|| {
        let memory = memory(BLOCK);
        let account = memory.open_account(UserKind::Pool, Location::caller());
        let generation = generation(&memory, &account, CLEAN);
        let weak = Arc::downgrade(&generation);
        let other = loom::thread::spawn(move || let_go(&generation));
        drop(memory);
        other.join().unwrap();
        assert_eq!(weak.strong_count(), 0);
    });
}

/// A list is walked without the lock while a chunk comes to it: the walk finds it with its next, or not at all.
#[test]
fn a_walk_finds_a_new_chunk_with_those_behind_it() {
    loom::model(|| {
        let user = User::new(&memory(BLOCK));
        user.take(1024).unwrap();
        let walker = loom::thread::spawn({
            let user = user.clone();
            // SAFETY: nothing is given up in this model.
            move || unsafe { user.chunks.usage() }
        });
        user.take(512).map(drop).unwrap();
        let usage = walker.join().unwrap();
        assert!([(1, 1024), (2, 1536)].contains(&(usage.chunks, usage.capacity)));
        assert_eq!(user.chunks.bytes(), 1536);
    });
}

/// The twins store, or load, the head of the list by a Relaxed access.
#[test]
fn twin_lists_that_publish_nothing_are_caught() {
    for (store, load) in [
        (Ordering::Relaxed, Ordering::Acquire),
        (Ordering::Release, Ordering::Relaxed),
    ] {
        caught(move || {
            // The head, and the next of the new chunk.
            let list = Arc::new((AtomicUsize::new(1), AtomicUsize::new(0)));
            let other = loom::thread::spawn({
                let list = list.clone();
                move || {
                    list.1.store(1, Ordering::Relaxed);
                    list.0.store(2, store);
                }
            });
            if list.0.load(load) == 2 {
                assert_eq!(list.1.load(Ordering::Relaxed), 1, "the rest is lost");
            }
            other.join().unwrap();
        });
    }
}
