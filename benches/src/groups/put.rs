//! Time of one put: warm and cold, on one thread and on several.

use crate::contest::{Contestant, Plan, cold_round, room, warm_round};
use crate::contestants::{Visit, visit};
use crate::groups::{Lane, plan, race};
use crate::wire::{Bench, Job, Keys};

/// Payload of a warm pass. With the keys it is copied from and the handles, some 3 MiB: the comparison is of the
/// instructions and not the memory bus, whatever the length of a key.
pub const WARM_BYTES: usize = 5 << 18;

/// Measures the job's contestants.
pub fn run(job: &Job, keys: &'static Keys) {
    let cold = job.bench == Bench::PutCold;
    // Leaked, as all keys are: the process lives for them.
    let keys = if cold {
        keys
    } else {
        Box::leak(Box::new(keys.within(WARM_BYTES)))
    };
    let plan = plan(job, keys, !cold);
    race(job, "floor", "ns/key", |id| {
        visit(id, Set { plan, keys, cold })
    });
}

struct Set {
    plan: Plan,
    keys: &'static Keys,
    cold: bool,
}

impl Visit for Set {
    type Out = Lane;

    fn visit<C: Contestant + 'static>(self) -> Lane {
        let mut crew = C::crew(self.plan);
        let mut outs: Vec<Vec<C::Handle>> = crew.iter().map(|_| room(self.plan.keys)).collect();
        let round = if self.cold {
            cold_round::<C>
        } else {
            warm_round::<C>
        };
        Box::new(move || round(&mut crew, &mut outs, self.keys))
    }
}
