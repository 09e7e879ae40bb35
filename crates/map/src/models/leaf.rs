//! One leaf: a record is published, and two writers take turns.

use std::sync::Arc;

use epoch_arena_block::twin::caught;

use super::{append, beside, has, leaf, published};
use crate::sync::{AtomicU64, Ordering};
use crate::tree::leaf::Append;

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
