//! From the samples of single rounds to the record of a measurement.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::stats::{median, quartiles};

/// A value as it went over a run: memory over the epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Epochs from one value to the next; the first value is that of the epoch with this number, counted from one.
    pub every: usize,
    /// The values.
    pub values: Vec<f64>,
}

/// One value of one round, beside the reference's value of the same round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The measurement, for example `put/warm`.
    pub bench: String,
    /// Who was measured: an id of the roster.
    pub contestant: String,
    /// The name of the key set.
    pub keys: String,
    /// Threads at work.
    pub threads: usize,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// The figure of the reference in this round; `None` where nothing can serve as one.
    pub floor: Option<f64>,
    /// How the value went over the round, where it is of interest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
}

/// One measurement: the medians over its rounds. `--json` writes these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The measurement, for example `put/warm`.
    pub bench: String,
    /// Who was measured: an id of the roster.
    pub contestant: String,
    /// The name of the key set.
    pub keys: String,
    /// Threads at work.
    pub threads: usize,
    /// The median over the rounds; `None` in a skipped row.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: String,
    /// The median of the ratios, each taken within one round.
    pub ratio_to_floor: Option<f64>,
    /// The quartiles of the ratios, or of the values where there is no ratio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quartiles: Option<[f64; 2]>,
    /// How many rounds there were.
    pub rounds: usize,
    /// How the value went over a round: of each place, the median over the rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
    /// Why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

impl Record {
    /// A row that says why it has no value.
    pub fn skipped(
        bench: &str,
        contestant: &str,
        keys: &str,
        threads: usize,
        reason: &str,
    ) -> Self {
        Self {
            bench: bench.to_owned(),
            contestant: contestant.to_owned(),
            keys: keys.to_owned(),
            threads,
            value: None,
            unit: String::new(),
            ratio_to_floor: None,
            quartiles: None,
            rounds: 0,
            series: None,
            skipped: Some(reason.to_owned()),
        }
    }

    /// The figure to compare with other contestants: the ratio, or the value where there is none.
    pub fn compared(&self) -> Option<f64> {
        self.ratio_to_floor.or(self.value)
    }

    /// How this stands to another record. Equal where the spread allows no order: the middle halves of their rounds overlap,
    /// or there were too few rounds for a spread.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        self.value.and(other.value)?;
        let (Some(mine), Some(theirs)) = (self.quartiles, other.quartiles) else {
            return Some(Ordering::Equal);
        };
        Some(if mine[1] < theirs[0] {
            Ordering::Less
        } else if mine[0] > theirs[1] {
            Ordering::Greater
        } else {
            Ordering::Equal
        })
    }

    fn is_of(&self, sample: &Sample) -> bool {
        self.bench == sample.bench
            && self.contestant == sample.contestant
            && self.keys == sample.keys
            && self.threads == sample.threads
    }
}

/// One record per measurement, in the order in which each was first seen.
pub fn summarise(samples: &[Sample]) -> Vec<Record> {
    let mut grouped: Vec<(Record, Vec<&Sample>)> = Vec::new();
    for sample in samples {
        if let Some((_, rounds)) = grouped.iter_mut().find(|(record, _)| record.is_of(sample)) {
            rounds.push(sample);
            continue;
        }
        let mut record = Record::skipped(
            &sample.bench,
            &sample.contestant,
            &sample.keys,
            sample.threads,
            "",
        );
        record.skipped = None;
        record.unit.clone_from(&sample.unit);
        grouped.push((record, vec![sample]));
    }
    for (record, rounds) in &mut grouped {
        let values: Vec<f64> = rounds.iter().map(|sample| sample.value).collect();
        // The ratio of each round first, the median after: a slow moment hits both sides of one round alike.
        let ratios: Vec<f64> = rounds
            .iter()
            .filter_map(|sample| {
                sample
                    .floor
                    .filter(|floor| *floor > 0.0)
                    .map(|floor| sample.value / floor)
            })
            .collect();
        record.value = median(&values);
        record.ratio_to_floor = median(&ratios);
        record.quartiles = quartiles(if ratios.is_empty() { &values } else { &ratios });
        record.rounds = rounds.len();
        let series: Vec<&Series> = rounds
            .iter()
            .filter_map(|sample| sample.series.as_ref())
            .collect();
        record.series = middle(&series);
    }
    grouped.into_iter().map(|(record, _)| record).collect()
}

/// One series of several: of each place, the median.
fn middle(series: &[&Series]) -> Option<Series> {
    let first = series.first()?;
    let at = |place: usize| {
        let values: Vec<f64> = series
            .iter()
            .filter_map(|one| one.values.get(place).copied())
            .collect();
        median(&values)
    };
    Some(Series {
        every: first.every,
        values: (0..first.values.len()).map_while(at).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(contestant: &str, value: f64, floor: Option<f64>) -> Sample {
        Sample {
            bench: "put/warm".into(),
            contestant: contestant.into(),
            keys: "user".into(),
            threads: 1,
            value,
            unit: "ns/key".into(),
            floor,
            series: None,
        }
    }

    #[test]
    fn a_series_is_the_median_at_each_place() {
        let mut samples = vec![sample("a", 1.0, None); 3];
        for (sample, values) in samples.iter_mut().zip([[1.0, 5.0], [2.0, 4.0], [9.0, 6.0]]) {
            let values = values.to_vec();
            sample.series = Some(Series { every: 20, values });
        }
        let expected = Series {
            every: 20,
            values: vec![2.0, 5.0],
        };
        assert_eq!(summarise(&samples)[0].series, Some(expected));
    }

    #[test]
    fn the_ratio_is_the_median_of_the_ratios_and_not_the_ratio_of_the_medians() {
        let samples = [
            sample("a", 2.0, Some(1.0)),
            sample("a", 30.0, Some(10.0)),
            sample("a", 4.0, Some(4.0)),
        ];
        let records = summarise(&samples);
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].value, Some(4.0));
        assert_eq!(records[0].ratio_to_floor, Some(2.0));
        assert_eq!(records[0].rounds, 3);
    }

    #[test]
    fn an_order_is_told_only_where_the_spread_allows_it() {
        let rounds =
            |who: &str, ratios: [f64; 4]| ratios.map(|ratio| sample(who, ratio, Some(1.0)));
        let samples = [
            rounds("a", [1.0, 1.1, 1.2, 1.3]),
            rounds("b", [1.1, 1.2, 1.3, 1.4]),
            rounds("c", [1.5, 1.6, 1.7, 1.8]),
        ];
        let [a, b, c] = &summarise(&samples.concat())[..] else {
            panic!("three contestants");
        };
        assert_eq!(a.quartiles, Some([1.0, 1.2]));
        assert_eq!(a.order(b), Some(Ordering::Equal));
        assert_eq!(
            (a.order(c), c.order(b)),
            (Some(Ordering::Less), Some(Ordering::Greater))
        );
        let [once, twice] = [1.0, 2.0].map(|ratio| summarise(&[sample("a", ratio, Some(1.0))]));
        assert_eq!(once[0].order(&twice[0]), Some(Ordering::Equal), "one round");
        assert_eq!(a.order(&Record::skipped("", "", "", 1, "")), None);
    }

    #[test]
    fn contestants_are_kept_apart_and_in_order() {
        let samples = [
            sample("b", 1.0, None),
            sample("a", 2.0, Some(0.0)),
            sample("b", 3.0, None),
        ];
        let records = summarise(&samples);
        assert_eq!(
            records
                .iter()
                .map(|r| r.contestant.as_str())
                .collect::<Vec<_>>(),
            ["b", "a"]
        );
        assert_eq!(records[0].value, Some(2.0));
        // No reference, and a reference of zero, give no ratio rather than an infinite one.
        assert_eq!(
            (records[0].ratio_to_floor, records[1].ratio_to_floor),
            (None, None)
        );
    }

    #[test]
    fn a_record_survives_the_trip_through_json_with_the_promised_names() {
        let mut records = summarise(&[sample("a", 2.5, Some(2.0))]);
        records.push(Record::skipped(
            "put/warm",
            "b",
            "user",
            2,
            "cannot be built",
        ));
        let text = serde_json::to_string(&records).unwrap();
        let back: Vec<Record> = serde_json::from_str(&text).unwrap();
        assert_eq!(back, records);
        for name in [
            "bench",
            "contestant",
            "keys",
            "threads",
            "value",
            "unit",
            "ratio_to_floor",
            "rounds",
        ] {
            assert!(
                text.contains(&format!("\"{name}\":")),
                "{name} missing in {text}"
            );
        }
    }
}
