//! Stage oom: what happens when there is no memory.

use super::need::Need;
use super::seeded;
use super::step::{Name, Step};
use super::tests::LIBRARY;
use crate::stage::Stage;

/// The tests that are about it: sources that fail at the k-th call, and limits of the process.
const FILTERS: [&str; 2] = ["fault", "limit"];
/// For the whole process: the tests fit, and a leak of what a failed call took does not for long.
const LIMIT: &str = "prlimit --data=500000000";

/// The steps.
pub fn steps() -> Vec<Step> {
    let library = [&LIBRARY[..], &["--test", "all", "--"], &FILTERS].concat();
    vec![
        Step::tests(Name::Oom, "faults and limits", vec![limited(&library)])
            .needs(&[Need::Linux, Need::Prlimit])
            .catches(
                "a panic when there is no memory",
                limited(&seeded::test("limit", "limit")),
                "the seeded panic",
            ),
    ]
}

fn limited(arguments: &[&str]) -> Stage {
    Stage::cargo("limited", &[&["test"], arguments].concat())
        .env(&super::sanitizers::runner_variable(), LIMIT)
}
