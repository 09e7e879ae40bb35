//! What a contestant is: its names, its process, where it takes part.

use serde::Deserialize;

use crate::{Bench, Group};

/// The executable a contestant needs; they differ in nothing but the global allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Binary {
    /// The system's malloc.
    #[default]
    System,
    /// mimalloc.
    Mimalloc,
    /// jemalloc.
    Jemalloc,
    /// The system's malloc, and the library with its shared writes counted.
    Counted,
}

impl Binary {
    /// The name of the executable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "bench-system",
            Self::Mimalloc => "bench-mimalloc",
            Self::Jemalloc => "bench-jemalloc",
            Self::Counted => "bench-counted",
        }
    }
}

/// What a contestant is in the race for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The physical limit that others are measured against.
    Floor,
    /// This library.
    Ours,
    /// Somebody else's, or what people write by hand.
    #[default]
    Peer,
}

/// One entry of the roster.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contestant {
    /// The name in records.
    pub id: &'static str,
    /// The name in tables and pictures.
    pub label: &'static str,
    /// What it is there for.
    #[serde(default)]
    pub role: Role,
    /// The executable it needs.
    #[serde(default)]
    pub binary: Binary,
    /// The cargo feature that brings it in.
    pub feature: Option<&'static str>,
    /// Whether it leaves traces in a heap, and so gets a process of its own.
    #[serde(default)]
    pub isolated: bool,
    /// Where it takes part.
    pub groups: Vec<Group>,
}

impl Contestant {
    /// Whether it takes part in `bench`, at this point of a sweep.
    pub fn enters(&self, bench: Bench, at: Option<usize>) -> bool {
        // In fresh memory nothing was freed yet, in whatever order.
        let nothing_freed = bench == Bench::PutCold && self.id.ends_with("-shuffled");
        // Warm memory is in memory.
        let prefaulted = bench == Bench::PutWarm && self.id == "ours-prefault";
        // Its inserts take a time that grows with the map: it is shown at sizes it can do.
        let slow = self.id.starts_with("skl") && at.is_none_or(|records| records > 10_000);
        let entrants = entrants(bench);
        self.groups.contains(&bench.group())
            && !nothing_freed
            && !prefaulted
            && !slow
            && (entrants.is_empty() || entrants.contains(&self.id))
    }

    /// The executable for `bench`.
    pub fn binary_for(&self, bench: Bench) -> Binary {
        match bench.group() {
            Group::Shared => Binary::Counted,
            _ => self.binary,
        }
    }
}

/// Who takes part where not all of the group do.
pub(crate) const fn entrants(bench: Bench) -> &'static [&'static str] {
    match bench {
        Bench::ScaleKeys | Bench::ScaleLength | Bench::ScaleAdvance => {
            &["floor", "ours", "bumpalo", "box-mimalloc"]
        }
        Bench::ScaleThreads => &["floor", "ours", "bumpalo", "naive-shared", "box-mimalloc"],
        Bench::ScaleEpochs => &["floor", "ours"],
        Bench::ScaleEpochsAdvance => &["ours"],
        Bench::ScaleKeysResolve | Bench::ScaleEpochsResolve => {
            &["raw-slice", "ours", "ours-pin-once"]
        }
        Bench::Search => &["sort-slices", "sort-key-refs", "sort-keys"],
        Bench::TailPrefault => &["floor", "ours"],
        Bench::MemoryEpochs => &["ours"],
        Bench::MapSize => &[
            "arena-map",
            "skipmap",
            "skl",
            "btree",
            "tree-index",
            "concurrent-map",
            "blart",
        ],
        _ => &[],
    }
}
