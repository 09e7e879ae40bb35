//! Lines: the distribution of puts, what happens while something grows, memory over the epochs.

use epoch_arena_bench_wire::{ROSTER, Record};

use super::class;
use super::groups::{Figure, better, unit_name};
use crate::bench::scale::{Axis, Scale, fitting};
use crate::bench::svg::{Line, Ruler, lines};
use crate::bench::table::{label, step_of};

/// Names that fit the end of a line.
pub fn short(id: &str) -> String {
    let full = label(id);
    if id.starts_with("box-") {
        return full
            .replace(" malloc", "")
            .replace(", shuffled frees", " shuffled");
    }
    match id {
        "ours" => "epoch-arena".into(),
        "ours-4k" => "4 KiB pages".into(),
        "ours-prefault" => "prefaulted".into(),
        "raw-slice" => "raw &[u8]".into(),
        "defer-destroy" => "defer_destroy".into(),
        "floor-4k" => "FLOOR, 4 KiB pages".into(),
        "floor" => "FLOOR".into(),
        "floor1" => "FLOOR1".into(),
        _ => full
            .replace("epoch-arena, ", "")
            .replace("-allocator", "")
            .replace(", per thread", "")
            .replace(", shared", ""),
    }
}

/// The records by contestant, in the order of the roster; who is not on it comes last.
fn by_contestant<'r>(records: &[&'r Record]) -> Vec<(&'r str, Vec<&'r Record>)> {
    let mut found: Vec<(&str, Vec<&Record>)> = Vec::new();
    for record in records {
        match found.iter_mut().find(|(who, _)| *who == record.contestant) {
            Some((_, mine)) => mine.push(record),
            None => found.push((&record.contestant, vec![record])),
        }
    }
    let rank = |id: &str| ROSTER.iter().position(|one| one.id == id);
    found.sort_by_key(|(who, _)| rank(who).unwrap_or(ROSTER.len()));
    found
}

fn line(who: &str, points: Vec<(f64, f64)>) -> Line {
    Line {
        label: short(who),
        class: class(who),
        points,
    }
}

fn ys(drawn: &[Line]) -> Vec<f64> {
    let points = drawn.iter().flat_map(|line| &line.points);
    points.map(|point| point.1).collect()
}

/// What the records have in common, each once, in the order of first sight.
fn distinct<'r>(records: &[&'r Record], of: impl Fn(&'r Record) -> String) -> Vec<String> {
    let mut found = Vec::new();
    for record in records {
        let name = of(record);
        if !found.contains(&name) {
            found.push(name);
        }
    }
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
pub fn percentiles(records: &[&Record], usual: &str) -> Vec<Figure> {
    let memory = |record: &Record| {
        record
            .bench
            .split('-')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let sets = distinct(records, |record| record.keys.clone());
    let front = sets.iter().find(|set| *set == usual).or(sets.first());
    let mut figures = Vec::new();
    for set in &sets {
        for bench in distinct(records, memory) {
            let mine = records.iter().copied();
            let mine: Vec<&Record> = mine
                .filter(|record| record.keys == *set && memory(record) == bench)
                .collect();
            figures.extend(distribution(&bench, set, &mine).map(|figure| Figure {
                aside: Some(set) != front,
                ..figure
            }));
        }
    }
    figures
}

fn distribution(bench: &str, set: &str, records: &[&Record]) -> Option<Figure> {
    let point = |record: &Record| {
        let (_, percentile) = record.bench.split_once('-')?;
        Some((nines(percentile)?, record.value?))
    };
    let drawn = drawn(records, point);
    if drawn.is_empty() {
        return None;
    }
    let place = |name: &str| Some((nines(name)?, name.to_owned()));
    let last = nines("p99.99").unwrap_or(4.0);
    let x = Ruler {
        scale: Scale::between(0.25, last, Axis::Linear),
        ticks: NAMED.iter().copied().filter_map(place).collect(),
        name: "of the puts took no longer".into(),
    };
    let y = Ruler::new(Scale::of_lines(&ys(&drawn), Axis::Log), "ns", "");
    let title = format!("A put into {} memory", kind(bench));
    Some(Figure {
        heading: format!("keys {set}"),
        picture: lines(&format!("{title}, {set}"), &drawn, &x, &y),
        title,
        unit: "time of one put, lower is better; log axis".into(),
        aside: false,
    })
}

/// What memory the puts of a bench went into.
pub fn kind(bench: &str) -> &str {
    match bench.strip_prefix("tail/").unwrap_or(bench) {
        "prefault" => "prepared",
        other => other,
    }
}

/// A line per contestant, through the points that its records give.
fn drawn(records: &[&Record], point: impl Fn(&Record) -> Option<(f64, f64)>) -> Vec<Line> {
    let line = |(who, mine): (&str, Vec<&Record>)| {
        let mut points: Vec<_> = mine.into_iter().filter_map(&point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        line(who, points)
    };
    let lines = by_contestant(records).into_iter().map(line);
    lines.filter(|line| !line.points.is_empty()).collect()
}

/// A picture per sweep: what a thing costs while another grows.
pub fn sweeps(records: &[&Record]) -> Vec<Figure> {
    let axis_of = |record: &Record| step_of(record).map_or("", |(axis, _)| axis).to_owned();
    let mut figures = Vec::new();
    for axis in distinct(records, axis_of) {
        let of_axis: Vec<&Record> = records
            .iter()
            .copied()
            .filter(|record| axis_of(record) == axis)
            .collect();
        for set in distinct(&of_axis, |record| record.keys.clone()) {
            let mine: Vec<&Record> = of_axis
                .iter()
                .copied()
                .filter(|record| record.keys == set)
                .collect();
            let drawn = drawn(&mine, |record| Some((step_of(record)?.1, record.value?)));
            if let Some(figure) = sweep(&axis, &set, &mine, &drawn) {
                figures.push(figure);
            }
        }
    }
    figures
}

fn sweep(axis: &str, set: &str, records: &[&Record], drawn: &[Line]) -> Option<Figure> {
    let unit = &records.first()?.unit;
    let xs: Vec<f64> = drawn
        .iter()
        .flat_map(|line| &line.points)
        .map(|point| point.0)
        .collect();
    let values = ys(drawn);
    // Of a fraction the whole is the point.
    let fitting = match better(unit) {
        "higher is better" => Axis::Linear,
        _ => fitting(&values, 12.0),
    };
    let y = Ruler::new(Scale::of_lines(&values, fitting), unit, "");
    let name = axis.strip_prefix("scale/").unwrap_or(axis);
    let (title, what) = names(name);
    let log = if fitting == Axis::Log {
        "; log axes"
    } else {
        ""
    };
    let keys = if set == "-" {
        String::new()
    } else {
        format!("; keys {set}")
    };
    Some(Figure {
        heading: String::new(),
        picture: lines(&title, drawn, &Ruler::growth(&xs, &what), &y),
        title,
        unit: format!("{}, {}{log}{keys}", unit_name(unit), better(unit)),
        aside: false,
    })
}

/// Title of a sweep, and what grows along it.
fn names(sweep: &str) -> (String, String) {
    if let Some(rest) = sweep.strip_prefix("shared/model") {
        let epochs = if rest.is_empty() { "big" } else { "small" };
        return (
            format!("Model of many cores, {epochs} epochs"),
            "cores".into(),
        );
    }
    let (what, of) = sweep.split_once('-').unwrap_or((sweep, "put"));
    let grows = match what {
        "keys" | "advance" => "keys in the epoch",
        "epochs" => "live epochs",
        "threads" => "threads",
        "length" => "bytes per key",
        other => other,
    };
    let of = match (what, of) {
        ("advance", _) => "Retire and reclaim",
        (_, "put") => "Put",
        (_, "resolve") => "Resolve",
        (_, "advance") => "Advance, put one key",
        (_, other) => other,
    };
    (format!("{of}, by {grows}"), grows.to_owned())
}

/// Until so many epochs are live there is little to divide by, and the ratio says nothing.
const WINDOW: f64 = 8.0;
const MIB: f64 = 1024.0;

/// Memory over the epochs, a picture per load.
pub fn over_time(records: &[&Record]) -> Vec<Figure> {
    let with_series = records
        .iter()
        .copied()
        .filter(|record| record.series.is_some());
    let with_series: Vec<&Record> = with_series.collect();
    let load = |bench: String| {
        let mine = with_series
            .iter()
            .copied()
            .filter(|record| record.bench == bench);
        memory(&bench, &mine.collect::<Vec<_>>())
    };
    let benches = distinct(&with_series, |record| record.bench.clone());
    benches.into_iter().filter_map(load).collect()
}

fn memory(bench: &str, records: &[&Record]) -> Option<Figure> {
    let is_ratio = records.first()?.unit == "B/B";
    let drawn: Vec<Line> = by_contestant(records)
        .into_iter()
        .map(|(who, mine)| {
            line(
                who,
                mine.iter().flat_map(|record| over_epochs(record)).collect(),
            )
        })
        .collect();
    let values = ys(&drawn);
    let last = drawn
        .iter()
        .flat_map(|line| &line.points)
        .map(|point| point.0)
        .fold(1.0, f64::max);
    let (fitting, first) = if is_ratio {
        (fitting(&values, 4.0), WINDOW)
    } else {
        (fitting(&values, 12.0), 0.0)
    };
    let scale = if is_ratio {
        // From the least that it can be: one byte for one byte.
        let least = values.iter().copied().fold(1.0, f64::min);
        let most = values.iter().copied().fold(1.1, f64::max);
        Scale::between(least * 0.98, most * 1.03, fitting)
    } else {
        Scale::of_lines(&values, fitting)
    };
    let unit = if is_ratio { "" } else { "MiB" };
    let x = Ruler::new(Scale::between(first, last, Axis::Linear), "", "epochs");
    let (title, what) = load(bench);
    let log = match fitting {
        Axis::Log => "; log axis",
        Axis::Linear if is_ratio => "; the axis begins at one",
        Axis::Linear => "",
    };
    Some(Figure {
        heading: "Over time".into(),
        picture: lines(title, &drawn, &x, &Ruler::new(scale, unit, "")),
        title: title.into(),
        unit: format!("{what}, lower is better{log}"),
        aside: false,
    })
}

/// A record's series as points: of a ratio those with a full window, of KiB in MiB.
fn over_epochs(record: &Record) -> Vec<(f64, f64)> {
    let Some(series) = &record.series else {
        return Vec::new();
    };
    let (least, part) = if record.unit == "KiB" {
        (0.0, MIB)
    } else {
        (WINDOW, 1.0)
    };
    let points = series.values.iter().enumerate();
    points
        .map(|(at, value)| (((at + 1) * series.every) as f64, value / part))
        .filter(|(epoch, _)| *epoch >= least)
        .collect()
}

/// What a load is, and in what it is drawn.
pub fn load(bench: &str) -> (&'static str, &'static str) {
    match bench {
        "churn/mixed" => ("Keys of mixed lengths", "resident bytes per live byte"),
        "churn/shift" => (
            "Keys that grow with the epochs",
            "resident bytes per live byte",
        ),
        "churn/pinned" => (
            "Epochs that leave survivors",
            "resident bytes per live byte",
        ),
        _ => ("Constant load, 2,000 epochs", "resident memory, MiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nines_stand_in_equal_steps() {
        let places = ["p90", "p99", "p99.9", "p99.99"].map(|name| nines(name).unwrap());
        for (place, expected) in places.iter().zip([1.0, 2.0, 3.0, 4.0]) {
            assert!((place - expected).abs() < 1e-9, "{place}");
        }
        assert!(nines("max").is_none() && nines("resident").is_none());
    }

    #[test]
    fn names_at_the_end_of_a_line_are_short_and_differ() {
        use epoch_arena_bench_wire::Group::{Churn, Tail};
        let drawn = ROSTER
            .iter()
            .filter(|one| [Churn, Tail].iter().any(|group| one.groups.contains(group)));
        let names: Vec<String> = drawn.map(|one| short(one.id)).collect();
        for (at, name) in names.iter().enumerate() {
            assert!(name.len() <= 22, "{name}");
            assert!(!names[at + 1..].contains(name), "{name} is there twice");
        }
    }
}
