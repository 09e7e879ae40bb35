//! Who is measured, where, and in which process: `benches/roster.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::Contestant;

/// Every contestant, in the order of the tables.
pub static ROSTER: LazyLock<Vec<Contestant>> = LazyLock::new(|| {
    let file = toml::from_str(include_str!("../../roster.toml"));
    let file: BTreeMap<&str, Vec<Contestant>> = file.expect("a test parses it");
    file.into_values().flatten().collect()
});

/// The entry with this id.
pub fn contestant(id: &str) -> Option<&'static Contestant> {
    ROSTER.iter().find(|contestant| contestant.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::entrants;
    use crate::{Bench, Binary};

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
