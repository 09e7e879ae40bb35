//! The steps of `test`, `ci` and `verify`: each is a command or more, judged by its outcome.

mod command;
mod need;
mod report;
mod runner;

pub use command::Command;
pub use need::{CROSS, Missing, NIGHTLY, Need, Needs, OLDEST};
pub use report::{Row, outcome, table, width};
pub use runner::{Runner, Tally};

/// A stage, by the name that `--only` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Name {
    /// Format, clippy, documentation, combinations of features, licences.
    Lint,
    /// Instruction counts of the hot operations, compared with recorded ones.
    Counts,
    /// Sources that fail, and a process without memory.
    Oom,
    /// Every test: debug, release with debug assertions, randomised layout.
    Tests,
    /// The loom models.
    Loom,
    /// `AddressSanitizer` and `LeakSanitizer`.
    Asan,
    /// The fuzz targets.
    Fuzz,
    /// `MemorySanitizer`.
    Msan,
    /// `ThreadSanitizer`.
    Tsan,
    /// Miri.
    Miri,
    /// Small mistakes made on purpose in the library, which its tests must notice; a sample of them.
    Mutants,
}

/// The outcome of a step, or of the hunt for a bug.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A note.
    Passed(String),
    /// The fault.
    Failed(String),
    /// The missing tool.
    Skipped(Missing),
}

impl Verdict {
    /// The word for it, and the note.
    pub fn words(&self) -> (&'static str, String) {
        match self {
            Self::Passed(note) => ("PASSED", note.clone()),
            Self::Failed(note) => ("FAILED", note.clone()),
            Self::Skipped(missing) => ("SKIPPED", format!("{}: {}", missing.why, missing.command)),
        }
    }
}

/// Runs commands and judges; an error is a failure, too.
pub type Work = Box<dyn FnOnce(&mut Runner) -> Result<Verdict, String>>;

/// One row of the table.
pub struct Step {
    /// The stage that it belongs to.
    pub stage: Name,
    /// Its own name.
    pub name: &'static str,
    needs: Vec<Need>,
    work: Work,
    /// Bugs that it must catch: a name, and the hunt for each; passed means caught.
    pub bugs: Vec<(&'static str, Work)>,
}

impl Step {
    /// A step that judges by itself.
    pub fn work(
        stage: Name,
        name: &'static str,
        work: impl FnOnce(&mut Runner) -> Result<Verdict, String> + 'static,
    ) -> Self {
        Self { stage, name, needs: Vec::new(), work: Box::new(work), bugs: Vec::new() }
    }

    /// A step whose command must end well.
    pub fn command(stage: Name, name: &'static str, command: Command) -> Self {
        Self::work(stage, name, move |runner| runner.must(&command).map(|_| Verdict::Passed(String::new())))
    }

    /// A step whose commands must end well and run at least one test each, and one by each filter, or the filter is wrong.
    pub fn tests(stage: Name, name: &'static str, commands: Vec<Command>) -> Self {
        Self::work(stage, name, move |runner| {
            for command in commands {
                let ran = runner.must(&command)?;
                if ran.tally.passed == 0 {
                    return Err(format!("no test was run by: {command}"));
                }
                if let Some(filter) = command.filters().find(|filter| !ran.has_test(filter)) {
                    return Err(format!("no test that was run is called {filter}: {command}"));
                }
            }
            Ok(Verdict::Passed(format!("{} tests", runner.tally.passed)))
        })
    }

    /// With its needs: without these it is skipped.
    pub fn needs(mut self, needs: &[Need]) -> Self {
        self.needs.extend_from_slice(needs);
        self
    }

    /// With a bug that it must catch; see [`Runner::catch`].
    pub fn catches(self, name: &'static str, command: Command, word: &'static str) -> Self {
        self.hunts(name, move |runner| runner.catch(&command, word))
    }

    /// With a bug that takes more than one command to catch.
    pub fn hunts(
        mut self,
        name: &'static str,
        hunt: impl FnOnce(&mut Runner) -> Result<Verdict, String> + 'static,
    ) -> Self {
        self.bugs.push((name, Box::new(hunt)));
        self
    }

    /// Runs it on the library.
    pub fn run(mut self, needs: &mut Needs, loud: bool) -> Result<Row, String> {
        let work = std::mem::replace(&mut self.work, Box::new(|_| Err("it ran already".into())));
        self.judge(work, "", needs, loud)
    }

    /// Runs it on each of its bugs.
    pub fn hunt(mut self, needs: &mut Needs) -> Result<Vec<Row>, String> {
        let bugs = std::mem::take(&mut self.bugs);
        bugs.into_iter().map(|(bug, hunt)| self.judge(hunt, &format!(": {bug}"), needs, false)).collect()
    }

    fn judge(&self, work: Work, bug: &str, needs: &mut Needs, loud: bool) -> Result<Row, String> {
        let mut runner = Runner::new(self, bug, loud)?;
        let judged = needs.meet(&self.needs, &mut runner).and_then(|missing| match missing {
            Some(missing) => Ok(Verdict::Skipped(missing)),
            None => work(&mut runner),
        });
        let verdict = judged.unwrap_or_else(Verdict::Failed);
        let tally = runner.tally;
        let took = runner.close(&verdict);
        Ok(Row { stage: self.stage, step: format!("{}{bug}", self.name), verdict, took, tally })
    }
}

/// Runs the steps until one fails, with all they print, and closes with a table and the sum of all tests.
pub fn run_all(steps: Vec<Step>) -> Result<(), String> {
    let (mut rows, mut needs) = (Vec::new(), Needs::default());
    for step in steps {
        let row = step.run(&mut needs, true)?;
        if let Verdict::Failed(why) = &row.verdict {
            return Err(format!("{} failed: {why}", row.step));
        }
        if let ("SKIPPED", why) = row.verdict.words() {
            eprintln!("SKIPPED {why}");
        }
        rows.push(row);
    }
    println!("\n{}", table(&rows, width()));
    let sum = |of: fn(&Tally) -> u64| rows.iter().map(|row| of(&row.tally)).sum::<u64>();
    let ignored = sum(|tally| tally.ignored);
    if ignored > 0 {
        return Err(format!("{ignored} tests are ignored; none may be"));
    }
    println!("\n{} passed, {} failed", sum(|tally| tally.passed), sum(|tally| tally.failed));
    Ok(())
}
