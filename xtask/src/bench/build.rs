//! Builds the benchmark processes; a peer that cannot be built is left out and says why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use epoch_arena_bench_wire::{Binary, ROSTER};
use serde_json::Value;

use crate::step::Command;

/// The executables, and the builds that failed.
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

/// The flags by which the library counts its shared writes; see `crates/block/src/count.rs`.
pub const COUNT: &str = "--cfg epoch_arena_count";

/// The executable that counts. No peers: their shared writes are not counted.
fn counted() -> Result<Option<(String, PathBuf)>, String> {
    eprintln!("building the benchmark that counts shared writes");
    // Flags of its own would rebuild everything in the shared directory, twice.
    let command = command(&BTreeSet::new()).env("RUSTFLAGS", COUNT).target("target/count");
    let built = run(&command, true).map_err(|reason| format!("the benchmark that counts cannot be built: {reason}"));
    Ok(built?.remove(Binary::System.name()).map(|path| (Binary::Counted.name().to_owned(), path)))
}

/// Builds with every peer; if that fails, with every peer that can be built by itself.
fn with_peers() -> Result<Built, String> {
    let mut features: BTreeSet<&'static str> = ROSTER.iter().filter_map(|entry| entry.feature).collect();
    let mut missing = BTreeMap::new();
    eprintln!("building the benchmark and its peers (release)");
    if let Ok(executables) = run(&command(&features), true) {
        return Ok(Built { executables, missing });
    }
    eprintln!("that failed; building without peers, then each peer by itself, to find out which one it is");
    let alone = run(&command(&BTreeSet::new()), true);
    alone.map_err(|reason| format!("the benchmark cannot be built: {reason}"))?;
    for feature in features.clone() {
        if let Err(reason) = run(&command(&BTreeSet::from([feature])), false) {
            eprintln!("{feature} cannot be built: {reason}");
            features.remove(feature);
            missing.insert(feature, format!("cannot be built: {reason}"));
        }
    }
    Ok(Built { executables: run(&command(&features), true)?, missing })
}

/// Builds the executables of these features. Their paths come as JSON on stdout, whatever the target directory.
fn command(features: &BTreeSet<&str>) -> Command {
    let list = features.iter().copied().collect::<Vec<_>>().join(",");
    let words =
        "build --release --package epoch-arena-bench --bins --message-format=json-render-diagnostics --features";
    Command::cargo(words).arg(list)
}

/// Runs a build; the executables it made by name, or the reason why not. Cargo's output goes to the terminal, or else its
/// first error becomes the reason.
fn run(command: &Command, loud: bool) -> Result<BTreeMap<String, PathBuf>, String> {
    let process = command.expression().stdout_capture().unchecked();
    let process = if loud { process } else { process.stderr_capture() };
    let output = process.run().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if output.status.success() {
        Ok(executables(&String::from_utf8_lossy(&output.stdout)))
    } else {
        Err(first_error(&String::from_utf8_lossy(&output.stderr)))
    }
}

/// The line of a failing build's output that names the error.
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
