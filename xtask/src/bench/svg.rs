//! Lines over an axis, drawn by hand: no plotting library, no script, no network.

use std::fmt::Write;

pub use super::scale::round_step;
use super::scale::{Axis, Scale, tick};

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose it is; stands at its end.
    pub label: String,
    /// The class that colours it: `floor`, `ours` or `peer`.
    pub class: &'static str,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// One axis with its ticks, and what it says of itself.
#[derive(Clone, Debug)]
pub struct Ruler {
    /// Where values stand.
    pub scale: Scale,
    /// Values and their names.
    pub ticks: Vec<(f64, String)>,
    /// Below the axis; of the upright one, nothing: its unit stands above the picture.
    pub name: String,
}

impl Ruler {
    /// With ticks at round values of `unit`.
    pub fn new(scale: Scale, unit: &str, name: &str) -> Self {
        let ticks = scale.ticks().into_iter();
        Self {
            ticks: ticks.map(|value| (value, tick(value, unit))).collect(),
            scale,
            name: name.to_owned(),
        }
    }

    /// The axis along which something grows, by orders of magnitude.
    pub fn growth(values: &[f64], name: &str) -> Self {
        let mut steps = values.to_vec();
        steps.retain(|step| step.is_finite());
        steps.sort_by(f64::total_cmp);
        steps.dedup();
        let (low, high) = match steps[..] {
            [low, .., high] => (low, high),
            _ => (1.0, 10.0),
        };
        let axis = if low > 0.0 && high >= 8.0 * low {
            Axis::Log
        } else {
            Axis::Linear
        };
        let mut ruler = Self::new(Scale::between(low, high, axis), "", name);
        // Where it was looked at is what the axis should say, if there is room.
        if (2..=8).contains(&steps.len()) {
            ruler.ticks = steps
                .into_iter()
                .map(|step| (step, tick(step, "")))
                .collect();
        }
        ruler
    }
}

const LEFT: f64 = 52.0;
const PLOT: f64 = 376.0;
const LABELS: f64 = 132.0;
const TOP: f64 = 8.0;
const HEIGHT: f64 = 250.0;
const BOTTOM: f64 = 40.0;
/// The least distance of two labels.
const LABEL: f64 = 13.5;

/// A picture of the lines; each has its name at its end.
pub fn lines(title: &str, lines: &[Line], x: &Ruler, y: &Ruler) -> String {
    let (width, height) = (LEFT + PLOT + LABELS, TOP + HEIGHT + BOTTOM);
    let title = escape(title);
    let mut svg = format!(
        r#"<svg class="lines" viewBox="0 0 {width} {height}" role="img" aria-label="{title}"><title>{title}</title>"#
    );
    rulers(&mut svg, x, y);
    let place = |point: &(f64, f64)| {
        (
            LEFT + x.scale.at(point.0) * PLOT,
            TOP + (1.0 - y.scale.at(point.1)) * HEIGHT,
        )
    };
    // Ours last, so that nothing lies on it.
    let mut order: Vec<&Line> = lines
        .iter()
        .filter(|line| !line.points.is_empty())
        .collect();
    order.sort_by_key(|line| line.class == "ours");
    for line in &order {
        let points: Vec<_> = line.points.iter().map(place).collect();
        stroke(&mut svg, line, &points);
    }
    let ends: Vec<f64> = order
        .iter()
        .map(|line| line.points.last().map_or(TOP, |point| place(point).1))
        .collect();
    let rights: Vec<f64> = order
        .iter()
        .map(|line| line.points.last().map_or(LEFT, |point| place(point).0))
        .collect();
    for ((line, (end, right)), label) in
        order.iter().zip(ends.iter().zip(&rights)).zip(apart(&ends))
    {
        // Writing into a string cannot fail.
        let _ = write!(
            svg,
            r#"<path class="lead" d="M{:.1} {end:.1}L{:.1} {label:.1}"/><text class="end {}" x="{:.1}" y="{:.1}">{}</text>"#,
            right + 3.0,
            LEFT + PLOT + 14.0,
            line.class,
            LEFT + PLOT + 17.0,
            label + 4.0,
            escape(&line.label)
        );
    }
    svg.push_str("</svg>");
    svg
}

fn rulers(svg: &mut String, x: &Ruler, y: &Ruler) {
    let bottom = TOP + HEIGHT;
    for (value, name) in &y.ticks {
        let at = TOP + (1.0 - y.scale.at(*value)) * HEIGHT;
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" y1="{at:.1}" x2="{:.1}" y2="{at:.1}"/><text class="label" x="{:.1}" y="{:.1}">{name}</text>"#,
            LEFT + PLOT,
            LEFT - 6.0,
            at + 4.0
        );
    }
    for (value, name) in &x.ticks {
        let at = LEFT + x.scale.at(*value) * PLOT;
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{at:.1}" y1="{TOP}" x2="{at:.1}" y2="{:.1}"/><text class="tick" x="{at:.1}" y="{:.1}">{name}</text>"#,
            bottom + 4.0,
            bottom + 16.0
        );
    }
    let _ = write!(
        svg,
        r#"<text class="tick" x="{:.1}" y="{:.1}">{}</text>"#,
        LEFT + PLOT / 2.0,
        bottom + 33.0,
        escape(&x.name)
    );
}

fn stroke(svg: &mut String, line: &Line, points: &[(f64, f64)]) {
    let mut path = String::new();
    for (x, y) in points {
        let letter = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{x:.1} {y:.1}");
    }
    let _ = write!(
        svg,
        r#"<path class="line {}" d="{path}"><title>{}</title></path>"#,
        line.class,
        escape(&line.label)
    );
    // Where there are few points, each is to be seen: between them is nothing but a ruler's work.
    if points.len() <= 8 {
        for (x, y) in points {
            let _ = write!(
                svg,
                r#"<circle class="{}" cx="{x:.1}" cy="{y:.1}" r="2.6"/>"#,
                line.class
            );
        }
    }
}

/// Places for labels that want to stand at `wanted`, none on another.
fn apart(wanted: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut placed = wanted.to_vec();
    let mut least = TOP + 2.0;
    for at in &order {
        placed[*at] = placed[*at].max(least);
        least = placed[*at] + LABEL;
    }
    let mut most = TOP + HEIGHT + 6.0;
    for at in order.iter().rev() {
        placed[*at] = placed[*at].min(most);
        most = placed[*at] - LABEL;
    }
    placed
}

/// Text as it may stand in HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: Vec<(f64, f64)>) -> Line {
        Line {
            label: "a<b".into(),
            class: "ours",
            points,
        }
    }

    #[test]
    fn nothing_and_nonsense_are_drawn_without_harm() {
        for points in [
            vec![],
            vec![(0.0, 0.0)],
            vec![(f64::NAN, 1.0)],
            vec![(1.0, f64::INFINITY)],
        ] {
            let xs: Vec<f64> = points.iter().map(|point| point.0).collect();
            let ys: Vec<f64> = points.iter().map(|point| point.1).collect();
            let y = Ruler::new(Scale::of_lines(&ys, Axis::Log), "ns", "");
            let svg = lines("t", &[line(points)], &Ruler::growth(&xs, "keys"), &y);
            assert!(
                svg.ends_with("</svg>") && !svg.contains("NaN") && !svg.contains("a<b"),
                "{svg}"
            );
        }
    }

    #[test]
    fn labels_stand_apart_and_within() {
        let placed = apart(&[100.0, 100.0, 101.0, 400.0, 0.0]);
        let mut sorted = placed.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(
            sorted.windows(2).all(|two| two[1] - two[0] >= LABEL - 1e-9),
            "{placed:?}"
        );
        assert!(sorted[0] >= TOP && sorted[4] <= TOP + HEIGHT + 6.0);
    }

    #[test]
    fn what_grows_a_hundredfold_grows_by_magnitude() {
        let ruler = Ruler::growth(&[1e5, 1e8], "keys");
        assert!((ruler.scale.at(1e7) - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(ruler.ticks.last().map(|tick| tick.1.as_str()), Some("100M"));
    }
}
