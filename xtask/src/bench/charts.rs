//! What is drawn of a group, from its records.

use epoch_arena_bench_wire::{ROSTER, Record, Role, contestant};

use super::groups::{Columns, Headline, Info, step_of, usual_set};
use super::text::in_full;
use super::view::{Grid, count, digits, figure, label, rank, role, short, unit_name};
use crate::page::plot::{Chart, Kind, Point, Series};

/// The pictures of a group.
pub fn charts(info: &Info, records: &[Record]) -> Vec<Chart> {
    let mut charts = over_time(info, records);
    for grid in Grid::of(info, records) {
        let Some(first) = grid.rows.iter().flat_map(|row| row.cells.iter().flatten()).next() else {
            continue;
        };
        let is_sweep = step_of(first).is_some();
        if is_sweep {
            charts.push(sweep(info, &grid));
        } else if info.columns == Columns::Rest {
            // A table of different things: a picture of each.
            let has_line = |column: &str| charts.iter().any(|chart| !chart.aside && chart.title == info.kind(column));
            let parts: Vec<usize> =
                (0..grid.columns.len()).filter(|at| !has_line(&grid.columns[*at].replace(' ', "-"))).collect();
            charts.extend(parts.into_iter().map(|at| Chart {
                title: info.kind(&grid.columns[at].replace(' ', "-")),
                aside: grid.columns[at].starts_with("plateau"),
                ..bars(&grid, records, at, false)
            }));
        } else if info.columns == Columns::Detail && info.shown.is_empty() {
            charts.push(of_details(info, &grid));
        } else if info.columns == Columns::Keys {
            charts.push(Chart { title: title(info, &grid.title), ..bars(&grid, records, grid.lead, true) });
        }
    }
    charts.extend(percentiles(info, records));
    charts
}

/// `put/warm, 2 threads` as a reader knows it.
fn title(info: &Info, name: &str) -> String {
    let (bench, rest) = name.split_once(',').map_or((name, ""), |(bench, rest)| (bench, rest));
    let kind = info.kind(bench.strip_prefix(&info.name).unwrap_or(bench).trim_start_matches('/'));
    let crew = if rest.is_empty() { "" } else { "," };
    format!("{}, {kind}{crew}{rest}", info.title)
}

/// The value of the record that is its own reference: the floor's.
fn floor_of(records: &[Record], like: &Record) -> Option<f64> {
    let same = |record: &&Record| {
        (&record.bench, &record.keys, record.threads) == (&like.bench, &like.keys, like.threads)
            && contestant(&record.contestant).is_some_and(|one| one.role == Role::Floor)
            && record.ratio_to_floor == Some(1.0)
    };
    records.iter().find(same)?.value
}

/// A record's bar: its length is the ratio at the floor's speed. Contestants with processes of their own ran at another
/// moment of the machine, and only their ratio can stand beside the others'; the text tells the time as it was.
fn bar(grid: &Grid<'_>, records: &[Record], who: &str, record: &Record) -> Point {
    let ratio = record.ratio_to_floor.filter(|_| record.unit != "B/B");
    let floor = ratio.and_then(|_| floor_of(records, record));
    let (value, times) = figure(record);
    let spread = record.quartiles.map(|quartiles| quartiles.map(|end| end * floor.unwrap_or(1.0)));
    let row = grid.rows.iter().find(|row| row.who == who);
    Point {
        name: short(who),
        color: role(who).into(),
        y: ratio.zip(floor).map_or(record.value.unwrap_or_default(), |(ratio, floor)| ratio * floor),
        spread: spread.filter(|_| floor.is_some() || record.ratio_to_floor.is_none()),
        text: format!("{value} {times}").trim_end().to_owned(),
        hover: row.map_or_else(String::new, |row| in_full(grid, row, record)),
        ..Point::default()
    }
}

/// Bars of the contestants: of one column, or of all, the others for the reader to pick.
fn bars(grid: &Grid<'_>, records: &[Record], lead: usize, all: bool) -> Chart {
    let series = |at: usize| {
        let cells = grid.rows.iter().filter_map(|row| Some((row.who, row.cell(at)?)));
        let mut points: Vec<Point> = cells.map(|(who, record)| bar(grid, records, who, record)).collect();
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
        unit: format!("{}, {}{keys}", unit_name(unit), better(unit)),
        series: columns.into_iter().map(series).collect(),
        ..Chart::default()
    }
}

/// Kinds of counts of one contestant, and not contestants of one kind.
fn of_details(info: &Info, grid: &Grid<'_>) -> Chart {
    let cells = grid.rows.iter().flat_map(|row| grid.columns.iter().zip(&row.cells));
    let point = |(column, record): (&String, &Option<&Record>)| {
        let record = (*record)?;
        let text = digits(record.value?);
        Some(Point {
            name: column.clone(),
            color: role(&record.contestant).into(),
            y: record.value?,
            hover: text.clone(),
            text,
            ..Point::default()
        })
    };
    let series = Series { points: cells.filter_map(point).collect(), ..Series::default() };
    Chart {
        title: title(info, &grid.title),
        unit: unit_name(grid.unit).into(),
        series: vec![series],
        ..Chart::default()
    }
}

/// A line per contestant, the highest end first, as the legend stands beside them.
fn lines(rows: Vec<(&str, Vec<Point>)>) -> Vec<Series> {
    let mut series: Vec<Series> = rows
        .into_iter()
        .filter(|(_, points)| !points.is_empty())
        .map(|(who, mut points)| {
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            Series { name: short(who), color: color(who), hidden: false, points }
        })
        .collect();
    let end = |series: &Series| series.points.last().map_or(0.0, |point| point.y);
    series.sort_by(|a, b| end(b).total_cmp(&end(a)));
    series
}

/// The colour of a contestant's line: peers have one each.
fn color(who: &str) -> String {
    match role(who) {
        "peer" => {
            let peers = ROSTER.iter().filter(|one| one.role == Role::Peer);
            let at = peers.take_while(|one| one.id != who).count();
            format!("peer-{}", at % 8)
        }
        "ours" if who != "ours" && who != "sort-keys" => {
            let ours = ROSTER.iter().filter(|one| one.role == Role::Ours);
            format!("peer-{}", ours.take_while(|one| one.id != who).count() % 8)
        }
        other => other.into(),
    }
}

fn sweep(info: &Info, grid: &Grid<'_>) -> Chart {
    let row = |row: &super::view::Row<'_>| {
        let point = |record: &&Record| {
            let (value, ratio) = figure(record);
            let (x, y) = (step_of(record)?.1, record.value?);
            Some(Point { x, y, hover: format!("{}: {value} {ratio}", count(x)), ..Point::default() })
        };
        row.cells.iter().flatten().filter_map(point).collect()
    };
    let rows = grid.rows.iter().map(|one| (one.who, row(one))).collect();
    let grows = info.bench.iter().find(|bench| bench.title == grid.title).map(|bench| bench.grows.clone());
    let x = grows.or_else(|| info.sweeps.values().find(|(known, _)| *known == grid.title).map(|it| it.1.clone()));
    Chart {
        title: grid.title.clone(),
        unit: format!("{}, {}", unit_name(grid.unit), better(grid.unit)),
        kind: Kind::Lines { x: x.unwrap_or_default(), log: true, ticks: Vec::new() },
        series: lines(rows),
        aside: false,
    }
}

/// Which end of an axis is the good one.
fn better(unit: &str) -> &'static str {
    if unit.starts_with("fraction") || unit.ends_with("/s") { "higher is better" } else { "lower is better" }
}

/// Contestants, each with its records, in the order of the roster.
fn by_contestant<'r>(records: &[&'r Record]) -> Vec<(&'r str, Vec<&'r Record>)> {
    let mut found: Vec<(&str, Vec<&Record>)> = Vec::new();
    for record in records {
        match found.iter_mut().find(|(who, _)| *who == record.contestant) {
            Some((_, mine)) => mine.push(record),
            None => found.push((&record.contestant, vec![record])),
        }
    }
    found.sort_by_key(|(who, _)| rank(who));
    found
}

/// Percentiles that have a name on the axis.
const NAMED: [&str; 5] = ["p50", "p90", "p99", "p99.9", "p99.99"];

/// The place of a percentile: nines in equal steps. The maximum has none.
fn nines(name: &str) -> Option<f64> {
    let percent: f64 = name.strip_prefix('p')?.parse().ok()?;
    Some(-(1.0 - percent / 100.0).log10())
}

/// The distribution of single puts, a picture per memory and key set.
fn percentiles(info: &Info, records: &[Record]) -> Vec<Chart> {
    let split = |record: &Record| record.bench.split_once('-').map(|(bench, name)| (bench.to_owned(), name.to_owned()));
    let mine = records.iter().filter(|record| info.has(record) && record.value.is_some());
    let mine: Vec<&Record> = mine.filter(|record| split(record).is_some_and(|it| nines(&it.1).is_some())).collect();
    let mut pictures: Vec<(String, &str)> = Vec::new();
    for record in &mine {
        let picture = (split(record).unwrap_or_default().0, record.keys.as_str());
        if !pictures.contains(&picture) {
            pictures.push(picture);
        }
    }
    let usual = usual_set(records);
    let front = pictures.iter().map(|(_, keys)| *keys).find(|keys| *keys == usual).or(pictures.first().map(|it| it.1));
    let picture = |(bench, keys): &(String, &str)| {
        let of: Vec<&Record> = mine
            .iter()
            .copied()
            .filter(|record| record.keys == *keys && split(record).is_some_and(|it| it.0 == *bench))
            .collect();
        let point = |record: &Record| {
            let name = split(record)?.1;
            let (value, ratio) = figure(record);
            Some(Point {
                x: nines(&name)?,
                y: record.value?,
                hover: format!("{name}: {value} {ratio}"),
                ..Point::default()
            })
        };
        let rows = by_contestant(&of).into_iter();
        let ticks = NAMED.iter().filter_map(|name| Some((nines(name)?, (*name).to_owned()))).collect();
        Chart {
            title: info.kind(bench.strip_prefix(&info.name).unwrap_or(bench).trim_start_matches('/')),
            unit: format!("time of one put, lower is better; keys {keys}"),
            kind: Kind::Lines { x: "of the puts took no longer".into(), log: false, ticks },
            series: lines(rows.map(|(who, records)| (who, records.into_iter().filter_map(point).collect())).collect()),
            aside: Some(*keys) != front,
        }
    };
    pictures.iter().map(picture).collect()
}

/// Until so many epochs are live there is little to divide by, and the ratio says nothing.
const WINDOW: f64 = 8.0;

/// How a value went over a run, a picture per load.
fn over_time(info: &Info, records: &[Record]) -> Vec<Chart> {
    let mine: Vec<&Record> = records.iter().filter(|record| info.has(record) && record.series.is_some()).collect();
    let mut benches: Vec<&str> = mine.iter().map(|record| record.bench.as_str()).collect();
    benches.dedup();
    benches.sort_unstable();
    benches.dedup();
    let chart = |bench: &str| {
        let of: Vec<&Record> = mine.iter().copied().filter(|record| record.bench == bench).collect();
        let in_bytes = of[0].unit == "KiB";
        let points = |record: &Record| -> Vec<Point> {
            let Some(series) = &record.series else {
                return Vec::new();
            };
            let (least, part) = if in_bytes { (0.0, 1024.0) } else { (WINDOW, 1.0) };
            let values = series.values.iter().enumerate();
            values
                .map(|(at, value)| (((at + 1) * series.every) as f64, value / part))
                .filter(|(epoch, _)| *epoch >= least)
                .map(|(x, y)| Point { x, y, hover: format!("epoch {x}: {}", digits(y)), ..Point::default() })
                .collect()
        };
        let rest = bench.strip_prefix(&info.name).unwrap_or(bench).trim_start_matches('/');
        Chart {
            title: info.kind(rest.split('-').next().unwrap_or(rest)),
            unit: format!(
                "{}, lower is better",
                if in_bytes { "resident memory, MiB" } else { "resident bytes per live byte" }
            ),
            kind: Kind::Lines { x: "epochs".into(), log: false, ticks: Vec::new() },
            series: lines(
                by_contestant(&of)
                    .into_iter()
                    .map(|(who, records)| (who, records.into_iter().flat_map(points).collect()))
                    .collect(),
            ),
            aside: false,
        }
    };
    benches.into_iter().map(chart).collect()
}

/// The panels of a picture at the top; none if the run has not a figure of each.
pub fn headline(picture: &Headline, records: &[Record]) -> Vec<Chart> {
    let panel = |panel: &super::groups::Figure| {
        let rows: Vec<_> =
            picture.who.iter().filter_map(|who| Some((who.as_str(), panel.find(records, who)?))).collect();
        let unit = &rows.first()?.1.unit;
        let rows = rows.iter().map(|(who, record)| super::view::Row { who, cells: vec![Some(record)] }).collect();
        let grid = Grid { title: panel.title.clone(), unit, columns: vec![String::new()], lead: 0, rows };
        // In the order of the description in each panel, so that one row is one contestant.
        let cells = grid.rows.iter().filter_map(|row| Some((row.who, row.cell(0)?)));
        let points = cells.map(|(who, record)| bar(&grid, records, who, record)).collect();
        Some(Chart {
            title: panel.title.clone(),
            unit: format!("{}, {}", unit_name(unit), better(unit)),
            series: vec![Series { points, ..Series::default() }],
            ..Chart::default()
        })
    };
    let panels: Vec<Option<Chart>> = picture.panels.iter().map(panel).collect();
    panels.into_iter().collect::<Option<Vec<Chart>>>().unwrap_or_default()
}

/// Who is drawn anywhere: the names on pictures, for the reader to pick.
pub fn names(records: &[Record]) -> Vec<(String, String, &'static str)> {
    let shown = |id: &str| records.iter().any(|record| record.contestant == id && record.value.is_some());
    let shown = ROSTER.iter().filter(|one| shown(one.id));
    shown.map(|one| (short(one.id), label(one.id), role(one.id))).collect()
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
        let names: Vec<String> = ROSTER.iter().map(|one| short(one.id)).collect();
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
            record("shared/big-rmws", "ours", "fix16", 0.3, "per 1000 puts"),
            record("shared/big-stores", "ours", "fix16", 1000.0, "per 1000 puts"),
            record("ycsb/load", "skipmap-ours", "-", 300.0, "ns/op"),
        ];
        let put = &of("put", &records)[0];
        assert_eq!((put.title.as_str(), put.series.len()), ("Put, into warm memory", 2));
        assert!(!put.series[0].hidden && put.series[1].hidden);
        assert_eq!(put.series[0].points[0].name, "epoch-arena");
        let scale = &of("scale", &records)[0];
        assert!(matches!(&scale.kind, Kind::Lines { x, log: true, .. } if x == "keys in the epoch"));
        assert_eq!(of("tail", &records)[0].series[0].points.len(), 1);
        assert_eq!(of("shared", &records)[0].series[0].points.len(), 2);
        assert_eq!(of("ycsb", &records)[0].title, "Insert");
        assert!(headline(&GROUPS.headline[0], &records).is_empty());
    }
}
