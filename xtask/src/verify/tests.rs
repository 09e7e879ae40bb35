//! Stages tests, oom and loom: all tests as they are, optimised with debug assertions, with fields in another order,
//! without memory; and the models.

use super::{ALLOCATORS, Command, Name, Need, Step, sanitizers, seeded};
use crate::ci::PUBLISHED;
use crate::test;

/// The steps of stage tests.
pub fn steps(quick: bool) -> Vec<Step> {
    let seeds = if quick { 1..=1 } else { 1..=3 };
    let tests = format!("{PUBLISHED} {ALLOCATORS} --lib --tests");
    let plain = Command::cargo(&format!("test {}", seeded("plain", "a_wrong_sum")));
    let example = Command::cargo(&format!("test {} --doc", super::SEEDED));
    vec![
        test::unit_and_integration().catches("a wrong sum", plain, "the seeded test"),
        test::documentation().catches("a wrong example", example, "the seeded example"),
        Step::tests(Name::Tests, "release, debug assertions", vec![release(&tests)]).catches(
            "an overflow",
            release(&seeded("overflow", "an_overflow")),
            "attempt to add with overflow",
        ),
        Step::tests(Name::Tests, "randomised layout", seeds.map(|seed| layout(seed, &tests)).collect())
            .needs(&[Need::Linux])
            .catches("fields taken to be in order", layout(1, &seeded("layout", "fields")), "the seeded layout"),
    ]
}

/// Optimised, without the minutes of link-time optimisation, for which no test differs.
fn release(arguments: &str) -> Command {
    let command = Command::cargo(&format!("test --profile model {arguments}"));
    command.env("RUSTFLAGS", "-Cdebug-assertions").target("target/checked")
}

fn layout(seed: u64, arguments: &str) -> Command {
    Command::cargo(&format!("test {arguments}"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", &format!("-Zrandomize-layout -Zlayout-seed={seed}"))
        .target("target/layout")
}

/// Stage oom: the tests of sources that fail at the k-th call, and of limits of the process.
pub fn oom() -> Step {
    // For the whole process: the tests fit, and a leak of what a failed call took does not for long.
    let limited = |arguments: &str| {
        let command = Command::cargo(&format!("test {arguments}"));
        command.env(&sanitizers::runner_variable(), "prlimit --data=500000000")
    };
    let library = format!("{PUBLISHED} --test all -- fault limit");
    Step::tests(Name::Oom, "faults and limits", vec![limited(&library)]).needs(&[Need::Linux, Need::Prlimit]).catches(
        "a panic when there is no memory",
        limited(&seeded("limit", "limit")),
        "the seeded panic",
    )
}

/// Stage loom: the models of the crates, and those of the whole with crossbeam-epoch's own code.
pub fn loom() -> Step {
    let bug = |test| {
        let command = Command::cargo(&format!("test --profile model --features models {}", seeded("models", test)));
        command.env("RUSTFLAGS", test::LOOM).target("target/loom")
    };
    test::models().catches("Relaxed publication", bug("relaxed_publication"), "Causality violation").catches(
        "lost update",
        bug("lost_update"),
        "the seeded lost update",
    )
}
