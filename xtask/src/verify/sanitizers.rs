//! Stages asan, msan and tsan.

use super::need::{NIGHTLY, Need};
use super::seeded;
use super::step::{Name, Step};
use super::tests::{ALLOCATORS, LIBRARY};
use crate::stage::Stage;

/// What these tests are about a sanitizer sees as a fault: guards forgotten on purpose leak, a child that is to fault
/// does, and resident bytes are the sanitizer's as well.
const NOT_UNDER_ASAN: [&str; 8] = [
    "--skip",
    "a_child_that_touches_a_temporary_file_faults",
    "--skip",
    "forg",
    "--skip",
    "m3_m8_the_process",
    "--skip",
    "bug18_pools_and_threads",
];

/// Resident bytes are the sanitizer's as well; it takes a fault that is expected for one; and it is right that the tests
/// of scrubbed bytes read what nobody may read.
const NOT_UNDER_MSAN: [&str; 10] = [
    "--skip",
    "m3_resident_memory",
    "--skip",
    "m3_m8_the_process",
    "--skip",
    "a_child_that_touches_a_temporary_file_faults",
    "--skip",
    "b7_reclaimed_bytes_are_poisoned",
    "--skip",
    "b7_secrets_are_zeroed",
];

/// The target that runs here. Named, so that build scripts and macros are built without the sanitizer.
pub fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// The variable through which cargo starts the target's programs by another program.
pub fn runner_variable() -> String {
    let target = target().to_uppercase().replace('-', "_");
    format!("CARGO_TARGET_{target}_RUNNER")
}

/// Stage asan.
pub fn address(quick: bool) -> Vec<Step> {
    let crates: &[&str] = if quick { &LIBRARY[..6] } else { &LIBRARY };
    let library = [crates, &ALLOCATORS, &["--tests", "--"], &NOT_UNDER_ASAN].concat();
    let arena = [
        &["--features", "arena"],
        &seeded::test("arena", "overrun")[..],
    ]
    .concat();
    vec![
        Step::tests(Name::Asan, "addresses and leaks", vec![asan(&library)])
            .needs(&[Need::Linux])
            .catches(
                "out of bounds",
                asan(&memory_bug("out_of_bounds")),
                "heap-buffer-overflow",
            )
            .catches(
                "use after free",
                asan(&memory_bug("use_after_free")),
                "heap-use-after-free",
            )
            .catches(
                "leak",
                asan(&memory_bug("leak")),
                "LeakSanitizer: detected memory leaks",
            )
            .catches("overrun inside a block", asan(&arena), "use-after-poison"),
    ]
}

fn memory_bug(test: &str) -> Vec<&str> {
    seeded::test("memory", test)
}

fn asan(arguments: &[&str]) -> Stage {
    let target = target();
    let arguments = [&["test", "--target", &target], arguments].concat();
    Stage::cargo("asan", &arguments)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address --cfg epoch_arena_asan")
        .env("ASAN_OPTIONS", "allocator_may_return_null=1")
        // What only a dead stack slot points to is a leak.
        .env("LSAN_OPTIONS", "use_stacks=0")
        .env("CARGO_TARGET_DIR", "target/asan")
}

/// Stage msan.
pub fn memory(quick: bool) -> Vec<Step> {
    let crates: &[&str] = if quick { &LIBRARY[..4] } else { &LIBRARY };
    let library = [crates, &ALLOCATORS, &["--tests", "--"], &NOT_UNDER_MSAN].concat();
    vec![
        Step::tests(Name::Msan, "uninitialised reads", vec![msan(&library)])
            .needs(&[Need::Linux, Need::Nightly, Need::RustSrc])
            .catches(
                "uninitialised read",
                msan(&memory_bug("uninitialised_read")),
                "use-of-uninitialized-value",
            ),
    ]
}

fn msan(arguments: &[&str]) -> Stage {
    rebuilt(
        "-Zsanitizer=memory --cfg epoch_arena_msan",
        "target/msan",
        arguments,
    )
    // Sizes that cannot be are errors here as they are elsewhere.
    .env("MSAN_OPTIONS", "allocator_may_return_null=1")
}

/// Stage tsan.
pub fn thread(quick: bool) -> Vec<Step> {
    let (seconds, repeats) = if quick { ("3", 1) } else { ("20", 5) };
    let stress = [
        "-p",
        "epoch-arena",
        "--test",
        "all",
        "--",
        "--nocapture",
        "stress",
    ];
    let stress = tsan(&stress)
        .env("EPOCH_ARENA_STRESS_SECONDS", seconds)
        .env("EPOCH_ARENA_STRESS_WRITERS", "2")
        .env("EPOCH_ARENA_STRESS_READERS", "2");
    let filters = ["--test", "all", "--", "race", "threads"];
    let races = [&LIBRARY[..6], &ALLOCATORS, &filters].concat();
    let races = (0..repeats).map(|_| tsan(&races)).collect();
    let bug = |test| tsan(&seeded::test("threads", test));
    let needs = [Need::Linux, Need::Nightly, Need::RustSrc];
    vec![
        Step::tests(Name::Tsan, "race tests", races)
            .needs(&needs)
            .catches("data race", bug("data_race"), "ThreadSanitizer: data race")
            .catches(
                "Relaxed publication",
                bug("relaxed_publication"),
                "ThreadSanitizer: data race",
            ),
        Step::tests(Name::Tsan, "stress", vec![stress]).needs(&needs),
    ]
}

fn tsan(arguments: &[&str]) -> Stage {
    rebuilt("-Zsanitizer=thread", "target/tsan", arguments)
}

/// With the standard library built anew: what is not instrumented gives false alarms.
fn rebuilt(flags: &str, folder: &str, arguments: &[&str]) -> Stage {
    let nightly = format!("+{NIGHTLY}");
    let (target, fixed) = (target(), ["test", "-Zbuild-std", "--target"]);
    let arguments = [&[nightly.as_str()], &fixed[..], &[&target], arguments].concat();
    // By rustup, which the `cargo` that runs us may have left behind.
    Stage::program("rebuilt", "cargo".as_ref(), &arguments)
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", folder)
}
