//! Records laid out once, for the terminal, the documents and the page alike: tables of contestants by key sets, details
//! or steps.

use std::cmp::Ordering;

use epoch_arena_bench_wire::{ROSTER, Record, Role, contestant};

use super::groups::{Columns, Info, Overview, step_of, usual_set};

/// A table.
pub struct Grid<'r> {
    /// The measurement.
    pub title: String,
    /// The unit that its values have.
    pub unit: &'r str,
    /// The heads of its columns, without the contestant's.
    pub columns: Vec<String>,
    /// The column by which the contestants are ordered.
    pub lead: usize,
    /// A row per contestant.
    pub rows: Vec<Row<'r>>,
}

/// A contestant's row.
pub struct Row<'r> {
    /// The id.
    pub who: &'r str,
    /// A record per column.
    pub cells: Vec<Option<&'r Record>>,
}

impl<'r> Grid<'r> {
    /// The tables of a group.
    pub fn of(info: &'r Info, records: &'r [Record]) -> Vec<Self> {
        let usual = usual_set(records);
        let mut grids: Vec<Self> = Vec::new();
        for record in records.iter().filter(|record| info.has(record) && record.value.is_some()) {
            let Some((title, column)) = place(info, record) else {
                continue;
            };
            let new = Self { title, unit: &record.unit, columns: Vec::new(), lead: 0, rows: Vec::new() };
            let at = find_or_push(&mut grids, new, |known, new| known.title == new.title);
            grids[at].put(column, record);
        }
        for grid in &mut grids {
            grid.order_by(grid.columns.iter().position(|column| column == usual).unwrap_or(0));
        }
        grids
    }

    /// A table with everything in it.
    pub fn overview(table: &Overview, records: &'r [Record]) -> Self {
        let figures = &table.columns;
        let columns: Vec<String> = figures.iter().map(|figure| figure.title.clone()).collect();
        let row = |who| Row { who, cells: figures.iter().map(|figure| figure.find(records, who)).collect() };
        let rows = ROSTER.iter().map(|one| row(one.id)).filter(|row| row.cells.iter().any(Option::is_some)).collect();
        Self { title: table.title.clone(), unit: "", columns, lead: 0, rows }
    }

    fn put(&mut self, column: String, record: &'r Record) {
        let at = find_or_push(&mut self.columns, column, String::eq);
        let new = Row { who: &record.contestant, cells: Vec::new() };
        let row = find_or_push(&mut self.rows, new, |known, new| known.who == new.who);
        let cells = &mut self.rows[row].cells;
        cells.resize(cells.len().max(at + 1), None);
        cells[at] = Some(record);
    }

    /// The best of a column first; who has no figure there comes last, in the order of the roster. Those of a sweep stay.
    pub fn order_by(&mut self, lead: usize) {
        self.lead = lead;
        if self.is_sweep() {
            return;
        }
        let figure = |row: &Row<'_>| row.cell(lead).and_then(Record::compared).unwrap_or(f64::INFINITY);
        self.rows.sort_by(|a, b| figure(a).total_cmp(&figure(b)).then(rank(a.who).cmp(&rank(b.who))));
    }

    /// Whether its columns are the steps of a sweep.
    pub fn is_sweep(&self) -> bool {
        self.rows.iter().flat_map(|row| row.cells.iter().flatten()).any(|record| step_of(record).is_some())
    }

    /// A contestant's place in a column: one more than there are contestants ahead of it beyond the spread; with a `~`
    /// where it is level with another.
    pub fn place(&self, row: &Row<'_>, column: usize) -> Option<String> {
        let mine = row.cell(column)?;
        let count = |order| {
            let others = self.rows.iter().filter_map(|other| other.cell(column));
            others.filter(|other| other.order(mine) == Some(order)).count()
        };
        // It is level with itself.
        let level = if count(Ordering::Equal) > 1 { "~" } else { "" };
        Some(format!("{}{level}", 1 + count(Ordering::Less)))
    }

    /// The words of a figure.
    pub fn words(&self, row: &Row<'_>, column: usize) -> Option<Words> {
        let record = row.cell(column)?;
        let own = self.rows.iter().find(|own| MAIN.contains(&own.who)).filter(|own| own.who != row.who);
        let order = own.and_then(|own| own.cell(column)?.order(record));
        Some(Words { level: order == Some(Ordering::Equal), ..Words::of(record) })
    }
}

impl<'r> Row<'r> {
    /// The record of a column.
    pub fn cell(&self, column: usize) -> Option<&'r Record> {
        self.cells.get(column).copied().flatten()
    }
}

/// Where the same as `new` is in the list; if it is not yet, `new` goes to its end.
pub fn find_or_push<T>(list: &mut Vec<T>, new: T, same: impl Fn(&T, &T) -> bool) -> usize {
    list.iter().position(|known| same(known, &new)).unwrap_or_else(|| {
        list.push(new);
        list.len() - 1
    })
}

/// This library's contestants that the others are compared with.
pub const MAIN: [&str; 4] = ["ours", "sort-keys", "pin-pool", "arena-map"];

/// The words of a figure.
pub struct Words {
    /// The value, with its unit.
    pub value: String,
    /// The ratio to the reference; empty where there is none.
    pub ratio: String,
    /// Half of the quartiles' distance in percent of the figure; empty after fewer than three rounds.
    pub spread: String,
    /// Whether the spread tells no order between it and this library's figure.
    pub level: bool,
}

impl Words {
    /// The words of a record, beside no other.
    pub fn of(record: &Record) -> Self {
        let ratio = record.ratio_to_floor.filter(|_| record.unit != "B/B");
        let spread = |figure: f64| {
            let [low, high] = record.quartiles.filter(|_| figure > 0.0)?;
            let percent = (high - low) / 2.0 / figure * 100.0;
            Some(if percent < 9.95 { format!("±{percent:.1}%") } else { format!("±{percent:.0}%") })
        };
        Self {
            value: record.value.map_or_else(String::new, |value| with_unit(value, &record.unit)),
            ratio: ratio.map_or_else(String::new, |ratio| match ratio {
                small if small > 0.0 && small < 0.01 => format!("1/{}", digits(1.0 / small)),
                _ => format!("{}x", digits(ratio)),
            }),
            spread: record.compared().and_then(spread).unwrap_or_default(),
            level: false,
        }
    }

    /// For a document: the value, the ratio in brackets, and a `~` if the figure is level with this library's.
    pub fn short(&self) -> String {
        let ratio = if self.ratio.is_empty() { String::new() } else { format!(" ({})", self.ratio) };
        format!("{}{ratio}{}", self.value, if self.level { " ~" } else { "" })
    }
}

/// The title of the table that a record stands in, and its column; none if it is for the pictures alone.
fn place(info: &Info, record: &Record) -> Option<(String, String)> {
    if let Some((axis, step)) = step_of(record) {
        return Some((info.sweep(axis).0, count(step)));
    }
    let rest = record.bench.strip_prefix(&info.name).unwrap_or_default().trim_start_matches('/');
    let crew = match record.threads {
        0 | 1 => String::new(),
        threads => format!(", {threads} threads"),
    };
    let keys = if record.keys == "-" { String::new() } else { format!(", keys {}", record.keys) };
    let (bench, detail) = record.bench.split_once('-').unwrap_or((&record.bench, "value"));
    Some(match info.columns {
        Columns::Keys => (format!("{}, {}{crew}", info.title, info.kind(rest)), record.keys.clone()),
        Columns::Rest => (format!("{}{crew}{keys}", info.name), rest.replace('-', " ")),
        Columns::Detail if info.shown.is_empty() || info.shown.iter().any(|shown| shown == detail) => {
            (format!("{bench}{crew}{keys}"), detail.replace('-', " "))
        }
        Columns::Detail => return None,
    })
}

/// The place on the roster; who is not there comes last.
pub fn rank(id: &str) -> usize {
    ROSTER.iter().position(|one| one.id == id).unwrap_or(ROSTER.len())
}

/// The family that colours a contestant.
pub fn role(id: &str) -> &'static str {
    match contestant(id).map(|one| one.role) {
        Some(Role::Ours) => "ours",
        Some(Role::Floor) => "floor",
        _ => "peer",
    }
}

/// The name of a contestant as people read it.
pub fn label(id: &str) -> String {
    contestant(id).map_or_else(|| id.to_owned(), |one| one.label.to_owned())
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
        "per 1000 puts" | "fraction of linear" => digits(value),
        _ => format!("{} {unit}", digits(value)),
    }
}

/// `ns`, and `ns/key` and its like: the unit stands above the table.
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

/// A round number as one says it.
pub fn count(value: f64) -> String {
    match value {
        many if many >= 1e6 => format!("{}M", many / 1e6),
        some if some >= 1e3 => format!("{}k", some / 1e3),
        few => format!("{few}"),
    }
}

/// A unit as a reader knows it.
pub fn unit_name(unit: &str) -> &str {
    match unit {
        "ns/key" => "ns per key",
        "B/B" => "bytes per byte",
        "ns/op" => "ns per operation",
        "ns/pin" => "ns per pin",
        "ns/epoch" => "ns per epoch",
        "B/record" => "bytes per record",
        "x" => "factor",
        other => other,
    }
}

/// Why rows were skipped, each reason once.
pub fn reasons<'r>(records: impl Iterator<Item = &'r Record>) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for record in records {
        let Some(reason) = &record.skipped else {
            continue;
        };
        let row = format!("{} on {}: {reason}", label(&record.contestant), record.keys);
        find_or_push(&mut reasons, row, String::eq);
    }
    reasons
}

#[cfg(test)]
pub mod tests {
    use super::super::groups::GROUPS;
    use super::*;

    /// A record with a value and its ratio of 1.5.
    pub fn record(bench: &str, who: &str, keys: &str, value: f64, unit: &str) -> Record {
        let mut record = Record::skipped(bench, who, keys, 1, "");
        (record.skipped, record.value, record.ratio_to_floor) = (None, Some(value), Some(1.5));
        record.unit = unit.into();
        record
    }

    fn grids<'r>(group: &str, records: &'r [Record]) -> Vec<Grid<'r>> {
        let info = GROUPS.group.iter().find(|info| info.name == group).unwrap();
        Grid::of(info, records)
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
    fn the_best_comes_first_and_shares_its_place_where_the_spread_is_wide() {
        let mut records = vec![
            record("put/warm", "bumpalo", "user", 2.0, "ns/key"),
            record("put/warm", "floor", "user", 1.0, "ns/key"),
            record("put/warm", "ours", "user", 1.9, "ns/key"),
            record("put/cold", "ours", "fix16", 1.0, "ns/key"),
        ];
        for (record, ratio) in records.iter_mut().zip([1.2, 1.0, 1.1]) {
            record.ratio_to_floor = Some(ratio);
            record.quartiles = Some([ratio - 0.06, ratio + 0.06]);
        }
        records[1].quartiles = Some([1.0, 1.0]);
        let grids = grids("put", &records);
        assert_eq!(grids.len(), 2);
        let warm = &grids[0];
        let who: Vec<_> = warm.rows.iter().map(|row| (row.who, warm.place(row, warm.lead).unwrap())).collect();
        assert_eq!(who, [("floor", "1".into()), ("ours", "2~".into()), ("bumpalo", "2~".into())]);
        let words: Vec<_> = warm.rows.iter().map(|row| warm.words(row, warm.lead).unwrap()).collect();
        assert_eq!(words[1].spread, "±5.5%");
        assert_eq!(words.iter().map(|words| words.level).collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn sweeps_percentiles_and_loads_have_tables_of_their_own_kind() {
        let records = [
            record("scale/keys/100000", "ours", "fix16", 2.0, "ns/key"),
            record("scale/keys/1000000", "ours", "fix16", 2.1, "ns/key"),
            record("tail/warm-p50", "ours", "user", 9.0, "ns"),
            record("tail/warm-p90", "ours", "user", 20.0, "ns"),
            record("tail/warm-p99.9", "ours", "user", 40.0, "ns"),
            record("map/bytes", "arena-map", "user24", 170.0, "B/record"),
        ];
        assert_eq!(grids("scale", &records)[0].columns, ["100k", "1M"]);
        assert_eq!(grids("tail", &records)[0].columns, ["p50", "p99.9"]);
        let map = &grids("map", &records)[0];
        assert_eq!((&*map.title, &*map.columns[0]), ("map, keys user24", "bytes"));
        let [maps, arenas] = [0, 1].map(|at| Grid::overview(&GROUPS.overview[at], &records));
        assert_eq!((maps.rows.len(), arenas.rows.len()), (1, 0));
    }
}
