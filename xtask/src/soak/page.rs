//! The page: memory over time, work over time, and the counts of operations.

use maud::html;

use super::MIB;
use super::run::{Line, Outcome};
use crate::page::plot::{Chart, Kind, Point, Series};

/// No more points than can be told apart.
const MOST_POINTS: usize = 1200;

/// The whole page; `again` is the command that makes it anew.
pub fn page(outcome: &Outcome, again: &str) -> String {
    let verdict = match outcome.failures.len() {
        0 => "Everything at once, at random; nothing was wrong.".to_owned(),
        count => format!("Everything at once, at random; wrong: {count}."),
    };
    let head = html! { p.lead { (verdict) } p { code { (again) } } };
    let body = html! {
        @for failure in &outcome.failures { p.caveat { strong { (failure) } } }
        section {
            h2 { "Memory" }
            p {
                "All memories together, and the whole process. Every few seconds all threads stop, all leases are dropped and all \
                 pools emptied: then nothing may be reserved."
            }
            (memory(outcome).figure())
        }
        section { h2 { "Work" } (work(outcome).figure()) }
        section {
            h2 { "Counts" }
            table { @for (name, value) in outcome.samples.last().iter().flat_map(|last| last.counts()) {
                tr { th { (name) } td { (value.to_string()) } }
            } }
        }
    };
    crate::page::page("soak", &head, &body)
}

fn memory(outcome: &Outcome) -> Chart {
    let series = |name: &str, of: &str, color: &str| {
        let point = |line: &Line| (line.get("seconds"), line.get(of) / MIB);
        line(name, color, &outcome.samples.iter().map(point).collect::<Vec<_>>(), "MiB")
    };
    chart(
        "Memory over time",
        "MiB",
        vec![
            series("resident, the whole process", "resident", "peer-0"),
            series("budget", "budget", "floor"),
            series("reserved", "reserved", "ours"),
            series("in use", "in_use", "peer-1"),
        ],
    )
}

fn work(outcome: &Outcome) -> Chart {
    let per_second = |name: &str, color: &str| {
        let pairs = outcome.samples.windows(2);
        let point = |pair: &[Line]| {
            let time = pair[1].get("seconds") - pair[0].get("seconds");
            let more = pair[1].get(name) - pair[0].get(name);
            (time > 0.0).then(|| (pair[1].get("seconds"), more / time / 1000.0))
        };
        line(name, color, &pairs.filter_map(point).collect::<Vec<_>>(), "thousand per second")
    };
    chart("Work over time", "thousands per second", vec![per_second("puts", "ours"), per_second("reads", "peer-0")])
}

fn chart(title: &str, unit: &str, series: Vec<Series>) -> Chart {
    let kind = Kind::Lines { x: "seconds".into(), log: false, ticks: Vec::new() };
    Chart { title: title.into(), unit: unit.into(), kind, series, aside: false }
}

/// The points, or the highest of each of as many groups as can be told apart.
fn line(name: &str, color: &str, points: &[(f64, f64)], unit: &str) -> Series {
    let group = points.len().div_ceil(MOST_POINTS).max(1);
    let highest = |group: &[(f64, f64)]| group.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    let points = points.chunks(group).filter_map(highest);
    let point = |(x, y): (f64, f64)| Point { x, y, hover: format!("{x:.0} s: {y:.1} {unit}"), ..Point::default() };
    Series { name: name.into(), color: color.into(), hidden: false, points: points.map(point).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peaks_survive_the_thinning() {
        let mut points: Vec<_> = (0..10_000).map(|at| (f64::from(at), 1.0)).collect();
        points[4321].1 = 9.0;
        let line = line("a", "ours", &points, "");
        assert!(line.points.iter().any(|point| point.y == 9.0) && line.points.len() <= MOST_POINTS);
    }
}
