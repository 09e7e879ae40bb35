//! The project's targets, `benches/targets.toml`, each beside the figure of the run; those of which the run says nothing
//! are left out.

use std::collections::BTreeMap;

use epoch_arena_bench_wire::Record;
use serde::Deserialize;

use super::groups::step_of;
use super::view::count;

/// How a figure stands to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Verdict {
    /// Met.
    Met,
    /// Not met, but the limit lies within the spread.
    #[strum(serialize = "within spread")]
    Close,
    /// Not met.
    Missed,
}

/// A target.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    /// `T1` and so on; some have several parts.
    pub id: String,
    /// Its subject.
    pub what: String,
    bench: String,
    who: String,
    all_cores: bool,
    value: bool,
    beside: Vec<String>,
    invert: bool,
    from: Option<f64>,
    to: Option<f64>,
    at_most: Option<Limit>,
    at_least: Option<Limit>,
    unit: String,
}

/// A limit for all key sets, or one for each.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Limit {
    One(f64),
    Each(BTreeMap<String, f64>),
}

#[derive(Deserialize)]
struct File {
    target: Vec<Target>,
}

/// A target beside the run.
pub struct Judged {
    /// The target.
    pub target: Target,
    /// The limit, in words.
    pub limit: String,
    /// The figure, in words.
    pub figure: String,
    /// How it stands.
    pub verdict: Verdict,
}

/// A part of a target: its name, its limit, the figure and where half of the rounds lie.
struct Part {
    name: String,
    limit: f64,
    figure: f64,
    spread: [f64; 2],
}

/// The targets of which the run has a figure, in order.
pub fn judge(records: &[Record]) -> Vec<Judged> {
    let file: File = toml::from_str(include_str!("../../../benches/targets.toml")).expect("a test parses it");
    let judged = file.target.into_iter().map(|target| target.beside_run(records));
    judged.flatten().collect()
}

/// In a line: how many are met, missed, and too close to tell.
pub fn summary(judged: &[Judged]) -> String {
    let of = |verdict| judged.iter().filter(|one| one.verdict == verdict).count();
    let (met, close, missed) = (of(Verdict::Met), of(Verdict::Close), of(Verdict::Missed));
    format!("{met} met, {missed} missed, {close} within the spread, of {} measured", judged.len())
}

impl Target {
    fn beside_run(self, records: &[Record]) -> Option<Judged> {
        let parts = if self.from.is_some() { self.sweep(records) } else { self.parts(records) };
        if parts.is_empty() {
            return None;
        }
        let met = |part: &Part, value: f64| {
            if self.at_most.is_some() { value <= part.limit } else { value >= part.limit }
        };
        let verdict = |part: &Part| match (met(part, part.figure), part.spread.iter().any(|value| met(part, *value))) {
            (true, _) => Verdict::Met,
            (false, true) => Verdict::Close,
            (false, false) => Verdict::Missed,
        };
        let verdicts: Vec<Verdict> = parts.iter().map(verdict).collect();
        let worst = [Verdict::Missed, Verdict::Close].into_iter().find(|worst| verdicts.contains(worst));
        let times = if self.unit.starts_with('x') { "x" } else { "" };
        let mixed = verdicts.iter().any(|verdict| *verdict != verdicts[0]);
        let text = |(part, verdict): (&Part, &Verdict)| {
            let mark = if mixed && *verdict == Verdict::Missed { " ✗" } else { "" };
            format!("{} {:.3}{times}{mark}", part.name, part.figure).trim_start().to_owned()
        };
        let figures: Vec<String> = parts.iter().zip(&verdicts).map(text).collect();
        Some(Judged {
            limit: self.limit_in_words(&parts),
            figure: figures.join(", "),
            verdict: worst.unwrap_or(Verdict::Met),
            target: self,
        })
    }

    fn limit_in_words(&self, parts: &[Part]) -> String {
        let sign = if self.at_most.is_some() { "at most" } else { "at least" };
        let (times, of) =
            self.unit.strip_prefix('x').map_or(("", format!(" {}", self.unit)), |of| ("x", of.to_owned()));
        let same = parts.iter().all(|part| part.limit == parts[0].limit);
        let limits: Vec<String> = if same {
            vec![format!("{}{times}", parts[0].limit)]
        } else {
            parts.iter().map(|part| format!("{}{times} ({})", part.limit, part.name)).collect()
        };
        format!("{sign} {}{of}", limits.join(", "))
    }

    fn limit(&self, keys: &str) -> Option<f64> {
        match self.at_most.as_ref().or(self.at_least.as_ref())? {
            Limit::One(limit) => Some(*limit),
            Limit::Each(limits) => limits.get(keys).copied(),
        }
    }

    /// A part per key set that the contestant was measured on.
    fn parts(&self, records: &[Record]) -> Vec<Part> {
        let mine = records.iter().filter(|record| self.is_of(record, &self.who) && record.bench == self.bench);
        let part = |record: &Record| {
            let (figure, spread) = self.figure(record)?;
            let rivals = records.iter().filter(|rival| (&rival.bench, &rival.keys) == (&record.bench, &record.keys));
            let rivals = rivals.filter(|rival| self.beside.iter().any(|who| self.is_of(rival, who)));
            let best = rivals.filter_map(|rival| Some(self.figure(rival)?.0)).min_by(f64::total_cmp);
            let by = if self.beside.is_empty() { 1.0 } else { best? };
            let of = |value: f64| if self.invert { by / value } else { value / by };
            let several = record.threads > 1 && !self.all_cores;
            let crew = if several { format!("{} threads", record.threads) } else { String::new() };
            let keys = if record.keys == "-" || several { "" } else { record.keys.as_str() };
            let name = format!("{keys}{crew}");
            Some(Part { name, limit: self.limit(&record.keys)?, figure: of(figure), spread: spread.map(of) })
        };
        mine.filter_map(part).collect()
    }

    /// The end of a sweep over its start.
    fn sweep(&self, records: &[Record]) -> Vec<Part> {
        let points = |who: &str| {
            let of_axis = records.iter().filter(|record| record.contestant == who);
            let point = |record: &Record| {
                let (axis, step) = step_of(record)?;
                (axis == self.bench && step >= self.from?).then_some((step, self.figure(record)?.0))
            };
            let mut points: Vec<(f64, f64)> = of_axis.filter_map(point).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            points
        };
        let mut mine = points(&self.who);
        for rival in &self.beside {
            let theirs = points(rival);
            let at = |step: f64| theirs.iter().find(|point| point.0 == step).map(|point| point.1);
            mine = mine.into_iter().filter_map(|(step, value)| Some((step, value / at(step)?))).collect();
        }
        let (Some(start), Some(end)) = (mine.first(), mine.last().filter(|end| mine.len() > 1 && end.0 > mine[0].0))
        else {
            return Vec::new();
        };
        let short = if self.to.is_some_and(|to| end.0 < to) { " only" } else { "" };
        let (name, figure) = (format!("{} to {}{short}", count(start.0), count(end.0)), end.1 / start.1);
        let limit = self.limit("").unwrap_or(f64::NAN);
        vec![Part { name, limit, figure, spread: [figure; 2] }]
    }

    fn figure(&self, record: &Record) -> Option<(f64, [f64; 2])> {
        let figure = if self.value { record.value? } else { record.ratio_to_floor? };
        // The quartiles are those of the ratio where there is one.
        let fits = !self.value || record.ratio_to_floor.is_none();
        Some((figure, record.quartiles.filter(|_| fits).unwrap_or([figure; 2])))
    }

    fn is_of(&self, record: &Record, who: &str) -> bool {
        let counted = self.bench.starts_with("shared/");
        record.contestant == who && record.value.is_some() && (counted || (record.threads > 1) == self.all_cores)
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::record as with_ratio;
    use super::*;
    use epoch_arena_bench_wire::contestant;

    fn record(bench: &str, who: &str, keys: &str, threads: usize, value: f64, ratio: f64) -> Record {
        let mut record = with_ratio(bench, who, keys, value, "");
        (record.threads, record.ratio_to_floor) = (threads, Some(ratio));
        record
    }

    fn row(records: &[Record], what: &str) -> Option<Judged> {
        judge(records).into_iter().find(|row| row.target.what.starts_with(what))
    }

    #[test]
    fn the_file_names_contestants_that_exist_and_nothing_is_judged_without_a_figure() {
        assert!(judge(&[]).is_empty());
        let file: File = toml::from_str(include_str!("../../../benches/targets.toml")).unwrap();
        for target in &file.target {
            for who in target.beside.iter().chain([&target.who]) {
                assert!(contestant(who).is_some(), "{who}");
            }
            assert!(target.at_most.is_some() != target.at_least.is_some(), "{target:?}");
        }
        for number in 1..=14 {
            assert!(file.target.iter().any(|target| target.id == format!("T{number}")), "T{number}");
        }
    }

    #[test]
    fn a_target_is_met_if_each_part_is_and_close_if_the_limit_is_within_the_spread() {
        let mut records =
            vec![record("put/warm", "ours", "fix16", 1, 2.0, 1.05), record("put/warm", "ours", "user", 1, 2.0, 1.1)];
        let met = row(&records, "put, warm").unwrap();
        assert_eq!((met.verdict, met.figure.as_str()), (Verdict::Met, "fix16 1.050x, user 1.100x"));
        records[1].ratio_to_floor = Some(1.15);
        let missed = row(&records, "put, warm").unwrap();
        assert_eq!((missed.verdict, missed.figure.as_str()), (Verdict::Missed, "fix16 1.050x, user 1.150x ✗"));
        records[1].quartiles = Some([1.09, 1.2]);
        assert_eq!(row(&records, "put, warm").unwrap().verdict, Verdict::Close);
        records.push(record("put/warm", "bumpalo", "user", 1, 2.0, 1.0));
        assert_eq!(row(&records, "the same, beside bumpalo, bump-scope").unwrap().verdict, Verdict::Missed);
    }

    #[test]
    fn throughput_is_one_over_time_and_a_sweep_is_its_end_over_its_start() {
        let all = [record("put/warm", "ours", "user", 2, 2.0, 1.25)];
        let missed = row(&all, "put, all cores").unwrap();
        assert_eq!((missed.verdict, missed.figure.as_str()), (Verdict::Missed, "user 0.800x"));
        let mut sweep = vec![
            record("scale/keys/10000", "ours", "fix16", 1, 1.0, 1.0),
            record("scale/keys/100000", "ours", "fix16", 1, 2.0, 1.0),
            record("scale/keys/1000000", "ours", "fix16", 1, 2.1, 1.0),
        ];
        let short = row(&sweep, "put, while keys grow").unwrap();
        assert_eq!((short.verdict, short.figure.as_str()), (Verdict::Met, "100k to 1M only 1.050x"));
        sweep.push(record("scale/keys/100000000", "ours", "fix16", 1, 2.3, 1.0));
        assert_eq!(row(&sweep, "put, while keys grow").unwrap().verdict, Verdict::Missed);
    }
}
