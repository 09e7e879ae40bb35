//! Runs the steps one after the other; nothing else runs meanwhile, as far as it is up to us.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use epoch_arena_bench_wire::{Job, Line, Record, Role, Sample, contestant, summarise};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::build::Built;
use super::plan::Step;

/// No honest process takes this long; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a run found out.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Measured and skipped rows.
    pub records: Vec<Record>,
    /// What of our own failed.
    pub failures: Vec<String>,
}

/// Runs every step.
pub fn run(steps: Vec<Step>, built: &Built) -> Outcome {
    let mut outcome = Outcome::default();
    let progress = Progress::new(steps.iter().map(|step| u64::from(step.starts)).sum());
    // A whole run's samples are summarised per group of steps with the same bench, keys and threads.
    let mut samples = Vec::new();
    for step in &steps {
        progress.announce(&step.job);
        let mut gone = BTreeSet::new();
        match executable(step, built) {
            Err(reason) => leave_out(&step.job, &step.job.contestants, &reason, &mut outcome),
            Ok((path, job)) => {
                for id in step
                    .job
                    .contestants
                    .iter()
                    .filter(|id| !job.contestants.contains(id))
                {
                    let reason = contestant(id)
                        .and_then(|one| built.missing(one.feature))
                        .unwrap_or("not built");
                    leave_out(&step.job, std::slice::from_ref(id), reason, &mut outcome);
                }
                for _ in 0..step.starts {
                    start(path, &job, &mut samples, &mut gone, &mut outcome);
                    progress.advance();
                }
            }
        }
    }
    progress.finish();
    outcome.records.splice(0..0, summarise(&samples));
    outcome
}

/// The executable of a step, and its job without the contestants that were not built.
fn executable<'b>(step: &Step, built: &'b Built) -> Result<(&'b Path, Job), String> {
    let missing = |id: &String| contestant(id).and_then(|one| built.missing(one.feature));
    let mut job = step.job.clone();
    job.contestants.retain(|id| missing(id).is_none());
    if job.contestants.is_empty() {
        return Err(step
            .job
            .contestants
            .first()
            .and_then(missing)
            .unwrap_or("not built")
            .to_owned());
    }
    match built.executable(step.binary) {
        Some(path) => Ok((path, job)),
        None => Err(format!("{} was not built", step.binary.name())),
    }
}

/// Starts one process and takes in its lines.
fn start(
    path: &Path,
    job: &Job,
    samples: &mut Vec<Sample>,
    gone: &mut BTreeSet<String>,
    outcome: &mut Outcome,
) {
    let (lines, complaint) = match converse(path, job) {
        Ok((output, status, errors)) => (
            output,
            (!status.success()).then(|| verdict(status, &errors)),
        ),
        Err(reason) => (String::new(), Some(reason)),
    };
    let mut heard = BTreeSet::new();
    for line in lines.lines() {
        match serde_json::from_str(line) {
            Ok(Line::Sample(sample)) => {
                heard.insert(sample.contestant.clone());
                samples.push(sample);
            }
            Ok(Line::Skip { contestant, reason }) => {
                heard.insert(contestant.clone());
                lose(job, &contestant, &reason, gone, outcome);
            }
            Err(error) => outcome.failures.push(format!(
                "{}: a line that is none: {error}: {line}",
                job.name()
            )),
        }
    }
    let reason = complaint.unwrap_or_else(|| "the process gave no figure for it".into());
    for id in job.contestants.iter().filter(|id| !heard.contains(*id)) {
        lose(job, id, &reason, gone, outcome);
    }
}

/// Notes a contestant's failure, once per step.
fn lose(job: &Job, id: &str, reason: &str, gone: &mut BTreeSet<String>, outcome: &mut Outcome) {
    if gone.insert(id.to_owned()) {
        skip(job, &[id.to_owned()], reason, outcome);
    }
}

/// Rows of what was not built: it needs a peer that cannot be had here, were it only its allocator or its map.
fn leave_out(job: &Job, ids: &[String], reason: &str, outcome: &mut Outcome) {
    let (bench, keys) = (job.name(), job.keys.name());
    outcome.records.extend(
        ids.iter()
            .map(|id| Record::skipped(&bench, id, &keys, job.threads, reason)),
    );
}

/// Rows of what was built and failed.
fn skip(job: &Job, ids: &[String], reason: &str, outcome: &mut Outcome) {
    leave_out(job, ids, reason, outcome);
    let (bench, keys) = (job.name(), job.keys.name());
    for id in ids {
        // A peer may fail; what is ours, the floor included, may not.
        if contestant(id).is_none_or(|one| one.role != Role::Peer) {
            outcome
                .failures
                .push(format!("{bench} {id} on {keys}: {reason}"));
        }
    }
}

/// Runs the process to its end: its output, status and complaints.
fn converse(path: &Path, job: &Job) -> Result<(String, ExitStatus, String), String> {
    let argument = serde_json::to_string(job)
        .map_err(|error| format!("the job cannot be written down: {error}"))?;
    let mut child = Command::new(path)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: cannot be started: {error}", path.display()))?;
    let (output, errors) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let status = wait(&mut child)?;
    Ok((
        output.join().unwrap_or_default(),
        status,
        errors.join().unwrap_or_default(),
    ))
}

fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is still worth having.
        let _ = stream.map(|mut stream| stream.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child) -> Result<ExitStatus, String> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if start.elapsed() > PATIENCE => {
                // Both may fail only if it ended just now.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!(
                    "took more than {} seconds and was stopped",
                    PATIENCE.as_secs()
                ));
            }
            Ok(None) => thread::sleep(Duration::from_millis(2)),
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
    }
}

fn verdict(status: ExitStatus, errors: &str) -> String {
    let last = errors
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && !line.starts_with("note:"));
    last.map_or_else(|| status.to_string(), |line| format!("{status}: {line}"))
}

/// A bar on a terminal; elsewhere a line whenever something new begins.
struct Progress {
    bar: ProgressBar,
    last: std::cell::RefCell<String>,
}

impl Progress {
    fn new(length: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(
            "{elapsed_precise} [{bar:40}] {percent:>3}%, {eta} left, {msg}",
        ) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            last: std::cell::RefCell::default(),
        }
    }

    fn announce(&self, job: &Job) {
        let what = format!(
            "{} on {}, {} thread(s)",
            job.name(),
            job.keys.name(),
            job.threads
        );
        if self.last.replace(what.clone()) == what {
            return;
        }
        if self.bar.is_hidden() {
            eprintln!("{what}");
        }
        self.bar.set_message(what);
    }

    fn advance(&self) {
        self.bar.inc(1);
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use epoch_arena_bench_wire::{Bench, KeySource};

    fn job(contestants: &[&str]) -> Job {
        let contestants = contestants.iter().map(|id| (*id).to_owned()).collect();
        Job {
            bench: Bench::PutWarm,
            contestants,
            keys: KeySource::User,
            threads: 1,
            rounds: 1,
            count: 1,
            at: None,
        }
    }

    fn run_as(program: &str, who: &[&str]) -> Outcome {
        let (mut samples, mut gone, mut outcome) =
            (Vec::new(), BTreeSet::new(), Outcome::default());
        start(
            Path::new(program),
            &job(who),
            &mut samples,
            &mut gone,
            &mut outcome,
        );
        assert!(samples.is_empty());
        outcome
    }

    #[test]
    fn a_peer_that_fails_is_a_row_with_the_reason() {
        let outcome = run_as("/bin/false", &["bumpalo"]);
        assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
        assert!(
            outcome.records[0]
                .skipped
                .as_ref()
                .unwrap()
                .contains("exit status: 1")
        );
    }

    #[test]
    fn our_own_failure_fails_the_run() {
        let outcome = run_as("/nonexistent/bench", &["ours", "bumpalo"]);
        assert_eq!((outcome.records.len(), outcome.failures.len()), (2, 1));
        assert!(
            outcome.failures[0].contains("put/warm ours on user"),
            "{:?}",
            outcome.failures
        );
    }

    #[test]
    fn a_process_that_says_nothing_is_not_taken_for_success() {
        assert_eq!(run_as("/bin/true", &["ours"]).failures.len(), 1);
    }
}
