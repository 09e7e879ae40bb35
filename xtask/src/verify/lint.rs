//! Stage lint: as `cargo xtask ci`, and what needs tools of its own.

use super::need::Need;
use super::seeded::MANIFEST;
use super::step::{Name, Step};
use crate::stage::Stage;

/// The steps.
pub fn steps() -> Vec<Step> {
    let lints = crate::ci::lints().into_iter();
    let mut steps: Vec<Step> = lints
        .map(|stage| {
            let name = stage.name();
            let step = Step::command(Name::Lint, stage);
            match name {
                "format" => step.catches("bad layout", format(), "Diff in"),
                "clippy" => step.catches("a needless return", clippy(), "needless_return"),
                "documentation builds" => step.catches("a dead link", links(), "unresolved link"),
                _ => step,
            }
        })
        .collect();
    // The benchmarks' features are peers, with C code among them. The facade's is passed through.
    let features = features(&[
        "--package",
        "epoch-arena-block",
        "--package",
        "epoch-arena-core",
        "--package",
        "epoch-arena",
    ]);
    let seeded = [
        "--manifest-path",
        MANIFEST,
        "--lib",
        "--include-features",
        "needy,base",
    ];
    steps.push(
        Step::command(Name::Lint, features)
            .needs(&[Need::CargoHack])
            .catches(
                "a feature that leans on another",
                self::features(&seeded),
                "does not compile alone",
            ),
    );
    let deny = ["deny", "check", "bans", "licenses", "sources"];
    steps.push(
        Step::command(Name::Lint, Stage::cargo("licences and sources", &deny))
            .needs(&[Need::CargoDeny]),
    );
    steps
}

fn features(which: &[&str]) -> Stage {
    let powerset = ["hack", "check", "--feature-powerset", "--depth", "2"];
    Stage::cargo("features", &[&powerset, which].concat())
}

fn format() -> Stage {
    Stage::cargo("format", &["fmt", "--manifest-path", MANIFEST, "--check"])
}

fn clippy() -> Stage {
    let arguments = ["clippy", "--manifest-path", MANIFEST, "--bin", "lint"];
    Stage::cargo(
        "clippy",
        &[&arguments[..], &["--", "-D", "warnings"]].concat(),
    )
}

fn links() -> Stage {
    let arguments = [
        "doc",
        "--manifest-path",
        MANIFEST,
        "--no-deps",
        "--bin",
        "lint",
    ];
    Stage::cargo("links", &arguments).env("RUSTDOCFLAGS", "-D warnings")
}
