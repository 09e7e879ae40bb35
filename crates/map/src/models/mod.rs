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

mod freeze;
mod index;
mod leaf;
mod split;

use std::ptr::NonNull;
use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use crate::tree::key::Target;
use crate::tree::leaf::Append;
use crate::tree::page::Page;
use crate::tree::page::draft::{Draft, Fresh};
use crate::tree::place::Place;
use crate::tree::record::Record;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "room")] [u8; 64]);

fn memory(bytes: usize) -> NonNull<u8> {
    let lines = vec![Line([0; 64]); bytes.div_ceil(64)];
    NonNull::from(lines.leak()).cast()
}

fn fresh(slots: usize) -> Fresh<'static> {
    // SAFETY: leaked, so never another's; large enough and aligned.
    unsafe { Fresh::new(memory(Fresh::size(slots)), slots) }
}

/// A record without a value.
fn record(key: &[u8], version: u64) -> Record<'static> {
    let first = memory(Record::size(key.len(), 0).unwrap());
    // SAFETY: leaked, so never another's; large enough.
    unsafe { Record::write(first, key, version, &[]) }
}

/// The first leaf of a level, with records in it.
fn leaf(slots: usize, keys: &[u8]) -> Page<'static> {
    let page = Draft::new(fresh(slots), 0, None).finish(None, 0, 0, true);
    for key in keys {
        assert_eq!(append(page, *key), Append::Done);
    }
    page
}

fn append(page: Page<'static>, key: u8) -> Append {
    let record = record(&[key], 0);
    page.lock().append(&record.target(), record)
}

/// The newest version of a key.
fn newest(key: &[u8]) -> Target<'_> {
    Target::new(key, u64::MAX)
}

/// Whether a reader who begins at this leaf finds the key.
fn has(page: Page<'static>, key: u8) -> bool {
    Place::unknown(page).get(&newest(&[key])).is_some()
}

/// Runs a model of the map's own code with two preemptions, which takes seconds; `LOOM_MAX_PREEMPTIONS`
/// makes it more thorough, and minutes long.
fn model(run: impl Fn() + Sync + Send + 'static) {
    model_within(2, run);
}

/// As `model`, with so many preemptions.
fn model_within(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut limits = loom::model::Builder::new();
    limits.preemption_bound = limits.preemption_bound.or(Some(preemptions));
    limits.check(run);
}

/// `there` in a thread, beside `here`. Of a writer that holds a lock and a reader, the reader is the one that is
/// spawned: loom looks for other orders where a load meets a store of another thread, but not where a store meets a
/// load if the storing thread has loaded the word itself since, as the holder of a lock does.
fn beside<T: 'static>(here: impl FnOnce(), there: impl FnOnce() -> T + 'static) -> T {
    let thread = thread::spawn(there);
    here();
    thread.join().unwrap()
}

/// A reader that finds what `publish` makes known sees what its thread did before.
fn published(publish: impl FnOnce(), finds: impl FnOnce() -> bool + 'static) {
    let bytes = Arc::new(UnsafeCell::new(0));
    let read = {
        let bytes = bytes.clone();
        move || {
            if finds() {
                // SAFETY: no thread writes after it was published, which loom checks; a twin fails by it.
                assert_eq!(bytes.with(|bytes| unsafe { *bytes }), 7);
            }
        }
    };
    let write = || {
        // SAFETY: before it is published.
        bytes.with_mut(|bytes| unsafe { *bytes = 7 });
        publish();
    };
    beside(write, read);
}
