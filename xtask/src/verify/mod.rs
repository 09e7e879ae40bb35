//! `cargo xtask verify`: everything that can be proved on this machine, stage by stage; and `--self-test`, which proves
//! that each stage can fail.

pub mod counts;
mod fuzz;
mod lint;
mod miri;
mod mutants;
mod sanitizers;
mod tests;

use clap::ValueEnum;

use crate::step::{Command, Name, Need, Needs, Step, outcome, table, width};

/// The manifest of the seeded bugs.
const SEEDED: &str = "--manifest-path checks/seeded/Cargo.toml";

/// The features of block and arena beyond the default ones, where both are among the crates.
const ALLOCATORS: &str = "--features epoch-arena-block/allocator-api2,epoch-arena-core/allocator-api2";

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// About 5 minutes in place of 20: fewer seeds, fewer tests under the slow tools, shorter fuzzing.
    #[arg(long)]
    quick: bool,
    /// Only these stages; by comma, or repeated.
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    only: Vec<Name>,
    /// Run the stages on the bugs in `checks/seeded` instead: each must fail on its own.
    #[arg(long)]
    self_test: bool,
    /// Write the instruction counts anew in place of comparing them.
    #[arg(long, conflicts_with = "self_test")]
    record: bool,
    /// A skipped step is a failure: where every tool is expected, as in the hosted CI.
    #[arg(long)]
    strict: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), String> {
    let (mut needs, mut rows) = (Needs::default(), Vec::new());
    for step in chosen(&args.only).into_iter().flat_map(|name| steps(name, &args)) {
        if args.self_test {
            rows.extend(step.hunt(&mut needs)?);
        } else {
            rows.push(step.run(&mut needs, false)?);
        }
    }
    println!("\n{}", table(&rows, width()));
    outcome(&rows, args.self_test, args.strict)
}

/// The stages to run, each once, in the order in which a failure costs the least time.
fn chosen(only: &[Name]) -> Vec<Name> {
    let all = Name::value_variants().iter().copied();
    all.filter(|name| only.is_empty() || only.contains(name)).collect()
}

fn steps(name: Name, args: &Args) -> Vec<Step> {
    match name {
        Name::Lint => lint::steps(),
        Name::Tests => tests::steps(args.quick),
        Name::Oom => vec![tests::oom()],
        Name::Counts => counts::steps(args.record),
        Name::Loom => vec![tests::loom()],
        Name::Asan => sanitizers::address(args.quick),
        Name::Msan => sanitizers::memory(args.quick),
        Name::Tsan => sanitizers::thread(args.quick),
        Name::Miri => miri::steps(args.quick),
        Name::Fuzz => fuzz::steps(args.quick),
        Name::Mutants => mutants::steps(args.quick, &args.only),
    }
}

/// The arguments of a `cargo test` that runs the bug `test` of the test target `target`.
fn seeded(target: &str, test: &str) -> String {
    format!("{SEEDED} --test {target} {test}")
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::parsed;

    #[test]
    fn stages_come_by_comma_and_by_repetition_and_run_once_in_order() {
        let args = parsed::<Args>("--quick --only miri,lint --only tsan --only lint").unwrap();
        assert!(args.quick && !args.self_test);
        assert_eq!(chosen(&args.only), [Name::Lint, Name::Tsan, Name::Miri]);
        assert_eq!(chosen(&parsed::<Args>("").unwrap().only), Name::value_variants());
    }

    #[test]
    fn an_unknown_stage_is_refused_with_the_known_ones() {
        let error = parsed::<Args>("--only helgrind").err().unwrap().to_string();
        assert!(error.contains("helgrind") && error.contains("msan"), "{error}");
        assert!(parsed::<Args>("--self-test --record").is_err());
    }

    #[test]
    fn every_stage_has_a_seeded_bug() {
        for quick in ["", "--quick"] {
            let args = parsed::<Args>(quick).unwrap();
            for name in Name::value_variants().iter().copied() {
                let steps = steps(name, &args);
                assert!(steps.iter().all(|step| step.stage == name));
                assert!(steps.iter().any(|step| !step.bugs.is_empty()), "{name:?}");
            }
        }
    }
}
