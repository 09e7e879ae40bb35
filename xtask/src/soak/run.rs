//! Runs the soak, shows its progress, and reads its output.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::{Args, MIB};
use crate::step::Command;

/// A line of names and values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line(Vec<(String, f64)>);

/// The output of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Every quarter of a second.
    pub samples: Vec<Line>,
    /// When all threads rested.
    pub calms: Vec<Line>,
    /// The failures.
    pub failures: Vec<String>,
}

/// The fields of a sample that are no counts.
const FIGURES: [&str; 6] = ["seconds", "resident", "reserved", "in_use", "budget", "lent"];

impl Line {
    fn parse(words: &str) -> Self {
        let words: Vec<_> = words.split(' ').collect();
        let pairs = words.chunks_exact(2);
        Self(pairs.filter_map(|pair| Some((pair[0].to_owned(), pair[1].parse().ok()?))).collect())
    }

    /// A value by its name; zero if there is none.
    pub fn get(&self, name: &str) -> f64 {
        self.0.iter().find(|(known, _)| known == name).map_or(0.0, |(_, value)| *value)
    }

    /// The counts.
    pub fn counts(&self) -> impl Iterator<Item = (&str, HumanCount)> {
        let counts = self.0.iter().map(|(name, value)| (name.as_str(), HumanCount(*value as u64)));
        counts.filter(|(name, _)| !FIGURES.contains(name))
    }

    fn shown(&self) -> String {
        let counts: Vec<String> = self.counts().map(|(name, count)| format!("{count} {name}")).collect();
        let [reserved, budget, resident] = ["reserved", "budget", "resident"].map(|name| self.get(name) / MIB);
        format!(
            "reserved {reserved:.0} of {budget:.0} MiB, resident {resident:.0} | {} leases lie about, {}",
            self.get("lent"),
            counts.join(", ")
        )
    }
}

impl Outcome {
    /// The most of a figure.
    pub fn most(&self, name: &str) -> f64 {
        self.samples.iter().map(|sample| sample.get(name)).fold(0.0, f64::max)
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
    /// Samples between two lines where there is no terminal: a quarter of a minute.
    const RARELY: usize = 60;
    let assertions = if args.debug_assertions { "--config profile.release.debug-assertions=true" } else { "" };
    let threads = args.threads.map_or_else(String::new, |threads| format!("--threads {threads}"));
    let seconds = time.as_secs();
    let command = Command::cargo(&format!(
        "run --release --package epoch-arena-soak {assertions} -- --seconds {seconds} --seed {seed} {threads}"
    ));
    let cannot = |error: std::io::Error| format!("the soak cannot be run: {error}");
    let process = command.expression().unchecked().reader().map_err(cannot)?;
    let bar = ProgressBar::new(seconds);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} s\n{wide_msg}").map_err(|it| it.to_string())?);
    let mut outcome = Outcome::default();
    for line in BufReader::new(&process).lines() {
        outcome.take(&line.map_err(cannot)?);
        let Some(last) = outcome.samples.last() else { continue };
        bar.set_position(last.get("seconds") as u64);
        bar.set_message(last.shown());
        if bar.is_hidden() && outcome.samples.len() % RARELY == 1 {
            eprintln!("{:>5.0} s: {}", last.get("seconds"), last.shown());
        }
    }
    bar.finish_and_clear();
    let status = process.try_wait().map_err(cannot)?.map(|output| output.status);
    if !status.is_some_and(|status| status.success()) && outcome.failures.is_empty() {
        outcome.failures.push(format!("it ended without a word ({status:?})"));
    }
    if outcome.samples.is_empty() { Err(format!("the soak did not begin ({status:?})")) } else { Ok(outcome) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_in_and_others_are_not() {
        let mut outcome = Outcome::default();
        let said =
            "start seed 7\nsample seconds 0.25 resident 1000 puts 1200\ncalm seconds 1 resident 500\nfailure a byte\n";
        said.lines().for_each(|line| outcome.take(line));
        assert_eq!(outcome.failures, ["a byte"]);
        assert_eq!((outcome.most("resident"), outcome.calms[0].get("resident")), (1000.0, 500.0));
        let counts: Vec<_> = outcome.samples[0].counts().map(|(name, count)| format!("{name} {count}")).collect();
        assert_eq!(counts, ["puts 1,200"]);
    }
}
