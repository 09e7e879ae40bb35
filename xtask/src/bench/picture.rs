//! The README's picture: bars without a script, light and dark as the reader's system is.

use epoch_arena_bench_wire::Record;
use maud::{Markup, PreEscaped, html};

use super::charts::headline;
use super::groups::GROUPS;
use crate::page::plot::{Chart, Point};

/// A description, for those who do not see it.
pub const TEXT: &str = "Bars: epoch-arena beside other ways to keep keys";

const STYLE: &str = "text { font: 12px system-ui, sans-serif; fill: #1b2024 } .soft { fill: #5c666e; font-weight: 400 } .bold { font-weight: 600 }
.ours { fill: #b9470c } .floor { fill: #8d969c } .peer { fill: #7d9cb0 }
@media (prefers-color-scheme: dark) { text { fill: #e8e6e1 } .soft { fill: #a0a9b0 } .ours { fill: #ff9152 } .peer { fill: #557488 } }";
const TOP: f64 = 46.0;
const COLUMNS: usize = 2;
const COLUMN: f64 = 450.0;
const NAME: f64 = 190.0;
const BARS: f64 = 110.0;
const ROW: f64 = 20.0;

/// The pictures at the top of the page, one below the other; bars that would not fit are cut at six times the shortest of
/// this library's.
pub fn svg(records: &[Record]) -> Option<String> {
    let all = GROUPS.headline.iter().map(|picture| (picture, headline(picture, records)));
    let pictures: Vec<_> = all.filter(|(_, panels)| !panels.is_empty()).collect();
    let row = |panels: &[Chart]| 40.0 + ROW * panels.iter().map(|panel| points(panel).len()).max().unwrap_or(0) as f64;
    let height = |panels: &[Chart]| TOP + panels.len().div_ceil(COLUMNS) as f64 * row(panels);
    let tops = pictures.iter().scan(0.0, |top, (_, panels)| {
        *top += height(panels);
        Some(*top - height(panels))
    });
    let (width, bottom) = (COLUMNS as f64 * COLUMN, pictures.iter().map(|(_, panels)| height(panels)).sum::<f64>());
    let markup = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (width) " " (bottom) } width=(width) height=(bottom) role="img" aria-label=(TEXT) {
            style { (PreEscaped(STYLE)) }
            @for ((picture, panels), top) in pictures.iter().zip(tops) {
                text.bold x="0" y=(top + 16.0) { (picture.title) }
                text.soft x="0" y=(top + 34.0) { (picture.what) " Lower is better." }
                @for (at, panel) in panels.iter().enumerate() {
                    (bars(panel, (at % COLUMNS) as f64 * COLUMN, top + TOP + (at / COLUMNS) as f64 * row(panels)))
                }
            }
        }
    };
    (!pictures.is_empty()).then(|| markup.into_string())
}

/// What a panel counts, without how its axis is drawn: a column is narrow.
fn unit(panel: &Chart) -> &str {
    panel.unit.split(',').next().unwrap_or_default()
}

fn bars(panel: &Chart, left: f64, top: f64) -> Markup {
    let most = longest(points(panel));
    html! {
        text.bold x=(left) y=(top + 18.0) { (panel.title) " " tspan.soft { (unit(panel)) } }
        @for (at, point) in points(panel).iter().enumerate() {
            @let y = top + 28.0 + ROW * at as f64;
            @let width = (point.y / most).min(1.0) * BARS;
            text.soft x=(left + NAME - 8.0) y=(y + 12.0) text-anchor="end" { (point.name) }
            rect class=(point.color) x=(left + NAME) y=(y) width=(format!("{width:.1}")) height="15" rx="2" {}
            text x=(format!("{:.1}", left + NAME + width + 6.0)) y=(y + 12.0) { (point.text) @if point.y > most { " (cut)" } }
        }
    }
}

fn points(panel: &Chart) -> &[Point] {
    panel.series.first().map_or(&[], |series| &series.points)
}

fn longest(points: &[Point]) -> f64 {
    let ours = points.iter().filter(|point| point.color == "ours").map(|point| point.y).fold(f64::INFINITY, f64::min);
    let all = points.iter().map(|point| point.y).fold(0.0, f64::max);
    all.min(6.0 * ours).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::record;
    use super::*;

    #[test]
    fn a_bar_beyond_the_picture_is_cut_and_says_so() {
        assert!(svg(&[]).is_none());
        let mut records = Vec::new();
        for threads in [1, 2] {
            for (who, value) in [("floor", 2.0), ("ours", 2.2), ("box-system", 100.0)] {
                let mut one = record("put/warm", who, "user", value, "ns/key");
                (one.threads, one.ratio_to_floor) = (threads, Some(value / 2.0));
                records.push(one);
            }
        }
        let svg = svg(&records).unwrap();
        assert_eq!(svg.matches("(cut)").count(), 2, "{svg}");
        assert!(svg.starts_with("<svg") && svg.contains("All cores") && !svg.contains("NaN"));
    }
}
