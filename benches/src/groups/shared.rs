//! Shared writes per put, counted by a library whose atomics count; and a model of their effect on many cores.

/// Skips: nothing is counted in this executable.
#[cfg(not(epoch_arena_count))]
pub fn run(job: &crate::wire::Job, _keys: &'static crate::wire::Keys) {
    for id in &job.contestants {
        super::skip(
            id,
            "this executable does not count: build it with `--cfg epoch_arena_count`",
        );
    }
}

#[cfg(epoch_arena_count)]
pub use counted::run;

/// The time that a cache line takes to come over from another core, in nanoseconds: of the order of a load from another
/// socket's cache. A parameter of the model, not a measurement.
pub const TRANSFER: f64 = 100.0;

/// The fraction of linear growth that `cores` reach, by a model: a closed queue.
///
/// Each core works for `think` nanoseconds, then writes to the one line that all share, which is one core's at a time
/// and takes `transfer` to come over. That is a closed queue with one server; its exact mean values follow from those
/// with one core less (mean value analysis). Harsh, as all shared writes go to one line here, and as one core alone
/// pays as well; mild, as the machine's interconnect never saturates.
pub fn fraction_of_linear(cores: usize, think: f64, transfer: f64) -> f64 {
    let (mut queued, mut fraction) = (0.0, 1.0);
    for n in 1..=cores {
        // A core that arrives finds the queue that there is with one core less.
        let waits = transfer * (1.0 + queued);
        fraction = think / (think + waits);
        queued = n as f64 * waits / (think + waits);
    }
    fraction
}

#[cfg(epoch_arena_count)]
mod counted {
    use std::sync::Barrier;
    use std::thread::ScopedJoinHandle;

    use epoch_arena::count::{Counts, counts};

    use super::{TRANSFER, fraction_of_linear};
    use crate::clock;
    use crate::contest::{Contestant, Plan, room};
    use crate::contestants::{Floor, HUGE_PAGES, INLINE, Ours, PIN_PER_64};
    use crate::groups::{guarded, plan};
    use crate::report::{self, figure};
    use crate::wire::{Bench, Job, Keys};

    /// Keys of a small epoch.
    const SMALL: usize = 1000;
    /// The most cores that are modelled.
    const CORES: usize = 128;

    /// Counts, and reports the model beside.
    pub fn run(job: &Job, keys: &'static Keys) {
        let Some(counts) = guarded("ours", || count(job, keys)) else {
            return;
        };
        let puts = (job.threads * keys.len()) as f64;
        let kinds = [
            ("-rmws", counts.rmws),
            ("-locks", counts.locks),
            ("-stores", counts.stores),
            ("-taken-over", counts.taken_over),
        ];
        for (suffix, count) in kinds {
            let value = count as f64 * 1000.0 / puts;
            report::sample(job, "ours", figure(suffix, value, "per 1000 puts", None));
        }
        if job.threads == 1 && counts.rmws > 0 {
            model(job, keys, counts.rmws as f64 / puts);
        }
    }

    /// One process-wide pool; each thread puts all keys, in one epoch or in many. The writes of an advance are left out:
    /// only puts, pins and unpins are counted.
    fn count(job: &Job, keys: &'static Keys) -> Counts {
        let mut crew = Ours::<PIN_PER_64>::crew(plan(job, keys, true));
        let epoch = match job.bench {
            Bench::SharedSmall => SMALL,
            _ => keys.len(),
        };
        let parts: Vec<Keys> = (0..keys.len())
            .step_by(epoch)
            .map(|from| keys.part(from, keys.len().min(from + epoch)))
            .collect();
        let barrier = Barrier::new(job.threads);
        let work = |worker: &mut Ours<PIN_PER_64>| -> Counts {
            let mut out = room(epoch);
            let one = |part| {
                let before = counts();
                worker.fill(part, &mut out);
                let done = counts().since(before);
                worker.reset(&mut out);
                if barrier.wait().is_leader() {
                    worker.reset_shared();
                }
                barrier.wait();
                done
            };
            parts.iter().map(one).sum()
        };
        let work = &work;
        std::thread::scope(|scope| {
            let threads: Vec<_> = crew
                .iter_mut()
                .map(|worker| scope.spawn(move || work(worker)))
                .collect();
            let counts = threads.into_iter().map(ScopedJoinHandle::join);
            counts.map(|one| one.expect("counting panicked")).sum()
        })
    }

    /// The harshest work between two shared writes: puts as fast as the bump loop's.
    fn model(job: &Job, keys: &'static Keys, rmws_per_put: f64) {
        let keys: &'static Keys = Box::leak(Box::new(keys.within(5 << 18)));
        let mut floor = Floor::<INLINE, HUGE_PAGES>::crew(Plan::of_one(keys));
        let mut out = room(keys.len());
        let mut put = f64::INFINITY;
        for _ in 0..5 {
            let (nanos, ()) = clock::time(|| floor[0].fill(keys, &mut out));
            floor[0].reset(&mut out);
            put = put.min(nanos / keys.len() as f64);
        }
        let name = match job.bench {
            Bench::SharedSmall => "shared/model-small",
            _ => "shared/model",
        };
        let mut cores = 1;
        while cores <= CORES {
            let value = fraction_of_linear(cores, put / rmws_per_put, TRANSFER);
            let name = format!("{name}/{cores}");
            report::named(
                job,
                "ours",
                name,
                figure("", value, "fraction of linear", None),
            );
            cores *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_shared_writes_growth_is_linear_and_with_nothing_else_it_is_none() {
        assert!(fraction_of_linear(128, 1e12, TRANSFER) > 0.999);
        // Nothing but shared writes: all cores together do what one does.
        let all = fraction_of_linear(64, 1.0, 1e6) * 64.0;
        let one = fraction_of_linear(1, 1.0, 1e6);
        assert!((all / one - 1.0).abs() < 1e-3, "{all} {one}");
    }

    #[test]
    fn the_fraction_falls_with_the_cores_and_is_bounded_by_the_line() {
        let (think, transfer) = (3000.0, 100.0);
        let mut last = 1.0;
        for cores in 1..=128 {
            let fraction = fraction_of_linear(cores, think, transfer);
            assert!(fraction < last);
            // The line serves one write per `transfer`, however many cores there are.
            let writes = fraction * cores as f64 / think;
            assert!(writes <= 1.0 / transfer + 1e-12);
            last = fraction;
        }
    }
}
