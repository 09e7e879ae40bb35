//! Time to give 10 million keys back, so that their memory can be used again.

use crate::clock;
use crate::contest::{Contestant, LEFT_OVER, Plan, room};
use crate::contestants::{Visit, visit};
use crate::groups::{Lane, plan, race};
use crate::wire::{Job, Keys};

/// Measures the job's contestants.
pub fn run(job: &Job, keys: &'static Keys) {
    // Not roomy: an arena that grew to this size has the chunks that growing leaves.
    let plan = plan(job, keys, false);
    race(job, "floor", "us", |id| visit(id, Set { plan, keys }));
}

struct Set {
    plan: Plan,
    keys: &'static Keys,
}

impl Visit for Set {
    type Out = Lane;

    fn visit<C: Contestant + 'static>(self) -> Lane {
        let mut out = room(self.plan.keys);
        Box::new(move || {
            // A store of its own for each round: memory that a reset keeps would change the next one's growth.
            let mut crew = C::crew(self.plan);
            let worker = &mut crew[0];
            worker.fill(self.keys, &mut out);
            worker.disorder(&mut out);
            let (nanos, ()) = clock::time(|| {
                worker.reset(&mut out);
                worker.reset_shared();
            });
            assert!(worker.is_reclaimed(), "{LEFT_OVER}");
            nanos / 1000.0
        })
    }
}
