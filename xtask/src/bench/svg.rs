//! Horizontal bars, drawn by hand: no plotting library, no script, no network.

use std::fmt::Write;

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Whose it is.
    pub label: String,
    /// How long it is.
    pub value: f64,
    /// What stands at its end.
    pub text: String,
    /// The class that colours it: `floor`, `ours` or `peer`.
    pub class: &'static str,
}

/// How lengths follow from values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// From zero, in proportion.
    Linear,
    /// By orders of magnitude, for values that span several.
    Log,
}

const LABELS: f64 = 214.0;
const BARS: f64 = 300.0;
const VALUES: f64 = 126.0;
const ROW: f64 = 24.0;
const AXIS: f64 = 22.0;

/// A picture of the bars, in the order given.
pub fn bars(title: &str, bars: &[Bar], axis: Axis) -> String {
    let width = LABELS + BARS + VALUES;
    let height = ROW * bars.len() as f64 + AXIS;
    let scale = Scale::over(bars, axis);
    let mut svg = String::new();
    // Writing into a string cannot fail.
    let _ = write!(
        svg,
        r#"<svg viewBox="0 0 {width} {height}" role="img" aria-label="{}"><title>{}</title>"#,
        escape(title),
        escape(title)
    );
    for (at, name) in scale.ticks() {
        let x = LABELS + at * BARS;
        let bottom = height - AXIS + 4.0;
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{x:.1}" y1="0" x2="{x:.1}" y2="{bottom}"/>"#
        );
        let _ = write!(
            svg,
            r#"<text class="tick" x="{x:.1}" y="{:.1}">{name}</text>"#,
            height - 5.0
        );
    }
    for (row, bar) in bars.iter().enumerate() {
        let top = row as f64 * ROW;
        let middle = top + ROW / 2.0 + 4.0;
        let length = (scale.at(bar.value) * BARS).max(2.0);
        let _ = write!(
            svg,
            r#"<text class="label {class}" x="{lx}" y="{middle}">{label}</text><rect class="{class}" x="{LABELS}" y="{y}" width="{length:.1}" height="{h}" rx="2"/><text class="value" x="{vx:.1}" y="{middle}">{text}</text>"#,
            class = bar.class,
            lx = LABELS - 8.0,
            label = escape(&bar.label),
            y = top + 4.0,
            h = ROW - 8.0,
            vx = LABELS + length + 6.0,
            text = escape(&bar.text),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// From a value to a part of the width.
struct Scale {
    axis: Axis,
    low: f64,
    high: f64,
}

impl Scale {
    fn over(bars: &[Bar], axis: Axis) -> Self {
        let values = || {
            bars.iter()
                .map(|bar| bar.value)
                .filter(|value| value.is_finite() && *value > 0.0)
        };
        let high = values().fold(f64::MIN_POSITIVE, f64::max);
        match axis {
            Axis::Linear => Self {
                axis,
                low: 0.0,
                high,
            },
            Axis::Log => {
                // A decade below the least, so that its bar can be seen too.
                let low = 10_f64.powf(values().fold(high, f64::min).log10().floor() - 1.0);
                Self {
                    axis,
                    low,
                    high: 10_f64.powf(high.log10().ceil()).max(low * 10.0),
                }
            }
        }
    }

    fn at(&self, value: f64) -> f64 {
        let part = match self.axis {
            Axis::Linear => value / self.high,
            Axis::Log => (value / self.low).log10() / (self.high / self.low).log10(),
        };
        if part.is_finite() {
            part.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// Round values along the axis, with their place.
    fn ticks(&self) -> Vec<(f64, String)> {
        let values: Vec<f64> = match self.axis {
            Axis::Linear => {
                let step = round_step(self.high / 4.0);
                (0..=(self.high / step) as u32)
                    .map(|count| f64::from(count) * step)
                    .collect()
            }
            Axis::Log => {
                let (first, last) = (
                    self.low.log10().round() as i32,
                    self.high.log10().round() as i32,
                );
                // Every decade, or every other one where they would crowd.
                let stride = if last - first > 6 { 2 } else { 1 };
                (first..=last)
                    .step_by(stride)
                    .map(|decade| 10_f64.powi(decade))
                    .collect()
            }
        };
        values
            .into_iter()
            .map(|value| (self.at(value), number(value)))
            .collect()
    }
}

/// The next of 1, 2, 5, 10, 20, ... from `rough` on.
pub fn round_step(rough: f64) -> f64 {
    let decade = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * decade)
        .find(|step| *step >= rough)
        .unwrap_or(rough)
}

fn number(value: f64) -> String {
    match value {
        big if big >= 1e6 => format!("{}M", big / 1e6),
        big if big >= 1e4 => format!("{}k", big / 1e3),
        // Sums of a step gather dust in the last digits.
        small => format!("{}", (small * 1e6).round() / 1e6),
    }
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

    fn bar(value: f64) -> Bar {
        Bar {
            label: "a<b".into(),
            value,
            text: "t".into(),
            class: "peer",
        }
    }

    #[test]
    fn linear_bars_are_in_proportion() {
        let scale = Scale::over(&[bar(1.0), bar(4.0)], Axis::Linear);
        assert_eq!(
            (scale.at(1.0), scale.at(4.0), scale.at(0.0)),
            (0.25, 1.0, 0.0)
        );
    }

    #[test]
    fn log_bars_are_by_magnitude_and_the_least_is_seen() {
        let scale = Scale::over(&[bar(1.0), bar(1000.0)], Axis::Log);
        assert!((scale.at(1.0) - 0.25).abs() < 1e-9);
        assert!((scale.at(1000.0) - 1.0).abs() < 1e-9);
        assert_eq!(scale.at(0.0), 0.0);
    }

    #[test]
    fn nothing_and_nonsense_are_drawn_without_harm() {
        for axis in [Axis::Linear, Axis::Log] {
            for values in [&[][..], &[0.0], &[f64::NAN, 1.0], &[f64::INFINITY]] {
                let svg = bars(
                    "t",
                    &values.iter().copied().map(bar).collect::<Vec<_>>(),
                    axis,
                );
                assert!(
                    svg.ends_with("</svg>") && !svg.contains("NaN") && !svg.contains("a<b"),
                    "{svg}"
                );
            }
        }
    }

    #[test]
    fn steps_are_round() {
        assert_eq!(
            [0.3, 1.2, 3.0, 7.0, 26.0].map(round_step),
            [0.5, 2.0, 5.0, 10.0, 50.0]
        );
    }
}
