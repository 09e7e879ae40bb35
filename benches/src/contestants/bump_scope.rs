//! bump-scope: one arena per thread, no epochs.
#![cfg(feature = "peer-bump-scope")]

use ::bump_scope::Bump;

use crate::contest::{Contestant, Plan, Raw};

/// A `Bump` per worker.
#[derive(Debug)]
pub struct BumpScope(Bump);

// SAFETY: the arena is used by one thread at a time; nothing of it is bound to the thread that made it.
unsafe impl Send for BumpScope {}

impl Contestant for BumpScope {
    type Handle = Raw;

    fn crew(plan: Plan) -> Vec<Self> {
        // Room for the keys and the chunk's header.
        let worker = || {
            Self(if plan.roomy {
                Bump::with_size(plan.bytes + 4096)
            } else {
                Bump::new()
            })
        };
        (0..plan.workers).map(|_| worker()).collect()
    }

    #[inline(always)]
    fn put(&mut self, key: &[u8]) -> Raw {
        Raw::new(self.0.alloc_slice_copy(key).into_ref())
    }

    fn reset(&mut self, out: &mut Vec<Raw>) {
        out.clear();
        // The gentler of its two resets: it keeps every chunk.
        self.0.reset_to_start();
    }
}
