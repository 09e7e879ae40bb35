//! One file per contestant or family, and the table that finds them by id.

mod blink;
mod boxes;
mod bump_scope;
mod bumpalo;
mod deferred;
mod floor;
mod naive;
mod ours;
mod rarena;

pub use boxes::Boxes;
pub use deferred::Deferred;
pub use floor::{Floor, FloorPinned, HUGE_PAGES, INLINE, MEMCPY, SMALL_PAGES};
pub use naive::Naive;
pub use ours::{
    AHEAD, AsItIs, BATCHES, Ours, OursEpochs, PIN_EACH, PIN_ONCE, PIN_PER_64, Prefaulted, REFRESH,
    SmallPages,
};

use crate::contest::{Contestant, Resolver};

/// Something to do with a contestant whose type is known only by its id.
pub trait Visit {
    /// The result.
    type Out;

    /// Does it.
    fn visit<C: Contestant + 'static>(self) -> Self::Out;
}

/// The same for contestants that resolve handles.
pub trait VisitResolver {
    /// The result.
    type Out;

    /// Does it.
    fn visit<C: Resolver + 'static>(self) -> Self::Out;
}

/// Finds the contestant; `None` where this executable was built without it.
pub fn visit<V: Visit>(id: &str, visitor: V) -> Option<V::Out> {
    Some(match id {
        "floor" => visitor.visit::<Floor<INLINE, HUGE_PAGES>>(),
        "floor1" => visitor.visit::<Floor<MEMCPY, HUGE_PAGES>>(),
        "floor-4k" => visitor.visit::<Floor<INLINE, SMALL_PAGES>>(),
        "floor-pinned" => visitor.visit::<FloorPinned>(),
        "ours" => visitor.visit::<Ours<PIN_PER_64>>(),
        "ours-pin-once" => visitor.visit::<Ours<PIN_ONCE>>(),
        "ours-pin-each" => visitor.visit::<Ours<PIN_EACH>>(),
        "ours-refresh" => visitor.visit::<Ours<REFRESH>>(),
        "ours-batch" => visitor.visit::<Ours<BATCHES>>(),
        "ours-prefault" => visitor.visit::<Ours<PIN_PER_64, Prefaulted>>(),
        "ours-4k" => visitor.visit::<Ours<PIN_PER_64, SmallPages>>(),
        #[cfg(feature = "peer-bumpalo")]
        "bumpalo" => visitor.visit::<bumpalo::Bumpalo>(),
        #[cfg(feature = "peer-bump-scope")]
        "bump-scope" => visitor.visit::<bump_scope::BumpScope>(),
        #[cfg(feature = "peer-blink")]
        "blink-local" => visitor.visit::<blink::Local>(),
        #[cfg(feature = "peer-blink")]
        "blink-sync" => visitor.visit::<blink::Sync>(),
        #[cfg(feature = "peer-rarena")]
        "rarena" => visitor.visit::<rarena::Rarena>(),
        "naive-shared" => visitor.visit::<Naive>(),
        // One type: which malloc is behind it is the executable's business, see `Binary`.
        "box-system" | "box-mimalloc" | "box-jemalloc" => visitor.visit::<Boxes<false>>(),
        "box-system-shuffled" | "box-mimalloc-shuffled" | "box-jemalloc-shuffled" => {
            visitor.visit::<Boxes<true>>()
        }
        "defer-destroy" => visitor.visit::<Deferred>(),
        _ => return None,
    })
}

/// Finds the contestant; `None` where this executable was built without it or there is nothing to resolve.
pub fn visit_resolver<V: VisitResolver>(id: &str, visitor: V) -> Option<V::Out> {
    Some(match id {
        "raw-slice" => visitor.visit::<Floor<INLINE, HUGE_PAGES>>(),
        "ours" => visitor.visit::<Ours<PIN_PER_64>>(),
        "ours-pin-once" => visitor.visit::<Ours<PIN_ONCE>>(),
        "ours-pin-each" => visitor.visit::<Ours<PIN_EACH>>(),
        "ours-ahead" => visitor.visit::<Ours<AHEAD>>(),
        #[cfg(feature = "peer-rarena")]
        "rarena" => visitor.visit::<rarena::Rarena>(),
        "naive-shared" => visitor.visit::<Naive>(),
        "defer-destroy" => visitor.visit::<Deferred>(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::{Plan, look, room};
    use crate::wire::{Group, Keys, ROSTER};

    struct Exists;

    impl Visit for Exists {
        type Out = ();
        fn visit<C: Contestant + 'static>(self) {}
    }

    impl VisitResolver for Exists {
        type Out = ();
        fn visit<C: Resolver + 'static>(self) {}
    }

    #[test]
    fn every_entry_of_the_roster_without_a_feature_is_here() {
        for entry in ROSTER.iter().filter(|entry| entry.feature.is_none()) {
            // A contestant of one special group is in that group's file.
            let writes = entry.groups.contains(&Group::Put);
            assert!(!writes || visit(entry.id, Exists).is_some(), "{}", entry.id);
            let resolves = entry.groups.contains(&Group::Resolve);
            assert!(
                !resolves || visit_resolver(entry.id, Exists).is_some(),
                "{}",
                entry.id
            );
        }
        assert!(visit("nobody", Exists).is_none());
    }

    /// Puts keys, resolves them, resets, and does it again over the reused memory.
    struct KeepsItsBytes;

    impl VisitResolver for KeepsItsBytes {
        type Out = ();

        fn visit<C: Resolver + 'static>(self) {
            let mut keys = Keys::default();
            (0..300_usize).for_each(|len| keys.push(&vec![len as u8; len]));
            let mut crew = C::crew(Plan::of_one(&keys));
            let mut out = room(keys.len());
            let expected: u64 = keys.iter().map(look).sum();
            for _ in 0..3 {
                crew[0].fill(&keys, &mut out);
                assert_eq!(out.len(), keys.len());
                assert_eq!(crew[0].resolve(&out), expected);
                crew[0].reset(&mut out);
                crew[0].reset_shared();
                assert!(out.is_empty());
            }
        }
    }

    #[test]
    fn what_was_put_is_what_is_resolved_whatever_the_length() {
        for entry in ROSTER
            .iter()
            .filter(|entry| entry.groups.contains(&Group::Resolve))
        {
            let found = visit_resolver(entry.id, KeepsItsBytes).is_some();
            assert!(found || entry.feature.is_some(), "{}", entry.id);
        }
    }
}
