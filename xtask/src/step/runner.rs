//! Runs a step's commands: everything they print goes to a log, and to the terminal either all of it or the last line.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Command, Step, Verdict};

/// No command takes this long; one that does hangs, and a deadlock is a failure.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
/// How often a process and its output are looked at.
const GLANCE: Duration = Duration::from_millis(100);
/// How much of a failing command's output is shown; the rest is in the log.
const TAIL: usize = 40;

/// Runs the commands of one step.
pub struct Runner {
    what: String,
    path: PathBuf,
    log: File,
    /// None where all output is passed on.
    bar: Option<ProgressBar>,
    started: Instant,
    /// The tests of all its commands.
    pub tally: Tally,
    patience: Duration,
}

/// The result of a command.
pub struct Ran {
    /// Whether it ended well.
    pub success: bool,
    /// Its output.
    pub text: String,
    /// Its counts of tests.
    pub tally: Tally,
}

impl Ran {
    /// Whether a test was run whose name has `part` in it; `test NAME ... ok` is what it says of one.
    pub fn has_test(&self, part: &str) -> bool {
        let tests = self.text.lines().filter_map(|line| line.strip_prefix("test ")?.split_once(" ... "));
        tests.filter(|(_, result)| !result.starts_with("ignored")).any(|(name, _)| name.contains(part))
    }
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

impl Runner {
    /// For one step, or the hunt for one bug. A `loud` runner passes all output on.
    pub fn new(step: &Step, bug: &str, loud: bool) -> Result<Self, String> {
        let what = format!("{}: {}{bug}", step.stage, step.name);
        let folder = crate::workspace().join("target/verify");
        let path = folder.join(format!("{}.log", slug(&what)));
        let log = fs::create_dir_all(&folder).and_then(|()| File::create(&path));
        let log = log.map_err(|error| format!("{}: cannot be written: {error}", path.display()))?;
        let bar = (!loud).then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()));
        if let Some(bar) = &bar {
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {prefix}  {wide_msg:.dim}") {
                bar.set_style(style);
            }
            bar.set_prefix(what.clone());
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        match &bar {
            Some(bar) if bar.is_hidden() => eprintln!("{what} ..."),
            Some(_) => {}
            None => eprintln!("\n=== {}", step.name),
        }
        Ok(Self { what, path, log, bar, started: Instant::now(), tally: Tally::default(), patience: PATIENCE })
    }

    /// Runs a command to its end, or to the end of patience.
    pub fn run(&mut self, command: &Command) -> Result<Ran, String> {
        self.converse(command).map_err(|error| format!("{}: {command}: {error}", self.path.display()))
    }

    fn converse(&mut self, command: &Command) -> std::io::Result<Ran> {
        writeln!(self.log, "$ {command}")?;
        // Straight into the log, and read from there: a process left behind may hold a pipe open for ever.
        let process = command.expression().stderr_to_stdout().stdout_file(self.log.try_clone()?).unchecked();
        let mut output = File::open(&self.path)?;
        output.read_to_end(&mut Vec::new())?;
        let handle = match process.start() {
            Ok(handle) => handle,
            Err(error) => {
                let text = format!("{command} cannot be started: {error}");
                writeln!(self.log, "{text}")?;
                return Ok(Ran { success: false, text, tally: Tally::default() });
            }
        };
        let (mut bytes, mut shown, begun) = (Vec::new(), 0, Instant::now());
        let success = loop {
            let success = handle.wait_timeout(GLANCE)?.map(|output| output.status.success());
            output.read_to_end(&mut bytes)?;
            self.show_progress(&bytes[shown..]);
            shown = bytes.len();
            if let Some(success) = success {
                break success;
            }
            if begun.elapsed() > self.patience {
                handle.pids().into_iter().for_each(kill_tree);
                writeln!(self.log, "stopped after {} s", self.patience.as_secs())?;
                break false;
            }
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut tally = Tally::default();
        for line in text.lines() {
            tally.add(line);
            self.tally.add(line);
        }
        Ok(Ran { success, text, tally })
    }

    /// Runs a command that must end well; else the message about it.
    pub fn must(&mut self, command: &Command) -> Result<Ran, String> {
        let ran = self.run(command)?;
        if ran.success && ran.tally.failed == 0 { Ok(ran) } else { Err(self.show(&ran)) }
    }

    /// Runs a command that must fail, and say `word`. Without the word a bug that does not even compile would count as
    /// caught.
    pub fn catch(&mut self, command: &Command, word: &str) -> Result<Verdict, String> {
        let ran = self.run(command)?;
        match (ran.success, ran.text.contains(word)) {
            (false, true) => Ok(Verdict::Passed(format!("caught: {word}"))),
            (true, _) => Err("not caught: the command passed".into()),
            (false, false) => Err(format!("failed without saying {word:?}\n{}", self.show(&ran))),
        }
    }

    fn show_progress(&self, fresh: &[u8]) {
        match &self.bar {
            None => {
                let mut out = std::io::stdout().lock();
                // A closed output is no error.
                let _ = out.write_all(fresh).and_then(|()| out.flush());
            }
            Some(bar) => {
                let text = String::from_utf8_lossy(fresh);
                if let Some(line) = text.lines().map(str::trim).rfind(|line| !line.is_empty()) {
                    bar.set_message(line.to_owned());
                }
            }
        }
    }

    /// Adds a line to the log.
    pub fn note(&mut self, line: &str) -> Result<(), String> {
        writeln!(self.log, "{line}").map_err(|error| format!("{}: cannot be written: {error}", self.path.display()))
    }

    /// Prints the end of a failing command's output, and the path of all of it.
    pub fn show(&self, ran: &Ran) -> String {
        if let Some(bar) = &self.bar {
            let lines: Vec<&str> = ran.text.lines().collect();
            let last = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            bar.suspend(|| eprintln!("--- {}: the last lines of {}\n{last}\n---", self.what, self.path.display()));
        }
        format!("see {}", self.path.display())
    }

    /// Prints the outcome; returns how long the step took.
    pub fn close(self, verdict: &Verdict) -> Duration {
        let took = self.started.elapsed();
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
            let (word, note) = verdict.words();
            eprintln!("{word:<7} {:>6.1} s  {}  {note}", took.as_secs_f64(), self.what);
        }
        took
    }
}

impl Tally {
    /// Adds the counts of a test runner's line: `test result: ok. 3 passed; 0 failed; ...`, or nextest's `Summary [ 1.2s] 4
    /// tests run: 3 passed, 1 failed, 0 skipped`.
    pub fn add(&mut self, line: &str) {
        // Where Miri tries several seeds at a time, their lines may run into each other.
        let counts = match line.split_once("test result: ") {
            Some((_, result)) => result.split_once(". "),
            None => line.trim_start().strip_prefix("Summary [").and_then(|rest| rest.split_once(" run: ")),
        };
        for count in counts.map_or("", |(_, counts)| counts).split([';', ',']) {
            let Some((number, kind)) = count.trim().split_once(' ') else {
                continue;
            };
            let number = number.parse().unwrap_or(0);
            match kind.split(' ').next() {
                Some("passed") => self.passed += number,
                Some("failed") => self.failed += number,
                Some("ignored" | "skipped") => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// A file name.
fn slug(what: &str) -> String {
    let words = what.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-")
}

/// Ends a process and all that it started: cargo's tests outlive cargo.
fn kill_tree(root: u32) {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        // Stopped, it starts no more while its children are looked up.
        signal("-STOP", &[parent]);
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        found.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
        at += 1;
    }
    signal("-KILL", &found);
}

fn signal(which: &str, ids: &[u32]) {
    let ids = ids.iter().map(u32::to_string);
    // A process that has ended meanwhile gets none.
    let _ = duct::cmd("kill", std::iter::once(which.to_owned()).chain(ids)).stderr_null().unchecked().run();
}

#[cfg(test)]
mod tests {
    use super::super::{Name, Needs};
    use super::*;

    fn runner(name: &'static str) -> Runner {
        Runner::new(&Step::command(Name::Lint, name, Command::program("true")), "", false).unwrap()
    }

    fn shell(script: &str) -> Command {
        Command::program("sh -c").arg(script)
    }

    #[test]
    fn results_of_both_test_runners_are_counted_and_other_lines_are_not() {
        let mut tally = Tally::default();
        tally.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out");
        tally.add("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured");
        tally.add("     Summary [   1.234s] 6 tests run: 4 passed (1 slow), 2 failed, 3 skipped");
        tally.add("test bench::tests::it_works ... ok");
        tally.add("99 passed");
        assert_eq!(tally, Tally { passed: 17, failed: 4, ignored: 4 });
    }

    #[test]
    fn a_step_fails_where_one_of_its_filters_names_no_test_that_is_run() {
        let script = "echo 'test race::a ... ok'; echo 'test exits::b ... ignored, slow'; \
                      echo 'test result: ok. 1 passed; 0 failed; 1 ignored'";
        let judged = |filters: &str| {
            let command = filters.split(' ').fold(shell(script).arg("--"), Command::arg);
            let step = Step::tests(Name::Lint, "unit test, filters", vec![command]);
            step.run(&mut Needs::default(), false).unwrap().verdict
        };
        assert_eq!(judged("race"), Verdict::Passed("1 tests".into()));
        for wrong in ["race threads", "race exits", "race result"] {
            assert!(matches!(judged(wrong), Verdict::Failed(why) if why.contains("no test that was run")), "{wrong}");
        }
    }

    #[test]
    fn a_command_that_leaves_a_process_behind_has_ended_all_the_same() {
        let mut runner = runner("unit test, left behind");
        let ran = runner.run(&shell("echo 'test result: ok. 3 passed; 0 failed'; sleep 5 &")).unwrap();
        assert!(ran.success && ran.tally.passed == 3, "{}", ran.text);
        assert!(runner.started.elapsed() < Duration::from_secs(4));
        let ran = runner.run(&Command::program("/nonexistent")).unwrap();
        assert!(!ran.success && ran.text.contains("cannot be started") && runner.tally.passed == 3);
    }

    #[test]
    fn a_command_that_hangs_is_ended_with_its_children() {
        let mut runner = runner("unit test, hangs");
        runner.patience = Duration::from_millis(300);
        let ran = runner.run(&shell("sleep 600 & echo $!; wait")).unwrap();
        assert!(!ran.success);
        let child: u32 = ran.text.trim().parse().unwrap();
        let state = || fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let gone = || state().is_empty() || state().contains(") Z");
        assert!(
            (0..100).any(|_| gone() || {
                std::thread::sleep(GLANCE / 2);
                false
            }),
            "{}",
            state()
        );
    }
}
