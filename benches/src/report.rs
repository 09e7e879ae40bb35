//! Lines of JSON to standard output.

use std::io::{self, Write};

use crate::wire::{Job, Line, Sample, Series};

/// Prints one line. If the reader has gone away, the process ends.
pub fn line(line: &Line) {
    let Ok(text) = serde_json::to_string(line) else {
        return;
    };
    if writeln!(io::stdout().lock(), "{text}").is_err() {
        std::process::exit(1);
    }
}

/// A group's figures of one contestant in one round.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Added to the name of the bench: `-p99`; mostly empty.
    pub suffix: &'static str,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// The reference's value of the same round.
    pub floor: Option<f64>,
}

/// A figure.
pub fn figure(suffix: &'static str, value: f64, unit: &'static str, floor: Option<f64>) -> Figure {
    Figure {
        suffix,
        value,
        unit,
        floor,
    }
}

/// Prints one sample.
pub fn sample(job: &Job, contestant: &str, figure: Figure) {
    let name = format!("{}{}", job.name(), figure.suffix);
    named(job, contestant, name, figure);
}

/// Prints one sample under a name of its own.
pub fn named(job: &Job, contestant: &str, name: String, figure: Figure) {
    line(&Line::Sample(of(job, contestant, name, figure)));
}

/// Prints one sample, with the way to it.
pub fn sample_with_series(job: &Job, contestant: &str, figure: Figure, series: Series) {
    // Four digits are more than a picture shows, and a third of the text.
    let round = |value: f64| (value * 1e4).round() / 1e4;
    let name = format!("{}{}", job.name(), figure.suffix);
    line(&Line::Sample(Sample {
        series: Some(Series {
            every: series.every,
            values: series.values.into_iter().map(round).collect(),
        }),
        ..of(job, contestant, name, figure)
    }));
}

fn of(job: &Job, contestant: &str, name: String, figure: Figure) -> Sample {
    Sample {
        bench: name,
        contestant: contestant.to_owned(),
        keys: job.keys.name(),
        threads: job.threads,
        value: figure.value,
        unit: figure.unit.to_owned(),
        floor: figure.floor,
        series: None,
    }
}
