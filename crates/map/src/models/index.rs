//! The index beside a reader: a page is entered, a root made. And the counters, which begin with the first split.

use std::sync::Arc;

use epoch_arena_block::twin::caught;
use loom::cell::UnsafeCell;

use super::{beside, fresh, leaf, memory, model, newest, record};
use crate::sums::{self, Count, Room, Sum};
use crate::sync::{AtomicU64, Ordering};
use crate::tree::index::Index;
use crate::tree::page::Page;

/// A leaf with these records, and an index that knows no other page.
fn index_over(keys: &[u8]) -> (Arc<Index>, Page<'static>) {
    let first = leaf(2, keys);
    // SAFETY: leaked, so held for ever.
    (Arc::new(unsafe { Index::new(first) }), first)
}

/// Puts a leaf with one record behind another.
fn extend(page: Page<'static>, key: u8) -> Page<'static> {
    page.lock().extend(fresh(2), record(&[key]))
}

/// An index that knows the first and the third of three leaves, which begin with 1, 10 and 20; and the second.
fn index_of(slots: usize) -> (Arc<Index>, Page<'static>) {
    let (index, first) = index_over(&[1, 2]);
    enter(&index, extend(first, 20), slots);
    (index, extend(first, 10))
}

fn enter(index: &Index, page: Page<'static>, slots: usize) {
    let entered: Result<(), ()> = index.enter(page, || Ok(fresh(slots)));
    entered.unwrap();
}

/// A page is entered into an index with inner pages of `slots` slots while a reader looks for `key`: it is never led
/// too far right, and finds the record if it is there.
fn enter_against_a_reader(
    index: Arc<Index>,
    page: Page<'static>,
    slots: usize,
    key: u8,
    is_there: bool,
) {
    let read = {
        let index = index.clone();
        move || {
            let key = [key];
            let place = index.find(&newest(&key));
            let low = place.page.low().map_or(0, |low| low.key()[0]);
            assert!(low < key[0], "led to {low}");
            assert_eq!(place.get(&newest(&key)).is_some(), is_there);
        }
    };
    beside(|| enter(&index, page, slots), read);
}

/// An inner page gets a child between two.
fn child_against_a_reader(key: u8, is_there: bool) {
    model(move || {
        let (index, second) = index_of(3);
        enter_against_a_reader(index, second, 3, key, is_there);
    });
}

#[test]
fn index_a_child_is_entered_against_a_reader() {
    child_against_a_reader(10, true);
}

#[test]
fn index_a_child_is_moved_against_a_reader() {
    child_against_a_reader(20, true);
}

#[test]
fn index_a_place_between_two_children_against_a_reader() {
    child_against_a_reader(15, false);
}

/// A root that a reader finds is complete.
#[test]
fn index_a_root_is_made_against_a_reader() {
    model(|| {
        let (index, first) = index_over(&[1]);
        enter_against_a_reader(index, extend(first, 10), 2, 10, true);
    });
}

/// An inner page is split, and a root made above it, while a reader looks.
#[test]
fn index_an_inner_page_is_split_against_a_reader() {
    model(|| {
        let (index, second) = index_of(2);
        enter_against_a_reader(index.clone(), second, 2, 20, true);
        assert!(index.find(&record(&[10]).target()).page == second);
    });
}

/// Two threads enter one page: it is there once.
#[test]
fn index_two_writers_enter_one_page() {
    model(|| {
        let (index, second) = index_of(4);
        let other = index.clone();
        beside(
            || enter(&index, second, 4),
            move || enter(&other, second, 4),
        );
        enter(&index, second, 4);
        let place = index.find(&record(&[10]).target());
        assert!(place.page == second && place.behind != Some(second));
    });
}

/// Heads 10 and 20 with children, in small; 15 is to be led to 10 or before. `LOOKS_TWICE`: by the version.
fn small_index<const LOOKS_TWICE: bool>() {
    // version, count, heads 1 and 2, slots 1 and 2
    let shared = Arc::new([0, 2, 20, 0, 20, 0].map(AtomicU64::new));
    let write = {
        let shared = shared.clone();
        move || {
            let order = [(0, 1), (3, 20), (5, 20), (2, 10), (4, 10), (1, 3), (0, 2)];
            for (word, value) in order {
                shared[word].store(value, Ordering::Release);
            }
        }
    };
    let load = |word: usize| shared[word].load(Ordering::Acquire);
    let read = || {
        for _ in 0..2 {
            let seen = load(0);
            if seen == 1 {
                continue; // to the first child
            }
            let count = load(1);
            let mut led_to = 0;
            for at in 1..count as usize {
                if load(1 + at) <= 15 {
                    led_to = load(3 + at);
                }
            }
            if !LOOKS_TWICE || shared[0].load(Ordering::Relaxed) == seen {
                assert!(led_to <= 15, "too far right");
                break;
            }
        }
    };
    beside(read, write);
}

#[test]
fn index_in_small() {
    loom::model(small_index::<true>);
}

#[test]
fn index_twin_without_a_second_look_is_caught() {
    caught(small_index::<false>);
}

/// A thread that finds counters finds them as they were when counting began.
#[test]
fn count_begins_against_a_sum() {
    model(|| {
        let count = Arc::new(Count::new());
        let before = Arc::new(UnsafeCell::new(0));
        let read = {
            let (count, before) = (count.clone(), before.clone());
            move || {
                if let Some(sum) = count.sum() {
                    assert_eq!(sum.records, 7);
                    // SAFETY: no thread writes after counting began, which loom checks.
                    assert_eq!(before.with(|before| unsafe { *before }), 7);
                }
            }
        };
        let write = || {
            // SAFETY: before counting begins.
            before.with_mut(|before| unsafe { *before = 7 });
            let sum = Sum {
                records: 7,
                bytes: 9,
            };
            // SAFETY: leaked, large enough and aligned.
            unsafe { count.begin(Room::new(memory(sums::SIZE)), sum) };
        };
        beside(write, read);
    });
}
