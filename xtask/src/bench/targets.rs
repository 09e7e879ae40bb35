//! The project's targets, `benches/targets.toml`, each beside the figure of the run; those of which the run says nothing
//! are left out.

use std::collections::BTreeMap;

use epoch_arena_bench_wire::Record;
use serde::Deserialize;

use super::groups::step_of;
use super::view::count;

/// How a figure stands to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Verdict {
    /// Met, and so are both ends of the spread.
    Met,
    /// The limit lies within the spread.
    #[strum(serialize = "within spread")]
    Close,
    /// Not met, nor by either end of the spread.
    Missed,
}

/// A target.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Target {
    /// `T1` and so on; some have several parts.
    id: String,
    /// Its subject.
    what: String,
    bench: String,
    who: String,
    all_cores: bool,
    value: bool,
    beside: Vec<String>,
    from: Option<f64>,
    to: Option<f64>,
    at_most: Option<Limit>,
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
    /// Its row: id, subject, limit, figure, verdict.
    pub row: [String; 5],
    /// How it stands.
    pub verdict: Verdict,
}

/// A figure between its quartiles.
#[derive(Clone, Copy)]
struct Spread([f64; 3]);

impl Spread {
    /// This over another: the lowest that it may be, the figure, the highest.
    fn over(self, by: Self) -> Self {
        let (Self([low, figure, high]), Self([least, other, most])) = (self, by);
        Self([low / most, figure / other, high / least])
    }
}

/// A part of a target: its name, its limit and the figure.
struct Part {
    name: String,
    limit: f64,
    figure: Spread,
}

impl Part {
    fn verdict(&self) -> Verdict {
        match self.figure.0.map(|value| value <= self.limit) {
            [true, true, true] => Verdict::Met,
            [false, false, false] => Verdict::Missed,
            _ => Verdict::Close,
        }
    }
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
    let [met, close, missed] = [Verdict::Met, Verdict::Close, Verdict::Missed].map(of);
    format!("{met} met, {missed} missed, {close} within the spread, of {} measured", judged.len())
}

impl Target {
    fn beside_run(self, records: &[Record]) -> Option<Judged> {
        let parts = if self.from.is_some() { self.sweep(records) } else { self.parts(records) };
        let verdict = parts.iter().map(Part::verdict).max()?;
        let (times, of) =
            self.unit.strip_prefix('x').map_or(("", format!(" {}", self.unit)), |of| ("x", of.to_owned()));
        let limit = |part: &Part| match self.at_most {
            Some(Limit::Each(_)) => format!("{}{times} ({})", part.limit, part.name),
            _ => format!("{}{times}", part.limit),
        };
        let figure = |part: &Part| {
            let mark = ["", " ~", " ✗"][part.verdict() as usize];
            format!("{} {:.3}{times}{mark}", part.name, part.figure.0[1]).trim_start().to_owned()
        };
        let mut limits: Vec<String> = parts.iter().map(limit).collect();
        limits.dedup();
        let figures: Vec<String> = parts.iter().map(figure).collect();
        let limit = format!("at most {}{of}", limits.join(", "));
        Some(Judged { row: [self.id, self.what, limit, figures.join(", "), verdict.to_string()], verdict })
    }

    fn limit(&self, keys: &str) -> Option<f64> {
        match self.at_most.as_ref()? {
            Limit::One(limit) => Some(*limit),
            Limit::Each(limits) => limits.get(keys).copied(),
        }
    }

    /// A part per key set that the contestant was measured on.
    fn parts(&self, records: &[Record]) -> Vec<Part> {
        let mine = records.iter().filter(|record| self.is_of(record, &self.who) && record.bench == self.bench);
        let part = |record: &Record| {
            let rivals = records.iter().filter(|rival| (&rival.bench, &rival.keys) == (&record.bench, &record.keys));
            let rivals = rivals.filter(|rival| self.beside.iter().any(|who| self.is_of(rival, who)));
            let best = rivals
                .filter_map(|rival| self.figure(rival))
                .reduce(|Spread(a), Spread(b)| Spread([0, 1, 2].map(|at| a[at].min(b[at]))));
            let by = if self.beside.is_empty() { Spread([1.0; 3]) } else { best? };
            let figure = self.figure(record)?.over(by);
            let several = record.threads > 1 && !self.all_cores;
            let crew = if several { format!("{} threads", record.threads) } else { String::new() };
            let keys = if record.keys == "-" || several { "" } else { record.keys.as_str() };
            let name = format!("{keys}{crew}");
            Some(Part { name, limit: self.limit(&record.keys)?, figure })
        };
        mine.filter_map(part).collect()
    }

    /// The end of a sweep over its start.
    fn sweep(&self, records: &[Record]) -> Vec<Part> {
        let points = |who: &str| {
            let of_axis = records.iter().filter(|record| record.contestant == who);
            let point = |record: &Record| {
                let (axis, step) = step_of(record)?;
                (axis == self.bench && step >= self.from?).then_some((step, self.figure(record)?))
            };
            let mut points: Vec<(f64, Spread)> = of_axis.filter_map(point).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            points
        };
        let mut mine = points(&self.who);
        for rival in &self.beside {
            let theirs = points(rival);
            let at = |step: f64| theirs.iter().find(|point| point.0 == step).map(|point| point.1);
            mine = mine.into_iter().filter_map(|(step, value)| Some((step, value.over(at(step)?)))).collect();
        }
        let (Some(start), Some(end)) = (mine.first(), mine.last().filter(|end| mine.len() > 1 && end.0 > mine[0].0))
        else {
            return Vec::new();
        };
        let short = if self.to.is_some_and(|to| end.0 < to) { " only" } else { "" };
        let name = format!("{} to {}{short}", count(start.0), count(end.0));
        vec![Part { name, limit: self.limit("").unwrap_or(f64::NAN), figure: end.1.over(start.1) }]
    }

    /// The figure and its spread. Without a spread no order is told between contestants; a limit is compared all the same.
    fn figure(&self, record: &Record) -> Option<Spread> {
        let ratio = if self.beside.is_empty() { record.ratio_to_floor } else { record.compared() };
        let figure = if self.value { record.value? } else { ratio? };
        // The quartiles are those of the ratio where there is one.
        let quartiles = record.quartiles.filter(|_| !self.value || record.ratio_to_floor.is_none());
        let unknown = if self.beside.is_empty() { [figure; 2] } else { [0.0, f64::INFINITY] };
        let [low, high] = quartiles.unwrap_or(unknown);
        Some(Spread([low, figure, high]))
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
        judge(records).into_iter().find(|row| row.row[1].starts_with(what))
    }

    #[test]
    fn the_file_names_contestants_that_exist_and_nothing_is_judged_without_a_figure() {
        assert!(judge(&[]).is_empty());
        let file: File = toml::from_str(include_str!("../../../benches/targets.toml")).unwrap();
        for target in &file.target {
            for who in target.beside.iter().chain([&target.who]) {
                assert!(contestant(who).is_some(), "{who}");
            }
            assert!(target.at_most.is_some(), "{target:?}");
        }
        for number in 1..=14 {
            assert!(file.target.iter().any(|target| target.id == format!("T{number}")), "T{number}");
        }
    }

    #[test]
    fn a_target_is_met_or_missed_only_if_the_whole_spread_is() {
        let mut records =
            vec![record("put/warm", "ours", "fix16", 1, 2.0, 1.05), record("put/warm", "ours", "user", 1, 2.0, 1.1)];
        let met = row(&records, "put, warm").unwrap();
        assert_eq!((met.verdict, met.row[3].as_str()), (Verdict::Met, "fix16 1.050x, user 1.100x"));
        records[1].ratio_to_floor = Some(1.19);
        let missed = row(&records, "put, warm").unwrap();
        assert_eq!((missed.verdict, missed.row[3].as_str()), (Verdict::Missed, "fix16 1.050x, user 1.190x ✗"));
        for (ratio, quartiles) in [(1.19, [1.17, 1.2]), (1.17, [1.16, 1.19])] {
            (records[1].ratio_to_floor, records[1].quartiles) = (Some(ratio), Some(quartiles));
            assert_eq!(row(&records, "put, warm").unwrap().verdict, Verdict::Close);
        }
    }

    #[test]
    fn a_rival_is_overtaken_only_beyond_the_spread_of_both() {
        let rivals = "the same, beside bumpalo, bump-scope";
        let mut records = [("ours", 1.1), ("bumpalo", 1.2), ("bump-scope", 1.3)]
            .map(|(who, ratio)| record("put/warm", who, "user", 1, 2.0, ratio));
        assert_eq!(row(&records, rivals).unwrap().verdict, Verdict::Close, "without a spread there is no order");
        let mut with = |quartiles: [[f64; 2]; 3]| {
            records.iter_mut().zip(quartiles).for_each(|(record, quartiles)| record.quartiles = Some(quartiles));
            let row = row(&records, rivals).unwrap();
            (row.verdict, row.row[3].clone())
        };
        assert_eq!(with([[1.05, 1.15], [1.16, 1.3], [1.2, 1.4]]), (Verdict::Met, "user 0.917x".into()));
        assert_eq!(with([[1.05, 1.15], [1.16, 1.3], [1.14, 1.4]]), (Verdict::Close, "user 0.917x ~".into()));
    }

    #[test]
    fn a_sweep_is_its_end_over_its_start() {
        let of = |step: &str, who, ratio| {
            let mut record = record(&format!("scale/keys/{step}"), who, "fix16", 1, ratio, ratio);
            record.quartiles = Some([ratio; 2]);
            record
        };
        let mut sweep = vec![of("10000", "ours", 1.0), of("100000", "ours", 1.5), of("1000000", "ours", 1.2)];
        sweep.extend(["10000", "100000", "1000000", "100000000"].map(|step| of(step, "floor", 1.0)));
        let short = row(&sweep, "put, while keys grow").unwrap();
        assert_eq!((short.verdict, short.row[3].as_str()), (Verdict::Met, "100k to 1M only 0.800x"));
        sweep.push(of("100000000", "ours", 1.8));
        assert_eq!(row(&sweep, "put, while keys grow").unwrap().verdict, Verdict::Missed);
    }
}
