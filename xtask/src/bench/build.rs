//! Builds the benchmark processes; a peer that cannot be built is left out and says why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use epoch_arena_bench_wire::{Binary, ROSTER};
use serde_json::Value;

/// What was built, and what could not be.
#[derive(Debug, Default)]
pub struct Built {
    executables: BTreeMap<String, PathBuf>,
    /// Feature and reason.
    missing: BTreeMap<&'static str, String>,
}

impl Built {
    /// The executable, if it was built.
    pub fn executable(&self, binary: Binary) -> Option<&PathBuf> {
        self.executables.get(binary.name())
    }

    /// Why the feature is missing, if it is.
    pub fn missing(&self, feature: Option<&str>) -> Option<&str> {
        feature.and_then(|feature| self.missing.get(feature)).map(String::as_str)
    }
}

/// Builds the processes; the one that counts shared writes where it is needed.
pub fn build(is_counted: bool) -> Result<Built, String> {
    let mut built = with_peers()?;
    if is_counted {
        built.executables.extend(counted()?);
    }
    Ok(built)
}

/// What makes the library count its shared writes; see `crates/block/src/count.rs`.
pub const COUNT: &str = "--cfg epoch_arena_count";

/// The executable that counts. No peers: what they share is not counted.
fn counted() -> Result<Option<(String, PathBuf)>, String> {
    eprintln!("building the benchmark that counts shared writes");
    let mut command = cargo_build(&BTreeSet::new());
    // Flags of its own would rebuild everything in the shared directory, twice.
    command.args(["--target-dir", "target/count"]).env("RUSTFLAGS", COUNT);
    let mut built =
        run(command, Noise::Loud).map_err(|reason| format!("the benchmark that counts cannot be built: {reason}"))?;
    let executable = built.remove(Binary::System.name());
    Ok(executable.map(|path| (Binary::Counted.name().to_owned(), path)))
}

/// Builds with every peer; if that fails, with every peer that can be built by itself.
fn with_peers() -> Result<Built, String> {
    let mut features: BTreeSet<&'static str> = ROSTER.iter().filter_map(|entry| entry.feature).collect();
    eprintln!("building the benchmark and its peers (release)");
    if let Ok(executables) = cargo(&features, Noise::Loud) {
        return Ok(Built { executables, missing: BTreeMap::new() });
    }
    eprintln!("that failed; building without peers, then each peer by itself, to find out which one it is");
    cargo(&BTreeSet::new(), Noise::Loud).map_err(|reason| format!("the benchmark cannot be built: {reason}"))?;
    let mut missing = BTreeMap::new();
    for feature in features.clone() {
        if let Err(reason) = cargo(&BTreeSet::from([feature]), Noise::Quiet) {
            eprintln!("{feature} cannot be built: {reason}");
            features.remove(feature);
            missing.insert(feature, format!("cannot be built: {reason}"));
        }
    }
    let executables = cargo(&features, Noise::Loud)?;
    Ok(Built { executables, missing })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Noise {
    /// What cargo says goes to the terminal.
    Loud,
    /// It is kept, and the first error becomes the reason.
    Quiet,
}

/// Builds the executables of these features; their paths by name, or the reason why not.
fn cargo(features: &BTreeSet<&str>, noise: Noise) -> Result<BTreeMap<String, PathBuf>, String> {
    run(cargo_build(features), noise)
}

fn cargo_build(features: &BTreeSet<&str>) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let list = features.iter().copied().collect::<Vec<_>>().join(",");
    let mut command = Command::new(&cargo);
    command
        .current_dir(crate::workspace())
        .args(["build", "--release", "--package", "epoch-arena-bench", "--bins", "--features", &list])
        // The paths of the executables come as JSON on stdout, whatever the target directory.
        .arg("--message-format=json-render-diagnostics");
    command
}

/// Runs a build; the executables it made by name, or the reason why not.
fn run(mut command: Command, noise: Noise) -> Result<BTreeMap<String, PathBuf>, String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(if noise == Noise::Loud { Stdio::inherit() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(first_error(&String::from_utf8_lossy(&output.stderr)));
    }
    Ok(executables(&String::from_utf8_lossy(&output.stdout)))
}

/// The line that says what went wrong, of all that a failing build prints.
fn first_error(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .find(|line| line.starts_with("error"))
        .unwrap_or("cargo build failed, see its messages above")
        .to_owned()
}

/// The executables that cargo's messages name.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((name, PathBuf::from(message["executable"].as_str()?)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_found_among_the_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"libc"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"bench-system"},"executable":"/t/release/bench-system"}
{"reason":"build-finished","success":true}"#;
        let found = executables(messages);
        assert_eq!(found.len(), 1);
        assert_eq!(found["bench-system"], PathBuf::from("/t/release/bench-system"));
    }

    #[test]
    fn the_reason_is_the_first_error() {
        let text = "   Compiling x\n  error: failed to run custom build command\nerror: more\n";
        assert_eq!(first_error(text), "error: failed to run custom build command");
        assert!(first_error("").contains("see its messages"));
    }
}
