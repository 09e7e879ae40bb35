//! Stage loom: the models of the crates, and those of the whole with crossbeam-epoch's own code.

use super::seeded;
use super::step::{Name, Step};
use crate::stage::Stage;
use crate::test;

/// The steps.
pub fn steps() -> Vec<Step> {
    let seeded = |test| {
        let arguments = ["test", "--profile", "model", "--features", "models"];
        let arguments = [&arguments, &seeded::test("models", test)[..]].concat();
        Stage::cargo("seeded", &arguments)
            .env("RUSTFLAGS", test::LOOM)
            .env("CARGO_TARGET_DIR", "target/loom")
    };
    vec![
        Step::tests(Name::Loom, "models", vec![test::models()])
            .catches(
                "Relaxed publication",
                seeded("relaxed_publication"),
                "Causality violation",
            )
            .catches(
                "lost update",
                seeded("lost_update"),
                "the seeded lost update",
            ),
    ]
}
