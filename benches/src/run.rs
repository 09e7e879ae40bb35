//! The whole of a benchmark process: one job, lines of JSON, an exit code.

use std::process::ExitCode;

use crate::groups;
use crate::wire::{Group, Job};

/// Runs the job given as the only argument.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(text), None) = (arguments.next(), arguments.next()) else {
        eprintln!(
            "this is a part of `cargo xtask bench`, which gives it one argument: a job, as JSON"
        );
        return ExitCode::from(2);
    };
    match serde_json::from_str::<Job>(&text)
        .map_err(|error| format!("this is no job: {error}"))
        .and_then(|job| run(&job))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(job: &Job) -> Result<(), String> {
    let keys = job
        .keys
        .load(groups::map::keys_of(job).unwrap_or(job.count))
        .map_err(|error| error.to_string())?;
    // The process lives for these keys; a `static` reference spares every lane a count.
    let keys: &'static _ = Box::leak(Box::new(keys));
    match job.bench.group() {
        Group::Put => groups::put::run(job, keys),
        Group::Resolve => groups::resolve::run(job, keys),
        Group::Reclaim => groups::reclaim::run(job, keys),
        Group::Memory => groups::memory::run(job, keys),
        Group::Churn => groups::churn::run(job),
        Group::Tail => groups::tail::run(job, keys),
        Group::Scale => groups::scale::run(job, keys),
        Group::Shared => groups::shared::run(job, keys),
        Group::Sort => groups::sort::run(job, keys),
        Group::Pin => groups::pin::run(job),
        Group::Pools => groups::pools::run(job),
        Group::Map => groups::map::run(job, keys),
    }
    Ok(())
}
