//! One leaf: a record is published, and two writers take turns.

use std::sync::Arc;

use epoch_arena_block::twin::caught;

use super::{append, beside, has, leaf, model_within, published, record};
use crate::sync::{AtomicU64, Ordering};
use crate::tree::key::Target;
use crate::tree::leaf::Append;
use crate::tree::place::Place;
use crate::tree::record::Record;

/// A record that a reader finds, by a walk of the leaf or by its key, is written: what its writer did before happens
/// before.
#[test]
fn publish_a_record_that_is_found_is_complete() {
    loom::model(|| {
        let page = leaf(2, &[]);
        let publish = || assert_eq!(append(page, 1), Append::Done);
        let finds = move || {
            let mut walked = false;
            page.for_each(|_| walked = true);
            walked || has(page, 1)
        };
        published(publish, finds);
        assert!(has(page, 1));
    });
}

/// The twin stores the slots that are filled, or what is in a slot, Relaxed.
#[test]
fn publish_twin_that_stores_relaxed_is_caught() {
    caught(|| {
        let fill = Arc::new(AtomicU64::new(0));
        let seen = fill.clone();
        published(
            || fill.store(1, Ordering::Relaxed),
            move || seen.load(Ordering::Acquire) == 1,
        );
    });
}

/// A key gets a newer version and an older one. A reader always finds the newest of those that were there, or one that has
/// come; and an older one behind it.
#[test]
fn older_a_key_gets_versions_against_a_reader() {
    model_within(3, || {
        let page = leaf(4, &[]);
        let put = move |version| {
            let record = record(&[1], version);
            assert_eq!(page.lock().append(&record.target(), record), Append::Done);
        };
        [5, 7].into_iter().for_each(put);
        let read = move || {
            let at = |version| {
                Place::unknown(page)
                    .get(&Target::new(&[1], version))
                    .map(Record::version)
            };
            let newest = at(u64::MAX);
            assert!(newest == Some(7) || newest == Some(9));
            assert_eq!(at(6), Some(5));
            assert!(at(u64::MAX) >= newest);
        };
        beside(|| [9, 3].into_iter().for_each(put), read);
        assert_eq!(page.older().count_ones(), 3);
    });
}

/// What may go wrong with the mask of what is older.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// The writer says that a version is older before the newer one is there.
    OlderFirst,
    /// The reader looks at what is there before it looks at what is older.
    FilledFirst,
    /// What is older is stored Relaxed.
    Relaxed,
    /// A reader for whom the newest is too new takes another one that is not said to be older.
    TakesTheNext,
}

/// A leaf in small: versions 5 and 7 of a key are there; 9, then 3 come. A reader looks for the newest, and for the
/// newest up to 6.
fn small_older(mistake: Mistake) {
    const VERSIONS: [u64; 4] = [5, 7, 9, 3];
    let shared = Arc::new([0b0011, 0b0001].map(AtomicU64::new));
    let write = {
        let shared = shared.clone();
        move || {
            let [fill, older] = &*shared;
            let order = match mistake {
                Mistake::Relaxed => Ordering::Relaxed,
                _ => Ordering::Release,
            };
            for (filled, outdated) in [(0b0111, 0b0011), (0b1111, 0b1011)] {
                if mistake == Mistake::OlderFirst {
                    older.store(outdated, order);
                    fill.store(filled, Ordering::Release);
                } else {
                    fill.store(filled, Ordering::Release);
                    older.store(outdated, order);
                }
            }
        }
    };
    let read = move |at| {
        let [fill, older] = &*shared;
        let (filled, outdated) = if mistake == Mistake::FilledFirst {
            let filled = fill.load(Ordering::Acquire);
            (filled, older.load(Ordering::Acquire))
        } else {
            let outdated = older.load(Ordering::Acquire);
            (fill.load(Ordering::Acquire), outdated)
        };
        let newest = |mask: u64, at| {
            let versions = (0..4)
                .filter(|slot| mask >> slot & 1 == 1)
                .map(|slot| VERSIONS[slot]);
            versions.filter(|version| *version <= at).max()
        };
        let current = filled & !outdated;
        if mistake == Mistake::TakesTheNext {
            return newest(current, at).or_else(|| newest(filled, at));
        }
        match newest(current, u64::MAX) {
            Some(version) if version > at => newest(filled, at),
            found => found,
        }
    };
    let reads = move || {
        assert!(read(u64::MAX).is_some_and(|newest| newest >= 7));
        assert_eq!(read(6), Some(5));
    };
    beside(write, reads);
}

#[test]
fn older_in_small() {
    loom::model(|| small_older(Mistake::None));
}

#[test]
fn older_twin_that_forgets_the_older_first_is_caught() {
    caught(|| small_older(Mistake::OlderFirst));
}

#[test]
fn older_twin_that_looks_at_what_is_there_first_is_caught() {
    caught(|| small_older(Mistake::FilledFirst));
}

#[test]
fn older_twin_that_stores_relaxed_is_caught() {
    caught(|| small_older(Mistake::Relaxed));
}

#[test]
fn older_twin_that_takes_what_is_not_the_newest_is_caught() {
    caught(|| small_older(Mistake::TakesTheNext));
}

/// Writers of one leaf: both records are there, and of two equal ones one.
#[test]
fn lock_two_writers_of_a_leaf() {
    loom::model(|| {
        let page = leaf(3, &[]);
        let mut mine = None;
        let [same, another] = beside(
            || mine = Some(append(page, 1)),
            move || [append(page, 1), append(page, 2)],
        );
        let mut same = [mine.unwrap(), same];
        same.sort_by_key(|end| *end != Append::Done);
        assert_eq!(same, [Append::Done, Append::Exists]);
        assert_eq!(another, Append::Done);
        assert!(has(page, 1) && has(page, 2));
    });
}

/// The twin looks whether the lock is free, and takes it, in two steps.
#[test]
fn lock_twin_that_looks_and_takes_apart_is_caught() {
    caught(|| {
        let shared = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let append = |[lock, fill]: &[AtomicU64; 2], bit: u64| {
            if lock.load(Ordering::Acquire) == 0 {
                lock.store(1, Ordering::Release);
                let filled = fill.load(Ordering::Acquire);
                fill.store(filled | bit, Ordering::Release);
                lock.store(0, Ordering::Release);
                return bit;
            }
            0
        };
        let theirs = shared.clone();
        let mut done = 0;
        let other = beside(|| done = append(&shared, 1), move || append(&theirs, 2));
        assert_eq!(shared[1].load(Ordering::Relaxed), done | other);
    });
}
