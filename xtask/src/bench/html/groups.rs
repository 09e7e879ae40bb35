//! A section per group of records: bars where things stand side by side, lines where something grows or goes on.

use std::fmt::Write;

use epoch_arena_bench_wire::{Record, Role, contestant};

use super::{class, curves};
use crate::bench::bars::{Bar, bars};
use crate::bench::figures::Figures;
use crate::bench::notes;
use crate::bench::scale::{Axis, fitting};
use crate::bench::svg::escape;
use crate::bench::table::{self, belongs, digits, label, with_unit};

/// A picture with what stands above it.
#[derive(Debug)]
pub struct Figure {
    /// Pictures of one heading stand side by side.
    pub heading: String,
    /// What it shows.
    pub title: String,
    /// Its unit, and whatever else there is to know about the axis.
    pub unit: String,
    /// The picture.
    pub picture: String,
    /// Whether the reader has to ask for it.
    pub aside: bool,
}

/// The section of a group.
pub fn section(html: &mut String, group: &str, records: &[Record]) {
    let mine: Vec<&Record> = records
        .iter()
        .filter(|record| belongs(group, record))
        .collect();
    let (sweeps, others): (Vec<&Record>, Vec<&Record>) = mine
        .into_iter()
        .partition(|record| table::step_of(record).is_some());
    let mut figures = match group {
        "tail" => curves::percentiles(&others, Figures(records).usual_set()),
        "churn" => curves::over_time(&others),
        _ => Vec::new(),
    };
    figures.extend(charts(group, records, &others));
    figures.extend(curves::sweeps(&sweeps));
    if figures.is_empty() {
        return;
    }
    let _ = write!(
        html,
        "<section id=\"{id}\"><h2>{}</h2><p>{}</p>",
        escape(notes::title(group)),
        start(notes::summary(group)) + ".",
        id = escape(group)
    );
    let (front, aside): (Vec<_>, Vec<_>) = figures.into_iter().partition(|figure| !figure.aside);
    grids(html, &front);
    if !notes::caveat(group).is_empty() {
        let _ = write!(html, "<p class=\"caveat\">{}</p>", notes::caveat(group));
    }
    if !aside.is_empty() {
        html.push_str("<details><summary>More of it</summary>");
        grids(html, &aside);
        html.push_str("</details>");
    }
    html.push_str("<details><summary>All figures of this group</summary>");
    for part in table::groups(records) {
        if part == group
            || part
                .strip_prefix(group)
                .is_some_and(|rest| rest.starts_with('/'))
        {
            let _ = write!(
                html,
                "<div class=\"scroll\">{}</div>",
                table::html(part, records)
            );
        }
    }
    html.push_str("</details></section>");
}

/// The pictures; those that share a heading with no other stand side by side and have it in their title.
fn grids(html: &mut String, figures: &[Figure]) {
    let mut by_heading: Vec<(&str, Vec<&Figure>)> = Vec::new();
    for figure in figures {
        match by_heading
            .iter_mut()
            .find(|(heading, _)| *heading == figure.heading)
        {
            Some((_, mine)) => mine.push(figure),
            None => by_heading.push((&figure.heading, vec![figure])),
        }
    }
    let (lone, shared): (Vec<_>, Vec<_>) = by_heading
        .into_iter()
        .partition(|(_, mine)| mine.len() == 1);
    let lone: Vec<&Figure> = lone.into_iter().flat_map(|(_, mine)| mine).collect();
    grid(html, &lone, |figure| match figure.heading.as_str() {
        "" => figure.title.clone(),
        heading if figure.title.is_empty() => start(heading),
        heading => format!("{}, {}", start(heading), figure.title),
    });
    for (heading, mine) in shared {
        if !heading.is_empty() {
            let _ = write!(html, "<h3>{}</h3>", escape(&start(heading)));
        }
        grid(html, &mine, |figure| start(&figure.title));
    }
}

fn grid(html: &mut String, figures: &[&Figure], title: impl Fn(&Figure) -> String) {
    if figures.is_empty() {
        return;
    }
    html.push_str("<div class=\"grid\">");
    for figure in figures {
        let _ = write!(
            html,
            "<figure><figcaption>{} <small>{}</small></figcaption>{}</figure>",
            escape(&title(figure)),
            escape(&figure.unit),
            figure.picture
        );
    }
    html.push_str("</div>");
}

/// Stands above the bars of what a line shows better.
const PLATEAU: &str = "2,000 epochs at constant load";

/// Bars of a measurement on one key set.
struct Chart {
    heading: String,
    title: String,
    unit: String,
    keys: String,
    bars: Vec<Bar>,
}

fn charts(group: &str, records: &[Record], mine: &[&Record]) -> Vec<Figure> {
    let mut charts: Vec<Chart> = Vec::new();
    for record in mine.iter().copied() {
        let Some(value) = record.value else { continue };
        // Of a distribution, bars show what has no place on the lines: the longest.
        if group == "tail" && !record.bench.ends_with("-max") {
            continue;
        }
        let (heading, title) = place(group, record);
        let bar = match group {
            // The longest put of a round is chance: that of the floor in the same round is another.
            "tail" => Bar {
                note: String::new(),
                ..bar(record, value, None)
            },
            // Kinds of writes of one contestant, and not contestants of one kind.
            "shared" => Bar {
                label: record
                    .bench
                    .split_once('-')
                    .map_or("", |kind| kind.1)
                    .replace('-', " "),
                text: digits(value),
                ..bar(record, value, None)
            },
            _ => bar(record, value, floor_of(records, record)),
        };
        let known = charts
            .iter_mut()
            .find(|chart| chart.heading == heading && chart.title == title);
        match known {
            Some(chart) => chart.bars.push(bar),
            None => charts.push(Chart {
                heading,
                title,
                unit: record.unit.clone(),
                keys: record.keys.clone(),
                bars: vec![bar],
            }),
        }
    }
    let usual = Figures(records).usual_set();
    let front = |chart: &Chart| {
        let has_usual = charts
            .iter()
            .any(|other| other.heading == chart.heading && other.keys == usual);
        // The picture at the top of the page has the warm puts of the usual set, and a line the plateau.
        let shown_above = chart.heading.starts_with("warm") || chart.heading == PLATEAU;
        (!has_usual || chart.keys == usual) && !shown_above
    };
    let aside: Vec<bool> = charts.iter().map(|chart| !front(chart)).collect();
    charts
        .into_iter()
        .zip(aside)
        .map(|(chart, aside)| drawn(chart, aside))
        .collect()
}

fn drawn(mut chart: Chart, aside: bool) -> Figure {
    chart.bars.sort_by(|a, b| a.value.total_cmp(&b.value));
    let values: Vec<f64> = chart.bars.iter().map(|bar| bar.value).collect();
    let axis = fitting(&values, 50.0);
    let log = if axis == Axis::Log { "; log axis" } else { "" };
    Figure {
        picture: bars(
            &format!("{}, {}", chart.heading, chart.title),
            &chart.unit,
            &chart.bars,
            axis,
        ),
        unit: format!("{}, {}{log}", unit_name(&chart.unit), better(&chart.unit)),
        heading: chart.heading,
        title: chart.title,
        aside,
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

/// Which end of an axis is the good one.
pub fn better(unit: &str) -> &'static str {
    if unit.starts_with("fraction") || unit.ends_with("/s") {
        "higher is better"
    } else {
        "lower is better"
    }
}

/// The heading a record's chart stands under, and the chart's own title.
fn place(group: &str, record: &Record) -> (String, String) {
    let bench = record.bench.strip_prefix(group).unwrap_or(&record.bench);
    let variant = bench.trim_start_matches(['/', '-']);
    let (load, detail) = variant.split_once('-').unwrap_or((variant, ""));
    let keys = match record.keys.as_str() {
        // Loads that make keys of their own are of no set.
        "-" => String::new(),
        set => set.to_owned(),
    };
    match group {
        "churn" if detail.is_empty() => (
            "Median over the epochs".into(),
            curves::load(&record.bench).0.into(),
        ),
        "churn" => (PLATEAU.into(), detail.replace('-', " ")),
        "tail" => (
            format!("keys {keys}"),
            format!("the longest put into {} memory", curves::kind(load)),
        ),
        "shared" if record.threads > 1 => (format!("{load} epochs"), "all cores".into()),
        "shared" => (format!("{load} epochs"), "one thread".into()),
        "memory" if variant == "epochs" => ("1,000 live epochs of one key".into(), "each".into()),
        "memory" => ("4 million keys".into(), keys),
        "reclaim" => ("10 million keys".into(), keys),
        _ => {
            let crew = match record.threads {
                0 => "",
                1 if group == "put" => ", one thread",
                1 => "",
                threads => &format!(", {threads} threads"),
            };
            let what = match variant {
                mix if group == "ycsb" && mix.len() == 1 => format!("mix {}", mix.to_uppercase()),
                other => other.replace(['-', '/'], " "),
            };
            (format!("{what}{crew}"), keys)
        }
    }
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
fn bar(record: &Record, value: f64, floor: Option<f64>) -> Bar {
    let ratio = record.ratio_to_floor.filter(|_| record.unit != "B/B");
    Bar {
        label: label(&record.contestant),
        value: ratio
            .zip(floor)
            .map_or(value, |(ratio, floor)| ratio * floor),
        text: with_unit(value, &record.unit),
        note: ratio.map_or_else(String::new, |ratio| format!("{}x", digits(ratio))),
        class: class(&record.contestant),
    }
}

/// With a capital letter.
fn start(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().to_string());
    first + rest.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bench: &str, who: &str, keys: &str, value: f64) -> Record {
        let mut record = Record::skipped(bench, who, keys, 1, "");
        (record.skipped, record.value, record.unit) = (None, Some(value), "ns/key".into());
        record
    }

    fn drawn_of(group: &str, records: &[Record]) -> Vec<Figure> {
        charts(group, records, &records.iter().collect::<Vec<_>>())
    }

    #[test]
    fn shortest_bar_first_and_a_log_axis_only_where_it_is_needed() {
        let records = [
            record("put/warm", "bumpalo", "user", 3.0),
            record("put/warm", "ours", "user", 2.0),
        ];
        let drawn = drawn_of("put", &records);
        let place = |text: &str| drawn[0].picture.find(text).unwrap();
        assert!(place("epoch-arena") < place("bumpalo"));
        assert!(!drawn[0].unit.contains("log"));
        let records = [
            record("reclaim/10M", "ours", "user", 2.0),
            record("reclaim/10M", "box-system", "user", 9000.0),
        ];
        assert!(drawn_of("reclaim", &records)[0].unit.contains("log axis"));
    }

    #[test]
    fn one_key_set_is_in_front_and_a_lone_one_always() {
        let mut records = vec![
            record("put/cold", "ours", "fix16", 3.0),
            record("put/cold", "ours", "user", 2.0),
            record("put/other", "ours", "fix16", 2.0),
            record("put/warm", "ours", "user", 2.0),
        ];
        let aside = |records: &[Record]| -> Vec<bool> {
            drawn_of("put", records)
                .iter()
                .map(|figure| figure.aside)
                .collect()
        };
        assert_eq!(aside(&records), [true, false, false, true]);
        records.remove(1);
        assert_eq!(aside(&records), [false, false, true]);
    }
}
