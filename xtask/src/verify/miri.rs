//! Stage miri. It runs a hundred times slower than the code, so each crate gives it the tests that say most.

use super::need::{NIGHTLY, Need};
use super::seeded;
use super::step::{Name, Step};
use crate::stage::Stage;

/// No pointer of ours is made from an integer.
const STRICT: &str = "-Zmiri-strict-provenance";
/// crossbeam-epoch makes pointers from integers, aliases beyond Stacked Borrows, and never frees what its last
/// participants leave.
const CROSSBEAM: &str = "-Zmiri-permissive-provenance -Zmiri-tree-borrows -Zmiri-ignore-leaks";

/// Tests that take Miri longer than they are worth: large values, and every call of many.
const SLOW: [&str; 8] = [
    "--skip",
    "oversize",
    "--skip",
    "kth_call",
    "--skip",
    "the_arena_grows",
    "--skip",
    "every_source",
];

/// The steps.
pub fn steps(quick: bool) -> Vec<Step> {
    let (schedules, races) = if quick { (2, 4) } else { (16, 64) };
    let tests = |package: &'static str, filters: &[&'static str]| {
        let tests = ["-p", package, "--all-features", "--test", "all", "--"];
        miri(STRICT, &[&tests, filters, &SLOW].concat())
    };
    let block: &[&str] = if quick {
        &[
            "block::",
            "borrowed::",
            "allocator::b11_a",
            "allocator::b11_bug",
        ]
    } else {
        &[]
    };
    let arena: &[&str] = if quick {
        &[
            "arena::m4_uninitialised",
            "arena::m4_bug13",
            "allocator::b11_bug23",
        ]
    } else {
        &["arena::", "model::", "allocator::"]
    };
    // One schedule proves little of a race: the seed decides who runs when, and which of the values that a Relaxed or
    // Acquire load may see it sees.
    let seeds = |flags: &str, count: u32| format!("{flags} -Zmiri-many-seeds=0..{count}");
    let block_races = [
        "-p",
        "epoch-arena-block",
        "--all-features",
        "--test",
        "all",
        "--",
        "budget::bug21_racing",
        "allocator::b11_threads",
    ];
    let arena_races = [
        "-p",
        "epoch-arena-core",
        "--all-features",
        "--test",
        "all",
        "--",
        "threads::",
        "allocator::b11_threads",
    ];
    let pool = ["-p", "epoch-arena-pool", "--test", "all", "miri::"];
    let bug = |test| miri(STRICT, &seeded::test("memory", test));
    let race = |test| miri(STRICT, &seeded::test("threads", test));
    let steps = vec![
        Step::tests(
            Name::Miri,
            "block and arena",
            vec![
                tests("epoch-arena-block", block),
                tests("epoch-arena-core", arena),
            ],
        )
        .catches("out of bounds", bug("out_of_bounds"), "beyond the end")
        .catches("use after free", bug("use_after_free"), "dangling")
        .catches("leak", bug("leak"), "memory leaked")
        .catches(
            "uninitialised read",
            bug("uninitialised_read"),
            "uninitialized",
        ),
        Step::tests(
            Name::Miri,
            "races of block and arena",
            vec![
                miri(&seeds(STRICT, schedules), &block_races),
                miri(&seeds(STRICT, schedules / 2), &arena_races),
            ],
        )
        .catches("data race", race("data_race"), "Data race detected")
        .catches(
            "Relaxed publication",
            race("relaxed_publication"),
            "Data race detected",
        ),
        Step::tests(
            Name::Miri,
            "pool",
            vec![miri(&seeds(CROSSBEAM, races), &pool)],
        ),
    ];
    let needs = [Need::Nightly, Need::Miri, Need::RustSrc];
    steps.into_iter().map(|step| step.needs(&needs)).collect()
}

fn miri(flags: &str, arguments: &[&str]) -> Stage {
    let nightly = format!("+{NIGHTLY}");
    let arguments = [&[nightly.as_str(), "miri", "test"], arguments].concat();
    // By rustup, which the `cargo` that runs us may have left behind.
    Stage::program("miri", "cargo".as_ref(), &arguments)
        .env("MIRIFLAGS", flags)
        .env("CARGO_TARGET_DIR", "target/miri")
}
