//! `cargo xtask soak`: everything at once, at random, for as long as one likes; see `checks/soak`.

mod page;
mod run;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use run::Outcome;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// How long; parts of a minute are fine.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// The seed of every decision; from the clock if there is none. (It does not decide the order of threads.)
    #[arg(long)]
    seed: Option<u64>,
    /// Threads at a time; by default twice the cores, and eight at least.
    #[arg(long)]
    threads: Option<u32>,
    /// Where the report goes; by default `target/soak/report.html`.
    #[arg(long)]
    html: Option<PathBuf>,
    /// Build with debug assertions, and with them the poison.
    #[arg(long)]
    debug_assertions: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), String> {
    let seconds = (args.minutes * 60.0).round();
    if !(1.0..=1e7).contains(&seconds) {
        return Err("--minutes wants something from a second to some months".into());
    }
    let seed = args.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(1, |time| u64::from(time.subsec_nanos()))
    });
    let page = args.html.clone().unwrap_or_else(|| crate::workspace().join("target/soak/report.html"));
    let again = crate::command_line() + &args.seed.map_or_else(|| format!(" --seed {seed}"), |_| String::new());
    println!("seed {seed}; again, but for the order of threads: {again}");
    let outcome = run::run(&args, seed, Duration::from_secs(seconds as u64))?;
    report(&outcome);
    crate::page::write(&page, &page::page(&outcome, &again))?;
    println!("{}", page.display());
    match outcome.failures.as_slice() {
        [] => Ok(()),
        failures => Err(format!("seed {seed}:\n  {}", failures.join("\n  "))),
    }
}

fn report(outcome: &Outcome) {
    let Some(last) = outcome.samples.last() else {
        return;
    };
    println!();
    for (name, value) in last.counts() {
        println!("{name:<12} {:>14}", value.to_string());
    }
    println!();
    let most = ["reserved", "in_use", "resident"].map(|name| (name, outcome.most(name)));
    for (name, value) in std::iter::once(("budget", last.get("budget"))).chain(most) {
        println!("{name:<10} at most {:>8.1} MiB", value / MIB);
    }
    let floors = outcome.calms.iter().map(|calm| calm.get("resident") / MIB);
    let floors: Vec<_> = floors.map(|floor| format!("{floor:.0}")).collect();
    println!("resident in calm moments, with nothing in any pool: {} MiB", floors.join(" "));
}

const MIB: f64 = 1024.0 * 1024.0;
