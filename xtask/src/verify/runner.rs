//! Runs a step's commands: everything they print goes to a log, a line of it to the terminal.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::step::{Name, Verdict};
use crate::stage::{Stage, Tally};

/// No command takes this long; one that does hangs, and a deadlock is a failure.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
/// How often a process that says nothing is looked at.
const GLANCE: Duration = Duration::from_millis(500);
/// How much of a failing command's output is shown; the rest is in the log.
const TAIL: usize = 40;

/// Runs the commands of one step.
pub struct Runner {
    what: String,
    path: PathBuf,
    log: File,
    bar: ProgressBar,
    started: Instant,
}

/// What a command did.
pub struct Ran {
    /// Whether it ended well.
    pub success: bool,
    /// What it printed.
    pub text: String,
    /// What it said of tests.
    pub tally: Tally,
}

impl Runner {
    /// For one step, or the hunt for one bug.
    pub fn new(stage: Name, step: &str) -> Result<Self, String> {
        let what = format!("{}: {step}", stage.text());
        let folder = crate::workspace().join("target/verify");
        let path = folder.join(format!("{}.log", slug(&what)));
        let log = std::fs::create_dir_all(&folder)
            .and_then(|()| File::create(&path))
            .map_err(|error| format!("{}: cannot be written: {error}", path.display()))?;
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} {elapsed_precise} {prefix}  {wide_msg:.dim}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(what.clone());
        bar.enable_steady_tick(Duration::from_millis(200));
        if bar.is_hidden() {
            eprintln!("{what} ...");
        }
        Ok(Self {
            what,
            path,
            log,
            bar,
            started: Instant::now(),
        })
    }

    /// Runs a command to its end, or to the end of patience.
    pub fn run(&mut self, stage: Stage) -> Result<Ran, String> {
        let mut command = stage.into_command();
        self.note(&format!("$ {}", shown(&command)))?;
        let failed = |error: std::io::Error| format!("{}: {error}", shown_program(&command));
        let (output, input) = std::io::pipe().map_err(failed)?;
        let both = input.try_clone().map_err(failed)?;
        command.stdin(Stdio::null()).stdout(input).stderr(both);
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                let text = format!("{} cannot be started: {error}", shown_program(&command));
                self.note(&text)?;
                return Ok(Ran {
                    success: false,
                    text,
                    tally: Tally::default(),
                });
            }
        };
        // It holds the writing ends, and the reading below would wait for them for ever.
        drop(command);
        let (text, tally, status) = self.follow(child, output)?;
        Ok(Ran {
            success: status.is_some_and(|status| status.success()),
            text,
            tally,
        })
    }

    /// Takes in what a process prints until it has ended; no status if patience did.
    fn follow(
        &mut self,
        mut child: Child,
        output: impl Read + Send + 'static,
    ) -> Result<(String, Tally, Option<ExitStatus>), String> {
        let (mut text, mut tally) = (String::new(), Tally::default());
        let (started, mut ended) = (Instant::now(), false);
        let lines = lines(output);
        loop {
            if started.elapsed() > PATIENCE {
                kill_tree(child.id());
                child.wait().map_err(|error| error.to_string())?;
                self.note(&format!("stopped after {} s", PATIENCE.as_secs()))?;
                return Ok((text, tally, None));
            }
            match lines.recv_timeout(GLANCE) {
                Ok(line) => {
                    self.note(&line)?;
                    self.bar.set_message(line.trim().to_owned());
                    tally.add(&line);
                    text.push_str(&line);
                    text.push('\n');
                }
                Err(RecvTimeoutError::Disconnected) => break,
                // Quiet after its end: somebody whom it left behind holds the other end of the pipe.
                Err(RecvTimeoutError::Timeout) if ended => break,
                Err(RecvTimeoutError::Timeout) => {
                    let status = child.try_wait().map_err(|error| error.to_string())?;
                    ended = status.is_some();
                }
            }
        }
        let status = child.wait().map_err(|error| error.to_string())?;
        Ok((text, tally, Some(status)))
    }

    /// Adds a line to the log.
    pub fn note(&mut self, line: &str) -> Result<(), String> {
        writeln!(self.log, "{line}")
            .map_err(|error| format!("{}: cannot be written: {error}", self.path.display()))
    }

    /// Prints the end of what a failing command said, and tells where all of it is.
    pub fn show(&self, ran: &Ran) -> String {
        let lines: Vec<&str> = ran.text.lines().collect();
        let from = lines.len().saturating_sub(TAIL);
        self.bar.suspend(|| {
            eprintln!(
                "--- {}: the last lines of {}",
                self.what,
                self.path.display()
            );
            lines[from..].iter().for_each(|line| eprintln!("{line}"));
            eprintln!("---");
        });
        format!("see {}", self.path.display())
    }

    /// Says on the terminal what came of it.
    pub fn close(self, verdict: &Verdict) {
        self.bar.finish_and_clear();
        let seconds = self.started.elapsed().as_secs_f64();
        let (word, note) = match verdict {
            Verdict::Passed(note) => ("PASSED", note.clone()),
            Verdict::Failed(note) => ("FAILED", note.clone()),
            Verdict::Skipped(missing) => ("SKIPPED", missing.why.clone()),
        };
        eprintln!("{word:<7} {seconds:>6.1} s  {}  {note}", self.what);
    }
}

/// A file name.
fn slug(what: &str) -> String {
    let words = what.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-")
}

fn shown_program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// As one would type it, nearly.
fn shown(command: &Command) -> String {
    let quoted = |text: &std::ffi::OsStr| {
        let text = text.to_string_lossy();
        if text.contains([' ', '(', '*']) {
            format!("\"{text}\"")
        } else {
            text.into_owned()
        }
    };
    let mut words: Vec<String> = Vec::new();
    for (name, value) in command.get_envs() {
        let value = value.map(quoted).unwrap_or_default();
        words.push(format!("{}={value}", name.to_string_lossy()));
    }
    words.push(quoted(command.get_program()));
    words.extend(command.get_args().map(quoted));
    words.join(" ")
}

/// The lines as they come.
fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (give, take) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if give
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                break;
            }
        }
    });
    take
}

/// Ends a process and all that it started: cargo's tests outlive cargo.
fn kill_tree(root: u32) {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        // Stopped, it starts no more while its children are looked up.
        signal("-STOP", &[parent]);
        let path = format!("/proc/{parent}/task/{parent}/children");
        let children = std::fs::read_to_string(path).unwrap_or_default();
        found.extend(
            children
                .split_whitespace()
                .filter_map(|id| id.parse::<u32>().ok()),
        );
        at += 1;
    }
    signal("-KILL", &found);
}

fn signal(which: &str, ids: &[u32]) {
    let ids = ids.iter().map(u32::to_string);
    // Who has ended meanwhile gets none, which is as well.
    let _ = Command::new("kill").arg(which).args(ids).output();
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_log_has_a_name_without_spaces() {
        assert_eq!(slug("lint: clippy, model runs"), "lint-clippy-model-runs");
    }

    #[test]
    fn a_command_is_shown_with_its_variables() {
        let stage = Stage::program("x", "echo".as_ref(), &["a b", "c"]).env("FLAGS", "-a -b");
        assert_eq!(
            shown(&stage.into_command()),
            "FLAGS=\"-a -b\" echo \"a b\" c"
        );
    }

    #[test]
    fn a_process_and_its_children_are_ended() {
        let script = "sleep 600 & echo $!; wait";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Once it is named, it is there; and at its end the pipe has no writer left.
        let lines = lines(child.stdout.take().unwrap());
        assert!(lines.recv().unwrap().parse::<u32>().is_ok());
        kill_tree(child.id());
        assert!(!child.wait().unwrap().success());
        assert!(lines.recv().is_err());
    }

    #[test]
    fn a_command_that_leaves_somebody_behind_has_ended_all_the_same() {
        let mut runner = Runner::new(Name::Lint, "unit test, left behind").unwrap();
        let script = "echo 'test result: ok. 3 passed; 0 failed'; sleep 5 &";
        let ran = runner
            .run(Stage::program("left", "sh".as_ref(), &["-c", script]))
            .unwrap();
        assert!(ran.success && ran.tally.passed == 3, "{}", ran.text);
        assert!(runner.started.elapsed() < Duration::from_secs(4));
        let ran = runner
            .run(Stage::program("missing", "/nonexistent".as_ref(), &[]))
            .unwrap();
        assert!(!ran.success && ran.text.contains("cannot be started"));
    }
}
