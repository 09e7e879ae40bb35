//! Runs the soak, shows how it goes, and takes in what it says.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, IsTerminal};
use std::process::{Command, Stdio};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Args, MIB, digits};

/// A line of names and values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line(Vec<(String, f64)>);

/// What a run said.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Every quarter of a second.
    pub samples: Vec<Line>,
    /// When nobody worked.
    pub calms: Vec<Line>,
    /// What was wrong.
    pub failures: Vec<String>,
}

/// What is not a count, in a sample.
const FIGURES: [&str; 6] = [
    "seconds", "resident", "reserved", "in_use", "budget", "lent",
];

impl Line {
    fn parse(words: &str) -> Self {
        let words: Vec<_> = words.split(' ').collect();
        let pairs = words.chunks_exact(2);
        Self(
            pairs
                .filter_map(|pair| Some((pair[0].to_owned(), pair[1].parse().ok()?)))
                .collect(),
        )
    }

    /// A value by its name; zero if there is none.
    pub fn get(&self, name: &str) -> f64 {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or(0.0, |(_, value)| *value)
    }

    /// The counts.
    pub fn counts(&self) -> impl Iterator<Item = (&str, f64)> {
        let counts = self.0.iter().map(|(name, value)| (name.as_str(), *value));
        counts.filter(|(name, _)| !FIGURES.contains(name))
    }

    fn shown(&self) -> String {
        let count = |name| digits(self.get(name));
        format!(
            "{} puts, {} reads, {} epochs, {} pools, {} threads, {} killed | reserved {:.0} of \
             {:.0} MiB, resident {:.0} | {} leases lie about, {} refused, {} faults",
            count("puts"),
            count("reads"),
            count("epochs"),
            count("pools"),
            count("threads"),
            count("killed"),
            self.get("reserved") / MIB,
            self.get("budget") / MIB,
            self.get("resident") / MIB,
            count("lent"),
            count("refused"),
            count("faults"),
        )
    }
}

impl Outcome {
    /// The most of a figure.
    pub fn most(&self, name: &str) -> f64 {
        let values = self.samples.iter().map(|sample| sample.get(name));
        values.fold(0.0, f64::max)
    }

    fn take(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("sample", words)) => self.samples.push(Line::parse(words)),
            Some(("calm", words)) => self.calms.push(Line::parse(words)),
            Some(("failure", text)) => self.failures.push(text.to_owned()),
            _ => {}
        }
    }
}

/// Builds it and runs it to its end.
pub fn run(args: &Args, seed: u64, time: Duration) -> Result<Outcome, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(crate::workspace()).args([
        "run",
        "--release",
        "--package",
        "epoch-arena-soak",
    ]);
    if args.debug_assertions {
        command.args(["--config", "profile.release.debug-assertions=true"]);
    }
    command
        .args(["--", "--seconds", &time.as_secs().to_string()])
        .args(["--seed", &seed.to_string()]);
    if let Some(threads) = args.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    let cannot = |error: std::io::Error| format!("the soak cannot be run: {error}");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(cannot)?;
    let progress = Progress::new(time);
    let mut outcome = Outcome::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            outcome.take(&line.map_err(cannot)?);
            progress.show(&outcome);
        }
    }
    progress.bar.finish_and_clear();
    let status = child.wait().map_err(cannot)?;
    if !status.success() && outcome.failures.is_empty() {
        outcome
            .failures
            .push(format!("it ended without a word ({status})"));
    }
    if outcome.samples.is_empty() {
        return Err(format!("the soak did not begin ({status})"));
    }
    Ok(outcome)
}

/// A bar on a terminal; elsewhere, a line now and then.
struct Progress {
    bar: ProgressBar,
    plain: bool,
}

impl Progress {
    fn new(time: Duration) -> Self {
        let bar = ProgressBar::new(time.as_secs());
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} s\n{wide_msg}") {
            bar.set_style(style);
        }
        Self {
            bar,
            plain: !std::io::stderr().is_terminal(),
        }
    }

    fn show(&self, outcome: &Outcome) {
        /// Samples between two plain lines: a quarter of a minute.
        const RARELY: usize = 60;
        let Some(last) = outcome.samples.last() else {
            return;
        };
        self.bar.set_position(last.get("seconds") as u64);
        self.bar.set_message(last.shown());
        if self.plain && outcome.samples.len() % RARELY == 1 {
            eprintln!("{:>5.0} s: {}", last.get("seconds"), last.shown());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_in_and_others_are_not() {
        let mut outcome = Outcome::default();
        for line in [
            "start seed 7",
            "sample seconds 0.25 resident 1000 puts 12",
            "calm seconds 1 resident 500",
            "failure a wrong byte",
            "",
        ] {
            outcome.take(line);
        }
        assert_eq!(outcome.failures, ["a wrong byte"]);
        assert_eq!(outcome.most("resident"), 1000.0);
        assert_eq!(outcome.calms[0].get("resident"), 500.0);
        let counts: Vec<_> = outcome.samples[0].counts().collect();
        assert_eq!(counts, [("puts", 12.0)]);
    }
}
