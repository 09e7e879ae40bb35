//! One file per group of measurements.

pub mod churn;
pub mod map;
pub mod memory;
pub mod pin;
pub mod pools;
pub mod put;
pub mod reclaim;
pub mod resolve;
pub mod scale;
pub mod shared;
pub mod sort;
pub mod tail;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::contest::Plan;
use crate::report::{self, Figure};
use crate::wire::{Job, Keys, Line};

/// A contestant that is set up; a call is one round and gives its value.
pub type Lane = Box<dyn FnMut() -> f64>;

/// The plan of a job over these keys.
pub fn plan(job: &Job, keys: &Keys, roomy: bool) -> Plan {
    Plan {
        workers: job.threads,
        keys: keys.len(),
        bytes: keys.payload(),
        roomy,
    }
}

/// Says that a contestant cannot run here.
pub fn skip(contestant: &str, reason: &str) {
    report::line(&Line::Skip {
        contestant: contestant.to_owned(),
        reason: reason.to_owned(),
    });
}

/// The reason given where `visit` finds no contestant.
pub const NOT_BUILT: &str = "this executable was built without it";

/// Runs `work` for one contestant; a panic skips that contestant and spares the others.
pub fn guarded<R>(contestant: &str, work: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| skip(contestant, &message(&*panic)))
        .ok()
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("no message"))
}

/// Runs the lanes in turn, round by round, the reference first among them, and reports each beside it.
///
/// `make` sets up a lane, or gives `None` where the contestant is not in this executable.
pub fn race(job: &Job, reference: &str, unit: &'static str, make: impl Fn(&str) -> Option<Lane>) {
    let mut lanes: Vec<(&str, Lane)> = Vec::new();
    for id in std::iter::once(reference).chain(
        job.contestants
            .iter()
            .map(String::as_str)
            .filter(|id| *id != reference),
    ) {
        match guarded(id, || make(id)) {
            Some(Some(lane)) => lanes.push((id, lane)),
            Some(None) => skip(id, NOT_BUILT),
            None => {}
        }
    }
    let reported = job.contestants.iter().any(|id| id == reference);
    for round in 0..job.rounds as usize {
        let mut values = vec![None; lanes.len()];
        for turn in 0..lanes.len() {
            // Each contestant starts a round now and then, and none keeps its place in the order.
            let at = (turn + round) % lanes.len();
            let (id, lane) = &mut lanes[at];
            values[at] = guarded(id, lane);
        }
        let Some(floor) = values.first().copied().flatten() else {
            return;
        };
        for ((id, _), value) in lanes.iter().zip(&values) {
            if let Some(value) = *value
                && (*id != reference || reported)
            {
                report::sample(
                    job,
                    id,
                    Figure {
                        suffix: "",
                        value,
                        unit,
                        floor: Some(floor),
                    },
                );
            }
        }
        let mut kept = values.iter();
        lanes.retain(|_| kept.next().is_some_and(Option::is_some));
    }
}
