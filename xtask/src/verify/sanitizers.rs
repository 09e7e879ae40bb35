//! Stages asan, msan and tsan. A test that a sanitizer cannot run is ignored under its cfg, with the reason beside it.

use super::{ALLOCATORS, Command, Name, Need, Step, seeded};
use crate::ci::PUBLISHED;
use crate::step::NIGHTLY;

/// The target that runs here. Named, so that build scripts and macros are built without the sanitizer.
pub fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// The variable through which cargo starts the target's programs by another program.
pub fn runner_variable() -> String {
    let target = target().to_uppercase().replace('-', "_");
    format!("CARGO_TARGET_{target}_RUNNER")
}

/// The lowest crates of the library in a hurry, and else all of them.
fn crates(quick: bool, lowest: usize) -> String {
    let words = PUBLISHED.split_whitespace().take(if quick { 2 * lowest } else { usize::MAX });
    words.collect::<Vec<_>>().join(" ")
}

/// Stage asan.
pub fn address(quick: bool) -> Vec<Step> {
    let library = format!("{} {ALLOCATORS} --tests", crates(quick, 3));
    let bug = |test| asan(&seeded("memory", test));
    let overrun = asan(&format!("--features arena {}", seeded("arena", "overrun")));
    vec![
        Step::tests(Name::Asan, "addresses and leaks", vec![asan(&library)])
            .needs(&[Need::Linux])
            .catches("out of bounds", bug("out_of_bounds"), "heap-buffer-overflow")
            .catches("use after free", bug("use_after_free"), "heap-use-after-free")
            .catches("leak", bug("leak"), "LeakSanitizer: detected memory leaks")
            .catches("overrun inside a block", overrun, "use-after-poison"),
    ]
}

fn asan(arguments: &str) -> Command {
    Command::cargo(&format!("test --target {} {arguments}", target()))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address --cfg epoch_arena_asan")
        .env("ASAN_OPTIONS", "allocator_may_return_null=1")
        // Memory that only a dead stack slot points to is a leak.
        .env("LSAN_OPTIONS", "use_stacks=0")
        .target("target/asan")
}

/// Stage msan.
pub fn memory(quick: bool) -> Vec<Step> {
    // Sizes that cannot be are errors here as they are elsewhere.
    let msan = |arguments: &str| {
        let command = rebuilt("-Zsanitizer=memory --cfg epoch_arena_msan", "target/msan", arguments);
        let command = command.env("MSAN_OPTIONS", "allocator_may_return_null=1");
        // Without optimisation most of the time goes into the notes on every frame of the stack.
        command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
    };
    let library = format!("{} {ALLOCATORS} --tests", crates(quick, 2));
    let bug = msan(&seeded("memory", "uninitialised_read"));
    vec![
        Step::tests(Name::Msan, "uninitialised reads", vec![msan(&library)])
            .needs(&[Need::Linux, Need::Nightly, Need::RustSrc])
            .catches("uninitialised read", bug, "use-of-uninitialized-value"),
    ]
}

/// Stage tsan.
pub fn thread(quick: bool) -> Vec<Step> {
    let (seconds, repeats) = if quick { ("3", 1) } else { ("20", 5) };
    let stress = tsan("-p epoch-arena --test all -- --nocapture stress")
        .env("EPOCH_ARENA_STRESS_SECONDS", seconds)
        .env("EPOCH_ARENA_STRESS_WRITERS", "2")
        .env("EPOCH_ARENA_STRESS_READERS", "2");
    let races = format!("{} {ALLOCATORS} --test all -- race threads", crates(true, 3));
    let maps = "-p epoch-arena-map --lib --test all -- threads histories freeze";
    let races = (0..repeats).flat_map(|_| [tsan(&races), tsan(maps)]).collect();
    let bug = |test| tsan(&seeded("threads", test));
    let word = "ThreadSanitizer: data race";
    let needs = [Need::Linux, Need::Nightly, Need::RustSrc];
    vec![
        Step::tests(Name::Tsan, "race tests", races)
            .needs(&needs)
            .catches("data race", bug("data_race"), word)
            .catches("Relaxed publication", bug("relaxed_publication"), word),
        Step::tests(Name::Tsan, "stress", vec![stress]).needs(&needs),
    ]
}

fn tsan(arguments: &str) -> Command {
    rebuilt("-Zsanitizer=thread", "target/tsan", arguments)
}

/// With the standard library built anew: code that is not instrumented gives false alarms.
fn rebuilt(flags: &str, folder: &str, arguments: &str) -> Command {
    // By rustup, which the `cargo` that runs us may have left behind.
    let command = Command::program(&format!("cargo +{NIGHTLY} test -Zbuild-std --target {} {arguments}", target()));
    command.env("RUSTFLAGS", flags).target(folder)
}
