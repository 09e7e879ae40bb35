//! The pool leaves the map's epoch beside an insert.

use std::sync::Arc;

use epoch_arena_block::twin::caught;
use loom::sync::atomic::fence;
use loom::thread;

use super::{append, leaf};
use crate::sync::{AtomicU64, Ordering};

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
                append(page, 1);
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
