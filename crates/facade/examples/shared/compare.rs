//! One program twice: over an arena, and over plain heap allocation.
//!
//! Each run is a process of its own, this program started again. Two runs in one process would
//! share the heap: what the first has freed, the second gets without a fault, and what stays
//! resident could be either's.

use std::io::Write as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use super::Failure;
use super::input::{Arguments, BadArguments, Input, SIDE};

/// A program with its two sides.
pub struct Program {
    /// Behind `usage: `.
    pub usage: &'static str,
    /// How many lines are made up if none are named: little enough for a debug build.
    pub lines: usize,
    pub sides: [Side; 2],
    /// The result that both sides must find, by the plainest means.
    pub expected: fn(&Input) -> Vec<(&'static str, u64)>,
}

/// One of them.
pub struct Side {
    pub name: &'static str,
    pub run: Run,
}

pub type Run = fn(&Input) -> Result<Outcome, Failure>;

/// The result of a side.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Must be as expected.
    pub found: Vec<(String, u64)>,
    /// To compare.
    pub times: Vec<(String, Duration)>,
    /// To read.
    pub report: Vec<String>,
    /// The CPU time of all threads; `None` where the system has no figure.
    pub cpu: Option<Duration>,
    /// Most bytes in memory, beyond the input; `None` likewise.
    pub peak: Option<u64>,
}

/// How often each side runs, in turns, as the first run meets cold caches.
const ROUNDS: usize = 3;

const METHOD: &str = "best of 3 rounds in turns, each a process of its own; cpu: all its threads \
                      (/proc/self/stat); memory: its peak of resident bytes (VmHWM), less what was \
                      resident with the input read";

/// The whole `main` of an example.
pub fn main(program: &Program) -> ExitCode {
    let done = match Arguments::parse(std::env::args_os().skip(1), program.lines) {
        Ok(arguments) if arguments.help => {
            println!("usage: {}\n\n{}", program.usage, help(program));
            Ok(())
        }
        Ok(arguments) => run(program, &arguments),
        Err(wrong) => Err(wrong.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<BadArguments>() => {
            eprintln!("error: {error}\nusage: {}", program.usage);
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn help(program: &Program) -> String {
    format!(
        "FILE     its lines are the input; it may be a pipe, such as /dev/stdin\n\
         LINES    so many made-up lines; {} if nothing is named\n\
         THREADS  so many threads write",
        program.lines
    )
}

fn run(program: &Program, arguments: &Arguments) -> Result<(), Failure> {
    let (name, text) = arguments.text()?;
    let input = Input::new(text, arguments.threads);
    if let Some(side) = arguments.side {
        let side = program.sides.get(side).ok_or("there is no such side")?;
        print!("{}", measured(side, &input)?.to_text());
        return Ok(());
    }
    let (lines, bytes) = (input.lines.len(), input.lines.bytes());
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{name}: {lines} lines, {bytes} bytes, {} threads",
        input.threads
    )?;
    let mut best: [Option<Outcome>; 2] = [None, None];
    for _ in 0..ROUNDS {
        for (number, side) in program.sides.iter().enumerate() {
            let now =
                in_process(number, &input).map_err(|error| format!("{}: {error}", side.name))?;
            best[number] = Some(match best[number].take() {
                Some(before) => now.or_better(before),
                None => now,
            });
        }
    }
    let expected = (program.expected)(&input);
    for (side, outcome) in program.sides.iter().zip(&best) {
        check(side.name, outcome.as_ref(), &expected)?;
    }
    let [Some(arena), Some(plain)] = best else {
        return Err("a side was not run".into());
    };
    for (side, outcome) in program.sides.iter().zip([&arena, &plain]) {
        for line in &outcome.report {
            writeln!(out, "  {}: {line}", side.name)?;
        }
    }
    let agreed = expected
        .iter()
        .map(|(what, count)| format!("{count} {what}"));
    let agreed = agreed.collect::<Vec<_>>().join(", ");
    let table = table(program, [&arena, &plain]);
    Ok(writeln!(out, "both found: {agreed}\n\n{table}({METHOD})")?)
}

/// Runs a side here, and measures it.
fn measured(side: &Side, input: &Input) -> Result<Outcome, Failure> {
    let (resident, cpu) = (from_status("VmRSS:"), cpu_time());
    let mut outcome = (side.run)(input)?;
    outcome.cpu = cpu_time().and_then(|now| now.checked_sub(cpu?));
    outcome.peak = from_status("VmHWM:").and_then(|peak| peak.checked_sub(resident?));
    Ok(outcome)
}

/// Runs a side in a process of its own, which gets the input's text: a pipe can be read once only.
fn in_process(number: usize, input: &Input) -> Result<Outcome, Failure> {
    let mut process = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .arg(format!("{SIDE}{number}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit()) // its errors and its progress
        .spawn()?;
    // It prints nothing before it has read all. If it ends before that, its status says more than the broken pipe.
    let text = process.stdin.take().ok_or("it has no input")?;
    let sent = { text }.write_all(input.lines.text());
    let output = process.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("it ended with {}", output.status).into());
    }
    sent?;
    Outcome::from_text(&String::from_utf8(output.stdout)?)
}

fn check(
    name: &str,
    outcome: Option<&Outcome>,
    expected: &[(&'static str, u64)],
) -> Result<(), Failure> {
    let found = outcome.map_or(&[][..], |outcome| &outcome.found);
    let same = found.iter().map(|(what, count)| (what.as_str(), *count));
    if same.eq(expected.iter().copied()) {
        Ok(())
    } else {
        Err(format!("{name} found {found:?}, which should be {expected:?}").into())
    }
}

/// A row for each side and one for their ratio; a column for each time, and the costs.
fn table(program: &Program, outcomes: [&Outcome; 2]) -> String {
    let mut rows = [const { Vec::new() }; 4];
    let mut column = |what: &str, cells: [Option<f64>; 2], show: &dyn Fn(f64) -> String| {
        let cell = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), show);
        let ratio = cells[0].zip(cells[1]).filter(|(_, plain)| *plain > 0.0);
        let ratio = ratio.map(|(arena, plain)| format!("{:.2}", arena / plain));
        let column = [
            what.to_owned(),
            cell(cells[0]),
            cell(cells[1]),
            ratio.unwrap_or_default(),
        ];
        for (row, cell) in rows.iter_mut().zip(column) {
            row.push(cell);
        }
    };
    let time = |seconds: f64| format!("{:.1?}", Duration::from_secs_f64(seconds));
    for ((what, arena), (_, plain)) in outcomes[0].times.iter().zip(&outcomes[1].times) {
        column(
            what,
            [arena, plain].map(|time| Some(time.as_secs_f64())),
            &time,
        );
    }
    column("cpu", outcomes.map(|of| Some(of.cpu?.as_secs_f64())), &time);
    let mib = |bytes: f64| format!("{:.1} MiB", bytes / f64::from(1 << 20));
    column("memory", outcomes.map(|of| Some(of.peak? as f64)), &mib);
    let mut text = String::new();
    let names = ["", program.sides[0].name, program.sides[1].name, "ratio"];
    for (name, row) in names.into_iter().zip(rows) {
        let cells: Vec<_> = row.iter().map(|cell| format!("{cell:>12}")).collect();
        text += &format!("{name:>12} {}\n", cells.join(" "));
    }
    text
}

/// A line of `/proc/self/status`, in bytes.
fn from_status(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The CPU time of this process so far, in user code and in the system.
fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name, which may have spaces in it, the 12th and 13th; in hundredths of a second.
    let mut rest = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || rest.next()?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (ticks()? + ticks()?)))
}

impl Outcome {
    pub fn found(mut self, what: &str, count: u64) -> Self {
        self.found.push((what.to_owned(), count));
        self
    }

    pub fn time(mut self, what: &str, time: Duration) -> Self {
        self.times.push((what.to_owned(), time));
        self
    }

    /// With the lines of `text`.
    pub fn report(mut self, text: impl ToString) -> Self {
        self.report
            .extend(text.to_string().lines().map(str::to_owned));
        self
    }

    /// The better of each figure. A wrong result of an earlier run stays, and fails the check.
    fn or_better(mut self, before: Self) -> Self {
        if before.found != self.found {
            self.found.extend(before.found);
        }
        for (now, before) in self.times.iter_mut().zip(before.times) {
            now.1 = now.1.min(before.1);
        }
        self.cpu = self.cpu.min(before.cpu);
        self.peak = self.peak.min(before.peak);
        self
    }

    /// As it goes from process to process: a kind, a name and a figure in each line.
    fn to_text(&self) -> String {
        let mut text = String::new();
        for (what, count) in &self.found {
            text += &format!("found\t{what}\t{count}\n");
        }
        for (what, time) in &self.times {
            text += &format!("time\t{what}\t{}\n", time.as_nanos());
        }
        for line in &self.report {
            text += &format!("report\t{line}\t\n");
        }
        if let Some(cpu) = self.cpu {
            text += &format!("cpu\t\t{}\n", cpu.as_nanos());
        }
        if let Some(peak) = self.peak {
            text += &format!("peak\t\t{peak}\n");
        }
        text
    }

    fn from_text(text: &str) -> Result<Self, Failure> {
        let mut this = Self::default();
        for line in text.lines() {
            let mut parts = line.split('\t');
            let (Some(kind), Some(name), Some(figure)) = (parts.next(), parts.next(), parts.next())
            else {
                return Err(format!("it printed {line:?}").into());
            };
            this = match kind {
                "found" => this.found(name, figure.parse()?),
                "time" => this.time(name, Duration::from_nanos(figure.parse()?)),
                "report" => this.report(name),
                "cpu" => Self {
                    cpu: Some(Duration::from_nanos(figure.parse()?)),
                    ..this
                },
                "peak" => Self {
                    peak: Some(figure.parse()?),
                    ..this
                },
                _ => return Err(format!("it printed {line:?}").into()),
            };
        }
        Ok(this)
    }
}

/// Runs both sides in this process, and checks their results.
#[cfg(test)]
pub fn assert_both_sides_are_right(program: &Program, input: &Input) {
    for side in &program.sides {
        let outcome = (side.run)(input).unwrap();
        check(side.name, Some(&outcome), &(program.expected)(input)).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_survives_the_way_between_processes() {
        let mut outcome = Outcome::default()
            .found("lines", 7)
            .time("write", Duration::from_nanos(1_234_567))
            .report("first\nsecond");
        outcome.cpu = Some(Duration::from_millis(10));
        outcome.peak = Some(4096);
        assert_eq!(Outcome::from_text(&outcome.to_text()).unwrap(), outcome);
        assert!(Outcome::from_text("nonsense").is_err());
    }

    #[test]
    fn a_wrong_figure_of_any_round_is_seen() {
        let outcome = |lines| Outcome::default().found("lines", lines);
        let expected = [("lines", 7)];
        assert!(check("x", Some(&outcome(7).or_better(outcome(7))), &expected).is_ok());
        assert!(check("x", Some(&outcome(7).or_better(outcome(6))), &expected).is_err());
        assert!(check("x", Some(&outcome(6)), &expected).is_err());
        assert!(check("x", None, &expected).is_err());
    }
}
