//! A run as `--json` writes it and `--from` reads it: everything that the page and the documents say of it.

use std::path::Path;

use epoch_arena_bench_wire::Record;
use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// When it ended.
    pub date: String,
    /// Its command.
    pub command: String,
    /// The commit it was built from; a `+` behind it: with changes that were not committed.
    pub commit: String,
    /// The machine and the versions.
    pub machine: Machine,
    /// Whether it was ended before everything was measured.
    #[serde(default)]
    pub interrupted: bool,
    /// The results.
    pub records: Vec<Record>,
}

impl Saved {
    /// Reads a file that `--json` wrote.
    pub fn read(file: &Path) -> Result<Self, String> {
        serde_json::from_str(&crate::read(file)?)
            .map_err(|error| format!("{}: not a file that `cargo xtask bench --json` wrote: {error}", file.display()))
    }

    /// The circumstances: name and value, in the order of the report.
    pub fn facts(&self) -> Vec<(&'static str, &str)> {
        let Machine { cpu, memory, system, compiler, effort, versions, .. } = &self.machine;
        let names = ["cpu", "memory", "system", "compiler", "effort", "versions", "date", "commit", "command"];
        let values = [cpu, memory, system, compiler, effort, versions, &self.date, &self.commit, &self.command];
        names.into_iter().zip(values.map(String::as_str)).collect()
    }

    /// One object, with one record per line: parses as a whole, and reads well in a diff.
    pub fn json(&self) -> String {
        // Nothing here has a map with keys that are no strings, so it cannot fail.
        let records: Vec<String> = self.records.iter().map(line).collect();
        format!(
            "{{\"date\":{},\n\"command\":{},\n\"commit\":{},\n\"machine\":{},\n\"interrupted\":{},\n\"records\":[\n{}\n]}}\n",
            line(&self.date),
            line(&self.command),
            line(&self.commit),
            line(&self.machine),
            self.interrupted,
            records.join(",\n")
        )
    }
}

fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_run_reads_back_as_it_was_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for count in [0, 1, 2] {
            let record = Record::skipped("put", "a", "b", 1, "\"x\"\n");
            let saved = Saved {
                date: "today".into(),
                command: "cargo xtask bench --keys \"a b\"".into(),
                records: vec![record; count],
                ..Saved::default()
            };
            fs::write(file.path(), saved.json()).unwrap();
            assert_eq!(Saved::read(file.path()).unwrap(), saved);
            assert_eq!(saved.json().lines().count(), 7 + count.max(1));
        }
    }

    #[test]
    fn another_file_is_refused_by_name() {
        let error = Saved::read(Path::new("/proc/version")).unwrap_err();
        assert!(error.contains("/proc/version") && error.contains("--json"), "{error}");
    }
}
