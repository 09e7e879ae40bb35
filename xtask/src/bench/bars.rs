//! Horizontal bars in plain HTML: text keeps its size on a phone, and nothing needs a script.

use std::fmt::Write;

use super::scale::{Axis, Scale, tick};
use super::svg::escape;

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Whose it is.
    pub label: String,
    /// How long it is.
    pub value: f64,
    /// What stands at its end.
    pub text: String,
    /// Behind that, less loud.
    pub note: String,
    /// The class that colours it: `floor`, `ours` or `peer`.
    pub class: &'static str,
}

const MOST_TICKS: usize = 5;

/// A picture of the bars, in the order given.
pub fn bars(title: &str, unit: &str, bars: &[Bar], axis: Axis) -> String {
    let values: Vec<f64> = bars.iter().map(|bar| bar.value).collect();
    let scale = Scale::of_bars(&values, axis);
    let mut html = format!(
        "<div class=\"bars\" role=\"group\" aria-label=\"{}\">",
        escape(title)
    );
    for bar in bars {
        // Writing into a string cannot fail.
        let _ = write!(
            html,
            "<div class=\"row {}\"><span class=\"name\">{}</span>{}</div>",
            bar.class,
            escape(&bar.label),
            track(&scale, Some(bar))
        );
    }
    html.push_str(&axis_row(&[scale], unit));
    html.push_str("</div>");
    html
}

/// Two pictures side by side, a row for each contestant: `None` where one of the two has no bar. An axis ends at its
/// `cuts`; where these are the same, so are the axes.
pub fn paired(
    title: &str,
    unit: &str,
    heads: [&str; 2],
    rows: &[[Option<Bar>; 2]],
    cuts: [f64; 2],
) -> String {
    let most = |column: usize| {
        let values = rows.iter().filter_map(|pair| pair[column].as_ref());
        let most = values.map(|bar| bar.value).fold(0.0, f64::max);
        most.min(cuts[column])
    };
    let ends = match [most(0), most(1)] {
        [one, other] if cuts[0] == cuts[1] => [one.max(other); 2],
        different => different,
    };
    let scales = ends.map(|end| Scale::of_bars(&[end], Axis::Linear));
    let mut html = format!(
        "<div class=\"bars pair\" role=\"group\" aria-label=\"{}\">\
         <div class=\"row heads\"><span class=\"name\"></span><b>{}</b><b>{}</b></div>",
        escape(title),
        escape(heads[0]),
        escape(heads[1])
    );
    for pair in rows {
        let Some(any) = pair.iter().flatten().next() else {
            continue;
        };
        let _ = write!(
            html,
            "<div class=\"row {}\"><span class=\"name\">{}</span>{}{}</div>",
            any.class,
            escape(&any.label),
            track(&scales[0], pair[0].as_ref()),
            track(&scales[1], pair[1].as_ref())
        );
    }
    html.push_str(&axis_row(&scales, unit));
    html.push_str("</div>");
    html
}

fn track(scale: &Scale, bar: Option<&Bar>) -> String {
    let Some(bar) = bar else {
        return "<span class=\"track none\"><em>not measured</em></span>".into();
    };
    let part = scale.at(bar.value);
    // Longer than the axis: a bar that is cut off says so.
    let cut = if bar.value > scale.high() * 1.001 {
        " class=\"cut\""
    } else {
        ""
    };
    format!(
        "<span class=\"track\"><i{cut} style=\"--p:{part:.4}\"></i><em>{} <small>{}</small></em></span>",
        escape(&bar.text),
        escape(&bar.note)
    )
}

fn axis_row(scales: &[Scale], unit: &str) -> String {
    let mut axes = String::new();
    for scale in scales {
        axes.push_str("<span class=\"axis\">");
        let all = scale.ticks();
        // A narrow picture has room for so many.
        let stride = all.len().div_ceil(MOST_TICKS).max(1);
        for value in all.into_iter().step_by(stride) {
            let (place, name) = (scale.at(value), tick(value, unit));
            let _ = write!(axes, "<s style=\"--p:{place:.4}\">{name}</s>");
        }
        axes.push_str("</span>");
    }
    format!("<div class=\"row axes\" aria-hidden=\"true\"><span class=\"name\"></span>{axes}</div>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(value: f64) -> Bar {
        Bar {
            label: "a<b".into(),
            value,
            text: "t".into(),
            note: String::new(),
            class: "peer",
        }
    }

    #[test]
    fn nothing_and_nonsense_are_drawn_without_harm() {
        for axis in [Axis::Linear, Axis::Log] {
            for values in [&[][..], &[0.0], &[f64::NAN, 1.0], &[f64::INFINITY]] {
                let drawn: Vec<_> = values.iter().copied().map(bar).collect();
                let html = bars("t", "ns", &drawn, axis);
                assert!(
                    html.ends_with("</div>") && !html.contains("NaN") && !html.contains("a<b"),
                    "{html}"
                );
            }
        }
    }

    #[test]
    fn a_bar_beyond_the_axis_is_cut_and_a_missing_one_is_said_to_be() {
        let rows = [[Some(bar(1.0)), Some(bar(2.0))], [Some(bar(100.0)), None]];
        let html = paired("t", "ns", ["1", "2"], &rows, [5.0; 2]);
        assert_eq!(html.matches("class=\"cut\"").count(), 1);
        assert_eq!(html.matches("not measured").count(), 1);
    }
}
