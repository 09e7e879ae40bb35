//! loom models of leaves and of the index, with their broken twins.
//!
//! Run by `cargo xtask test`, or alone:
//! `RUSTFLAGS="--cfg epoch_arena_loom" cargo test --profile model -p epoch-arena-map --lib models`
//!
//! The models run the map's own code over leaked memory. A twin is the protocol in small, with the mistake.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]
#![expect(
    clippy::arc_with_non_send_sync,
    reason = "loom's threads take turns, and loom checks what they share"
)]

use std::ptr::NonNull;
use std::sync::Arc;

use epoch_arena_block::twin::caught;
use loom::cell::UnsafeCell;
use loom::sync::atomic::fence;
use loom::thread;

use crate::index::{Index, Place};
use crate::key::Target;
use crate::leaf::Append;
use crate::page::{Draft, Fresh, Page};
use crate::record::Record;
use crate::sums::{self, Count, Room, Sum};
use crate::sync::{AtomicU64, Ordering};

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "room")] [u8; 64]);

fn memory(bytes: usize) -> NonNull<u8> {
    let lines = vec![Line([0; 64]); bytes.div_ceil(64)];
    NonNull::from(lines.leak()).cast()
}

fn fresh(slots: usize) -> Fresh<'static> {
    // SAFETY: leaked, so never anybody else's; large enough and aligned.
    unsafe { Fresh::new(memory(Fresh::size(slots)), slots) }
}

fn record(key: u8, version: u64) -> Record<'static> {
    let first = memory(Record::size(1, 0).unwrap());
    // SAFETY: leaked, so never anybody else's; large enough.
    unsafe { Record::write(first, &[key], version, &[]) }
}

fn long(key: &[u8]) -> Record<'static> {
    let first = memory(Record::size(key.len(), 0).unwrap());
    // SAFETY: as in `record`.
    unsafe { Record::write(first, key, 0, &[]) }
}

fn leaf(slots: usize, records: &[u8]) -> Page<'static> {
    let page = Draft::new(fresh(slots), 0, None).finish(None, 0, 0, true);
    for key in records {
        append(page, *key, 0);
    }
    page
}

fn append(page: Page<'static>, key: u8, version: u64) -> Append {
    let locked = page.lock();
    locked.append(&Target::new(&[key], version), record(key, version))
}

fn get(page: Page<'static>, key: u8) -> Option<u64> {
    let found = Place::unknown(page).get(&Target::new(&[key], u64::MAX));
    found.map(|record| record.version())
}

/// A record that a reader finds is written: what its writer did before happens before.
#[test]
fn publish_a_record_that_is_found_is_complete() {
    loom::model(|| {
        let page = leaf(2, &[]);
        let bytes = Arc::new(UnsafeCell::new(0));
        let reader = thread::spawn({
            let bytes = bytes.clone();
            move || {
                if get(page, 1).is_some() {
                    // SAFETY: nobody writes after it was published, which loom checks.
                    assert_eq!(bytes.with(|bytes| unsafe { *bytes }), 7);
                }
            }
        });
        // SAFETY: before it is published.
        bytes.with_mut(|bytes| unsafe { *bytes = 7 });
        assert_eq!(append(page, 1, 0), Append::Done);
        reader.join().unwrap();
        assert!(get(page, 1).is_some());
    });
}

/// Two twins: the slots that are filled, or what is in a slot, are stored Relaxed.
#[test]
fn publish_twin_that_stores_relaxed_is_caught() {
    caught(|| {
        let (bytes, fill) = (Arc::new(UnsafeCell::new(0)), Arc::new(AtomicU64::new(0)));
        let writer = thread::spawn({
            let (bytes, fill) = (bytes.clone(), fill.clone());
            move || {
                // SAFETY: before it is published.
                bytes.with_mut(|bytes| unsafe { *bytes = 7 });
                fill.store(1, Ordering::Relaxed);
            }
        });
        if fill.load(Ordering::Acquire) == 1 {
            // SAFETY: it is not, which loom sees.
            assert_eq!(bytes.with(|bytes| unsafe { *bytes }), 7);
        }
        writer.join().unwrap();
    });
}

/// Writers of one leaf: both records are there, and of two equal ones one.
#[test]
fn lock_two_writers_of_a_leaf() {
    loom::model(|| {
        let page = leaf(3, &[]);
        let other = thread::spawn(move || [append(page, 1, 0), append(page, 2, 0)]);
        let mine = append(page, 1, 0);
        let [same, another] = other.join().unwrap();
        let mut same = [mine, same];
        same.sort_by_key(|end| *end != Append::Done);
        assert_eq!(same, [Append::Done, Append::Exists]);
        assert_eq!(another, Append::Done);
        assert!(get(page, 1).is_some() && get(page, 2).is_some());
    });
}

/// The twin looks whether the lock is free, and takes it, in two steps.
#[test]
fn lock_twin_that_looks_and_takes_apart_is_caught() {
    caught(|| {
        let (lock, fill) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let append = |lock: &AtomicU64, fill: &AtomicU64, bit: u64| {
            if lock.load(Ordering::Acquire) == 0 {
                lock.store(1, Ordering::Release);
                let filled = fill.load(Ordering::Acquire);
                fill.store(filled | bit, Ordering::Release);
                lock.store(0, Ordering::Release);
                return bit;
            }
            0
        };
        let other = thread::spawn({
            let (lock, fill) = (lock.clone(), fill.clone());
            move || append(&lock, &fill, 2)
        });
        let done = append(&lock, &fill, 1);
        let done = done | other.join().unwrap();
        assert_eq!(fill.load(Ordering::Relaxed), done);
    });
}

/// Runs a model of the map's own code with two preemptions, which takes seconds; `LOOM_MAX_PREEMPTIONS`
/// makes it more thorough, and minutes long.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut limits = loom::model::Builder::new();
    limits.preemption_bound = limits.preemption_bound.or(Some(2));
    limits.check(run);
}

/// A writer beside a reader. The reader is the thread that is spawned: loom looks for other orders where a
/// load meets a store of another thread, but not where a store meets a load if the storing thread has
/// loaded the word itself since, as the holder of a lock does.
fn beside(write: impl FnOnce(), read: impl FnOnce() + 'static) {
    let reader = thread::spawn(read);
    write();
    reader.join().unwrap();
}

fn split_and_reuse(page: Page<'static>) {
    let locked = page.lock();
    locked.split(fresh(2));
    drop(locked);
    assert_eq!(append(page, 2, 0), Append::Done);
}

/// A leaf is split, and its free slot used again, while a reader looks for what is moved and what stays.
#[test]
fn split_against_a_reader_of_what_is_moved() {
    model(|| {
        let page = leaf(2, &[1, 5]);
        let read = move || assert_eq!(get(page, 5), Some(0));
        beside(|| split_and_reuse(page), read);
        assert_eq!([1, 2, 5].map(|key| get(page, key)), [Some(0); 3]);
    });
}

#[test]
fn split_against_a_reader_of_what_stays() {
    model(|| {
        let page = leaf(2, &[1, 5]);
        let read = move || assert_eq!(get(page, 1), Some(0));
        beside(|| split_and_reuse(page), read);
    });
}

#[test]
fn split_against_a_reader_of_what_is_not_there() {
    model(|| {
        let page = leaf(2, &[1, 5]);
        let read = move || assert_eq!(get(page, 4), None);
        beside(|| split_and_reuse(page), read);
    });
}

/// The heads change, as the keys that are left share their beginning: a reader that cannot trust them
/// looks at each record.
#[test]
fn split_that_changes_the_heads_against_a_reader() {
    model(|| {
        let low = long(b"abcdefg1");
        let page = Draft::new(fresh(2), 0, Some(low)).finish(None, 0, 0, true);
        let locked = page.lock();
        assert_eq!(locked.append(&low.target(), low), Append::Done);
        drop(locked);
        let read = move || {
            let target = Target::new(b"abcdefg1", 0);
            assert!(Place::unknown(page).get(&target).is_some());
        };
        let write = || {
            page.lock().extend(fresh(2), long(b"abcdefg9"));
        };
        beside(write, read);
        assert_eq!(page.skip(), 7);
    });
}

/// A record that is behind all others goes to a leaf of its own; a reader that has found it once finds it
/// again.
#[test]
fn split_that_extends_against_a_reader() {
    model(|| {
        let page = leaf(2, &[1, 5]);
        let read = move || {
            let first = get(page, 7);
            assert!(first.is_none() || get(page, 7).is_some());
        };
        let write = || {
            let locked = page.lock();
            locked.extend(fresh(2), record(7, 0));
        };
        beside(write, read);
        assert_eq!(get(page, 7), Some(0));
    });
}

/// A scan beside a split has each record once.
#[test]
fn split_against_a_scan() {
    model(|| {
        let page = leaf(2, &[1, 5]);
        let read = move || {
            let (mut keys, mut at) = (Vec::new(), Some(page));
            while let Some(page) = at {
                let mut records = [(0, None); crate::page::MOST_SLOTS];
                let (len, next) = page.copy_sorted(&mut records);
                let records = records[..len].iter().filter_map(|(_, record)| *record);
                keys.extend(records.map(|record| record.key()[0]));
                at = next;
            }
            keys.retain(|key| *key != 2);
            assert_eq!(keys, [1, 5]);
        };
        beside(|| split_and_reuse(page), read);
    });
}

/// What a split may do wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// The records go before the page that has them is linked.
    ForgetsFirst,
    /// The reader looks at `next` first.
    LooksBehindFirst,
    /// The reader does not look again.
    NoSecondLook,
    /// The slot is used again before the version ends.
    ReusesFirst,
    /// What is in a slot is stored Relaxed.
    RelaxedSlot,
}

/// A leaf of two slots in small. Record 5 is moved to the right, and 2 put where it was.
fn small_split(mistake: Mistake) {
    let words = || Arc::new([0, 0b11, 0, 5].map(AtomicU64::new));
    let shared = words();
    let writer = thread::spawn({
        let shared = shared.clone();
        move || {
            let [version, fill, next, slot] = &*shared;
            if mistake == Mistake::ForgetsFirst {
                fill.store(0b01, Ordering::Release);
                next.store(1, Ordering::Release);
            } else {
                next.store(1, Ordering::Release);
                fill.store(0b01, Ordering::Release);
            }
            let order = match mistake {
                Mistake::RelaxedSlot => Ordering::Relaxed,
                _ => Ordering::Release,
            };
            if mistake == Mistake::ReusesFirst {
                slot.store(2, order);
                version.store(1, Ordering::Release);
            } else {
                version.store(1, Ordering::Release);
                slot.store(2, order);
            }
            fill.store(0b11, Ordering::Release);
        }
    });
    let [version, fill, next, slot] = &*shared;
    loop {
        let seen = version.load(Ordering::Acquire);
        let (filled, right) = if mistake == Mistake::LooksBehindFirst {
            let right = next.load(Ordering::Acquire);
            (fill.load(Ordering::Acquire), right)
        } else {
            let filled = fill.load(Ordering::Acquire);
            (filled, next.load(Ordering::Acquire))
        };
        if right == 1 {
            break; // and finds it there
        }
        let found = filled & 0b10 != 0 && slot.load(Ordering::Acquire) == 5;
        if mistake != Mistake::NoSecondLook && version.load(Ordering::Relaxed) != seen {
            continue;
        }
        assert!(found, "it was there all the time");
        break;
    }
    writer.join().unwrap();
}

#[test]
fn split_in_small() {
    loom::model(|| small_split(Mistake::None));
}

#[test]
fn split_twin_that_forgets_before_it_links_is_caught() {
    caught(|| small_split(Mistake::ForgetsFirst));
}

#[test]
fn split_twin_that_looks_behind_first_is_caught() {
    caught(|| small_split(Mistake::LooksBehindFirst));
}

#[test]
fn split_twin_without_a_second_look_is_caught() {
    caught(|| small_split(Mistake::NoSecondLook));
}

#[test]
fn split_twin_that_reuses_a_slot_too_early_is_caught() {
    caught(|| small_split(Mistake::ReusesFirst));
}

#[test]
fn split_twin_with_a_relaxed_slot_is_caught() {
    caught(|| small_split(Mistake::RelaxedSlot));
}

/// Three leaves, and an index that knows the first and the third.
fn index_of(slots: usize) -> (Arc<Index>, [Page<'static>; 3]) {
    let first = leaf(2, &[1, 2]);
    // SAFETY: leaked, so held for ever.
    let index = Arc::new(unsafe { Index::new(first) });
    let locked = first.lock();
    let third = locked.extend(fresh(2), record(20, 0));
    drop(locked);
    enter(&index, third, slots);
    let locked = first.lock();
    let second = locked.extend(fresh(2), record(10, 0));
    drop(locked);
    (index, [first, second, third])
}

fn enter(index: &Index, page: Page<'static>, slots: usize) {
    let entered: Result<(), ()> = index.enter(page, || Ok(fresh(slots)));
    entered.unwrap();
}

/// An inner page gets a child between two while a reader looks for one: it is never led too far right,
/// and finds the record.
#[test]
fn index_a_child_is_entered_against_a_reader() {
    model(|| {
        let (index, [_, second, _]) = index_of(3);
        let read = {
            let index = index.clone();
            move || {
                let target = Target::new(&[10], u64::MAX);
                let place = index.find(&target);
                let low = place.page.low().map_or(0, |low| low.key()[0]);
                assert!(low < 10, "led to {low}");
                assert!(place.get(&target).is_some());
            }
        };
        beside(|| enter(&index, second, 3), read);
    });
}

/// The same for the child that moves.
#[test]
fn index_a_child_is_moved_against_a_reader() {
    model(|| {
        let (index, [_, second, _]) = index_of(3);
        let read = {
            let index = index.clone();
            move || {
                let target = Target::new(&[20], u64::MAX);
                assert!(index.find(&target).get(&target).is_some());
            }
        };
        beside(|| enter(&index, second, 3), read);
    });
}

/// The same for a place between the two, which must not be led to the right one.
#[test]
fn index_a_place_between_two_children_against_a_reader() {
    model(|| {
        let (index, [_, second, _]) = index_of(3);
        let read = {
            let index = index.clone();
            move || {
                let place = index.find(&Target::new(&[15], u64::MAX));
                let low = place.page.low().map_or(0, |low| low.key()[0]);
                assert!(low < 15, "led to {low}");
            }
        };
        beside(|| enter(&index, second, 3), read);
    });
}

/// A root that a reader finds is complete.
#[test]
fn index_a_root_is_made_against_a_reader() {
    model(|| {
        let first = leaf(2, &[1]);
        // SAFETY: leaked, so held for ever.
        let index = Arc::new(unsafe { Index::new(first) });
        let second = first.lock().extend(fresh(2), record(10, 0));
        let read = {
            let index = index.clone();
            move || {
                let target = Target::new(&[10], u64::MAX);
                assert!(index.find(&target).get(&target).is_some());
            }
        };
        beside(|| enter(&index, second, 2), read);
    });
}

/// Whoever finds counters finds them as they were when counting began.
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
                    // SAFETY: nobody writes after counting began, which loom checks.
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

/// An inner page is split, and a root made above it, while a reader looks.
#[test]
fn index_an_inner_page_is_split_against_a_reader() {
    model(|| {
        let (index, [_, second, _]) = index_of(2);
        let read = {
            let index = index.clone();
            move || {
                let target = Target::new(&[20], u64::MAX);
                assert!(index.find(&target).get(&target).is_some());
            }
        };
        beside(|| enter(&index, second, 2), read);
        let target = Target::new(&[10], 0);
        assert!(index.find(&target).page == second);
    });
}

/// Two threads enter one page: it is there once.
#[test]
fn index_two_writers_enter_one_page() {
    model(|| {
        let (index, [_, second, _]) = index_of(4);
        let writer = thread::spawn({
            let index = index.clone();
            move || enter(&index, second, 4)
        });
        enter(&index, second, 4);
        writer.join().unwrap();
        enter(&index, second, 4);
        let target = Target::new(&[10], 0);
        let place = index.find(&target);
        assert!(place.page == second && place.behind != Some(second));
    });
}

/// Heads 10 and 20 with children, in small; 15 is to be led to 10 or before. `LOOKS_TWICE`: by the version.
fn small_index<const LOOKS_TWICE: bool>() {
    // version, count, heads 1 and 2, slots 1 and 2
    let shared = Arc::new([0, 2, 20, 0, 20, 0].map(AtomicU64::new));
    let writer = thread::spawn({
        let shared = shared.clone();
        move || {
            let order = [(0, 1), (3, 20), (5, 20), (2, 10), (4, 10), (1, 3), (0, 2)];
            for (word, value) in order {
                shared[word].store(value, Ordering::Release);
            }
        }
    });
    let load = |word: usize| shared[word].load(Ordering::Acquire);
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
    writer.join().unwrap();
}

#[test]
fn index_in_small() {
    loom::model(small_index::<true>);
}

#[test]
fn index_twin_without_a_second_look_is_caught() {
    caught(small_index::<false>);
}

/// The pool advances and waits until no guard is left, in small, while a writer inserts: what is in the
/// leaf then is all that will ever be. `PINS_FIRST`: the writer looks at the epoch when it is pinned.
fn freeze_against_insert<const PINS_FIRST: bool>() {
    let page = leaf(2, &[]);
    // The current epoch, and whether the writer is pinned.
    let shared = Arc::new([AtomicU64::new(1), AtomicU64::new(0)]);
    let writer = thread::spawn({
        let shared = shared.clone();
        move || {
            let [current, pinned] = &*shared;
            let early = current.load(Ordering::Acquire);
            pinned.store(1, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            let now = if PINS_FIRST {
                current.load(Ordering::Acquire)
            } else {
                early
            };
            if now == 1 {
                append(page, 1, 0);
            }
            pinned.store(0, Ordering::Release);
        }
    });
    let [current, pinned] = &*shared;
    current.store(2, Ordering::Release);
    fence(Ordering::SeqCst);
    if pinned.load(Ordering::Acquire) == 0 {
        let then = page.fill();
        writer.join().unwrap();
        assert_eq!(page.fill(), then, "a record came after the freeze");
    } else {
        writer.join().unwrap();
    }
}

#[test]
fn freeze_against_an_insert() {
    loom::model(freeze_against_insert::<true>);
}

#[test]
fn freeze_twin_whose_writer_looks_before_it_pins_is_caught() {
    caught(freeze_against_insert::<false>);
}
