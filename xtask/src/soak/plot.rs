//! Values over time, drawn by hand: no plotting library, no script, no network.

use std::fmt::Write;

use crate::bench::svg::{escape, round_step};

/// One line.
pub struct Series {
    /// What it is.
    pub name: &'static str,
    /// The class that colours it.
    pub class: &'static str,
    /// Time and value.
    pub points: Vec<(f64, f64)>,
}

const LEFT: f64 = 52.0;
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 300.0;
const BOTTOM: f64 = 26.0;
/// No more points than can be told apart.
const MOST_POINTS: usize = 1200;

/// A picture of the series, from zero on in both directions.
pub fn lines(title: &str, unit: &str, series: &[Series]) -> String {
    let all = || series.iter().flat_map(|line| line.points.iter());
    let right = all().map(|point| point.0).fold(1.0, f64::max);
    let top = 1.05 * all().map(|point| point.1).fold(1.0, f64::max);
    let x = |time: f64| LEFT + time / right * WIDTH;
    let y = |value: f64| HEIGHT - value / top * (HEIGHT - 10.0);
    let (width, height) = (LEFT + WIDTH + 10.0, HEIGHT + BOTTOM);
    let title = escape(title);
    let mut svg = format!(
        r#"<svg viewBox="0 0 {width} {height}" role="img" aria-label="{title}"><title>{title}</title>"#
    );
    // Writing into a string cannot fail.
    for value in ticks(top) {
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" y1="{at:.1}" x2="{}" y2="{at:.1}"/><text class="label" x="{}" y="{:.1}">{value}</text>"#,
            LEFT + WIDTH,
            LEFT - 6.0,
            y(value) + 4.0,
            at = y(value),
        );
    }
    for time in ticks(right) {
        let _ = write!(
            svg,
            r#"<text class="tick" x="{:.1}" y="{}">{time} s</text>"#,
            x(time),
            height - 8.0
        );
    }
    for line in series {
        let mut path = String::new();
        for (time, value) in thinned(&line.points) {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", x(time), y(value));
        }
        let _ = write!(
            svg,
            r#"<path class="{}" d="{path}"><title>{}, {}</title></path>"#,
            line.class,
            escape(line.name),
            escape(unit)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Round values from zero to `end`.
fn ticks(end: f64) -> Vec<f64> {
    let step = round_step(end / 6.0);
    (0..)
        .map(|at| f64::from(at) * step)
        .take_while(|at| *at <= end)
        .collect()
}

/// The points, or the highest of each of as many groups as can be told apart.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let group = points.len().div_ceil(MOST_POINTS).max(1);
    let highest = |group: &[(f64, f64)]| group.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    points.chunks(group).filter_map(highest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_its_lines_and_nothing_harms_it() {
        for points in [
            vec![],
            vec![(0.0, 0.0)],
            (0..5000).map(|i| (f64::from(i), 7.0)).collect(),
        ] {
            let series = [Series {
                name: "a<b",
                class: "ours",
                points,
            }];
            let svg = lines("t", "MiB", &series);
            assert!(svg.contains("<path class=\"ours\"") && svg.ends_with("</svg>"));
            assert!(!svg.contains("NaN") && !svg.contains("a<b") && svg.len() < 40_000);
        }
    }

    #[test]
    fn the_peaks_survive_the_thinning() {
        let mut points: Vec<_> = (0..10_000).map(|at| (f64::from(at), 1.0)).collect();
        points[4321].1 = 9.0;
        assert!(thinned(&points).iter().any(|point| point.1 == 9.0));
        assert!(thinned(&points).len() <= MOST_POINTS);
    }
}
