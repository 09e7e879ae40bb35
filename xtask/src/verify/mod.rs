//! `cargo xtask verify`: everything that can be proved on this machine, stage by stage; and `--self-test`, which proves
//! that each stage can fail.

mod counts;
mod fuzz;
mod lint;
mod loom;
mod miri;
mod need;
mod oom;
mod report;
mod runner;
mod sanitizers;
mod seeded;
mod step;
mod tests;

use std::io::IsTerminal;
use std::time::Instant;

use need::Needs;
use report::Row;
use runner::Runner;
use step::{Name, Step, Verdict};

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
    let names = chosen(&args.only);
    let mut needs = Needs::default();
    let mut rows = Vec::new();
    for step in names.into_iter().flat_map(|name| steps(name, &args)) {
        if args.self_test {
            check_bugs(step, &mut needs, &mut rows)?;
        } else {
            check(step, &mut needs, &mut rows)?;
        }
    }
    // A pipe has no width; a hundred and twenty is what a log is read at.
    let width = (!std::io::stdout().is_terminal()).then_some(120);
    println!("\n{}", report::table(&rows, width));
    report::outcome(&rows, args.self_test, args.strict)
}

/// The stages to run, each once, in the order in which a failure costs the least time.
fn chosen(only: &[Name]) -> Vec<Name> {
    let all = Name::ORDER.into_iter();
    all.filter(|name| only.is_empty() || only.contains(name))
        .collect()
}

fn steps(name: Name, args: &Args) -> Vec<Step> {
    match name {
        Name::Lint => lint::steps(),
        Name::Tests => tests::steps(args.quick),
        Name::Oom => oom::steps(),
        Name::Counts => counts::steps(args.record),
        Name::Loom => loom::steps(),
        Name::Asan => sanitizers::address(args.quick),
        Name::Msan => sanitizers::memory(args.quick),
        Name::Tsan => sanitizers::thread(args.quick),
        Name::Miri => miri::steps(args.quick),
        Name::Fuzz => fuzz::steps(args.quick),
    }
}

/// Runs one step on the library.
fn check(step: Step, needs: &mut Needs, rows: &mut Vec<Row>) -> Result<(), String> {
    let mut runner = Runner::new(step.stage, step.name)?;
    let started = Instant::now();
    let verdict = match needs.meet(&step.needs, &mut runner)? {
        Some(missing) => Verdict::Skipped(missing),
        None => (step.work)(&mut runner)?,
    };
    runner.close(&verdict);
    rows.push(Row::new(step.stage, step.name, verdict, started.elapsed()));
    Ok(())
}

/// Runs one step on each of its bugs.
fn check_bugs(step: Step, needs: &mut Needs, rows: &mut Vec<Row>) -> Result<(), String> {
    for bug in step.bugs {
        let what = format!("{}: {}", step.name, bug.name);
        let mut runner = Runner::new(step.stage, &what)?;
        let started = Instant::now();
        let verdict = match needs.meet(&step.needs, &mut runner)? {
            Some(missing) => Verdict::Skipped(missing),
            None => (bug.hunt)(&mut runner)?,
        };
        runner.close(&verdict);
        rows.push(Row::new(step.stage, &what, verdict, started.elapsed()));
    }
    Ok(())
}

#[cfg(test)]
mod unit {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Line::try_parse_from(std::iter::once("verify").chain(line.split_whitespace()))
            .map(|line| line.args)
    }

    #[test]
    fn stages_come_by_comma_and_by_repetition_and_run_once_in_order() {
        let args = parse("--quick --only miri,lint --only tsan --only lint").unwrap();
        assert!(args.quick && !args.self_test);
        assert_eq!(chosen(&args.only), [Name::Lint, Name::Tsan, Name::Miri]);
        assert_eq!(chosen(&parse("").unwrap().only), Name::ORDER);
    }

    #[test]
    fn an_unknown_stage_is_refused_with_the_known_ones() {
        let error = parse("--only helgrind").err().unwrap().to_string();
        assert!(
            error.contains("helgrind") && error.contains("msan"),
            "{error}"
        );
        assert!(parse("--self-test --record").is_err());
    }

    #[test]
    fn every_stage_has_a_seeded_bug() {
        for quick in ["", "--quick"] {
            let args = parse(quick).unwrap();
            for name in Name::ORDER {
                let steps = steps(name, &args);
                assert!(steps.iter().all(|step| step.stage == name));
                assert!(steps.iter().any(|step| !step.bugs.is_empty()), "{name:?}");
            }
        }
    }
}
