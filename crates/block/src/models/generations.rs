//! Generations: let go by their holders, taken off the ready stack by the memory.

use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

use loom::thread::JoinHandle;

use super::Content;
use crate::chunks::generation::{Generation, Ready};
use crate::chunks::scrub::Scrub;
use crate::memory::UserKind;
use crate::sync::{AtomicUsize, Ordering};
use crate::twin::caught;
use crate::{Heap, Memory};

fn memory() -> Memory {
    let builder = Memory::builder().source(Heap).block_size(4096);
    builder.build().unwrap()
}

/// A stack, and generations that are to come to it, held as `holds` says; each has its index as its name.
fn stack<const N: usize>(holds: u64) -> (Arc<Ready>, [Arc<Generation>; N]) {
    let ready = Arc::new(Ready::new());
    let account = memory().open_account(UserKind::Pool, Location::caller());
    let generation = |name| {
        let (ready, account) = (ready.clone(), account.clone());
        Generation::new(ready, account, name as u64, holds, Scrub::default())
    };
    let generations = std::array::from_fn(generation);
    (ready, generations)
}

fn let_go(generation: &Arc<Generation>, count: u64) {
    // SAFETY: 1. the models let go of holds that they have; 2. from an `Arc`.
    unsafe { Generation::let_go(NonNull::from(&**generation), count) }
}

/// A thread that changes the content under its hold, and lets go.
fn changes_and_lets_go(generation: &Arc<Generation>, content: &Arc<Content>) -> JoinHandle<()> {
    let (generation, content) = (generation.clone(), content.clone());
    loom::thread::spawn(move || {
        content.change();
        let_go(&generation, 1);
    })
}

/// A generation is let go while another thread pops the stack: each generation comes once, after every access under its
/// hold.
#[test]
fn a_generation_is_popped_once_with_all_that_was_done_under_its_hold() {
    loom::model(|| {
        let (ready, generations) = stack::<2>(1);
        let content = [(); 2].map(|()| Content::new());
        content[0].change();
        let_go(&generations[0], 1);
        let other = changes_and_lets_go(&generations[1], &content[1]);
        let mut popped = Vec::new();
        let mut pop = || {
            if let Some(generation) = ready.pop() {
                content[generation.name as usize].change();
                popped.push(generation.name);
            }
        };
        pop();
        pop();
        other.join().unwrap();
        pop();
        pop();
        popped.sort_unstable();
        assert_eq!(popped, [0, 1]);
        assert!(ready.pop().is_none());
    });
}

/// The twins push, or pop, by a Relaxed exchange.
#[test]
fn twin_stacks_that_carry_nothing_are_caught() {
    for (push, pop) in [
        (Ordering::Relaxed, Ordering::Acquire),
        (Ordering::Release, Ordering::Relaxed),
    ] {
        caught(move || {
            let shared = Arc::new((AtomicUsize::new(0), Content::new()));
            let other = loom::thread::spawn({
                let shared = shared.clone();
                move || {
                    shared.1.change();
                    let pushed = shared.0.compare_exchange(0, 1, push, Ordering::Relaxed);
                    pushed.unwrap();
                }
            });
            if shared.0.load(pop) == 1 {
                shared.1.change();
            }
            other.join().unwrap();
        });
    }
}

/// Two holders let go: exactly one of them pushes, and the thread that pops sees the accesses of both.
#[test]
fn the_last_of_two_holders_pushes_what_both_have_done() {
    loom::model(|| {
        let (ready, [generation]) = stack::<1>(2);
        let content = Arc::new([(); 2].map(|()| Content::new()));
        // The model reads nothing of the generation, as that would order by itself.
        let see = |content: &[Arc<Content>; 2]| content.iter().for_each(|content| content.change());
        // One of them is the memory's thread as well, which pops.
        let other = loom::thread::spawn({
            let (ready, generation) = (ready.clone(), generation.clone());
            let content = content.clone();
            move || {
                content[1].change();
                let_go(&generation, 1);
                let popped = ready.pop();
                popped.iter().for_each(|_| see(&content));
                popped.is_some()
            }
        });
        content[0].change();
        let_go(&generation, 1);
        let early = other.join().unwrap();
        let late = ready.pop();
        late.iter().for_each(|_| see(&content));
        assert!(early != late.is_some(), "pushed once");
        assert!(ready.pop().is_none());
    });
}

/// The twin looks whether it is the last, and then lets go.
#[test]
fn twin_holders_that_look_and_let_go_apart_are_caught() {
    caught(|| {
        let state = Arc::new((AtomicUsize::new(2), AtomicUsize::new(0)));
        let let_go = |state: &(AtomicUsize, AtomicUsize)| {
            let holds = state.0.load(Ordering::Acquire);
            state.0.store(holds - 1, Ordering::Release);
            if holds == 1 {
                state.1.fetch_add(1, Ordering::Relaxed);
            }
        };
        let other = loom::thread::spawn({
            let state = state.clone();
            move || let_go(&state)
        });
        let_go(&state);
        other.join().unwrap();
        assert_eq!(state.1.load(Ordering::Relaxed), 1, "pushed once");
    });
}

/// The count of holds: a thread that sees a hold gone sees every access under it.
#[test]
fn a_hold_that_is_seen_gone_has_left_what_was_done_under_it() {
    loom::model(|| {
        let (_ready, [generation]) = stack::<1>(3);
        let content = Content::new();
        let other = changes_and_lets_go(&generation, &content);
        if generation.holds() == 2 {
            content.change();
        }
        other.join().unwrap();
        let_go(&generation, 2);
    });
}

/// A thread asks for a hold while the last one goes: it gets it before the chunks are given up, or not at all.
#[test]
fn a_hold_is_had_before_the_last_one_goes_or_not_at_all() {
    loom::model(|| {
        let (ready, [generation]) = stack::<1>(1);
        let content = Content::new();
        let other = changes_and_lets_go(&generation, &content);
        let held = generation.try_hold(4);
        if held {
            assert!(ready.pop().is_none(), "held, hence not on the stack");
            let_go(&generation, 4);
        }
        // The memory's part, which takes the chunks as free.
        let early = ready.pop().is_some();
        if early {
            content.change();
        }
        other.join().unwrap();
        let late = ready.pop().is_some();
        assert!(early != late, "pushed once");
        assert!(!generation.try_hold(4), "zero is final");
    });
}

/// The twin looks whether there is a hold, and then adds to it.
#[test]
fn twin_hold_that_looks_and_adds_apart_is_caught() {
    caught(|| {
        let state = Arc::new((AtomicUsize::new(1), AtomicUsize::new(0)));
        let let_go = |state: &(AtomicUsize, AtomicUsize)| {
            if state.0.fetch_sub(1, Ordering::AcqRel) == 1 {
                state.1.fetch_add(1, Ordering::Relaxed);
            }
        };
        let other = loom::thread::spawn({
            let state = state.clone();
            move || let_go(&state)
        });
        if state.0.load(Ordering::Acquire) != 0 {
            state.0.fetch_add(1, Ordering::Acquire);
            let_go(&state);
        }
        other.join().unwrap();
        assert_eq!(state.1.load(Ordering::Relaxed), 1, "pushed once");
    });
}

/// The memory goes while generations are let go: each is dropped once, by the memory or by the thread that pushes too
/// late.
#[test]
fn what_is_let_go_while_the_memory_ends_is_dropped_once() {
    loom::model(|| {
        let (ready, generations) = stack::<2>(1);
        let weak = generations.each_ref().map(Arc::downgrade);
        let [first, second] = generations;
        let_go(&first, 1);
        drop(first);
        let other = loom::thread::spawn(move || let_go(&second, 1));
        while !ready.close() {
            drop(ready.pop());
        }
        other.join().unwrap();
        assert_eq!(weak.map(|weak| weak.strong_count()), [0, 0]);
        assert!(ready.pop().is_none());
    });
}

/// The twin, which comes too late, leaves its generation on a stack that is not read any more.
#[test]
fn twin_stack_that_is_not_closed_is_caught() {
    caught(|| {
        let state = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let other = loom::thread::spawn({
            let state = state.clone();
            move || state.0.fetch_add(1, Ordering::Release)
        });
        let taken = state.0.swap(0, Ordering::AcqRel);
        state.1.fetch_add(taken, Ordering::Relaxed);
        other.join().unwrap();
        assert_eq!(state.1.load(Ordering::Relaxed), 1, "dropped once");
    });
}
