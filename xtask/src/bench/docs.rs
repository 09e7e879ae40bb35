//! `--update-docs`: the figures in `README.md` and `docs/benchmarks.md`, between markers. Nobody types them.

use std::fmt::Write;
use std::fs;

use epoch_arena_bench_wire::{ROSTER, Role};

use super::figures::{Crew, Figures};
use super::saved::Saved;
use super::table::{digits, label, with_unit};
use super::targets;

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";
const README: &str = "README.md";
const DETAILS: &str = "docs/benchmarks.md";

/// Makes sure, before anything is measured, that the documents have their markers.
pub fn check() -> Result<(), String> {
    for file in [README, DETAILS] {
        replaced(&read(file)?, "").map_err(|reason| format!("{file}: {reason}"))?;
    }
    Ok(())
}

/// Writes the figures of a run into both documents.
pub fn update(saved: &Saved) -> Result<(), String> {
    for (file, section) in [(README, short(saved)), (DETAILS, long(saved))] {
        let text =
            replaced(&read(file)?, &section).map_err(|reason| format!("{file}: {reason}"))?;
        fs::write(crate::workspace().join(file), text)
            .map_err(|error| format!("{file}: cannot be written: {error}"))?;
        eprintln!("wrote the figures into {file}");
    }
    Ok(())
}

fn read(file: &str) -> Result<String, String> {
    fs::read_to_string(crate::workspace().join(file))
        .map_err(|error| format!("{file}: cannot be read: {error}"))
}

/// The text with what stands between the markers replaced.
fn replaced(text: &str, section: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split(BEGIN).collect();
    let [before, rest] = parts[..] else {
        return Err(format!("it must have `{BEGIN}` once, on a line of its own"));
    };
    let parts: Vec<&str> = rest.split(END).collect();
    let [_, after] = parts[..] else {
        return Err(format!("it must have `{END}` once, after `{BEGIN}`"));
    };
    Ok(format!("{before}{BEGIN}\n{section}{END}{after}"))
}

/// For the README: where it ran, and the table.
fn short(saved: &Saved) -> String {
    let Saved {
        machine,
        date,
        commit,
        command,
        ..
    } = saved;
    let words = format!(
        "One {} run on {}, {} cores, {date}, commit `{commit}`; written by `{command} --update-docs`, not by hand. \
         Only ratios of one run count; the whole of it, targets included, is in [docs/benchmarks.md]({DETAILS}#results).",
        machine.effort, machine.cpu, machine.cores,
    );
    format!("\n{}\n{}\n", wrapped(&words), contest(saved, is_main))
}

/// Not the second and third ways to measure the same.
fn is_main(id: &str) -> bool {
    let again = matches!(id, "floor1" | "floor-4k" | "ours-pin-once");
    !again && (!id.ends_with("-shuffled") || id == "box-system-shuffled")
}

/// For `docs/benchmarks.md`: circumstances, the table, the targets.
fn long(saved: &Saved) -> String {
    let mut text = String::from("\n| | |\n|---|---|\n");
    let facts = saved.machine.facts();
    let facts = facts.iter().map(|(name, value)| (*name, value.as_str()));
    let more = [
        ("date", saved.date.as_str()),
        ("commit", &saved.commit),
        ("command", &saved.command),
    ];
    for (name, value) in facts.chain(more) {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "| {name} | {} |", cell(value));
    }
    let targets = targets::targets(&saved.records);
    let _ = write!(
        text,
        "\n{}\nThe targets that the project set itself: {}.\n\n| | what | target | this run | |\n|---|---|---|---|---|\n",
        contest(saved, |_| true),
        targets::summary(&targets)
    );
    for target in &targets {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            target.id,
            cell(target.what),
            cell(&target.limit),
            cell(&target.figure),
            target.verdict.name()
        );
    }
    text.push('\n');
    text
}

/// A column of the table: its head, the bench, how many threads.
type Column = (String, &'static str, Crew);

/// Everybody beside everybody else: a row per contestant, a column per thing that is measured.
fn contest(saved: &Saved, is_shown: fn(&str) -> bool) -> String {
    let figures = Figures(&saved.records);
    let usual = figures.usual_set();
    let cores = saved.machine.cores;
    let columns: [Column; 8] = [
        ("put".into(), "put/warm", Crew::One),
        (format!("put, {cores} threads"), "put/warm", Crew::All),
        ("put, fresh memory".into(), "put/cold", Crew::One),
        ("resolve, hot".into(), "resolve/hot", Crew::One),
        ("resolve, random".into(), "resolve/random", Crew::One),
        ("reclaim 10M".into(), "reclaim/10M", Crew::One),
        ("memory".into(), "memory/rss", Crew::One),
        ("churn".into(), "churn/mixed", Crew::One),
    ];
    let mut text = String::from("| |");
    for (head, ..) in &columns {
        let _ = write!(text, " {head} |");
    }
    let _ = writeln!(text, "\n|---|{}", "---:|".repeat(columns.len()));
    for one in ROSTER.iter().filter(|one| is_shown(one.id)) {
        let cells = columns
            .each_ref()
            .map(|(_, bench, crew)| figure(figures, bench, one.id, *crew, usual));
        if cells.iter().all(Option::is_none) {
            continue;
        }
        let name = cell(&label(one.id));
        let name = if one.role == Role::Ours {
            format!("**{name}**")
        } else {
            name
        };
        let _ = write!(text, "| {name} |");
        for cell in cells {
            let _ = write!(text, " {} |", cell.unwrap_or_default());
        }
        text.push('\n');
    }
    let words = format!(
        "Times per key with the ratio to the floor of the same round; lower is better. Keys `{usual}` where they were \
         measured. Memory: resident bytes per payload byte, 4 million keys; churn: per live byte, keys of mixed lengths. \
         An arena \"per thread\" has no epochs, and no other thread may read it."
    );
    text + "\n" + &wrapped(&words)
}

/// Prose in lines as long as the documents have them.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 120 {
            lines.push('\n');
            width = 0;
        }
        if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines + "\n"
}

/// What stands in a cell: on the usual key set, or else on the first there is.
fn figure(figures: Figures<'_>, bench: &str, who: &str, crew: Crew, usual: &str) -> Option<String> {
    let sets = figures.sets(bench, who, crew);
    let keys = sets.iter().find(|set| **set == usual).or(sets.first())?;
    let record = figures.get(bench, who, keys, crew)?;
    let ratio = record.ratio_to_floor.filter(|_| record.unit != "B/B");
    let ratio = ratio.map_or_else(String::new, |ratio| format!(" ({}x)", digits(ratio)));
    Some(format!("{}{ratio}", with_unit(record.value?, &record.unit)))
}

/// Text as it may stand in a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use epoch_arena_bench_wire::Record;

    fn saved() -> Saved {
        let record = |bench: &str, who: &str, keys: &str, value: f64, unit: &str| {
            let mut record = Record::skipped(bench, who, keys, 1, "");
            (record.skipped, record.value, record.ratio_to_floor) = (None, Some(value), Some(1.5));
            record.unit = unit.into();
            record
        };
        Saved {
            date: "2026-01-01 00:00 UTC".into(),
            command: "cargo xtask bench".into(),
            commit: "abc".into(),
            records: vec![
                record("put/warm", "ours", "user", 2.0, "ns/key"),
                record("put/warm", "ours", "fix16", 1.0, "ns/key"),
                record("put/cold", "bumpalo", "fix16", 9.0, "ns/key"),
                record("memory/rss", "ours", "user", 1.01, "B/B"),
            ],
            ..Saved::default()
        }
    }

    #[test]
    fn the_documents_have_their_markers() {
        check().unwrap();
    }

    #[test]
    fn writing_the_same_run_again_changes_nothing_even_by_way_of_the_file() {
        let saved = saved();
        let again: Saved = serde_json::from_str(&saved.json()).unwrap();
        for section in [short, long] {
            let text = format!("before\n{BEGIN}\nyesterday\n{END}\nafter\n");
            let once = replaced(&text, &section(&saved)).unwrap();
            assert!(
                once.starts_with("before\n")
                    && once.ends_with("after\n")
                    && !once.contains("yesterday")
            );
            assert_eq!(replaced(&once, &section(&again)).unwrap(), once);
        }
    }

    #[test]
    fn the_table_has_the_usual_key_set_and_else_what_there_is() {
        let text = long(&saved());
        assert!(
            text.contains("| **epoch-arena, pin per 64** | 2.00 ns (1.50x) |"),
            "{text}"
        );
        assert!(
            text.contains("9.00 ns (1.50x)") && text.contains("| 1.010 |"),
            "{text}"
        );
        assert!(
            text.contains("| T10 |") && text.contains("not measured"),
            "{text}"
        );
        // A table whose rows have different numbers of cells is none.
        for table in text.split("\n\n").filter(|part| part.starts_with('|')) {
            let bars = |line: &str| line.matches('|').count();
            let first = table.lines().next().map(bars);
            assert!(
                table.lines().all(|line| Some(bars(line)) == first),
                "{table}"
            );
        }
    }

    #[test]
    fn a_document_without_markers_is_refused() {
        for text in [
            "",
            BEGIN,
            END,
            &format!("{END}{BEGIN}"),
            &format!("{BEGIN}{END}{BEGIN}{END}"),
        ] {
            assert!(replaced(text, "x").is_err(), "{text}");
        }
    }
}
