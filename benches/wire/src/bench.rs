//! The groups that `--only` selects, and the measurements in each. What a group measures, how often and how it is
//! reported stands in `benches/groups.toml`.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// A group of measurements, as `--only` names it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Deserialize, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
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
    /// Many small trees over one memory.
    Pools,
    /// Ordered maps side by side.
    Map,
}

impl Group {
    /// Every group.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One measurement, for which a [`Job`](crate::Job) asks. Its name begins with its group's.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
pub enum Bench {
    /// Put into memory that was touched before.
    #[strum(serialize = "put/warm")]
    PutWarm,
    /// Put into memory fresh from the system.
    #[strum(serialize = "put/cold")]
    PutCold,
    /// Resolve a few handles over and over.
    #[strum(serialize = "resolve/hot")]
    ResolveHot,
    /// Resolve a million handles in random order.
    #[strum(serialize = "resolve/random")]
    ResolveRandom,
    /// Give back 10 million keys.
    #[strum(serialize = "reclaim/10M")]
    Reclaim,
    /// Resident bytes per payload byte.
    #[strum(serialize = "memory/rss")]
    Memory,
    /// Epochs of keys of mixed lengths.
    #[strum(serialize = "churn/mixed")]
    ChurnMixed,
    /// Epochs whose key length drifts.
    #[strum(serialize = "churn/shift")]
    ChurnShift,
    /// Epochs that leave survivors behind.
    #[strum(serialize = "churn/pinned")]
    ChurnPinned,
    /// 2,000 epochs at constant load.
    #[strum(serialize = "churn/plateau")]
    Plateau,
    /// Percentiles of puts into warm memory.
    #[strum(serialize = "tail/warm")]
    TailWarm,
    /// Percentiles of puts into fresh memory.
    #[strum(serialize = "tail/cold")]
    TailCold,
    /// Percentiles of this library's puts into fresh memory that it was told to prepare.
    #[strum(serialize = "tail/prefault")]
    TailPrefault,
    /// Resident KiB per live epoch of one key.
    #[strum(serialize = "memory/epochs")]
    MemoryEpochs,
    /// Warm puts: so many keys in one epoch.
    #[strum(serialize = "scale/keys")]
    ScaleKeys,
    /// Resolves in random order, of so many keys in one epoch.
    #[strum(serialize = "scale/keys-resolve")]
    ScaleKeysResolve,
    /// Warm puts while so many epochs are live.
    #[strum(serialize = "scale/epochs")]
    ScaleEpochs,
    /// Resolves in random order, of keys spread over so many live epochs.
    #[strum(serialize = "scale/epochs-resolve")]
    ScaleEpochsResolve,
    /// An epoch of one key, from its advance on, while so many are live.
    #[strum(serialize = "scale/epochs-advance")]
    ScaleEpochsAdvance,
    /// Warm puts by so many threads.
    #[strum(serialize = "scale/threads")]
    ScaleThreads,
    /// Warm puts of keys of so many bytes.
    #[strum(serialize = "scale/length")]
    ScaleLength,
    /// Retire and reclaim an epoch of so many keys.
    #[strum(serialize = "scale/advance")]
    ScaleAdvance,
    /// Shared writes per put, in an epoch of many keys.
    #[strum(serialize = "shared/big")]
    SharedBig,
    /// The same, in epochs of a thousand keys.
    #[strum(serialize = "shared/small")]
    SharedSmall,
    /// Sort resolved keys.
    #[strum(serialize = "sort/sort")]
    Sort,
    /// Find keys in a sorted slice by binary search.
    #[strum(serialize = "sort/search")]
    Search,
    /// A pin that pins, and its unpin.
    #[strum(serialize = "pin/outermost")]
    PinOutermost,
    /// A pin while another is held.
    #[strum(serialize = "pin/nested")]
    PinNested,
    /// Resident bytes of a tree of ten keys, beside the keys.
    #[strum(serialize = "pools/bytes")]
    PoolsBytes,
    /// A put, round all trees.
    #[strum(serialize = "pools/put")]
    PoolsPut,
    /// To make a tree.
    #[strum(serialize = "pools/build")]
    PoolsBuild,
    /// To drop a tree of ten keys.
    #[strum(serialize = "pools/drop")]
    PoolsDrop,
    /// Load an ordered map, read it, and run YCSB's mixes on it.
    #[strum(serialize = "map")]
    Map,
    /// Load and read an ordered map of so many records.
    #[strum(serialize = "map/size")]
    MapSize,
}

impl Bench {
    /// Every measurement.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The group this belongs to: its name begins with the group's.
    pub fn group(self) -> Group {
        let group = self.name().split('/').next().unwrap_or_default();
        group
            .parse()
            .expect("the name of a bench begins with its group's")
    }

    /// The name in records and tables. Percentiles, counts and the like add a suffix of their own, and a sweep the value
    /// it has come to, see [`Job::name`](crate::Job::name).
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether one process can give only one honest sample, because the first pass warms the memory of the next.
    pub const fn needs_fresh_process(self) -> bool {
        matches!(
            self,
            Self::PutCold
                | Self::TailCold
                | Self::TailPrefault
                | Self::Memory
                | Self::MemoryEpochs
                | Self::PoolsBytes
                | Self::PoolsPut
                | Self::PoolsBuild
                | Self::PoolsDrop
                | Self::Map
                | Self::MapSize
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_benches_are_read_back_from_their_names() {
        for group in Group::ALL {
            assert_eq!(group.name().parse(), Ok(*group));
            assert!(Bench::ALL.iter().any(|bench| bench.group() == *group));
        }
        for bench in Bench::ALL {
            assert_eq!(bench.name().parse(), Ok(*bench));
        }
    }
}
