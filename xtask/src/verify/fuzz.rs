//! Stage fuzz: libFuzzer by plain cargo, so that no nightly and no cargo-fuzz is needed.

use std::path::Path;

use super::{Command, Name, Need, SEEDED, Step, sanitizers};
use crate::step::{Runner, Verdict};

/// The package of the targets, from the workspace's root.
const PACKAGE: &str = "checks/fuzz";
/// The coverage that guides libFuzzer, and `AddressSanitizer` to see more than panics.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Zsanitizer=address \
    --cfg fuzzing --cfg epoch_arena_asan";
/// Seconds within which the seeded crash must be found.
const HUNT: u32 = 60;

/// The step.
pub fn steps(quick: bool) -> Vec<Step> {
    let seconds = if quick { 10 } else { 45 };
    vec![
        Step::work(Name::Fuzz, "targets", move |runner| targets(runner, seconds))
            .needs(&[Need::Linux])
            .hunts("a crash", crash),
    ]
}

/// Builds and runs each target; new programs beyond the stored corpus stay below `target`.
fn targets(runner: &mut Runner, seconds: u32) -> Result<Verdict, String> {
    let names = names(&crate::workspace().join(PACKAGE).join("fuzz_targets"));
    if names.is_empty() {
        return Err(format!("no targets in {PACKAGE}/fuzz_targets"));
    }
    runner.must(&build(&format!("--manifest-path {PACKAGE}/Cargo.toml --bins"), "target/fuzz"))?;
    let mut runs = 0;
    for name in &names {
        let stored = crate::workspace().join(PACKAGE).join("corpus").join(name);
        let ran = runner.must(&fuzz("target/fuzz", name, seconds, &stored)?)?;
        match executed(&ran.text) {
            Some(count) if count > 0 => runs += count,
            _ => return Err(format!("{name}: nothing was run")),
        }
    }
    Ok(Verdict::Passed(format!("{} targets, {runs} inputs", names.len())))
}

/// The seeded crash, built and run as the targets are.
fn crash(runner: &mut Runner) -> Result<Verdict, String> {
    runner.must(&build(&format!("{SEEDED} --features fuzz --bin crash"), "target/fuzz-seeded"))?;
    // The findings of an earlier hunt would make this one easy.
    let found = crate::workspace().join("target/fuzz-seeded/found");
    if found.exists() {
        std::fs::remove_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    }
    runner.catch(&fuzz("target/fuzz-seeded", "crash", HUNT, Path::new("/nonexistent"))?, "the seeded crash")
}

fn build(which: &str, folder: &str) -> Command {
    Command::cargo(&format!("build --release --target {} {which}", sanitizers::target()))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", FLAGS)
        // The linker loses counters that a link-time optimisation splits off.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .target(folder)
}

fn fuzz(folder: &str, name: &str, seconds: u32, stored: &Path) -> Result<Command, String> {
    let root = crate::workspace();
    let [found, crashes] = ["found", "crashes"].map(|kind| root.join(folder).join(kind).join(name));
    for folder in [&found, &crashes] {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let program = root.join(folder).join(sanitizers::target()).join("release").join(name);
    let command = Command::program("")
        .arg(program)
        .env("ASAN_OPTIONS", "allocator_may_return_null=1")
        .arg(format!("-max_total_time={seconds}"))
        .arg("-print_final_stats=1")
        .arg(format!("-artifact_prefix={}/", crashes.display()))
        // New programs go to the first folder.
        .arg(found);
    Ok(if stored.is_dir() { command.arg(stored) } else { command })
}

/// The targets, by their files.
fn names(folder: &Path) -> Vec<String> {
    let stem = |path: std::path::PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<String> = crate::tidy::files(folder, "rs", 1).filter_map(stem).collect();
    names.sort();
    names
}

/// libFuzzer's own count: `stat::number_of_executed_units: 4096`.
fn executed(text: &str) -> Option<u64> {
    let figure = text.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    figure.trim().parse().ok()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn targets_are_the_rust_files() {
        assert!(names(&crate::workspace().join(PACKAGE).join("fuzz_targets")).contains(&"ops".into()));
        assert!(names(Path::new("/nonexistent")).is_empty());
    }

    #[test]
    fn libfuzzers_count_is_found() {
        let text = "Done 7 runs in 1 second(s)\nstat::number_of_executed_units: 4096\n";
        assert_eq!(executed(text), Some(4_096));
        assert_eq!(executed("INFO: Seed: 1"), None);
    }
}
