//! `cargo xtask ci`: what `.ci/run` runs.

use crate::programs;
use crate::stage::{Stage, run_all};
use crate::test;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the verb: format, lints and documentation first, as they are quick to fail, then the instruction counts, then
/// exactly the stages of `cargo xtask test`.
pub fn run(_args: Args) -> Result<(), String> {
    let mut stages = lints();
    stages.push(counts());
    stages.extend(test::stages());
    run_all(stages)
}

/// The hot operations' instructions, against those on record. Where valgrind is missing it says SKIPPED.
fn counts() -> Stage {
    Stage::cargo(
        "instruction counts",
        &[
            "run",
            "--quiet",
            "--package",
            "xtask",
            "--",
            "verify",
            "--only",
            "counts",
        ],
    )
}

/// A command on the crates that are published.
pub fn ours(name: &'static str, command: &[&str]) -> Stage {
    let packages = PUBLISHED.iter().flat_map(|name| ["--package", name]);
    let arguments: Vec<&str> = command.iter().copied().chain(packages).collect();
    Stage::cargo(name, &arguments)
}

/// The crates that are published, in the order in which they depend on each other.
pub const PUBLISHED: [&str; 5] = [
    "epoch-arena-block",
    "epoch-arena-core",
    "epoch-arena-pool",
    "epoch-arena-key",
    "epoch-arena",
];

/// Format, lints, and the documentation with warnings denied.
pub fn lints() -> Vec<Stage> {
    let mut stages = vec![
        Stage::cargo("format", &["fmt", "--all", "--check"]),
        Stage::cargo(
            "clippy",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ],
        ),
        Stage::cargo(
            "clippy, model runs",
            &[
                "clippy",
                "--lib",
                "--tests",
                "--package",
                "epoch-arena-block",
                "--package",
                "epoch-arena-core",
                "--package",
                "epoch-arena-pool",
                "--",
                "-D",
                "warnings",
            ],
        )
        .env("RUSTFLAGS", test::LOOM)
        .env("CARGO_TARGET_DIR", "target/loom"),
        ours(
            "clippy, features on",
            &["clippy", "--all-targets", "--all-features"],
        )
        .args(&["--", "-D", "warnings"]),
        Stage::cargo(
            "clippy, counting",
            &[
                "clippy",
                "--lib",
                "--tests",
                "--package",
                "epoch-arena",
                "--package",
                "epoch-arena-bench",
                "--",
                "-D",
                "warnings",
            ],
        )
        .env("RUSTFLAGS", crate::bench::COUNT)
        .env("CARGO_TARGET_DIR", "target/count"),
        Stage::cargo("documentation builds", &["doc", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings"),
        // As docs.rs does.
        ours(
            "documentation, features on",
            &["doc", "--no-deps", "--all-features"],
        )
        .env("RUSTDOCFLAGS", "-D warnings"),
    ];
    stages.extend(programs::lints());
    stages
}
