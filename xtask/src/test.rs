//! `cargo xtask test`: every test there is.

use crate::programs;
use crate::stage::{Stage, run_all};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the verb.
pub fn run(_args: Args) -> Result<(), String> {
    run_all(stages())
}

/// The stages, in the order in which a failure says most.
pub fn stages() -> Vec<Stage> {
    let mut stages = vec![
        unit_and_integration(),
        documentation(),
        // The block crate on its own: without std, and without maps.
        Stage::cargo(
            "block without std",
            &[
                "test",
                "--package",
                "epoch-arena-block",
                "--no-default-features",
                "--lib",
            ],
        ),
        programs::replay(),
        models(),
        counted(),
    ];
    stages.extend(examples());
    stages
}

/// What swaps our atomics for loom's, and crossbeam-epoch's as well. (`crossbeam_sanitize` makes its
/// bags small.)
pub const LOOM: &str = "--cfg epoch_arena_loom --cfg crossbeam_loom --cfg crossbeam_sanitize";

/// Unit and integration tests of every package, and that the examples compile.
pub fn unit_and_integration() -> Stage {
    let arguments = [
        "test",
        "--workspace",
        "--lib",
        "--bins",
        "--tests",
        "--examples",
    ];
    Stage::cargo("unit and integration", &arguments)
}

/// Every snippet of the documentation, those that must not compile included.
pub fn documentation() -> Stage {
    Stage::cargo("documentation", &["test", "--workspace", "--doc"])
}

/// The loom models of each crate and those end to end, with their broken twins.
pub fn models() -> Stage {
    let arguments = [
        "test",
        "--profile",
        "model",
        "--lib",
        "--package",
        "epoch-arena-block",
        "--package",
        "epoch-arena-core",
        "--package",
        "epoch-arena-pool",
        "--",
        "models",
        "end_to_end",
    ];
    Stage::cargo("loom models", &arguments)
        .env("RUSTFLAGS", LOOM)
        // Flags of its own would rebuild everything in the shared directory, twice.
        .env("CARGO_TARGET_DIR", "target/loom")
}

/// Shared writes per put, counted by a library that counts them.
pub fn counted() -> Stage {
    let arguments = [
        "test",
        "--profile",
        "model",
        "--package",
        "epoch-arena",
        "--test",
        "all",
        "counted",
    ];
    Stage::cargo("shared writes, counted", &arguments)
        .env("RUSTFLAGS", crate::bench::COUNT)
        .env("CARGO_TARGET_DIR", "target/count")
}

/// The examples, run on small input; they check what they do and fail if it is wrong.
fn examples() -> Vec<Stage> {
    let example = |name: &'static str, arguments: &[&str]| {
        let fixed = [
            "run",
            "--quiet",
            "--package",
            "epoch-arena",
            "--example",
            name,
            "--",
        ];
        Stage::cargo(name, &[&fixed, arguments].concat())
    };
    vec![
        example("quick_start", &[]),
        example("memtable", &["20000"]),
        example("mvcc", &["5000"]),
        example("cache", &["10000"]),
        example("dedup", &["Cargo.lock"]),
        example("async_scan", &["Cargo.lock"]),
    ]
}
