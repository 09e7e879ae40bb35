//! One table per group: a row per measurement and contestant, a column per key set (tail: per percentile; sweeps, of
//! which each has a table: per step). Groups are known by the names in the records alone.

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use epoch_arena_bench_wire::{ROSTER, Record, contestant};

use super::svg::escape;
use super::targets::Target;

/// The table of a group, and below it why something was skipped; `width` where there is no terminal to tell it.
pub fn table(group: &str, records: &[Record], width: Option<u16>) -> String {
    let grid = Grid::of(group, records);
    let mut table = Table::new();
    table
        .load_style(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    let head = ["".to_owned(), "contestant".to_owned()];
    table.set_header(head.into_iter().chain(grid.columns.iter().cloned()));
    let mut above = "";
    for row in &grid.rows {
        // A measurement is named once, at its first row.
        let measurement = if row.measurement == above {
            ""
        } else {
            &row.measurement
        };
        above = &row.measurement;
        let cells = row
            .cells
            .iter()
            .map(|cell| cell.map_or_else(String::new, show));
        table.add_row(
            [measurement.to_owned(), row.contestant.clone()]
                .into_iter()
                .chain(cells),
        );
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = table.to_string();
    for reason in reasons(group, records) {
        text.push_str("\nSKIPPED ");
        text.push_str(&reason);
    }
    text
}

/// The same for the page.
pub fn html(group: &str, records: &[Record]) -> String {
    let grid = Grid::of(group, records);
    let columns = grid.columns.iter();
    let head: String = columns
        .map(|column| format!("<th>{}</th>", escape(column)))
        .collect();
    let mut html = format!("<table class=\"figures\"><tr><th></th><th>contestant</th>{head}</tr>");
    let mut above = "";
    for row in &grid.rows {
        let first = if row.measurement == above {
            ""
        } else {
            &row.measurement
        };
        above = &row.measurement;
        let cells = row.cells.iter();
        let cells: String = cells
            .map(|cell| format!("<td>{}</td>", escape(&cell.map_or_else(String::new, show))))
            .collect();
        html.push_str(&format!(
            "<tr><td>{}</td><td>{}</td>{cells}</tr>",
            escape(first),
            escape(&row.contestant)
        ));
    }
    html + "</table>"
}

/// The targets, each beside its figure.
pub fn of_targets(targets: &[Target], width: Option<u16>) -> String {
    let mut table = Table::new();
    table
        .load_style(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    table.set_header(["", "what", "target", "figure", ""]);
    for target in targets {
        table.add_row([
            target.id,
            target.what,
            &target.limit,
            &target.figure,
            target.verdict.name(),
        ]);
    }
    table.to_string()
}

/// The groups there are records of, in the order of the report; of a sweep each axis, as `scale/keys`.
pub fn groups(records: &[Record]) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for record in records {
        let name = || record.bench.split(['/', '-']).next();
        let group =
            step_of(record).map_or_else(|| name().unwrap_or(&record.bench), |(sweep, _)| sweep);
        if !found.contains(&group) {
            found.push(group);
        }
    }
    // Stable: what is not known keeps its order, behind the others.
    found.sort_by_key(|group| {
        let name = group.split('/').next().unwrap_or(group);
        ORDER
            .iter()
            .position(|known| *known == name)
            .unwrap_or(ORDER.len())
    });
    found
}

const ORDER: [&str; 11] = [
    "put", "tail", "scale", "churn", "reclaim", "resolve", "memory", "sort", "pin", "shared",
    "ycsb",
];

/// Why rows were skipped, each reason once.
fn reasons(group: &str, records: &[Record]) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for record in records.iter().filter(|record| belongs(group, record)) {
        let Some(reason) = &record.skipped else {
            continue;
        };
        let row = format!("{} on {}: {reason}", label(&record.contestant), record.keys);
        if !reasons.contains(&row) {
            reasons.push(row);
        }
    }
    reasons
}

/// Records laid out.
#[derive(Debug)]
pub struct Grid<'r> {
    columns: Vec<String>,
    rows: Vec<Row<'r>>,
}

#[derive(Debug)]
struct Row<'r> {
    measurement: String,
    contestant: String,
    cells: Vec<Option<&'r Record>>,
}

impl<'r> Grid<'r> {
    fn of(group: &str, records: &'r [Record]) -> Self {
        let mut placed: Vec<_> = records
            .iter()
            .filter(|record| belongs(group, record) && is_shown(record))
            // A sweep of a group has a table of its own.
            .filter(|record| group.contains('/') || step_of(record).is_none())
            .map(|record| (place(group, record), record))
            .collect();
        // By measurement as first seen, then by roster.
        let mut order: Vec<String> = Vec::new();
        for ((measurement, _), _) in &placed {
            if !order.contains(measurement) {
                order.push(measurement.clone());
            }
        }
        let rank = |id: &str| {
            ROSTER
                .iter()
                .position(|one| one.id == id)
                .unwrap_or(ROSTER.len())
        };
        let when = |measurement: &String| order.iter().position(|one| one == measurement);
        placed.sort_by_key(|((measurement, _), record)| {
            (when(measurement), rank(&record.contestant))
        });

        let mut grid = Self {
            columns: Vec::new(),
            rows: Vec::new(),
        };
        for ((measurement, column), record) in placed {
            grid.put(measurement, column, record);
        }
        grid
    }

    fn put(&mut self, measurement: String, column: String, record: &'r Record) {
        let at = self
            .columns
            .iter()
            .position(|one| *one == column)
            .unwrap_or_else(|| {
                self.columns.push(column);
                self.columns.len() - 1
            });
        let name = label(&record.contestant);
        if self
            .rows
            .last()
            .is_none_or(|row| row.measurement != measurement || row.contestant != name)
        {
            self.rows.push(Row {
                measurement,
                contestant: name,
                cells: Vec::new(),
            });
        }
        if let Some(row) = self.rows.last_mut() {
            row.cells
                .resize(self.columns.len().max(row.cells.len()), None);
            // A figure and a skip in one place: some rounds worked, and the skip says why not all.
            row.cells[at] = Some(record);
        }
    }
}

/// Whether a record is a group's, or a sweep's.
pub fn belongs(group: &str, record: &Record) -> bool {
    let rest = record.bench.strip_prefix(group);
    // `scale/keys-resolve` is not of `scale/keys`; `ycsb-load` is of `ycsb`.
    let ends: &[char] = if group.contains('/') {
        &['/']
    } else {
        &['/', '-']
    };
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(ends))
}

/// The sweep that a record is of, and how far it has come: `scale/keys/1000` is `scale/keys` at a thousand.
pub fn step_of(record: &Record) -> Option<(&str, f64)> {
    let (sweep, step) = record.bench.rsplit_once('/')?;
    sweep.contains('/').then_some((sweep, step.parse().ok()?))
}

/// Not the percentiles that are there for the picture alone.
fn is_shown(record: &Record) -> bool {
    let percentile = record
        .bench
        .strip_prefix("tail/")
        .and_then(|rest| rest.split_once('-'));
    percentile.is_none_or(|(_, name)| matches!(name, "p50" | "p99" | "p99.9" | "max" | "faults"))
}

/// The name of a contestant as people read it.
pub fn label(id: &str) -> String {
    contestant(id).map_or_else(|| id.to_owned(), |one| one.label.to_owned())
}

/// A record's measurement and column.
fn place(group: &str, record: &Record) -> (String, String) {
    let (bench, detail) = record.bench.split_once('-').unwrap_or((&record.bench, ""));
    match group {
        // Four percentiles would be four rows; they read better side by side.
        "tail" => {
            let column = if detail.is_empty() { "p50" } else { detail };
            (format!("{bench} {}", record.keys), column.to_owned())
        }
        "churn" => {
            let load = bench.split('/').nth(1).unwrap_or(bench);
            let column = if detail.is_empty() { load } else { detail };
            ("churn".into(), column.replace('-', " "))
        }
        sweep if sweep.contains('/') => {
            let step = record.bench[sweep.len()..].trim_start_matches('/');
            (format!("{sweep}, {}", record.keys), step.to_owned())
        }
        _ => {
            let crew = match record.threads {
                0 | 1 => String::new(),
                threads => format!(", {threads} threads"),
            };
            (format!("{}{crew}", record.bench), record.keys.clone())
        }
    }
}

fn show(record: &Record) -> String {
    match (record.value, &record.skipped) {
        (_, Some(_)) => "SKIPPED".into(),
        (Some(value), None) => {
            let ratio = record.ratio_to_floor.filter(|_| record.unit != "B/B");
            let ratio = ratio.map_or_else(String::new, |ratio| format!("  {}x", digits(ratio)));
            format!("{}{ratio}", with_unit(value, &record.unit))
        }
        (None, None) => "no value".into(),
    }
}

/// A value with a unit that suits its size.
pub fn with_unit(value: f64, unit: &str) -> String {
    match unit {
        ns if is_nanos(ns) && value >= 1e6 => format!("{} ms", digits(value / 1e6)),
        ns if is_nanos(ns) && value >= 1e4 => format!("{} us", digits(value / 1000.0)),
        ns if is_nanos(ns) => format!("{} ns", digits(value)),
        "us" if value >= 1e6 => format!("{} s", digits(value / 1e6)),
        "us" if value >= 1000.0 => format!("{} ms", digits(value / 1000.0)),
        "KiB" if value >= 10_240.0 => format!("{} MiB", digits(value / 1024.0)),
        "x" => format!("{value:.3}x"),
        "B/record" => format!("{} B", digits(value)),
        "faults" => format!("{value:.0}"),
        "B/B" => format!("{value:.3}"),
        _ => format!("{} {unit}", digits(value)),
    }
}

/// `ns`, and `ns/key` and its like: what it is per stands above the table.
pub fn is_nanos(unit: &str) -> bool {
    unit == "ns" || unit.starts_with("ns/")
}

/// Three digits or a little more: the rest is noise.
pub fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 10_000.0 => format!("{:.0}", (value / 100.0).round() * 100.0),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bench: &str, who: &str, keys: &str, value: f64, unit: &str) -> Record {
        let mut record = Record::skipped(bench, who, keys, 1, "");
        (record.skipped, record.value, record.ratio_to_floor) = (None, Some(value), Some(1.5));
        record.unit = unit.into();
        record
    }

    #[test]
    fn values_are_shown_with_the_digits_that_count() {
        assert_eq!(with_unit(1.816, "ns/key"), "1.82 ns");
        assert_eq!(with_unit(123_456.0, "ns"), "123 us");
        assert_eq!(with_unit(525_100.0, "us"), "525 ms");
        assert_eq!(with_unit(12_345_678.0, "ns/op"), "12.3 ms");
        assert_eq!(with_unit(1.0079, "B/B"), "1.008");
    }

    #[test]
    fn contestants_stand_in_the_order_of_the_roster_whatever_the_order_of_the_records() {
        let records = [
            record("put/warm", "bumpalo", "user", 2.0, "ns/key"),
            record("put/warm", "floor", "fix16", 1.0, "ns/key"),
            record("memory/rss", "ours", "user", 1.0, "B/B"),
        ];
        let text = table("put", &records, Some(160));
        let (floor, bumpalo) = (text.find("FLOOR").unwrap(), text.find("bumpalo").unwrap());
        assert!(floor < bumpalo && !text.contains("epoch-arena"), "{text}");
        assert!(text.contains("2.00 ns  1.50x"), "{text}");
    }

    #[test]
    fn a_skipped_row_shows_its_reason() {
        let records = [Record::skipped(
            "put",
            "every contestant",
            "words",
            0,
            "no word list",
        )];
        let text = table("put", &records, Some(160));
        assert!(
            text.contains("SKIPPED every contestant on words: no word list"),
            "{text}"
        );
    }

    #[test]
    fn a_group_is_known_by_its_records_and_a_sweep_has_a_table_of_its_own() {
        let records = [
            record("ycsb-load", "ours", "user", 2.0, "s"),
            record("scale/keys/100000", "ours", "user", 2.0, "ns/key"),
            record("scale/keys-resolve/100000", "ours", "user", 2.0, "ns/key"),
            record("scale/keys/1000000", "ours", "user", 2.1, "ns/key"),
            record("put/warm", "ours", "user", 2.0, "ns/key"),
        ];
        let expected = ["put", "scale/keys", "scale/keys-resolve", "ycsb"];
        assert_eq!(groups(&records), expected);
        let grid = Grid::of("scale/keys", &records);
        assert_eq!(grid.columns, ["100000", "1000000"]);
        assert_eq!(grid.rows.len(), 1);
    }

    #[test]
    fn percentiles_stand_side_by_side() {
        let records = [
            record("tail/warm-p50", "ours", "user", 9.0, "ns"),
            record("tail/warm-p90", "ours", "user", 20.0, "ns"),
            record("tail/warm-p99.9", "ours", "user", 40.0, "ns"),
        ];
        let grid = Grid::of("tail", &records);
        assert_eq!(grid.columns, ["p50", "p99.9"]);
        assert_eq!(grid.rows.len(), 1);
    }
}
