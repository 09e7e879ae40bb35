//! `cargo xtask bench`: builds the benchmark processes, runs them one after the other, and reports.

mod bars;
mod build;
mod docs;
mod figures;
mod html;
mod keysets;
mod machine;
mod notes;
mod plan;
mod run;
mod saved;
mod scale;
pub mod svg;
mod sweep;
mod table;
mod targets;

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

pub use build::COUNT;
use epoch_arena_bench_wire::{Group, Record};

use crate::target_dir;
use saved::Saved;

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Fewer rounds and key sets: ends within three minutes after the build, in place of twenty.
    #[arg(long, conflicts_with = "from")]
    quick: bool,
    /// Only these groups; an unknown name is answered with the known ones.
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    only: Vec<Group>,
    /// Measure on the lines of this file too, one key per line, any bytes; repeatable.
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    keys: Vec<PathBuf>,
    /// Write the run as JSON: machine, versions, date and every record.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the page here; without it, below the target directory.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Measure nothing: report a run that --json wrote.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    from: Option<PathBuf>,
    /// Write the figures into `README.md` and `docs/benchmarks.md`, between their markers.
    #[arg(long)]
    update_docs: bool,
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), String> {
    let page = args
        .html
        .clone()
        .unwrap_or_else(|| target_dir().join("bench").join("report.html"));
    // Everything that can be wrong with the command line comes before the minutes of building and measuring.
    for file in std::iter::once(&page).chain(&args.json) {
        claim(file)?;
    }
    if args.update_docs {
        docs::check()?;
    }
    let (mut saved, failures) = match &args.from {
        Some(file) => (Saved::read(file)?, Vec::new()),
        None => measure(&args)?,
    };
    if !args.only.is_empty() {
        let belongs = |record: &Record| {
            args.only
                .iter()
                .any(|group| table::belongs(group.name(), record))
        };
        saved.records.retain(belongs);
    }
    print_tables(&saved);
    if let Some(file) = &args.json {
        write(file, &saved.json())?;
    }
    write(&page, &html::page(&saved))?;
    if failures.is_empty() && args.update_docs {
        docs::update(&saved)?;
    }
    let shown = fs::canonicalize(&page).unwrap_or(page);
    println!("{}", shown.display());
    match failures.as_slice() {
        [] => Ok(()),
        failures => Err(format!(
            "something of this library failed:\n  {}",
            failures.join("\n  ")
        )),
    }
}

/// Builds and measures; what of our own failed comes beside it.
fn measure(args: &Args) -> Result<(Saved, Vec<String>), String> {
    let sets = keysets::collect(&args.keys, &target_dir().join("bench"))?;
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
    let saved = Saved {
        date: machine::date(),
        command: command(std::env::args().skip(2)),
        commit: machine::commit(),
        machine: machine::describe(args.quick),
        records: outcome.records,
    };
    Ok((saved, outcome.failures))
}

/// The command that repeats a run: what was asked for, and not where it was to be written.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let mut kept = String::from("cargo xtask bench");
    let mut value_of_last = false;
    for argument in arguments {
        let name = argument.split('=').next().unwrap_or(&argument).to_owned();
        let dropped = matches!(name.as_str(), "--json" | "--html" | "--update-docs");
        if !dropped && !value_of_last {
            kept.push(' ');
            kept.push_str(&argument);
        }
        value_of_last = dropped && name == argument && name != "--update-docs";
    }
    kept
}

fn print_tables(saved: &Saved) {
    let width = if std::io::stdout().is_terminal() {
        None
    } else {
        Some(200)
    };
    println!("{}\n", saved.machine.line());
    for group in table::groups(&saved.records) {
        println!(
            "{}\n{}\n",
            notes::heading(group),
            table::table(group, &saved.records, width)
        );
    }
    let targets = targets::targets(&saved.records);
    println!(
        "== targets: {}\n{}\n",
        targets::summary(&targets),
        table::of_targets(&targets, width)
    );
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
    fn an_earlier_run_is_reported_and_not_measured() {
        let args = parse("--from a.json --update-docs --html b.html").unwrap();
        assert!(args.update_docs && args.from == Some("a.json".into()));
        for wrong in ["--quick", "--keys k", "--json c"] {
            assert!(parse(&format!("--from a.json {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_says_what_was_measured_and_not_where_it_went() {
        let line = "--quick --json a.json --keys k --html=b.html --update-docs --only put";
        let arguments = line.split(' ').map(str::to_owned);
        assert_eq!(
            command(arguments),
            "cargo xtask bench --quick --keys k --only put"
        );
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
