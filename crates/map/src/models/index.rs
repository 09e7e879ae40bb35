//! The index beside a reader: a page is entered, a root made. And the counters, which begin with the first split.

use std::sync::Arc;

use epoch_arena_block::twin::caught;

use super::{beside, fresh, leaf, memory, model, model_within, newest, published, record};
use crate::sums::{self, Count, Room, Sum};
use crate::sync::{AtomicU64, Ordering};
use crate::tree::index::Index;
use crate::tree::page::Page;
use crate::tree::page::draft::Draft;
use crate::tree::place::Place;
use crate::tree::record::Record;

/// A leaf with these records, and an index that knows no other page.
fn index_over(keys: &[u8]) -> (Arc<Index>, Page<'static>) {
    let first = leaf(2, keys);
    // SAFETY: leaked, so held for ever.
    (Arc::new(unsafe { Index::new(first) }), first)
}

/// Puts a leaf with one record behind another.
fn extend(page: Page<'static>, key: &[u8]) -> Page<'static> {
    page.lock().extend(fresh(2), record(key, 0))
}

/// An index that knows the first and the third of three leaves, which begin with 1, 10 and 20; and the second.
fn index_of(slots: usize) -> (Arc<Index>, Page<'static>) {
    let (index, first) = index_over(&[1, 2]);
    enter(&index, extend(first, &[20]), slots);
    (index, extend(first, &[10]))
}

fn enter(index: &Index, page: Page<'static>, slots: usize) {
    let entered: Result<(), ()> = index.enter(page, || Ok(fresh(slots)));
    entered.unwrap();
}

/// `write` changes the index while a reader looks for `key`: it is never led too far right, and finds the record if it
/// is there.
fn against_a_reader(index: &Arc<Index>, key: &'static [u8], is_there: bool, write: impl FnOnce()) {
    let index = index.clone();
    let read = move || {
        let place = index.find(&newest(key));
        let low = place.page.low().map(Record::key);
        assert!(low < Some(key), "led to {low:?}");
        assert_eq!(place.get(&newest(key)).is_some(), is_there);
    };
    beside(write, read);
}

/// An inner page gets a child between two.
fn child_against_a_reader(key: &'static [u8], is_there: bool) {
    model(move || {
        let (index, second) = index_of(3);
        against_a_reader(&index, key, is_there, || enter(&index, second, 3));
    });
}

#[test]
fn index_a_child_is_entered_against_a_reader() {
    child_against_a_reader(&[10], true);
}

#[test]
fn index_a_child_is_moved_against_a_reader() {
    child_against_a_reader(&[20], true);
}

#[test]
fn index_a_place_between_two_children_against_a_reader() {
    child_against_a_reader(&[15], false);
}

/// A root that a reader finds is complete.
#[test]
fn index_a_root_is_made_against_a_reader() {
    model(|| {
        let (index, first) = index_over(&[1]);
        let right = extend(first, &[10]);
        against_a_reader(&index, &[10], true, || enter(&index, right, 2));
    });
}

/// An inner page is split, and a root made above it, while a reader looks.
#[test]
fn index_an_inner_page_is_split_against_a_reader() {
    model(|| {
        let (index, second) = index_of(2);
        against_a_reader(&index, &[20], true, || enter(&index, second, 2));
        assert!(index.find(&record(&[10], 0).target()).page == second);
    });
}

/// The same where the heads change, as the least records of the children that are left share their beginning.
#[test]
fn index_an_inner_page_gets_other_heads_against_a_reader() {
    model(|| {
        let (index, mut last) = index_over(&[]);
        for key in [b"abcdefg1", b"abcdefg5"] {
            last = extend(last, key);
            enter(&index, last, 2);
        }
        enter(&index, extend(last, b"abcdefg~"), 2);
        let between = extend(last, b"abcdefg7");
        against_a_reader(&index, b"abcdefgz", false, || enter(&index, between, 2));
        assert!(index.find(&record(b"abcdefg7", 0).target()).page == between);
    });
}

/// An inner page gets a child, and keeps all it has when it is split: a reader that finds how many finds them.
#[test]
fn index_an_inner_page_keeps_children_against_a_reader() {
    loom::model(|| {
        let first = leaf(2, &[]);
        let mut page = Draft::new(fresh(2), 1, None);
        page.set(0, 0, first.header_ptr().cast());
        let page = page.finish(None, 0, 1, true);
        let second = extend(first, &[10]);
        let third = extend(second, &[20]);
        let fill_and_split = || {
            let locked = page.lock();
            locked.insert(1, second, &record(&[10], 0).target());
            locked.split_at(fresh(2), 2, third);
        };
        published(fill_and_split, move || page.fill() == 2);
    });
}

/// A page that a reader is led to is complete, also if it was made, entered and moved since the reader looked, and if
/// the inner page was split to enter it. Without preemptions: what the reader loads may be old all the same.
fn made_and_moved_against_a_reader(slots: usize, made: &'static [u8], key: &'static [u8]) {
    model_within(0, move || {
        let (index, first) = index_over(&[1, 2]);
        let make = |key: &u8| enter(&index, extend(first, &[*key]), slots);
        [30, 20].iter().for_each(make);
        let is_there = key != [25];
        against_a_reader(&index, key, is_there, || made.iter().for_each(make));
    });
}

#[test]
fn index_a_page_is_made_and_moved_against_a_reader() {
    made_and_moved_against_a_reader(5, &[10, 5], &[30]);
    made_and_moved_against_a_reader(5, &[10], &[25]);
    made_and_moved_against_a_reader(3, &[10], &[20]);
}

/// The page that a reader takes for the last one is complete.
#[test]
fn index_a_page_is_made_and_the_last_one_moved_against_a_reader() {
    model(|| {
        let (index, first) = index_over(&[1, 2]);
        enter(&index, extend(first, &[20]), 3);
        let all = index.clone();
        let read = move || {
            let last = Place::unknown(all.find_last());
            assert!(last.get(&newest(&[20])).is_some());
        };
        beside(|| enter(&index, extend(first, &[10]), 3), read);
    });
}

/// A page that keeps all its children gets other heads: a reader finds the child of each key all the same.
fn other_heads_against_a_reader(key: &'static [u8]) {
    model(move || {
        let keys: [&[u8]; 4] = [b"abcdefg5", b"abcdefgx", b"abcdefg~", b"abcdefg\x7f"];
        let mut last = leaf(2, &[]);
        let leaves = keys.map(|key| {
            last = extend(last, key);
            last
        });
        let mut page = Draft::new(fresh(3), 1, leaves[0].low());
        for (index, leaf) in leaves[..3].iter().enumerate() {
            page.set(index, newest(keys[index]).head(0), leaf.header_ptr().cast());
        }
        let page = page.finish(None, 0, 3, true);
        let read = move || {
            let place = page.choose::<false>(None, &newest(key));
            assert!(place.get(&newest(key)).is_some());
        };
        let write = || {
            page.lock().split_at(fresh(3), 3, leaves[3]);
        };
        beside(write, read);
        assert_eq!(page.skip(), 7);
    });
}

#[test]
fn index_an_inner_page_keeps_children_with_other_heads_against_a_reader() {
    other_heads_against_a_reader(b"abcdefgx");
    other_heads_against_a_reader(b"abcdefg~");
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
        let place = index.find(&record(&[10], 0).target());
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
        let begun = count.clone();
        let finds = move || {
            begun
                .sum()
                .inspect(|sum| assert_eq!(sum.records, 7))
                .is_some()
        };
        let begin = || {
            let sum = Sum {
                records: 7,
                bytes: 9,
            };
            // SAFETY: leaked, large enough and aligned.
            unsafe { count.begin(Room::new(memory(sums::SIZE)), sum) };
        };
        published(begin, finds);
    });
}
