//! What a stage is made of.

use super::need::{Missing, Need};
use super::runner::Runner;
use crate::stage::Stage;

/// A stage, by the name that `--only` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Name {
    /// Format, clippy, documentation, combinations of features, licences.
    Lint,
    /// Every test: debug, release with debug assertions, randomised layout.
    Tests,
    /// Sources that fail, and a process without memory.
    Oom,
    /// Instruction counts of the hot operations, compared with recorded ones.
    Counts,
    /// The loom models.
    Loom,
    /// `AddressSanitizer` and `LeakSanitizer`.
    Asan,
    /// `MemorySanitizer`.
    Msan,
    /// `ThreadSanitizer`.
    Tsan,
    /// Miri.
    Miri,
    /// The fuzz targets.
    Fuzz,
}

impl Name {
    /// All of them, cheap ones first.
    pub const ORDER: [Self; 10] = [
        Self::Lint,
        Self::Counts,
        Self::Oom,
        Self::Tests,
        Self::Loom,
        Self::Asan,
        Self::Fuzz,
        Self::Msan,
        Self::Tsan,
        Self::Miri,
    ];

    /// As `--only` takes it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Lint => "lint",
            Self::Tests => "tests",
            Self::Oom => "oom",
            Self::Counts => "counts",
            Self::Loom => "loom",
            Self::Asan => "asan",
            Self::Msan => "msan",
            Self::Tsan => "tsan",
            Self::Miri => "miri",
            Self::Fuzz => "fuzz",
        }
    }
}

/// What came of a step, or of the hunt for a bug.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What was seen.
    Passed(String),
    /// What went wrong.
    Failed(String),
    /// What it takes.
    Skipped(Missing),
}

/// Runs commands and judges; `Err` only if there is no going on, such as no room for the log.
pub type Work = Box<dyn FnOnce(&mut Runner) -> Result<Verdict, String>>;

/// One row of the table.
pub struct Step {
    /// The stage that it belongs to.
    pub stage: Name,
    /// Its own name.
    pub name: &'static str,
    /// Without these it is skipped.
    pub needs: Vec<Need>,
    /// Checks the library.
    pub work: Work,
    /// Bugs that it must catch.
    pub bugs: Vec<Bug>,
}

/// A seeded bug.
pub struct Bug {
    /// What it is.
    pub name: &'static str,
    /// Runs the step's tool on it; passed means caught.
    pub hunt: Work,
}

impl Step {
    /// A step whose command must end well.
    pub fn command(stage: Name, command: Stage) -> Self {
        let name = command.name();
        Self::work(stage, name, move |runner| {
            let ran = runner.run(command)?;
            Ok(if ran.success {
                Verdict::Passed(String::new())
            } else {
                Verdict::Failed(runner.show(&ran))
            })
        })
    }

    /// A step whose commands must end well and run at least one test each, or the filter is wrong.
    pub fn tests(stage: Name, name: &'static str, commands: Vec<Stage>) -> Self {
        Self::work(stage, name, move |runner| {
            let mut passed = 0;
            for command in commands {
                let what = command.name();
                let ran = runner.run(command)?;
                if !ran.success || ran.tally.failed > 0 {
                    return Ok(Verdict::Failed(runner.show(&ran)));
                }
                if ran.tally.passed == 0 {
                    return Ok(Verdict::Failed(format!("{what}: no test was run")));
                }
                passed += ran.tally.passed;
            }
            Ok(Verdict::Passed(format!("{passed} tests")))
        })
    }

    /// A step that judges by itself.
    pub fn work(
        stage: Name,
        name: &'static str,
        work: impl FnOnce(&mut Runner) -> Result<Verdict, String> + 'static,
    ) -> Self {
        Self {
            stage,
            name,
            needs: Vec::new(),
            work: Box::new(work),
            bugs: Vec::new(),
        }
    }

    /// With what it needs.
    pub fn needs(mut self, needs: &[Need]) -> Self {
        self.needs.extend_from_slice(needs);
        self
    }

    /// With a bug that it must catch: `command` must fail, and say `word`. Without the word a bug that does not even
    /// compile would count as caught.
    pub fn catches(mut self, name: &'static str, command: Stage, word: &'static str) -> Self {
        let hunt = move |runner: &mut Runner| {
            let ran = runner.run(command)?;
            Ok(match (ran.success, ran.text.contains(word)) {
                (false, true) => Verdict::Passed(format!("caught: {word}")),
                (true, _) => Verdict::Failed("not caught: the command passed".into()),
                (false, false) => Verdict::Failed(format!(
                    "failed without saying {word:?}\n{}",
                    runner.show(&ran)
                )),
            })
        };
        self.bugs.push(Bug {
            name,
            hunt: Box::new(hunt),
        });
        self
    }

    /// With a bug that takes more than one command to catch.
    pub fn hunts(
        mut self,
        name: &'static str,
        hunt: impl FnOnce(&mut Runner) -> Result<Verdict, String> + 'static,
    ) -> Self {
        self.bugs.push(Bug {
            name,
            hunt: Box::new(hunt),
        });
        self
    }
}
