//! One process: what it is asked, what it answers.

use serde::{Deserialize, Serialize};

use crate::{Bench, KeySource, Sample};

/// What one benchmark process measures; its only argument, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The measurement.
    pub bench: Bench,
    /// Ids of the contestants, measured in turn, round by round, with the reference beside them.
    pub contestants: Vec<String>,
    /// The keys.
    pub keys: KeySource,
    /// Threads that work at the same time.
    pub threads: usize,
    /// Rounds, each giving one sample per contestant.
    pub rounds: u32,
    /// Keys per thread and pass.
    pub count: usize,
}

/// One line of a benchmark process's standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// One measured value.
    Sample(Sample),
    /// A contestant that could not run here.
    Skip {
        /// Its id.
        contestant: String,
        /// Why.
        reason: String,
    },
}
