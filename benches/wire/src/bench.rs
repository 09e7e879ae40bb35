//! The groups that `--only` selects, and the measurements in each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A group of measurements, as `--only` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Time of one put.
    Put,
    /// Time to turn a handle into bytes.
    Resolve,
    /// Time to give 10 million keys back.
    Reclaim,
    /// Resident bytes per payload byte.
    Memory,
    /// Resident bytes per live byte while epochs come and go.
    Churn,
    /// Percentiles of single puts.
    Tail,
}

impl Group {
    /// Every group, in the order of the report.
    pub const ALL: [Self; 6] = [
        Self::Put,
        Self::Resolve,
        Self::Reclaim,
        Self::Memory,
        Self::Churn,
        Self::Tail,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Resolve => "resolve",
            Self::Reclaim => "reclaim",
            Self::Memory => "memory",
            Self::Churn => "churn",
            Self::Tail => "tail",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Group {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|group| group.name() == name)
            .ok_or_else(|| {
                let known: Vec<_> = Self::ALL.iter().map(|group| group.name()).collect();
                format!(
                    "there is no group `{name}`; choose from {}",
                    known.join(", ")
                )
            })
    }
}

/// One measurement: what a [`Job`](crate::Job) is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Bench {
    /// Put into memory that was touched before.
    #[serde(rename = "put/warm")]
    PutWarm,
    /// Put into memory fresh from the system.
    #[serde(rename = "put/cold")]
    PutCold,
    /// Resolve a few handles over and over.
    #[serde(rename = "resolve/hot")]
    ResolveHot,
    /// Resolve a million handles in random order.
    #[serde(rename = "resolve/random")]
    ResolveRandom,
    /// Give back 10 million keys.
    #[serde(rename = "reclaim/10M")]
    Reclaim,
    /// Resident bytes per payload byte.
    #[serde(rename = "memory/rss")]
    Memory,
    /// Epochs of keys of mixed lengths.
    #[serde(rename = "churn/mixed")]
    ChurnMixed,
    /// Epochs whose key length drifts.
    #[serde(rename = "churn/shift")]
    ChurnShift,
    /// Epochs that leave survivors behind.
    #[serde(rename = "churn/pinned")]
    ChurnPinned,
    /// 2,000 epochs at constant load.
    #[serde(rename = "churn/plateau")]
    Plateau,
    /// Percentiles of puts into warm memory.
    #[serde(rename = "tail/warm")]
    TailWarm,
    /// Percentiles of puts into fresh memory.
    #[serde(rename = "tail/cold")]
    TailCold,
    /// Percentiles of this library's puts into fresh memory that it was told to prepare.
    #[serde(rename = "tail/prefault")]
    TailPrefault,
    /// Resident KiB per live epoch of one key.
    #[serde(rename = "memory/epochs")]
    MemoryEpochs,
}

impl Bench {
    /// The group this belongs to.
    pub const fn group(self) -> Group {
        match self {
            Self::PutWarm | Self::PutCold => Group::Put,
            Self::ResolveHot | Self::ResolveRandom => Group::Resolve,
            Self::Reclaim => Group::Reclaim,
            Self::Memory | Self::MemoryEpochs => Group::Memory,
            Self::ChurnMixed | Self::ChurnShift | Self::ChurnPinned | Self::Plateau => Group::Churn,
            Self::TailWarm | Self::TailCold | Self::TailPrefault => Group::Tail,
        }
    }

    /// The name in records and tables; percentiles and the plateau add a suffix of their own.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PutWarm => "put/warm",
            Self::PutCold => "put/cold",
            Self::ResolveHot => "resolve/hot",
            Self::ResolveRandom => "resolve/random",
            Self::Reclaim => "reclaim/10M",
            Self::Memory => "memory/rss",
            Self::ChurnMixed => "churn/mixed",
            Self::ChurnShift => "churn/shift",
            Self::ChurnPinned => "churn/pinned",
            Self::Plateau => "churn/plateau",
            Self::TailWarm => "tail/warm",
            Self::TailCold => "tail/cold",
            Self::TailPrefault => "tail/prefault",
            Self::MemoryEpochs => "memory/epochs",
        }
    }

    /// Whether one process can give only one honest sample, because the first pass warms what the next would find.
    pub const fn needs_fresh_process(self) -> bool {
        matches!(
            self,
            Self::PutCold | Self::TailCold | Self::TailPrefault | Self::Memory | Self::MemoryEpochs
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_read_back_from_its_name() {
        for group in Group::ALL {
            assert_eq!(group.name().parse(), Ok(group));
        }
        let error = "puts".parse::<Group>().unwrap_err();
        assert!(
            error.contains("`puts`") && error.contains("reclaim"),
            "{error}"
        );
    }

    #[test]
    fn the_name_of_a_bench_is_its_wire_form_and_starts_with_its_group() {
        for bench in [
            Bench::PutWarm,
            Bench::Reclaim,
            Bench::Plateau,
            Bench::TailCold,
        ] {
            let wire = serde_json::to_string(&bench).unwrap();
            assert_eq!(wire.trim_matches('"'), bench.name());
            assert!(bench.name().starts_with(bench.group().name()));
        }
    }
}
