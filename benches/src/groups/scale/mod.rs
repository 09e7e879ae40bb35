//! Put, resolve and advance while one thing grows: do the costs that should stay flat do so?

mod epochs;
mod keys;

use crate::contest::{Contestant, room, warm_round};
use crate::contestants::{Visit, visit, visit_resolver};
use crate::groups::{Lane, plan, race};
use crate::wire::{Bench, Job, Keys};

/// Measures the job's contestants at one point of the sweep.
pub fn run(job: &Job, keys: &'static Keys) {
    let at = job.at.expect("a sweep says where it is");
    match job.bench {
        Bench::ScaleKeys => race(job, "floor", "ns/key", |id| {
            visit(id, keys::Put::of_many(keys, at))
        }),
        Bench::ScaleLength => {
            let keys = keys::of_length(at);
            race(job, "floor", "ns/key", |id| {
                visit(id, keys::Put::of_all(keys))
            });
        }
        Bench::ScaleKeysResolve => race(job, "raw-slice", "ns/key", |id| {
            visit_resolver(id, keys::Resolve::of_many(keys, at))
        }),
        Bench::ScaleAdvance => race(job, "floor", "us", |id| {
            visit(id, keys::Advance::of_many(keys, at))
        }),
        Bench::ScaleThreads => race(job, "floor", "ns/key", |id| {
            visit(id, Threads { job, keys })
        }),
        Bench::ScaleEpochs => epochs::put(job, keys, at),
        Bench::ScaleEpochsResolve => epochs::resolve(job, keys, at),
        Bench::ScaleEpochsAdvance => epochs::advance(job, at),
        _ => unreachable!("{} is no sweep", job.name()),
    }
}

/// As the group `put`, by any number of threads.
struct Threads<'j> {
    job: &'j Job,
    keys: &'static Keys,
}

impl Visit for Threads<'_> {
    type Out = Lane;

    fn visit<C: Contestant + 'static>(self) -> Lane {
        let keys = self.keys;
        let mut crew = C::crew(plan(self.job, keys, true));
        let mut outs: Vec<Vec<C::Handle>> = crew.iter().map(|_| room(keys.len())).collect();
        Box::new(move || warm_round(&mut crew, &mut outs, keys))
    }
}
