//! `cargo xtask test`: every test there is.

use crate::step::{Command, Name, Step};
use crate::{newcomer, tidy};

/// The flags that swap the atomics, crossbeam-epoch's included, for loom's. (`crossbeam_sanitize` makes its
/// bags small.)
pub const LOOM: &str = "--cfg epoch_arena_loom --cfg crossbeam_loom --cfg crossbeam_sanitize";

/// The crates that have models.
pub const MODELS: &str = "--features loom --package epoch-arena-block --package epoch-arena-core \
                          --package epoch-arena-pool --package epoch-arena-map";

/// The package `checks/fuzz`: a workspace of its own, which flags for the other do not reach.
pub const FUZZ: &str = "--manifest-path checks/fuzz/Cargo.toml";

/// The steps, in the order in which a failure says most.
pub fn steps() -> Vec<Step> {
    let tests = |name, words: &str| Step::tests(Name::Tests, name, vec![Command::cargo(words)]);
    let block = "--package epoch-arena-block --no-default-features --lib";
    let mut steps = vec![
        tidy::step(),
        unit_and_integration(),
        documentation(),
        tests("block without std", &format!("test {block}")),
        // Built and not tested: the tests' packages would bring more features of `allocator-api2`, and std.
        Step::command(
            Name::Tests,
            "allocator without std",
            Command::cargo(&format!("build {block} --features allocator-api2")),
        ),
        // Of the crates that are allocators by a feature, with it: the tests that need it, the other ones again, and the
        // documentation's.
        tests("allocators", "test --package epoch-arena-block --package epoch-arena-core --all-features"),
        // The pool's tests of `tracing`, `serde`, `bytes` and `stable_deref_trait`; and, with every feature on, those of the calls that emit events.
        // The rest is the same code as in the first step.
        tests(
            "features on",
            "test --package epoch-arena-pool --all-features --test all -- traced serialised owned advance budget callbacks leases",
        ),
        tests("the guide's page on `Bytes`", "test --package epoch-arena --doc --features bytes guide::bytes"),
        // The stored programs and some at random, without libFuzzer; beside the workspace's own, whose profiles differ.
        Step::tests(
            Name::Tests,
            "fuzz programs",
            vec![Command::cargo(&format!("test {FUZZ}")).target("target/fuzz-programs")],
        ),
        models(),
        counted(),
    ];
    steps.extend(examples());
    // Last, as it needs the crates that the steps above have fetched.
    steps.extend(newcomer::steps());
    steps
}

/// Unit and integration tests of every package, and that the examples compile; by cargo-nextest where it is installed.
pub fn unit_and_integration() -> Step {
    let runner = if Command::cargo("nextest --version").works() { "nextest run" } else { "test" };
    let words = format!("{runner} --workspace --lib --bins --tests --examples");
    Step::tests(Name::Tests, "unit and integration", vec![Command::cargo(&words)])
}

/// Every snippet of the documentation, those that must not compile included.
pub fn documentation() -> Step {
    Step::tests(Name::Tests, "documentation", vec![Command::cargo("test --workspace --doc")])
}

/// The loom models of each crate and those end to end, with their broken twins.
pub fn models() -> Step {
    let command = Command::cargo(&format!("test --profile model --lib {MODELS} -- models end_to_end"));
    Step::tests(Name::Loom, "loom models", vec![command.env("RUSTFLAGS", LOOM).target("target/loom")])
}

/// Shared writes per put, counted by a library that counts them.
fn counted() -> Step {
    let command = Command::cargo("test --profile model --package epoch-arena --test all counted");
    let command = command.env("RUSTFLAGS", crate::bench::COUNT).target("target/count");
    Step::tests(Name::Tests, "shared writes, counted", vec![command])
}

/// The examples, run on small input; they check their results and fail if one is wrong.
fn examples() -> Vec<Step> {
    let all = [
        ("quick_start", "epoch-arena", ""),
        ("memtable", "epoch-arena", "20000"),
        ("mvcc", "epoch-arena", "5000"),
        ("hash_index", "epoch-arena", ""),
        ("cache", "epoch-arena", "10000"),
        ("dedup", "epoch-arena", "Cargo.lock"),
        ("async_scan", "epoch-arena", "Cargo.lock"),
        ("parser", "epoch-arena-block --features allocator-api2", ""),
        ("serve_stats", "epoch-arena --features serde", "--self-test"),
    ];
    let step = |(name, package, arguments): (&'static str, &str, &str)| {
        let command = Command::cargo(&format!("run --quiet --example {name} --package {package} -- {arguments}"));
        Step::command(Name::Tests, name, command)
    };
    all.into_iter().map(step).collect()
}
