//! rarena-allocator: one lock-free arena of fixed size, shared.
#![cfg(feature = "peer-rarena")]

use rarena_allocator::sync::Arena;
use rarena_allocator::{Allocator, ArenaPosition, Buffer, Options};

use crate::contest::{Contestant, Plan, Resolver, look};

/// Room for the arena's header.
const SLACK: usize = 4096;

/// One `Arena` for the whole crew.
#[derive(Debug)]
pub struct Rarena {
    arena: Arena,
    start: usize,
}

/// Where a key lies in the arena.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    offset: u32,
    len: u32,
}

impl Contestant for Rarena {
    type Handle = Place;

    fn crew(plan: Plan) -> Vec<Self> {
        let capacity =
            u32::try_from(plan.workers * plan.bytes + SLACK).expect("rarena holds less than 4 GiB");
        let arena = Options::new()
            .with_capacity(capacity)
            .alloc::<Arena>()
            .expect("memory for the arena");
        let start = arena.allocated();
        (0..plan.workers)
            .map(|_| Self {
                arena: arena.clone(),
                start,
            })
            .collect()
    }

    #[inline(always)]
    fn put(&mut self, key: &[u8]) -> Place {
        let mut bytes = self
            .arena
            .alloc_bytes(key.len() as u32)
            .expect("the plan has room for every key");
        bytes
            .put_slice(key)
            .expect("the buffer is as long as the key");
        let place = Place {
            offset: bytes.offset() as u32,
            len: key.len() as u32,
        };
        // SAFETY: the bytes go back with the whole arena, as `Place` has no destructor.
        unsafe { bytes.detach() };
        place
    }

    fn reset(&mut self, out: &mut Vec<Place>) {
        out.clear();
    }

    fn reset_shared(&mut self) {
        // SAFETY: every worker has reset, so no thread reads or writes beyond this position. (`clear` would zero it all.)
        unsafe { self.arena.rewind(ArenaPosition::Start(self.start as u32)) };
    }
}

impl Resolver for Rarena {
    #[inline(never)]
    fn resolve(&mut self, handles: &[Place]) -> u64 {
        let get = |place: &Place| {
            // SAFETY: the place was allocated here and the arena was not reset since.
            look(unsafe {
                self.arena
                    .get_bytes(place.offset as usize, place.len as usize)
            })
        };
        handles.iter().map(get).sum()
    }
}
