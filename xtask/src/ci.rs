//! `cargo xtask ci`: what `.ci/run` runs.

use crate::programs;
use crate::stage::{Stage, run_all};
use crate::test;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the verb: format, lints and documentation first, as they are quick to fail, then exactly
/// the stages of `cargo xtask test`.
pub fn run(_args: Args) -> Result<(), String> {
    let mut stages = lints();
    stages.extend(test::stages());
    run_all(stages)
}

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
    ];
    stages.extend(programs::lints());
    stages
}
