//! `cargo xtask ci`, which `.ci/run` runs.

use crate::step::{Command, Name, Step};
use crate::test;
use crate::verify;

/// Format, lints and documentation first, as they are quick to fail, then the instruction counts, then exactly the steps of
/// `cargo xtask test`.
pub fn steps() -> Vec<Step> {
    lints().into_iter().chain(verify::counts::steps(false)).chain(test::steps()).collect()
}

/// The crates that are published, in the order in which they depend on each other.
pub const PUBLISHED: &str = "--package epoch-arena-block --package epoch-arena-core --package epoch-arena-pool \
                             --package epoch-arena-map --package epoch-arena-key --package epoch-arena";

/// Format, lints, and the documentation with warnings denied.
pub fn lints() -> Vec<Step> {
    let deny = "-- -D warnings";
    let step = |name, command| Step::command(Name::Lint, name, command);
    let lint = |name, words: &str| step(name, Command::cargo(&format!("{words} {deny}")));
    let doc = |name, words: &str| step(name, Command::cargo(words).env("RUSTDOCFLAGS", "-D warnings"));
    let with = |name, packages: &str, flags, folder| {
        let command = Command::cargo(&format!("clippy --lib --tests {packages} {deny}"));
        step(name, command.env("RUSTFLAGS", flags).target(folder))
    };
    let counting = "--package epoch-arena --package epoch-arena-bench";
    let fuzz = |words: &str| Command::cargo(words).target("target/fuzz-programs");
    vec![
        step("format", Command::cargo("fmt --all --check")),
        lint("clippy", "clippy --workspace --all-targets"),
        with("clippy, model runs", test::MODELS, test::LOOM, "target/loom"),
        lint("clippy, features on", &format!("clippy --all-targets --all-features {PUBLISHED}")),
        with("clippy, counting", counting, crate::bench::COUNT, "target/count"),
        doc("documentation builds", "doc --workspace --no-deps"),
        // As docs.rs does.
        doc("documentation, features on", &format!("doc --no-deps --all-features {PUBLISHED}")),
        step("format, fuzz", fuzz(&format!("fmt {} --check", test::FUZZ))),
        step("clippy, fuzz", fuzz(&format!("clippy --all-targets {} {deny}", test::FUZZ))),
    ]
}
