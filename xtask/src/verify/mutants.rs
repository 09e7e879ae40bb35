//! Stage mutants: small mistakes that cargo-mutants makes in the library, one at a time; the tests must notice each.
//! All of them take hours, so a run takes a part, another each day; `--only mutants` without `--quick` takes all.
//! What is mutated, and what is left out with the reason, is in `.cargo/mutants.toml`.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Command, Name, Need, Step};
use crate::ci::PUBLISHED;

/// The step.
pub fn steps(quick: bool, only: &[Name]) -> Vec<Step> {
    // One of sixty parts takes minutes; in a hurry a few mutants must do.
    let parts = if quick {
        1_000
    } else if only == [Name::Mutants] {
        1
    } else {
        60
    };
    let days = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
    let part = days % parts;
    let tests = PUBLISHED.replace("--package", "--test-package");
    let library = Command::cargo(&format!(
        "mutants --shard {part}/{parts} {tests} --timeout 300 --minimum-test-timeout 60 --no-shuffle \
         --colors never --output target/mutants -- --lib --tests"
    ));
    // Its own tests fail, each on purpose; of `--lib` there are none, so that no mutant is noticed.
    let seeded = Command::cargo(
        "mutants --dir checks/seeded --baseline skip --timeout 60 --colors never --output target/mutants-seeded -- --lib",
    );
    vec![Step::command(Name::Mutants, "a part of the mutants", library).needs(&[Need::CargoMutants]).catches(
        "a function without a test",
        seeded,
        "MISSED",
    )]
}
