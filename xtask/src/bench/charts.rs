//! The charts of a group, from its records.

use epoch_arena_bench_wire::{ROSTER, Record};

use super::groups::{Columns, Figure, Headline, Info, step_of, usual_set};
use super::text::in_full;
use super::view::{Grid, MAIN, Row, Words, count, digits, find_or_push, label, rank, role, unit_name};
use crate::page::plot::{Chart, Kind, Point, Series};

/// The pictures of a group.
pub fn charts(info: &Info, records: &[Record]) -> Vec<Chart> {
    let mut charts = lines(info, records);
    for (nth, grid) in Grid::of(info, records).iter().filter(|grid| !grid.is_sweep()).enumerate() {
        match info.columns {
            Columns::Keys => charts.push(bars(grid, grid.lead, true)),
            Columns::Detail => {}
            // A table of different things: a picture of each, but for those that a line shows better.
            Columns::Rest => {
                // The first table's pictures are shown, those of more threads and other keys are behind them.
                let rest = grid.title.strip_prefix(&info.name).unwrap_or_default();
                let kind = |at: usize| info.kind(&grid.columns[at].replace(' ', "-")) + rest;
                let drawn: Vec<String> = charts.iter().map(|chart| chart.title.clone()).collect();
                let others = (0..grid.columns.len()).filter(|at| !drawn.contains(&kind(*at)));
                charts.extend(others.map(|at| Chart {
                    title: kind(at),
                    aside: grid.columns[at].starts_with("plateau") || nth > 0,
                    ..bars(grid, at, false)
                }));
            }
        }
    }
    charts
}

/// A figure's bar: as long as the ratio, as contestants with processes of their own ran at another moment of the machine;
/// the text tells the time as it was.
fn bar(grid: &Grid<'_>, row: &Row<'_>, column: usize) -> Option<Point> {
    let record = row.cell(column)?;
    Some(Point {
        name: label(row.who),
        color: role(row.who).into(),
        y: record.compared()?,
        spread: record.quartiles,
        text: grid.words(row, column)?.short(),
        hover: in_full(grid, row, column),
        ..Point::default()
    })
}

/// The caption of an axis.
fn caption(unit: &str, bars_of: Option<&Record>) -> String {
    let better = if unit.starts_with("fraction") { "higher" } else { "lower" };
    let ratio = bars_of.and_then(|record| record.ratio_to_floor).map_or("", |_| "; bars by the ratio");
    format!("{}, {better} is better{ratio}", unit_name(unit))
}

/// Bars of the contestants: of one column, or of all, the others for the reader to pick.
fn bars(grid: &Grid<'_>, lead: usize, all: bool) -> Chart {
    let series = |at: usize| {
        let mut points: Vec<Point> = grid.rows.iter().filter_map(|row| bar(grid, row, at)).collect();
        points.sort_by(|a, b| a.y.total_cmp(&b.y));
        Series { name: grid.columns[at].clone(), hidden: at != lead, points, ..Series::default() }
    };
    let mut columns: Vec<usize> = (0..grid.columns.len()).filter(|at| all || *at == lead).collect();
    columns.sort_by_key(|at| *at != lead);
    let cell = grid.rows.iter().find_map(|row| row.cell(lead));
    let unit = cell.map_or(grid.unit, |record| &record.unit);
    let keys = if all { format!("; keys {}", grid.columns[lead]) } else { String::new() };
    Chart {
        title: grid.title.clone(),
        unit: caption(unit, cell) + &keys,
        series: columns.into_iter().map(series).collect(),
        ..Chart::default()
    }
}

/// The colour of a contestant's line: this library's main way stands out, the others have one each.
fn color(who: &str) -> String {
    match role(who) {
        "floor" => "floor".into(),
        "ours" if MAIN.contains(&who) => "ours".into(),
        // Its variants have the two that no peer on the same picture has.
        "ours" => format!("peer-{}", 4 + rank(who) % 2 * 2),
        _ => format!("peer-{}", rank(who) % 13),
    }
}

/// Percentiles that have a name on the axis.
const NAMED: [&str; 5] = ["p50", "p90", "p99", "p99.9", "p99.99"];

/// The place of a percentile: nines in equal steps. The maximum has none.
fn nines(name: &str) -> Option<f64> {
    let percent: f64 = name.strip_prefix('p')?.parse().ok()?;
    Some(-(1.0 - percent / 100.0).log10())
}

/// Until so many epochs are live there is little to divide by, and the ratio says nothing.
const WINDOW: f64 = 8.0;

/// The charts with lines: sweeps, distributions, and how a value went over a run; a line per contestant, the highest end
/// first, as the legend stands beside them.
fn lines(info: &Info, records: &[Record]) -> Vec<Chart> {
    let mine = || records.iter().filter(|record| info.has(record) && record.value.is_some());
    let keys = || mine().map(|record| record.keys.as_str());
    let front = keys().find(|keys| *keys == usual_set(records)).or(keys().next());
    let mut charts: Vec<Chart> = Vec::new();
    for record in mine() {
        let Some((mut picture, mut points)) = picture(info, record) else { continue };
        picture.aside = info.columns == Columns::Detail && Some(&*record.keys) != front && step_of(record).is_none();
        let at = find_or_push(&mut charts, picture, |a, b| (&a.title, &a.unit) == (&b.title, &b.unit));
        let series = &mut charts[at].series;
        let new = Series { name: label(&record.contestant), color: color(&record.contestant), ..Series::default() };
        let at = find_or_push(series, new, |a, b| a.name == b.name);
        series[at].points.append(&mut points);
    }
    for chart in &mut charts {
        chart.series.iter_mut().for_each(|series| series.points.sort_by(|a, b| a.x.total_cmp(&b.x)));
        let end = |series: &Series| series.points.last().map_or(0.0, |point| point.y);
        chart.series.sort_by(|a, b| end(b).total_cmp(&end(a)));
    }
    charts
}

/// The picture that a record is a part of, without lines, and the points that it gives; none if it is for bars.
fn picture(info: &Info, record: &Record) -> Option<(Chart, Vec<Point>)> {
    let keys = if record.keys == "-" { String::new() } else { format!("; keys {}", record.keys) };
    let chart = |title, unit: &str, x: &str, log, ticks| {
        let (unit, kind) = (format!("{unit}{keys}"), Kind::Lines { x: x.into(), log, ticks });
        Chart { title, unit, kind, ..Chart::default() }
    };
    let words = Words::of(record);
    let in_full = |at: &str| format!("{at}: {} {}", words.short(), words.spread);
    let rest = record.bench.strip_prefix(&info.name).unwrap_or(&record.bench).trim_start_matches('/');
    let (bench, detail) = rest.split_once('-').unwrap_or((rest, ""));
    if let Some((axis, x)) = step_of(record) {
        let (title, grows) = info.sweep(axis);
        let point = Point { x, y: record.value?, hover: in_full(&count(x)), ..Point::default() };
        return Some((chart(title, &caption(&record.unit, None), &grows, true, Vec::new()), vec![point]));
    }
    if let Some(series) = &record.series {
        let (what, least, part) = match record.unit.as_str() {
            "KiB" => ("resident memory, MiB", 0.0, 1024.0),
            _ => ("resident bytes per live byte", WINDOW, 1.0),
        };
        let values = series.values.iter().enumerate().map(|(at, y)| (((at + 1) * series.every) as f64, y / part));
        let point = |(x, y)| Point { x, y, hover: format!("epoch {x}: {}", digits(y)), ..Point::default() };
        let points = values.filter(|(epoch, _)| *epoch >= least).map(point).collect();
        return Some((
            chart(info.kind(bench), &format!("{what}, lower is better"), "epochs", false, Vec::new()),
            points,
        ));
    }
    let point = Point { x: nines(detail)?, y: record.value?, hover: in_full(detail), ..Point::default() };
    let ticks = NAMED.iter().filter_map(|name| Some((nines(name)?, (*name).to_owned()))).collect();
    let unit = "time of one put, lower is better";
    Some((chart(info.kind(bench), unit, "of the puts took no longer", false, ticks), vec![point]))
}

/// The panels of a picture at the top; none if the run has not a figure of each.
pub fn headline(picture: &Headline, records: &[Record]) -> Vec<Chart> {
    let panel = |panel: &Figure| {
        let rows: Vec<_> =
            picture.who.iter().filter_map(|who| Some((who.as_str(), panel.find(records, who)?))).collect();
        let unit = &rows.first()?.1.unit;
        let rows = rows.iter().map(|(who, record)| Row { who, cells: vec![Some(record)] }).collect();
        let grid = Grid { title: panel.title.clone(), unit, columns: vec![String::new()], lead: 0, rows };
        // In the order of the description in each panel, so that one row is one contestant.
        let points = grid.rows.iter().filter_map(|row| bar(&grid, row, 0)).collect();
        Some(Chart {
            title: panel.title.clone(),
            unit: caption(unit, grid.rows[0].cell(0)),
            series: vec![Series { points, ..Series::default() }],
            ..Chart::default()
        })
    };
    picture.panels.iter().map(panel).collect::<Option<Vec<Chart>>>().unwrap_or_default()
}

/// Who is drawn anywhere, for the reader to pick.
pub fn names(records: &[Record]) -> impl Iterator<Item = &'static str> {
    let shown = |id: &&str| records.iter().any(|record| record.contestant == *id && record.value.is_some());
    ROSTER.iter().map(|one| one.id).filter(shown)
}

#[cfg(test)]
mod tests {
    use super::super::groups::GROUPS;
    use super::super::view::tests::record;
    use super::*;

    fn of(group: &str, records: &[Record]) -> Vec<Chart> {
        charts(GROUPS.group.iter().find(|info| info.name == group).unwrap(), records)
    }

    #[test]
    fn nines_stand_in_equal_steps() {
        let places = ["p90", "p99", "p99.9", "p99.99"].map(|name| nines(name).unwrap());
        for (place, expected) in places.iter().zip([1.0, 2.0, 3.0, 4.0]) {
            assert!((place - expected).abs() < 1e-9, "{place}");
        }
        assert!(nines("max").is_none() && nines("resident").is_none());
    }

    #[test]
    fn names_on_pictures_are_short_and_differ() {
        let names: Vec<String> = ROSTER.iter().map(|one| label(one.id)).collect();
        for (at, name) in names.iter().enumerate() {
            assert!(name.chars().count() <= 34, "{name}");
            assert!(!names[at + 1..].contains(name), "{name} is there twice");
        }
    }

    #[test]
    fn each_kind_of_group_has_its_kind_of_picture() {
        let records = [
            record("put/warm", "bumpalo", "user", 3.0, "ns/key"),
            record("put/warm", "ours", "user", 2.0, "ns/key"),
            record("put/warm", "ours", "fix16", 2.0, "ns/key"),
            record("scale/keys/1000", "ours", "fix16", 2.0, "ns/key"),
            record("scale/keys/100000", "ours", "fix16", 2.0, "ns/key"),
            record("tail/warm-p50", "ours", "user", 9.0, "ns"),
            record("tail/warm-max", "ours", "user", 900.0, "ns"),
            record("map/a", "arena-map", "user24", 300.0, "ns/op"),
        ];
        let put = &of("put", &records)[0];
        assert_eq!((put.title.as_str(), put.series.len()), ("Put, into warm memory", 2));
        assert!(!put.series[0].hidden && put.series[1].hidden);
        assert_eq!(put.series[0].points[0].name, "epoch-arena, pin per 64");
        let scale = &of("scale", &records)[0];
        assert!(matches!(&scale.kind, Kind::Lines { x, log: true, .. } if x == "keys in the epoch"));
        assert_eq!(of("tail", &records)[0].series[0].points.len(), 1);
        assert_eq!(of("map", &records)[0].title, "YCSB A: half reads, half updates, keys user24");
        assert!(headline(&GROUPS.headline[0], &records).is_empty());
    }
}
