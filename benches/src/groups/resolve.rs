//! Time to turn a handle into bytes, and to touch them.

use std::hint::black_box;

use crate::clock;
use crate::contest::{Plan, Resolver, room};
use crate::contestants::{VisitResolver, visit_resolver};
use crate::groups::{Lane, plan, race};
use crate::shuffle::shuffle;
use crate::wire::{Bench, Job, Keys};

/// Resolves per measured pass, so that the hot pass, over few handles, is long enough for the clock.
const RESOLVES: usize = 1 << 18;

/// Measures the job's contestants.
pub fn run(job: &Job, keys: &'static Keys) {
    let plan = plan(job, keys, true);
    let random = job.bench == Bench::ResolveRandom;
    race(job, "raw-slice", "ns/key", |id| {
        visit_resolver(id, Set { plan, keys, random })
    });
}

struct Set {
    plan: Plan,
    keys: &'static Keys,
    random: bool,
}

impl VisitResolver for Set {
    type Out = Lane;

    fn visit<C: Resolver + 'static>(self) -> Lane {
        let mut crew = C::crew(self.plan);
        let mut handles = room(self.keys.len());
        crew[0].fill(self.keys, &mut handles);
        if self.random {
            // The handles lie in the order of the reads, their keys anywhere: the cache misses are on keys, not on handles.
            shuffle(&mut handles);
        }
        let passes = RESOLVES.div_ceil(handles.len());
        Box::new(move || {
            let worker = &mut crew[0];
            black_box(worker.resolve(&handles));
            let (nanos, ()) = clock::time(|| {
                for _ in 0..passes {
                    black_box(worker.resolve(black_box(&handles)));
                }
            });
            nanos / (passes * handles.len()) as f64
        })
    }
}
