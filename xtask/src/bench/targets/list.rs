//! The targets one by one. The limits stand here and nowhere else in the code; every figure is computed from records.

use epoch_arena_bench_wire::{Record, Role, contestant};

use super::Sense::{AtLeast, AtMost};
use super::{Part, Target, count, target};
use crate::bench::figures::{Crew, Figures};

const SHORT_SETS: [&str; 3] = ["fix16", "words", "user"];
/// "Independent of": more than a quarter is a dependence, less is noise.
const INDEPENDENT: f64 = 1.25;
/// "Equal": the cycle counter moves in steps of about a tenth of a put.
const EQUAL: f64 = 1.1;

/// All of them, in order.
pub fn all(records: &[Record]) -> Vec<Target> {
    let figures = Figures(records);
    [
        put(figures),
        resolve_and_reclaim(figures),
        memory(figures),
        cold_and_tail(figures),
        growth(figures),
        counts_and_sort(figures),
    ]
    .concat()
}

fn put(figures: Figures<'_>) -> Vec<Target> {
    let ratio = |keys: &str| figures.ratio("put/warm", "ours", keys, Crew::One);
    let ahead = |keys: &str| {
        let rivals = ["bumpalo", "bump-scope", "blink-local"];
        let ratios = rivals.map(|who| figures.ratio("put/warm", who, keys, Crew::One));
        let best = ratios.into_iter().flatten().min_by(f64::total_cmp)?;
        Some(ratio(keys)? / best)
    };
    let all_cores = sets(figures, "put/warm", Crew::All, 0.95, |keys| {
        let ratio = figures.ratio("put/warm", "ours", keys, Crew::All)?;
        Some(1.0 / ratio)
    });
    let short = |limit: f64, of: &dyn Fn(&str) -> Option<f64>| {
        SHORT_SETS
            .map(|keys| (keys.to_owned(), limit, of(keys)))
            .to_vec()
    };
    vec![
        target(
            "T1",
            "put, warm, one thread, a pin per 64",
            "x the floor",
            AtMost,
            short(1.1, &ratio),
        ),
        target(
            "T1",
            "the same, one pin for all",
            "x the floor",
            AtMost,
            short(1.1, &|keys| {
                figures.ratio("put/warm", "ours-pin-once", keys, Crew::One)
            }),
        ),
        target(
            "T1",
            "the same, long keys",
            "x the floor",
            AtMost,
            vec![("paths".into(), 1.05, ratio("paths"))],
        ),
        target(
            "T1",
            "the same, beside bumpalo, bump-scope and blink",
            "x the fastest of them",
            AtMost,
            short(1.0, &ahead),
        ),
        target(
            "T2",
            "put, all cores, throughput",
            "x that of bump loops sharing nothing",
            AtLeast,
            all_cores,
        ),
    ]
}

fn resolve_and_reclaim(figures: Figures<'_>) -> Vec<Target> {
    let resolve = |bench: &'static str, limit: f64| {
        sets_of(figures, bench, "ours-pin-once", Crew::One, limit, |keys| {
            figures.ratio(bench, "ours-pin-once", keys, Crew::One)
        })
    };
    let reclaim = figures.value("reclaim/10M", "ours", "user", Crew::One);
    vec![
        target(
            "T3",
            "resolve, hot, under one pin",
            "x a raw slice",
            AtMost,
            resolve("resolve/hot", 1.3),
        ),
        target(
            "T3",
            "resolve, random, under one pin",
            "x a raw slice",
            AtMost,
            resolve("resolve/random", 1.12),
        ),
        target(
            "T4",
            "retire and reclaim 10 million keys",
            " us",
            AtMost,
            vec![(String::new(), 10.0, reclaim)],
        ),
    ]
}

fn memory(figures: Figures<'_>) -> Vec<Target> {
    let rss = sets(figures, "memory/rss", Crew::One, 1.02, |keys| {
        figures.value("memory/rss", "ours", keys, Crew::One)
    });
    let churn = ["mixed", "shift", "pinned"].map(|load| {
        let bench = format!("churn/{load}");
        let of = figures
            .of(&bench, Crew::One)
            .find(|record| record.contestant == "ours");
        (load.to_owned(), 1.03, of.and_then(|record| record.value))
    });
    let mut epochs = figures.of("memory/epochs", Crew::One);
    let each = epochs.find_map(|record| record.value);
    vec![
        target(
            "T5",
            "resident bytes, 4 million keys",
            " per payload byte",
            AtMost,
            rss,
        ),
        target(
            "T5",
            "resident bytes under churn",
            " per live byte",
            AtMost,
            churn.to_vec(),
        ),
        target(
            "T5",
            "1,000 live epochs of one key",
            " KiB each",
            AtMost,
            vec![(String::new(), 16.0, each)],
        ),
    ]
}

fn cold_and_tail(figures: Figures<'_>) -> Vec<Target> {
    let ratio = |who: &str, keys: &str| figures.ratio("put/cold", who, keys, Crew::One);
    let cold = sets(figures, "put/cold", Crew::One, 1.1, |keys| {
        ratio("ours", keys)
    });
    let beside = sets(figures, "put/cold", Crew::One, 2.5, |keys| {
        Some(ratio("bumpalo", keys)? / ratio("ours", keys)?)
    });
    let tail = sets(figures, "tail/prefault-p99.9", Crew::One, EQUAL, |keys| {
        figures.ratio("tail/prefault-p99.9", "ours", keys, Crew::One)
    });
    let faults = sets(figures, "tail/prefault-faults", Crew::One, 0.0, |keys| {
        figures.value("tail/prefault-faults", "ours", keys, Crew::One)
    });
    let warm = sets(figures, "tail/warm-p99.9", Crew::One, EQUAL, |keys| {
        figures.ratio("tail/warm-p99.9", "ours", keys, Crew::One)
    });
    vec![
        target(
            "T6",
            "put, cold, one thread",
            "x the floor on huge pages",
            AtMost,
            cold,
        ),
        target(
            "T6",
            "the same, beside bumpalo",
            "x faster",
            AtLeast,
            beside,
        ),
        target(
            "T7",
            "p99.9 of a put into prefaulted memory",
            "x the warm floor's",
            AtMost,
            tail,
        ),
        target(
            "T7",
            "page faults of 262,144 such puts",
            " faults",
            AtMost,
            faults,
        ),
        target(
            "T7",
            "p99.9 of a put into warm memory",
            "x the floor's",
            AtMost,
            warm,
        ),
    ]
}

fn growth(figures: Figures<'_>) -> Vec<Target> {
    let points = |axis: &str, who: &str| figures.sweep(axis, who);
    // Beside the floor at each point: what is left is the library's own growth, and not the memory's.
    let beside = |axis: &str| {
        let floor = figures.sweep(axis, "floor");
        let at = |x: f64| floor.iter().find(|point| point.0 == x).map(|point| point.1);
        let ours = figures.sweep(axis, "ours").into_iter();
        ours.filter_map(|(x, value)| Some((x, value / at(x)?)))
            .collect()
    };
    let flat = |points: Vec<(f64, f64)>, limit: f64, first: f64, last: f64| {
        let start = points.iter().find(|point| point.0 >= first);
        let end = points.last().filter(|point| point.0 > first);
        let figure = start.zip(end).map(|(start, end)| end.1 / start.1);
        let name = start.zip(end).map_or_else(String::new, |(start, end)| {
            format!("{} to {}", count(start.0), count(end.0))
        });
        let mut parts = vec![(name, limit, figure)];
        // A sweep that ends early says nothing about the rest.
        if end.is_some_and(|end| end.0 < last) {
            parts.push((count(last), limit, None));
        }
        parts
    };
    vec![
        target(
            "T8",
            "put, while keys grow",
            "x",
            AtMost,
            flat(points("scale/keys", "ours"), 1.1, 1e5, 1e8),
        ),
        target(
            "T8",
            "the same, beside the floor, which grows, too",
            "x",
            AtMost,
            flat(beside("scale/keys"), 1.1, 1e5, 1e8),
        ),
        target(
            "T8",
            "advance and reclaim, while keys grow",
            "x",
            AtMost,
            flat(points("scale/advance", "ours"), INDEPENDENT, 0.0, 0.0),
        ),
        target(
            "T8",
            "resolve under one pin, while live epochs grow",
            "x",
            AtMost,
            flat(
                points("scale/epochs-resolve", "ours-pin-once"),
                INDEPENDENT,
                0.0,
                0.0,
            ),
        ),
    ]
}

fn counts_and_sort(figures: Figures<'_>) -> Vec<Target> {
    let ours =
        |record: &&Record| contestant(&record.contestant).is_some_and(|one| one.role == Role::Ours);
    let mut shared: Vec<Part> = figures
        .0
        .iter()
        .filter(ours)
        .filter_map(|record| {
            let load = record
                .bench
                .strip_prefix("shared/")?
                .strip_suffix("-rmws")?;
            let crew = if record.threads > 1 {
                ", all cores"
            } else {
                ""
            };
            Some((format!("{load} epochs{crew}"), 1.0, Some(record.value?)))
        })
        .collect();
    if shared.is_empty() {
        shared.push((String::new(), 1.0, None));
    }
    let sort = [
        ("fix16", 0.25),
        ("words", 0.75),
        ("user", 0.9),
        ("paths", 1.0),
    ];
    let sort = sort.map(|(keys, limit)| {
        let figure = figures.ratio("sort/sort", "sort-keys", keys, Crew::One);
        (keys.to_owned(), limit, figure)
    });
    vec![
        target(
            "T9",
            "shared read-modify-writes",
            " per 1,000 puts",
            AtMost,
            shared,
        ),
        target(
            "T10",
            "sort of resolved keys",
            "x the time of a sort by memcmp",
            AtMost,
            sort.to_vec(),
        ),
    ]
}

/// A part per key set that this library was measured on.
fn sets(
    figures: Figures<'_>,
    bench: &str,
    crew: Crew,
    limit: f64,
    of: impl Fn(&str) -> Option<f64>,
) -> Vec<Part> {
    sets_of(figures, bench, "ours", crew, limit, of)
}

fn sets_of(
    figures: Figures<'_>,
    bench: &str,
    who: &str,
    crew: Crew,
    limit: f64,
    of: impl Fn(&str) -> Option<f64>,
) -> Vec<Part> {
    let sets = figures.sets(bench, who, crew);
    if sets.is_empty() {
        return vec![(String::new(), limit, None)];
    }
    let part = |keys: &str| (keys.to_owned(), limit, of(keys));
    sets.into_iter().map(part).collect()
}
