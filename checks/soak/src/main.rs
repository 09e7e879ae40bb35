//! Everything at once, at random: threads that begin, end and die, pools that come and go, readers
//! that park, leases that pass from hand to hand, sources that fail, and keys that carry checksums.
//! `cargo xtask soak` builds it, runs it, shows how it goes and draws a picture.
//!
//! ```text
//! soak [--seconds N] [--seed S] [--threads N]
//! ```
//!
//! Every decision comes from the seed; which thread comes first does not, so a run is not repeated to
//! the letter. It prints lines of words: `sample`, `calm`, `failure`, `end`, then names and
//! values.

mod calm;
mod counts;
mod doomed;
mod faulty;
mod job;
mod key;
mod lend;
mod maps;
mod put;
mod rng;
mod scene;
mod watch;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

use scene::Scene;

/// The arguments.
#[derive(Clone, Copy, Debug)]
struct Plan {
    time: Duration,
    seed: u64,
    threads: usize,
}

fn main() -> ExitCode {
    let plan = match plan(std::env::args().skip(1)) {
        Ok(plan) => plan,
        Err(reason) => {
            eprintln!("error: {reason}");
            return ExitCode::FAILURE;
        }
    };
    let seconds = plan.time.as_secs();
    println!(
        "start seed {} threads {} seconds {seconds}",
        plan.seed, plan.threads
    );
    end_if_late(plan.time);
    let scene = Scene::new(plan.seed);
    watch::run(&scene, plan);
    let failures = scene.end();
    for failure in &failures {
        println!("failure {failure}");
    }
    println!("end failures {}", failures.len());
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Ends the process well after its time: if a thread hangs, all that wait for it do.
fn end_if_late(time: Duration) {
    const PATIENCE: Duration = Duration::from_secs(300);
    std::thread::spawn(move || {
        std::thread::sleep(time + PATIENCE);
        println!("failure a thread hangs");
        std::process::exit(1);
    });
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Plan, String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut plan = Plan {
        time: Duration::from_secs(60),
        seed: 1,
        threads: (2 * cores).max(8),
    };
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        let value: u64 = value.ok_or_else(|| format!("{name} wants a number"))?;
        match name.as_str() {
            "--seconds" => plan.time = Duration::from_secs(value.max(1)),
            "--seed" => plan.seed = value,
            "--threads" => plan.threads = value.clamp(1, 1000) as usize,
            _ => return Err(format!("{name} is none of --seconds, --seed, --threads")),
        }
    }
    Ok(plan)
}
