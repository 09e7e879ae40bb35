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
    /// Put, resolve and advance while one thing grows.
    Scale,
    /// Shared writes per put, counted.
    Shared,
    /// Sorting and searching resolved keys.
    Sort,
    /// A pin and its unpin.
    Pin,
    /// An engine of somebody else's, with its keys and values in boxes and in arenas.
    Ycsb,
}

impl Group {
    /// Every group, in the order of the report.
    pub const ALL: [Self; 11] = [
        Self::Put,
        Self::Resolve,
        Self::Reclaim,
        Self::Memory,
        Self::Churn,
        Self::Tail,
        Self::Scale,
        Self::Shared,
        Self::Sort,
        Self::Pin,
        Self::Ycsb,
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
            Self::Scale => "scale",
            Self::Shared => "shared",
            Self::Sort => "sort",
            Self::Pin => "pin",
            Self::Ycsb => "ycsb",
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
    /// Warm puts: so many keys in one epoch.
    #[serde(rename = "scale/keys")]
    ScaleKeys,
    /// Resolves in random order, of so many keys in one epoch.
    #[serde(rename = "scale/keys-resolve")]
    ScaleKeysResolve,
    /// Warm puts while so many epochs are live.
    #[serde(rename = "scale/epochs")]
    ScaleEpochs,
    /// Resolves in random order, of keys spread over so many live epochs.
    #[serde(rename = "scale/epochs-resolve")]
    ScaleEpochsResolve,
    /// An epoch of one key, from its advance on, while so many are live.
    #[serde(rename = "scale/epochs-advance")]
    ScaleEpochsAdvance,
    /// Warm puts by so many threads.
    #[serde(rename = "scale/threads")]
    ScaleThreads,
    /// Warm puts of keys of so many bytes.
    #[serde(rename = "scale/length")]
    ScaleLength,
    /// Retire and reclaim an epoch of so many keys.
    #[serde(rename = "scale/advance")]
    ScaleAdvance,
    /// Shared writes per put, in an epoch of many keys.
    #[serde(rename = "shared/big")]
    SharedBig,
    /// The same, in epochs of a thousand keys.
    #[serde(rename = "shared/small")]
    SharedSmall,
    /// Sort resolved keys.
    #[serde(rename = "sort/sort")]
    Sort,
    /// Find keys in a sorted slice by binary search.
    #[serde(rename = "sort/search")]
    Search,
    /// A pin that pins, and its unpin.
    #[serde(rename = "pin/outermost")]
    PinOutermost,
    /// A pin while another is held.
    #[serde(rename = "pin/nested")]
    PinNested,
    /// Load an engine, and run four mixes of reads and updates on it.
    #[serde(rename = "ycsb")]
    Ycsb,
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
            Self::ScaleKeys
            | Self::ScaleKeysResolve
            | Self::ScaleEpochs
            | Self::ScaleEpochsResolve
            | Self::ScaleEpochsAdvance
            | Self::ScaleThreads
            | Self::ScaleLength
            | Self::ScaleAdvance => Group::Scale,
            Self::SharedBig | Self::SharedSmall => Group::Shared,
            Self::Sort | Self::Search => Group::Sort,
            Self::PinOutermost | Self::PinNested => Group::Pin,
            Self::Ycsb => Group::Ycsb,
        }
    }

    /// The name in records and tables. Percentiles, counts and the like add a suffix of their own, and a sweep the value
    /// it has come to, see [`Job::name`](crate::Job::name).
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
            Self::ScaleKeys => "scale/keys",
            Self::ScaleKeysResolve => "scale/keys-resolve",
            Self::ScaleEpochs => "scale/epochs",
            Self::ScaleEpochsResolve => "scale/epochs-resolve",
            Self::ScaleEpochsAdvance => "scale/epochs-advance",
            Self::ScaleThreads => "scale/threads",
            Self::ScaleLength => "scale/length",
            Self::ScaleAdvance => "scale/advance",
            Self::SharedBig => "shared/big",
            Self::SharedSmall => "shared/small",
            Self::Sort => "sort/sort",
            Self::Search => "sort/search",
            Self::PinOutermost => "pin/outermost",
            Self::PinNested => "pin/nested",
            Self::Ycsb => "ycsb",
        }
    }

    /// Whether one process can give only one honest sample, because the first pass warms what the next would find.
    pub const fn needs_fresh_process(self) -> bool {
        matches!(
            self,
            Self::PutCold
                | Self::TailCold
                | Self::TailPrefault
                | Self::Memory
                | Self::MemoryEpochs
                | Self::Ycsb
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
            Bench::ScaleEpochsAdvance,
            Bench::SharedSmall,
            Bench::Search,
            Bench::PinNested,
            Bench::Ycsb,
        ] {
            let wire = serde_json::to_string(&bench).unwrap();
            assert_eq!(wire.trim_matches('"'), bench.name());
            assert!(bench.name().starts_with(bench.group().name()));
        }
    }
}
