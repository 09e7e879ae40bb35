//! The project's chores: `cargo xtask VERB`, one verb per file.

mod bench;
mod ci;
#[cfg(test)]
mod hosted;
mod newcomer;
mod page;
mod soak;
mod step;
mod test;
mod tidy;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Measure put, resolve, reclaim, memory, churn and tail, beside the floor and the peers.
    #[command(after_long_help = bench::after_help())]
    Bench(bench::Args),
    /// Run everything at once, at random, and see that nothing is wrong and memory is flat.
    Soak(soak::Args),
    /// Run every test.
    Test,
    /// Run what `.ci/run` runs: tests, format, lints, docs.
    Ci,
    /// Look for what tests of behaviour do not see: dead links, undocumented items, orderings without a reason.
    Tidy,
    /// Build and run the README's programs as new crates outside the workspace.
    Newcomer,
    /// Prove what tests alone cannot: sanitizers, Miri, loom, fuzzing, instruction counts.
    Verify(verify::Args),
}

fn main() -> ExitCode {
    let outcome = match Xtask::parse().verb {
        Verb::Bench(args) => bench::run(args),
        Verb::Soak(args) => soak::run(args),
        Verb::Test => step::run_all(test::steps()),
        Verb::Ci => step::run_all(ci::steps()),
        Verb::Tidy => step::run_all(vec![tidy::step()]),
        Verb::Newcomer => step::run_all(newcomer::steps()),
        Verb::Verify(args) => verify::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace.
fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The text of a file, or its fault.
fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: cannot be read: {error}", file.display()))
}

/// The command as it was typed.
fn command_line() -> String {
    std::env::args().skip(1).fold("cargo xtask".into(), |line, word| line + " " + &word)
}

/// Where builds go: as cargo decides it.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// The arguments of a verb, as its tests give them.
#[cfg(test)]
fn parsed<A: clap::Args>(line: &str) -> Result<A, clap::Error> {
    let command = A::augment_args(clap::Command::new("verb").no_binary_name(true));
    A::from_arg_matches(&command.try_get_matches_from(line.split_whitespace())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Xtask::command().debug_assert();
    }
}
