//! `cargo xtask bench`: builds the benchmark processes, runs them one after the other, and reports.

mod build;
mod charts;
mod docs;
mod groups;
mod machine;
mod page;
mod picture;
mod plan;
mod run;
mod saved;
mod targets;
mod text;
mod view;

use std::fs;
use std::path::{Path, PathBuf};

pub use build::COUNT;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use epoch_arena_bench_wire::{Group, KeySets, KeySource, ROSTER, Record};

use crate::target_dir;
use groups::GROUPS;
use run::Run;
use saved::Saved;

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Fewer rounds and key sets: ends within four minutes after the build, in place of three quarters of an hour.
    #[arg(long, conflicts_with = "from")]
    quick: bool,
    /// Only these groups; by comma, or repeated.
    #[arg(long, value_name = "GROUP", value_delimiter = ',', value_parser = known_groups())]
    only: Vec<Group>,
    /// Only these contestants, beside the reference.
    #[arg(long, value_name = "CONTESTANT", value_delimiter = ',', value_parser = known_contestants(), hide_possible_values = true)]
    contestants: Vec<String>,
    /// Only these of the standard key sets, in quick runs as well.
    #[arg(long, value_name = "SET", value_delimiter = ',', value_parser = KeySets::STANDARD, conflicts_with = "from")]
    sets: Vec<String>,
    /// Measure on the lines of this file too, one key per line, any bytes; repeatable.
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    keys: Vec<PathBuf>,
    /// Write the run as JSON here: machine, versions, date and every record; without it, beside the page.
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

fn known_groups() -> impl TypedValueParser<Value = Group> {
    let value = |info: &'static groups::Info| PossibleValue::new(&*info.name).help(&*info.what);
    PossibleValuesParser::new(GROUPS.group.iter().map(value)).map(|name| name.parse().expect("it is one of these"))
}

fn known_contestants() -> PossibleValuesParser {
    PossibleValuesParser::new(ROSTER.iter().map(|one| PossibleValue::new(one.id)))
}

/// The text of `--help` below the options.
pub fn after_help() -> String {
    let mut text = String::from("Contestants:\n");
    for one in ROSTER.iter() {
        let groups: Vec<&str> = one.groups.iter().map(|group| group.name()).collect();
        text += &format!("  {:<25} {} ({})\n", one.id, one.label, groups.join(", "));
    }
    text + "\nCtrl-C ends a run; what was measured is kept, and the last lines say where."
}

/// Where a run is written.
struct Places {
    page: PathBuf,
    json: Option<PathBuf>,
}

impl Places {
    fn write(&self, saved: &Saved) -> Result<(), String> {
        crate::page::write(&self.page, &page::page(saved))?;
        self.json.as_ref().map_or(Ok(()), |file| crate::page::write(file, &saved.json()))
    }
}

/// Runs the verb.
pub fn run(args: Args) -> Result<(), String> {
    let folder = target_dir().join("bench");
    let json = args.json.clone().or_else(|| args.from.is_none().then(|| folder.join("report.json")));
    let places = Places { page: args.html.clone().unwrap_or_else(|| folder.join("report.html")), json };
    // Everything that can be wrong with the command line comes before the minutes of building and measuring.
    for file in std::iter::once(&places.page).chain(&places.json) {
        claim(file)?;
    }
    if args.update_docs {
        docs::check()?;
    }
    let width = text::width();
    let (saved, failures) = match &args.from {
        Some(file) => (report(file, &args, width)?, Vec::new()),
        None => measure(&args, &places, width)?,
    };
    places.write(&saved)?;
    if failures.is_empty() && args.update_docs {
        docs::update(&saved)?;
    }
    println!("{}", text::targets(&targets::judge(&saved.records), width));
    if saved.interrupted {
        println!("interrupted: what was measured so far is kept");
    }
    for file in places.json.iter().chain([&places.page]) {
        println!("{}", fs::canonicalize(file).as_deref().unwrap_or(file).display());
    }
    match failures.as_slice() {
        [] if saved.interrupted => Err("the run was interrupted before its end".into()),
        [] => Ok(()),
        failures => Err(format!("something of this library failed:\n  {}", failures.join("\n  "))),
    }
}

/// Reads an earlier run, and prints the requested part.
fn report(file: &Path, args: &Args, width: usize) -> Result<Saved, String> {
    let mut saved = Saved::read(file)?;
    saved.records.retain(|record| {
        (args.only.is_empty() || args.only.iter().any(|group| groups::info(*group).has(record)))
            && (args.contestants.is_empty() || args.contestants.contains(&record.contestant))
    });
    println!("{}\n{}\n", saved.machine.line(), text::legend(&saved.records));
    for info in &GROUPS.group {
        if saved.records.iter().any(|record| info.has(record)) {
            println!("{}\n", text::group(info, &saved.records, width));
        }
    }
    Ok(saved)
}

/// Builds and measures, group by group; each is printed and saved as it ends. Returns the failures of this library and the floor, too.
fn measure(args: &Args, places: &Places, width: usize) -> Result<(Saved, Vec<String>), String> {
    let sets = KeySets::collect(&args.keys, &target_dir().join("bench"));
    let mut sets = sets.map_err(|error| error.to_string())?;
    if !args.sets.is_empty() {
        let standard = |set: &KeySource| KeySets::STANDARD.contains(&&*set.name());
        sets.usable.retain(|set| args.sets.contains(&set.name()) || !standard(set));
        sets.skipped.retain(|(set, _)| args.sets.contains(set));
    }
    let steps = plan::plan(&plan::Choice {
        groups: &args.only,
        contestants: &args.contestants,
        sets: &sets.usable,
        named_sets: !args.sets.is_empty(),
        quick: args.quick,
        cores: machine::cores(),
    });
    if steps.is_empty() {
        return Err(
            "none of these contestants takes part in these groups; `cargo xtask bench --help` lists who does".into()
        );
    }
    let is_counted = steps.iter().any(|step| step.job.bench.group() == Group::Shared);
    let built = build::build(is_counted)?;
    let mut saved = Saved {
        date: machine::date(),
        command: crate::command_line(),
        commit: machine::commit(),
        machine: machine::describe(args.quick),
        ..Saved::default()
    };
    let mut run = Run::new(&steps, &built)?;
    println!("{}", saved.machine.line());
    for of_group in steps.chunk_by(|a, b| a.job.bench.group() == b.job.bench.group()) {
        let group = of_group[0].job.bench.group();
        saved.records.extend(run.group(of_group));
        if plan::uses_key_sets(group) {
            let skip =
                |(set, reason): &(String, String)| Record::skipped(group.name(), "every contestant", set, 0, reason);
            saved.records.extend(sets.skipped.iter().map(skip));
        }
        saved.interrupted = run.is_interrupted();
        run.quietly(|| println!("\n{}", text::group(groups::info(group), &saved.records, width)));
        places.write(&saved)?;
        if saved.interrupted {
            break;
        }
    }
    saved.date = machine::date();
    println!("\n{}", text::legend(&saved.records));
    Ok((saved, run.finish()))
}

/// Makes sure that a file can be written in the end, without touching its contents.
fn claim(file: &Path) -> Result<(), String> {
    let cannot = |error: std::io::Error| {
        format!("{}: cannot be written: {error}; choose another place with --html or --json", file.display())
    };
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(cannot)?;
    }
    fs::OpenOptions::new().create(true).append(true).open(file).map(drop).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parsed;

    #[test]
    fn groups_come_by_comma_and_files_by_repetition() {
        let args = parsed::<Args>("--quick --only put,tail --keys a --keys b --json out.json").unwrap();
        assert!(args.quick && args.keys == [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(args.only, [Group::Put, Group::Tail]);
        assert!(parsed::<Args>("").unwrap().only.is_empty());
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_right_one() {
        for (wrong, right) in
            [("--only putt", "'put'"), ("--contestants bumpallo", "'bumpalo'"), ("--sets users", "'user'")]
        {
            let error = parsed::<Args>(wrong).unwrap_err().to_string();
            assert!(error.contains("similar") && error.contains(right), "{error}");
        }
        assert!(after_help().contains("naive-shared"));
    }

    #[test]
    fn an_earlier_run_is_reported_and_not_measured() {
        let args = parsed::<Args>("--from a.json --update-docs --html b.html").unwrap();
        assert!(args.update_docs && args.from == Some("a.json".into()));
        for wrong in ["--quick", "--keys k", "--json c"] {
            assert!(parsed::<Args>(&format!("--from a.json {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error = claim(Path::new("/proc/nowhere/report.html")).unwrap_err();
        assert!(error.contains("/proc/nowhere/report.html") && error.contains("--html"), "{error}");
    }
}
