//! Stage counts: instructions per operation under callgrind, compared with those on record. They repeat exactly where
//! times do not, so that a small loss on the hot path is seen on any machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Command, Name, Need, SEEDED, Step};
use crate::step::{Missing, Runner, Verdict};

/// Where they are on record, from the workspace's root.
const RECORD: &str = "benches/counts.json";
const RECORD_ANEW: &str = "cargo xtask verify --only counts --record";
/// More instructions than this part of the record are a regression. The code is the same in every build; what
/// surrounds it may shift an instruction.
const TOLERANCE: f64 = 0.02;
/// Operations: the difference of a run with twice as many and one with this many is counted.
const OPERATIONS: u64 = 10_240;

/// Instructions per operation, by scenario.
type Counts = BTreeMap<String, f64>;

/// The record.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Recorded {
    /// Another compiler makes other code.
    rustc: String,
    /// It decides which of the C library's copies run.
    valgrind: String,
    instructions_per_operation: Counts,
}

/// The step.
pub fn steps(record: bool) -> Vec<Step> {
    let compare_or_record = move |runner: &mut Runner| {
        let now = Recorded {
            rustc: runner.must(&Command::program("rustc -V"))?.text.trim().to_owned(),
            valgrind: runner.must(&Command::program("valgrind --version"))?.text.trim().to_owned(),
            instructions_per_operation: count(runner, PLAIN, "target/counts")?,
        };
        let path = crate::workspace().join(RECORD);
        if record {
            let text = serde_json::to_string_pretty(&now).map_err(|error| error.to_string())?;
            crate::page::write(&path, &(text + "\n"))?;
            return Ok(Verdict::Passed(format!("recorded in {RECORD}")));
        }
        let recorded = crate::read(&path).and_then(|text| serde_json::from_str(&text).map_err(|it| it.to_string()));
        Ok(judge(&recorded.map_err(|error| format!("{RECORD}: {error}; {RECORD_ANEW}"))?, &now))
    };
    let hunt = |runner: &mut Runner| {
        let plain = count(runner, PLAIN, "target/counts")?;
        let regressed = count(runner, &format!("{SEEDED} --features counts"), "target/counts-seeded")?;
        match compare(&plain, &regressed) {
            Verdict::Failed(why) => Ok(Verdict::Passed(format!("caught: {why}"))),
            _ => Err("not caught".into()),
        }
    };
    let step = Step::work(Name::Counts, "instructions", compare_or_record).needs(&[Need::Linux, Need::Valgrind]);
    vec![step.hunts("a put with more to do", hunt)]
}

const PLAIN: &str = "-p epoch-arena-bench";

/// Builds the scenarios and counts each.
fn count(runner: &mut Runner, which: &str, folder: &str) -> Result<Counts, String> {
    // Flags of the user's would make other code.
    let build = Command::cargo(&format!("build --release --bin counts {which}")).env("RUSTFLAGS", "");
    runner.must(&build.target(folder))?;
    let program = crate::workspace().join(folder).join("release/counts");
    let listed = runner.must(&Command::program("").arg(&program))?;
    let mut counts = Counts::new();
    for scenario in listed.text.lines() {
        let [once, twice] = [1, 2].map(|times| {
            let callgrind = Command::program("valgrind --tool=callgrind --callgrind-out-file=/dev/null").arg(&program);
            let ran = runner.must(&callgrind.arg(scenario).arg((times * OPERATIONS).to_string()))?;
            collected(&ran.text).ok_or_else(|| format!("{scenario}: callgrind gave no count, see the log"))
        });
        let each = twice?.saturating_sub(once?) as f64 / OPERATIONS as f64;
        runner.note(&format!("{scenario}: {each:.2} instructions per operation"))?;
        counts.insert(scenario.to_owned(), (each * 100.0).round() / 100.0);
    }
    if counts.is_empty() { Err("no scenarios".into()) } else { Ok(counts) }
}

/// The figure in callgrind's last lines: `==123== Collected : 457055`.
fn collected(text: &str) -> Option<u64> {
    text.lines().filter_map(|line| line.split_once("Collected : ")).find_map(|(_, figure)| figure.trim().parse().ok())
}

/// Compares, if both were made by the same tools.
fn judge(recorded: &Recorded, now: &Recorded) -> Verdict {
    for (then, here) in [(&recorded.rustc, &now.rustc), (&recorded.valgrind, &now.valgrind)] {
        if then != here {
            return Verdict::Skipped(Missing {
                why: format!("the counts on record are of {then}, here is {here}"),
                command: RECORD_ANEW.into(),
            });
        }
    }
    compare(&recorded.instructions_per_operation, &now.instructions_per_operation)
}

fn compare(recorded: &Counts, now: &Counts) -> Verdict {
    let all = recorded.keys().chain(now.keys());
    let mut worse = Vec::new();
    let mut better = Vec::new();
    for name in all.collect::<std::collections::BTreeSet<_>>() {
        let (Some(then), Some(here)) = (recorded.get(name), now.get(name)) else {
            worse.push(format!("{name} is on one side only"));
            continue;
        };
        let change = format!("{name} {then} -> {here}");
        if *here > then * (1.0 + TOLERANCE) {
            worse.push(change);
        } else if *here < then * (1.0 - TOLERANCE) {
            better.push(change);
        }
    }
    match (worse.as_slice(), better.as_slice()) {
        ([], []) => Verdict::Passed(format!("{} scenarios as on record", now.len())),
        // A record that is too high would hide the next regression.
        ([], _) => Verdict::Passed(format!("fewer: {}; {RECORD_ANEW}", better.join(", "))),
        _ => Verdict::Failed(worse.join(", ")),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn counts(put: f64, pin: f64) -> Counts {
        [("put".to_owned(), put), ("pin".to_owned(), pin)].into()
    }

    fn recorded(rustc: &str, put: f64) -> Recorded {
        Recorded {
            rustc: rustc.into(),
            valgrind: "valgrind-3.19.0".into(),
            instructions_per_operation: counts(put, 90.0),
        }
    }

    #[test]
    fn callgrinds_figure_is_found() {
        let text = "==7== Events    : Ir\n==7== Collected : 457055\n==7== I refs: 457,055";
        assert_eq!(collected(text), Some(457_055));
        assert_eq!(collected("valgrind: no such file"), None);
    }

    #[test]
    fn more_than_the_tolerance_fails_and_names_the_scenario() {
        let before = counts(100.0, 90.0);
        assert!(matches!(compare(&before, &counts(101.9, 90.0)), Verdict::Passed(_)));
        assert_eq!(compare(&before, &counts(102.1, 90.0)), Verdict::Failed("put 100 -> 102.1".into()));
        let fewer = compare(&before, &counts(90.0, 90.0));
        assert_eq!(fewer, Verdict::Passed(format!("fewer: put 100 -> 90; {RECORD_ANEW}")));
    }

    #[test]
    fn a_scenario_that_is_gone_or_new_fails() {
        let mut fewer = counts(1.0, 1.0);
        fewer.remove("pin");
        assert!(matches!(compare(&counts(1.0, 1.0), &fewer), Verdict::Failed(_)));
        assert!(matches!(compare(&fewer, &counts(1.0, 1.0)), Verdict::Failed(_)));
    }

    #[test]
    fn another_compiler_is_a_skip_with_the_command() {
        let same = judge(&recorded("rustc 1.95.0", 10.0), &recorded("rustc 1.95.0", 10.0));
        assert!(matches!(same, Verdict::Passed(_)));
        let other = judge(&recorded("rustc 1.95.0", 10.0), &recorded("rustc 1.96.0", 99.0));
        let why = "the counts on record are of rustc 1.95.0, here is rustc 1.96.0".into();
        assert_eq!(other, Verdict::Skipped(Missing { why, command: RECORD_ANEW.into() }));
    }
}
