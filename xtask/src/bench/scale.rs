//! From values to places on an axis, and round values along it.

use super::table::is_nanos;

/// How places follow from values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// In proportion.
    Linear,
    /// By orders of magnitude, for values that span several.
    Log,
}

/// One axis.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    axis: Axis,
    low: f64,
    high: f64,
}

impl Scale {
    /// For bars: from zero, or a decade below the least so that its bar can be seen too.
    pub fn of_bars(values: &[f64], axis: Axis) -> Self {
        let (least, most) = range(values);
        match axis {
            Axis::Linear => Self {
                axis,
                low: 0.0,
                high: most,
            },
            Axis::Log => {
                let low = 10_f64.powf(least.log10().floor() - 1.0);
                let high = 10_f64.powf(most.log10().ceil()).max(low * 10.0);
                Self { axis, low, high }
            }
        }
    }

    /// For lines: from zero with a little air on top, or from the least to the most.
    pub fn of_lines(values: &[f64], axis: Axis) -> Self {
        let (least, most) = range(values);
        match axis {
            Axis::Linear => Self {
                axis,
                low: 0.0,
                high: most * 1.08,
            },
            Axis::Log => Self {
                axis,
                low: least / 1.2,
                high: most * 1.2,
            },
        }
    }

    /// From `low` to `high`.
    pub fn between(low: f64, high: f64, axis: Axis) -> Self {
        Self {
            axis,
            low,
            high: if high > low { high } else { low + 1.0 },
        }
    }

    /// The part of the width at which `value` stands.
    pub fn at(&self, value: f64) -> f64 {
        let part = match self.axis {
            Axis::Linear => (value - self.low) / (self.high - self.low),
            Axis::Log => (value / self.low).log10() / (self.high / self.low).log10(),
        };
        if part.is_finite() {
            part.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// Where it ends.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// Round values along the axis.
    pub fn ticks(&self) -> Vec<f64> {
        if self.axis == Axis::Linear {
            let step = round_step((self.high - self.low) / 5.0);
            let first = (self.low / step).ceil() as i64;
            let all = (first..).map(|count| count as f64 * step);
            return all.take_while(|tick| *tick <= self.high).take(20).collect();
        }
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let span = (self.high / self.low).log10();
        // Where there are few decades, steps between them; where there are many, not each.
        let factors: &[f64] = match span {
            short if short < 1.6 => &[1.0, 2.0, 5.0],
            middling if middling < 3.2 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let stride = if span > 6.5 { 2 } else { 1 };
        let all = decades.step_by(stride).flat_map(|decade| {
            factors
                .iter()
                .map(move |factor| factor * 10_f64.powi(decade))
        });
        let dust = 1e-9;
        all.filter(|tick| (self.low * (1.0 - dust)..=self.high * (1.0 + dust)).contains(tick))
            .collect()
    }
}

/// By magnitude where a linear axis would leave nothing to see of the least.
pub fn fitting(values: &[f64], beyond: f64) -> Axis {
    let (least, most) = range(values);
    if most > beyond * least {
        Axis::Log
    } else {
        Axis::Linear
    }
}

/// The least and the most of what can be drawn.
fn range(values: &[f64]) -> (f64, f64) {
    let good = || {
        values
            .iter()
            .copied()
            .filter(|value| value.is_finite() && *value > 0.0)
    };
    let most = good().fold(0.0, f64::max);
    if most == 0.0 {
        return (1.0, 1.0);
    }
    (good().fold(most, f64::min), most)
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

/// A round value as an axis says it.
pub fn tick(value: f64, unit: &str) -> String {
    let (value, unit) = match unit {
        ns if is_nanos(ns) && value >= 1e6 => (value / 1e6, " ms"),
        ns if is_nanos(ns) && value >= 1e3 => (value / 1e3, " us"),
        ns if is_nanos(ns) => (value, " ns"),
        "us" if value >= 1e6 => (value / 1e6, " s"),
        "us" if value >= 1e3 => (value / 1e3, " ms"),
        "us" => (value, " us"),
        "MiB" => (value, " MiB"),
        // Round KiB are no round MiB.
        "KiB" => (value, " KiB"),
        _ => (value, ""),
    };
    format!("{}{unit}", number(value))
}

fn number(value: f64) -> String {
    match value {
        big if big >= 1e6 => format!("{}M", big / 1e6),
        big if big >= 1e4 => format!("{}k", big / 1e3),
        // Sums of a step gather dust in the last digits.
        small => format!("{}", (small * 1e6).round() / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_is_in_proportion() {
        let scale = Scale::of_bars(&[1.0, 4.0], Axis::Linear);
        assert_eq!(
            (scale.at(1.0), scale.at(4.0), scale.at(0.0)),
            (0.25, 1.0, 0.0)
        );
        assert_eq!(scale.ticks(), [0.0, 1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn log_is_by_magnitude_and_the_least_bar_is_seen() {
        let scale = Scale::of_bars(&[1.0, 1000.0], Axis::Log);
        assert!((scale.at(1.0) - 0.25).abs() < 1e-9);
        assert!((scale.at(1000.0) - 1.0).abs() < 1e-9);
        assert_eq!(scale.at(0.0), 0.0);
        assert!((scale.ticks()[2] - 10.0).abs() < 1e-9 && scale.ticks().len() == 5);
        assert_eq!(
            Scale::of_lines(&[2.0, 10.0], Axis::Log).ticks(),
            [2.0, 5.0, 10.0]
        );
    }

    #[test]
    fn nothing_and_nonsense_have_an_axis_too() {
        for axis in [Axis::Linear, Axis::Log] {
            for values in [&[][..], &[0.0], &[f64::NAN, 1.0], &[f64::INFINITY]] {
                for scale in [Scale::of_bars(values, axis), Scale::of_lines(values, axis)] {
                    assert!(scale.at(1.0).is_finite() && !scale.ticks().is_empty());
                }
            }
        }
    }

    #[test]
    fn steps_are_round() {
        let steps = [0.3, 1.2, 3.0, 7.0, 26.0].map(round_step);
        assert_eq!(steps, [0.5, 2.0, 5.0, 10.0, 50.0]);
    }

    #[test]
    fn an_axis_says_its_unit() {
        assert_eq!(tick(1e5, "ns"), "100 us");
        assert_eq!(tick(100_000.0, ""), "100k");
        assert_eq!(tick(0.5, "B/B"), "0.5");
    }
}
