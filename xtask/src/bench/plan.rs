//! What is measured, in which process, how often.

use epoch_arena_bench_wire::{Bench, Binary, Contestant, Group, Job, KeySource, ROSTER};

use super::sweep::points;

/// One process, perhaps started several times.
#[derive(Debug)]
pub struct Step {
    /// The executable.
    pub binary: Binary,
    /// What it is asked.
    pub job: Job,
    /// How often it is started: a fresh process for each sample where one pass spoils the next.
    pub starts: u32,
}

/// How much a run measures.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// Keys per pass.
    count: usize,
    /// Rounds of contestants that share a process, and of those with one of their own.
    rounds: (u32, u32),
    /// Whether every key set takes part, or one made and the user's own.
    all_sets: bool,
}

impl Effort {
    /// Fewer rounds where a pass takes seconds.
    fn at(self, at: Option<usize>) -> Self {
        let most = match at {
            Some(100_000_000..) => 3,
            _ => u32::MAX,
        };
        let (shared, own) = self.rounds;
        Self {
            rounds: (shared.min(most), own.min(most)),
            ..self
        }
    }
}

/// The steps, in the order of the report.
pub fn plan(groups: &[Group], sets: &[KeySource], quick: bool, cores: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    for bench in groups.iter().flat_map(|group| benches(*group)).copied() {
        for keys in sets_of(bench, sets, effort(bench, quick).all_sets) {
            for at in points(bench, quick) {
                for threads in threads_of(bench, at, cores) {
                    let case = Case {
                        bench,
                        keys: &keys,
                        threads,
                        at,
                    };
                    steps.extend(processes(&case, effort(bench, quick).at(at)));
                }
            }
        }
    }
    steps
}

/// Whether the group runs on every key set.
pub fn uses_key_sets(group: Group) -> bool {
    !matches!(
        group,
        Group::Reclaim | Group::Churn | Group::Scale | Group::Shared | Group::Pin | Group::Ycsb
    )
}

/// How many threads take part, each number in a row of its own.
fn threads_of(bench: Bench, at: Option<usize>, cores: usize) -> Vec<usize> {
    match bench.group() {
        Group::Put if cores > 1 => vec![1, cores],
        Group::Shared => vec![1, 2],
        Group::Ycsb => vec![2],
        _ if bench == Bench::ScaleThreads => vec![at.unwrap_or(1)],
        _ => vec![1],
    }
}

fn benches(group: Group) -> &'static [Bench] {
    match group {
        Group::Put => &[Bench::PutWarm, Bench::PutCold],
        Group::Resolve => &[Bench::ResolveHot, Bench::ResolveRandom],
        Group::Reclaim => &[Bench::Reclaim],
        Group::Memory => &[Bench::Memory, Bench::MemoryEpochs],
        Group::Churn => &[
            Bench::ChurnMixed,
            Bench::ChurnShift,
            Bench::ChurnPinned,
            Bench::Plateau,
        ],
        Group::Tail => &[Bench::TailWarm, Bench::TailCold, Bench::TailPrefault],
        Group::Scale => &[
            Bench::ScaleKeys,
            Bench::ScaleKeysResolve,
            Bench::ScaleEpochs,
            Bench::ScaleEpochsResolve,
            Bench::ScaleEpochsAdvance,
            Bench::ScaleThreads,
            Bench::ScaleLength,
            Bench::ScaleAdvance,
        ],
        Group::Shared => &[Bench::SharedBig, Bench::SharedSmall],
        Group::Sort => &[Bench::Sort, Bench::Search],
        Group::Pin => &[Bench::PinOutermost, Bench::PinNested],
        Group::Ycsb => &[Bench::Ycsb],
    }
}

fn effort(bench: Bench, quick: bool) -> Effort {
    let pick = |quick_rounds, full_rounds| if quick { quick_rounds } else { full_rounds };
    // Warm: keys, payload and handles of a pass fit a second-level cache or little more, so that what is compared is
    // the instructions. Cold and memory: many pages, so that one page more or less does not show.
    let (count, rounds) = match bench {
        Bench::PutWarm => (1 << 16, pick((25, 41), (101, 101))),
        Bench::PutCold => (500_000, pick((3, 3), (9, 9))),
        Bench::ResolveHot => (1 << 10, pick((25, 25), (101, 101))),
        Bench::ResolveRandom => (1_000_000, pick((7, 7), (31, 31))),
        Bench::Reclaim => (10_000_000, pick((3, 1), (7, 3))),
        Bench::Memory => (4_000_000, pick((1, 1), (3, 3))),
        Bench::ChurnMixed | Bench::ChurnShift | Bench::ChurnPinned => (0, pick((1, 1), (3, 3))),
        Bench::Plateau => (0, (1, 1)),
        Bench::TailWarm => (1 << 18, pick((5, 5), (15, 15))),
        Bench::TailCold | Bench::TailPrefault => (1 << 18, pick((3, 3), (7, 7))),
        Bench::MemoryEpochs => (0, pick((1, 1), (3, 3))),
        // A sweep says itself how many keys there are; these are put over and over.
        Bench::ScaleKeys | Bench::ScaleLength => (1 << 16, pick((5, 3), (9, 5))),
        Bench::ScaleKeysResolve | Bench::ScaleEpochs | Bench::ScaleEpochsResolve => {
            (1 << 16, pick((5, 5), (9, 9)))
        }
        Bench::ScaleEpochsAdvance => (1 << 16, pick((3, 3), (9, 9))),
        Bench::ScaleAdvance => (1 << 16, pick((9, 5), (25, 9))),
        Bench::ScaleThreads => (1 << 17, pick((5, 3), (11, 7))),
        // A count needs no rounds.
        Bench::SharedBig => (if quick { 1 << 22 } else { 10_000_000 }, (1, 1)),
        Bench::SharedSmall => (1 << 20, (1, 1)),
        Bench::Sort | Bench::Search => (
            if quick { 200_000 } else { 1_000_000 },
            pick((5, 5), (11, 11)),
        ),
        Bench::PinOutermost | Bench::PinNested => (1 << 14, pick((25, 25), (101, 101))),
        Bench::Ycsb => (
            if quick { 100_000 } else { 1_000_000 },
            pick((1, 1), (3, 3)),
        ),
    };
    let all_sets = !quick
        || matches!(
            bench,
            Bench::PutWarm | Bench::ResolveHot | Bench::Sort | Bench::Search
        );
    Effort {
        count,
        rounds,
        all_sets,
    }
}

fn sets_of(bench: Bench, sets: &[KeySource], all: bool) -> Vec<KeySource> {
    match bench.group() {
        _ if bench == Bench::MemoryEpochs => vec![KeySource::OfTheLoad],
        Group::Churn => vec![KeySource::OfTheLoad],
        Group::Pin | Group::Ycsb => vec![KeySource::OfTheLoad],
        Group::Scale if bench == Bench::ScaleLength => vec![KeySource::OfTheLoad],
        Group::Scale | Group::Shared => vec![KeySource::Fix16],
        Group::Reclaim => vec![KeySource::User],
        _ if all => sets.to_vec(),
        _ => {
            let standard =
                |set: &KeySource| matches!(set.name().as_str(), "user" | "paths" | "words");
            sets.iter().filter(|set| !standard(set)).cloned().collect()
        }
    }
}

/// What several contestants are compared in.
struct Case<'k> {
    bench: Bench,
    keys: &'k KeySource,
    threads: usize,
    at: Option<usize>,
}

/// Contestants that leave no trace in a heap share a process and race; the others get one each.
fn processes(case: &Case<'_>, effort: Effort) -> Vec<Step> {
    let bench = case.bench;
    let step = |who: &[&Contestant], rounds: u32| {
        let (rounds, starts) = if bench.needs_fresh_process() {
            (1, rounds)
        } else {
            (rounds, 1)
        };
        let contestants = who.iter().map(|one| one.id.to_owned()).collect();
        let job = Job {
            bench,
            contestants,
            keys: case.keys.clone(),
            threads: case.threads,
            rounds,
            count: effort.count,
            at: case.at,
        };
        Step {
            binary: who[0].binary_for(bench),
            job,
            starts,
        }
    };
    let alone =
        bench.needs_fresh_process() || matches!(bench.group(), Group::Reclaim | Group::Churn);
    let entered = ROSTER.iter().filter(|one| one.enters(bench));
    let (own, shared): (Vec<_>, Vec<_>) = entered.partition(|one| alone || one.isolated);
    let race = (!shared.is_empty()).then(|| step(&shared, effort.rounds.0));
    let singles = own.iter().map(|one| {
        step(
            &[one],
            if one.isolated {
                effort.rounds.1
            } else {
                effort.rounds.0
            },
        )
    });
    race.into_iter().chain(singles).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets() -> Vec<KeySource> {
        let file = |name: &str| KeySource::File {
            name: name.into(),
            path: name.into(),
        };
        vec![
            KeySource::Fix16,
            KeySource::User,
            file("paths"),
            file("mine"),
        ]
    }

    #[test]
    fn m12_every_contestant_runs_in_every_group_it_entered() {
        for quick in [true, false] {
            let steps = plan(&Group::ALL, &sets(), quick, 2);
            for one in ROSTER {
                for group in one.groups {
                    let runs = |step: &Step| {
                        step.job.bench.group() == *group
                            && step.job.contestants.contains(&one.id.into())
                    };
                    assert!(steps.iter().any(runs), "{} does not run in {group}", one.id);
                }
            }
        }
    }

    #[test]
    fn a_heap_is_never_shared() {
        for step in plan(&Group::ALL, &sets(), false, 2) {
            let isolated = ROSTER
                .iter()
                .filter(|one| one.isolated && step.job.contestants.contains(&one.id.into()));
            assert!(
                isolated.count() == 0 || step.job.contestants.len() == 1,
                "{step:?}"
            );
            assert!(!step.job.bench.needs_fresh_process() || step.job.rounds == 1);
        }
    }

    #[test]
    fn the_users_keys_are_measured_even_in_a_hurry() {
        let steps = plan(&Group::ALL, &sets(), true, 2);
        for bench in [
            Bench::PutWarm,
            Bench::PutCold,
            Bench::ResolveRandom,
            Bench::Memory,
            Bench::TailWarm,
        ] {
            assert!(
                steps
                    .iter()
                    .any(|step| step.job.bench == bench && step.job.keys.name() == "mine"),
                "{bench:?}"
            );
        }
        let reclaim = steps
            .iter()
            .find(|step| step.job.bench == Bench::Reclaim)
            .unwrap();
        assert_eq!(reclaim.job.count, 10_000_000);
    }

    #[test]
    fn only_what_was_asked_for_and_threads_only_for_puts() {
        let steps = plan(&[Group::Resolve], &sets(), false, 8);
        assert!(
            steps
                .iter()
                .all(|step| step.job.bench.group() == Group::Resolve && step.job.threads == 1)
        );
        assert!(
            plan(&[Group::Put], &sets(), false, 1)
                .iter()
                .all(|step| step.job.threads == 1)
        );
    }
}
