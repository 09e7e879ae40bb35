//! Percentiles of single puts, each timed by the cycle counter.

use crate::clock;
use crate::contest::{Contestant, Plan, room};
use crate::contestants::{Visit, visit};
use crate::groups::{NOT_BUILT, guarded, plan, skip};
use crate::report::{self, Figure};
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
    let plan = plan(job, keys, !cold);
    let per_tick = clock::nanos_per_tick();
    for _ in 0..job.rounds {
        let Some(Some(floor)) = guarded("floor", || visit("floor", Set { plan, keys, cold }))
        else {
            return;
        };
        for id in &job.contestants {
            let ticks = match id.as_str() {
                "floor" => Some(Some(floor.clone())),
                _ => guarded(id, || visit(id, Set { plan, keys, cold })),
            };
            match ticks {
                Some(Some(ticks)) => figures(job, id, &ticks, &floor, per_tick),
                Some(None) => skip(id, NOT_BUILT),
                None => {}
            }
        }
    }
}

fn figures(job: &Job, id: &str, ticks: &[u64], floor: &[u64], per_tick: f64) {
    for (suffix, q) in PERCENTILES {
        let nanos = |sorted: &[u64]| quantile(sorted, q).map(|ticks| ticks as f64 * per_tick);
        if let Some(value) = nanos(ticks) {
            report::sample(
                job,
                id,
                Figure {
                    suffix,
                    value,
                    unit: "ns",
                    floor: nanos(floor),
                },
            );
        }
    }
}

struct Set {
    plan: Plan,
    keys: &'static Keys,
    cold: bool,
}

impl Visit for Set {
    /// The ticks of every put, sorted.
    type Out = Vec<u64>;

    fn visit<C: Contestant + 'static>(self) -> Vec<u64> {
        let mut crew = C::crew(self.plan);
        let worker = &mut crew[0];
        let mut out = room(self.plan.keys);
        let mut ticks = room(self.plan.keys);
        if !self.cold {
            worker.fill(self.keys, &mut out);
            worker.disorder(&mut out);
            worker.reset(&mut out);
            worker.reset_shared();
        }
        worker.fill_timed(self.keys, &mut out, &mut ticks);
        std::hint::black_box(&out);
        ticks.sort_unstable();
        ticks
    }
}
