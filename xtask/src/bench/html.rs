//! The page: self-contained, no script, light and dark as the reader's system is.

use std::fmt::Write;

use epoch_arena_bench_wire::{Group, ROSTER, Record, Role, contestant};

use super::machine::Machine;
use super::notes;
use super::svg::{Axis, Bar, bars, escape};
use super::table::{belongs, digits, label, with_unit};

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub fn page(groups: &[Group], records: &[Record], machine: &Machine) -> String {
    let mut html =
        String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    html.push_str(
        "<meta name=\"color-scheme\" content=\"light dark\"><title>epoch-arena: benchmark</title>",
    );
    let _ = write!(html, "<style>\n{STYLE}</style></head><body><main>");
    head(&mut html, machine);
    for group in groups {
        section(&mut html, *group, records);
    }
    skipped(&mut html, records);
    html.push_str("</main></body></html>\n");
    html
}

fn head(html: &mut String, machine: &Machine) {
    html.push_str(
        "<header><h1>epoch-arena <span>benchmark</span></h1><p class=\"lead\">Memory for keys that live and die by the \
         epoch, beside the physical floor and what people use today.</p>\
         <p class=\"legend\"><i class=\"ours\"></i>epoch-arena <i class=\"floor\"></i>floor: the least work that does it \
         <i class=\"peer\"></i>others</p><dl>",
    );
    for (name, value) in &machine.facts {
        let _ = write!(html, "<dt>{name}</dt><dd>{}</dd>", escape(value));
    }
    html.push_str(
        "</dl><details><summary>Method</summary><p>Contestants take turns in rounds, the floor among them. A value is \
         the median over the rounds; a ratio is taken within each round and the median of those is shown, so that a \
         slow moment of the machine hits both sides alike. Times differ from machine to machine and from run to run: \
         <strong>only ratios of one run count</strong>. Whatever leaves traces in a heap has processes of its own. \
         Bars are as long as the ratio says, on a scale that shows the floor's time; the text beside a bar is its own \
         median. Shorter is better throughout. Repeat it with <code>cargo xtask bench</code>; all details stand in \
         <code>docs/benchmarks.md</code>.</p></details></header>",
    );
}

fn section(html: &mut String, group: Group, records: &[Record]) {
    let charts = charts(group, records);
    if charts.is_empty() {
        return;
    }
    let _ = write!(
        html,
        "<section id=\"{group}\"><h2>{group}</h2><p>{}</p>",
        capital(notes::summary(group))
    );
    let mut heading = String::new();
    for chart in &charts {
        if chart.heading != heading {
            if !heading.is_empty() {
                html.push_str("</div>");
            }
            heading.clone_from(&chart.heading);
            let _ = write!(html, "<h3>{}</h3><div class=\"grid\">", escape(&heading));
        }
        let axis = if chart.axis == Axis::Log {
            ", log scale"
        } else {
            ""
        };
        let _ = write!(
            html,
            "<figure><figcaption>{} <small>{}{axis}</small></figcaption>{}</figure>",
            escape(&chart.title),
            escape(&chart.unit),
            bars(
                &format!("{heading}, {}", chart.title),
                &chart.bars,
                chart.axis
            )
        );
    }
    let _ = write!(
        html,
        "</div><p class=\"caveat\">{}</p></section>",
        notes::caveat(group)
    );
}

/// One picture: a measurement on one key set.
#[derive(Debug)]
struct Chart {
    heading: String,
    title: String,
    unit: String,
    axis: Axis,
    bars: Vec<Bar>,
}

fn charts(group: Group, records: &[Record]) -> Vec<Chart> {
    let mut charts: Vec<Chart> = Vec::new();
    for record in records.iter().filter(|record| belongs(group, record)) {
        let Some(value) = record.value else { continue };
        let (heading, title) = place(group, record);
        let bar = bar(record, value, floor_of(records, record));
        match charts
            .iter_mut()
            .find(|chart| chart.heading == heading && chart.title == title)
        {
            Some(chart) => chart.bars.push(bar),
            None => {
                let unit = record.unit.clone();
                charts.push(Chart {
                    heading,
                    title,
                    unit,
                    axis: Axis::Linear,
                    bars: vec![bar],
                });
            }
        }
    }
    // Charts of one heading side by side, headings in the order of first sight.
    let headings: Vec<String> = charts.iter().map(|chart| chart.heading.clone()).collect();
    charts.sort_by_key(|chart| {
        headings
            .iter()
            .position(|heading| *heading == chart.heading)
    });
    for chart in &mut charts {
        chart.bars.sort_by(|a, b| a.value.total_cmp(&b.value));
        chart.axis = axis(&chart.bars);
    }
    charts
}

/// By magnitude where one bar would leave nothing to see of the others.
fn axis(sorted: &[Bar]) -> Axis {
    match (sorted.first(), sorted.last()) {
        (Some(least), Some(most)) if most.value > 50.0 * least.value => Axis::Log,
        _ => Axis::Linear,
    }
}

/// The heading a record's chart stands under, and the chart's own title.
fn place(group: Group, record: &Record) -> (String, String) {
    let (bench, detail) = record.bench.split_once('-').unwrap_or((&record.bench, ""));
    let variant = bench.split('/').nth(1).unwrap_or(bench);
    match group {
        Group::Put if record.threads > 1 => (
            format!("{variant}, all {} cores", record.threads),
            record.keys.clone(),
        ),
        Group::Put => (format!("{variant}, one thread"), record.keys.clone()),
        Group::Tail => (format!("{variant}, {}", record.keys), detail.to_owned()),
        Group::Churn if detail.is_empty() => {
            ("resident bytes per live byte".into(), variant.to_owned())
        }
        Group::Churn => (
            "2,000 epochs at constant load".into(),
            detail.replace('-', " "),
        ),
        Group::Memory => (
            "resident bytes per payload byte".into(),
            record.keys.clone(),
        ),
        Group::Reclaim => ("10 million keys".into(), record.keys.clone()),
        Group::Resolve | Group::Scale | Group::Shared | Group::Sort | Group::Pin | Group::Ycsb => {
            (variant.to_owned(), record.keys.clone())
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
    let class = match contestant(&record.contestant).map(|one| one.role) {
        Some(Role::Ours) => "ours",
        Some(Role::Floor) => "floor",
        _ => "peer",
    };
    let ratio = record.ratio_to_floor.filter(|_| record.unit != "B/B");
    let length = ratio
        .zip(floor)
        .map_or(value, |(ratio, floor)| ratio * floor);
    let ratio = ratio.map_or_else(String::new, |ratio| format!("  {}x", digits(ratio)));
    Bar {
        label: label(&record.contestant),
        value: length,
        text: with_unit(value, &record.unit) + &ratio,
        class,
    }
}

/// What has no bar, and why.
fn skipped(html: &mut String, records: &[Record]) {
    let mut rows: Vec<(usize, String)> = Vec::new();
    for record in records {
        let Some(reason) = &record.skipped else {
            continue;
        };
        let rank = ROSTER
            .iter()
            .position(|one| one.id == record.contestant)
            .unwrap_or(ROSTER.len());
        let row = format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&label(&record.contestant)),
            escape(&record.bench),
            escape(&record.keys),
            escape(reason)
        );
        if !rows.iter().any(|(_, known)| *known == row) {
            rows.push((rank, row));
        }
    }
    if rows.is_empty() {
        return;
    }
    rows.sort_by_key(|(rank, _)| *rank);
    html.push_str(
        "<section id=\"skipped\"><h2>Skipped</h2><table><tr><th>contestant</th><th>bench</th>",
    );
    html.push_str("<th>keys</th><th>why</th></tr>");
    rows.iter().for_each(|(_, row)| html.push_str(row));
    html.push_str("</table></section>");
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().to_string());
    format!("{first}{}.", rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bench: &str, who: &str, value: f64) -> Record {
        let mut record = Record::skipped(bench, who, "user", 1, "");
        (record.skipped, record.value, record.unit) = (None, Some(value), "ns/key".into());
        record
    }

    #[test]
    fn the_page_is_whole_and_fetches_nothing() {
        let records = [
            record("put/warm", "ours", 2.0),
            Record::skipped("put/warm", "bumpalo", "user", 1, "a<b"),
        ];
        let html = page(&Group::ALL, &records, &Machine::default());
        assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
        for foreign in ["http://", "https://", "<script", "<link", "@import", "url("] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        assert!(html.contains("prefers-color-scheme") && html.contains("a&lt;b"));
    }

    #[test]
    fn shortest_bar_first_and_a_log_axis_only_where_it_is_needed() {
        let records = [
            record("put/warm", "bumpalo", 3.0),
            record("put/warm", "ours", 2.0),
        ];
        let drawn = charts(Group::Put, &records);
        assert_eq!(drawn[0].bars[0].class, "ours");
        assert_eq!(drawn[0].axis, Axis::Linear);
        let records = [
            record("reclaim/10M", "ours", 2.0),
            record("reclaim/10M", "box-system", 9000.0),
        ];
        assert_eq!(charts(Group::Reclaim, &records)[0].axis, Axis::Log);
    }
}
