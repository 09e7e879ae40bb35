//! The request to one process, and its answer.

use serde::{Deserialize, Serialize};

use crate::{Bench, KeySource, Sample};

/// The task of one benchmark process; its only argument, as JSON.
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
    /// What the process draws its orders from: of set-up, and of the contestants in a round.
    pub seed: u64,
    /// Keys per thread and pass.
    pub count: usize,
    /// The point of a sweep: so many keys, epochs, threads or bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<usize>,
}

impl Job {
    /// The name in records: that of the bench, and in a sweep where it is, as in `scale/keys/100000`.
    pub fn name(&self) -> String {
        let bench = self.bench.name();
        self.at
            .map_or_else(|| bench.to_owned(), |at| format!("{bench}/{at}"))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_survives_the_trip_and_a_sweep_says_where_it_is() {
        let mut job = Job {
            bench: Bench::ScaleKeys,
            contestants: vec!["ours".into()],
            keys: KeySource::Fix16,
            threads: 1,
            rounds: 3,
            seed: 1,
            count: 1 << 16,
            at: Some(100_000),
        };
        assert_eq!(job.name(), "scale/keys/100000");
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
        job.at = None;
        let text = serde_json::to_string(&job).unwrap();
        assert!(!text.contains("\"at\""), "{text}");
        assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
        assert_eq!(job.name(), "scale/keys");
    }
}
