//! Stage lint: as `cargo xtask ci`, and checks that need tools of their own.

use super::{Command, Name, Need, SEEDED, Step};
use crate::ci::PUBLISHED;
use crate::step::{CROSS, OLDEST};

/// The steps.
pub fn steps() -> Vec<Step> {
    let bug = |words: &str, rest: &str| Command::cargo(&format!("{words} {SEEDED} {rest}"));
    let mut steps: Vec<Step> = crate::ci::lints();
    steps.push(crate::tidy::step());
    let bugs = |step: Step| match step.name {
        "format" => step.catches("bad layout", bug("fmt", "--check"), "Diff in"),
        "clippy" => step.catches("a needless return", bug("clippy", "--bin lint -- -D warnings"), "needless_return"),
        "documentation builds" => step.catches(
            "a dead link",
            bug("doc", "--no-deps --bin lint").env("RUSTDOCFLAGS", "-D warnings"),
            "unresolved link",
        ),
        _ => step,
    };
    steps = steps.into_iter().map(bugs).collect();
    let step = |name, command| Step::command(Name::Lint, name, command);
    // Those of the published crates; the benchmarks' are peers, with C code among them.
    let features = |which: &str| Command::cargo(&format!("hack check --feature-powerset --depth 2 {which}"));
    steps.push(step("features", features(PUBLISHED)).needs(&[Need::CargoHack]).catches(
        "a feature that leans on another",
        features(&format!("{SEEDED} --lib --include-features needy,base")),
        "does not compile alone",
    ));
    let deny = step("licences and sources", Command::cargo("deny check bans licenses sources"));
    steps.push(deny.needs(&[Need::CargoDeny]));
    steps.extend(CROSS.map(cross));
    // With the oldest compiler that is promised. (Clippy, with the newest, looks for newer functions of the standard library
    // only.)
    let oldest = |rest: &str| Command::program(&format!("cargo {OLDEST} check {rest}")).target("target/oldest");
    steps.push(step("oldest Rust", oldest(&format!("--all-features {PUBLISHED}"))).needs(&[Need::Oldest]).catches(
        "a chain of lets",
        oldest(&format!("{SEEDED} --bin newest")),
        "E0658",
    ));
    // Each from what the others would be on the registry; the tests are not in them, as is said in many warnings.
    // In a folder that is new each time: cargo caches unpacked packages by folder and version, and the version stays.
    let folder = format!("target/packages/{}", std::process::id());
    let package = Command::cargo(&format!("package --allow-dirty {PUBLISHED}")).target(&folder);
    steps.push(step("packages", package).catches(
        "a dependency by path alone",
        bug("package --allow-dirty", ""),
        "must have a version requirement",
    ));
    // From the first release on; before, there is nothing to compare with.
    let tag = duct::cmd!("git", "describe", "--tags", "--match", "v[0-9]*", "--abbrev=0");
    if let Ok(tag) = tag.dir(crate::workspace()).stderr_null().read() {
        let compare = Command::cargo(&format!("semver-checks {PUBLISHED} --baseline-rev {tag}"));
        steps.push(step("compatibility", compare).needs(&[Need::CargoSemverChecks]));
    }
    steps
}

/// The libraries, their tests and examples for another target. Nothing is linked, so no linker is needed.
fn cross(target: &'static str) -> Step {
    let clippy = |rest: &str| Command::cargo(&format!("clippy --target {target} {rest} -- -D warnings"));
    Step::command(Name::Lint, target, clippy(&format!("--all-targets --all-features {PUBLISHED}")))
        .needs(&[Need::Targets])
        .catches("an import that only x86-64 Linux uses", clippy(&format!("{SEEDED} --bin elsewhere")), "unused import")
}
