//! What grows in a sweep, and how far.

use std::fs;

use epoch_arena_bench_wire::Bench;

/// Where a bench is measured: once, or at each value of what grows.
pub fn points(bench: Bench, quick: bool) -> Vec<Option<usize>> {
    let points: &[usize] = match (bench, quick) {
        (Bench::ScaleKeys | Bench::ScaleKeysResolve, true) => &[10_000, 100_000, 1_000_000],
        (Bench::ScaleKeys | Bench::ScaleKeysResolve, false) => {
            &[10_000, 100_000, 1_000_000, 10_000_000, 100_000_000]
        }
        (Bench::ScaleAdvance, true) => &[10_000, 1_000_000],
        (Bench::ScaleAdvance, false) => &[10_000, 100_000, 1_000_000, 10_000_000],
        (Bench::ScaleEpochs | Bench::ScaleEpochsResolve | Bench::ScaleEpochsAdvance, true) => {
            &[1, 64, 4_000]
        }
        (Bench::ScaleEpochs | Bench::ScaleEpochsResolve | Bench::ScaleEpochsAdvance, false) => {
            &[1, 4, 16, 64, 256, 1_000, 4_000]
        }
        (Bench::ScaleThreads, true) => &[1, 2, 8, 64],
        (Bench::ScaleThreads, false) => &[1, 2, 4, 8, 16, 32, 64],
        (Bench::ScaleLength, true) => &[1, 16, 256, 4_096, 65_536],
        (Bench::ScaleLength, false) => &[1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536],
        _ => return vec![None],
    };
    let room = available().unwrap_or(u64::MAX);
    let (kept, left): (Vec<usize>, Vec<usize>) = points
        .iter()
        .partition(|at| needed(bench, **at as u64) <= room);
    for at in left {
        eprintln!(
            "{}/{at} is left out: it needs some {} MiB, and {} MiB are available",
            bench.name(),
            needed(bench, at as u64) >> 20,
            room >> 20
        );
    }
    kept.into_iter().map(Some).collect()
}

/// Bytes that a process needs at most: three stores of keys of 16 bytes, or one of boxes with their handles.
const fn needed(bench: Bench, keys: u64) -> u64 {
    match bench {
        Bench::ScaleKeys | Bench::ScaleKeysResolve | Bench::ScaleAdvance => 64 * keys,
        _ => 0,
    }
}

/// The bytes that may be taken without swapping; `None` where the system does not tell.
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_grow_and_a_quick_one_is_a_part_of_the_full_one() {
        for bench in [
            Bench::ScaleKeys,
            Bench::ScaleEpochs,
            Bench::ScaleThreads,
            Bench::ScaleLength,
        ] {
            let (quick, full) = (points(bench, true), points(bench, false));
            assert!(quick.is_sorted() && full.is_sorted() && quick.len() > 2);
            assert!(
                quick.iter().all(|at| full.contains(at)),
                "{bench:?}: {quick:?}"
            );
        }
        assert_eq!(points(Bench::PutWarm, false), [None]);
    }

    #[test]
    fn only_what_needs_memory_is_left_out_for_want_of_it() {
        assert_eq!(needed(Bench::ScaleThreads, 64), 0);
        assert!(needed(Bench::ScaleKeys, 100_000_000) > 4 << 30);
        assert!(available().is_some_and(|bytes| bytes > 0));
    }
}
