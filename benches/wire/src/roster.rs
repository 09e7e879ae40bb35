//! Who is measured, where, and in which process.

use crate::{Bench, Group};

/// The executable a contestant needs; they differ in nothing but the global allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// The system's malloc.
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

/// The part of a contestant in the race.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The physical limit that others are measured against.
    Floor,
    /// This library.
    Ours,
    /// From another crate, or an arena as one writes it by hand.
    Peer,
}

/// One entry of the roster.
#[derive(Debug)]
pub struct Contestant {
    /// The name in records.
    pub id: &'static str,
    /// The name in tables and pictures.
    pub label: &'static str,
    /// Its part.
    pub role: Role,
    /// The executable it needs.
    pub binary: Binary,
    /// The cargo feature that brings it in.
    pub feature: Option<&'static str>,
    /// Whether it leaves traces in a heap, and so gets a process of its own.
    pub isolated: bool,
    /// Where it takes part.
    pub groups: &'static [Group],
}

impl Contestant {
    /// Whether it takes part in `bench`.
    pub fn enters(&self, bench: Bench) -> bool {
        // In fresh memory nothing was freed yet, in whatever order.
        let nothing_freed = bench == Bench::PutCold && self.id.ends_with("-shuffled");
        // Warm memory is in memory.
        let prefaulted = bench == Bench::PutWarm && self.id == "ours-prefault";
        let entrants = entrants(bench);
        self.groups.contains(&bench.group())
            && !nothing_freed
            && !prefaulted
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
const fn entrants(bench: Bench) -> &'static [&'static str] {
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
        _ => &[],
    }
}

use Group::{Churn, Memory, Pin, Pools, Put, Reclaim, Resolve, Scale, Shared, Sort, Tail, Ycsb};

const WRITES: &[Group] = &[Put, Reclaim, Memory, Churn, Tail];
const WRITES_AND_SCALE: &[Group] = &[Put, Reclaim, Memory, Churn, Tail, Scale];
/// Contestants that write, and whose handles can be resolved.
const BOTH: &[Group] = &[Put, Resolve, Reclaim, Memory, Churn, Tail];

const fn entry(
    id: &'static str,
    label: &'static str,
    role: Role,
    groups: &'static [Group],
) -> Contestant {
    Contestant {
        id,
        label,
        role,
        binary: Binary::System,
        feature: None,
        isolated: false,
        groups,
    }
}

const fn peer(id: &'static str, label: &'static str, feature: &'static str) -> Contestant {
    Contestant {
        feature: Some(feature),
        ..entry(id, label, Role::Peer, WRITES)
    }
}

const fn boxed(
    id: &'static str,
    label: &'static str,
    binary: Binary,
    feature: Option<&'static str>,
) -> Contestant {
    Contestant {
        binary,
        feature,
        isolated: true,
        ..entry(id, label, Role::Peer, WRITES)
    }
}

/// The same, freed in random order: it shows where memory that was freed is used or freed again.
const fn shuffled(
    id: &'static str,
    label: &'static str,
    binary: Binary,
    feature: Option<&'static str>,
) -> Contestant {
    Contestant {
        groups: &[Put, Reclaim],
        ..boxed(id, label, binary, feature)
    }
}

/// An engine with keys and values of some kind. It allocates nodes whatever these are, so each has a heap of its own.
const fn engine(
    id: &'static str,
    label: &'static str,
    feature: Option<&'static str>,
    role: Role,
    binary: Binary,
) -> Contestant {
    Contestant {
        binary,
        feature,
        isolated: true,
        ..entry(id, label, role, &[Ycsb])
    }
}

/// Every contestant, in the order of the tables.
pub const ROSTER: &[Contestant] = &[
    entry(
        "floor",
        "FLOOR: bump + inline copy",
        Role::Floor,
        &[Put, Reclaim, Tail, Scale],
    ),
    entry("floor1", "FLOOR1: bump + memcpy", Role::Floor, &[Put]),
    entry(
        "floor-4k",
        "FLOOR on 4 KiB pages",
        Role::Floor,
        &[Put, Tail],
    ),
    entry(
        "floor-pinned",
        "FLOOR and crossbeam's pin per 64",
        Role::Floor,
        &[Put],
    ),
    entry(
        "raw-slice",
        "FLOOR: raw &[u8]",
        Role::Floor,
        &[Resolve, Scale],
    ),
    entry(
        "ours",
        "epoch-arena, pin per 64",
        Role::Ours,
        &[
            Put, Resolve, Reclaim, Memory, Churn, Tail, Scale, Shared, Pools,
        ],
    ),
    entry(
        "ours-pin-once",
        "epoch-arena, one pin",
        Role::Ours,
        &[Put, Resolve, Scale],
    ),
    entry(
        "ours-pin-each",
        "epoch-arena, pin per key",
        Role::Ours,
        &[Put, Resolve],
    ),
    entry(
        "ours-prefault",
        "epoch-arena, prefaulted",
        Role::Ours,
        &[Put],
    ),
    entry(
        "ours-4k",
        "epoch-arena on 4 KiB pages",
        Role::Ours,
        &[Put, Memory, Churn],
    ),
    Contestant {
        groups: &[Put, Reclaim, Memory, Churn, Tail, Scale, Pools],
        ..peer("bumpalo", "bumpalo, per thread", "peer-bumpalo")
    },
    peer("bump-scope", "bump-scope, per thread", "peer-bump-scope"),
    peer("blink-local", "blink-alloc local, per thread", "peer-blink"),
    peer("blink-sync", "blink-alloc sync, shared", "peer-blink"),
    Contestant {
        groups: &[Put, Resolve, Reclaim, Memory, Churn, Tail, Pools],
        ..peer("rarena", "rarena-allocator, shared", "peer-rarena")
    },
    Contestant {
        groups: &[Pools],
        ..peer("tree-skipmap", "SkipMap<Box>, per tree", "peer-skiplist")
    },
    entry(
        "naive-shared",
        "naive shared arena",
        Role::Peer,
        &[Put, Resolve, Reclaim, Memory, Churn, Tail, Scale],
    ),
    boxed("box-system", "Box, system malloc", Binary::System, None),
    shuffled(
        "box-system-shuffled",
        "Box, system malloc, shuffled frees",
        Binary::System,
        None,
    ),
    Contestant {
        groups: WRITES_AND_SCALE,
        ..boxed(
            "box-mimalloc",
            "Box, mimalloc",
            Binary::Mimalloc,
            Some("peer-mimalloc"),
        )
    },
    shuffled(
        "box-mimalloc-shuffled",
        "Box, mimalloc, shuffled frees",
        Binary::Mimalloc,
        Some("peer-mimalloc"),
    ),
    boxed(
        "box-jemalloc",
        "Box, jemalloc",
        Binary::Jemalloc,
        Some("peer-jemalloc"),
    ),
    shuffled(
        "box-jemalloc-shuffled",
        "Box, jemalloc, shuffled frees",
        Binary::Jemalloc,
        Some("peer-jemalloc"),
    ),
    Contestant {
        groups: BOTH,
        ..boxed(
            "defer-destroy",
            "crossbeam defer_destroy per key",
            Binary::System,
            None,
        )
    },
    entry(
        "sort-slices",
        "FLOOR: &[u8] by memcmp",
        Role::Floor,
        &[Sort],
    ),
    entry("sort-key-refs", "KeyRef by Ord", Role::Ours, &[Sort]),
    entry("sort-keys", "sort_keys, search_keys", Role::Ours, &[Sort]),
    entry(
        "pin-local-handle",
        "FLOOR: crossbeam LocalHandle::pin",
        Role::Floor,
        &[Pin],
    ),
    entry("pin-default", "crossbeam epoch::pin", Role::Peer, &[Pin]),
    entry("pin-pool", "ArenaPool::pin", Role::Ours, &[Pin]),
    entry("pin-local-arena", "LocalPool::pin", Role::Ours, &[Pin]),
    engine(
        "btree-box",
        "BTreeMap in a lock, of Box",
        None,
        OTHERS,
        MALLOC,
    ),
    engine(
        "btree-ours",
        "BTreeMap in a lock, of OwnedKey",
        None,
        OWN,
        MALLOC,
    ),
    engine(
        "btree-box-mimalloc",
        "BTreeMap in a lock, of Box, mimalloc",
        None,
        OTHERS,
        MIMALLOC,
    ),
    engine(
        "btree-ours-mimalloc",
        "BTreeMap in a lock, of OwnedKey, mimalloc",
        None,
        OWN,
        MIMALLOC,
    ),
    engine("skipmap-box", "SkipMap of Box", SKIPLIST, OTHERS, MALLOC),
    engine("skipmap-arc", "SkipMap of Arc", SKIPLIST, OTHERS, MALLOC),
    engine("skipmap-ours", "SkipMap of OwnedKey", SKIPLIST, OWN, MALLOC),
    engine(
        "skipmap-box-mimalloc",
        "SkipMap of Box, mimalloc",
        SKIPLIST,
        OTHERS,
        MIMALLOC,
    ),
    engine(
        "skipmap-arc-mimalloc",
        "SkipMap of Arc, mimalloc",
        SKIPLIST,
        OTHERS,
        MIMALLOC,
    ),
    engine(
        "skipmap-ours-mimalloc",
        "SkipMap of OwnedKey, mimalloc",
        SKIPLIST,
        OWN,
        MIMALLOC,
    ),
    engine("tree-arc", "scc::TreeIndex of Arc", SCC, OTHERS, MALLOC),
    engine("tree-ours", "scc::TreeIndex of OwnedKey", SCC, OWN, MALLOC),
    engine(
        "tree-arc-mimalloc",
        "scc::TreeIndex of Arc, mimalloc",
        SCC,
        OTHERS,
        MIMALLOC,
    ),
    engine(
        "tree-ours-mimalloc",
        "scc::TreeIndex of OwnedKey, mimalloc",
        SCC,
        OWN,
        MIMALLOC,
    ),
    engine("hash-box", "scc::HashIndex of Box", SCC, OTHERS, MALLOC),
    engine("hash-ours", "scc::HashIndex of OwnedKey", SCC, OWN, MALLOC),
    engine(
        "hash-box-mimalloc",
        "scc::HashIndex of Box, mimalloc",
        SCC,
        OTHERS,
        MIMALLOC,
    ),
    engine(
        "hash-ours-mimalloc",
        "scc::HashIndex of OwnedKey, mimalloc",
        SCC,
        OWN,
        MIMALLOC,
    ),
];

const SKIPLIST: Option<&str> = Some("peer-skiplist");
const SCC: Option<&str> = Some("peer-scc");
/// With keys and values of this library; a failure is ours.
const OWN: Role = Role::Ours;
const OTHERS: Role = Role::Peer;
const MALLOC: Binary = Binary::System;
const MIMALLOC: Binary = Binary::Mimalloc;

/// The entry with this id.
pub fn contestant(id: &str) -> Option<&'static Contestant> {
    ROSTER.iter().find(|contestant| contestant.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_found() {
        for (at, one) in ROSTER.iter().enumerate() {
            assert!(
                ROSTER[at + 1..].iter().all(|other| other.id != one.id),
                "{} is there twice",
                one.id
            );
            assert_eq!(contestant(one.id).map(|found| found.label), Some(one.label));
        }
    }

    #[test]
    fn another_allocator_means_another_process() {
        assert!(
            ROSTER
                .iter()
                .all(|one| one.binary == Binary::System || one.isolated)
        );
    }

    #[test]
    fn who_is_named_for_a_sweep_takes_part_in_it() {
        for bench in [
            Bench::ScaleKeys,
            Bench::ScaleKeysResolve,
            Bench::ScaleEpochs,
            Bench::ScaleEpochsResolve,
            Bench::ScaleEpochsAdvance,
            Bench::ScaleThreads,
            Bench::ScaleLength,
            Bench::ScaleAdvance,
        ] {
            let named = entrants(bench);
            assert!(named.contains(&"ours"), "{bench:?}");
            for id in named {
                assert!(contestant(id).unwrap().enters(bench), "{id} in {bench:?}");
            }
        }
    }

    #[test]
    fn the_order_of_frees_matters_only_where_something_was_freed() {
        let shuffled = contestant("box-system-shuffled").unwrap();
        assert!(shuffled.enters(Bench::PutWarm) && shuffled.enters(Bench::Reclaim));
        assert!(!shuffled.enters(Bench::PutCold) && !shuffled.enters(Bench::Memory));
    }
}
