//! A run as `--json` writes it and `--from` reads it: everything that the page and the documents say of it.

use std::fs;
use std::io::Write;
use std::path::Path;

use epoch_arena_bench_wire::Record;
use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// When it ended.
    pub date: String,
    /// The command that repeats it.
    pub command: String,
    /// The commit it was built from; a `+` behind it: with changes that were not committed.
    pub commit: String,
    /// Where it ran, and with what.
    pub machine: Machine,
    /// What came of it.
    pub records: Vec<Record>,
}

impl Saved {
    /// Reads a file that `--json` wrote.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file)
            .map_err(|error| format!("{}: cannot be read: {error}", file.display()))?;
        serde_json::from_str(&text).map_err(|error| {
            format!(
                "{}: not a file that `cargo xtask bench --json` wrote: {error}",
                file.display()
            )
        })
    }

    /// One object, with one record per line: parses as a whole, and reads well in a diff.
    pub fn json(&self) -> String {
        let mut text = Vec::new();
        // A vector takes what it is given.
        let _ = writeln!(text, "{{\"date\":{},", line(&self.date));
        let _ = writeln!(text, "\"command\":{},", line(&self.command));
        let _ = writeln!(text, "\"commit\":{},", line(&self.commit));
        let _ = writeln!(text, "\"machine\":{},", line(&self.machine));
        text.extend_from_slice(b"\"records\":[\n");
        for (at, record) in self.records.iter().enumerate() {
            let comma = if at + 1 < self.records.len() { "," } else { "" };
            let _ = writeln!(text, "{}{comma}", line(record));
        }
        text.extend_from_slice(b"]}\n");
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// One value without a line break. Nothing here has a map with keys that are no strings, so it cannot fail.
fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_reads_back_as_it_was_written() {
        let folder = std::env::temp_dir().join(format!("epoch-arena-saved-{}", std::process::id()));
        for count in [0, 1, 2] {
            let record = Record::skipped("put", "a", "b", 1, "\"x\"\n");
            let saved = Saved {
                date: "today".into(),
                command: "cargo xtask bench --keys \"a b\"".into(),
                records: vec![record; count],
                ..Saved::default()
            };
            fs::write(&folder, saved.json()).unwrap();
            assert_eq!(Saved::read(&folder).unwrap(), saved);
            assert_eq!(saved.json().lines().count(), 6 + count);
        }
        let _ = fs::remove_file(folder);
    }

    #[test]
    fn another_file_is_refused_by_name() {
        let error = Saved::read(Path::new("/proc/version")).unwrap_err();
        assert!(
            error.contains("/proc/version") && error.contains("--json"),
            "{error}"
        );
    }
}
