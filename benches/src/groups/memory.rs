//! Resident bytes per payload byte, in a process that has done nothing else.

use crate::contest::{Contestant, Plan, room};
use crate::contestants::{AsItIs, OursEpochs, Visit, visit};
use crate::groups::churn::Epochs;
use crate::groups::{entered, guarded, plan};
use crate::os::resident;
use crate::report::{self, figure};
use crate::wire::{Bench, Job, Keys};

/// Measures the job's contestants; of an honest job there is one.
pub fn run(job: &Job, keys: &'static Keys) {
    if job.bench == Bench::MemoryEpochs {
        guarded("ours", || epochs(job));
        return;
    }
    let plan = plan(job, keys, false);
    for id in &job.contestants {
        if let Some(value) = entered(id, || visit(id, Set { plan, keys })) {
            // The payload itself is the floor: one byte per byte.
            report::sample(job, id, figure("", value, "B/B", Some(1.0)));
        }
    }
}

/// Live epochs of one key each: the cost of an almost empty epoch.
const EPOCHS: u32 = 1000;

fn epochs(job: &Job) {
    let before = resident();
    let mut pool = OursEpochs::new::<AsItIs>(EPOCHS);
    for epoch in 0..EPOCHS {
        if epoch > 0 {
            pool.next_epoch();
        }
        pool.put(b"0123456789abcdef");
    }
    let grown = resident().saturating_sub(before);
    report::sample(
        job,
        "ours",
        figure("", grown as f64 / 1024.0 / f64::from(EPOCHS), "KiB", None),
    );
}

struct Set {
    plan: Plan,
    keys: &'static Keys,
}

impl Visit for Set {
    type Out = f64;

    fn visit<C: Contestant + 'static>(self) -> f64 {
        // The handles are the caller's in every case and not counted, so their pages are touched before.
        let mut out = room(self.plan.keys);
        let before = resident();
        let mut crew = C::crew(self.plan);
        crew[0].fill(self.keys, &mut out);
        let grown = resident().saturating_sub(before);
        std::hint::black_box((&crew, &out));
        grown as f64 / self.keys.payload() as f64
    }
}
