//! Percentiles of single puts, each timed by the cycle counter.

use crate::clock;
use crate::contest::{Contestant, Plan, room};
use crate::contestants::{Ours, PIN_PER_64, Prefaulted, Visit, visit};
use crate::groups::{entered, plan};
use crate::os::faults;
use crate::report::{self, figure};
use crate::wire::stats::quantile;
use crate::wire::{Bench, Job, Keys};

/// Enough of them to draw the whole distribution; tables show four.
const PERCENTILES: [(&str, f64); 9] = [
    ("-p50", 0.5),
    ("-p75", 0.75),
    ("-p90", 0.9),
    ("-p95", 0.95),
    ("-p99", 0.99),
    ("-p99.5", 0.995),
    ("-p99.9", 0.999),
    ("-p99.99", 0.9999),
    ("-max", 1.0),
];

/// Measures the job's contestants, each beside the floor.
pub fn run(job: &Job, keys: &'static Keys) {
    let cold = job.bench == Bench::TailCold;
    // Into prepared memory this library goes as into fresh one, and is compared with warm memory.
    let plan = plan(job, keys, !cold);
    let per_tick = clock::nanos_per_tick();
    let set = Set { plan, keys, cold };
    for _ in 0..job.rounds {
        let Some(floor) = entered("floor", || visit("floor", set)) else {
            return;
        };
        for id in &job.contestants {
            let passed = entered(id, || match id.as_str() {
                "floor" => Some(floor.clone()),
                "ours" if job.bench == Bench::TailPrefault => Some(prefaulted(plan, keys)),
                _ => visit(id, set),
            });
            if let Some(passed) = passed {
                figures(job, id, &passed, &floor, per_tick);
            }
        }
    }
}

fn prefaulted(plan: Plan, keys: &'static Keys) -> Passed {
    let mut crew = Ours::<PIN_PER_64, Prefaulted>::crew(plan);
    crew[0].register();
    timed_pass(&mut crew[0], keys, &mut room(plan.keys), room(plan.keys))
}

fn figures(job: &Job, id: &str, passed: &Passed, floor: &Passed, per_tick: f64) {
    for (suffix, q) in PERCENTILES {
        let nanos = |sorted: &[u64]| quantile(sorted, q).map(|ticks| ticks as f64 * per_tick);
        if let Some(value) = nanos(&passed.ticks) {
            report::sample(job, id, figure(suffix, value, "ns", nanos(&floor.ticks)));
        }
    }
    report::sample(
        job,
        id,
        figure("-faults", passed.faults as f64, "faults", None),
    );
}

/// The times of a pass of single puts.
#[derive(Clone)]
struct Passed {
    /// The ticks of every put, sorted.
    ticks: Vec<u64>,
    /// The page faults of all of them.
    faults: u64,
}

#[derive(Clone, Copy)]
struct Set {
    plan: Plan,
    keys: &'static Keys,
    cold: bool,
}

impl Visit for Set {
    type Out = Passed;

    fn visit<C: Contestant + 'static>(self) -> Passed {
        let mut crew = C::crew(self.plan);
        let worker = &mut crew[0];
        let mut out = room(self.plan.keys);
        let ticks = room(self.plan.keys);
        if !self.cold {
            worker.fill(self.keys, &mut out);
            worker.disorder(&mut out);
            worker.reset(&mut out);
            worker.reset_shared();
        }
        timed_pass(worker, self.keys, &mut out, ticks)
    }
}

fn timed_pass<C: Contestant>(
    worker: &mut C,
    keys: &Keys,
    out: &mut Vec<C::Handle>,
    mut ticks: Vec<u64>,
) -> Passed {
    let before = faults();
    worker.fill_timed(keys, out, &mut ticks);
    let faults = faults() - before;
    std::hint::black_box(&out);
    ticks.sort_unstable();
    Passed { ticks, faults }
}
