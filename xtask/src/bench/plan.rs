//! The plan of a run: measurements, processes, rounds.

use epoch_arena_bench_wire::{Bench, Binary, Contestant, Group, Job, KeySource, ROSTER};

use super::groups::{Effort, GROUPS, Measurement, Sets, measurement};
use super::machine;

/// One process, perhaps started several times.
#[derive(Debug)]
pub struct Step {
    /// The executable.
    pub binary: Binary,
    /// Its task.
    pub job: Job,
    /// How often it is started: for each sample where one pass spoils the next, else to share the rounds.
    pub starts: u32,
}

/// The measurements of a run.
pub struct Choice<'c> {
    /// The groups; none stands for all.
    pub groups: &'c [Group],
    /// The contestants; none stands for all. The reference takes part in every process anyway.
    pub contestants: &'c [String],
    /// The key sets.
    pub sets: &'c [KeySource],
    /// Whether the key sets were asked for by name.
    pub named_sets: bool,
    /// Fewer rounds and sets.
    pub quick: bool,
    /// The cores of the machine.
    pub cores: usize,
}

/// The steps, in the order of the report.
pub fn plan(choice: &Choice<'_>) -> Vec<Step> {
    let chosen = |bench: &&Bench| choice.groups.is_empty() || choice.groups.contains(&bench.group());
    let mut benches: Vec<&Bench> = Bench::ALL.iter().filter(chosen).collect();
    let place = |bench: &Bench| {
        let mut described = GROUPS.group.iter().flat_map(|group| &group.bench);
        described.position(|one| one.name == bench.name())
    };
    benches.sort_by_key(|bench| place(bench));
    let mut steps = Vec::new();
    for bench in benches.into_iter().copied() {
        let described = measurement(bench);
        let effort = if choice.quick { &described.quick } else { &described.full };
        for keys in sets_of(described, effort, choice) {
            for at in points(described, effort) {
                for threads in threads_of(bench, at, choice.cores) {
                    let case = Case { bench, keys: &keys, threads, at };
                    steps.extend(processes(&case, effort, choice));
                }
            }
        }
    }
    steps
}

/// Whether the group runs on every key set.
pub fn uses_key_sets(group: Group) -> bool {
    let benches = Bench::ALL.iter().filter(|bench| bench.group() == group);
    benches.copied().any(|bench| matches!(measurement(bench).sets, Sets::All | Sets::Records))
}

/// How many threads take part, each number in a row of its own.
fn threads_of(bench: Bench, at: Option<usize>, cores: usize) -> Vec<usize> {
    if bench == Bench::ScaleThreads {
        return vec![at.unwrap_or(1)];
    }
    let asked = &measurement(bench).threads;
    let mut threads: Vec<usize> = asked.iter().map(|threads| if *threads == 0 { cores } else { *threads }).collect();
    threads.dedup();
    if threads.is_empty() { vec![1] } else { threads }
}

fn sets_of(described: &Measurement, effort: &Effort, choice: &Choice<'_>) -> Vec<KeySource> {
    match described.sets {
        Sets::Own => vec![KeySource::OfTheLoad],
        Sets::Fix16 => vec![KeySource::Fix16],
        Sets::User => vec![KeySource::User],
        Sets::User24 => vec![KeySource::User24],
        Sets::All => everyones(effort, choice, &["user", "paths", "words"]),
        Sets::Records => {
            let longer = |set| if set == KeySource::User { KeySource::User24 } else { set };
            let mut sets: Vec<KeySource> =
                everyones(effort, choice, &["paths", "words"]).into_iter().map(longer).collect();
            // What stands for all comes first.
            sets.sort_by_key(|set| *set != KeySource::User24);
            sets
        }
    }
}

/// The sets of the run; in a hurry not these standard ones, unless the measurement is quick or they were asked for.
fn everyones(effort: &Effort, choice: &Choice<'_>, slow: &[&str]) -> Vec<KeySource> {
    let all = effort.all_sets || !choice.quick || choice.named_sets;
    choice.sets.iter().filter(|set| all || !slow.contains(&set.name().as_str())).cloned().collect()
}

/// Where a bench is measured: once, or at each value of what grows for which there is memory.
fn points(described: &Measurement, effort: &Effort) -> Vec<Option<usize>> {
    if effort.points.is_empty() {
        return vec![None];
    }
    let room = machine::available().unwrap_or(u64::MAX);
    let fits = |at: &&usize| described.bytes_per_point * **at as u64 <= room;
    let (kept, left): (Vec<&usize>, Vec<&usize>) = effort.points.iter().partition(fits);
    for at in left {
        eprintln!("{}/{at} is left out: {} MiB of memory are not enough for it", described.name, room >> 20);
    }
    kept.into_iter().map(|at| Some(*at)).collect()
}

/// A comparison of several contestants.
struct Case<'k> {
    bench: Bench,
    keys: &'k KeySource,
    threads: usize,
    at: Option<usize>,
}

/// As many processes share the rounds of a measurement, if there are so many for each of them.
const PROCESSES: u32 = 5;

/// The processes of one measurement: one for those that may share it, one for each that may not.
fn processes(case: &Case<'_>, effort: &Effort, choice: &Choice<'_>) -> Vec<Step> {
    let (bench, described) = (case.bench, measurement(case.bench));
    // Fewer rounds where a pass takes seconds.
    let most = match case.at.unwrap_or(0) {
        10_000_000.. if bench == Bench::MapSize => 1,
        100_000_000.. => 3,
        _ => u32::MAX,
    };
    let step = |who: &[&Contestant], rounds: u32| {
        let rounds = rounds.min(most);
        // Where memory lies differs from process to process: several of them, so that the spread tells of it.
        let starts = if bench.needs_fresh_process() { rounds } else { (rounds / PROCESSES).clamp(1, PROCESSES) };
        let job = Job {
            bench,
            contestants: who.iter().map(|one| one.id.to_owned()).collect(),
            keys: case.keys.clone(),
            threads: case.threads,
            rounds: rounds.div_ceil(starts),
            seed: 0,
            count: effort.count.unwrap_or(described.count),
            at: case.at,
        };
        Step { binary: who[0].binary_for(bench), job, starts }
    };
    let alone = described.alone || bench.needs_fresh_process();
    let chosen = |one: &&Contestant| {
        let named = |id: &String| id == one.id;
        one.enters(bench, case.at) && (choice.contestants.is_empty() || choice.contestants.iter().any(named))
    };
    let entered = ROSTER.iter().filter(chosen);
    let (own, shared): (Vec<_>, Vec<_>) = entered.partition(|one| alone || one.isolated);
    let race = (!shared.is_empty()).then(|| step(&shared, effort.rounds.0));
    let rounds = |one: &Contestant| {
        if one.isolated { effort.rounds.1 } else { effort.rounds.0 }
    };
    race.into_iter().chain(own.iter().map(|one| step(&[one], rounds(one)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets() -> Vec<KeySource> {
        let file = |name: &str| KeySource::File { name: name.into(), path: name.into() };
        vec![KeySource::Fix16, KeySource::User, file("paths"), file("mine")]
    }

    fn planned(groups: &[Group], contestants: &[String], quick: bool, cores: usize) -> Vec<Step> {
        plan(&Choice { groups, contestants, sets: &sets(), named_sets: false, quick, cores })
    }

    #[test]
    fn every_contestant_runs_in_every_group_it_entered() {
        for quick in [true, false] {
            let steps = planned(&[], &[], quick, 2);
            for one in ROSTER.iter() {
                for group in &one.groups {
                    let runs =
                        |step: &Step| step.job.bench.group() == *group && step.job.contestants.contains(&one.id.into());
                    assert!(steps.iter().any(runs), "{} does not run in {group}", one.id);
                }
            }
        }
    }

    #[test]
    fn a_heap_is_never_shared() {
        for step in planned(&[], &[], false, 2) {
            let isolated = |one: &&Contestant| one.isolated && step.job.contestants.contains(&one.id.into());
            let count = ROSTER.iter().filter(isolated).count();
            assert!(count == 0 || step.job.contestants.len() == 1, "{step:?}");
            assert!(!step.job.bench.needs_fresh_process() || step.job.rounds == 1);
            assert!(step.job.bench != Bench::PutWarm || step.starts == PROCESSES);
        }
    }

    #[test]
    fn the_users_keys_are_measured_even_in_a_hurry() {
        let steps = planned(&[], &[], true, 2);
        for bench in [Bench::PutWarm, Bench::PutCold, Bench::ResolveRandom, Bench::Memory, Bench::TailWarm] {
            let mine = |step: &Step| step.job.bench == bench && step.job.keys.name() == "mine";
            assert!(steps.iter().any(mine), "{bench:?}");
        }
        let reclaim = steps.iter().find(|step| step.job.bench == Bench::Reclaim).unwrap();
        assert_eq!(reclaim.job.count, 10_000_000);
    }

    #[test]
    fn maps_have_longer_keys_in_place_of_the_users_and_these_come_first() {
        for (quick, expected) in
            [(true, &["user24", "fix16", "mine"][..]), (false, &["user24", "fix16", "paths", "mine"])]
        {
            let steps = planned(&[Group::Map], &["skipmap".into()], quick, 1);
            let sets = steps.iter().filter(|step| step.job.bench == Bench::Map).map(|step| step.job.keys.name());
            assert!(sets.eq(expected.iter().copied()));
        }
    }

    #[test]
    fn skl_is_asked_for_no_more_records_than_it_can_do() {
        let steps = planned(&[Group::Map], &["skl".into()], false, 2);
        let points: Vec<_> = steps.iter().map(|step| step.job.at).collect();
        assert_eq!(points, [Some(1_000), Some(10_000)]);
    }

    #[test]
    fn only_what_was_asked_for_and_threads_only_for_puts() {
        let steps = planned(&[Group::Resolve], &["ours".into()], false, 8);
        assert!(!steps.is_empty());
        for step in &steps {
            assert_eq!((step.job.bench.group(), step.job.threads), (Group::Resolve, 1));
            assert_eq!(step.job.contestants, ["ours"]);
        }
        assert!(planned(&[Group::Put], &[], false, 1).iter().all(|step| step.job.threads == 1));
    }
}
