//! `cargo xtask bench`: builds the benchmark processes, runs them one after the other, and reports.

mod build;
mod html;
mod keysets;
mod machine;
mod notes;
mod plan;
mod run;
pub mod svg;
mod sweep;
mod table;

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

pub use build::COUNT;
use epoch_arena_bench_wire::{Group, Record};

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Fewer rounds and key sets: ends within three minutes after the build, in place of twenty.
    #[arg(long)]
    quick: bool,
    /// Only these groups: put, resolve, reclaim, memory, churn, tail, scale, shared, sort, pin, ycsb.
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    only: Vec<Group>,
    /// Measure on the lines of this file too, one key per line, any bytes; repeatable.
    #[arg(long, value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// Write the records as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the page here; without it, below the target directory.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), String> {
    let target = target_dir();
    let page = args
        .html
        .clone()
        .unwrap_or_else(|| target.join("bench").join("report.html"));
    // Everything that can be wrong with the command line comes before the minutes of building and measuring.
    let sets = keysets::collect(&args.keys, &target.join("bench"))?;
    for file in std::iter::once(&page).chain(&args.json) {
        claim(file)?;
    }
    let groups = if args.only.is_empty() {
        Group::ALL.to_vec()
    } else {
        args.only.clone()
    };

    let built = build::build(&groups)?;
    let plan = plan::plan(&groups, &sets.usable, args.quick, machine::cores());
    let mut outcome = run::run(plan, &built);
    for (group, set, reason) in groups
        .iter()
        .flat_map(|g| sets.skipped.iter().map(move |(s, r)| (g, s, r)))
    {
        if plan::uses_key_sets(*group) {
            outcome.records.push(Record::skipped(
                group.name(),
                "every contestant",
                set,
                0,
                reason,
            ));
        }
    }

    let machine = machine::describe(args.quick);
    print_tables(&groups, &outcome.records, &machine);
    if let Some(file) = &args.json {
        write(file, &json(&outcome.records))?;
    }
    write(&page, &html::page(&groups, &outcome.records, &machine))?;
    let shown = fs::canonicalize(&page).unwrap_or(page);
    println!("{}", shown.display());
    match outcome.failures.as_slice() {
        [] => Ok(()),
        failures => Err(format!(
            "something of this library failed:\n  {}",
            failures.join("\n  ")
        )),
    }
}

fn print_tables(groups: &[Group], records: &[Record], machine: &machine::Machine) {
    let width = if std::io::stdout().is_terminal() {
        None
    } else {
        Some(200)
    };
    println!("{}\n", machine.line());
    for group in groups {
        println!(
            "{}\n{}\n",
            notes::heading(*group),
            table::table(*group, records, width)
        );
    }
}

/// Where builds go: as cargo decides it.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| crate::workspace().join("target"), PathBuf::from)
}

/// Makes sure that a file can be written in the end, without touching what it holds.
fn claim(file: &Path) -> Result<(), String> {
    let cannot = |error: std::io::Error| {
        format!(
            "{}: cannot be written: {error}; choose another place with --html or --json",
            file.display()
        )
    };
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder).map_err(cannot)?;
    }
    fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .map(drop)
        .map_err(cannot)
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: cannot be written: {error}", file.display()))
}

/// An array with one record per line: parses as a whole, and reads well in a diff.
fn json(records: &[Record]) -> String {
    let mut text = Vec::from(*b"[\n");
    for (at, record) in records.iter().enumerate() {
        let comma = if at + 1 < records.len() { "," } else { "" };
        let line = serde_json::to_string(record).unwrap_or_else(|_| "null".into());
        // A vector takes what it is given.
        let _ = writeln!(text, "{line}{comma}");
    }
    text.extend_from_slice(b"]\n");
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Line::try_parse_from(std::iter::once("bench").chain(line.split_whitespace()))
            .map(|line| line.args)
    }

    #[test]
    fn groups_come_by_comma_and_files_by_repetition() {
        let args = parse("--quick --only put,tail --keys a --keys b --json out.json").unwrap();
        assert!(args.quick);
        assert_eq!(args.only, [Group::Put, Group::Tail]);
        assert_eq!(args.keys, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(args.json, Some("out.json".into()));
        assert!(parse("").unwrap().only.is_empty());
    }

    #[test]
    fn an_unknown_group_is_refused_with_the_known_ones() {
        let error = parse("--only puts").unwrap_err().to_string();
        assert!(
            error.contains("`puts`") && error.contains("resolve"),
            "{error}"
        );
    }

    #[test]
    fn the_json_is_one_array_that_reads_back() {
        let records = vec![
            Record::skipped("put", "a", "b", 1, "why"),
            Record::skipped("put", "c", "d", 2, "\"x\""),
        ];
        assert_eq!(
            serde_json::from_str::<Vec<Record>>(&json(&records)).unwrap(),
            records
        );
        assert_eq!(serde_json::from_str::<Vec<Record>>(&json(&[])).unwrap(), []);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error = claim(Path::new("/proc/nowhere/report.html")).unwrap_err();
        assert!(
            error.contains("/proc/nowhere/report.html") && error.contains("--html"),
            "{error}"
        );
    }
}
