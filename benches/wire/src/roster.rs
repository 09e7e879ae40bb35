//! Who is measured, where, and in which process.

use crate::Group::{
    self, Churn, Map, Memory, Pin, Pools, Put, Reclaim, Resolve, Scale, Shared, Sort, Tail,
};
use crate::{Binary, Contestant, Role};

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

/// An ordered map. It leaves its nodes in a heap, so each has one of its own.
const fn map(
    id: &'static str,
    label: &'static str,
    feature: Option<&'static str>,
    binary: Binary,
) -> Contestant {
    Contestant {
        binary,
        feature,
        isolated: true,
        ..entry(id, label, Role::Peer, &[Map])
    }
}

/// The same of this library; a failure is ours.
const fn own_map(id: &'static str, label: &'static str, binary: Binary) -> Contestant {
    Contestant {
        role: Role::Ours,
        ..map(id, label, None, binary)
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
        "ours-refresh",
        "epoch-arena, refresh per 64",
        Role::Ours,
        &[Put],
    ),
    entry(
        "ours-eight",
        "epoch-arena, eight at a time",
        Role::Ours,
        &[Resolve],
    ),
    entry(
        "ours-batch",
        "epoch-arena, batches of 64",
        Role::Ours,
        &[Put],
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
    own_map("arena-map", "ArenaMap", MALLOC),
    own_map("arena-map-writer", "ArenaMap, a Writer", MALLOC),
    map("skipmap", "SkipMap", SKIPLIST, MALLOC),
    map("lsm-memtable", "lsm-tree's Memtable", LSM_TREE, MALLOC),
    map("skl", "skl", SKL, MALLOC),
    map("btree-lock", "RwLock<BTreeMap>", None, MALLOC),
    map("btree", "BTreeMap", None, MALLOC),
    map("tree-index", "scc TreeIndex", SCC, MALLOC),
    map("concurrent-map", "concurrent-map", CONCURRENT, MALLOC),
    map("blart", "blart", BLART, MALLOC),
    own_map("arena-map-mimalloc", "ArenaMap, mimalloc", MIMALLOC),
    own_map(
        "arena-map-writer-mimalloc",
        "ArenaMap, a Writer, mimalloc",
        MIMALLOC,
    ),
    map("skipmap-mimalloc", "SkipMap, mimalloc", SKIPLIST, MIMALLOC),
    map(
        "lsm-memtable-mimalloc",
        "lsm-tree's Memtable, mimalloc",
        LSM_TREE,
        MIMALLOC,
    ),
    map(
        "btree-lock-mimalloc",
        "RwLock<BTreeMap>, mimalloc",
        None,
        MIMALLOC,
    ),
    map("btree-mimalloc", "BTreeMap, mimalloc", None, MIMALLOC),
    map(
        "tree-index-mimalloc",
        "scc TreeIndex, mimalloc",
        SCC,
        MIMALLOC,
    ),
    map(
        "concurrent-map-mimalloc",
        "concurrent-map, mimalloc",
        CONCURRENT,
        MIMALLOC,
    ),
    map("blart-mimalloc", "blart, mimalloc", BLART, MIMALLOC),
];

const SKIPLIST: Option<&str> = Some("peer-skiplist");
const LSM_TREE: Option<&str> = Some("peer-lsm-tree");
const SKL: Option<&str> = Some("peer-skl");
const SCC: Option<&str> = Some("peer-scc");
const CONCURRENT: Option<&str> = Some("peer-concurrent-map");
const BLART: Option<&str> = Some("peer-blart");
const MALLOC: Binary = Binary::System;
const MIMALLOC: Binary = Binary::Mimalloc;

/// The entry with this id.
pub fn contestant(id: &str) -> Option<&'static Contestant> {
    ROSTER.iter().find(|contestant| contestant.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bench;
    use crate::contestant::entrants;

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
                assert!(
                    contestant(id).unwrap().enters(bench, Some(1_000)),
                    "{id} in {bench:?}"
                );
            }
        }
    }

    #[test]
    fn the_order_of_frees_matters_only_where_something_was_freed() {
        let shuffled = contestant("box-system-shuffled").unwrap();
        assert!(shuffled.enters(Bench::PutWarm, None) && shuffled.enters(Bench::Reclaim, None));
        assert!(!shuffled.enters(Bench::PutCold, None) && !shuffled.enters(Bench::Memory, None));
    }
}
