//! Stage lint: as `cargo xtask ci`, and what needs tools of its own.

use super::need::Need;
use super::seeded::MANIFEST;
use super::step::{Name, Step};
use crate::ci::{PUBLISHED, ours};
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
    // Those of the published crates; the benchmarks' are peers, with C code among them.
    let features = features(&PUBLISHED.map(|name| ["--package", name]).concat());
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
    steps.extend(CROSS.map(cross));
    steps.push(oldest());
    // Each from what the others would be on the registry; the tests are not in them, as is said in many warnings.
    // In a folder that is new each time: cargo keeps what it unpacked by folder and version, and the version stays.
    let folder = format!("target/packages/{}", std::process::id());
    let package = ours("packages", &["package", "--allow-dirty"]).env("CARGO_TARGET_DIR", &folder);
    let bug = ["package", "--allow-dirty", "--manifest-path", MANIFEST];
    steps.push(Step::command(Name::Lint, package).catches(
        "a dependency by path alone",
        Stage::cargo("package", &bug),
        "must have a version requirement",
    ));
    steps
}

/// Targets that the hosted CI runs the tests on; here it is seen that they compile.
pub const CROSS: [&str; 3] = [
    "aarch64-unknown-linux-gnu",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
];

/// The `rust-version` of the workspace, as rustup takes it.
pub const OLDEST: &str = "+1.89";

/// The libraries, their tests and examples for another target. Nothing is linked, so no linker is needed.
fn cross(target: &'static str) -> Step {
    let arguments = [
        "clippy",
        "--all-targets",
        "--all-features",
        "--target",
        target,
    ];
    let clippy = ours(target, &arguments).args(&["--", "-D", "warnings"]);
    let bug = [
        "clippy",
        "--manifest-path",
        MANIFEST,
        "--bin",
        "elsewhere",
        "--target",
        target,
    ];
    Step::command(Name::Lint, clippy)
        .needs(&[Need::Targets])
        .catches(
            "an import that only x86-64 Linux uses",
            Stage::cargo("elsewhere", &bug).args(&["--", "-D", "warnings"]),
            "unused import",
        )
}

/// The libraries with the oldest compiler that is promised. (Clippy, with the newest, looks for newer functions of the
/// standard library only.)
fn oldest() -> Step {
    let packages = PUBLISHED.iter().flat_map(|name| ["--package", name]);
    let arguments: Vec<&str> = [OLDEST, "check", "--all-features"]
        .into_iter()
        .chain(packages)
        .collect();
    let with = |name, arguments: &[&str]| {
        Stage::program(name, "cargo".as_ref(), arguments).env("CARGO_TARGET_DIR", "target/oldest")
    };
    let bug = [
        OLDEST,
        "check",
        "--manifest-path",
        MANIFEST,
        "--bin",
        "newest",
    ];
    Step::command(Name::Lint, with("oldest Rust", &arguments))
        .needs(&[Need::Oldest])
        .catches("a function of Rust 1.91", with("newest", &bug), "E0658")
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
