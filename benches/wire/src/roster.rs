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
}

impl Binary {
    /// The name of the executable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "bench-system",
            Self::Mimalloc => "bench-mimalloc",
            Self::Jemalloc => "bench-jemalloc",
        }
    }
}

/// What a contestant is in the race for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The physical limit that others are measured against.
    Floor,
    /// This library.
    Ours,
    /// Somebody else's, or what people write by hand.
    Peer,
}

/// One entry of the roster.
#[derive(Debug)]
pub struct Contestant {
    /// The name in records.
    pub id: &'static str,
    /// The name in tables and pictures.
    pub label: &'static str,
    /// What it is there for.
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
        let entrants = entrants(bench);
        self.groups.contains(&bench.group())
            && !nothing_freed
            && (entrants.is_empty() || entrants.contains(&self.id))
    }
}

/// Who takes part where not all of the group do.
const fn entrants(bench: Bench) -> &'static [&'static str] {
    match bench {
        Bench::TailPrefault => &["floor", "ours"],
        Bench::MemoryEpochs => &["ours"],
        _ => &[],
    }
}

use Group::{Churn, Memory, Put, Reclaim, Resolve, Tail};

const WRITES: &[Group] = &[Put, Reclaim, Memory, Churn, Tail];
const EVERY: &[Group] = &Group::ALL;

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

/// Every contestant, in the order of the tables.
pub const ROSTER: &[Contestant] = &[
    entry(
        "floor",
        "FLOOR: bump + inline copy",
        Role::Floor,
        &[Put, Reclaim, Tail],
    ),
    entry("floor1", "FLOOR1: bump + memcpy", Role::Floor, &[Put]),
    entry(
        "floor-4k",
        "FLOOR on 4 KiB pages",
        Role::Floor,
        &[Put, Tail],
    ),
    entry("raw-slice", "FLOOR: raw &[u8]", Role::Floor, &[Resolve]),
    entry("ours", "epoch-arena, pin per 64", Role::Ours, EVERY),
    entry(
        "ours-pin-once",
        "epoch-arena, one pin",
        Role::Ours,
        &[Resolve],
    ),
    entry(
        "ours-pin-each",
        "epoch-arena, pin per key",
        Role::Ours,
        &[Put, Resolve],
    ),
    peer("bumpalo", "bumpalo, per thread", "peer-bumpalo"),
    peer("bump-scope", "bump-scope, per thread", "peer-bump-scope"),
    peer("blink-local", "blink-alloc local, per thread", "peer-blink"),
    peer("blink-sync", "blink-alloc sync, shared", "peer-blink"),
    Contestant {
        groups: EVERY,
        ..peer("rarena", "rarena-allocator, shared", "peer-rarena")
    },
    entry("naive-shared", "naive shared arena", Role::Peer, EVERY),
    boxed("box-system", "Box, system malloc", Binary::System, None),
    shuffled(
        "box-system-shuffled",
        "Box, system malloc, shuffled frees",
        Binary::System,
        None,
    ),
    boxed(
        "box-mimalloc",
        "Box, mimalloc",
        Binary::Mimalloc,
        Some("peer-mimalloc"),
    ),
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
        groups: EVERY,
        ..boxed(
            "defer-destroy",
            "crossbeam defer_destroy per key",
            Binary::System,
            None,
        )
    },
];

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
    fn the_order_of_frees_matters_only_where_something_was_freed() {
        let shuffled = contestant("box-system-shuffled").unwrap();
        assert!(shuffled.enters(Bench::PutWarm) && shuffled.enters(Bench::Reclaim));
        assert!(!shuffled.enters(Bench::PutCold) && !shuffled.enters(Bench::Memory));
    }
}
