//! Sweeps over the number of live epochs.

use super::keys::time_resolves;
use crate::clock;
use crate::contest::{Contestant, LEFT_OVER, Plan, Resolver, room};
use crate::contestants::{Floor, HUGE_PAGES, INLINE, Ours, PIN_ONCE, PIN_PER_64};
use crate::groups::{Lane, guarded, race};
use crate::report::{self, figure};
use crate::shuffle::shuffle;
use crate::wire::{Job, Keys};

/// Epochs of one key that pass before each measured pass: more than are ever live, and always the same number, so
/// that a cache has seen the same, however many are.
const PASSING: usize = 4096;
/// Keys over which the handles are spread.
const SPREAD: usize = 1 << 20;
/// Handles that are resolved: a sample of all.
const SAMPLE: usize = 1 << 18;

type Put = Ours<PIN_PER_64>;

fn retained(at: usize) -> u32 {
    u32::try_from(at).expect("a sweep over live epochs is short")
}

/// A pool with `at` live epochs, of one key each.
fn crowd(at: usize) -> Put {
    let mut pool = Put::retaining(retained(at));
    pass(&mut pool, 2 * PASSING);
    pool
}

fn pass(pool: &mut Put, epochs: usize) {
    for _ in 0..epochs {
        pool.reset_shared();
        pool.put(b"0123456789abcdef");
    }
}

/// Puts into the current one of `at` live epochs.
pub fn put(job: &Job, keys: &'static Keys, at: usize) {
    race(job, "floor", "ns/key", |id| match id {
        "floor" => {
            let mut worker = Floor::<INLINE, HUGE_PAGES>::crew(Plan::of_one(keys)).pop()?;
            let mut out = room(keys.len());
            Some(Box::new(move || {
                worker.fill(keys, &mut out);
                worker.reset(&mut out);
                let (nanos, ()) = clock::time(|| worker.fill(keys, &mut out));
                worker.reset(&mut out);
                nanos / keys.len() as f64
            }))
        }
        "ours" => {
            let mut pool = crowd(at);
            let mut out = room(keys.len());
            Some(Box::new(move || {
                // Two passes' memory is given back, and found by a pass that warms keys and handles, and by the
                // measured one.
                for _ in 0..2 {
                    pool.fill(keys, &mut out);
                    out.clear();
                }
                pass(&mut pool, PASSING);
                assert!(pool.is_reclaimed(), "{LEFT_OVER}");
                pool.fill(keys, &mut out);
                out.clear();
                let (nanos, ()) = clock::time(|| pool.fill(keys, &mut out));
                out.clear();
                nanos / keys.len() as f64
            }))
        }
        _ => None,
    });
}

/// Resolves in random order, of keys spread evenly over `at` live epochs.
pub fn resolve(job: &Job, keys: &'static Keys, at: usize) {
    race(job, "raw-slice", "ns/key", |id| match id {
        "raw-slice" => {
            let plan = Plan {
                workers: 1,
                keys: SPREAD,
                bytes: SPREAD * 16,
                roomy: true,
            };
            let worker = Floor::<INLINE, HUGE_PAGES>::crew(plan).pop()?;
            Some(spread(worker, keys, at, |_| {}))
        }
        "ours" => Some(ours::<PIN_PER_64>(keys, at)),
        "ours-pin-once" => Some(ours::<PIN_ONCE>(keys, at)),
        _ => None,
    });
}

fn ours<const BATCH: usize>(keys: &'static Keys, at: usize) -> Lane {
    let pool = Ours::<BATCH>::retaining(retained(at));
    spread(pool, keys, at, Contestant::reset_shared)
}

/// Puts an equal part of all keys, then `next`, `at` times; the lane resolves a sample of all.
fn spread<C: Resolver + 'static>(
    mut worker: C,
    keys: &'static Keys,
    at: usize,
    next: impl Fn(&mut C),
) -> Lane {
    let step = SPREAD / SAMPLE;
    let mut all = keys.iter().cycle();
    let mut sample = Vec::with_capacity(SAMPLE);
    for epoch in 0..at {
        if epoch > 0 {
            next(&mut worker);
        }
        for nth in SPREAD * epoch / at..SPREAD * (epoch + 1) / at {
            let handle = all.next().map(|key| worker.put(key));
            sample.extend(handle.filter(|_| nth % step == 0));
        }
    }
    shuffle(&mut sample);
    Box::new(move || time_resolves(&mut worker, &sample))
}

/// From one advance to the next, with a put between, while `at` epochs are live. Nothing can serve as a reference.
pub fn advance(job: &Job, at: usize) {
    guarded("ours", || {
        let mut pool = crowd(at);
        for _ in 0..job.rounds {
            let (nanos, ()) = clock::time(|| pass(&mut pool, PASSING));
            assert!(pool.is_reclaimed(), "{LEFT_OVER}");
            report::sample(
                job,
                "ours",
                figure("", nanos / PASSING as f64, "ns/epoch", None),
            );
        }
    });
}
