//! Tables for people who read text: on the terminal, 80 columns wide if nothing else is known, and in Markdown.

use std::fmt::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table};
use epoch_arena_bench_wire::Record;

use super::groups::{Info, usual_set};
use super::targets::{self, Judged};
use super::view::{Grid, Row, Words, digits, is_nanos, label, reasons, role, unit_name};

/// The width to write for.
pub fn width() -> usize {
    Table::new().width().map_or(80, usize::from).clamp(60, 160)
}

/// The meaning of the signs: once, below everything.
pub fn legend(records: &[Record]) -> String {
    format!(
        "x: times FLOOR, a bump and a copy, of the same round; of maps: SkipMap<Box>\n#: 1 + how many are ahead beyond the \
         spread, on {} or a table's first set\n~: level within the spread: in #, with another; at a figure, with \
         epoch-arena\n±: half of the quartiles' distance",
        usual_set(records)
    )
}

/// A group: its heading, its tables, and why something was skipped.
pub fn group(info: &Info, records: &[Record], width: usize) -> String {
    let mut text = format!("{}: {}\n", info.title.to_uppercase(), info.what);
    for mut grid in Grid::of(info, records) {
        for part in parts(&mut grid, width) {
            let _ = write!(text, "\n{part}\n");
        }
    }
    for reason in reasons(records.iter().filter(|record| info.has(record))) {
        let _ = write!(text, "\nSKIPPED {reason}");
    }
    text
}

/// The table, in as many parts as the width asks for, each ordered by a column that it shows.
fn parts(grid: &mut Grid<'_>, width: usize) -> Vec<String> {
    let names = grid.rows.iter().map(|row| label(row.who).chars().count());
    // The place and the name, with the space around them.
    let fixed = 5 + names.max().unwrap_or(0).min(34) + 2;
    let wide = |at: usize| {
        let most = grid.rows.iter().map(|row| cell(grid, row, at).chars().count()).max();
        most.unwrap_or(0).max(grid.columns[at].chars().count()) + 2
    };
    let (mut parts, mut taken) = (Vec::<Vec<usize>>::new(), 0);
    for at in 0..grid.columns.len() {
        match parts.last_mut().filter(|_| taken + wide(at) <= width) {
            Some(part) => part.push(at),
            None => {
                parts.push(vec![at]);
                taken = fixed;
            }
        }
        taken += wide(at);
    }
    let usual = grid.lead;
    let part = |part: &Vec<usize>| {
        grid.order_by(if part.contains(&usual) { usual } else { part[0] });
        table(grid, part, width)
    };
    parts.iter().map(part).collect()
}

fn table(grid: &Grid<'_>, columns: &[usize], width: usize) -> String {
    let mut table = plain(width);
    // The title has a line of its own, so that it does not widen the column of the names.
    let head = ["#", ""].into_iter().chain(columns.iter().map(|at| grid.columns[*at].as_str()));
    table.set_header(head.map(|text| Cell::new(text).add_attribute(Attribute::Dim)));
    for row in &grid.rows {
        let names = [grid.place(row, grid.lead).unwrap_or_default(), label(row.who)];
        let cells = names.into_iter().chain(columns.iter().map(|at| cell(grid, row, *at))).map(Cell::new);
        let ours = role(row.who) == "ours";
        table.add_row(cells.map(|cell| if ours { cell.fg(Color::Yellow) } else { cell }));
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if at != 1 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{}, {}\n{}", grid.title, unit_name(grid.unit), trimmed(&table.to_string()))
}

fn plain(width: usize) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(80));
    table
}

fn trimmed(table: &str) -> String {
    table.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A value, without the unit that stands above it, its ratio and its spread.
fn cell(grid: &Grid<'_>, row: &Row<'_>, column: usize) -> String {
    let Some(Words { value, ratio, spread, level }) = grid.words(row, column) else { return String::new() };
    let usual = if is_nanos(grid.unit) { " ns" } else { " B" };
    let value = value.strip_suffix(usual).unwrap_or(&value);
    let level = if level { "~" } else { "" };
    [value, &ratio, &spread, level].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The targets that the run says something about.
pub fn targets(judged: &[Judged], width: usize) -> String {
    if judged.is_empty() {
        return String::new();
    }
    let mut table = plain(width);
    for Judged { row: [id, what, limit, figure, verdict], .. } in judged {
        table.add_row([id, verdict, &format!("{what}: {limit}"), figure]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    format!("TARGETS: {}\n\n{}\n", targets::summary(judged), trimmed(&table.to_string()))
}

/// A table in Markdown.
pub fn markdown(grid: &Grid<'_>) -> String {
    let mut text = format!("| | {} |\n|---|{}\n", grid.columns.join(" | "), "---:|".repeat(grid.columns.len()));
    for row in &grid.rows {
        let name = escape(&label(row.who));
        let name = if role(row.who) == "ours" { format!("**{name}**") } else { name };
        let cell = |at| grid.words(row, at).map_or_else(String::new, |words| words.short());
        let cells: Vec<String> = (0..grid.columns.len()).map(cell).collect();
        // Writing into a string cannot fail.
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text
}

/// The text of a hover: the figure, its spread and its place.
pub fn in_full(grid: &Grid<'_>, row: &Row<'_>, column: usize) -> String {
    let Some((record, words)) = row.cell(column).zip(grid.words(row, column)) else { return String::new() };
    let mut text = words.short();
    if let Some([low, high]) = record.quartiles {
        let _ = write!(text, "<br>half of {} rounds: {} to {}", record.rounds, digits(low), digits(high));
    }
    let _ = write!(text, "<br>place {}", grid.place(row, column).unwrap_or_default());
    text
}

/// Text as it may stand in a cell.
pub fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::super::groups::GROUPS;
    use super::super::view::tests::record;
    use super::*;

    #[test]
    fn eighty_columns_are_enough_however_many_there_are() {
        let sets = ["fix16", "user", "paths", "words", "mine", "yours"];
        let who = ["floor", "ours-pin-each", "box-system-shuffled", "naive-shared"];
        let mut records = Vec::new();
        for (at, set) in sets.iter().enumerate() {
            records.extend(who.map(|who| record("put/warm", who, set, 263.0 * (at + 1) as f64, "ns/key")));
        }
        records.push(Record::skipped("put/warm", "bumpalo", "words", 0, "no word list"));
        let info = GROUPS.group.iter().find(|info| info.name == "put").unwrap();
        let text = group(info, &records, 80);
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest.is_some_and(|longest| longest <= 80), "{text}");
        assert!(text.contains("SKIPPED bumpalo, per thread on words: no word list"), "{text}");
        for part in ["263 1.50x", "epoch-arena, pin per key", "yours", "Put, into warm memory, ns per key"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn each_part_of_a_narrow_table_is_ordered_by_what_it_shows() {
        let times = [("ours", [1.0, 2.0]), ("bumpalo", [2.0, 1.0])];
        let records = times.iter().flat_map(|(who, ratios)| {
            ["user", "paths"].iter().zip(ratios).map(|(set, ratio)| Record {
                ratio_to_floor: Some(*ratio),
                quartiles: Some([*ratio, *ratio]),
                ..record("put/warm", who, set, *ratio, "ns/key")
            })
        });
        let records: Vec<_> = records.collect();
        let info = GROUPS.group.iter().find(|info| info.name == "put").unwrap();
        let text = group(info, &records, 60);
        let first = text.lines().filter(|line| line.trim_start().starts_with("1 "));
        let first: Vec<_> = first.map(|line| line.contains("bumpalo")).collect();
        assert_eq!(first, [false, true], "{text}");
    }

    #[test]
    fn a_table_in_markdown_has_as_many_cells_in_each_row() {
        let records =
            [record("put/warm", "ours", "user", 2.0, "ns/key"), record("memory/rss", "ours", "user", 1.01, "B/B")];
        let text = markdown(&Grid::overview(&GROUPS.overview[1], &records));
        assert!(
            text.contains("| **epoch-arena, pin per 64** | 2.00 ns (1.50x) |") && text.contains("| 1.010 |"),
            "{text}"
        );
        let bars = |line: &str| line.matches('|').count();
        assert!(text.lines().all(|line| Some(bars(line)) == text.lines().next().map(bars)), "{text}");
    }
}
