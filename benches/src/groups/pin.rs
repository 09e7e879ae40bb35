//! Time of a pin and its unpin, beside crossbeam's own.

use std::hint::black_box;

use epoch_arena::ArenaPool;
use epoch_arena::crossbeam_epoch::{self, Collector};

use crate::clock;
use crate::groups::{Lane, race};
use crate::wire::{Bench, Job};

/// Measures the job's contestants.
pub fn run(job: &Job) {
    let nested = job.bench == Bench::PinNested;
    let pins = job.count;
    // The pool that a lane pins in is leaked: a guard that outlives a round's start borrows it.
    race(job, "pin-local-handle", "ns/pin", |id| match id {
        "pin-local-handle" => {
            let handle = &*Box::leak(Box::new(Collector::new().register()));
            Some(lane(pins, nested.then(|| handle.pin()), || handle.pin()))
        }
        "pin-default" => {
            let outer = nested.then(crossbeam_epoch::pin);
            Some(lane(pins, outer, crossbeam_epoch::pin))
        }
        "pin-pool" => {
            let pool = &*Box::leak(Box::new(pool()));
            Some(lane(pins, nested.then(|| pool.pin()), || pool.pin()))
        }
        "pin-local-arena" => {
            let local = &*Box::leak(Box::new(pool().local()));
            Some(lane(pins, nested.then(|| local.pin()), || local.pin()))
        }
        _ => None,
    });
}

fn pool() -> ArenaPool {
    ArenaPool::builder()
        .build()
        .expect("the default settings build")
}

/// Pins and unpins, with `outer` held. That has a closure of its own: one that is called at two places is not compiled into
/// the loop, but saves registers and returns the guard through memory, a sixth of the time of a pool's pin.
fn lane<G: 'static>(pins: usize, outer: Option<G>, pin: impl Fn() -> G + 'static) -> Lane {
    Box::new(move || {
        black_box(&outer);
        let (nanos, ()) = clock::time(|| {
            for _ in 0..pins {
                black_box(&pin());
            }
        });
        nanos / pins as f64
    })
}
