//! Looking up records: what the targets, the summary and the documents are computed from.

use epoch_arena_bench_wire::Record;

use super::table::step_of;

/// How many threads were at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crew {
    /// One.
    One,
    /// As many as there were cores.
    All,
}

/// The records of a run.
#[derive(Clone, Copy, Debug)]
pub struct Figures<'r>(pub &'r [Record]);

impl<'r> Figures<'r> {
    /// The record of a measurement that has a value.
    pub fn get(self, bench: &str, who: &str, keys: &str, crew: Crew) -> Option<&'r Record> {
        self.of(bench, crew)
            .find(|record| record.contestant == who && record.keys == keys)
    }

    /// Its value.
    pub fn value(self, bench: &str, who: &str, keys: &str, crew: Crew) -> Option<f64> {
        self.get(bench, who, keys, crew)?.value
    }

    /// Its ratio to the reference of the same round.
    pub fn ratio(self, bench: &str, who: &str, keys: &str, crew: Crew) -> Option<f64> {
        self.get(bench, who, keys, crew)?.ratio_to_floor
    }

    /// The key sets that a contestant was measured on.
    pub fn sets(self, bench: &str, who: &str, crew: Crew) -> Vec<&'r str> {
        let records = self.of(bench, crew);
        records
            .filter(|record| record.contestant == who)
            .map(|record| record.keys.as_str())
            .collect()
    }

    /// The points of a sweep, by what grows: `scale/keys` gives `scale/keys/1000` and its like.
    pub fn sweep(self, axis: &str, who: &str) -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> = self
            .0
            .iter()
            .filter(|record| record.contestant == who)
            .filter_map(|record| {
                let (sweep, step) = step_of(record)?;
                (sweep == axis).then_some((step, record.value?))
            })
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    }

    /// The key set that stands for all where there is room for one.
    pub fn usual_set(self) -> &'r str {
        let sets = self.sets("put/warm", "ours", Crew::One);
        let usual = sets.iter().find(|set| **set == "user");
        usual.or(sets.first()).copied().unwrap_or("user")
    }

    /// Every record of a bench that has a value.
    pub fn of(self, bench: &str, crew: Crew) -> impl Iterator<Item = &'r Record> {
        self.0.iter().filter(move |record| {
            record.bench == bench
                && record.value.is_some()
                && (record.threads > 1) == (crew == Crew::All)
        })
    }
}
