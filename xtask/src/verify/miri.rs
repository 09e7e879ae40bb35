//! Stage miri. It runs a hundred times slower than the code, so each crate gives it the tests that say most.

use super::{Command, Name, Need, Step, seeded};
use crate::step::NIGHTLY;

/// These crates make no pointer from an integer.
const STRICT: &str = "-Zmiri-strict-provenance";
/// crossbeam-epoch makes pointers from integers, aliases beyond Stacked Borrows, and never frees what its last
/// participants leave.
const CROSSBEAM: &str = "-Zmiri-permissive-provenance -Zmiri-tree-borrows -Zmiri-ignore-leaks";

/// The steps.
pub fn steps(quick: bool) -> Vec<Step> {
    let (schedules, races) = if quick { (2_u32, 4) } else { (16, 64) };
    let crates = |name: &str, filters: &str| format!("-p epoch-arena-{name} --all-features --test all -- {filters}");
    let tests = |name, filters: &str| miri(STRICT, &crates(name, filters));
    let (block, arena) = if quick {
        ("block:: borrowed:: allocator::a_vector", "arena::uninitialised_room allocator::what allocator::empty_values")
    } else {
        ("", "arena:: model:: allocator::")
    };
    // One schedule proves little of a race: the seed decides who runs when, and which of the values that a Relaxed or
    // Acquire load may see it sees.
    let seeds = |flags: &str, count: u32| format!("{flags} -Zmiri-many-seeds=0..{count}");
    let block_races = crates("block", "budget::racing allocator::threads_share");
    let arena_races = crates("core", "threads:: allocator::threads_share");
    let map_races = "-p epoch-arena-map --lib -- tests::histories:: tests::threads::";
    let mut map = vec![miri(&seeds(CROSSBEAM, schedules.div_ceil(4)), map_races)];
    if !quick {
        map.push(miri(CROSSBEAM, "-p epoch-arena-map --lib -- tests::leaves:: tests::model:: tests::parked:: tree::"));
        map.push(miri(CROSSBEAM, "-p epoch-arena-map --test all -- life:: statics::"));
    }
    let bug = |test| miri(STRICT, &seeded("memory", test));
    let race = |test| miri(STRICT, &seeded("threads", test));
    let step = |name, commands| Step::tests(Name::Miri, name, commands);
    let steps = vec![
        step("block and arena", vec![tests("block", block), tests("core", arena)])
            .catches("out of bounds", bug("out_of_bounds"), "beyond the end")
            .catches("use after free", bug("use_after_free"), "dangling")
            .catches("leak", bug("leak"), "memory leaked")
            .catches("uninitialised read", bug("uninitialised_read"), "uninitialized"),
        step(
            "races of block and arena",
            vec![miri(&seeds(STRICT, schedules), &block_races), miri(&seeds(STRICT, schedules / 2), &arena_races)],
        )
        .catches("data race", race("data_race"), "Data race detected")
        .catches("Relaxed publication", race("relaxed_publication"), "Data race detected"),
        step("pool", vec![miri(&seeds(CROSSBEAM, races), "-p epoch-arena-pool --test all -- miri::")]),
        step("map", map),
    ];
    let needs = [Need::Nightly, Need::Miri, Need::RustSrc];
    steps.into_iter().map(|step| step.needs(&needs)).collect()
}

fn miri(flags: &str, arguments: &str) -> Command {
    // By rustup, which the `cargo` that runs us may have left behind.
    let command = Command::program(&format!("cargo +{NIGHTLY} miri test {arguments}"));
    command.env("MIRIFLAGS", flags).target("target/miri")
}
