//! Pictures: bars where things stand side by side, lines where something grows or goes on. They are drawn by plotly, in the
//! browser; `page.js` adds the colours of the page, and the layout by its width.

use maud::{Markup, PreEscaped, html};
use plotly::common::{ErrorData, ErrorType, Line, Marker, Mode, Orientation, Visible};
use plotly::layout::{Axis, AxisType};
use plotly::{Bar, Layout, Plot, Scatter};

/// A picture.
#[derive(Debug, Default)]
pub struct Chart {
    /// Its caption.
    pub title: String,
    /// Its unit, and whatever else there is to know about the axis.
    pub unit: String,
    /// Bars, or lines.
    pub kind: Kind,
    /// The marks.
    pub series: Vec<Series>,
    /// Whether the reader has to ask for it.
    pub aside: bool,
}

/// Bars, or lines.
#[derive(Debug, Default)]
pub enum Kind {
    /// A bar per point, by its name.
    #[default]
    Bars,
    /// Points by a quantity that grows.
    Lines {
        /// The quantity.
        x: String,
        /// Whether it grows by factors.
        log: bool,
        /// Marks of an axis that is not one of numbers.
        ticks: Vec<(f64, String)>,
    },
}

/// Points that belong together.
#[derive(Debug, Default)]
pub struct Series {
    /// Whose they are.
    pub name: String,
    /// The name of its colour, as in `page.css`.
    pub color: String,
    /// Whether it is there before the reader picks it.
    pub hidden: bool,
    /// The points.
    pub points: Vec<Point>,
}

/// A bar, or a point of a line.
#[derive(Debug, Default)]
pub struct Point {
    /// Of a bar: whose it is.
    pub name: String,
    /// Of a bar: the name of its colour.
    pub color: String,
    /// Of a line: the grown quantity at this point.
    pub x: f64,
    /// The value.
    pub y: f64,
    /// Where half of the rounds lie.
    pub spread: Option<[f64; 2]>,
    /// The text beside a bar.
    pub text: String,
    /// The text of a hover.
    pub hover: String,
}

impl Chart {
    /// Whether its values are too far apart for a linear axis.
    pub fn is_log(&self) -> bool {
        let values = || self.series.iter().filter(|series| !series.hidden).flat_map(|series| &series.points);
        let positive = || values().map(|point| point.y).filter(|value| *value > 0.0);
        let most = match self.kind {
            Kind::Bars => 30.0,
            Kind::Lines { .. } => 12.0,
        };
        let (low, high) = (positive().fold(f64::INFINITY, f64::min), positive().fold(0.0, f64::max));
        values().all(|point| point.y > 0.0) && high / low > most
    }

    /// The picture and its heading.
    pub fn figure(&self) -> Markup {
        let log = if self.is_log() { "; log axis" } else { "" };
        let (kind, rows) = match self.kind {
            Kind::Bars => ("bars", self.series.iter().map(|series| series.points.len()).max()),
            Kind::Lines { .. } => ("lines", None),
        };
        // In JSON, `<` can stand in texts only, and there it may be written as its number.
        let json = self.plot().to_json().replace('<', "\\u003c");
        html! {
            figure {
                figcaption { (self.title) " " small { (self.unit) (log) } }
                div.chart data-kind=(kind) data-rows=[rows] role="img" aria-label=(self.title) {
                    script type="application/json" { (PreEscaped(json)) }
                }
            }
        }
    }

    fn plot(&self) -> Plot {
        let mut plot = Plot::new();
        for series in self.series.iter().filter(|series| !series.points.is_empty()) {
            match self.kind {
                Kind::Bars => plot.add_trace(series.bars()),
                Kind::Lines { .. } => plot.add_trace(series.line()),
            }
        }
        let kind = |log| if log { AxisType::Log } else { AxisType::Linear };
        let values = Axis::new().type_(kind(self.is_log()));
        plot.set_layout(match &self.kind {
            Kind::Bars => Layout::new().x_axis(values).y_axis(Axis::new().type_(AxisType::Category)),
            Kind::Lines { x, log, ticks } => {
                let (at, text): (Vec<f64>, Vec<String>) = ticks.iter().cloned().unzip();
                let axis = Axis::new().type_(kind(*log)).title(x.as_str());
                let axis = if at.is_empty() { axis } else { axis.tick_values(at).tick_text(text) };
                Layout::new().x_axis(axis).y_axis(values)
            }
        });
        plot
    }
}

impl Series {
    fn of<T>(&self, what: impl Fn(&Point) -> T) -> Vec<T> {
        self.points.iter().map(what).collect()
    }

    fn visible(&self) -> Visible {
        if self.hidden { Visible::LegendOnly } else { Visible::True }
    }

    fn bars(&self) -> Box<Bar<f64, String>> {
        let error = |end: usize| self.of(|point| point.spread.map_or(0.0, |spread| (spread[end] - point.y).abs()));
        let spread = ErrorData::new(ErrorType::Data).array(error(1)).array_minus(error(0)).symmetric(false);
        let bars = Bar::new(self.of(|point| point.y), self.of(|point| point.name.clone()))
            .name(&self.name)
            .orientation(Orientation::Horizontal)
            .marker(Marker::new().color_array(self.of(|point| format!("--{}", point.color))))
            .text_array(self.of(|point| point.text.clone()))
            .hover_text_array(self.of(|point| point.hover.clone()))
            .visible(self.visible());
        if self.points.iter().any(|point| point.spread.is_some()) { bars.error_x(spread) } else { bars }
    }

    fn line(&self) -> Box<Scatter<f64, f64>> {
        let few = self.points.len() < 40;
        let color = format!("--{}", self.color);
        let width = if self.color == "ours" { 3.0 } else { 1.6 };
        Scatter::new(self.of(|point| point.x), self.of(|point| point.y))
            .name(&self.name)
            .mode(if few { Mode::LinesMarkers } else { Mode::Lines })
            .marker(Marker::new().color(color.clone()).size(6))
            .line(Line::new().color(color).width(width))
            .hover_text_array(self.of(|point| point.hover.clone()))
            .visible(self.visible())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: &[f64]) -> Chart {
        let point = |value: &f64| Point { name: "a</script>".into(), y: *value, ..Point::default() };
        let series = Series { name: "s".into(), points: values.iter().map(point).collect(), ..Series::default() };
        Chart { title: "t<u".into(), series: vec![series], ..Chart::default() }
    }

    #[test]
    fn a_log_axis_is_there_only_where_it_is_needed() {
        assert!(!chart(&[1.0, 9.0]).is_log() && !chart(&[0.0, 900.0]).is_log() && !chart(&[]).is_log());
        assert!(chart(&[1.0, 900.0]).is_log());
    }

    #[test]
    fn names_cannot_end_the_script_that_they_stand_in() {
        let text = chart(&[1.0, 2.0]).figure().into_string();
        assert_eq!(text.matches("</script>").count(), 1, "{text}");
        assert!(text.contains("t&lt;u") && text.contains("data-rows=\"2\""), "{text}");
    }
}
