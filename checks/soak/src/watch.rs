//! The one who watches: the budget all the time, everything in calm moments, and the clock.

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::Plan;
use crate::calm::{self, Calm};
use crate::scene::{Scene, lock};
use crate::worker::Workers;

/// Between two looks at the budgets.
const TICK: Duration = Duration::from_millis(5);
/// Ticks between two lines.
const LINE: u64 = 50;

/// Runs the threads until time is up or something is wrong.
pub fn run(scene: &Scene, plan: Plan) {
    let start = Instant::now();
    let between = (plan.time / 12).clamp(Duration::from_secs(1), Duration::from_secs(20));
    let mut calms: Vec<Calm> = Vec::new();
    std::thread::scope(|scope| {
        let mut workers = Workers::start(scope, scene, plan.threads);
        let mut next = between;
        for tick in 0.. {
            let elapsed = start.elapsed();
            if elapsed >= plan.time || scene.is_done() {
                break;
            }
            budgets(scene);
            workers.replace_ended();
            if tick % LINE == 0 {
                println!("sample {}", line(scene, elapsed));
            }
            if elapsed >= next {
                let calm = calm::wait(scene);
                println!(
                    "calm seconds {:.2} in_use {} resident {}",
                    start.elapsed().as_secs_f64(),
                    calm.in_use,
                    calm.resident
                );
                calms.push(calm);
                next = start.elapsed() + between;
            }
            std::thread::sleep(TICK);
        }
        // Relaxed: a little later will do.
        scene.done.store(true, Ordering::Relaxed);
        workers.end();
    });
    budgets(scene);
    println!("sample {}", line(scene, start.elapsed()));
    flat(scene, &calms);
}

/// No budget is exceeded, now or at any moment before.
fn budgets(scene: &Scene) {
    for (name, store) in scene.named_stores() {
        let (stats, most) = (store.memory.stats(), store.ledger.most());
        if stats.reserved > store.budget || most > store.budget {
            scene.fail(format!("{name}: {most} bytes at one moment; {stats}"));
        }
    }
}

fn line(scene: &Scene, elapsed: Duration) -> String {
    let mut line = format!(
        "seconds {:.2} resident {}",
        elapsed.as_secs_f64(),
        calm::resident()
    );
    let [mut reserved, mut in_use, mut budget] = [0; 3];
    let mut faults = 0;
    for (_, store) in scene.named_stores() {
        let stats = store.memory.stats();
        reserved += stats.reserved;
        in_use += stats.in_use;
        budget += store.budget;
        faults += store.ledger.faults();
    }
    let lent = scene
        .lent
        .iter()
        .filter(|place| lock(place).is_some())
        .count();
    // Into a string: it cannot fail.
    let _ = write!(
        line,
        " reserved {reserved} in_use {in_use} budget {budget} lent {lent}"
    );
    for (name, count) in scene.counts.all() {
        let count = if name == "faults" { faults } else { count };
        let _ = write!(line, " {name} {count}");
    }
    line
}

/// In calm moments there is no more in the second half of the run than in the first.
fn flat(scene: &Scene, calms: &[Calm]) {
    // Memory that the allocator keeps, and memory forgotten on purpose.
    const SLACK: usize = 24 << 20;
    let (first, second) = calms.split_at(calms.len() / 2);
    let least = |half: &[Calm]| half.iter().map(|calm| calm.resident).min();
    if let (Some(first), Some(second)) = (least(first), least(second))
        && second > first + first / 4 + SLACK
    {
        scene.fail(format!(
            "memory is not flat: {first} bytes resident at least in the first half, {second} in \
             the second"
        ));
    }
}
