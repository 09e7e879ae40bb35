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
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::contest::Plan;
use crate::report::{self, figure};
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
const NOT_BUILT: &str = "this executable was built without it";

/// Runs `work` for one contestant; a panic skips that contestant and spares the others.
pub fn guarded<R>(contestant: &str, work: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| skip(contestant, &message(&*panic)))
        .ok()
}

/// As `guarded`, for a contestant that may be missing in this executable.
pub fn entered<R>(contestant: &str, work: impl FnOnce() -> Option<R>) -> Option<R> {
    let done = guarded(contestant, work)?;
    if done.is_none() {
        skip(contestant, NOT_BUILT);
    }
    done
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("no message"))
}

/// Runs the lanes round by round, the reference among them, and reports each beside it.
///
/// Where a contestant's memory lies depends on those set up before it, and the state of the caches and of the branch
/// predictor on the one that ran before it. So each process sets up in an order of its own, and each round runs in one.
///
/// `make` sets up a lane, or gives `None` where the contestant is not in this executable.
pub fn race(job: &Job, reference: &str, unit: &'static str, make: impl Fn(&str) -> Option<Lane>) {
    let others = job.contestants.iter().map(String::as_str);
    let mut ids: Vec<&str> = others.filter(|id| *id != reference).collect();
    ids.push(reference);
    let mut random = fastrand::Rng::with_seed(job.seed);
    random.shuffle(&mut ids);
    let mut lanes: Vec<(&str, Lane)> = Vec::new();
    for id in ids {
        lanes.extend(entered(id, || make(id)).map(|lane| (id, lane)));
    }
    for _ in 0..job.rounds {
        random.shuffle(&mut lanes);
        let mut values = HashMap::new();
        lanes.retain_mut(|(id, lane)| {
            let value = guarded(id, lane);
            value.is_some_and(|value| values.insert(*id, value).is_none())
        });
        let Some(floor) = values.get(reference).copied() else {
            return;
        };
        for id in &job.contestants {
            if let Some(value) = values.get(id.as_str()).copied() {
                report::sample(job, id, figure("", value, unit, Some(floor)));
            }
        }
    }
}
