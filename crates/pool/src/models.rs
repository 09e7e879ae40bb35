//! loom models of the slots and of the holds word, with the broken twins that they must catch.
//! crossbeam-epoch is stood in for by the smallest grace period there is: one reader's flag, and
//! the two SeqCst fences that the proof rests on.
//!
//! Run by `cargo xtask test`, or alone:
//! `RUSTFLAGS="--cfg epoch_arena_loom" cargo test --profile model -p epoch-arena-pool --lib models`

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::ptr::NonNull;
use std::sync::Arc;

use epoch_arena_block::twin::caught;
use epoch_arena_core::{ArenaHandle, pack};
use loom::cell::UnsafeCell;

use crate::slots::Slots;
use crate::status::Status;
use crate::sync::{AtomicU64, Mutex, Ordering, fence, lock};

const OLD: u64 = pack::stamp(6);
const NEW: u64 = pack::stamp(7);

/// A pool of two slots with `OLD` live and current, and the bytes of `OLD`'s arena.
struct Pool {
    slots: Slots,
    status: Status,
    pinned: AtomicU64,
    /// Read and written by users of `OLD`; written when `OLD` is reclaimed. loom reports any two
    /// accesses that are not ordered.
    bytes: UnsafeCell<u8>,
}

impl Pool {
    #[expect(
        clippy::arc_with_non_send_sync,
        reason = "loom's threads take turns, and loom checks what they share"
    )]
    fn new() -> Arc<Self> {
        let pool = Self {
            slots: Slots::new(2),
            status: Status::default(),
            pinned: AtomicU64::new(0),
            bytes: UnsafeCell::new(0),
        };
        pool.status.arm();
        pool.slots.publish(OLD);
        Arc::new(pool)
    }

    fn pin(&self) {
        self.pinned.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    fn unpin(&self) {
        self.pinned.store(0, Ordering::Release);
    }

    /// Whether a grace period passes here; if not, the deferred closure runs at another time.
    fn grace(&self) -> bool {
        fence(Ordering::SeqCst);
        self.pinned.load(Ordering::Acquire) == 0
    }

    fn read(&self) {
        // SAFETY: loom checks that no write is unordered with it.
        self.bytes.with(|bytes| unsafe { *bytes });
    }

    fn write(&self) {
        // SAFETY: loom checks that no other access is unordered with it.
        self.bytes.with_mut(|bytes| unsafe { *bytes += 1 });
    }

    fn reclaim(&self) {
        if self.status.is_reclaimable() {
            self.write();
        }
    }
}

fn handle(stamp: u64) -> ArenaHandle {
    // SAFETY: the models ask for its stamp, and never for its bytes.
    unsafe { ArenaHandle::new(NonNull::<u64>::dangling().cast(), 1, stamp) }
}

fn run(reader: fn(&Pool), retirer: fn(&Pool)) {
    let pool = Pool::new();
    let thread = loom::thread::spawn({
        let pool = pool.clone();
        move || reader(&pool)
    });
    retirer(&pool);
    thread.join().unwrap();
}

fn good_reader(pool: &Pool) {
    pool.pin();
    if pool.slots.stamps().of(handle(OLD)) == OLD {
        pool.read();
    }
    pool.unpin();
}

fn good_retirer(pool: &Pool) {
    pool.slots.publish(NEW);
    pool.slots.clear(OLD);
    if pool.grace() {
        pool.status.drop_pool_hold();
    }
    pool.reclaim();
}

#[test]
fn m7_reader_against_retire() {
    loom::model(|| run(good_reader, good_retirer));
}

#[test]
fn m7_reader_twins_are_caught() {
    // Reclaimed without waiting.
    caught(|| {
        run(good_reader, |pool| {
            pool.slots.clear(OLD);
            pool.status.drop_pool_hold();
            pool.reclaim();
        });
    });
    // Deferred before the stamp is cleared.
    caught(|| {
        run(good_reader, |pool| {
            let passed = pool.grace();
            pool.slots.clear(OLD);
            if passed {
                pool.status.drop_pool_hold();
            }
            pool.reclaim();
        });
    });
    // The stamp is looked at before the pin.
    caught(|| {
        let reader = |pool: &Pool| {
            let live = pool.slots.stamps().of(handle(OLD)) == OLD;
            pool.pin();
            if live {
                pool.read();
            }
            pool.unpin();
        };
        run(reader, good_retirer);
    });
    // A pin without its fence, as `Guard::repin` is: why a guard does not lean on the user's guard.
    caught(|| {
        let reader = |pool: &Pool| {
            pool.pinned.store(1, Ordering::Relaxed);
            if pool.slots.stamps().of(handle(OLD)) == OLD {
                pool.read();
            }
            pool.unpin();
        };
        run(reader, good_retirer);
    });
    // No look again at the second pin.
    caught(|| {
        let reader = |pool: &Pool| {
            pool.pin();
            let live = pool.slots.stamps().of(handle(OLD)) == OLD;
            pool.unpin();
            pool.pin();
            if live {
                pool.read();
            }
            pool.unpin();
        };
        run(reader, good_retirer);
    });
}

fn good_writer(pool: &Pool) {
    pool.pin();
    if pool.slots.current() == OLD {
        pool.write();
    }
    pool.unpin();
}

#[test]
fn m9_writer_against_retire() {
    loom::model(|| run(good_writer, good_retirer));
}

#[test]
fn m9_writer_twin_whose_epoch_is_moved_too_late_is_caught() {
    caught(|| {
        run(good_writer, |pool| {
            pool.slots.clear(OLD);
            let passed = pool.grace();
            pool.slots.publish(NEW);
            if passed {
                pool.status.drop_pool_hold();
            }
            pool.reclaim();
        });
    });
}

/// A handle of the new epoch is made by whoever sees `current`, and is to resolve at once.
fn resolves(publish: fn(&[AtomicU64; 2]), current: fn(&AtomicU64) -> u64) {
    let words = Arc::new([AtomicU64::new(pack::EMPTY), AtomicU64::new(OLD)]);
    let writer = loom::thread::spawn({
        let words = words.clone();
        move || {
            if current(&words[1]) == NEW {
                assert_eq!(
                    words[0].load(Ordering::Relaxed),
                    NEW,
                    "a handle made too early"
                );
            }
        }
    });
    publish(&words);
    writer.join().unwrap();
}

#[test]
fn m6_a_handle_resolves_from_the_moment_it_can_be_made() {
    loom::model(|| {
        let pool = Pool::new();
        let writer = loom::thread::spawn({
            let pool = pool.clone();
            move || {
                let made = pool.slots.current() == NEW;
                let live = pool.slots.stamps().of(handle(NEW)) == NEW;
                assert!(live || !made, "a handle made too early");
            }
        });
        pool.slots.publish(NEW);
        writer.join().unwrap();
    });
}

/// Publication that is Relaxed on one side, or has its two stores the other way round.
#[test]
fn m6_publication_twins_are_caught() {
    const STORE: fn(&[AtomicU64; 2]) = |[stamp, current]| {
        stamp.store(NEW, Ordering::Relaxed);
        current.store(NEW, Ordering::Release);
    };
    const LOAD: fn(&AtomicU64) -> u64 = |current| current.load(Ordering::Acquire);
    loom::model(|| resolves(STORE, LOAD));
    caught(|| resolves(STORE, |current| current.load(Ordering::Relaxed)));
    caught(|| {
        let relaxed = |[stamp, current]: &[AtomicU64; 2]| {
            stamp.store(NEW, Ordering::Relaxed);
            current.store(NEW, Ordering::Relaxed);
        };
        resolves(relaxed, LOAD);
    });
    caught(|| {
        let exchanged = |[stamp, current]: &[AtomicU64; 2]| {
            current.store(NEW, Ordering::Release);
            stamp.store(NEW, Ordering::Release);
        };
        resolves(exchanged, LOAD);
    });
}

/// Peer bug 2: whoever sees the new epoch sees its arena set up.
fn open(set_up_first: bool) {
    let pool = Pool::new();
    let writer = loom::thread::spawn({
        let pool = pool.clone();
        move || {
            if pool.slots.current() == NEW {
                pool.read();
            }
        }
    });
    if set_up_first {
        pool.write();
    }
    pool.slots.publish(NEW);
    if !set_up_first {
        pool.write();
    }
    writer.join().unwrap();
}

#[test]
fn bug02_a_new_epoch_is_ready_before_it_is_published() {
    loom::model(|| open(true));
    caught(|| open(false));
}

/// A lease taken under the lock, while the epoch is retired, its pool hold dropped, and reclaimed.
#[test]
fn m7_lease_against_retire() {
    loom::model(|| {
        let pool = Pool::new();
        let live = Arc::new(Mutex::new(true));
        let reader = loom::thread::spawn({
            let (pool, live) = (pool.clone(), live.clone());
            move || {
                let state = lock(&live);
                let leased = *state;
                if leased {
                    pool.status.add_lease();
                }
                drop(state);
                if leased {
                    pool.read();
                    pool.status.drop_lease();
                }
            }
        });
        *lock(&live) = false;
        pool.status.drop_pool_hold();
        pool.reclaim();
        reader.join().unwrap();
        assert!(pool.status.is_reclaimable(), "both gone, whoever was last");
    });
}

/// The twin keeps the pool's hold and the leases in two words.
#[test]
fn m7_lease_twin_with_two_words_is_caught() {
    caught(|| {
        let pool = Pool::new();
        let words = Arc::new((AtomicU64::new(1), AtomicU64::new(0)));
        let reader = loom::thread::spawn({
            let (pool, words) = (pool.clone(), words.clone());
            move || {
                let (pool_hold, leases) = &*words;
                leases.fetch_add(1, Ordering::Relaxed);
                pool_hold.fetch_sub(1, Ordering::Release);
                pool.read();
                leases.fetch_sub(1, Ordering::Release);
            }
        });
        let (pool_hold, leases) = &*words;
        if leases.load(Ordering::Acquire) == 0 && pool_hold.load(Ordering::Acquire) == 0 {
            pool.write();
        }
        reader.join().unwrap();
    });
}

/// A lease that ends without Release: its reads may come after the reclaim.
#[test]
fn m7_lease_twin_that_ends_relaxed_is_caught() {
    caught(|| {
        let pool = Pool::new();
        let holds = Arc::new(AtomicU64::new(1));
        let reader = loom::thread::spawn({
            let (pool, holds) = (pool.clone(), holds.clone());
            move || {
                pool.read();
                holds.fetch_sub(1, Ordering::Relaxed);
            }
        });
        if holds.load(Ordering::Acquire) == 0 {
            pool.write();
        }
        reader.join().unwrap();
    });
}

/// The deferred closure runs in a thread that is neither the reader's last nor the reclaimer's: the
/// drop of the hold itself must carry what was done under the guard.
fn dropped_elsewhere(drop_hold: fn(&AtomicU64), is_zero: fn(&AtomicU64) -> bool) {
    let pool = Pool::new();
    let holds = Arc::new(AtomicU64::new(1));
    let reader = loom::thread::spawn({
        let (pool, holds) = (pool.clone(), holds.clone());
        move || {
            pool.read();
            drop_hold(&holds);
        }
    });
    if is_zero(&holds) {
        pool.write();
    }
    reader.join().unwrap();
}

#[test]
fn m7_the_drop_of_the_hold_carries_the_reads() {
    loom::model(|| {
        let pool = Pool::new();
        let reader = loom::thread::spawn({
            let pool = pool.clone();
            move || {
                pool.read();
                pool.status.drop_pool_hold();
            }
        });
        pool.reclaim();
        reader.join().unwrap();
    });
}

#[test]
fn m7_twins_whose_drop_carries_nothing_are_caught() {
    caught(|| {
        dropped_elsewhere(
            |holds| {
                holds.fetch_sub(1, Ordering::Relaxed);
            },
            |holds| holds.load(Ordering::Acquire) == 0,
        );
    });
    caught(|| {
        dropped_elsewhere(
            |holds| {
                holds.fetch_sub(1, Ordering::Release);
            },
            |holds| holds.load(Ordering::Relaxed) == 0,
        );
    });
}

/// Two epochs on, the slot of the old one is another's: [`OLD`] is 6, this is 8, and there are two
/// slots.
const NEXT_IN_SLOT: u64 = pack::stamp(8);

fn turning_retirer(pool: &Pool) {
    good_retirer(pool);
    if pool.status.is_reclaimable() {
        pool.status.arm();
        pool.slots.publish(NEXT_IN_SLOT);
        // The put of whoever has the memory now.
        pool.write();
    }
}

#[test]
fn m5_bug05_a_stale_stamp_against_the_reuse_of_its_slot() {
    loom::model(|| {
        let reader = |pool: &Pool| {
            pool.pin();
            let stamp = pool.slots.stamps().of(handle(OLD));
            if pack::len_under(stamp, handle(OLD).tag()).is_some() {
                pool.read();
            }
            pool.unpin();
        };
        run(reader, turning_retirer);
    });
}

/// One bit of the epoch stands for any number of bits that is too small.
#[test]
fn m5_bug05_twin_with_a_truncated_stamp_is_caught() {
    caught(|| {
        let reader = |pool: &Pool| {
            pool.pin();
            let stamp = pool.slots.stamps().of(handle(OLD));
            if pack::epoch(stamp) & 1 == pack::epoch(OLD) & 1 {
                pool.read();
            }
            pool.unpin();
        };
        run(reader, turning_retirer);
    });
}

/// The slot is given away while the old epoch's drop of its hold is still to come: that takes the
/// new epoch's.
#[test]
fn m5_twin_whose_slot_is_reused_before_its_reclaim_is_caught() {
    caught(|| {
        let reader = |pool: &Pool| {
            pool.pin();
            if pool.slots.current() == NEXT_IN_SLOT {
                pool.read();
            }
            pool.unpin();
        };
        run(reader, |pool| {
            pool.slots.publish(NEW);
            pool.slots.clear(OLD);
            pool.status.arm();
            pool.slots.publish(NEXT_IN_SLOT);
            if pool.grace() {
                pool.status.drop_pool_hold();
            }
            pool.reclaim();
        });
    });
}

/// Whoever sees an epoch sealed sees what its last writer counted; the closure runs in any thread.
#[test]
fn m11_sealed_carries_the_counts() {
    loom::model(|| {
        let pool = Pool::new();
        let writer = loom::thread::spawn({
            let pool = pool.clone();
            move || {
                pool.write();
                pool.status.seal(pack::epoch(OLD));
            }
        });
        if pool.status.is_sealed(pack::epoch(OLD)) {
            pool.read();
        }
        writer.join().unwrap();
    });
}

#[test]
fn m11_sealed_twins_that_are_relaxed_are_caught() {
    fn counted(store: Ordering, load: Ordering) {
        let pool = Pool::new();
        let sealed = Arc::new(AtomicU64::new(0));
        let writer = loom::thread::spawn({
            let (pool, sealed) = (pool.clone(), sealed.clone());
            move || {
                pool.write();
                sealed.fetch_max(7, store);
            }
        });
        if sealed.load(load) == 7 {
            pool.read();
        }
        writer.join().unwrap();
    }
    loom::model(|| counted(Ordering::Release, Ordering::Acquire));
    caught(|| counted(Ordering::Relaxed, Ordering::Acquire));
    caught(|| counted(Ordering::Release, Ordering::Relaxed));
}

/// A seal closure of an epoch that is gone comes after that of the slot's next epoch.
fn late_seal(seal: fn(&AtomicU64, u64)) {
    let sealed = Arc::new(AtomicU64::new(0));
    let late = loom::thread::spawn({
        let sealed = sealed.clone();
        move || seal(&sealed, 7)
    });
    seal(&sealed, 9);
    late.join().unwrap();
    assert!(
        sealed.load(Ordering::Acquire) > 9,
        "9 was sealed, and stays so"
    );
}

#[test]
fn sealed_is_a_maximum() {
    loom::model(|| {
        let status = Arc::new(Status::default());
        let late = loom::thread::spawn({
            let status = status.clone();
            move || status.seal(7)
        });
        assert!(!status.is_sealed(9), "7 says nothing of 9");
        status.seal(9);
        late.join().unwrap();
        assert!(status.is_sealed(9) && status.is_sealed(7));
    });
    caught(|| late_seal(|word, epoch| word.store(epoch + 1, Ordering::Release)));
}
