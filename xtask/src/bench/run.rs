//! Runs the steps one after the other; xtask runs nothing else meanwhile.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use epoch_arena_bench_wire::{Job, Line, Record, Role, Sample, contestant, summarise};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::build::Built;
use super::groups::info;
use super::plan::Step;

/// No honest process takes this long; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// A run under way.
pub struct Run<'b> {
    built: &'b Built,
    interrupted: Arc<AtomicBool>,
    bar: ProgressBar,
    failures: Vec<String>,
}

/// The answers of the processes of one group.
#[derive(Debug, Default)]
struct Heard {
    samples: Vec<Sample>,
    records: Vec<Record>,
    failures: Vec<String>,
}

impl<'b> Run<'b> {
    /// Before the first step. From here on Ctrl-C ends the run and not the program; a second one ends that.
    pub fn new(steps: &[Step], built: &'b Built) -> Result<Self, String> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = interrupted.clone();
        // Relaxed: the flag publishes nothing else.
        let handler = move || {
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        };
        ctrlc::set_handler(handler).map_err(|error| format!("Ctrl-C cannot be handled: {error}"))?;
        let bar = ProgressBar::with_draw_target(Some(steps.iter().map(work).sum()), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {percent:>3}%, {eta} left, {wide_msg}");
        bar.set_style(style.map_err(|error| error.to_string())?.progress_chars("=> "));
        Ok(Self { built, interrupted, bar, failures: Vec::new() })
    }

    /// Whether Ctrl-C was pressed.
    pub fn is_interrupted(&self) -> bool {
        // Relaxed: as where it is set.
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Runs the steps of a group.
    pub fn group(&mut self, steps: &[Step]) -> Vec<Record> {
        let mut heard = Heard::default();
        for step in steps {
            if self.is_interrupted() {
                break;
            }
            self.announce(&step.job);
            self.step(step, &mut heard);
        }
        self.failures.append(&mut heard.failures);
        let mut records = summarise(&heard.samples);
        let reference = steps.first().and_then(|step| info(step.job.bench.group()).reference.as_ref());
        reference.into_iter().for_each(|who| relate(&mut records, who));
        records.append(&mut heard.records);
        records
    }

    fn step(&self, step: &Step, heard: &mut Heard) {
        let missing = |id: &String| contestant(id).and_then(|one| self.built.missing(one.feature));
        let mut job = step.job.clone();
        for id in &step.job.contestants {
            if let Some(reason) = missing(id) {
                // It needs a peer that cannot be had here, were it only its allocator or its map.
                heard.leave_out(&step.job, id, reason);
                job.contestants.retain(|one| one != id);
            }
        }
        let each = work(step) / u64::from(step.starts).max(1);
        let mut gone = BTreeSet::new();
        for nth in 0..step.starts {
            job.seed = u64::from(nth);
            if !job.contestants.is_empty() && !self.is_interrupted() {
                match self.built.executable(step.binary) {
                    Some(path) => self.start(path, &job, &mut gone, heard),
                    None => job.contestants.iter().for_each(|id| heard.lose(&job, id, "it was not built", &mut gone)),
                }
            }
            self.bar.inc(each);
        }
    }

    /// Starts one process and takes in its lines.
    fn start(&self, path: &Path, job: &Job, gone: &mut BTreeSet<String>, heard: &mut Heard) {
        let (lines, complaint) = self.converse(path, job);
        let mut named = BTreeSet::new();
        for line in lines.lines() {
            match serde_json::from_str(line) {
                Ok(Line::Sample(sample)) => {
                    named.insert(sample.contestant.clone());
                    heard.samples.push(sample);
                }
                Ok(Line::Skip { contestant, reason }) => {
                    named.insert(contestant.clone());
                    heard.lose(job, &contestant, &reason, gone);
                }
                // A process that was ended in the middle of a line.
                Err(_) if self.is_interrupted() => {}
                Err(error) => heard.failures.push(format!("{}: a line that is none: {error}: {line}", job.name())),
            }
        }
        if self.is_interrupted() {
            return;
        }
        let reason = complaint.unwrap_or_else(|| "the process gave no figure for it".into());
        for id in job.contestants.iter().filter(|id| !named.contains(*id)) {
            heard.lose(job, id, &reason, gone);
        }
    }

    /// Runs the process to its end; its output and its fault.
    fn converse(&self, path: &Path, job: &Job) -> (String, Option<String>) {
        let argument = serde_json::to_string(job).unwrap_or_default();
        let process = duct::cmd!(path, argument).stdin_null().stdout_capture().stderr_capture().unchecked();
        let handle = match process.start() {
            Ok(handle) => handle,
            Err(error) => {
                return (String::new(), Some(format!("{}: cannot be started: {error}", path.display())));
            }
        };
        // Ctrl-C reaches the process as well, and ends it.
        match handle.wait_timeout(PATIENCE) {
            Ok(Some(output)) => {
                let errors = String::from_utf8_lossy(&output.stderr);
                let complaint = (!output.status.success()).then(|| verdict(&output.status.to_string(), &errors));
                (String::from_utf8_lossy(&output.stdout).into_owned(), complaint)
            }
            Ok(None) => {
                // It fails only if the process ended just now.
                let _ = handle.kill();
                (String::new(), Some(format!("took more than {} seconds and was stopped", PATIENCE.as_secs())))
            }
            Err(error) => (String::new(), Some(format!("cannot be waited for: {error}"))),
        }
    }

    /// On a terminal beside the bar; elsewhere a line for each.
    fn announce(&self, job: &Job) {
        let who = job.contestants.join(" ");
        let what = format!("{} on {}, threads: {}, {who}", job.name(), job.keys.name(), job.threads);
        if self.bar.is_hidden() {
            eprintln!("{what}");
        }
        self.bar.set_message(what);
    }

    /// Prints without the bar in between.
    pub fn quietly(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// After the last step: the failures of this library and the floor.
    pub fn finish(self) -> Vec<String> {
        self.bar.finish_and_clear();
        self.failures
    }
}

/// Gives each record the ratio to the reference's: of medians, as no two of them are of one process.
fn relate(records: &mut [Record], reference: &str) {
    let theirs: Vec<Record> = records.iter().filter(|record| record.contestant == reference).cloned().collect();
    for record in records {
        let same = |other: &&Record| {
            (&other.bench, &other.keys, other.threads) == (&record.bench, &record.keys, record.threads)
        };
        let floor = theirs.iter().find(same).and_then(|other| other.value).filter(|floor| *floor > 0.0);
        let Some(floor) = floor else { continue };
        record.ratio_to_floor = record.value.map(|value| value / floor);
        record.quartiles = record.quartiles.map(|quartiles| quartiles.map(|value| value / floor));
    }
}

/// How long a step may take, beside others: roughly its operations, and what a process costs.
fn work(step: &Step) -> u64 {
    const PROCESS: u64 = 4_000_000;
    let keys = (step.job.count.max(step.job.at.unwrap_or(0)) * step.job.threads) as u64;
    let passes = u64::from(step.job.rounds) * step.job.contestants.len() as u64;
    (PROCESS + (2 * keys * passes).max(if step.job.count == 0 { 40 * PROCESS } else { 0 })) * u64::from(step.starts)
}

impl Heard {
    /// A row with the reason.
    fn leave_out(&mut self, job: &Job, id: &str, reason: &str) {
        self.records.push(Record::skipped(&job.name(), id, &job.keys.name(), job.threads, reason));
    }

    /// Notes a contestant's failure, once per step. A peer may fail; this library and the floor may not.
    fn lose(&mut self, job: &Job, id: &str, reason: &str, gone: &mut BTreeSet<String>) {
        if !gone.insert(id.to_owned()) {
            return;
        }
        self.leave_out(job, id, reason);
        if contestant(id).is_none_or(|one| one.role != Role::Peer) {
            self.failures.push(format!("{} {id} on {}: {reason}", job.name(), job.keys.name()));
        }
    }
}

fn verdict(status: &str, errors: &str) -> String {
    let mut lines = errors.lines().map(str::trim);
    let last = lines.rfind(|line| !line.is_empty() && !line.starts_with("note:"));
    last.map_or_else(|| status.to_owned(), |line| format!("{status}: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use epoch_arena_bench_wire::{Bench, KeySource};

    fn run_as(program: &str, who: &[&str], interrupted: bool) -> Heard {
        let job = Job {
            bench: Bench::PutWarm,
            contestants: who.iter().map(|id| (*id).to_owned()).collect(),
            keys: KeySource::User,
            threads: 1,
            rounds: 1,
            seed: 0,
            count: 1,
            at: None,
        };
        let built = Built::default();
        let run = Run {
            built: &built,
            interrupted: Arc::new(AtomicBool::new(interrupted)),
            bar: ProgressBar::hidden(),
            failures: Vec::new(),
        };
        let mut heard = Heard::default();
        run.start(Path::new(program), &job, &mut BTreeSet::new(), &mut heard);
        assert!(heard.samples.is_empty());
        heard
    }

    #[test]
    fn a_peer_that_fails_is_a_row_with_the_reason() {
        let heard = run_as("/bin/false", &["bumpalo"], false);
        assert!(heard.failures.is_empty(), "{:?}", heard.failures);
        assert!(heard.records[0].skipped.as_ref().unwrap().contains('1'));
    }

    #[test]
    fn a_ratio_is_to_the_reference_on_the_same_keys() {
        let of = |who, keys, value| super::super::view::tests::record("map/get", who, keys, value, "ns/op");
        let mut records = [of("skipmap", "user24", 200.0), of("arena-map", "user24", 50.0), of("blart", "paths", 50.0)];
        relate(&mut records, "skipmap");
        assert_eq!(records.map(|record| record.ratio_to_floor), [Some(1.0), Some(0.25), Some(1.5)]);
    }

    #[test]
    fn our_own_failure_fails_the_run() {
        let heard = run_as("/nonexistent/bench", &["ours", "bumpalo"], false);
        assert_eq!((heard.records.len(), heard.failures.len()), (2, 1));
        assert!(heard.failures[0].contains("put/warm ours on user"), "{:?}", heard.failures);
    }

    #[test]
    fn a_process_that_says_nothing_is_not_taken_for_success_unless_it_was_stopped() {
        assert_eq!(run_as("/bin/true", &["ours"], false).failures.len(), 1);
        assert_eq!(run_as("/bin/true", &["ours"], true).failures.len(), 0);
    }
}
