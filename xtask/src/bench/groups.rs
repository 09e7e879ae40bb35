//! The one description of the groups, `benches/groups.toml`: the measurements, how often, and how they are shown.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use epoch_arena_bench_wire::{Bench, Group, Record};
use serde::Deserialize;

/// Everything that the file says.
pub static GROUPS: LazyLock<Groups> =
    LazyLock::new(|| toml::from_str(include_str!("../../../benches/groups.toml")).expect("a test parses it"));

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Groups {
    /// In the order of the report, and of the run.
    pub group: Vec<Info>,
    /// Candidates for the first picture.
    pub headline: Vec<Headline>,
    /// The tables with everything in them.
    pub overview: Vec<Overview>,
}

/// A group.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Info {
    /// As `--only` takes it.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// Its measurement, in a line.
    pub what: String,
    /// The caveat before conclusions.
    pub caveat: String,
    /// The columns of its tables.
    pub columns: Columns,
    /// The details that tables show, where there are more for the pictures.
    pub shown: Vec<String>,
    /// Titles of the parts behind the group's name.
    pub kinds: BTreeMap<String, String>,
    /// Sweeps without a bench of their own: title, and the quantity that grows.
    pub sweeps: BTreeMap<String, (String, String)>,
    /// Who the ratios are to, where each contestant has processes of its own.
    pub reference: Option<String>,
    /// Its measurements.
    pub bench: Vec<Measurement>,
}

/// The columns of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Columns {
    /// Key sets.
    #[default]
    Keys,
    /// The ends of a bench's name, such as percentiles.
    Detail,
    /// Everything behind the group's name.
    Rest,
}

/// A measurement.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Measurement {
    /// Its name, as in [`Bench::name`].
    pub name: String,
    /// Its title; that of a sweep.
    pub title: String,
    /// The quantity that the points of a sweep count.
    pub grows: String,
    /// Keys per pass.
    pub count: usize,
    /// Bytes of memory that a point of a sweep takes for each thing it counts.
    pub bytes_per_point: u64,
    /// The key sets that it runs on.
    pub sets: Sets,
    /// How many threads take part, each number in a row of its own; 0 stands for all cores.
    pub threads: Vec<usize>,
    /// Whether each contestant has a process of its own.
    pub alone: bool,
    /// How much is measured with `--quick`.
    pub quick: Effort,
    /// And without.
    pub full: Effort,
}

/// The key sets of a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sets {
    /// Every set there is.
    #[default]
    All,
    /// Generated keys of 16 bytes.
    Fix16,
    /// `user:%d:profile`.
    User,
    /// `user` and 20 digits.
    User24,
    /// As all, but for [`User24`](Self::User24) in place of [`User`](Self::User).
    Records,
    /// The load makes its own.
    Own,
}

/// How much is measured.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Effort {
    /// Rounds of contestants that share a process, and of those with one of their own.
    pub rounds: (u32, u32),
    /// Keys per pass, where they are fewer than usual.
    pub count: Option<usize>,
    /// Whether every standard key set takes part in a quick run.
    pub all_sets: bool,
    /// The points of the sweep.
    pub points: Vec<usize>,
}

/// A picture with a panel per figure.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Headline {
    /// The question that it answers.
    pub title: String,
    /// The compared figure.
    pub what: String,
    /// The contestants.
    pub who: Vec<String>,
    /// The figures.
    pub panels: Vec<Figure>,
}

/// A figure, by the bench and the number of threads.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Figure {
    /// Its name.
    pub title: String,
    /// The name in records.
    pub bench: String,
    /// With one thread, or with as many as there are cores; of measurements on a fixed number, that.
    pub all_cores: bool,
}

/// A table with everything in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overview {
    /// Its heading.
    pub title: String,
    /// What its figures are.
    pub words: String,
    /// Its columns.
    pub columns: Vec<Figure>,
}

impl Figure {
    /// The record of a contestant: on the usual key set, or else on the first that was measured.
    pub fn find<'r>(&self, records: &'r [Record], who: &str) -> Option<&'r Record> {
        let fixed = !records.iter().any(|record| record.bench == self.bench && record.threads < 2);
        let mine = || {
            records.iter().filter(move |record| {
                record.bench == self.bench
                    && record.contestant == who
                    && record.value.is_some()
                    && (fixed || (record.threads > 1) == self.all_cores)
            })
        };
        let usual = usual_set(records);
        mine().find(|record| record.keys == usual).or_else(|| mine().next())
    }
}

impl Info {
    /// The measurement with this name.
    pub fn measurement(&self, name: &str) -> Option<&Measurement> {
        self.bench.iter().find(|bench| bench.name == name)
    }

    /// Whether a record is this group's.
    pub fn has(&self, record: &Record) -> bool {
        record.bench.split('/').next() == Some(&self.name)
    }

    /// Title of a sweep, and the quantity that grows along it.
    pub fn sweep(&self, axis: &str) -> (String, String) {
        let own = self.measurement(axis).map(|bench| (bench.title.clone(), bench.grows.clone()));
        let known = own.or_else(|| self.sweeps.get(axis).cloned());
        known.unwrap_or_else(|| (axis.to_owned(), String::new()))
    }

    /// The title of the part behind the group's name.
    pub fn kind(&self, rest: &str) -> String {
        self.kinds.get(rest).cloned().unwrap_or_else(|| rest.replace(['-', '/'], " "))
    }
}

/// The description of a group.
pub fn info(group: Group) -> &'static Info {
    let found = GROUPS.group.iter().find(|info| info.name == group.name());
    found.expect("a test sees that each is there")
}

/// The description of a measurement.
pub fn measurement(bench: Bench) -> &'static Measurement {
    let found = info(bench.group()).measurement(bench.name());
    found.expect("a test sees that each is there")
}

/// The key set that stands for all where there is room for one.
pub fn usual_set(records: &[Record]) -> &str {
    let mut sets = records.iter().filter(|record| record.value.is_some() && record.keys != "-");
    let first = sets.next().map(|record| record.keys.as_str());
    let has_user = sets.any(|record| record.keys == "user" && record.bench.starts_with("put/"));
    if has_user || first.is_none() { "user" } else { first.unwrap_or_default() }
}

/// The sweep that a record is of, and how far it has come: `scale/keys/1000` is `scale/keys` at a thousand.
pub fn step_of(record: &Record) -> Option<(&str, f64)> {
    let (sweep, step) = record.bench.rsplit_once('/')?;
    sweep.contains('/').then_some((sweep, step.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use epoch_arena_bench_wire::contestant;

    #[test]
    fn every_group_and_bench_is_described_and_nothing_else_is() {
        assert_eq!(GROUPS.group.len(), Group::ALL.len());
        for bench in Bench::ALL {
            assert_eq!(measurement(*bench).name, bench.name());
        }
        let described: usize = GROUPS.group.iter().map(|group| group.bench.len()).sum();
        assert_eq!(described, Bench::ALL.len());
    }

    #[test]
    fn contestants_of_pictures_exist() {
        for id in GROUPS.headline.iter().flat_map(|picture| &picture.who) {
            assert!(contestant(id).is_some(), "{id}");
        }
    }

    #[test]
    fn sweeps_grow_and_a_quick_one_is_a_part_of_the_full_one() {
        for bench in GROUPS.group.iter().flat_map(|group| &group.bench) {
            let (quick, full) = (&bench.quick.points, &bench.full.points);
            assert!(quick.is_sorted() && full.is_sorted(), "{}", bench.name);
            assert!(quick.iter().all(|at| full.contains(at)), "{}", bench.name);
            assert_eq!(quick.is_empty(), bench.title.is_empty() && bench.grows.is_empty());
        }
    }
}
