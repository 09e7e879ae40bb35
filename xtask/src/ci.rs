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

/// Of all that is published, with all features; of the rest, with the peers' C code, without.
const DOCUMENTATION: [&str; 4] = [
    "doc",
    "--workspace",
    "--no-deps",
    "--features=epoch-arena/allocator-api2",
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
            "clippy, all features",
            &[
                "clippy",
                "--package",
                "epoch-arena-block",
                "--package",
                "epoch-arena-core",
                "--package",
                "epoch-arena",
                "--all-targets",
                "--all-features",
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
        Stage::cargo("documentation builds", &DOCUMENTATION).env("RUSTDOCFLAGS", "-D warnings"),
    ];
    stages.extend(programs::lints());
    stages
}
