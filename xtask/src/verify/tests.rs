//! Stage tests: all of them as they are, optimised with debug assertions, and with fields in another order.

use super::need::Need;
use super::seeded;
use super::step::{Name, Step};
use crate::stage::Stage;
use crate::test;

/// The crates of the library.
pub const LIBRARY: [&str; 10] = [
    "-p",
    "epoch-arena-block",
    "-p",
    "epoch-arena-core",
    "-p",
    "epoch-arena-pool",
    "-p",
    "epoch-arena-key",
    "-p",
    "epoch-arena",
];

/// What block and arena have beyond their default features, where both are among the crates.
pub const ALLOCATORS: [&str; 2] = [
    "--features",
    "epoch-arena-block/allocator-api2,epoch-arena-core/allocator-api2",
];

/// The steps.
pub fn steps(quick: bool) -> Vec<Step> {
    let seeds = if quick { 1..=1 } else { 1..=3 };
    let tests = [&LIBRARY[..], &ALLOCATORS, &["--lib", "--tests"]].concat();
    let plain = [&["test"], &seeded::test("plain", "a_wrong_sum")[..]].concat();
    let example = ["test", "--manifest-path", seeded::MANIFEST, "--doc"];
    vec![
        Step::tests(Name::Tests, "debug", vec![test::unit_and_integration()]).catches(
            "a wrong sum",
            Stage::cargo("plain", &plain),
            "the seeded test",
        ),
        Step::tests(Name::Tests, "documentation", vec![test::documentation()]).catches(
            "a wrong example",
            Stage::cargo("example", &example),
            "the seeded example",
        ),
        Step::tests(
            Name::Tests,
            "release, debug assertions",
            vec![release(&tests)],
        )
        .catches(
            "an overflow",
            release(&seeded::test("overflow", "an_overflow")),
            "attempt to add with overflow",
        ),
        Step::tests(
            Name::Tests,
            "randomised layout",
            seeds.map(|seed| layout(seed, &tests)).collect(),
        )
        .needs(&[Need::Linux])
        .catches(
            "fields taken to be in order",
            layout(1, &seeded::test("layout", "fields")),
            "the seeded layout",
        ),
    ]
}

/// Optimised, without the minutes of link-time optimisation, for which no test differs.
fn release(arguments: &[&str]) -> Stage {
    Stage::cargo(
        "release",
        &[&["test", "--profile", "model"], arguments].concat(),
    )
    .env("RUSTFLAGS", "-Cdebug-assertions")
    .env("CARGO_TARGET_DIR", "target/checked")
}

fn layout(seed: u64, arguments: &[&str]) -> Stage {
    let flags = format!("-Zrandomize-layout -Zlayout-seed={seed}");
    Stage::cargo("randomised layout", &[&["test"], arguments].concat())
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", &flags)
        .env("CARGO_TARGET_DIR", "target/layout")
}
