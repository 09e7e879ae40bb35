//! A stage: one command, run with its output passed on, and its tests counted.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command with a name.
pub struct Stage {
    name: &'static str,
    command: Command,
}

/// Tests that a runner reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that did not run.
    pub ignored: u64,
}

impl Stage {
    /// `cargo` with `arguments`, in the workspace's root.
    pub fn cargo(name: &'static str, arguments: &[&str]) -> Self {
        // The cargo that runs us, if it told; so that `cargo +nightly xtask test` is consistent.
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        Self::program(name, &cargo, arguments)
    }

    /// `program` with `arguments`, in the workspace's root.
    pub fn program(name: &'static str, program: &OsStr, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(crate::workspace());
        Self { name, command }
    }

    /// With an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// With one more argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// With more arguments.
    pub fn args(self, arguments: &[&str]) -> Self {
        arguments.iter().fold(self, |stage, word| stage.arg(word))
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The command itself, for who runs it in a way of its own.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs it; what it prints goes through.
    fn run(mut self) -> Result<Tally, String> {
        let failed = |error: std::io::Error| format!("cannot run {}: {error}", self.name);
        let mut child = self
            .command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut tally = Tally::default();
        if let Some(output) = child.stdout.take() {
            for line in BufReader::new(output).split(b'\n') {
                let line = line.map_err(failed)?;
                let line = String::from_utf8_lossy(&line);
                println!("{line}");
                tally.add(&line);
            }
        }
        let status = child.wait().map_err(failed)?;
        if status.success() && tally.failed == 0 {
            Ok(tally)
        } else {
            Err(format!("{} failed ({status})", self.name))
        }
    }
}

impl Tally {
    /// Adds what a line of the test runner says: `test result: ok. 3 passed; 0 failed; ...`.
    pub fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                Some((number, "ignored")) => self.ignored += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

/// Runs the stages until one fails, and closes with a table and the sum of all tests.
pub fn run_all(stages: Vec<Stage>) -> Result<(), String> {
    let mut done: Vec<(&str, Duration, Tally)> = Vec::new();
    for stage in stages {
        let name = stage.name;
        eprintln!("\n=== {name}");
        let started = Instant::now();
        let tally = stage.run()?;
        done.push((name, started.elapsed(), tally));
    }
    println!("\n{:<24} {:>8} {:>8}", "stage", "seconds", "tests");
    let mut sum = Tally::default();
    for (name, took, tally) in done {
        println!("{name:<24} {:>8.1} {:>8}", took.as_secs_f64(), tally.passed);
        sum.passed += tally.passed;
        sum.failed += tally.failed;
        sum.ignored += tally.ignored;
    }
    if sum.ignored > 0 {
        return Err(format!("{} tests are ignored; none may be", sum.ignored));
    }
    println!("\n{} passed, {} failed", sum.passed, sum.failed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted_and_other_lines_are_not() {
        let mut tally = Tally::default();
        tally.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out");
        tally.add("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured");
        tally.add("test bench::tests::it_works ... ok");
        tally.add("99 passed");
        let expected = Tally {
            passed: 13,
            failed: 2,
            ignored: 1,
        };
        assert_eq!(tally, expected);
    }
}
