//! The package `checks/fuzz`: a workspace of its own, so that what is said of the workspace does not
//! reach it.

use crate::stage::Stage;

const MANIFEST: [&str; 2] = ["--manifest-path", "checks/fuzz/Cargo.toml"];

/// Its format and lints.
pub fn lints() -> [Stage; 2] {
    [
        stage("format, fuzz", &["fmt"], &["--check"]),
        stage(
            "clippy, fuzz",
            &["clippy", "--all-targets"],
            &["--", "-D", "warnings"],
        ),
    ]
}

/// The stored programs and some at random, without libFuzzer.
pub fn replay() -> Stage {
    stage("fuzz programs", &["test"], &[])
}

fn stage(name: &'static str, before: &[&str], after: &[&str]) -> Stage {
    let arguments = [before, &MANIFEST, after].concat();
    // Beside the workspace's own, whose profiles differ.
    Stage::cargo(name, &arguments).env("CARGO_TARGET_DIR", "target/fuzz-programs")
}
