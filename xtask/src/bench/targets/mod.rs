//! The project's targets T1 to T10, each beside the figure of the run: met, missed, or not measured.

mod list;

use epoch_arena_bench_wire::Record;

/// How a figure stands to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Met.
    Met,
    /// Met as far as it was measured.
    Partly,
    /// Not met.
    Missed,
    /// The run says nothing about it.
    NotMeasured,
}

impl Verdict {
    /// In a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Partly => "met as far as measured",
            Self::Missed => "missed",
            Self::NotMeasured => "not measured",
        }
    }
}

/// One target.
#[derive(Clone, Debug)]
pub struct Target {
    /// `T1` to `T10`; some have several parts.
    pub id: &'static str,
    /// What it is about.
    pub what: &'static str,
    /// The limit, in words.
    pub limit: String,
    /// The figure, in words.
    pub figure: String,
    /// How it stands.
    pub verdict: Verdict,
}

/// A part of a target: a name, a limit, a figure if there is one.
type Part = (String, f64, Option<f64>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sense {
    AtMost,
    AtLeast,
}

/// All targets, in order.
pub fn targets(records: &[Record]) -> Vec<Target> {
    list::all(records)
}

/// In a line: how many are met, missed, not measured.
pub fn summary(targets: &[Target]) -> String {
    let count = |verdicts: &[Verdict]| {
        let of = targets
            .iter()
            .filter(|target| verdicts.contains(&target.verdict));
        of.count()
    };
    let (met, missed, open) = (
        count(&[Verdict::Met, Verdict::Partly]),
        count(&[Verdict::Missed]),
        count(&[Verdict::NotMeasured]),
    );
    format!("{met} met, {missed} missed, {open} not measured")
}

/// A target of these parts; it is met if each of them is.
fn target(
    id: &'static str,
    what: &'static str,
    unit: &str,
    sense: Sense,
    parts: Vec<Part>,
) -> Target {
    let meets = |part: &Part| {
        part.2.map(|figure| match sense {
            Sense::AtMost => figure <= part.1,
            Sense::AtLeast => figure >= part.1,
        })
    };
    let judged: Vec<_> = parts.iter().map(meets).collect();
    let verdict = if judged.contains(&Some(false)) {
        Verdict::Missed
    } else if judged.iter().all(Option::is_none) {
        Verdict::NotMeasured
    } else if judged.contains(&None) {
        Verdict::Partly
    } else {
        Verdict::Met
    };
    Target {
        id,
        what,
        limit: limit(unit, sense, &parts),
        figure: figure(unit, verdict, &parts, &judged),
        verdict,
    }
}

fn limit(unit: &str, sense: Sense, parts: &[Part]) -> String {
    let sign = match sense {
        Sense::AtMost => "at most",
        Sense::AtLeast => "at least",
    };
    let mut limits: Vec<String> = Vec::new();
    // A factor has its sign at each number, and what it is a factor of once, behind them.
    let (times, of) = match unit.strip_prefix('x') {
        Some(of) => ("x", of),
        None => ("", unit),
    };
    for (name, limit, _) in parts {
        let same = parts.iter().all(|part| part.1 == *limit);
        let whose = if same || name.is_empty() {
            String::new()
        } else {
            format!(" ({name})")
        };
        let text = format!("{limit}{times}{whose}");
        if !limits.contains(&text) {
            limits.push(text);
        }
    }
    format!("{sign} {}{of}", limits.join(", "))
}

/// The figures of the parts; `x` stands with each, another unit is the limit's to tell. Where some meet it and some do
/// not, those that do not have a mark.
fn figure(unit: &str, verdict: Verdict, parts: &[Part], judged: &[Option<bool>]) -> String {
    if verdict == Verdict::NotMeasured {
        return String::new();
    }
    let times = if unit.starts_with('x') { "x" } else { "" };
    let mixed = judged.contains(&Some(true)) && judged.contains(&Some(false));
    let text = |((name, _, figure), judged): (&Part, &Option<bool>)| {
        let value = figure.map_or_else(
            || "not measured".into(),
            |figure| format!("{}{times}", digits(figure)),
        );
        let mark = if mixed && *judged == Some(false) {
            " ✗"
        } else {
            ""
        };
        if name.is_empty() {
            format!("{value}{}", if times.is_empty() { unit } else { "" })
        } else {
            format!("{name} {value}{mark}")
        }
    };
    let texts = parts.iter().zip(judged).map(text);
    texts.collect::<Vec<_>>().join(", ")
}

/// A digit more than tables have: it is about which side of a limit a figure is on.
fn digits(value: f64) -> String {
    match value {
        large if large >= 100.0 => format!("{large:.0}"),
        middling if middling >= 10.0 => format!("{middling:.1}"),
        small => format!("{small:.3}"),
    }
}

/// A round number as one says it.
fn count(value: f64) -> String {
    match value {
        many if many >= 1e6 => format!("{}M", many / 1e6),
        some if some >= 1e3 => format!("{}k", some / 1e3),
        few => format!("{few}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(
        bench: &str,
        who: &str,
        keys: &str,
        threads: usize,
        value: f64,
        ratio: f64,
    ) -> Record {
        let mut record = Record::skipped(bench, who, keys, threads, "");
        (record.skipped, record.value) = (None, Some(value));
        record.ratio_to_floor = Some(ratio);
        record
    }

    fn row(records: &[Record], what: &str) -> Target {
        let rows = targets(records);
        rows.into_iter()
            .find(|row| row.what.starts_with(what))
            .unwrap()
    }

    #[test]
    fn without_records_nothing_is_measured_and_every_target_is_there() {
        let rows = targets(&[]);
        assert!(
            rows.iter()
                .all(|row| row.verdict == Verdict::NotMeasured && row.figure.is_empty())
        );
        for number in 1..=10 {
            assert!(
                rows.iter().any(|row| row.id == format!("T{number}")),
                "T{number}"
            );
        }
        assert_eq!(row(&[], "put, warm").limit, "at most 1.1x the floor");
        assert!(
            rows.iter()
                .all(|row| row.limit.contains(|c: char| c.is_ascii_digit())),
            "{rows:?}"
        );
        assert!(
            row(&[], "sort")
                .limit
                .contains("0.25x (fix16), 0.75x (words)")
        );
    }

    #[test]
    fn a_target_is_met_only_if_each_part_is() {
        let mut records = vec![record("put/warm", "ours", "fix16", 1, 2.0, 1.05)];
        assert_eq!(row(&records, "put, warm").verdict, Verdict::Partly);
        for keys in ["words", "user"] {
            records.push(record("put/warm", "ours", keys, 1, 2.0, 1.10));
        }
        let met = row(&records, "put, warm");
        assert_eq!(
            (met.verdict, met.figure.as_str()),
            (Verdict::Met, "fix16 1.050x, words 1.100x, user 1.100x")
        );
        records[1].ratio_to_floor = Some(1.101);
        assert_eq!(row(&records, "put, warm").verdict, Verdict::Missed);
        records.push(record("put/warm", "bumpalo", "user", 1, 2.0, 1.0));
        assert_eq!(
            row(&records, "the same, beside bumpalo, bump-scope").verdict,
            Verdict::Missed
        );
    }

    #[test]
    fn throughput_is_one_over_time_and_a_sweep_is_its_end_over_its_start() {
        let all = [record("put/warm", "ours", "user", 2, 2.0, 1.25)];
        let missed = row(&all, "put, all cores");
        assert_eq!(
            (missed.verdict, missed.figure.as_str()),
            (Verdict::Missed, "user 0.800x")
        );
        let mut sweep = vec![
            record("scale/keys/100000", "ours", "fix16", 1, 2.0, 1.0),
            record("scale/keys/1000000", "ours", "fix16", 1, 2.1, 1.0),
        ];
        let partly = row(&sweep, "put, while keys grow");
        assert_eq!(partly.verdict, Verdict::Partly);
        assert!(
            partly.figure.starts_with("100k to 1M 1.050x"),
            "{}",
            partly.figure
        );
        sweep.push(record("scale/keys/100000000", "ours", "fix16", 1, 2.3, 1.0));
        assert_eq!(row(&sweep, "put, while keys grow").verdict, Verdict::Missed);
    }

    #[test]
    fn shared_writes_are_per_thousand_puts() {
        let shared = [
            record("shared/big-rmws", "ours", "fix16", 2, 0.4, 0.0),
            record("shared/big-stores", "ours", "fix16", 2, 40.0, 0.0),
        ];
        let met = row(&shared, "shared read-modify-writes");
        assert_eq!(
            (met.verdict, met.figure.as_str()),
            (Verdict::Met, "big epochs, all cores 0.400")
        );
    }
}
